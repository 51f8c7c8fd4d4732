"""Probes on frozen representations: from features of all windows to run results."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from invariance_probe.probing.logistic import fit_logistic
from invariance_probe.probing.ridge import fit_ridge
from invariance_probe.probing.workbench import Workbench, inner_folds, score_part
from invariance_probe.study.run import Run, RunResult, Status


@dataclass(frozen=True, eq=False)
class Measured:
    """A run's result with what the store keeps of its encoder."""

    run: Run
    result: RunResult
    weights: dict[str, np.ndarray] = field(default_factory=dict)


def probe_losses(bench: Workbench, runs: list[Run], features: Tensor, parts: list[np.ndarray]) -> Tensor:
    """Fit each run's probe on its part of the windows and return the loss of every window (run, window), averaged over draws.

    Parameters
    ----------
    features
        (run, draw, window, dim): one draw for clean representations, several for corrupted inputs, which are
        fitted together.
    parts
        Windows that each run's probe is fitted on.
    """
    probe = runs[0].probe
    count, draws, windows, dim = features.shape
    rows = features.reshape(count, draws * windows, dim)
    inner = inner_folds(parts, windows, probe.inner_folds, bench.device).repeat(1, draws)
    target = bench.target
    if probe.kind == "logistic":
        classes = target.values.repeat(draws).expand(count, -1)
        predictions = fit_logistic(rows, classes, inner, probe.penalties, target.classes).predict(rows)
    else:
        columns = target.values.repeat(draws, 1).expand(count, -1, -1)
        predictions = fit_ridge(rows, columns, inner, probe.penalties).predict(rows)
    shaped = predictions.view(count * draws, windows, -1)
    return target.losses(shaped).view(count, draws, windows).mean(1)


def selection_losses(bench: Workbench, runs: list[Run], features: Tensor, parts: list[np.ndarray]) -> list[float]:
    """Return each run's loss on the scored half of the last fifth of its training windows, by a probe fitted before it."""
    cuts = [bench.validation(part, run) for part, run in zip(parts, runs, strict=True)]
    losses = probe_losses(bench, runs, features, [fitted for fitted, _ in cuts])
    return [float(losses[i, torch.from_numpy(score_part(held))].mean()) for i, (_, held) in enumerate(cuts)]


def by_block(bench: Workbench, run: Run, losses: Tensor) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Average window losses (window,) over each test block of a run's fold."""
    assert run.fold is not None
    fold = bench.folds[run.fold]
    values = losses.cpu().numpy()[fold.test]
    blocks = np.unique(fold.test_blocks)
    return tuple(int(b) for b in blocks), tuple(float(values[fold.test_blocks == b].mean()) for b in blocks)


def result_of(
    bench: Workbench, run: Run, losses: Tensor, status: Status = "done", with_floor: bool = False, **more: object
) -> RunResult:
    """Assemble a run's result from the losses of all windows (window,)."""
    blocks, means = by_block(bench, run, losses)
    floor: tuple[float, ...] = ()
    if with_floor:
        _, floor = by_block(bench, run, bench.target.floor(torch.from_numpy(bench.train_windows(run)).to(bench.device)))
    return RunResult(key=run.key(), status=status, blocks=blocks, block_losses=means, floor_losses=floor, **more)  # type: ignore[arg-type]
