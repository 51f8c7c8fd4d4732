"""Model-steps per second on one GPU against the number of stacked models.

python benchmarks/gpu_training.py [--device cuda] [--models 1 8 32 128 512] [--out reports/speed]

A plain loop on the same GPU stands beside. Both train SimCLR at the quickstart's size
of `training_speed.py`. Without a GPU nothing can be said; `--device cpu` only shows
that the script runs.
"""

import argparse
import statistics
from pathlib import Path

import torch
from training_speed import SIZES, STACK, stacked, timed, tuned_loop

from invariance_probe.plan.roles import TrainedModel
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.trained import train_ssl

STEPS = 100
ROUNDS = 5


def copies(runs: list[TrainedModel], count: int) -> list[TrainedModel]:
    """Return as many runs as asked, which differ in their seeds."""
    longer = runs[0].optimisation.model_copy(update={"steps": STEPS})
    return [
        runs[i % STACK].model_copy(update={"seed": i, "optimisation": longer}) for i in range(count)
    ]


def rates(device: torch.device, models: list[int]) -> dict[str, list[float]]:
    """Return model-steps a second by contender and round, the first round left out."""
    size = SIZES["quickstart"]
    opened, runs, _ = stacked(size)
    bench = Workbench.of(opened.recording, runs[0], device)
    torch.set_default_device(device)
    counts = torch.from_numpy(bench.recording.activity[bench.folds[0].train]).float().to(device)
    torch.set_default_device("cpu")
    found: dict[str, list[float]] = {"plain loop": [], **{f"stacked, K = {k}": [] for k in models}}
    for turn in range(ROUNDS + 1):
        torch.set_default_device(device)
        seconds = timed(lambda: finished(device, lambda: tuned_loop(counts, size, 2 * STEPS)))
        torch.set_default_device("cpu")
        if turn:
            found["plain loop"].append(2 * STEPS / seconds)
        for k in models:
            own = copies(runs, k)
            seconds = timed(
                lambda own=own: finished(device, lambda: train_ssl(bench, own, lambda steps: None))
            )
            if turn:
                found[f"stacked, K = {k}"].append(STEPS * k / seconds)
    return found


def finished(device: torch.device, call: object) -> None:
    """Call, and wait for the device."""
    call()  # type: ignore[operator]
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", type=int, nargs="*", default=[1, 8, 32, 128, 512])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device here: nothing was measured")
    device = torch.device(given.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    lines = [
        f"# Model-steps a second, {name}",
        "",
        "| | model-steps/s | x plain loop (rounds) |",
        "|---|---|---|",
    ]
    found = rates(device, given.models)
    for contender, values in found.items():
        ratios = [value / base for value, base in zip(values, found["plain loop"], strict=True)]
        median = statistics.median
        lines.append(
            f"| {contender} | {median(values):.0f} | {median(ratios):.1f} "
            f"({min(ratios):.1f} to {max(ratios):.1f}) |"
        )
    print("\n".join(lines))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "gpu.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
