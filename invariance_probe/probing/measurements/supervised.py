"""Supervised networks: trained on the target itself, as a candidate ceiling.

The ceiling is the best decoder without SSL. In: an opened session and stacked runs
(trained together). Out: for each run, the decoding loss of the network's own
predictions; no separate decoder is fitted.

A network is fitted on its training windows without their last fifth. On the first half
of that fifth its loss is computed several times during training, and the weights with
the smallest loss are used. On the second half the selection loss is computed, by which
the ceiling is chosen among its candidates.
"""

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.encoders.frozen import Frozen
from invariance_probe.kernels.arithmetic import storage
from invariance_probe.methods.base import Batch
from invariance_probe.methods.supervised import Supervised, target_loss
from invariance_probe.plan.figures.decoded import DecodedFigures
from invariance_probe.plan.roles import SupervisedBaseline
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.size import is_large
from invariance_probe.probing.bench.workbench import Workbench, score_part
from invariance_probe.probing.decoders.readout import Measurement, held_out_scores, result_of
from invariance_probe.probing.measurements.trained import (
    FIRST_EVALUATION_DRAW,
    Progress,
    scaling_arrays,
    settings_of,
    standardised_targets,
)
from invariance_probe.probing.representation.encoding import (
    encode_corrupted,
    normed_rows,
    spaced,
)
from invariance_probe.training.batch_order import ShuffledBatches
from invariance_probe.training.ensemble import Training, train

CHECKS = 10
"""How many times during training a network's validation loss is computed."""
CHOOSING_WINDOWS = 4096
"""Largest number of validation windows by which the weights of a large session are chosen.

They are evenly spaced.
"""


def measure_supervised(
    bench: Workbench, runs: list[SupervisedBaseline], on_progress: Progress
) -> list[Measurement]:
    """Train supervised networks as one stack, and score their predictions.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of supervised networks with the same optimisation.
    on_progress
        Called during training; see `Progress`.
    """
    settings = settings_of(runs)
    dtype = storage(settings.precision)
    cuts = [bench.validation(bench.train_windows(run), run) for run in runs]
    fitted = [fit for fit, _ in cuts]
    views = bench.views(runs, fitted, dtype)
    targets, centre, spread = standardised_targets(bench, fitted, dtype)
    windows = [torch.from_numpy(fit).to(bench.device) for fit in fitted]
    batch_size = min(settings.batch_size, *(len(fit) for fit in fitted))
    lengths = torch.tensor([len(fit) for fit in fitted], device=bench.device)
    order = ShuffledBatches(
        key_tensor(bench.keys("order", runs), bench.device), lengths, batch_size
    )
    padded = torch.nn.utils.rnn.pad_sequence(windows, batch_first=True)
    outputs = bench.target.classes or bench.target.values.shape[1]
    declared = runs[0].method
    method = Supervised(declared, views.shape, outputs, bench.generators("init", runs)).to(
        bench.device, dtype
    )
    normed = normed_rows(bench, views, fitted)
    seen = _Best(len(runs))

    def validate() -> None:
        frozen = Frozen.freeze(method.encoder, declared.encoder.before(outputs), *normed)
        # The first half of the validation windows chooses weights; the second half scores.
        choosing = [held[: len(held) // 2] for _, held in cuts]
        seen.offer(frozen, _validation_losses(bench, views, frozen, targets, choosing))

    every = max(1, settings.steps // CHECKS)

    def batch_at(step: int) -> Batch:
        if step % every == 0 and step > 0:
            validate()
        chosen = padded.gather(1, order.batch(step))
        run_index = torch.arange(len(runs), device=bench.device).unsqueeze(1)
        return Batch(views.single(step, chosen), targets=targets[run_index, chosen])

    training = train(method, batch_at, settings, on_progress)
    validate()
    frozen = seen.frozen()
    read = [_read_windows(bench, run, held) for run, (_, held) in zip(runs, cuts, strict=True)]
    losses, mean = _final_losses(bench, views, frozen, centre, spread, read)
    return [
        _supervised_result(
            bench, run, i, training, losses[i], mean[i], frozen, views, cuts[i][1], read[i]
        )
        for i, run in enumerate(runs)
    ]


def _read_windows(bench: Workbench, run: SupervisedBaseline, held: np.ndarray) -> np.ndarray:
    """Windows that a trained network decodes (window,), ascending.

    In a session of usual size these are all windows. In a large one they are those that
    are scored: the test windows, and the second half of the validation windows.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    run
        The run; its fold is used.
    held
        Its validation windows (window,).
    """
    if not is_large(bench):
        return np.arange(len(bench.windows.starts))
    return np.union1d(bench.folds[run.fold].test, score_part(held))


def _supervised_result(
    bench: Workbench, run: SupervisedBaseline, i: int, training: Training, losses: Tensor,
    mean: Tensor, frozen: Frozen, views: ViewMaker, held: np.ndarray, read: np.ndarray,
) -> Measurement:  # fmt: skip
    steps = run.steps
    if training.failed_at[i] >= 0 or not losses[torch.from_numpy(read)].isfinite().all():
        step = int(training.failed_at[i])
        when = f"at step {step}" if step >= 0 else "on the windows that the network predicts"
        message = f"the loss was not finite {when}"
        return Measurement(run, RunResult(run.key(), "failed", message=message, model_steps=steps))
    selection = float(losses[torch.from_numpy(score_part(held))].mean())
    scores = held_out_scores(bench, run, mean)
    result = result_of(
        bench,
        run,
        losses,
        selection_loss=selection,
        model_steps=steps,
        figures=DecodedFigures(scores=scores),
    )
    return Measurement(run, result, frozen.arrays(i) | scaling_arrays(views, i))


class _Best:
    """The weights of each run with the smallest validation loss so far."""

    def __init__(self, runs: int) -> None:
        self.loss = torch.full((runs,), torch.inf, dtype=torch.float64)
        self._kept: Frozen | None = None

    def offer(self, frozen: Frozen, loss: Tensor) -> None:
        """Keep the weights of those runs whose loss is their smallest so far.

        Parameters
        ----------
        frozen
            Current weights of all runs.
        loss
            Current validation loss of each run (run,).
        """
        better = loss.cpu() < self.loss
        self.loss = torch.where(better, loss.cpu(), self.loss)
        self._kept = (
            frozen if self._kept is None else frozen.where(better.to(loss.device), self._kept)
        )

    def frozen(self) -> Frozen:
        """Return the weights with the smallest validation loss, for each run."""
        assert self._kept is not None
        return self._kept


@torch.no_grad()
def _validation_losses(
    bench: Workbench,
    views: ViewMaker,
    frozen: Frozen,
    targets: Tensor,
    choosing: list[np.ndarray],
) -> Tensor:
    """Mean training loss of each run on one augmented view of some windows (run,).

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    views
        Draws the views.
    frozen
        The networks.
    targets
        Standardised targets of each run (run, window, ...).
    choosing
        Windows of each run to average over, each (window,). In a large session,
        at most `CHOOSING_WINDOWS` of them are used.
    """
    if is_large(bench):
        count = min(CHOOSING_WINDOWS, max(len(windows) for windows in choosing))
        chosen = np.stack([spaced(windows, count) for windows in choosing])
        windows = torch.from_numpy(chosen).to(bench.device)
        own = targets[torch.arange(len(targets), device=bench.device).unsqueeze(1), windows]
        read = encode_corrupted(views, frozen, FIRST_EVALUATION_DRAW, windows)
        return target_loss(read, own).to(torch.float64).mean(1)
    everything = bench.all_windows.expand(len(targets), -1)
    read = frozen(views.single(FIRST_EVALUATION_DRAW, everything))
    losses = target_loss(read, targets).to(torch.float64)
    return torch.stack(
        [losses[i, torch.from_numpy(windows)].mean() for i, windows in enumerate(choosing)]
    )


@torch.no_grad()
def _final_losses(
    bench: Workbench,
    views: ViewMaker,
    frozen: Frozen,
    centre: Tensor,
    spread: Tensor,
    read: list[np.ndarray],
) -> tuple[Tensor, Tensor]:
    """Decode windows with the trained networks.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    views
        Draws the view of each window that is decoded.
    frozen
        The trained networks.
    centre, spread
        Mean and scale of each run's continuous targets, which undo their
        standardisation (run, 1, column).
    read
        Windows that each run decodes, each (window,).

    Returns
    -------
    Decoding losses (run, window); and predicted columns, or log-probabilities of the
    classes, (run, window, column). Both are NaN for windows that are not decoded.
    """
    most = max(len(own) for own in read)
    padded = np.stack([np.pad(own, (0, most - len(own)), mode="edge") for own in read])
    windows = torch.from_numpy(padded).to(bench.device)
    # Views are drawn differently from those on which the weights were chosen.
    outputs = encode_corrupted(views, frozen, FIRST_EVALUATION_DRAW + 1, windows).to(torch.float64)
    decoded = (
        torch.log_softmax(outputs, dim=2) if bench.target.classes else outputs * spread + centre
    )
    shape = (len(decoded), len(bench.windows.starts), decoded.shape[2])
    predictions = decoded.new_full(shape, torch.nan)
    # The windows that pad a run repeat its last one, whose own view comes first.
    for i, own in enumerate(read):
        predictions[i, windows[i, : len(own)]] = decoded[i, : len(own)]
    return bench.target.losses(predictions), predictions
