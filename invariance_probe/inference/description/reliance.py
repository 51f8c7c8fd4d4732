"""Which units an SSL objective and two decoders rely on.

For each fold and seed an SSL model is trained, and sets of units are chosen whose
removal harms most: the SSL loss (`objective`), a decoder that is fitted again without
the units (`refit`), or a decoder that is held fixed (`fixed`). Each set is then scored
by all three (docs/messengers.md). The budget is the number of units in a set.

In: a plan and the results of its runs. Out: points for the report. They describe
sessions and models, and enter no verdict.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import stats

from invariance_probe.inference.description.messenger_points import (
    ChosenUnit,
    RelianceDamage,
    ReliancePoint,
)
from invariance_probe.plan.figures.units import RELIANCE_TARGETS, RelianceFigures, RelianceTarget
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import RelianceMeasurement
from invariance_probe.plan.run import RunResult

LEVEL = 0.05
"""Level of the test over folds that a target has a range above 0."""

RelianceRuns = Sequence[tuple[RelianceMeasurement, RelianceFigures]]
"""Runs of one session with their results, one per fold and seed."""


def reliance(
    plan: Plan, results: Mapping[str, RunResult], left_out: Mapping[str, str]
) -> Iterator[ReliancePoint]:
    """Yield the damage by sets of units, for each session and budget.

    There is one point for each of the three targets that sets are chosen for. Sessions
    without any measured model are omitted.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
    left_out
        Why runs were skipped, by the key of each skipped run.
    """
    for session in plan.sessions:
        asked = [
            run
            for run in plan.reliance_runs
            if run.session == session.name and run.key() not in left_out
        ]
        own = [
            (run, found)
            for run in asked
            if (result := results.get(run.key())) is not None
            and (found := result.measured(RelianceFigures)) is not None
        ]
        if own:
            yield from _points(own, len(asked) - len(own))


def _points(measured: RelianceRuns, missing: int) -> Iterator[ReliancePoint]:
    """Yield the points of one session, averaged over its models.

    Parameters
    ----------
    measured
        The measured runs of the session.
    missing
        Number of its runs that failed or have no result.
    """
    first = measured[0][0]
    figures = [found for _, found in measured]
    shown = {target: _is_shown(measured, target) for target in RELIANCE_TARGETS}
    for budget in first.method.budgets:
        for target in RELIANCE_TARGETS:
            sets = _sets(figures, budget, target)
            damages = {
                of: _damage(figures, budget, target, of) if there else None
                for of, there in shown.items()
            }
            counts = Counter(unit for chosen in sets for unit in chosen)
            often = sorted(counts, key=lambda unit: (-counts[unit], unit))[:budget]
            yield ReliancePoint(
                session=first.session, group=first.group, of=first.method.of.kind, budget=budget,
                chosen_for=target, models=len(sets),
                missing=missing,
                batch_windows=figures[0].batch_windows,
                range=_mean([found.range_objective for found in figures]),
                nothing=_mean([found.nothing_objective for found in figures]),
                random_sets=min(found.chosen(budget, target).random_sets for found in figures),
                units=tuple(ChosenUnit(unit, counts[unit] / len(sets)) for unit in often),
                **damages,
                overlap=_overlap(sets, _sets(figures, budget, "objective")),
                overlap_chance=chance_overlap(budget, figures[0].units),
            )  # fmt: skip


def _is_shown(measured: RelianceRuns, target: RelianceTarget) -> bool:
    """Whether a target is shown to have a range above 0.

    Its mean over seeds must be above 0 in every fold, and its mean over folds must be
    above 0 by a t test. Folds share training windows, so the test alone would be too
    lenient.
    """
    folds = sorted({run.fold for run, _ in measured})
    means = [
        np.mean([found.range_of(target) for run, found in measured if run.fold == fold])
        for fold in folds
    ]
    above = len(means) > 1 and bool(min(means) > 0)
    return above and bool(stats.ttest_1samp(means, 0.0, alternative="greater").pvalue <= LEVEL)


def _sets(
    figures: Sequence[RelianceFigures], budget: int, target: RelianceTarget
) -> list[set[int]]:
    """The set of units that each model chose for a target at one budget."""
    return [set(found.chosen(budget, target).units) for found in figures]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _damage(
    figures: Sequence[RelianceFigures], budget: int, target: RelianceTarget, of: RelianceTarget
) -> RelianceDamage:
    """Damage to target `of` by the sets that were chosen for `target`.

    It is averaged over models, and divided by the mean range of `of` over them: the rise
    of the SSL loss when the two views are of different windows, or the decodable range.
    """
    scale = _mean([found.range_of(of) for found in figures])
    damages = [found.chosen(budget, target).damages[of] for found in figures]
    return RelianceDamage(
        chosen=_mean([damage.chosen for damage in damages]) / scale,
        random=_mean([damage.random for damage in damages]) / scale,
        low=_mean([damage.low for damage in damages]) / scale,
        high=_mean([damage.high for damage in damages]) / scale,
        beyond=_mean([damage.exceeds for damage in damages]),
    )


def _overlap(sets: Sequence[set[int]], others: Sequence[set[int]]) -> float:
    """Mean Jaccard index of the pairs of sets of each model."""
    return float(np.mean([len(a & b) / len(a | b) for a, b in zip(sets, others, strict=True)]))


def chance_overlap(budget: int, units: int) -> float:
    """Mean Jaccard index of two random sets of units of the same size.

    Parameters
    ----------
    budget
        Number of units in each set.
    units
        Number of units to draw from.

    Examples
    --------
    >>> round(chance_overlap(1, 4), 6)
    0.25
    """
    common = np.arange(budget + 1)
    return float(
        (stats.hypergeom(units, budget, budget).pmf(common) * common / (2 * budget - common)).sum()
    )
