"""Size and power of the permutation test that a decoder's units change.

python benchmarks/switching.py [--sessions 200] [--out reports/messengers/switching.md]

Size is counted on codes that stay, and power on codes that switch (G5).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from invariance_probe.data.sessions import open_recording
from invariance_probe.plan.figures.units import MODES
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.selectors.halves import features_of, moments_of
from invariance_probe.probing.selectors.switching import (
    FEWEST_BLOCKS,
    MEMORIES,
    blocks_of,
    memory_bins,
    switching,
)
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.recordings import MessengerRecording

LEVEL = 0.05
PERMUTATIONS = 99
BLOCKS = 12
STAYS: dict[str, dict[str, Any]] = {
    "six of 60 carry": {"carriers": 6},
    "all 60 carry": {"carriers": 60},
    "all 60 carry, counts overdispersed (.5), shared gain (.3)": {
        "carriers": 60,
        "overdispersion": 0.5,
        "shared_gain": 0.3,
    },
    "six carry, nuisances of 10 s": {"carriers": 6, "nuisance_tau_s": 10.0},
    "all 60 carry, a quarter of the bins": {"carriers": 60, "bins": 1000},
}
SWITCHES: dict[str, dict[str, Any]] = {
    "six carry, then six others": {"carriers": 6},
    "30 carry, then the other 30": {"carriers": 30},
}


@dataclass(frozen=True)
class Count:
    """How often the test of one decoder was below its level.

    It also holds the number of sessions, and the mean overlap.
    """

    shown: int
    sessions: int
    overlap: float

    def written(self) -> str:
        """Return the rate with its exact 95 % interval, and the overlap."""
        if not self.sessions:
            return "not tested: blocks too short"
        low, high = stats.binomtest(self.shown, self.sessions).proportion_ci()
        return (
            f"{self.shown / self.sessions:.3f} ({low:.3f} to {high:.3f}) of {self.sessions}; "
            f"{self.overlap:.2f}"
        )


def counted(sessions: int, parts: int, seed: int, **world: Any) -> dict[str, Count]:
    """Test so many sessions of one world, cut in so many epochs."""
    found: dict[str, list[tuple[float, float]]] = {mode: [] for mode in MODES}
    for i in range(sessions):
        source = MessengerRecording(
            **{"session": "s", "units": 60, "bins": 4000, "seed": seed + i, **world}
        )
        run = SessionMeasurement(
            fingerprint="",
            session="s",
            window=Window(),
            folds=Folds(),
            seed=0,
            study_seed=1,
            method=Messengers(),
            target=Target(name="label"),
            probe=RidgeProbe(),
        )
        bench = Workbench.of(open_recording(source, "s", Path()), run, torch.device("cpu"))
        rows = np.arange(len(bench.windows.starts))
        blocks = blocks_of(
            len(rows) // parts, memory_bins(features_of(bench, rows).numpy()), BLOCKS
        )
        if not blocks:
            continue
        moments, penalty = moments_of(bench, rows, rows * parts * blocks // len(rows))
        epoch = np.repeat(np.arange(parts), blocks)
        for mode, one in switching(
            moments, epoch, penalty, PERMUTATIONS, np.random.default_rng([seed, i])
        ).items():
            found[mode].append((one.p_value, one.overlap))
    return {
        mode: Count(
            sum(p <= LEVEL for p, _ in own),
            len(own),
            float(np.mean([o for _, o in own] or [np.nan])),
        )
        for mode, own in found.items()
    }


def page(sessions: int) -> str:
    """Count every world and return the page."""
    lines = [
        f"""# Does a decoder rely on other units later? Size and power of the permutation test

{sessions} simulated sessions a row (G5: 60 units, 4000 bins of 0.1 s unless said). \
A session is cut in epochs of at most {BLOCKS}
blocks, fewer where those would be shorter than {MEMORIES} memories of the activity, \
and is not tested where {FEWEST_BLOCKS} are too short;
the overlap of the epochs' reliance (mean cosine of the units' shares) is held against \
{PERMUTATIONS} deals of blocks to epochs.
A cell: how often p <= {LEVEL:g}, with its exact 95 % interval, and the mean overlap. \
The overlap is shown to say why it is no test:
it is low where nothing changes.
Made by `python benchmarks/switching.py`.

| code | epochs | refitted decoder | fixed decoder |
|---|---|---|---|"""
    ]
    for stays, worlds in ((True, STAYS), (False, SWITCHES)):
        for name, world in worlds.items():
            for parts in (2, 4):
                count = counted(
                    sessions, parts, 7000 if stays else 9000, switches=not stays, **world
                )
                lines.append(
                    f"| {'stays' if stays else 'SWITCHES'}: {name} | {parts} | "
                    + " | ".join(count[m].written() for m in MODES)
                    + " |"
                )
                print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("reports/messengers/switching.md"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    written = page(arguments.sessions)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(written, encoding="utf-8")
