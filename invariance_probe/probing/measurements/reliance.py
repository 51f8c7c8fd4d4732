"""Which few units an SSL objective, a refitted and a fixed decoder rely on.

Three losses are attacked: for each, we search for the set of units whose removal raises
it most.

* `objective`: the loss that a trained SSL model minimises, with the units removed from
  both views.
* `refit`: the loss of a ridge decoder that is fitted again without the units. It
  measures information.
* `fixed`: the loss of the same decoder with the units held at their mean. It measures
  how far this decoder relies on them (`probing/measurements/messengers.py`).

Decoders read square roots of counts, or signals as they are.

In: one session, and runs of one SSL method that train together as a stack, one run per
fold and seed. Out: for each budget (number of units in a set) the three sets, and by
how much each set raises each of the three losses, compared with random sets.

A set is never scored on the windows that it was chosen on. For `objective` it is chosen
on one half of the fold's test windows; which half, the earlier or the later,
alternates over seeds and folds. For the decoders it is chosen on held-out parts of the
training windows, of which there are many more. All sets are scored on the other half of
the test windows.

A model may ignore units although both views show them, and a decoder may ignore units
that others can replace. Nothing here is about causes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from invariance_probe.errors import TrainingError
from invariance_probe.methods import class_of
from invariance_probe.plan.figures.units import (
    MODES,
    RELIANCE_TARGETS,
    RelianceFigures,
    RelianceSet,
    RelianceTarget,
    SetDamage,
)
from invariance_probe.plan.roles import RelianceMeasurement, TrainedModel
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.batches import batch_of, examples_of, stacked
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.probing.measurements.trained import (
    FIRST_EVALUATION_DRAW,
    Progress,
    settings_of,
    train_ssl,
)
from invariance_probe.probing.selectors import REFERENCE, SELECTORS
from invariance_probe.probing.selectors.acceptance import BAND
from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.damage import (
    decodable_range,
    losses_without,
    set_losses,
)
from invariance_probe.probing.selectors.halves import columns_of, features_of, moments_of
from invariance_probe.probing.selectors.moments import BlockMoments, FoldMoments
from invariance_probe.probing.selectors.objective import ObjectiveLoss, forward_path
from invariance_probe.probing.selectors.random_sets import OF_A_BAND, matched_sets
from invariance_probe.randomness import generator
from invariance_probe.study.budgets import most_messengers
from invariance_probe.study.methods import Reliance
from invariance_probe.training.examples import Examples

OBJECTIVE: Literal["objective"] = "objective"
"""Name of the SSL loss among the three losses that are attacked."""
BLOCKS = 12
"""Number of blocks of training windows on which a decoder's set is chosen."""
FEWEST_WINDOWS = 8
"""Smallest number of windows in each half of a fold's test windows.

The SSL loss is computed on batches no larger than the smallest half.
"""

Sets = Mapping[tuple[int, RelianceTarget], tuple[int, ...]]
"""Chosen units, by budget and by the loss that they are chosen for."""


@dataclass(frozen=True, eq=False)
class SplitRun:
    """One run, with the test windows on which its sets are chosen and scored.

    Attributes
    ----------
    run
        The run.
    choosing, scoring
        Sources of SSL examples: from the half of the test windows on which sets are
        chosen, and from the half on which they are scored.
    scored
        Windows of the scoring half (window,).
    """

    run: RelianceMeasurement
    choosing: Examples
    scoring: Examples
    scored: np.ndarray

    @classmethod
    def of(cls, bench: Workbench, run: RelianceMeasurement, size: int) -> "SplitRun":
        """Split the test windows of a run's fold, and prepare examples of both.

        Parameters
        ----------
        bench
            The opened session: its windows, folds and target.
        run
            The run.
        size
            Number of windows per batch in each view.

        Raises
        ------
        TrainingError
            When a half is too short to form an example.
        """
        kind, model = class_of(run.method.of, bench.elsewhere.base).examples, run.model()
        choosing, scored = halves_of_test(bench, run)
        return cls(
            run,
            _examples(bench, model, kind, choosing, size),
            _examples(bench, model, kind, scored, size),
            scored,
        )


def batch_windows(bench: Workbench, run: RelianceMeasurement) -> int:
    """Number of windows per batch on which a session's SSL losses are computed.

    It is the same in all folds and seeds: the batch size of the training, or the size
    of the smallest half of any fold's test windows if that is less.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    run
        A run of this measurement.
    """
    halves = [
        part
        for fold in range(len(bench.folds))
        for seed in (0, 1)
        for part in halves_of_test(bench, run.model_copy(update={"fold": fold, "seed": seed}))
    ]
    return min(settings_of([run]).batch_size, *map(len, halves))


def halves_of_test(bench: Workbench, run: RelianceMeasurement) -> tuple[np.ndarray, np.ndarray]:
    """Split a fold's test windows into those for choosing and those for scoring.

    Which half chooses, the earlier or the later, alternates over seeds and folds.
    Windows of the scoring half within the embargo of the choosing half are left out.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    run
        The run; its fold, seed and embargo are read.

    Returns
    -------
    Choosing and scoring windows, each (window,).

    Raises
    ------
    TrainingError
        When the embargo leaves too few scoring windows.
    """
    test = bench.folds[run.fold].test
    halves = test[: len(test) // 2], test[len(test) // 2 :]
    choosing, scoring = halves if (run.seed + run.fold) % 2 == 0 else halves[::-1]
    own, starts = bench.windows.starts[choosing], bench.windows.starts[scoring]
    after = np.searchsorted(own, starts)
    near = np.minimum(
        np.abs(starts - own[np.maximum(after - 1, 0)]),
        np.abs(own[np.minimum(after, len(own) - 1)] - starts),
    ) <= round(run.folds.embargo_s / bench.recording.bin_s)
    if (~near).sum() < FEWEST_WINDOWS:
        raise TrainingError(
            f"session {run.session!r}: reliance chooses units on one half of the {len(test)} test "
            f"windows of fold {run.fold}, and scores them on the other half. Windows within "
            f"folds.embargo_s ({run.folds.embargo_s:g} s) of the first half are not scored, which "
            f"leaves {(~near).sum()}, but {FEWEST_WINDOWS} are needed. Use a shorter embargo, or "
            "fewer folds"
        )
    return choosing, scoring[~near]


def _examples(
    bench: Workbench, model: TrainedModel, kind: str, part: np.ndarray, size: int
) -> Examples:
    """Make a source of examples that are drawn from given windows.

    An example occurs twice in a batch only if there are too few windows to fill a batch
    otherwise.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    model
        The run of the SSL model.
    kind
        Kind of example, such as `pairs`: a key of `training.examples.EXAMPLES`.
    part
        Windows to draw from (window,), ascending.
    size
        Number of windows per batch in each view.
    """
    try:
        return examples_of(bench, model, kind, part, size, repeats=False)
    except TrainingError:
        return examples_of(bench, model, kind, part, size, repeats=True)


@dataclass(frozen=True, eq=False)
class Decoder:
    """The ridge decoder of one fold, and the sets of units chosen for it.

    Attributes
    ----------
    train
        Training windows (window,).
    penalty
        Ridge penalty.
    sets
        Sets whose removal raises the decoder's loss most, on held-out parts of the
        training windows.
    """

    train: np.ndarray
    penalty: float
    sets: Sets

    @classmethod
    def of(cls, bench: Workbench, run: RelianceMeasurement) -> "Decoder":
        """Fit the decoder on a run's training windows, and choose the sets.

        The result depends on the run's fold, but not on its seed.

        Parameters
        ----------
        bench
            The opened session: its windows, folds and target.
        run
            The run; its fold and budgets are read.
        """
        train = bench.train_windows(run)
        moments, penalty = moments_of(bench, train, np.arange(len(train)) * BLOCKS // len(train))
        parts, rng = (
            moments.parts(penalty),
            generator("probe", run.study_seed, run.session, fold=run.fold),
        )
        sets: Sets = {
            (b, mode): SELECTORS[REFERENCE](Attack(parts, mode, b), rng)
            for b in run.method.budgets
            for mode in MODES
        }
        return cls(train, penalty, sets)

    def tested_on(self, bench: Workbench, windows: np.ndarray) -> FoldMoments:
        """Compute the moments that give the decoder's loss on other windows.

        Parameters
        ----------
        bench
            The opened session: its windows, folds and target.
        windows
            The windows on which the decoder is tested (window,).

        Returns
        -------
        Second moments of the training windows, to which decoders of any subset of units
        can be fitted, and of the tested windows, from which their losses follow.
        """
        rows = np.concatenate([self.train, windows])
        block = np.repeat([0, 1], [len(self.train), len(windows)])
        x, y = (
            values.cpu().numpy() for values in (features_of(bench, rows), columns_of(bench, rows))
        )
        return BlockMoments.of(x, y, block).held_out(self.penalty, np.array([1]))


def measure_reliance(
    bench: Workbench, runs: list[RelianceMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Train SSL models, choose sets for each loss, and score each set by all.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of this measurement, whose models train together as a stack.
    on_progress
        Called during training; see `Progress`.

    Raises
    ------
    TrainingError
        When windows have more than one bin, or a budget leaves too few other units.
    """
    _refuse(bench, runs[0])
    size = batch_windows(bench, runs[0])
    found: dict[str, RunResult] = {}
    asked = []
    for run in runs:
        try:
            asked.append(SplitRun.of(bench, run, size))
        except TrainingError as error:
            found[run.key()] = RunResult(run.key(), "failed", message=str(error))
    if asked:
        found |= _attacked(bench, asked, on_progress)
    return [Measurement(run, found[run.key()]) for run in runs]


def _refuse(bench: Workbench, run: RelianceMeasurement) -> None:
    """Refuse windows of several bins, and budgets too large for the session."""
    if bench.windows.length != 1:
        raise TrainingError(
            "reliance needs windows of one bin, but window.length_bins is "
            f"{bench.windows.length}; set it to 1, or remove the measurement"
        )
    budget, units = max(run.method.budgets), bench.activity.shape[1]
    if budget > most_messengers(units):
        raise TrainingError(
            f"session {run.session!r}: the largest of reliance.budgets is {budget}, but the "
            f"session has only {units} units, and each chosen unit needs two others to be "
            f"compared with; use at most {most_messengers(units)}"
        )


def _attacked(
    bench: Workbench, asked: list[SplitRun], on_progress: Progress
) -> dict[str, RunResult]:
    """Train, attack and score the models of stacked runs.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    asked
        The runs, each with two halves of its test windows: sets for the objective are
        chosen on one and all sets are scored on the other.
    on_progress
        Called during training; see `Progress`.

    Returns
    -------
    Result of each run, by its key.
    """
    runs = [one.run for one in asked]
    declared = runs[0].method
    method, views, training = train_ssl(
        bench, [run.model() for run in runs], on_progress, [run.train_key() for run in runs]
    )

    def loss(examples: Sequence[Examples], steps: range) -> ObjectiveLoss:
        made = [
            batch_of(
                declared.of,
                views,
                bench.timeline,
                stacked([one.at(step) for one in examples]),
                step,
            )
            for step in steps
        ]
        return ObjectiveLoss(method, made, bench.checkpoints.stop)

    middle = FIRST_EVALUATION_DRAW + declared.choosing * declared.batches
    choosing = loss([one.choosing for one in asked], range(FIRST_EVALUATION_DRAW, middle))
    scoring = loss(
        [one.scoring for one in asked], range(middle, middle + declared.choosing * declared.batches)
    )
    of_fold = {
        fold: Decoder.of(bench, next(run for run in runs if run.fold == fold))
        for fold in {run.fold for run in runs}
    }
    decoders = [of_fold[run.fold] for run in runs]
    sets = _chosen(declared, choosing, [decoder.sets for decoder in decoders])
    tested = [
        decoder.tested_on(bench, one.scored) for decoder, one in zip(decoders, asked, strict=True)
    ]
    figures = _scored(bench, runs, scoring, tested, sets)
    failed_at, steps = training.failed_at.tolist(), settings_of(runs).steps
    return {run.key(): _result(run, failed_at[i], figures[i], steps) for i, run in enumerate(runs)}


def _chosen(asked: Reliance, loss: ObjectiveLoss, of_decoders: Sequence[Sets]) -> Sequence[Sets]:
    """Add the sets chosen for the SSL loss to those chosen for the decoders.

    The candidates for the SSL loss are the set found by forward selection and the two
    sets chosen for the decoders. Of these, the one whose removal raises the SSL loss
    most is chosen.

    Parameters
    ----------
    asked
        The declared measurement.
    loss
        SSL loss of the stacked models on choosing batches.
    of_decoders
        Sets chosen for each run's decoder.

    Returns
    -------
    All sets of each run, by budget and loss.
    """
    path = forward_path(loss, max(asked.budgets), asked.screening, asked.finalists)
    found = [dict(sets) for sets in of_decoders]
    for budget in asked.budgets:
        candidates = np.stack(
            [
                [own[:budget], *(sets[budget, mode] for mode in MODES)]
                for own, sets in zip(path, found, strict=True)
            ]
        )
        # The losses of a diverged model are NaN; as -inf they are never the largest.
        losses = np.nan_to_num(loss.of_sets(candidates), nan=-np.inf)
        for sets, own, best in zip(found, candidates, losses.argmax(axis=1), strict=True):
            sets[budget, OBJECTIVE] = tuple(sorted(own[best].tolist()))
    return found


def _scored(
    bench: Workbench,
    runs: Sequence[RelianceMeasurement],
    loss: ObjectiveLoss,
    tested: Sequence[FoldMoments],
    chosen: Sequence[Sets],
) -> list[RelianceFigures]:
    """Score every set of units by the three losses, beside random sets.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        The stacked runs.
    loss
        SSL loss of the stacked models on scoring batches.
    tested
        Moments from which the loss of each run's decoder on scoring windows follows.
    chosen
        Chosen sets of each run.

    Returns
    -------
    For each run, the scale of each loss, and by how much each set raises it.
    """
    asked, units = runs[0].method, loss.shape[1]
    rates = bench.recording.activity.mean(axis=0)
    rngs = [generator("probe", run.study_seed, run.session, run.seed, run.fold) for run in runs]
    few = replace(loss, batches=loss.batches[: asked.batches])
    whole = few.without(np.zeros(loss.shape, dtype=bool))
    size = loss.batches[0].views.shape[1] // 2
    costs = [{mode: _Cost(part, mode) for mode in MODES} for part in tested]
    scored: list[list[RelianceSet]] = [[] for _ in runs]
    for budget, target in [
        (budget, target) for budget in asked.budgets for target in RELIANCE_TARGETS
    ]:
        own = [sets[budget, target] for sets in chosen]
        sets = np.stack(
            [
                _beside(units, rates, one, asked.masks, rng)
                for one, rng in zip(own, rngs, strict=True)
            ]
        )
        rises = few.of_sets(sets) - whole[:, None]
        for i, found in enumerate(scored):
            found.append(
                RelianceSet(
                    budget=budget,
                    target=target,
                    units=tuple(int(unit) for unit in own[i]),
                    random_sets=len(np.unique(sets[i, 1:], axis=0)),
                    damages={
                        OBJECTIVE: _damage(rises[i]),
                        **{mode: _damage(cost(sets[i])) for mode, cost in costs[i].items()},
                    },
                )
            )
    return [
        RelianceFigures(
            units=units,
            batch_windows=size,
            range_objective=float(own_range),
            nothing_objective=float(empty),
            range_decoder=float(decodable_range([part]).mean()),
            sets=tuple(found),
        )
        for own_range, empty, part, found in zip(
            loss.range(), loss.nothing(), tested, scored, strict=True
        )
    ]


class _Cost:
    """Rise of one decoder's loss when a set of units is removed.

    Parameters
    ----------
    part
        Moments from which the loss follows.
    mode
        `refit` or `fixed`.
    """

    def __init__(self, part: FoldMoments, mode: str) -> None:
        self._losses, self._whole = (
            set_losses([part], mode),
            losses_without([part], (), mode).mean(),
        )

    def __call__(self, sets: np.ndarray) -> np.ndarray:
        """Compute the rise of the loss for many sets of one size.

        Parameters
        ----------
        sets
            Units to remove (set, unit of the set).

        Returns
        -------
        (set,).
        """
        return self._losses(sets) - self._whole


def _beside(
    units: int, rates: np.ndarray, chosen: tuple[int, ...], masks: int, rng: np.random.Generator
) -> np.ndarray:
    """Return a chosen set, followed by random sets of as many other units.

    Random sets contain as many units of low, middle and high activity (thirds of all
    units) as the chosen set. A third with too few other units is topped up from all
    others. If fewer than `OF_A_BAND` different sets can be matched in this way, all
    random sets are drawn from all other units, whatever their activity.

    Parameters
    ----------
    units
        Number of units in the session.
    rates
        Mean activity of each unit (unit,).
    chosen
        The chosen set.
    masks
        Number of random sets.
    rng
        Random generator for the random sets.

    Returns
    -------
    (set, unit of the set), the chosen set first.
    """
    others = [unit for unit in range(units) if unit not in set(chosen)]
    return np.array([chosen, *matched_sets(chosen, others, rates, masks, rng, OF_A_BAND)])


def _damage(damages: np.ndarray) -> SetDamage:
    """Summarise the rise in loss when units are removed: a chosen set, and random sets.

    Parameters
    ----------
    damages
        Rise in loss for each set (set,): the chosen set first, then the random sets.

    Returns
    -------
    Rise for the chosen set, and the mean and 95 % band over the random sets.
    """
    low, high = np.quantile(damages[1:], BAND)
    return SetDamage(
        chosen=float(damages[0]),
        random=float(damages[1:].mean()),
        low=float(low),
        high=float(high),
    )


def _wrong(found: RelianceFigures) -> str:
    """Name the first quantity that is not finite; empty if all are finite."""
    if not np.isfinite([found.range_objective, found.nothing_objective, found.range_decoder]).all():
        return "a range"
    for one in found.sets:
        for target, damage in one.damages.items():
            if not np.isfinite([damage.chosen, damage.random, damage.low, damage.high]).all():
                return f"{one.budget} units chosen for {one.target}, scored by {target}"
    return ""


def _result(
    run: RelianceMeasurement, failed_at: int, found: RelianceFigures, steps: int
) -> RunResult:
    wrong = _wrong(found)
    if failed_at >= 0:
        return RunResult(
            run.key(),
            "failed",
            message=f"the loss was not finite at step {failed_at}",
            model_steps=steps,
        )
    if wrong:
        return RunResult(
            run.key(),
            "failed",
            message=f"a loss without some units is not finite ({wrong})",
            model_steps=steps,
        )
    return RunResult(run.key(), "done", figures=found, model_steps=steps)
