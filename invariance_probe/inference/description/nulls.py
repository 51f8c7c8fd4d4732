"""The null of each session, its warnings, and whether a better one exists.

The null says how well a decoder would do if the activity knew nothing of the target. It
is decoding of targets that the activity cannot have caused, such as targets shifted in
time or those of other sessions.

In: a plan and the results of its runs. Out: rows for the report. Whether a session is
decodable is decided in `entry`, not here.
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
"""Names of the nulls, by the kind of the run that measures them."""
NOT_STATIONARY = 0.025
"""A circular shift gets a warning if the KPSS test has this p value or less.

The KPSS test asks whether the target is stationary, which a circular shift assumes.
"""


def null_findings(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[NullFinding]:
    """Yield how each session's decoder compares with its null.

    Sessions in which no null was measured, and planted controls, are omitted.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
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
    """Say which assumption of the null the data violate; empty if none."""
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
    """Name the nulls that deserve more trust than the one measured, the best first.

    The text is empty if there are none.

    Parameters
    ----------
    plan
        The plan of the study.
    session
        The session.
    kind
        Kind of the run that measured the current null.
    found
        What was measured for that null.
    """
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
