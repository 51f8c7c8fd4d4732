"""Damage against budget of every selector of units at equal forward passes; writes reports/adversaries/README.md.

python benchmarks/adversaries.py [--data DIR] [--out reports/adversaries]

Simulated sessions (G5: six carriers of 60 units, and the same label carried by all 60) and three reach sessions. A set is chosen on one half
of a session and scored on the other. A selector works in a world where its damage exceeds that of the best of random sets at the
same number of passes, with a one-sided paired t test over sessions at .05, in the mode that it attacked.
"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from invariance_probe.data.sessions import open_recording
from invariance_probe.probing.adversaries import BASELINES, EQUAL, REFERENCE, SELECTORS
from invariance_probe.probing.adversaries.acceptance import DRAWS, judge
from invariance_probe.probing.adversaries.attack import GRADIENT, Attack
from invariance_probe.probing.adversaries.damage import MODES, decodable_range, losses_without
from invariance_probe.probing.adversaries.halves import Halves
from invariance_probe.probing.workbench import Workbench
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.recordings import AnySource, MessengerRecording, NpzRecording
from invariance_probe.study.run import Run
from invariance_probe.study.study import Folds, Window

BUDGETS = (2, 4, 8)
LIMITS = (300, 1000, 3000)
BLOCKS = 12
WORLDS = {"six carriers": 6, "all 60 carry": 60}
SESSIONS = 8
REACH = {"chewie-1": "chewie-10032013", "chewie-2": "chewie-12192013", "mihi-1": "mihi-03032014"}
LEVEL = 0.05


@dataclass(frozen=True)
class Row:
    """One set: who chose it at which cost, and what its removal costs on the other half, in units of the range."""

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


def worlds(data: Path) -> Iterator[tuple[str, str, AnySource, Target, float]]:
    """Yield world, session, source, target and embargo in seconds."""
    for world, carriers in WORLDS.items():
        for i in range(SESSIONS):
            source = MessengerRecording(session=f"s{i}", carriers=carriers, units=60, bins=4000, seed=500 + i)
            yield world, f"s{i}", source, Target(name="label"), 1.0
    for session, file in REACH.items():
        path = str((data / f"m1_reach/{file}-bin0.10-velthresh5.00.npz").resolve())
        own = NpzRecording(path=path, session=session, activity="spike_count", bin_s="bin_s", trial="trial")
        yield "reach", session, own, Target(name="hand_velocity"), 0.5


def measured(world: str, session: str, source: AnySource, target: Target, embargo_s: float) -> tuple[list[Row], list[Band]]:
    """Let every selector choose in one session, and score what it chose."""
    recording = open_recording(source, session, Path())
    run = Run(
        fingerprint="", session=session, window=Window(), folds=Folds(embargo_s=embargo_s), fold=None, seed=0, study_seed=1,
        method=Messengers(), target=target, probe=RidgeProbe(),
    )  # fmt: skip
    bench = Workbench.of(recording, run, torch.device("cpu"))
    halves = Halves.of(bench, np.arange(len(bench.windows.starts)), BLOCKS, round(embargo_s / recording.bin_s))
    choosing, scoring = halves.choosing.parts(halves.choosing_penalty), halves.scoring.parts(halves.scoring_penalty)
    scale, rates = decodable_range(scoring).mean(), recording.activity.mean(axis=0)
    rows: list[Row] = []
    bands: list[Band] = []
    for mode in MODES:
        everything = losses_without(scoring, (), mode).mean()
        for budget in BUDGETS:
            for limit in LIMITS:
                for name, select in SELECTORS.items():
                    attack = Attack(choosing, mode, budget, limit)
                    chosen = select(attack, np.random.default_rng([1, budget]))
                    damage = float((losses_without(scoring, chosen, mode).mean() - everything) / scale)
                    rows.append(Row(world, session, mode, budget, limit, name, attack.passes, damage))
                    if name == REFERENCE and limit == LIMITS[-1]:
                        found = judge(scoring, chosen, rates, DRAWS, np.random.default_rng(2))
                        own = found.refit if mode == "refit" else found.fixed
                        bands.append(Band(world, session, mode, budget, own.random, own.low, own.high, found.accepted))
    return rows, bands


def table(rows: list[Row], bands: list[Band], world: str, mode: str, limit: int) -> list[str]:
    """Return the mean damages of one world, a row a selector and a column a budget, and whether each beats the best of random sets."""
    lines = [
        "| selector | " + " | ".join(f"b = {b}" for b in BUDGETS) + " | passes, mean | works |",
        "|---" * (len(BUDGETS) + 3) + "|",
    ]
    for name in SELECTORS:
        own = [r for r in rows if (r.world, r.mode, r.limit, r.selector) == (world, mode, limit, name)]
        cells = [f"{np.mean([r.damage for r in own if r.budget == b]):.3f}" for b in BUDGETS]
        works = "-" if name in (*BASELINES, EQUAL) else works_at(rows, world, mode, limit, name)
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {np.mean([r.passes for r in own]):.0f} | {works} |")
    here = [b for b in bands if (b.world, b.mode) == (world, mode)]
    for what, field in (("rate-matched random, mean", "random"), ("97.5 % of rate-matched random", "high")):
        cells = [f"{np.mean([getattr(b, field) for b in here if b.budget == k]):.3f}" for k in BUDGETS]
        lines.append(f"| {what} | " + " | ".join(cells) + " | | |")
    taken = [f"{sum(b.accepted for b in here if b.budget == k)} of {sum(b.budget == k for b in here)}" for k in BUDGETS]
    return [*lines, f"| sets of {REFERENCE} at {LIMITS[-1]} passes accepted | " + " | ".join(taken) + " | | |"]


def works_at(rows: list[Row], world: str, mode: str, limit: int, name: str) -> str:
    """Say at which budgets a selector's damage exceeds that of the best of random sets, paired over sessions."""
    shown = []
    for budget in BUDGETS:
        of = {
            who: {
                r.session: r.damage
                for r in rows
                if (r.world, r.mode, r.limit, r.budget, r.selector) == (world, mode, limit, budget, who)
            }
            for who in (name, EQUAL)
        }
        difference = np.array([of[name][s] - of[EQUAL][s] for s in of[EQUAL]])
        same = np.ptp(difference) == 0
        p = float(difference[0] <= 0) if same else stats.ttest_1samp(difference, 0.0, alternative="greater").pvalue
        shown += [str(budget)] if p <= LEVEL else []
    return "b = " + ", ".join(shown) if shown else "no"


def page(rows: list[Row], bands: list[Band]) -> str:
    """Return the page."""
    names = ", ".join(f"`{n}`" for n in SELECTORS if n not in BASELINES)
    opening = f"""# Selectors of units at equal forward passes

A set of b units is chosen on one half of a session's blocks and scored on the other: the loss without it less that of all units, in units
of the decodable range (1: as bad as the training means). `refit`: the ridge decoder is fitted again without the units. `fixed`: the units are
held at their mean. Every selector stops at the same number of forward passes; a loss with its gradient counts for {GRADIENT}. Where fewer were spent, it had ended.
Searches are {names}; the others are baselines. **Works** says at which budgets a search's damage exceeds that of `{EQUAL}` (MaxUp) at equal
passes: one-sided paired t over sessions at {LEVEL:g}, in this world and mode, uncorrected; with three reach sessions (two animals) that is weak evidence, and of
these recordings. Bands: {DRAWS} random sets of other units with like rates, for the set of `{REFERENCE}`; a set is accepted where both damages exceed their band.

Simulated: {SESSIONS} sessions of 4000 bins and 60 units each (G5). Made by `python benchmarks/adversaries.py`.
"""
    lines = [opening]
    for world in dict.fromkeys(r.world for r in rows):
        for mode in MODES:
            for limit in LIMITS:
                lines += [f"## {world}, {mode}, {limit} passes\n", *table(rows, bands, world, mode, limit), ""]
    return "\n".join(lines)


def main(data: Path, out: Path) -> None:
    """Measure every session, print the page, and write it with its numbers."""
    torch.set_num_threads(1)
    rows: list[Row] = []
    bands: list[Band] = []
    for world, session, source, target, embargo_s in worlds(data):
        more, band = measured(world, session, source, target, embargo_s)
        rows, bands = rows + more, bands + band
        print(f"{world} {session}", flush=True)
    written = page(rows, bands)
    print(written)
    out.mkdir(parents=True, exist_ok=True)
    (out / "README.md").write_text(written, encoding="utf-8")
    summary = {"rows": [asdict(row) for row in rows], "bands": [asdict(band) for band in bands]}
    (out / "adversaries.json").write_text(json.dumps(summary) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("INVARIANCE_PROBE_DATA", "data")))
    parser.add_argument("--out", type=Path, default=Path("reports/adversaries"))
    arguments = parser.parse_args()
    main(arguments.data, arguments.out)
