"""Damage against budget of every unit selector at equal forward passes.

python benchmarks/adversaries.py [--data DIR] [--out reports/adversaries]

Sessions are simulated (G5: six carriers of 60 units, and the same label carried by all
60; three pairs of near copies among 60 units) or are the three reach sessions. A set is
chosen on one half of a session and scored on the other. A selector works in a world
where its damage exceeds that of the best of random sets at the same number of passes,
in the mode that it attacked: the test is a one-sided paired t over sessions at .05. The
tables are written to reports/adversaries/README.md.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from invariance_probe.data.sessions import open_recording
from invariance_probe.plan.figures.units import MODES
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.selectors import BASELINES, EQUAL, REFERENCE, SELECTORS
from invariance_probe.probing.selectors.acceptance import DRAWS, judge
from invariance_probe.probing.selectors.attack import GRADIENT, Attack
from invariance_probe.probing.selectors.damage import decodable_range, losses_without
from invariance_probe.probing.selectors.halves import Halves
from invariance_probe.probing.selectors.moments import BlockMoments, FoldMoments
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.recordings import AnySource, MessengerRecording, NpzRecording

BUDGETS = (2, 4, 8)
LIMITS = (300, 1000, 3000)
BLOCKS = 12
WORLDS = {"six carriers": 6, "all 60 carry": 60}
SESSIONS = 8
TWINS_RIDGE = 1e-3
REACH = {"chewie-1": "chewie-10032013", "chewie-2": "chewie-12192013", "mihi-1": "mihi-03032014"}
LEVEL = 0.05


@dataclass(frozen=True)
class Row:
    """One chosen set: its selector, its cost, and its damage on the other half.

    The damage of removing the set is in units of the decodable range.
    """

    world: str
    session: str
    mode: str
    budget: int
    limit: int
    selector: str
    passes: int
    damage: float


@dataclass(frozen=True)
class Band:
    """The reference's set of one session against random ones of like rates."""

    world: str
    session: str
    mode: str
    budget: int
    random: float
    low: float
    high: float
    accepted: bool


@dataclass(frozen=True, eq=False)
class Session:
    """Both halves of a session, and its units' rates."""

    world: str
    name: str
    choosing: list[FoldMoments]
    scoring: list[FoldMoments]
    rates: np.ndarray


def sessions(data: Path) -> Iterator[Session]:
    """Yield every session."""
    for world, carriers in WORLDS.items():
        for i in range(SESSIONS):
            source = MessengerRecording(
                session=f"s{i}", carriers=carriers, units=60, bins=4000, seed=500 + i
            )
            yield opened(world, f"s{i}", source, Target(name="label"), 1.0)
    for i in range(SESSIONS):
        yield twins(i)
    for name, file in REACH.items():
        path = str((data / f"m1_reach/{file}-bin0.10-velthresh5.00.npz").resolve())
        own = NpzRecording(
            path=path, session=name, activity="spike_count", bin_s="bin_s", trial="trial"
        )
        yield opened("reach", name, own, Target(name="hand_velocity"), 0.5)


def opened(world: str, name: str, source: AnySource, target: Target, embargo_s: float) -> Session:
    """Open a recording and cut it in two halves."""
    recording = open_recording(source, name, Path())
    run = SessionMeasurement(
        fingerprint="",
        session=name,
        window=Window(),
        folds=Folds(embargo_s=embargo_s),
        seed=0,
        study_seed=1,
        method=Messengers(),
        target=target,
        probe=RidgeProbe(),
    )
    bench = Workbench.of(recording, run, torch.device("cpu"))
    halves = Halves.of(
        bench, np.arange(len(bench.windows.starts)), BLOCKS, round(embargo_s / recording.bin_s)
    )
    choosing, scoring = (
        halves.choosing.parts(halves.choosing_penalty),
        halves.scoring.parts(halves.scoring_penalty),
    )
    return Session(world, name, choosing, scoring, recording.activity.mean(axis=0))


def twins(seed: int) -> Session:
    """Simulate three latents, each carried by two nearly equal units among 60.

    The ridge penalty is `TWINS_RIDGE`.
    """
    rng = np.random.default_rng([9, seed])
    halves = []
    for _ in range(2):
        latents = rng.standard_normal((2000, 3))
        x = rng.standard_normal((2000, 60))
        x[:, :6] = np.repeat(latents, 2, axis=1) + 0.01 * rng.standard_normal((2000, 6))
        y = latents.sum(axis=1, keepdims=True) + 0.3 * rng.standard_normal((2000, 1))
        halves.append(BlockMoments.of(x, y, np.arange(2000) * BLOCKS // 2000).parts(TWINS_RIDGE))
    return Session("three pairs of twins", f"s{seed}", halves[0], halves[1], rng.random(60))


def measured(session: Session) -> tuple[list[Row], list[Band]]:
    """Let every selector choose in one session, and score what it chose."""
    scale = decodable_range(session.scoring).mean()
    rows: list[Row] = []
    bands: list[Band] = []
    for mode in MODES:
        everything = losses_without(session.scoring, (), mode).mean()
        for budget, limit, (name, select) in product(BUDGETS, LIMITS, SELECTORS.items()):
            attack = Attack(session.choosing, mode, budget, limit)
            chosen = select(attack, np.random.default_rng([1, budget]))
            damage = float(
                (losses_without(session.scoring, chosen, mode).mean() - everything) / scale
            )
            rows.append(
                Row(session.world, session.name, mode, budget, limit, name, attack.passes, damage)
            )
            if name == REFERENCE and limit == LIMITS[-1]:
                found = judge(
                    session.scoring, chosen, session.rates, DRAWS, np.random.default_rng(2)
                )
                own = found.refit if mode == "refit" else found.fixed
                bands.append(
                    Band(
                        session.world,
                        session.name,
                        mode,
                        budget,
                        own.random,
                        own.low,
                        own.high,
                        found.accepted,
                    )
                )
    return rows, bands


def table(rows: list[Row], bands: list[Band], world: str, mode: str, limit: int) -> list[str]:
    """Mean damages in one world: one row per selector, one column per budget.

    The last column says at which budgets a selector beats the best of random sets.
    """
    lines = [
        "| selector | " + " | ".join(f"b = {b}" for b in BUDGETS) + " | passes, mean | works |",
        "|---" * (len(BUDGETS) + 3) + "|",
    ]
    for name in SELECTORS:
        own = [
            r for r in rows if (r.world, r.mode, r.limit, r.selector) == (world, mode, limit, name)
        ]
        cells = [f"{np.mean([r.damage for r in own if r.budget == b]):.3f}" for b in BUDGETS]
        works = (
            "-"
            if name in (*BASELINES, EQUAL)
            else ", ".join(map(str, works_at(rows, world, mode, limit, name))) or "no"
        )
        lines.append(
            f"| {name} | "
            + " | ".join(cells)
            + f" | {np.mean([r.passes for r in own]):.0f} | {works} |"
        )
    here = [b for b in bands if (b.world, b.mode) == (world, mode)]
    for what, field in (
        ("rate-matched random, mean", "random"),
        ("97.5 % of rate-matched random", "high"),
    ):
        cells = [
            f"{np.mean([getattr(b, field) for b in here if b.budget == k]):.3f}" for k in BUDGETS
        ]
        lines.append(f"| {what} | " + " | ".join(cells) + " | | |")
    taken = [
        f"{sum(b.accepted for b in here if b.budget == k)} of {sum(b.budget == k for b in here)}"
        for k in BUDGETS
    ]
    return [
        *lines,
        f"| sets of {REFERENCE} at {LIMITS[-1]} passes accepted | " + " | ".join(taken) + " | | |",
    ]


def works_at(rows: list[Row], world: str, mode: str, limit: int, name: str) -> list[int]:
    """Budgets at which a selector does more damage than the best random sets.

    The comparison is paired over sessions.
    """
    shown: list[int] = []
    for budget in BUDGETS:
        of = {
            who: {
                r.session: r.damage
                for r in rows
                if (r.world, r.mode, r.limit, r.budget, r.selector)
                == (world, mode, limit, budget, who)
            }
            for who in (name, EQUAL)
        }
        difference = np.array([of[name][s] - of[EQUAL][s] for s in of[EQUAL]])
        same = np.ptp(difference) == 0
        p = (
            float(difference[0] <= 0)
            if same
            else stats.ttest_1samp(difference, 0.0, alternative="greater").pvalue
        )
        shown += [budget] if p <= LEVEL else []
    return shown


def summary(rows: list[Row]) -> list[str]:
    """Number of cells in which each search beats the best of random sets.

    A cell is a budget with a number of passes; they are counted in every world and
    mode.
    """
    worlds = list(dict.fromkeys(r.world for r in rows))
    heads = [f"{world}, {mode}" for world in worlds for mode in MODES]
    lines = ["| search | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name in (n for n in SELECTORS if n not in (*BASELINES, EQUAL)):
        shown = [
            [works_at(rows, world, mode, limit, name) for limit in LIMITS]
            for world in worlds
            for mode in MODES
        ]
        lines.append(
            f"| {name} | "
            + " | ".join(
                f"{sum(map(len, cells))} of {len(LIMITS) * len(BUDGETS)}" for cells in shown
            )
            + " |"
        )
    return [*lines, ""]


def page(rows: list[Row], bands: list[Band]) -> str:
    """Return the page."""
    names = ", ".join(f"`{n}`" for n in SELECTORS if n not in BASELINES)
    opening = f"""# Selectors of units at equal forward passes

A set of b units is chosen on one half of a session's blocks and scored on the other: \
the loss without it less that of all units,
in units of the decodable range (1: as bad as the training means). `refit`: \
the ridge decoder is fitted again without the units.
`fixed`: the units are held at their mean. Every selector stops at the same number of forward \
passes; a loss with its gradient counts
for {GRADIENT}. Where fewer were spent, it had ended.
Searches are {names};
the others are baselines.

**Works** says at which budgets a search's damage exceeds that of `{EQUAL}` (MaxUp) at equal \
passes: one-sided paired t over
sessions at {LEVEL:g}, in this world and mode, uncorrected; \
with three reach sessions (two animals) that is weak evidence, and of these
recordings. Bands: {DRAWS} random sets of other units with like rates, \
for the set of `{REFERENCE}`; a set is accepted where both
damages exceed their band.

Simulated: {SESSIONS} sessions of 4000 bins and 60 units each (G5); twins: \
three latents of two units each that differ by 0.01 SD, among
60 units, 2000 rows each half, a ridge of {0.01 * TWINS_RIDGE:g} of the variance. \
The first table counts budgets
and numbers of passes. Made by `python benchmarks/adversaries.py`.
"""
    lines = [opening, *summary(rows)]
    for world in dict.fromkeys(r.world for r in rows):
        for mode in MODES:
            for limit in LIMITS:
                lines += [
                    f"## {world}, {mode}, {limit} passes\n",
                    *table(rows, bands, world, mode, limit),
                    "",
                ]
    return "\n".join(lines)


def main(data: Path, out: Path) -> None:
    """Measure every session, print the page, and write it."""
    torch.set_num_threads(1)
    rows: list[Row] = []
    bands: list[Band] = []
    for session in sessions(data):
        more, band = measured(session)
        rows, bands = rows + more, bands + band
        print(f"{session.world} {session.name}", flush=True)
    written = page(rows, bands)
    print(written)
    out.mkdir(parents=True, exist_ok=True)
    (out / "README.md").write_text(written, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("INVARIANCE_PROBE_DATA", "data"))
    )
    parser.add_argument("--out", type=Path, default=Path("reports/adversaries"))
    arguments = parser.parse_args()
    main(arguments.data, arguments.out)
