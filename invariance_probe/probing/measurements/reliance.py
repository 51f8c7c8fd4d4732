"""Which few units an SSL objective, a refitted and a fixed decoder rely on.

In: one session and stacked runs of one SSL method, each of one fold and seed. Out: for
every budget and each of the three targets, a set of units whose removal harms it, and
what each of these sets costs each of the targets, beside random sets. A set is chosen
on one half of the data that the target was not fitted to, and scored on the other half.

`objective`: the loss that the trained model minimises, without the units in both views.
`refit` and `fixed`: ridge decoders of the target (square roots of counts, or signals)
as in `probing/measurements/messengers.py`: information, and reliance of one decoder.

Models choose on one half of the fold's test windows; over seeds and folds the earlier
and the later half take turns. Decoders choose on held-out parts of the training
windows, which are many more. All are scored on the other half of the test windows. A
model may ignore what views share, and a decoder what others carry too. Nothing here is
about causes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from invariance_probe.errors import TrainingError
from invariance_probe.methods import METHODS
from invariance_probe.plan.figures.units import (
    MODES,
    RELIANCE_TARGETS,
    RelianceFigures,
    RelianceSet,
    RelianceTarget,
    SetDamage,
)
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.probing.bench.batches import batch_of, examples_of, stacked
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measured
from invariance_probe.probing.measurements.trained import (
    EVALUATION_STEP,
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
from invariance_probe.probing.selectors.moments import BlockMoments, Part
from invariance_probe.probing.selectors.objective import ObjectiveLoss, forward_path
from invariance_probe.probing.selectors.random_sets import OF_A_BAND, matched_sets
from invariance_probe.randomness import generator
from invariance_probe.study.budgets import most_messengers
from invariance_probe.study.methods import Reliance
from invariance_probe.training.examples import Examples

OBJECTIVE: Literal["objective"] = "objective"
"""The loss that a trained model minimises, as a target of removal."""
BLOCKS = 12
"""Number of blocks of training windows that a decoder's set is chosen on."""
FEWEST_WINDOWS = 8
"""Fewest windows of a half.

Losses are taken in batches of at most as many windows as the smallest half has.
"""

Sets = Mapping[tuple[int, RelianceTarget], tuple[int, ...]]
"""Sets of units by budget and the target that they are chosen for."""


@dataclass(frozen=True, eq=False)
class Asked:
    """The data that one run's model is attacked with.

    Attributes
    ----------
    run
        The run.
    choosing, scoring
        Examples of the half that chooses, and of the half that scores.
    scored
        Windows of the half that scores (window,).
    """

    run: Run
    choosing: Examples
    scoring: Examples
    scored: np.ndarray

    @classmethod
    def of(cls, bench: Workbench, run: Run, size: int) -> "Asked":
        """Cut the test windows of a run's fold, and draw examples of both halves.

        Parameters
        ----------
        bench
            The opened session.
        run
            The run.
        size
            Windows that are drawn at once.

        Raises
        ------
        TrainingError
            When a half has no examples.
        """
        assert isinstance(run.method, Reliance)
        kind, model = METHODS[run.method.of.kind].examples, model_of(run)
        choosing, scored = halves_of_test(bench, run)
        return cls(
            run,
            _examples(bench, model, kind, choosing, size),
            _examples(bench, model, kind, scored, size),
            scored,
        )


def model_of(run: Run) -> Run:
    """The run of the model that is attacked."""
    assert isinstance(run.method, Reliance)
    return run.model_copy(update={"method": run.method.of})


def batch_windows(bench: Workbench, run: Run) -> int:
    """How many windows the losses of a session's models are taken of at once.

    It is the same in all folds and seeds.

    Parameters
    ----------
    bench
        The opened session.
    run
        A run of the measurement; its optimisation says the most windows.
    """
    halves = [
        part
        for fold in range(len(bench.folds))
        for seed in (0, 1)
        for part in halves_of_test(bench, run.model_copy(update={"fold": fold, "seed": seed}))
    ]
    return min(settings_of([run]).batch_size, *map(len, halves))


def halves_of_test(bench: Workbench, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Test windows that choose sets, and test windows that score them.

    The earlier and the later half of the fold's test windows take turns over seeds and
    folds. Windows that lie within the embargo of those that choose do not score.

    Parameters
    ----------
    bench
        The opened session.
    run
        The run; its fold, seed and embargo are read.

    Returns
    -------
    Choosing and scoring windows, (window,) each.

    Raises
    ------
    TrainingError
        When the embargo leaves too few to score.
    """
    test = bench.folds[run.fold].test  # type: ignore[index]
    halves = test[: len(test) // 2], test[len(test) // 2 :]
    choosing, scoring = halves if (run.seed + run.fold) % 2 == 0 else halves[::-1]  # type: ignore[operator]
    own, starts = bench.windows.starts[choosing], bench.windows.starts[scoring]
    after = np.searchsorted(own, starts)
    near = np.minimum(
        np.abs(starts - own[np.maximum(after - 1, 0)]),
        np.abs(own[np.minimum(after, len(own) - 1)] - starts),
    ) <= round(run.folds.embargo_s / bench.recording.bin_s)
    if (~near).sum() < FEWEST_WINDOWS:
        raise TrainingError(
            f"session {run.session!r}: of fold {run.fold}'s {len(test)} test windows one half "
            "chooses sets and the other scores them, as far as it lies beyond folds.embargo_s of "
            f"{run.folds.embargo_s:g} s; that leaves {(~near).sum()}, and {FEWEST_WINDOWS} are "
            "needed: use a shorter embargo, or fewer folds"
        )
    return choosing, scoring[~near]


def _examples(bench: Workbench, model: Run, kind: str, part: np.ndarray, size: int) -> Examples:
    """Examples of a part of the windows.

    A window comes twice in a batch only where the part has fewer windows than a batch
    holds.
    """
    try:
        return examples_of(bench, model, kind, part, size, repeats=False)
    except TrainingError:
        return examples_of(bench, model, kind, part, size, repeats=True)


@dataclass(frozen=True, eq=False)
class Decoder:
    """The ridge decoder of one fold's training windows, and its worst sets.

    Attributes
    ----------
    train
        Training windows (window,).
    penalty
        Ridge penalty.
    sets
        Sets that harm the decoder most on held-out parts of the training windows.
    """

    train: np.ndarray
    penalty: float
    sets: Sets

    @classmethod
    def of(cls, bench: Workbench, run: Run) -> "Decoder":
        """Fit on a run's training windows and choose the sets.

        The result depends on the fold, not on the seed.

        Parameters
        ----------
        bench
            The opened session.
        run
            The run; its fold and budgets are read.
        """
        assert isinstance(run.method, Reliance)
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

    def tested_on(self, bench: Workbench, windows: np.ndarray) -> Part:
        """The decoder's moments, with other windows as the held-out block.

        Parameters
        ----------
        bench
            The opened session.
        windows
            The held-out windows (window,).
        """
        rows = np.concatenate([self.train, windows])
        block = np.repeat([0, 1], [len(self.train), len(windows)])
        x, y = (
            values.cpu().numpy() for values in (features_of(bench, rows), columns_of(bench, rows))
        )
        return BlockMoments.of(x, y, block).held_out(self.penalty, np.array([1]))


def measure_reliance(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Train the models, choose sets for each target, and score all sets by all.

    Parameters
    ----------
    bench
        The opened session.
    runs
        Stacked runs of this measurement.
    on_progress
        Called as the models train.

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
            asked.append(Asked.of(bench, run, size))
        except TrainingError as error:
            found[run.key()] = RunResult(run.key(), "failed", message=str(error))
    if asked:
        found |= _attacked(bench, asked, on_progress)
    return [Measured(run, found[run.key()]) for run in runs]


def _refuse(bench: Workbench, run: Run) -> None:
    assert isinstance(run.method, Reliance)
    if bench.windows.length != 1:
        raise TrainingError(
            "reliance needs windows of one bin, but window.length_bins is "
            f"{bench.windows.length}; set it to 1, or leave the measurement out"
        )
    budget, units = max(run.method.budgets), bench.activity.shape[1]
    if budget > most_messengers(units):
        raise TrainingError(
            f"session {run.session!r}: a budget is {budget}, but there are only {units} units; "
            f"at most {most_messengers(units)} leave enough others to compare with"
        )


def _attacked(bench: Workbench, asked: list[Asked], on_progress: Progress) -> dict[str, RunResult]:
    """Results of stacked runs whose test parts have examples."""
    runs = [one.run for one in asked]
    declared = runs[0].method
    assert isinstance(declared, Reliance)
    method, views, training = train_ssl(
        bench, [model_of(run) for run in runs], on_progress, [run.train_key() for run in runs]
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

    middle = EVALUATION_STEP + declared.choosing * declared.batches
    choosing = loss([one.choosing for one in asked], range(EVALUATION_STEP, middle))
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
    """Choose the sets of every run, for every budget and target.

    For the SSL objective, the candidates are the set found by forward selection and the
    sets chosen for the decoders. The one whose removal raises the loss most is kept.
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
    runs: Sequence[Run],
    loss: ObjectiveLoss,
    tested: Sequence[Part],
    chosen: Sequence[Sets],
) -> list[RelianceFigures]:
    """Each run's figures: what each target can lose, and what each set costs it.

    Every set's costs stand beside those of random sets.
    """
    asked, units = runs[0].method, loss.shape[1]
    assert isinstance(asked, Reliance)
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
    """Cost to one decoder of removing sets of units."""

    def __init__(self, part: Part, mode: str) -> None:
        self._losses, self._whole = (
            set_losses([part], mode),
            losses_without([part], (), mode).mean(),
        )

    def __call__(self, sets: np.ndarray) -> np.ndarray:
        """Rise of the loss (set,) without each set (set, unit of the set)."""
        return self._losses(sets) - self._whole


def _beside(
    units: int, rates: np.ndarray, chosen: tuple[int, ...], masks: int, rng: np.random.Generator
) -> np.ndarray:
    """A set, followed by random sets of other units (set, unit of the set).

    Random sets have like rates where there are many such units.
    """
    others = [unit for unit in range(units) if unit not in set(chosen)]
    return np.array([chosen, *matched_sets(chosen, others, rates, masks, rng, OF_A_BAND)])


def _damage(damages: np.ndarray) -> SetDamage:
    """Damage of the first set (set,), and the mean and 95 % band of the others."""
    low, high = np.quantile(damages[1:], BAND)
    return SetDamage(
        chosen=float(damages[0]),
        random=float(damages[1:].mean()),
        low=float(low),
        high=float(high),
    )


def _wrong(found: RelianceFigures) -> str:
    """The first loss that is not finite, in words; empty where all are."""
    if not np.isfinite([found.range_objective, found.nothing_objective, found.range_decoder]).all():
        return "a range"
    for one in found.sets:
        for target, damage in one.damages.items():
            if not np.isfinite([damage.chosen, damage.random, damage.low, damage.high]).all():
                return f"{one.budget} units chosen for {one.target}, scored by {target}"
    return ""


def _result(run: Run, failed_at: int, found: RelianceFigures, steps: int) -> RunResult:
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
