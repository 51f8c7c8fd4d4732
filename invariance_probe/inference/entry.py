"""What is known before any SSL result is seen: which sessions can be decoded, and where the target moves."""

import math
from collections.abc import Mapping

from invariance_probe.inference.estimands import SessionLosses, read_losses
from invariance_probe.inference.findings import SessionFinding
from invariance_probe.inference.intervals import ALPHA, fixed_sessions
from invariance_probe.study.hypotheses import Hypothesis
from invariance_probe.study.plan import Plan
from invariance_probe.study.run import RunResult

RANGE_ERRORS = 4.0
"""A session is decodable when its range is more than this many standard errors."""


def session_findings(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, SessionFinding]:
    """Say for every session what it can carry."""
    nulls = {run.session: results.get(run.key()) for run in plan.baselines if run.method.kind == "shift_null"}
    found = {}
    for name, losses in read_losses(plan, results).items():
        null = nulls.get(name)
        found[name] = _session(losses, null.diagnostics.get("p_value", math.nan) if null else math.nan)
    return found


def _session(losses: SessionLosses, p_value: float) -> SessionFinding:
    session = losses.session
    mean, error, _ = fixed_sessions([losses.range])
    reasons = []
    if not math.isfinite(mean):
        reasons.append("baseline runs are missing or failed")
    else:
        if not p_value <= ALPHA:
            reasons.append(f"the raw decoder does not beat its linear-shift null (p = {p_value:.3f})")
        if not mean > RANGE_ERRORS * error:
            reasons.append(f"the decodable range {mean:.3g} is not above {RANGE_ERRORS:g} standard errors ({error:.2g} each)")
    return SessionFinding(
        session=session.name, subject=session.subject, group=session.group, floor=float(losses.floor.mean()),
        ceiling=float(losses.ceiling.mean()), ceiling_family=losses.ceiling_family, range=mean, range_se=error,
        null_p_value=p_value, decodable=not reasons,
        detail="; ".join(reasons) or f"range {mean:.3g} +- {error:.2g}, null p = {p_value:.3f}",
    )  # fmt: skip


def covers(hypothesis: Hypothesis, group: str) -> bool:
    """Say whether a hypothesis is about the recordings of a group."""
    return hypothesis.group is None or hypothesis.group == group


def persistence(plan: Plan, results: Mapping[str, RunResult], session: str, axis: str, dose: float) -> float | None:
    """Return the target's correlation with itself over a jitter's lags, or None where it was not measured."""
    for run in plan.baselines:
        if run.method.kind == "persistence" and (run.session, run.axis, run.dose) == (session, axis, dose):
            result = results.get(run.key())
            return result.diagnostics.get("rho") if result else None
    return None


def still(plan: Plan, results: Mapping[str, RunResult], hypothesis: Hypothesis, session: str) -> str | None:
    """Return why a target does not move on a hypothesis's jitter axis at its primary dose, or None where it does."""
    if not plan.study.is_jitter(hypothesis.axis):
        return None
    rho = persistence(plan, results, session, hypothesis.axis, hypothesis.dose)
    margin = hypothesis.margin.fraction_of_range
    if rho is not None and not 1 - rho**2 > margin:
        return f"the target barely moves over {hypothesis.dose:g} s (1 - rho^2 = {1 - rho**2:.3f}, margin {margin:g})"
    return None


def pointless(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, str]:
    """Return the grid runs that no verdict can use, with the reason, from the baselines' results alone.

    A run is left out when its session cannot be decoded, or when every hypothesis that it could serve is
    untestable in its session because the target does not move on the hypothesis's axis.
    """
    sessions = session_findings(plan, results)
    reasons: dict[str, str] = {}
    verdicts: dict[tuple[str, str], str | None] = {}
    for run in plan.grid:
        finding = sessions[run.session]
        if not finding.decodable:
            reasons[run.key()] = f"session {run.session}: {finding.detail}"
            continue
        place = (run.session, run.axis)
        if place not in verdicts:
            served = [h for h in plan.study.hypotheses if covers(h, run.group) and run.axis in ("", h.axis)]
            why = [still(plan, results, h, run.session) for h in served]
            verdicts[place] = why[0] if why and all(why) else None
        if verdicts[place]:
            reasons[run.key()] = f"session {run.session}: {verdicts[place]}"
    return reasons
