"""How often pairs across states (H6) are called beneficial on G7 worlds.

python benchmarks/state_views.py [--sessions 60] [--studies 400] [--out FOLDER]

Counted are false words, about sleep that replays nothing, and true ones, about sleep in
which half of the bouts replay. Fits are in closed form: about 0.4 s per session on one
core. The result goes to reports/states.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.hypotheses.contrast.judging import (
    AGAINST,
    contrast_claims,
    decide_contrast,
)
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.plan.plan import BASELINE_SETTING, Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.hypotheses import CONTROLS
from invariance_probe.study.study import Study

STUDY, SHARE, SEED, BANKS = 6, 0.5, 9700, 20
FOUR = CONTROLS["state.share"]
WORLDS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {
    "as G7 comes": ({}, {"span_s": 1.0}, 2),
    "four label dimensions, strong, twice as fast asleep": (
        {"label_dimensions": 4, "label_gain": 0.6, "compression": 2.0},
        {"span_s": 2.0, "compression": 2.0},
        4,
    ),
}
"""World, pairing and dimensions of the representation."""
FRACTIONS = (0.0, 0.5)
OPENING = """# Pairs across states: how often the verdict is wrong, \
and how often it finds what is there

Made by `python benchmarks/state_views.py --sessions {sessions} --studies {studies}`. \
Worlds are G7 (`replay`, {bins} bins of .1 s, a third
awake, a third of sleep in which a part of the bouts replays the waking label, \
a third of sleep like it that replays nothing). Closed-form
linear SSL is fitted with local pairs and with half of the pairs across states, in every arm; \
{count} sessions a row are measured and
studies of {study} are drawn from them, {studies} a row, \
judged by the toolkit's own rule (docs/states.md). Means and SE are in units of the mean
decodable range. Brackets are 95 % of {banks} banks
drawn from the bank, 50 studies each. Asked: at most .07 `beneficial` where nothing is replayed. \
Power is printed, and was not promised.

| world | replayed | `beneficial` | `harmful` | {names} |
|---|---|---|---|{rules}|
"""


@dataclass(frozen=True)
class Bank:
    """Losses of each control less that of mined pairs, and decodable ranges.

    The differences are (session, control), and the ranges (session,).
    """

    contrasts: np.ndarray
    ranges: np.ndarray

    def drawn(self, rng: np.random.Generator, count: int) -> "Bank":
        """Return sessions drawn with replacement."""
        chosen = rng.integers(0, len(self.ranges), count)
        return Bank(self.contrasts[chosen], self.ranges[chosen])

    def words(self, rng: np.random.Generator, studies: int) -> dict[str, float]:
        """Return how often studies of `STUDY` sessions get each word."""
        found = {"beneficial": 0, "harmful": 0, "not shown": 0}
        for _ in range(studies):
            found[judged(self.drawn(rng, STUDY))] += 1
        return {word: count / studies for word, count in found.items()}


def judged(study: Bank) -> str:
    """Return the word of a study."""
    subjects = tuple(f"s{i}" for i in range(len(study.ranges)))
    scale = study.ranges.reshape(-1, 1, 1)
    samples = {
        AGAINST[control]: Sample(
            tuple(
                Effect(np.full((1, 1), x), r)
                for x, r in zip(study.contrasts[:, i], scale, strict=True)
            ),
            subjects,
        )
        for i, control in enumerate(FOUR)
    }
    return decide_contrast(contrast_claims(samples, 0.0, {}))


def study_of(
    world: Mapping[str, Any], pairing: Mapping[str, Any], dimensions: int, sessions: int, bins: int
) -> Study:
    """Return the study whose sessions are a bank's."""
    recording = {
        "kind": "simulated",
        "generator": "replay",
        "session": "g7",
        "sessions": sessions,
        "seed": SEED,
        "units": 40,
        "bins": bins,
        "control_sleep": True,
        **world,
    }
    return Study.model_validate(
        {
            "name": "state-views",
            "question": "Does sleep help?",
            "recordings": [recording],
            "target": {"name": "label", "kind": "continuous"},
            "window": {"within": {"array": "state", "values": [0]}},
            "folds": {"scheme": "blocks", "count": 2, "embargo_s": 4},
            "method": {"kind": "linear_ssl", "dimensions": dimensions},
            "training": {"seeds": 1, "study_seed": 1},
            "axes": [{"path": "state.share", "doses": [0, SHARE]}],
            "quick": True,
            "views": {
                "pairing": {
                    "kind": "state",
                    "window_s": 0.2,
                    "partners": [1],
                    "others": [2],
                    **pairing,
                }
            },
            "hypotheses": [
                {
                    "kind": "contrast",
                    "id": "S",
                    "claim": "sleep replays",
                    "axis": "state.share",
                    "dose": SHARE,
                }
            ],
        }
    )


def measured(study: Study) -> Bank:
    """Measure every session of a study by closed-form linear SSL and the raw decoder."""
    plan = Plan(study, find_sessions(study, Path()))
    contrasts, ranges = [], []
    for session in plan.sessions:
        own = [
            run
            for run in plan.runs
            if run.session == session.name and run.setting != BASELINE_SETTING
        ]
        runs = {
            kind: [run for run in own if run.method.kind == kind] for kind in ("linear_ssl", "raw")
        }
        bench = Workbench.of(
            open_recording(session.source, session.name, Path()),
            runs["raw"][0],
            torch.device("cpu"),
        )
        found = {
            kind: [m.result for m in MEASURES[kind](bench, runs[kind], lambda _: None)]
            for kind in runs
        }
        scale = np.mean([r.floor_losses for r in found["raw"]]) - np.mean(
            [r.block_losses for r in found["raw"]]
        )
        losses: dict[str, list[float]] = {}
        for run, result in zip(runs["linear_ssl"], found["linear_ssl"], strict=True):
            losses.setdefault(run.arm, []).append(float(np.mean(result.block_losses)))
        mean = {arm: float(np.mean(values)) for arm, values in losses.items()}
        contrasts.append(
            [mean["none" if control == "local" else control] - mean["mined"] for control in FOUR]
        )
        ranges.append(scale)
    return Bank(np.array(contrasts), np.array(ranges))


def line(name: str, fraction: float, bank: Bank, studies: int) -> str:
    """Return a row of the page."""
    rng = np.random.default_rng(7)
    words = bank.words(rng, studies)
    again = [bank.drawn(rng, len(bank.ranges)).words(rng, 50) for _ in range(BANKS)]
    low, high = np.quantile([own["beneficial"] for own in again], [0.025, 0.975])
    mean, error = (
        bank.contrasts.mean(axis=0),
        bank.contrasts.std(axis=0, ddof=1) / len(bank.ranges) ** 0.5,
    )
    means = " | ".join(
        f"{m:+.3f} ± {e:.3f}"
        for m, e in zip(mean / bank.ranges.mean(), error / bank.ranges.mean(), strict=True)
    )
    return (
        f"| {name} | {fraction:g} | {words['beneficial']:.3f} [{low:.2f}, {high:.2f}] | "
        f"{words['harmful']:.3f} | {means} |"
    )


def main() -> None:
    """Measure, judge and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=60)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--bins", type=int, default=2400)
    parser.add_argument("--out", type=Path, default=Path("reports/states"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    lines = []
    for name, (world, pairing, dimensions) in WORLDS.items():
        for fraction in FRACTIONS:
            bank = measured(
                study_of(
                    {**world, "fraction": fraction}, pairing, dimensions, asked.sessions, asked.bins
                )
            )
            lines.append(line(name, fraction, bank, asked.studies))
            print(lines[-1], flush=True)
    opening = OPENING.format(
        sessions=asked.sessions,
        studies=asked.studies,
        bins=asked.bins,
        count=asked.sessions,
        banks=BANKS,
        study=STUDY,
        names=" | ".join(f"{AGAINST[c]}, mean ± SE" for c in FOUR),
        rules="|".join("---" for _ in FOUR),
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "README.md").write_text(opening + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
