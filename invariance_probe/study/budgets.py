"""Budgets of units against the units that sessions have, before anything is trained or measured.

In: a study, and how many units each session has. Out: every budget that no mask, or no comparison with other units, can hold, with
its place. One line names the session with the fewest units, so that mending it mends them all.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from invariance_probe.study.adversaries import AdversarialNoise, LearnedPolicy
from invariance_probe.study.declaration import Place
from invariance_probe.study.study import Study

OTHERS = 2
"""Random sets are drawn from at least so many times the budget's units: those that are in neither epoch's own set must suffice."""


def most_messengers(units: int) -> int:
    """Return the largest budget of the messengers' measurement in a population of so many units."""
    return units // (OTHERS + 1)


def budget_problems(study: Study, units: Mapping[str, int]) -> Iterator[tuple[Place, Any, str]]:
    """Yield every budget that is above what the session with the fewest units allows: its place, the value got, and why.

    Parameters
    ----------
    units
        How many units each session has, by name.
    """
    if not units:
        return
    session = min(units, key=lambda name: units[name])
    fewest = units[session]
    has = f"session {session!r} has only {fewest} units"
    for i, asked in enumerate(study.measurements):
        most = most_messengers(fewest)
        if (above := [budget for budget in asked.budgets if budget > most]) and most < 1:
            yield (
                ("measurements", i, "kind"),
                asked.kind,
                f"{has}, too few to compare a set with others; leave the measurement out",
            )
        elif above:
            reason = f"{has}, and {OTHERS} others are needed for each that is chosen; use budgets of at most {most}"
            yield ("measurements", i, "budgets"), above, reason
    adversary = study.views.adversary
    if adversary is None:
        return
    if isinstance(adversary, AdversarialNoise):
        if adversary.modes is not None and adversary.modes > fewest:
            yield (
                ("views", "adversary", "modes"),
                adversary.modes,
                f"{has}, and no more modes than units; use at most {fewest}",
            )
        return
    if isinstance(adversary, LearnedPolicy):
        return
    reason = f"{has}, and one must stay visible; use budgets of at most {fewest - 1}"
    for place, doses in _doses(study, f"{adversary.kind}.budget"):
        if hidden := [dose for dose in doses if dose >= fewest]:
            yield place, hidden, reason
    if adversary.budget >= fewest:
        yield ("views", "adversary", "budget"), adversary.budget, reason


def _doses(study: Study, path: str) -> Iterator[tuple[Place, Sequence[float]]]:
    for i, axis in enumerate(study.axes):
        if axis.path == path:
            yield ("axes", i, "doses"), axis.doses
    for i, sweep in enumerate(study.sweeps):
        if sweep.path == path:
            yield ("sweeps", i, "values"), sweep.values
