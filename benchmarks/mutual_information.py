"""Bounds on mutual information against the truth, on correlated Gaussians.

python benchmarks/mutual_information.py [OUT]

The results are reports/methods/mutual_information.md and .svg.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from invariance_probe.methods.mutual_information import BOUNDS
from invariance_probe.probing.measurements.gaussian_information import (
    READ,
    SEEDS,
    SETTINGS,
    TRUTHS,
    WIDTH,
    bound_on_gaussians,
)

OPENING = f"""# Bounds on mutual information

x and y are Gaussians of {WIDTH} dimensions, each pair of coordinates correlated alike, \
so that the truth is -{WIDTH // 2} log(1 - rho^2) nats.
A separable critic (two networks of 128-128-32) is trained for {SETTINGS.steps} steps on batches \
of {SETTINGS.batch_size} fresh pairs, all truths
and {SEEDS} seeds in one stack, and read on {READ} more batches. \
A cell is the mean over seeds and batches, with the standard deviation between
batches: what one batch may say. Nats.

`infonce` cannot exceed log({SETTINGS.batch_size}) = {np.log(SETTINGS.batch_size):.2f}; \
the others are not held by it, and pay with a spread that
grows with the truth (McAllester & Stratos 2020, arXiv:1811.04251). \
Made by `python benchmarks/mutual_information.py`.
"""


def main(out: Path) -> None:
    """Train, print the table, and write page, figure and numbers."""
    torch.set_num_threads(1)
    found = {bound: bound_on_gaussians(bound, SETTINGS) for bound in BOUNDS}
    cells = {
        bound: [f"{v.mean():.2f} ± {v.std(axis=1, ddof=1).mean():.2f}" for v in values]
        for bound, values in found.items()
    }
    table = ["| truth | " + " | ".join(BOUNDS) + " |", "|---" * (len(BOUNDS) + 1) + "|"]
    table += [
        f"| {truth:g} | " + " | ".join(cells[bound][i] for bound in BOUNDS) + " |"
        for i, truth in enumerate(TRUTHS)
    ]
    print("\n".join(table))
    out.mkdir(parents=True, exist_ok=True)
    page = (
        f"{OPENING}\n"
        + "\n".join(table)
        + "\n\n![What every bound says against the truth](mutual_information.svg)\n"
    )
    (out / "mutual_information.md").write_text(page, encoding="utf-8")
    summary = {
        bound: [
            {"nats": t, "mean": float(v.mean()), "batch_sd": float(v.std(axis=1, ddof=1).mean())}
            for t, v in zip(TRUTHS, values, strict=True)
        ]
        for bound, values in found.items()
    }
    (out / "mutual_information.json").write_text(
        json.dumps(summary, indent=1) + "\n", encoding="utf-8"
    )
    draw(found).savefig(out / "mutual_information.svg", metadata={"Date": None})


def draw(found: dict[str, np.ndarray]) -> Figure:
    """Draw each bound (truth, seed, batch) against the truth, with the spread between batches."""
    figure = Figure(figsize=(9.0, 5.2), layout="constrained")
    grid = figure.subplots(2, 3, sharex=True, sharey=True)
    for axes, (bound, values) in zip(grid.flat, found.items(), strict=True):
        mean, spread = values.mean(axis=(1, 2)), values.std(axis=2, ddof=1).mean(axis=1)
        axes.plot(TRUTHS, TRUTHS, color="#888888", linestyle="--", linewidth=1)
        axes.fill_between(
            TRUTHS, mean - spread, mean + spread, color="#0072B2", alpha=0.2, linewidth=0
        )
        axes.plot(TRUTHS, mean, color="#0072B2", marker="o", markersize=3)
        axes.set_title(bound, fontsize=10, loc="left")
        axes.set_ylim(-1, 14)
    grid[1, 0].set_xlabel("truth (nats)")
    grid[1, 0].set_ylabel("bound (nats)")
    return figure


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("reports/methods"))
