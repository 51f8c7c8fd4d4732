"""Figures of one kind by session, and of all kinds that hypotheses need.

In: the results of a plan. Out: what was measured once per session, as it was measured.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from invariance_probe.inference.evidence.points import MeasuredPoint
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult

F = TypeVar("F")


def by_session(plan: Plan, results: Mapping[str, RunResult], kind: type[F]) -> dict[str, F]:
    """Read the figures of a measurement that is made once per session.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.
    kind
        A type of figures, such as `CodeFigures`.

    Returns
    -------
    figures
        By the name of the session or planted control; those without a result are left
        out.
    """
    return {
        run.session: figures
        for run in plan.baselines
        if (result := results.get(run.key())) is not None
        and (figures := result.measured(kind)) is not None
    }


def needed(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[MeasuredPoint]:
    """Yield the figures of the measurements that only hypotheses ask for.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.
    """
    asked = {session.name: plan.needed(session) for session in plan.sessions}
    for run in plan.baselines:
        result = results.get(run.key())
        if run.method in asked.get(run.session, ()) and result is not None and result.figures:
            yield MeasuredPoint(run.session, run.group, result.figures)
