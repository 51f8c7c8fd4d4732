"""The null of each session, its warnings, and whether a better one exists.

In: a plan and its results. Out: rows for the report. Whether a session is decodable is
decided in `entry`, not here.
"""

from collections.abc import Iterator, Mapping

from invariance_probe.inference.evidence.points import NullFinding
from invariance_probe.plan.figures.session import NullFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult
from invariance_probe.study.nulls import ENOUGH_OTHERS, FEWEST_OTHERS
from invariance_probe.study.session import Session

KINDS = {
    "shift_null": "linear shift",
    "circular_null": "circular shift",
    "session_null": "other sessions",
    "pseudo_null": "pseudo-session",
}
"""Names of the nulls by the kind of their measurement."""
NOT_STATIONARY = 0.025
"""Stationarity test p value at or below which a circular shift gets a warning."""


def null_findings(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[NullFinding]:
    """Yield the null of every session of the study in which it was measured.

    Parameters
    ----------
    plan, results
        The plan, and results by run key.
    """
    named = {session.name: session for session in plan.sessions}
    for run in plan.baselines:
        if (
            run.method.kind not in KINDS
            or run.session not in named
            or (result := results.get(run.key())) is None
        ):
            continue
        found = result.measured(NullFigures)
        if found is not None:
            yield NullFinding(
                session=run.session, group=run.group, kind=KINDS[run.method.kind],
                observed=found.observed, null=found.draws,
                p_value=found.p_value, warning=_warning(found),
                better=_better(plan, named[run.session], run.method.kind, found),
            )  # fmt: skip


def _warning(found: NullFigures) -> str:
    """What the null assumes and the data do not provide; empty if all is well."""
    p_value = found.stationarity_p
    if p_value is not None and p_value <= NOT_STATIONARY:
        return (
            f"the target is not stationary (KPSS test, p "
            f"{'<=' if p_value <= 0.01 else '='} {p_value:.3f}): a circular shift then "
            "finds codes where there are none, so do not trust this p value"
        )
    if found.others is not None and found.cuts is not None and found.cuts > 1:
        return (
            f"the draws are {found.cuts} shifted cuts of each of {found.others} other sessions: "
            f"cuts of one session are alike, so p is "
            f"approximate; by sessions alone it cannot go below 1/{found.others + 1}"
        )
    return ""


def _better(plan: Plan, session: Session, kind: str, found: NullFigures) -> str:
    """Which better null is available, in order of preference; empty if none is."""
    if kind == "pseudo_null":
        return ""
    offers = []
    if found.trials > 1 or plan.study.folds.scheme == "trials":
        offers.append(
            "the session has trials: if the experimenter randomised them, declare null: "
            "{kind: pseudo_session, by: trial}"
        )
    others = sum(other.group == session.group for other in plan.sessions) - 1
    if kind != "session_null" and others >= FEWEST_OTHERS:
        exact = "" if others >= ENOUGH_OTHERS else ", though the p value is then approximate"
        offers.append(
            f"there are {others} other sessions of its group: null: {{kind: "
            f"other_sessions}} needs no shift{exact}"
        )
    if kind == "circular_null":
        offers.append("null: {kind: linear_shift} needs no stationarity over the whole session")
    return "; ".join(offers)
