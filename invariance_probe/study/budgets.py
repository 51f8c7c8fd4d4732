"""Check budgets of units against the number of units of each session.

A budget is a number of units that an adversary hides, or that a measurement chooses.
In: a study, and the number of units of each session. Out: every budget that is too
large, with its place in the study. The message names the session with the fewest units,
because a budget that fits it fits all sessions. The check is made before anything is
trained or measured.
"""

from collections.abc import Iterator, Mapping, Sequence

from invariance_probe.study.adversaries import AdversarialNoise, LearnedPolicy
from invariance_probe.study.declaration import PathInStudy, Problem
from invariance_probe.study.study import Study

OTHERS = 2
"""Number of other units that are needed per unit of a budget.

Chosen sets are compared with random sets. These are drawn from the units that neither
of the two epochs chose, so enough such units must be left.
"""


def most_messengers(units: int) -> int:
    """Return the largest number of units that `messengers` can choose.

    Parameters
    ----------
    units
        Number of recorded units.
    """
    return units // (OTHERS + 1)


def budget_problems(study: Study, units: Mapping[str, int]) -> Iterator[Problem]:
    """Yield every budget that is too large for the session with the fewest units.

    Parameters
    ----------
    study
        The study.
    units
        Number of units of each session, by the session's name.

    Yields
    ------
    place, got, reason
        Place of the budget in the study, its value, and why it is too large.
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
                f"{has}, which are too few: each chosen unit needs {OTHERS} others to be compared "
                "with; remove the measurement",
            )
        elif above:
            reason = (
                f"{has}, and each chosen unit needs {OTHERS} others to be compared with; use "
                f"budgets of at most {most}"
            )
            yield ("measurements", i, "budgets"), above, reason
    adversary = study.views.adversary
    if adversary is None:
        return
    if isinstance(adversary, AdversarialNoise):
        if adversary.modes is not None and adversary.modes > fewest:
            yield (
                ("views", "adversary", "modes"),
                adversary.modes,
                f"{has}, and there can be no more modes than units; use at most {fewest}",
            )
        return
    if isinstance(adversary, LearnedPolicy):
        return
    reason = f"{has}, and at least one unit must stay visible; use budgets of at most {fewest - 1}"
    for place, doses in _doses(study, f"{adversary.kind}.budget"):
        if hidden := [dose for dose in doses if dose >= fewest]:
            yield place, hidden, reason
    if adversary.budget >= fewest:
        yield ("views", "adversary", "budget"), adversary.budget, reason


def _doses(study: Study, path: str) -> Iterator[tuple[PathInStudy, Sequence[float]]]:
    for i, axis in enumerate(study.axes):
        if axis.path == path:
            yield ("axes", i, "doses"), axis.doses
    for i, sweep in enumerate(study.sweeps):
        if sweep.path == path:
            yield ("sweeps", i, "values"), sweep.values
