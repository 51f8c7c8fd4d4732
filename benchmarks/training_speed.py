"""Model-steps per second of several training loops on one core.

python benchmarks/training_speed.py [--rounds 5] [--sizes quickstart reach wide]
    [--out reports/speed]

All but CEBRA train SimCLR on the same windows of one simulated recording: count
splitting, unit dropout at .4, and time jitter where the size has it. Every round runs
all of them, one after the other. Ratios to the tuned loop are taken within a round, and
their median is shown.

* naive loop: torch's layers, a DataLoader that hands out single windows, plain
  AdamW.
* tuned loop: the same model, one gather per batch, both views in one pass, fused AdamW.
* vmap: torch.func over 8 models at once, fused AdamW.
* stacked: this toolkit, 16 models at once; by torch or native kernels, with products in
  float32 or bfloat16.
* CEBRA (where installed, extra `bench`): its offset10-model in time-contrastive mode at
  the size's batch and width; one model at a time.

"Peak" is the share of the rate that a 1024 x 1024 product in single precision reaches
here, counting a model-step's products only.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.kernels.build import why_unavailable
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import TrainedModel
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.trained import train_ssl
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

DROPOUT, TEMPERATURE, RATE = 0.4, 0.2, 3e-3
STACK, VMAPPED = 16, 8
MODEL_STEPS = {"naive loop": 60, "tuned loop": 120, "vmap": 160, "CEBRA": 60}
"""Model-steps of a round; stacked ensembles take 30 steps of 16 models."""
STACKED_STEPS = 30
ARITHMETIC: dict[str, dict[str, str]] = {
    "stacked, torch": {},
    "stacked, torch, bfloat16": {"precision": "bfloat16"},
    "stacked, native": {"kernels": "native"},
    "stacked, native, bfloat16": {"kernels": "native", "precision": "bfloat16"},
}


@dataclass(frozen=True)
class Size:
    """A model's widths and what it is fed."""

    units: int
    widths: tuple[int, ...]
    projector: tuple[int, ...]
    batch: int
    jitter_s: float = 0.0

    def products(self) -> float:
        """Floating-point operations of the matrix products of a model-step.

        Counted are three products per layer, and two each way for the similarities.
        """
        rows = 2 * self.batch
        sizes = [self.units, *self.widths, *self.projector]
        weights = [a * b for a, b in pairwise(sizes)]
        return 2 * rows * (3 * sum(weights) - weights[0]) + 4 * rows * rows * self.projector[-1]


SIZES = {
    "quickstart": Size(60, (64, 64, 16), (64, 32), 128),
    "reach": Size(163, (64, 64, 32), (64, 32), 128, jitter_s=0.1),
    "wide": Size(120, (256, 128, 64), (128, 32), 512),
}


def network(size: Size) -> nn.Sequential:
    """Return encoder and projector of one model, of torch's layers."""

    def blocks(widths: list[int]) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for a, b in pairwise(widths[:-1]):
            layers += [
                nn.Linear(a, b, bias=False),
                nn.BatchNorm1d(b, track_running_stats=False),
                nn.ReLU(),
            ]
        return [*layers, nn.Linear(widths[-2], widths[-1])]

    return nn.Sequential(
        *blocks([size.units, *size.widths]), *blocks([size.widths[-1], *size.projector])
    )


def contrast(z: Tensor) -> Tensor:
    """Return NT-Xent of the views of a batch, first views first."""
    z = functional.normalize(z, dim=1)
    rows = len(z)
    logits = (z @ z.T / TEMPERATURE).masked_fill(torch.eye(rows, dtype=torch.bool), -torch.inf)
    return functional.cross_entropy(logits, torch.arange(rows).roll(rows // 2))


def views_of(first: Tensor, second: Tensor, mean: Tensor, sd: Tensor) -> Tensor:
    """Return corrupted standardised views (2 batch, unit) of the counts of both windows."""
    half = torch.binomial(first, torch.full_like(first, 0.5))
    other = (
        first - half
        if second is first
        else second - torch.binomial(second, torch.full_like(second, 0.5))
    )
    views = torch.cat([half, other])
    return (views * (torch.rand_like(views) >= DROPOUT) * 2 - mean) / sd


def partners(at: Tensor, size: Size, count: int) -> Tensor:
    """Return windows at most one bin away where the size jitters, else the same."""
    return (at + torch.randint(-1, 2, at.shape)).clamp(0, count - 1) if size.jitter_s else at


def naive_loop(counts: Tensor, size: Size, steps: int) -> None:
    """Train one model as one first writes it."""
    mean, sd = counts.mean(0), counts.std(0)
    model = network(size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    windows = torch.arange(len(counts))
    loader = DataLoader(
        TensorDataset(counts, windows), batch_size=size.batch, shuffle=True, drop_last=True
    )
    done = 0
    while done < steps:
        for x, at in loader:
            second = counts[partners(at, size, len(counts))] if size.jitter_s else x
            views = views_of(x, second, mean, sd)
            loss = contrast(torch.cat([model(views[: size.batch]), model(views[size.batch :])]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            if done == steps:
                break


def tuned_loop(counts: Tensor, size: Size, steps: int) -> None:
    """Train one model as well as a plain loop can."""
    mean, sd = counts.mean(0), counts.std(0)
    model = network(size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)
    order = torch.randperm(len(counts))
    for step in range(steps):
        start = step * size.batch % (len(counts) - size.batch)
        if start < size.batch:
            order = torch.randperm(len(counts))
        at = order[start : start + size.batch]
        x = counts[at]
        loss = contrast(
            model(
                views_of(
                    x, counts[partners(at, size, len(counts))] if size.jitter_s else x, mean, sd
                )
            )
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def vmapped(counts: Tensor, size: Size, steps: int) -> None:
    """Train several models by torch.func."""
    mean, sd = counts.mean(0), counts.std(0)
    models = [network(size) for _ in range(VMAPPED)]
    weights, buffers = stack_module_state(models)  # type: ignore[arg-type]
    bare = copy.deepcopy(models[0]).to("meta")
    learned = {name: nn.Parameter(value.detach()) for name, value in weights.items()}
    optimizer = torch.optim.AdamW(learned.values(), lr=RATE, fused=True)

    def loss(own: dict[str, Tensor], fixed: dict[str, Tensor], views: Tensor) -> Tensor:
        return contrast(functional_call(bare, (own, fixed), (views,)))

    gradient = vmap(grad(loss), randomness="different")
    for _ in range(steps // VMAPPED):
        at = torch.randint(0, len(counts), (VMAPPED, size.batch))
        x = counts[at].flatten(0, 1)
        other = counts[partners(at, size, len(counts))].flatten(0, 1) if size.jitter_s else x
        views = (
            views_of(x, other, mean, sd)
            .unflatten(0, (2, VMAPPED, size.batch))
            .transpose(0, 1)
            .flatten(1, 2)
        )
        found = gradient({name: p.detach() for name, p in learned.items()}, buffers, views)
        for name, p in learned.items():
            p.grad = found[name]
        optimizer.step()


def stacked(size: Size, recording_seed: int = 5) -> tuple[Workbench, list[TrainedModel], Session]:
    """Return a workbench, a stack of runs and the session of a study at this size."""
    world = {
        "kind": "simulated",
        "generator": "redundancy",
        "session": "speed",
        "sessions": 1,
        "carriers": size.units,
        "units": size.units,
        "information": 4,
        "bins": 8000,
        "seed": recording_seed,
    }
    study = Study.model_validate(
        {
            "name": "speed",
            "question": "How fast?",
            "recordings": [world],
            "target": {"name": "label", "kind": "continuous"},
            "folds": {"scheme": "blocks", "count": 2, "embargo_s": 1},
            "method": {
                "kind": "simclr",
                "temperature": TEMPERATURE,
                "encoder": {"kind": "mlp", "widths": size.widths},
                "projector": size.projector,
            },
            "training": {
                "steps": STACKED_STEPS,
                "batch_size": size.batch,
                "learning_rate": RATE,
                "seeds": 8,
            },
            "views": {
                "pairing": {"kind": "time_jitter", "window_s": size.jitter_s},
                "transforms": [{"kind": "unit_dropout"}],
            },
            "axes": [{"path": "unit_dropout.rate", "doses": [0, DROPOUT]}],
            "hypotheses": [
                {
                    "id": "H",
                    "claim": "none",
                    "predicts": "invariant",
                    "axis": "unit_dropout.rate",
                    "dose": DROPOUT,
                    "margin": {"fraction_of_range": 0.1, "because": "nothing is claimed"},
                }
            ],
            "quick": True,
        }
    )
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    runs = [
        run
        for run in plan.grid
        if isinstance(run, TrainedModel) and (run.method.kind, run.arm) == ("simclr", "independent")
    ][:STACK]
    assert len(runs) == STACK
    return (
        Workbench.of(
            open_recording(session.source, session.name, Path()), runs[0], torch.device("cpu")
        ),
        runs,
        session,
    )


def computed(runs: list[TrainedModel], arithmetic: dict[str, str]) -> list[TrainedModel]:
    """Return runs whose steps are computed in another way."""
    return [
        r.model_copy(update={"optimisation": r.optimisation.model_copy(update=arithmetic)})
        for r in runs
    ]


def cebra(size: Size) -> Callable[[np.ndarray], Any] | None:
    """Return what fits CEBRA's nearest model, or None where it is not installed."""
    try:
        from cebra import CEBRA
    except ImportError:
        return None
    steps = MODEL_STEPS["CEBRA"]
    return CEBRA(
        model_architecture="offset10-model",
        batch_size=size.batch,
        learning_rate=RATE,
        temperature=TEMPERATURE,
        time_offsets=1,
        output_dimension=size.widths[-1],
        num_hidden_units=size.widths[0],
        max_iterations=steps,
        device="cpu",
        verbose=False,
    ).fit


def single_peak() -> float:
    """Return floating-point operations a second of a large product in single precision."""
    a = torch.randn(1024, 1024)
    return max(2 * 1024**3 / timed(lambda: a @ a) for _ in range(8))


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measured(size: Size, rounds: int) -> dict[str, list[float]]:
    """Return model-steps a second by contender and round."""
    bench, runs, _ = stacked(size)
    counts = torch.from_numpy(bench.recording.activity[bench.folds[0].train]).float()
    contenders: dict[str, tuple[int, Callable[[], Any]]] = {
        "naive loop": (
            MODEL_STEPS["naive loop"],
            lambda: naive_loop(counts, size, MODEL_STEPS["naive loop"]),
        ),
        "tuned loop": (
            MODEL_STEPS["tuned loop"],
            lambda: tuned_loop(counts, size, MODEL_STEPS["tuned loop"]),
        ),
        f"vmap, {VMAPPED} models": (
            MODEL_STEPS["vmap"],
            lambda: vmapped(counts, size, MODEL_STEPS["vmap"]),
        ),
    }
    for name, arithmetic in ARITHMETIC.items():
        if "native" not in name or not why_unavailable():
            own = computed(runs, arithmetic)
            contenders[name] = (
                STACKED_STEPS * STACK,
                lambda own=own: train_ssl(bench, own, lambda steps: None),
            )
    fit = cebra(size)
    if fit is not None:
        contenders["CEBRA, offset10"] = (MODEL_STEPS["CEBRA"], lambda: fit(counts.numpy()))
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, (steps, call) in contenders.items():
            seconds = timed(call)
            if turn:  # the first round warms up
                rates[name].append(steps / seconds)
    return rates


def table(name: str, size: Size, rates: dict[str, list[float]], peak: float) -> list[str]:
    """Return a size's table, in Markdown."""
    shape = (
        f"{size.units}-"
        + "-".join(map(str, size.widths))
        + ", projector "
        + "-".join(map(str, size.projector))
    )
    lines = [
        f"## {name}: {shape}, batches of {size.batch}",
        "",
        "| | model-steps/s | x tuned loop (rounds) | share of peak |",
        "|---|---|---|---|",
    ]
    for contender, values in rates.items():
        ratios = [value / base for value, base in zip(values, rates["tuned loop"], strict=True)]
        share = (
            ""
            if contender.startswith("CEBRA")
            else f"{statistics.median(values) * size.products() / peak:.2f}"
        )
        lines.append(
            f"| {contender} | {statistics.median(values):.0f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {share} |"
        )
    return [*lines, ""]


def main() -> None:
    """Measure every size, print the tables and write them."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    peak = single_peak()
    lines = [
        "# Model-steps a second, one core",
        "",
        str(__doc__),
        f"Peak in single precision: {peak / 1e9:.0f} GFLOP/s.",
        "",
    ]
    for name in given.sizes:
        own = table(name, SIZES[name], measured(SIZES[name], given.rounds), peak)
        print("\n".join(own), flush=True)
        lines += own
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "training.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
