"""Probes on frozen representations: from features of all windows to results.

In: features of each window, and the windows that a probe (a decoder of frozen
features) is fitted on. Out: the decoding loss of each window, and from these a
`RunResult`. Several runs are fitted together (stacked): the run is the first axis of
their arrays. Encoders are not changed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from invariance_probe.data.folds import Fold
from invariance_probe.plan.figures import Figures
from invariance_probe.plan.figures.decoded import Scores
from invariance_probe.plan.memory import TABLE_VALUES
from invariance_probe.plan.roles import FoldRun
from invariance_probe.plan.run import Run, RunResult, Status
from invariance_probe.probing.bench.workbench import Workbench, inner_folds, score_part
from invariance_probe.probing.decoders.logistic import LogisticFit, fit_logistic
from invariance_probe.probing.decoders.overlapping import WindowInputs, fit_windows
from invariance_probe.probing.decoders.ridge import RidgeFit, fit_ridge
from invariance_probe.probing.decoders.scores import class_scores, column_scores, direction_scores
from invariance_probe.study.probes import LogisticProbe, RidgeProbe


@dataclass(frozen=True, eq=False)
class Measurement:
    """The result of a run, and the weights of its encoder.

    Attributes
    ----------
    run
        The run.
    result
        What was measured.
    weights
        Arrays of the encoder by name, to be stored; empty if there is no encoder.
    """

    run: Run
    result: RunResult
    weights: dict[str, np.ndarray] = field(default_factory=dict)


def probe_losses(
    bench: Workbench, runs: Sequence[FoldRun], features: Tensor, parts: list[np.ndarray]
) -> Tensor:
    """Fit each run's probe and compute its decoding loss on each window.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    runs
        Stacked runs with one kind of probe.
    features
        Features (run, draw, window, dim). There is one draw for clean representations,
        and several for corrupted inputs, on which one probe is fitted together.
    parts
        Windows that each run's probe is fitted on, each (window,).

    Returns
    -------
    Loss of each window (run, window), averaged over draws.
    """
    count, draws, windows, dim = features.shape
    predictions = fit_probe(bench, runs, features, parts).predict(
        features.reshape(count, draws * windows, dim)
    )
    shaped = predictions.view(count * draws, windows, -1)
    return bench.target.losses(shaped).view(count, draws, windows).mean(1)


def probe_scored(
    bench: Workbench, runs: Sequence[FoldRun], representation: Tensor, parts: list[np.ndarray]
) -> tuple[Tensor, list[Scores]]:
    """Fit each run's probe on its clean representation and score it.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    runs
        Stacked runs with one kind of probe.
    representation
        Representations of all windows (run, window, dim).
    parts
        Windows that each run's probe is fitted on, each (window,).

    Returns
    -------
    Losses (run, window), and each run's scores on its test windows.
    """
    predictions = fit_probe(bench, runs, representation.unsqueeze(1), parts).predict(representation)
    return bench.target.losses(predictions), [
        held_out_scores(bench, run, predictions[i]) for i, run in enumerate(runs)
    ]


def held_out_scores(bench: Workbench, run: FoldRun, predictions: Tensor) -> Scores:
    """Score predictions on the test windows of a run's fold.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    run
        The run; its fold and kind of target are used.
    predictions
        Predicted columns of all windows (window, column), or log-probabilities of the
        classes (window, class).
    """
    test, target = bench.folds[run.fold].test, bench.target
    predicted, actual = predictions.cpu().numpy()[test], target.values.cpu().numpy()[test]
    if target.classes:
        return class_scores(predicted.argmax(axis=1), actual)
    return (direction_scores if run.target.kind == "circular" else column_scores)(predicted, actual)


def fit_probe(
    bench: Workbench, runs: Sequence[FoldRun], features: Tensor, parts: list[np.ndarray]
) -> RidgeFit | LogisticFit:
    """Fit each run's probe on the run's own windows.

    Parameters
    ----------
    bench, runs, features, parts
        As for `probe_losses`.
    """
    probe, target = runs[0].probe, bench.target
    count, draws, windows, dim = features.shape
    rows = features.reshape(count, draws * windows, dim)
    inner = inner_folds(parts, windows, probe.inner_folds, bench.device).repeat(1, draws)
    if probe.kind == "logistic":
        classes = target.values.repeat(draws).expand(count, -1)
        return fit_logistic(rows, classes, inner, probe.penalties, target.classes)
    columns = target.values.repeat(draws, 1).expand(count, -1, -1)
    return fit_ridge(rows, columns, inner, probe.penalties)


def fit_large(
    bench: Workbench,
    probe: RidgeProbe | LogisticProbe,
    inputs: WindowInputs,
    parts: list[np.ndarray],
) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Fit probes of activity where windows are too many to be held as one table.

    Ridge regression reads all windows. Logistic regression is fitted on evenly spaced
    windows, as many as one table holds.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    probe
        The declared probe.
    inputs
        The windows.
    parts
        Windows that each probe is fitted on, each (window,).

    Yields
    ------
    For each part, a function from windows to predicted columns, or log-probabilities of
    the classes (window, column).
    """
    target = bench.target
    if probe.kind == "ridge":
        columns = target.columns().cpu().numpy()
        for fit in fit_windows(inputs, columns, parts, probe.inner_folds, probe.penalties):
            yield partial(inputs.predict, fit)
        return
    classes, most = target.values.cpu().numpy(), TABLE_VALUES // inputs.features
    for part in parts:
        count = min(len(part), most)
        some = part[np.linspace(0, len(part) - 1, count).round().astype(np.int64)]
        logistic = fit_logistic(
            torch.from_numpy(inputs.rows(some)).unsqueeze(0),
            torch.from_numpy(classes[some]).unsqueeze(0),
            torch.arange(count).unsqueeze(0) * probe.inner_folds // count,
            probe.penalties,
            target.classes,
        )
        yield partial(_log_probabilities, inputs, logistic)


def _log_probabilities(inputs: WindowInputs, fit: LogisticFit, windows: np.ndarray) -> np.ndarray:
    """Log-probabilities of the classes of some windows (window, class)."""
    return np.concatenate(
        [fit.predict(torch.from_numpy(x).unsqueeze(0))[0] for x, _ in inputs.chunks(windows)]
    )


def selection_losses(
    bench: Workbench, runs: Sequence[FoldRun], features: Tensor, parts: list[np.ndarray]
) -> list[float]:
    """Validation loss of each run, by which the best decoder is chosen.

    The best decoder without SSL sets the ceiling of a session. A probe is fitted on the
    training windows without their last fifth, and scored on the second half of that
    fifth.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    runs
        Stacked runs with one kind of probe.
    features
        Features (run, draw, window, dim).
    parts
        Training windows of each run, each (window,).
    """
    cuts = [bench.validation(part, run) for part, run in zip(parts, runs, strict=True)]
    losses = probe_losses(bench, runs, features, [fitted for fitted, _ in cuts])
    return [
        float(losses[i, torch.from_numpy(score_part(held))].mean())
        for i, (_, held) in enumerate(cuts)
    ]


def by_block(
    bench: Workbench, run: FoldRun, losses: Tensor
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Average window losses over each test block of a run's fold.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    run
        The run; its fold is used.
    losses
        Loss of each window (window,).

    Returns
    -------
    Numbers of the blocks, and the mean loss over each.
    """
    fold = bench.folds[run.fold]
    return block_means(fold, losses.cpu().numpy()[fold.test])


def block_means(fold: Fold, values: np.ndarray) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Average values over each test block of a fold.

    Parameters
    ----------
    fold
        The fold.
    values
        Values of its test windows (test window,).

    Returns
    -------
    Numbers of the blocks, and the mean over each.
    """
    blocks = np.unique(fold.test_blocks)
    return tuple(int(b) for b in blocks), tuple(
        float(values[fold.test_blocks == b].mean()) for b in blocks
    )


def result_of(
    bench: Workbench,
    run: FoldRun,
    losses: Tensor,
    status: Status = "done",
    with_floor: bool = False,
    selection_loss: float | None = None,
    model_steps: int = 0,
    figures: Figures | None = None,
) -> RunResult:
    """Assemble a run's result from the losses of all windows.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    run
        The run.
    losses
        Decoding losses (window,).
    status
        How the run ended.
    with_floor
        Whether the loss of the best constant is recorded too.
    selection_loss, model_steps, figures
        As in `RunResult`.
    """
    blocks, means = by_block(bench, run, losses)
    floor: tuple[float, ...] = ()
    if with_floor:
        _, floor = by_block(
            bench,
            run,
            bench.target.floor(torch.from_numpy(bench.train_windows(run)).to(bench.device)),
        )
    return RunResult(
        key=run.key(),
        status=status,
        blocks=blocks,
        block_losses=means,
        floor_losses=floor,
        selection_loss=selection_loss,
        figures=figures,
        model_steps=model_steps,
    )
