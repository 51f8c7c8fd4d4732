"""What is decided before any SSL model is trained.

In: the results of the baselines, which are measurements and decoders without SSL. Out:
which sessions can be decoded, where the target does not change over a time jitter, and
which SSL runs can therefore be skipped. No verdict is reached here.
"""

import math
from collections.abc import Mapping

from invariance_probe.inference.description.nulls import KINDS
from invariance_probe.inference.evidence.estimands import SessionLosses, read_losses, read_planted
from invariance_probe.inference.evidence.measured import by_session
from invariance_probe.inference.evidence.points import SessionFinding
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.intervals import fixed_sessions
from invariance_probe.plan.figures.code import CodeFigures
from invariance_probe.plan.figures.session import LagFigures, NullFigures, PersistenceFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult
from invariance_probe.study.hypotheses import AnyHypothesis
from invariance_probe.study.methods import Reliance
from invariance_probe.study.session import covers

RANGE_ERRORS = 4.0
"""A session is decodable only if its range exceeds this many standard errors."""


def session_findings(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, SessionFinding]:
    """Say whether each session can be decoded, and describe it without SSL.

    A session can be decoded if the linear decoder of its raw activity beats the study's
    null (decoding of targets that the activity cannot know), its test blocks are long
    enough, and its decodable range is clearly above 0.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.

    Returns
    -------
    findings
        By session name, for each session of the study.
    """
    why_not = {
        run.session: result.message
        for run in plan.baselines
        if run.method.kind in KINDS
        and (result := results.get(run.key())) is not None
        and result.status == "failed"
    }
    null = plan.study.null.kind.replace("_", " ")
    nulls, codes = by_session(plan, results, NullFigures), read_codes(plan, results)
    lags = by_session(plan, results, LagFigures)
    return {
        name: _session(
            losses,
            null,
            nulls.get(name),
            codes.get(name),
            lags.get(name),
            why_not.get(name, ""),
        )
        for name, losses in read_losses(plan, results).items()
    }


def planted_findings(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, SessionFinding]:
    """Say for each planted control whether its target can be decoded.

    A planted control has the activity of a session and a target that was computed from
    this activity, so that the right verdict is known.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.

    Returns
    -------
    findings
        By the name of the control.
    """
    null, nulls = KINDS["shift_null"], by_session(plan, results, NullFigures)
    return {
        name: _session(losses, null, nulls.get(name))
        for name, losses in read_planted(plan, results).items()
    }


def _session(
    losses: SessionLosses,
    null: str,
    measured: NullFigures | None,
    code: CodeFigures | None = None,
    lag: LagFigures | None = None,
    why_no_null: str = "",
) -> SessionFinding:
    """Decide whether one session can be decoded, from its baselines.

    Parameters
    ----------
    losses
        Decoding losses of the session.
    null
        Name of the null, for messages.
    measured
        The result of the null; None if it is missing.
    code, lag
        Results about the code and the test-lag curve; None if they are missing.
    why_no_null
        Why the null could not be measured, in words; empty otherwise.
    """
    session, p_value = losses.session, measured.p_value if measured else math.nan
    jumps = lag.jumps if lag else None
    mean, error, _ = fixed_sessions([losses.range])
    reasons = []
    if not math.isfinite(mean):
        reasons.append("baseline runs are missing or failed")
    else:
        if why_no_null:
            reasons.append(f"its null, {null}, could not be measured: {why_no_null}")
        elif not p_value <= ALPHA:  # also where it is NaN because it was not measured
            reasons.append(f"the raw decoder does not beat its null, {null} (p = {p_value:.3f})")
        if losses.blocks.too_short:
            reasons.append(losses.blocks.too_short)
        if not mean > RANGE_ERRORS * error:
            reasons.append(
                f"the decodable range {mean:.3g} is not above {RANGE_ERRORS:g} standard "
                f"errors ({error:.2g} each)"
            )
    return SessionFinding(
        session=session.name, subject=session.subject, group=session.group,
        floor=float(losses.floor.mean()),
        ceiling=float(losses.ceiling.mean()), ceiling_family=losses.ceiling_family, range=mean,
        range_se=error,
        null_p_value=p_value, decodable=not reasons,
        detail="; ".join(reasons) or (
            f"range {mean:.3g} +- {error:.2g} over {losses.blocks.count} blocks, null p = "
            f"{p_value:.3f}"
        ),
        units=len(code.units) if code else 0, n_eff=code.n_eff if code else None,
        red_idx=code.red_idx if code else None,
        tau_s=lag.tau_s if lag else None, tau_low_s=lag.tau_low_s if lag else None,
        tau_high_s=lag.tau_high_s if lag else None,
        jumps=jumps.kurtosis if jumps else None, jumps_p=jumps.p_value if jumps else None,
    )  # fmt: skip


def read_codes(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, CodeFigures]:
    """Read how many units carry the target and what their loss costs, by session.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.

    Returns
    -------
    codes
        Results by the name of the session or planted control. Those without a
        result are omitted.
    """
    return by_session(plan, results, CodeFigures)


def persistence(
    plan: Plan, results: Mapping[str, RunResult], session: str, axis: str, dose: float
) -> float | None:
    """Look up the target's autocorrelation, averaged over a time jitter's lags.

    It was measured by the baseline `persistence` of this session, axis and dose.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
    session
        Name of the session.
    axis, dose
        The axis of the jitter, and its dose: the largest lag, in seconds.

    Returns
    -------
    float or None
        Mean autocorrelation over the lags that are possible with this jitter (for
        classes, agreement beyond chance); None if it was not measured.
    """
    for run in plan.baselines:
        if run.method.kind == "persistence" and (run.session, run.axis, run.dose) == (
            session,
            axis,
            dose,
        ):
            result = results.get(run.key())
            found = result.measured(PersistenceFigures) if result else None
            return found.rho if found else None
    return None


def too_slow_target(
    plan: Plan, results: Mapping[str, RunResult], hypothesis: AnyHypothesis, session: str
) -> str | None:
    """Explain why a target changes too little for a test of a time jitter.

    It changes enough if 1 - rho^2 exceeds the margin, where rho is its correlation with
    itself over the lags of the primary dose.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
    hypothesis
        The hypothesis with its axis, primary dose and margin.
    session
        Name of the session.

    Returns
    -------
    str or None
        The reason in words. None if the target changes enough, if this was not
        measured, or if the axis is no jitter.
    """
    if not plan.study.is_jitter(hypothesis.axis):
        return None
    rho = persistence(plan, results, session, hypothesis.axis, hypothesis.dose)
    margin = hypothesis.margin.fraction_of_range
    if rho is not None and not 1 - rho**2 > margin:
        return (
            f"the target barely moves over {hypothesis.dose:g} s (1 - rho^2 = "
            f"{1 - rho**2:.3f}, margin {margin:g})"
        )
    return None


def unusable_runs(plan: Plan, results: Mapping[str, RunResult]) -> dict[str, str]:
    """Find the SSL runs that no verdict can use, from the baselines alone.

    A run is skipped if its session cannot be decoded. It is also skipped if it could
    serve only hypotheses about a jitter over which the target of its session hardly
    changes.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.

    Returns
    -------
    reasons
        Why each of these runs is skipped, in words, by `Run.key()`.
    """
    sessions = {**session_findings(plan, results), **planted_findings(plan, results)}
    named = {session.name: session for session in plan.sessions}
    reasons: dict[str, str] = {}
    verdicts: dict[tuple[str, str], str | None] = {}
    for run in (*plan.grid, *plan.examined):
        finding = sessions[run.session]
        if not finding.decodable:
            reasons[run.key()] = f"session {run.session}: {finding.detail}"
            continue
        if run.session not in named or isinstance(run.method, Reliance):
            continue  # these serve no single hypothesis: made in every decodable session
        place = (run.session, run.axis)
        if place not in verdicts:
            served = [
                h
                for h in plan.study.hypotheses
                if covers(h, named[run.session]) and run.axis in ("", h.axis)
            ]
            why = [too_slow_target(plan, results, h, run.session) for h in served]
            verdicts[place] = why[0] if why and all(why) else None
        if verdicts[place]:
            reasons[run.key()] = f"session {run.session}: {verdicts[place]}"
    return reasons
