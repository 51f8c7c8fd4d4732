"""How time and memory of each stage grow with the size of a recording.

    python benchmarks/scale.py [--share 0.1] [--setting a b c d] [--stage STAGE ...]
    python benchmarks/scale.py --ladder length units window

Recordings are simulated and written as .npz files into a temporary folder. Every stage
(inspecting, planning, each kind of baseline, training one stack and examining it) runs in
a process of its own with one thread, on one session, after the recordings of the others
were opened as a worker would have opened them. Shown are its CPU time without the start of
Python and the opening, the peak of its resident memory, and what `plan` estimates for it. A
process that asks for more than `--limit` GB of address space fails, and the table says so.

The settings, of which `--share` takes a share of the bins (or, for `d`, of the units):
a: 180,000 bins of 400 units, windows of 5 bins, 4 sessions. b: 1 h of 20 channels at
100 Hz, windows of 2 s. c: 1,000,000 bins of 50 units. d: 20,000 bins of 2000 units.
A ladder doubles the length, the number of units or the window twice. It prints the
exponent p of a power law fitted to time, and of memory = a + b size^p.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

GIGABYTE = 1e9
TAU_BINS = 20
"""Time constant of the simulated latent variables, in bins."""
STEPS = 20
"""Update steps of the models that are trained."""


@dataclass(frozen=True)
class Setting:
    """A study of simulated recordings of one size.

    Attributes
    ----------
    bins, units
        Size of each recording.
    window
        Bins per window.
    bin_s
        Length of a bin in seconds.
    sessions
        Number of recordings.
    signal
        Whether the activity is a continuous signal, not counts.
    classes
        Whether the target has classes.
    """

    bins: int
    units: int
    window: int = 1
    bin_s: float = 0.02
    sessions: int = 1
    signal: bool = False
    classes: bool = False

    def study(self, folder: Path) -> dict[str, object]:
        """Return a quick study of unit dropout on recordings in a folder."""
        base = {"kind": "none"} if self.signal else {"kind": "count_splitting"}
        noise = [{"kind": "gaussian_noise", "sigma": 0.3}] if self.signal else []
        margin = {"fraction_of_range": 0.1, "because": "a benchmark"}
        return {
            "schema_version": 1,
            "name": "scale",
            "question": "How do time and memory grow?",
            "recordings": [
                {
                    "kind": "npz", "path": str(folder / f"{i}.npz"), "session": f"s{i}",
                    "subject": f"animal-{i}", "activity": "activity", "bin_s": self.bin_s,
                    "activity_kind": "signal" if self.signal else "counts",
                }
                for i in range(self.sessions)
            ],
            "target": {
                "name": "class" if self.classes else "latent",
                "kind": "categorical" if self.classes else "continuous",
            },
            "window": {"length_bins": self.window},
            "folds": {"scheme": "blocks", "count": 5, "embargo_s": 1.0},
            "method": {"kind": "simclr"},
            "training": {"steps": STEPS, "batch_size": 128, "seeds": 2},
            "views": {
                "base": base,
                "transforms": [
                    *noise, {"kind": "unit_dropout", "value": "mean" if self.signal else "silent"}
                ],
            },
            "axes": [{"path": "unit_dropout.rate", "doses": [0, 0.4]}],
            "arms": ["independent", "shared"],
            "hypotheses": [
                {
                    "id": "H1", "claim": "Dropout costs nothing.", "predicts": "tolerated",
                    "axis": "unit_dropout.rate", "dose": 0.4, "margin": margin,
                }
            ],
            "quick": True,
        }  # fmt: skip

    def write(self, folder: Path) -> Path:
        """Simulate the recordings and write them with the study; return its file."""
        for i in range(self.sessions):
            np.savez(folder / f"{i}.npz", **self._arrays(np.random.default_rng(i)))  # type: ignore[arg-type]
        path = folder / "study.yaml"
        path.write_text(json.dumps(self.study(folder)), encoding="utf-8")
        return path

    def _arrays(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        latent = np.empty((self.bins, 2))
        decay, state = np.exp(-1 / TAU_BINS), np.zeros(2)
        steps = rng.standard_normal((self.bins, 2)) * np.sqrt(1 - decay**2)
        for t in range(self.bins):
            state = latent[t] = decay * state + steps[t]
        gains = rng.standard_normal((2, self.units)) * 0.4
        activity = np.empty((self.bins, self.units), np.float32 if self.signal else np.uint8)
        for first in range(0, self.bins, 10_000):
            part = slice(first, first + 10_000)
            drive = (latent[part] @ gains).clip(max=2)
            activity[part] = (
                drive + rng.standard_normal(drive.shape)
                if self.signal
                else rng.poisson(0.3 * np.exp(drive)).clip(0, 255)
            )
        corner = (latent[:, 0] > 0) * 2 + (latent[:, 1] > 0)
        return {"activity": activity, "latent": latent, "class": corner.astype(np.int64)}


SETTINGS = {
    "a": Setting(180_000, 400, window=5, sessions=4),
    "b": Setting(360_000, 20, window=200, bin_s=0.01, signal=True),
    "c": Setting(1_000_000, 50),
    "d": Setting(20_000, 2000),
}
BASE = Setting(60_000, 80, window=4)
"""The smallest step of every ladder, whose windows are too many for one table."""
LADDERS: dict[str, list[Setting]] = {
    "length": [replace(BASE, bins=BASE.bins * 2**i) for i in range(3)],
    "units": [replace(BASE, units=BASE.units * 2**i) for i in range(3)],
    "window": [replace(BASE, window=BASE.window * 2**i) for i in range(3)],
}
LEAST_GROWTH_GB = 0.03
"""Growth of memory that is told from noise."""


def shared(name: str, share: float) -> Setting:
    """Return a setting with a share of its bins, or of its units for `d`."""
    setting = SETTINGS[name]
    if name == "d":
        return replace(setting, units=round(setting.units * share))
    return replace(setting, bins=round(setting.bins * share))


# What follows runs in the process of one stage.


def stages(study: Path) -> dict[str, float | None]:
    """Name all stages of a study in order, each with its estimated memory in GB."""
    from invariance_probe.plan.memory import worker_need
    from invariance_probe.planning import make_plan
    from invariance_probe.results.store import Store
    from invariance_probe.study.load import open_study

    plan = make_plan(open_study(study), Store(study.parent / "store"))
    found: dict[str, float | None] = {"inspect": None, "plan": None}
    kinds: dict[str, set[str]] = {}
    for run in plan.baselines:
        kinds.setdefault(run.method.kind, set()).add(run.key())
    kinds["training"] = {run.key() for run in plan.grid}
    return found | {kind: worker_need(plan, keys).bytes / GIGABYTE for kind, keys in kinds.items()}


def prepared(stage: str, study: Path) -> Callable[[], object]:
    """Prepare a stage of a study; return the function that performs it."""
    from invariance_probe.planning import make_plan
    from invariance_probe.results.store import Store
    from invariance_probe.study.load import open_study

    file = open_study(study)
    if stage == "inspect":
        return lambda: make_plan(file, Store(study.parent / "new"))
    if stage == "plan":
        return lambda: _planned(study)
    return _measurement(stage, make_plan(file, Store(study.parent / "store")))


def _planned(study: Path) -> None:
    from invariance_probe.plan.price import core_seconds, measuring_seconds
    from invariance_probe.planning import make_plan, warnings
    from invariance_probe.results.store import Store
    from invariance_probe.study.load import open_study

    file = open_study(study)
    plan = make_plan(file, Store(study.parent / "store"))
    list(warnings(file, plan))
    core_seconds(plan)
    measuring_seconds(plan)


def _measurement(stage: str, plan: object) -> Callable[[], object]:
    import torch

    from invariance_probe.data.cache import cached_recording
    from invariance_probe.executors.stacks import make_stacks
    from invariance_probe.plan.plan import Plan
    from invariance_probe.probing.bench.workbench import Workbench
    from invariance_probe.worker import measure

    torch.set_num_threads(1)
    assert isinstance(plan, Plan)
    session = plan.sessions[0]
    runs = plan.grid if stage == "training" else plan.baselines
    own = [run for run in runs if run.session == session.name]
    if stage != "training":
        own = [run for run in own if run.method.kind == stage]
    for one in reversed(plan.sessions):
        recording = cached_recording(one.source, one.name, Path())
    stacks = make_stacks(own)[:1] if stage == "training" else make_stacks(own)

    def perform() -> None:
        for stack in stacks:
            bench = Workbench.of(recording, stack.runs[0], torch.device("cpu"))
            measure(bench, list(stack.runs))

    return perform


def report(stage: str, study: Path, limit_gb: float) -> None:
    """Perform a stage within a limit, and print its time and memory as JSON."""
    import invariance_probe.worker  # noqa: F401  (its libraries are not the stage's)

    most, own = int(limit_gb * GIGABYTE), resource.getrlimit(resource.RLIMIT_AS)[1]
    most = most if own == resource.RLIM_INFINITY else min(most, own)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    started, why = time.process_time(), ""
    try:
        work = prepared(stage, study)
        started = time.process_time()
        work()
    except (MemoryError, RuntimeError) as error:
        why = str(error)[:80] or type(error).__name__
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIGABYTE
    print(json.dumps({"seconds": time.process_time() - started, "gb": peak, "failed": why}))


# What follows starts these processes and prints their tables.


def told(arguments: list[str], limit_gb: float) -> dict[str, object]:
    """Run this script in a process of its own, and return what it reports."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, __file__, *arguments, "--limit", str(limit_gb)],
        env={**os.environ, **threads},
        stdout=subprocess.PIPE,
        text=True,
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return {"seconds": float("nan"), "gb": float("nan"), "failed": f"exit {done.returncode}"}
    return dict(json.loads(lines[-1]))


@dataclass(frozen=True)
class Cost:
    """What a stage cost.

    Attributes
    ----------
    seconds
        CPU time.
    gb
        Peak of resident memory in GB.
    estimate
        What `plan` estimates for it in GB; None if it estimates nothing.
    failed
        Why the stage failed, in words; empty if it did not.
    """

    seconds: float
    gb: float
    estimate: float | None
    failed: str

    @property
    def cells(self) -> str:
        """Cells of a table: time, memory, estimate, their ratio, why it failed."""
        beside = (
            " | "
            if self.estimate is None
            else f"{self.estimate:.2f} | {self.estimate / self.gb:.2f}"
        )
        return f"{self.seconds:.1f} | {self.gb:.2f} | {beside} | {self.failed}"


def measured(
    setting: Setting, only: tuple[str, ...], limit_gb: float
) -> Iterator[tuple[str, Cost]]:
    """Yield every stage of a setting with its cost."""
    with tempfile.TemporaryDirectory() as folder:
        study = str(setting.write(Path(folder)))
        listed: dict[str, float | None] = told(["--list", study], limit_gb)  # type: ignore[assignment]
        if "failed" in listed:
            raise SystemExit(f"the stages of {setting} could not be listed: {listed['failed']}")
        for stage, estimate in listed.items():
            if not only or stage in only:
                found = told(["--perform", stage, study], limit_gb)
                yield stage, Cost(estimate=estimate, **found)  # type: ignore[arg-type]


@cache
def costs(setting: Setting, only: tuple[str, ...], limit_gb: float) -> dict[str, Cost]:
    """Measure every stage of a setting, once."""
    return dict(measured(setting, only, limit_gb))


def exponent(sizes: list[float], values: list[float]) -> float:
    """Return the exponent of a power law, fitted by least squares of logarithms."""
    use = [(s, v) for s, v in zip(sizes, values, strict=True) if v > 0]
    if len(use) < 2:
        return float("nan")
    return float(np.polyfit(*np.log(np.array(use)).T, 1)[0])


def exponent_above(values: list[float], least: float) -> float:
    """Return p of a + b size^p through the values at a size, twice and four times it.

    NaN is returned where the values grow by less than `least` in a step.
    """
    first, second = np.diff(values)
    return float(np.log2(second / first)) if min(first, second) > least else float("nan")


def main() -> None:
    """Measure settings or ladders, and print a table of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--setting", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--classes", action="store_true", help="decode classes")
    parser.add_argument("--stage", nargs="*")
    parser.add_argument("--ladder", nargs="*", choices=list(LADDERS))
    parser.add_argument("--limit", type=float, default=10.0, metavar="GB")
    parser.add_argument("--list", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--perform", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.list:
        print(json.dumps(stages(asked.list)))
    elif asked.perform:
        report(asked.perform[0], Path(asked.perform[1]), asked.limit)
    elif asked.ladder is not None:
        for name in asked.ladder or LADDERS:
            ladder(name, tuple(asked.stage or ()), asked.limit)
    else:
        for name in asked.setting:
            table(name, replace(shared(name, asked.share), classes=asked.classes), asked)


def table(name: str, setting: Setting, asked: argparse.Namespace) -> None:
    """Measure the stages of a setting, and print them with the sum of its baselines."""
    print(f"\n## {name}: {setting}\n")
    print("| stage | CPU s | peak GB | estimate GB | estimate / peak | |\n" + "|---" * 6 + "|")
    baselines = 0.0
    for stage, found in measured(setting, tuple(asked.stage or ()), asked.limit):
        print(f"| {stage} | {found.cells} |", flush=True)
        if stage not in ("inspect", "plan", "training"):
            baselines += found.seconds
    print(f"| all baselines of a session | {baselines:.1f} | | | | |", flush=True)


def ladder(name: str, only: tuple[str, ...], limit_gb: float) -> None:
    """Measure the steps of a ladder, and print each stage's growth."""
    steps = LADDERS[name]
    field = {"length": "bins", "units": "units", "window": "window"}[name]
    sizes = [float(getattr(step, field)) for step in steps]
    found = [costs(step, only, limit_gb) for step in steps]
    heads = " | ".join(f"{size:g}" for size in sizes)
    print(f"\n## {name} (CPU s, peak GB)\n\n| stage | {heads} | time ~ | memory ~ |")
    print("|---" * (len(sizes) + 3) + "|")
    for stage in found[0]:
        own = [step[stage] for step in found]
        cells = " | ".join(f"{one.seconds:.1f}, {one.gb:.2f}" for one in own)
        print(
            f"| {stage} | {cells} | {exponent(sizes, [one.seconds for one in own]):.2f} | "
            f"{exponent_above([one.gb for one in own], LEAST_GROWTH_GB):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
