"""Train SSL models by gradient, and decode from their frozen encoders.

In: an opened session and the runs of one SSL method, which train together as a stack
(one batched model with separate weights per run). Out: for each run, the decoding loss
of a probe (a decoder fitted on the frozen encoder's representation of clean activity),
quantities that describe the training and the representation, and the encoder's weights.
SSL in closed form is measured in `baselines`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.encoders.frozen import Frozen
from invariance_probe.kernels.arithmetic import storage
from invariance_probe.methods import METHODS, add_stream, make_method
from invariance_probe.methods.base import Batch, Method
from invariance_probe.plan.figures.decoded import (
    DecodedFigures,
    PairFigures,
    RepresentationFigures,
    SleepDistances,
    TrainingFigures,
)
from invariance_probe.plan.roles import GradientRun, TrainedModel
from invariance_probe.plan.run import RunResult, Status
from invariance_probe.probing.bench.batches import batch_of
from invariance_probe.probing.bench.size import groups
from invariance_probe.probing.bench.stored import Stored
from invariance_probe.probing.bench.training import training_bench
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measurement, probe_scored, result_of
from invariance_probe.probing.measurements.mining import distant_pairs, found_by_mining
from invariance_probe.probing.measurements.pretext import pretext_accuracy
from invariance_probe.probing.representation import diagnostics
from invariance_probe.probing.representation.encoding import encode_clean, normed_rows
from invariance_probe.probing.representation.sleep_distance import (
    few,
    sleep_distances,
    sleeping_windows,
)
from invariance_probe.study.methods import asks_for
from invariance_probe.study.training import Optimisation
from invariance_probe.training.adversaries import StackedAdversary, make_adversary
from invariance_probe.training.ensemble import Training, train
from invariance_probe.training.examples import EXAMPLES, TrainingWindows

FIRST_EVALUATION_DRAW = 1 << 40
"""Step number from which random draws for evaluation are counted.

It is beyond every training step, so evaluation and training use different draws.
"""
DIAGNOSED = 512
"""Largest number of test windows from which a representation is described."""
COLLAPSED = 1.5
"""A representation with a smaller effective rank (RankMe) has collapsed."""

Progress = Callable[[int], None]
"""Callback that is given the number of training steps since its last call.

The steps of all models in a stack are added up.
"""
TARGET_FREE = {
    kind
    for kind, method in METHODS.items()
    if "target" not in method.reads and method.mined is Method.mined
}
"""Methods whose trained encoders can be reused when the target changes.

Neither their training nor what is recorded about it depends on the target. User-defined
methods are not among them: a stored encoder does not say with which code it was made.
"""


def settings_of(runs: Sequence[GradientRun]) -> Optimisation:
    """Return the optimisation settings that stacked runs have in common."""
    settings = runs[0].optimisation
    assert all(run.optimisation == settings for run in runs)
    return settings


def train_ssl(
    bench: Workbench, runs: list[TrainedModel], on_progress: Progress, keys: Sequence[str] = ()
) -> tuple[Method, ViewMaker, Training]:
    """Train the SSL models of stacked runs, on one session or on several.

    Parameters
    ----------
    bench
        The opened session, or several sessions joined for training
        (`probing.bench.pooled.training_bench`).
    runs
        Runs of one method that share the same optimiser settings.
    on_progress
        Called during training; see `Progress`.
    keys
        One name per run, under which checkpoints are saved; if empty, each run's
        training key.

    Returns
    -------
    The trained models, the object that drew their views, and a description of the
    training.
    """
    settings = settings_of(runs)
    declared = runs[0].method
    parts = [bench.train_windows(run) for run in runs]
    views = bench.views(runs, parts, storage(settings.precision))
    method = make_method(
        declared, views.shape, bench.generators("init", runs), bench.elsewhere.base
    )
    if views.stream is not None:
        add_stream(method, declared, views.stream.shape, bench.generators("stream", runs))
    method.to(bench.device, storage(settings.precision))
    examples = EXAMPLES[method.examples](asks_for(declared), _material(bench, runs, parts))
    targets = (
        standardised_targets(bench, parts, storage(settings.precision))[0]
        if declared.reads_target
        else None
    )
    _, timeline = bench.shown(runs)
    run_index = torch.arange(len(runs), device=bench.device).unsqueeze(1)

    def batch_at(step: int) -> Batch:
        batch = batch_of(declared, views, timeline, examples.at(step), step)
        return (
            batch if targets is None else replace(batch, targets=targets[run_index, batch.windows])
        )

    checkpoint = bench.checkpoints.of(keys or [run.train_key() for run in runs])
    return (
        method,
        views,
        train(
            method,
            batch_at,
            settings,
            on_progress,
            checkpoint,
            _adversary(bench, runs, parts, views),
        ),
    )


def _adversary(
    bench: Workbench, runs: list[TrainedModel], parts: list[np.ndarray], views: ViewMaker
) -> StackedAdversary | None:
    """Make the adversary that corrupts the views of stacked runs during training.

    An adversary is an augmentation that is learned so as to raise the SSL loss. If it
    acts on principal components of activity, these are fitted on each run's clean
    training windows.

    Returns
    -------
    The adversary; None if the views declare none.
    """
    kinds = {one.kind for one in views.adversaries}
    arms = [run.arm if run.axis.split(".")[0] in kinds else "independent" for run in runs]

    def basis(modes: int) -> Tensor:
        clean = views.clean(bench.all_windows)
        rows = [
            clean[i, torch.from_numpy(part)].flatten(0, 1).to(torch.float64)
            for i, part in enumerate(parts)
        ]
        return torch.stack([torch.linalg.eigh(x.T @ x)[1][:, -modes:] for x in rows]).float()

    return make_adversary(
        views.adversaries, arms, views.shape[1], basis, bench.device, views.keys, views.clean_of
    )


def _material(
    bench: Workbench, runs: list[TrainedModel], parts: list[np.ndarray]
) -> TrainingWindows:
    """Collect what the training examples of stacked runs are drawn from."""
    jitters = [run.views.jitter for run in runs]
    distant = [bench.distant(run, part) for run, part in zip(runs, parts, strict=True)]
    keys = key_tensor(bench.keys("order", runs), bench.device)
    return TrainingWindows(
        bench.windows,
        parts,
        jitters,
        bench.step_s,
        keys,
        settings_of(runs).batch_size,
        distant=distant,
    )


def measure_ssl(
    bench: Workbench, runs: list[TrainedModel], on_progress: Progress
) -> list[Measurement]:
    """Train SSL models as one stack, and decode from their frozen encoders.

    The decoders (probes) are fitted and tested on representations of clean activity.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of one SSL method with the same optimisation.
    on_progress
        Called during training; see `Progress`.
    """
    pool = training_bench(bench, runs[0])
    method, seen, training = train_ssl(pool, runs, on_progress)
    parts = [bench.train_windows(run) for run in runs]
    declared = runs[0].method
    rows = normed_rows(bench, seen, parts, pool.decoded_windows)
    frozen = Frozen.freeze(method.encoder, declared.encoder, *rows)
    if pool.activity.shape[1] != bench.activity.shape[1]:
        frozen = frozen.of_units(bench.activity.shape[1], pool.activity.shape[1])
    views = seen if pool is bench else bench.views(runs, parts, seen.scaling.mean.dtype)
    mined = found_by_mining(pool, runs, method.mined())
    answered = pretext_accuracy(pool, runs, method, seen, FIRST_EVALUATION_DRAW)
    trained = [
        TrainingFigures(
            ssl_loss=float(training.loss[i]),
            gradient_norm=float(training.gradient_norm[i]),
            pretext_accuracy=float(answered[i]) if answered[i].isfinite() else None,
        )
        for i in range(len(runs))
    ]
    return _probed_in_groups(bench, runs, views, frozen, training.failed_at, trained, mined)


def probe_stored(bench: Workbench, runs: list[TrainedModel], stored: Stored) -> list[Measurement]:
    """Decode another target from encoders that are already trained.

    The results are the same as if the encoders were trained again.

    Parameters
    ----------
    bench
        The opened session, with the new target.
    runs
        Runs of one SSL method, whose encoders are all in the store.
    stored
        Weights of the encoders, and descriptions of their training.
    """
    parts = [bench.train_windows(run) for run in runs]
    views = bench.views(runs, parts, storage(settings_of(runs).precision))
    declared = runs[0].method
    keys = [run.train_key() for run in runs]
    frozen = Frozen.of(declared.encoder, [stored.weights[key] for key in keys], bench.device)
    sound = torch.full((len(runs),), -1, device=bench.device)
    trained = [stored.trainings[key] for key in keys]
    nothing: list[PairFigures | None] = [None] * len(runs)
    return _probed_in_groups(bench, runs, views, frozen, sound, trained, nothing)


def _probed_in_groups(
    bench: Workbench,
    runs: list[TrainedModel],
    views: ViewMaker,
    frozen: Frozen,
    failed_at: Tensor,
    trained: list[TrainingFigures],
    mined: Sequence[PairFigures | None],
) -> list[Measurement]:
    """Decode from as many frozen encoders at a time as fit into memory.

    Parameters are those of `_probed`.
    """
    measured, first = [], 0
    for group in groups(bench, runs):
        if len(group) == len(runs):
            return _probed(bench, runs, views, frozen, failed_at, trained, mined)
        slots = range(first, first + len(group))
        own = bench.views(
            group, [bench.train_windows(run) for run in group], views.scaling.mean.dtype
        )
        measured += _probed(
            bench,
            group,
            own,
            frozen.chosen(list(slots)),
            failed_at[slots.start : slots.stop],
            trained[slots.start : slots.stop],
            mined[slots.start : slots.stop],
        )
        first = slots.stop
    return measured


def _probed(
    bench: Workbench,
    runs: list[TrainedModel],
    views: ViewMaker,
    frozen: Frozen,
    failed_at: Tensor,
    trained: list[TrainingFigures],
    mined: Sequence[PairFigures | None],
) -> list[Measurement]:
    """Decode from frozen encoders, describe them, and make the results.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of one SSL method.
    views
        Draws the runs' views, and standardises their inputs.
    frozen
        The frozen encoders of the runs.
    failed_at
        Step at which the loss was first not finite (run,); -1 if it was always finite.
    trained
        Description of each run's training.
    mined
        Description of the pairs that each run's method mined; None if it mined none.
    """
    representation = encode_clean(views, frozen, bench.all_windows)
    finite = representation.isfinite().all(2).all(1) & (failed_at < 0)
    representation = torch.where(finite[:, None, None], representation, 0.0)
    losses, scores = probe_scored(
        bench, runs, representation, [bench.train_windows(run) for run in runs]
    )
    described = _describe(bench, runs, views, frozen, representation)
    distant = [distant_pairs(training_bench(bench, run), run) for run in runs]
    sleep = [
        _from_waking(bench, run, views, frozen, representation, i) for i, run in enumerate(runs)
    ]
    steps = settings_of(runs).steps
    measured = []
    for i, run in enumerate(runs):
        if not finite[i]:
            step = int(failed_at[i])
            message = (
                f"the loss was not finite at step {step}"
                if step >= 0
                else "the representation is not finite"
            )
            measured.append(
                Measurement(run, RunResult(run.key(), "failed", message=message, model_steps=steps))
            )
            continue
        found = DecodedFigures(
            scores=scores[i],
            representation=described[i],
            training=trained[i],
            distant=distant[i],
            mined=mined[i],
            sleep=sleep[i],
        )
        status: Status = "collapsed" if described[i].rank_me < COLLAPSED else "done"
        result = result_of(bench, run, losses[i], status, figures=found, model_steps=steps)
        measured.append(Measurement(run, result, frozen.arrays(i) | scaling_arrays(views, i)))
    return measured


def _from_waking(
    bench: Workbench,
    run: TrainedModel,
    views: ViewMaker,
    frozen: Frozen,
    representation: Tensor,
    place: int,
) -> SleepDistances | None:
    """Measure how far from waking one run's encoder represents sleep.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    run
        The run.
    views
        Standardises the inputs of the stacked runs.
    frozen
        The frozen encoders of the stacked runs.
    representation
        Representations of all labelled windows (run, window, dim).
    place
        Position of the run in the stack.

    Returns
    -------
    The distances; None if the run does not pair waking with sleep.
    """
    asleep = sleeping_windows(bench, run)
    if asleep is None:
        return None
    activity, timeline = bench.shown([run], asleep=True)
    windows = torch.from_numpy(np.concatenate(asleep)).to(bench.device)
    bins = timeline.starts[windows].unsqueeze(1) + torch.arange(
        bench.windows.length, device=bench.device
    )
    clean = views.scaling.apply(torch.from_numpy(activity).to(bench.device)[bins].unsqueeze(0))
    rows = np.split(
        frozen(clean)[place].cpu().numpy(), np.cumsum([len(own) for own in asleep])[:-1]
    )
    own, fold = representation[place].cpu().numpy(), bench.folds[run.fold]
    return sleep_distances(own[bench.train_windows(run)], own[few(fold.test)], rows)


def scaling_arrays(views: ViewMaker, run: int) -> dict[str, np.ndarray]:
    """Return the mean and inverse SD by which a run's inputs are standardised.

    The store saves these arrays with the weights of the encoder.

    Parameters
    ----------
    views
        Standardises the inputs of stacked runs.
    run
        Position of the run in the stack.

    Returns
    -------
    Arrays by name, each (unit,).
    """
    scaling = views.scaling
    return {
        "input_mean": scaling.mean[run].flatten().cpu().numpy(),
        "input_inverse_sd": scaling.inverse_sd[run].flatten().cpu().numpy(),
    }


@torch.no_grad()
def _describe(
    bench: Workbench,
    runs: list[TrainedModel],
    views: ViewMaker,
    frozen: Frozen,
    representation: Tensor,
) -> list[RepresentationFigures]:
    """Describe each run's representation by its rank, alignment and invariance.

    The rank is computed from all clean windows. The other quantities are from one draw
    of the training's views of test windows: at most `DIAGNOSED`, evenly spaced.
    """
    tests = [bench.folds[run.fold].test for run in runs]
    count = min(DIAGNOSED, *(len(test) for test in tests))
    chosen = np.stack(
        [test[np.linspace(0, len(test) - 1, count).round().astype(np.int64)] for test in tests]
    )
    windows = torch.from_numpy(chosen).to(bench.device)
    first, second = (
        frozen(view) for view in views.pair(FIRST_EVALUATION_DRAW, windows, windows).chunk(2, dim=1)
    )
    corrupted = views.single(FIRST_EVALUATION_DRAW, windows)
    clean = views.scaling.apply(views.whole.activity[views._bins(windows)])
    spread = (clean - clean.mean(1, keepdim=True)).square().sum((2, 3)).mean(1)
    at = windows.unsqueeze(2).expand(-1, -1, representation.shape[2])
    found = {
        "rank_me": diagnostics.rank_me(representation),
        "alignment": diagnostics.alignment(first, second),
        "uniformity": diagnostics.uniformity(first),
        "invariance": diagnostics.invariance(representation.gather(1, at), frozen(corrupted)),
        "input_change": (corrupted - clean).square().sum((2, 3)).mean(1) / spread.clamp_min(1e-30),
    }
    return [
        RepresentationFigures(**{name: float(values[i]) for name, values in found.items()})
        for i in range(len(runs))
    ]


def standardised_targets(
    bench: Workbench, parts: list[np.ndarray], dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Standardise the target for training networks on it.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    parts
        Windows of each run over which its target is centred, each (window,).
    dtype
        Floating type of continuous targets.

    Returns
    -------
    Targets (run, window, column), or classes (run, window); the mean that was
    subtracted (run, 1, column); and the scale by which targets were divided, one for
    all columns. For classes the last two are placeholders.
    """
    values = bench.target.values
    if bench.target.classes:
        nothing = torch.zeros(1, device=bench.device)
        return values.expand(len(parts), -1), nothing, nothing
    centre = torch.stack([values[torch.from_numpy(part)].mean(0) for part in parts]).unsqueeze(1)
    spread = (
        torch.full((len(parts), 1, 1), bench.target.scale / values.shape[1], device=bench.device)
        .sqrt()
        .to(torch.float64)
    )
    return ((values - centre) / spread).to(dtype), centre, spread
