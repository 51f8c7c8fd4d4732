"""How training scales with worker processes and with stacked models.

python benchmarks/scaling.py [--rounds 3] [--kernels torch native] [--out reports/speed]

Everything runs on one machine. Workers: whole worker processes measure the same runs
into fresh stores, in turn with 1, 2 ... as many as there are cores. The time runs from
the first progress of any worker to the last, so that it leaves out how long torch takes
to load. Models: one process trains K models at once; shown are the time of the training
alone and the peak memory of the process so far.
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from training_speed import SIZES, computed, stacked, timed

from invariance_probe.executors.local import WorkerSettings, run_local
from invariance_probe.plan.roles import TrainedModel
from invariance_probe.probing.measurements.trained import train_ssl
from invariance_probe.runner import cores
from invariance_probe.study.session import Session

MODELS = (1, 2, 4, 8, 16, 32, 64, 128)
STEPS = 48
OF_WORKERS = 64
"""Models that workers train in a round."""


def copies(runs: list[TrainedModel], count: int, kernels: str, steps: int) -> list[TrainedModel]:
    """Return as many runs as asked, which differ in their seeds."""
    own = computed(runs, {"kernels": kernels, "steps": steps})  # type: ignore[dict-item]
    return [own[i % len(own)].model_copy(update={"seed": i}) for i in range(count)]


def by_workers(runs: list[TrainedModel], session: Session, workers: int) -> float:
    """Return model-steps a second of worker processes that train runs into a fresh store."""
    seen: list[tuple[float, int]] = []

    def note(event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            seen.append((time.perf_counter(), event["model_steps"]))

    with tempfile.TemporaryDirectory() as folder:
        lost = run_local(runs, [session], WorkerSettings(Path.cwd(), Path(folder)), workers, note)
    assert not lost, lost
    return sum(steps for _, steps in seen[1:]) / (seen[-1][0] - seen[0][0])


def main() -> None:
    """Measure, print and write both tables."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kernels", nargs="*", default=["torch", "native"])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    bench, runs, session = stacked(SIZES["quickstart"])
    lines = ["# Scaling on one machine", "", str(__doc__)]
    for kernels in given.kernels:
        many = copies(runs, OF_WORKERS, kernels, 400)
        rates: dict[int, list[float]] = {workers: [] for workers in range(1, cores() + 1)}
        for _ in range(given.rounds):
            for workers, own in rates.items():
                own.append(by_workers(many, session, workers))
        lines += [
            f"## {kernels}",
            "",
            "| workers | model-steps/s | x one worker (rounds) |",
            "|---|---|---|",
        ]
        for workers, own in rates.items():
            ratios = [rate / base for rate, base in zip(own, rates[1], strict=True)]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            lines.append(f"| {workers} | {statistics.median(own):.0f} | {spread} |")
        lines += ["", "| models K | model-steps/s | memory so far, MB |", "|---|---|---|"]
        for k in MODELS:
            some = copies(runs, k, kernels, STEPS)
            seconds = [
                timed(lambda some=some: train_ssl(bench, some, lambda steps: None))
                for _ in range(given.rounds + 1)
            ][1:]
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            lines.append(f"| {k} | {STEPS * k / statistics.median(seconds):.0f} | {memory:.0f} |")
        lines.append("")
        print("\n".join(lines[-16:]), flush=True)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "scaling.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
