"""Runs that are trained by gradient: SSL methods and supervised networks, measured on frozen encoders."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.encoders.base import StackedEncoder
from invariance_probe.encoders.frozen import Frozen
from invariance_probe.methods import METHODS
from invariance_probe.methods.base import Batch, Method
from invariance_probe.methods.supervised import Supervised, target_loss
from invariance_probe.probing import diagnostics
from invariance_probe.probing.pretext import pretext_accuracy
from invariance_probe.probing.readout import Measured, held_out_scores, probe_scored, result_of
from invariance_probe.probing.workbench import Workbench, score_part
from invariance_probe.study.encoders import Encoder
from invariance_probe.study.run import Run, RunResult, Status
from invariance_probe.study.training import Optimisation
from invariance_probe.study.views import TimeJitter
from invariance_probe.training.ensemble import Training, train
from invariance_probe.training.examples import EXAMPLES, Material
from invariance_probe.training.order import Order

EVALUATION_STEP = 1 << 40
"""Draws for evaluation are addressed from here on, beyond every training step."""
DIAGNOSED = 512
"""At most this many test windows enter the diagnostics."""
COLLAPSED = 1.5
"""A representation with a smaller RankMe has collapsed."""
CHECKS = 10
"""How often a supervised network is held against its validation part."""

Progress = Callable[[int], None]


def dtype_of(settings: Optimisation) -> torch.dtype:
    """Return the floating type that a run is trained in."""
    return {"float32": torch.float32, "float64": torch.float64}[settings.precision]


def settings_of(runs: list[Run]) -> Optimisation:
    """Return the optimisation that stacked runs share."""
    settings = runs[0].optimisation
    assert settings is not None and all(run.optimisation == settings for run in runs)
    return settings


def train_ssl(bench: Workbench, runs: list[Run], on_progress: Progress) -> tuple[Method, ViewMaker, Training]:
    """Train the SSL models of stacked runs."""
    settings = settings_of(runs)
    declared: Any = runs[0].method
    parts = [bench.train_windows(run) for run in runs]
    views = bench.views(runs, parts, dtype_of(settings))
    method = METHODS[declared.kind](declared, views.shape, bench.generators("init", runs)).to(bench.device, dtype_of(settings))
    examples = EXAMPLES[method.examples](declared, _material(bench, runs, parts))
    targets = _standardised_targets(bench, parts, dtype_of(settings))[0] if method.reads_target else None
    run_index = torch.arange(len(runs), device=bench.device).unsqueeze(1)

    def batch_at(step: int) -> Batch:
        example = examples.at(step)
        windows = torch.cat([example.first, example.second], dim=1)
        halves = views.halves(step, example.first, example.second) if method.reads_counts else None
        return Batch(
            views.pair(step, example.first, example.second),
            windows,
            bench.timeline,
            views.keys,
            step,
            labels=example.labels,
            targets=None if targets is None else targets[run_index, windows],
            counts=None if halves is None else torch.cat(halves, dim=1),
        )

    return method, views, train(method, batch_at, settings, on_progress)


def _material(bench: Workbench, runs: list[Run], parts: list[np.ndarray]) -> Material:
    jitters = [run.views.pairing if run.views else TimeJitter() for run in runs]
    keys = key_tensor(bench.keys("order", runs), bench.device)
    return Material(bench.windows, parts, jitters, bench.recording.bin_s, keys, settings_of(runs).batch_size)


def freeze(bench: Workbench, encoder: StackedEncoder, declared: Encoder, rows: Tensor, parts: list[np.ndarray]) -> Frozen:
    """Freeze the encoders at the statistics of each run's clean training windows, given all clean windows (run, window, time, unit)."""
    weights = torch.zeros(rows.shape[:2], dtype=rows.dtype, device=rows.device)
    for i, part in enumerate(parts):
        weights[i, torch.from_numpy(part)] = 1 / len(part)
    return Frozen.freeze(encoder, declared, rows, weights)


def measure_ssl(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Train stacked SSL runs and probe their frozen encoders on clean whole activity."""
    method, views, training = train_ssl(bench, runs, on_progress)
    parts = [bench.train_windows(run) for run in runs]
    rows = views.clean(bench.all_windows)
    frozen = freeze(bench, method.encoder, runs[0].method.encoder, rows, parts)  # type: ignore[union-attr]
    representation = frozen(rows)
    finite = representation.isfinite().all(2).all(1) & (training.failed_at < 0)
    representation = torch.where(finite[:, None, None], representation, 0.0)
    losses, scores = probe_scored(bench, runs, representation, parts)
    described = _describe(bench, runs, views, frozen, representation)
    mined = found_by_mining(bench, method.mined())
    answered = pretext_accuracy(bench, runs, method, views, EVALUATION_STEP)
    measured = []
    for i, run in enumerate(runs):
        values = {name: float(numbers[i]) for name, numbers in described.items()} | scores[i] | (mined[i] if mined else {})
        values |= {"ssl_loss": float(training.loss[i]), "gradient_norm": float(training.gradient_norm[i])}
        if answered[i].isfinite():
            values["pretext_accuracy"] = float(answered[i])
        if not finite[i]:
            step = int(training.failed_at[i])
            message = f"the loss was not finite at step {step}" if step >= 0 else "the representation is not finite"
            measured.append(Measured(run, RunResult(run.key(), "failed", message=message, model_steps=settings_of(runs).steps)))
            continue
        status: Status = "collapsed" if values["rank_me"] < COLLAPSED else "done"
        result = result_of(bench, run, losses[i], status, diagnostics=values, model_steps=settings_of(runs).steps)
        measured.append(Measured(run, result, frozen.arrays(i) | _scaling(views, i)))
    return measured


def _scaling(views: ViewMaker, run: int) -> dict[str, np.ndarray]:
    scaling = views.scaling
    return {
        "input_mean": scaling.mean[run].flatten().cpu().numpy(),
        "input_inverse_sd": scaling.inverse_sd[run].flatten().cpu().numpy(),
    }


@torch.no_grad()
def _describe(bench: Workbench, runs: list[Run], views: ViewMaker, frozen: Frozen, representation: Tensor) -> dict[str, Tensor]:
    """Return diagnostics (run,) by name, from one draw of the training views of test windows."""
    tests = [bench.folds[run.fold].test for run in runs]  # type: ignore[index]
    count = min(DIAGNOSED, *(len(test) for test in tests))
    chosen = np.stack([test[np.linspace(0, len(test) - 1, count).round().astype(np.int64)] for test in tests])
    windows = torch.from_numpy(chosen).to(bench.device)
    first, second = (frozen(view) for view in views.pair(EVALUATION_STEP, windows, windows).chunk(2, dim=1))
    corrupted = views.single(EVALUATION_STEP, windows)
    clean = views.scaling.apply(views.whole.activity[views._bins(windows)])
    spread = (clean - clean.mean(1, keepdim=True)).square().sum((2, 3)).mean(1)
    at = windows.unsqueeze(2).expand(-1, -1, representation.shape[2])
    return {
        "rank_me": diagnostics.rank_me(representation),
        "alignment": diagnostics.alignment(first, second),
        "uniformity": diagnostics.uniformity(first),
        "invariance": diagnostics.invariance(representation.gather(1, at), frozen(corrupted)),
        "input_change": (corrupted - clean).square().sum((2, 3)).mean(1) / spread.clamp_min(1e-30),
    }


def found_by_mining(bench: Workbench, mined: tuple[Tensor, Tensor] | None) -> list[dict[str, float]]:
    """Return each run's diagnostics of the pairs that its method mined; nothing for a method or a run that mined none.

    `mined_distance_s` is how far apart in time mined windows lie on average, in the bins of the recording as it is stored.
    `mined_agreement` is the part of pairs with one class; or, for other targets, 1 - E|y - y'|^2 / (2 Var y): 0 for pairs that know
    nothing of the target, 1 for pairs alike in it, with the variance over the anchors.

    Parameters
    ----------
    mined
        Windows of anchors and of what was mined for them (run, pair), -1 where nothing was.
    """
    return [] if mined is None else [_mined_pairs(bench, *pairs) for pairs in zip(*mined, strict=True)]


def _mined_pairs(bench: Workbench, anchors: Tensor, others: Tensor) -> dict[str, float]:
    first, second = anchors[others >= 0], others[others >= 0]
    if not len(first):
        return {}
    distance = (bench.starts[first] - bench.starts[second]).abs().to(torch.float64).mean() * bench.recording.bin_s
    y, z = bench.target.values[first], bench.target.values[second]
    if bench.target.classes:
        agreement = (y == z).to(torch.float64).mean()
    else:
        spread = (y - y.mean(0)).square().sum(1).mean().clamp_min(1e-30)
        agreement = 1 - (y - z).square().sum(1).mean() / (2 * spread)
    return {"mined_distance_s": float(distance), "mined_agreement": float(agreement)}


def measure_supervised(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Train stacked supervised networks, and score their own predictions on inputs corrupted as in training."""
    settings = settings_of(runs)
    dtype = dtype_of(settings)
    cuts = [bench.validation(bench.train_windows(run), run) for run in runs]
    fitted = [fit for fit, _ in cuts]
    views = bench.views(runs, fitted, dtype)
    targets, centre, spread = _standardised_targets(bench, fitted, dtype)
    windows = [torch.from_numpy(fit).to(bench.device) for fit in fitted]
    batch_size = min(settings.batch_size, *(len(fit) for fit in fitted))
    lengths = torch.tensor([len(fit) for fit in fitted], device=bench.device)
    order = Order(key_tensor(bench.keys("order", runs), bench.device), lengths, batch_size)
    padded = torch.nn.utils.rnn.pad_sequence(windows, batch_first=True)
    outputs = bench.target.classes or bench.target.values.shape[1]
    declared: Any = runs[0].method
    method = Supervised(declared, views.shape, outputs, bench.generators("init", runs)).to(bench.device, dtype)
    rows = views.clean(bench.all_windows)
    seen = _Best(len(runs))

    def validate() -> None:
        frozen = freeze(bench, method.encoder, declared.encoder.before(outputs), rows, fitted)
        losses = _prediction_losses(bench, views, frozen, targets, draws=1)
        seen.offer(
            frozen, torch.stack([losses[i, torch.from_numpy(held[: len(held) // 2])].mean() for i, (_, held) in enumerate(cuts)])
        )

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
    losses, mean = _final_losses(bench, views, frozen, centre, spread)
    return [
        _supervised_result(bench, run, i, training, losses[i], mean[i], frozen, views, cuts[i][1]) for i, run in enumerate(runs)
    ]


def _supervised_result(
    bench: Workbench, run: Run, i: int, training: Training, losses: Tensor, mean: Tensor, frozen: Frozen, views: ViewMaker,
    held: np.ndarray,
) -> Measured:  # fmt: skip
    assert run.optimisation is not None
    steps = run.optimisation.steps
    if training.failed_at[i] >= 0 or not losses.isfinite().all():
        message = f"the loss was not finite at step {int(training.failed_at[i])}"
        return Measured(run, RunResult(run.key(), "failed", message=message, model_steps=steps))
    selection = float(losses[torch.from_numpy(score_part(held))].mean())
    scores = held_out_scores(bench, run, mean)
    result = result_of(bench, run, losses, selection_loss=selection, model_steps=steps, diagnostics=scores)
    return Measured(run, result, frozen.arrays(i) | _scaling(views, i))


class _Best:
    """The weights of each run that did best on its validation part so far."""

    def __init__(self, runs: int) -> None:
        self.loss = torch.full((runs,), torch.inf, dtype=torch.float64)
        self._kept: Frozen | None = None

    def offer(self, frozen: Frozen, loss: Tensor) -> None:
        better = loss.cpu() < self.loss
        self.loss = torch.where(better, loss.cpu(), self.loss)
        self._kept = frozen if self._kept is None else frozen.where(better.to(loss.device), self._kept)

    def frozen(self) -> Frozen:
        assert self._kept is not None
        return self._kept


def _standardised_targets(bench: Workbench, parts: list[np.ndarray], dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return targets as networks learn them (run, window, ...), with centre and spread (run, 1, column)."""
    values = bench.target.values
    if bench.target.classes:
        nothing = torch.zeros(1, device=bench.device)
        return values.expand(len(parts), -1), nothing, nothing
    centre = torch.stack([values[torch.from_numpy(part)].mean(0) for part in parts]).unsqueeze(1)
    spread = torch.full((len(parts), 1, 1), bench.target.scale / values.shape[1], device=bench.device).sqrt().to(torch.float64)
    return ((values - centre) / spread).to(dtype), centre, spread


@torch.no_grad()
def _prediction_losses(bench: Workbench, views: ViewMaker, frozen: Frozen, targets: Tensor, draws: int) -> Tensor:
    windows = bench.all_windows.expand(len(targets), -1)
    losses = [target_loss(frozen(views.single(EVALUATION_STEP + i, windows)), targets) for i in range(draws)]
    return torch.stack(losses).mean(0).to(torch.float64)


@torch.no_grad()
def _final_losses(bench: Workbench, views: ViewMaker, frozen: Frozen, centre: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """Return decoding losses (run, window) and predictions (run, window, column), averaged over draws of the corruption if there is one."""
    windows = bench.all_windows.expand(frozen.runs, -1)
    total = torch.zeros(windows.shape, dtype=torch.float64, device=bench.device)
    mean = torch.zeros(1, dtype=torch.float64, device=bench.device)
    draws = 8 if views.transforms else 1
    for i in range(draws):
        outputs = frozen(views.single(EVALUATION_STEP + 1 + i, windows)).to(torch.float64)
        predictions = torch.log_softmax(outputs, dim=2) if bench.target.classes else outputs * spread + centre
        total += bench.target.losses(predictions)
        mean = mean + predictions / draws
    return total / draws, mean
