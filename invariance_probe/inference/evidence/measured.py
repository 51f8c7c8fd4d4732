"""Results of measurements that are made once per session.

In: the results of a plan. Out: the quantities of one kind by session, or those of
all measurements that were made only because a hypothesis needs them. They are passed on
as they were measured.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from invariance_probe.inference.evidence.points import MeasuredPoint
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult

F = TypeVar("F")


def by_session(plan: Plan, results: Mapping[str, RunResult], kind: type[F]) -> dict[str, F]:
    """Read the results of a measurement that is made once per session.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
    kind
        The type of the results, such as `CodeFigures`.

    Returns
    -------
    figures
        By the name of the session or planted control. Those without a result are
        omitted.
    """
    return {
        run.session: figures
        for run in plan.baselines
        if (result := results.get(run.key())) is not None
        and (figures := result.measured(kind)) is not None
    }


def needed(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[MeasuredPoint]:
    """Yield the results of measurements that were made only for a hypothesis.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
    """
    asked = {session.name: plan.needed(session) for session in plan.sessions}
    for run in plan.baselines:
        result = results.get(run.key())
        if run.method in asked.get(run.session, ()) and result is not None and result.figures:
            yield MeasuredPoint(run.session, run.group, result.figures)
