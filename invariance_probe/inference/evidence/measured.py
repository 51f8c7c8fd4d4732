"""Figures of one kind, by session, from the results of a plan."""

from collections.abc import Mapping
from typing import TypeVar

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
