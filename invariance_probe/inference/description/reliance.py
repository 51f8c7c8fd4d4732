"""Which units an SSL objective and two decoders rely on.

In: a plan and its results, with the figures of every fold and seed. Out: points for the
report. They describe sessions and models, and enter no verdict.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from invariance_probe.inference.description.messenger_points import (
    ChosenUnit,
    RelianceDamage,
    ReliancePoint,
)
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run, RunResult

RANGES = {"objective": "range_objective", "refit": "range_decoder", "fixed": "range_decoder"}
"""Name of the figure that holds the range of each target."""
LEVEL = 0.05
"""Level of the test over folds that a target has a range."""

Measured = Sequence[tuple[Run, Mapping[str, float]]]


def reliance(
    plan: Plan, results: Mapping[str, RunResult], left_out: Mapping[str, str]
) -> Iterator[ReliancePoint]:
    """Yield a point for every session, budget and target of a choice of units.

    A session without a measured model has none.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.
    left_out
        Skipped runs by run key, with the reason.
    """
    for session in plan.sessions:
        asked = [
            run
            for run in plan.attacked
            if run.session == session.name and run.key() not in left_out
        ]
        own = [
            (run, results[run.key()].diagnostics)
            for run in asked
            if _is_done(results.get(run.key()))
        ]
        if own:
            yield from _points(own, len(asked) - len(own))


def _is_done(result: RunResult | None) -> bool:
    return result is not None and result.status == "done"


def _points(measured: Measured, missing: int) -> Iterator[ReliancePoint]:
    first: Any = measured[0][0]
    units = int(measured[0][1]["units"])
    shown = {target: _is_shown(measured, name) for target, name in RANGES.items()}
    for budget in first.method.budgets:
        for target in RANGES:
            sets = _sets(measured, budget, target)
            damages = {
                of: _damage(measured, f"b{budget}_{target}_{of}", RANGES[of]) if there else None
                for of, there in shown.items()
            }
            counts = Counter(unit for chosen in sets for unit in chosen)
            often = sorted(counts, key=lambda unit: (-counts[unit], unit))[:budget]
            yield ReliancePoint(
                session=first.session, group=first.group, of=first.method.of.kind, budget=budget,
                chosen_for=target, models=len(sets),
                missing=missing,
                batch_windows=int(measured[0][1]["batch_windows"]),
                range=_mean(measured, "range_objective"),
                nothing=_mean(measured, "nothing_objective"),
                random_sets=min(
                    int(found[f"b{budget}_{target}_random_sets"]) for _, found in measured
                ),
                units=tuple(ChosenUnit(unit, counts[unit] / len(sets)) for unit in often),
                **damages,
                overlap=_overlap(sets, _sets(measured, budget, "objective")),
                overlap_chance=chance_overlap(budget, units),
            )  # fmt: skip


def _is_shown(measured: Measured, name: str) -> bool:
    """Whether a target has a range.

    Its mean over seeds must be above 0 in every fold, and its mean over folds above 0
    by a t test. Folds share training windows.
    """
    folds = sorted({run.fold for run, _ in measured if run.fold is not None})
    means = [
        np.mean([found[name] for run, found in measured if run.fold == fold]) for fold in folds
    ]
    above = len(means) > 1 and bool(min(means) > 0)
    return above and bool(stats.ttest_1samp(means, 0.0, alternative="greater").pvalue <= LEVEL)


def _sets(measured: Measured, budget: int, target: str) -> list[set[int]]:
    return [
        {int(found[f"b{budget}_{target}_unit@{i + 1}"]) for i in range(budget)}
        for _, found in measured
    ]


def _mean(measured: Measured, name: str) -> float:
    return float(np.mean([found[name] for _, found in measured]))


def _damage(measured: Measured, place: str, range_name: str) -> RelianceDamage:
    scale = _mean(measured, range_name)
    means = {
        name: _mean(measured, f"{place}_{name}") / scale
        for name in ("chosen", "random", "low", "high")
    }
    return RelianceDamage(
        **means,
        beyond=float(
            np.mean([found[f"{place}_chosen"] > found[f"{place}_high"] for _, found in measured])
        ),
    )


def _overlap(sets: Sequence[set[int]], others: Sequence[set[int]]) -> float:
    return float(np.mean([len(a & b) / len(a | b) for a, b in zip(sets, others, strict=True)]))


def chance_overlap(budget: int, units: int) -> float:
    """Mean Jaccard index of two random sets of units.

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
