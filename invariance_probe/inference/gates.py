"""The entry conditions of a verdict (science.md, section 3.4)."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from invariance_probe.inference.entry import still
from invariance_probe.inference.estimands import IDENTITY, SessionLosses, at
from invariance_probe.inference.findings import Gate
from invariance_probe.inference.intervals import Sample, p_in_words
from invariance_probe.inference.looks import ALPHA
from invariance_probe.inference.points import SessionFinding
from invariance_probe.study.hypotheses import AnyHypothesis
from invariance_probe.study.licences import not_counted, unlicensed
from invariance_probe.study.plan import Plan
from invariance_probe.study.run import RunResult
from invariance_probe.study.transforms import is_idle

RETAINED = 0.5
"""Part of the decodable range that a method must keep at dose 0."""
MAY_COLLAPSE = 0.1
"""Part of the dose-0 runs that may collapse or fail."""


def decodable(findings: Sequence[SessionFinding]) -> Gate:
    """At least one session can be decoded; the others are named and left out before any SSL result is seen."""
    out = [f"{f.session}: {f.detail}" for f in findings if not f.decodable]
    kept = len(findings) - len(out)
    return Gate(
        "decodable",
        kept > 0,
        f"{kept} of {len(findings)} sessions are decodable" + ("; left out: " + "; ".join(out) if out else ""),
    )


def movement(plan: Plan, results: Mapping[str, RunResult], hypothesis: AnyHypothesis, sessions: Sequence[str]) -> Gate:
    """The target moves on the axis (jitter), or the corruption changed the inputs (transforms)."""
    if plan.study.is_jitter(hypothesis.axis):
        stuck = [f"{name}: {reason}" for name in sessions if (reason := still(plan, results, hypothesis, name))]
        return Gate("movement", not stuck, "; ".join(stuck) or "the target moves by more than the margin over the primary jitter")
    changes = [
        result.diagnostics["input_change"]
        for run in plan.grid
        if run.method.kind == "information"
        and run.session in sessions
        and (run.axis, run.dose) == (hypothesis.axis, hypothesis.dose)
        if (result := results.get(run.key())) is not None and "input_change" in result.diagnostics
    ]
    if not changes:
        return Gate("movement", None, "not measured")
    return Gate(
        "movement", min(changes) > 0, f"the corruption changed the inputs by {min(changes):.2f} of their variance or more"
    )


def retention(losses: Sequence[SessionLosses], hypothesis: AnyHypothesis, for_sensitive: bool, jitter: bool) -> Gate:
    """SSL keeps half of the decodable range at dose 0 in every session (one exception above four).

    For a verdict of `sensitive` the better of dose 0 and the shared arm counts.
    """
    kept = {}
    for session in losses:
        best = session.retention(session.ssl(IDENTITY))
        if for_sensitive and not jitter:
            best = max(best, session.retention(session.ssl(at(hypothesis.axis, hypothesis.dose, "shared"))))
        kept[session.session.name] = best
    below = [f"{name} {value:.2f}" for name, value in kept.items() if not value >= RETAINED]
    allowed = 1 if len(kept) > 4 else 0
    detail = f"dose 0 keeps {min(kept.values()):.2f} to {max(kept.values()):.2f} of the range" if kept else "no sessions"
    return Gate(
        "retention", bool(kept) and len(below) <= allowed, detail + (f"; below {RETAINED:g}: {', '.join(below)}" if below else "")
    )


def collapse(plan: Plan, results: Mapping[str, RunResult], sessions: Sequence[str]) -> Gate:
    """At most a tenth of the dose-0 runs failed or collapsed."""
    kinds = {setting.method.kind for setting in plan.settings}
    clean = [
        run for run in plan.grid if run.session in sessions and run.method.kind in kinds and run.axis == "" and run.setting == ""
    ]
    states = [result.status for run in clean if (result := results.get(run.key())) is not None]
    bad = sum(state != "done" for state in states)
    return Gate(
        "collapse",
        bool(states) and bad <= MAY_COLLAPSE * len(states),
        f"{bad} of {len(states)} runs at dose 0 failed or collapsed",
    )


def reference(harm: Sample | None, margin: float) -> Gate:
    """The reference arm itself does no harm: H <= m is shown. Without it no `D <= m` can be claimed."""
    if harm is None:
        return Gate("reference", True, "dose 0 is the reference of a jitter")
    p = harm.p_at_most(margin)
    return Gate("reference", p <= ALPHA, f"H = {harm.estimate:+.3f}, H <= {margin:g}: {p_in_words(p)}")


def noise(contrast: Sample, margin: float) -> Gate:
    """The same condition with other seeds: not shown different, and shown equivalent.

    Shown different blocks every verdict; not shown equivalent blocks the `<= m` claims only.
    """
    if not contrast.complete:
        return Gate("noise", None, "no second set of seeds (a method without randomness has none)")
    above, below = contrast.single.p_more_than(margin), contrast.single.p_at_most(-margin)
    if min(above, below) <= ALPHA:
        return Gate("noise", False, f"dose 0 differs from dose 0 with other seeds by {contrast.estimate:+.3f}: shown different")
    equivalent = max(contrast.p_at_most(margin), contrast.p_more_than(-margin))
    said = "shown equivalent" if equivalent <= ALPHA else "not shown equivalent, so no `<= m` claim is made"
    return Gate("noise", True, f"dose 0 with other seeds: {contrast.estimate:+.3f}, {said} ({p_in_words(equivalent)})")


def equivalent_noise(contrast: Sample, margin: float) -> bool:
    """Say whether the A/A contrast leaves room for `<= m` claims."""
    return not contrast.complete or max(contrast.p_at_most(margin), contrast.p_more_than(-margin)) <= ALPHA


def leak(plan: Plan, results: Mapping[str, RunResult], sessions: Sequence[str]) -> Gate:
    """Random walks, which no activity can know, are not decoded in the study's own folds.

    A sign test over the walks of every session, Bonferroni over sessions; in folds that keep stretches of time whole, R2
    about the session's mean is mostly below 0. It does not pass while a session's walks are missing.
    """
    if plan.study.quick:
        return Gate("leak", None, "left out: the study is quick")
    walks = {name: r2 for name in sessions if (r2 := _walks(plan, results, name, "leak@"))}
    if len(walks) < len(sessions):
        lacking = ", ".join(name for name in sessions if name not in walks)
        return Gate("leak", False, f"measured in {len(walks)} of {len(sessions)} sessions; missing or failed in {lacking}")
    decoded = {name: sum(value > 0 for value in r2) for name, r2 in walks.items()}
    p_values = {name: stats.binomtest(decoded[name], len(r2), alternative="greater").pvalue for name, r2 in walks.items()}
    leaking = [f"{name} ({decoded[name]} of {len(walks[name])})" for name, p in p_values.items() if p * len(walks) <= ALPHA]
    said = f"let a decoder read the time in {', '.join(leaking)}" if leaking else "do not let a decoder read the time"
    medians = [np.median(r2) for r2 in walks.values()]
    beyond = [np.median(_walks(plan, results, name, "beyond@")) for name in sessions]
    return Gate(
        "leak",
        not leaking,
        f"folds by {plan.study.folds.scheme} {said}: at most {max(decoded.values())} of {len(next(iter(walks.values())))} random walks of "
        f"a session are decoded (median R2 {min(medians):+.2f} to {max(medians):+.2f}; beyond the training mean {min(beyond):+.2f} to "
        f"{max(beyond):+.2f})",
    )


def _walks(plan: Plan, results: Mapping[str, RunResult], session: str, name: str) -> list[float]:
    """Return the R2 of every random walk of a session, of one kind; empty where they were not measured."""
    for run in plan.baselines:
        if run.method.kind == "leak" and run.session == session and (result := results.get(run.key())) is not None:
            return [value for address, value in result.diagnostics.items() if address.startswith(name)]
    return []


def steps(plan: Plan, change: Sample, margin: float) -> Gate:
    """With twice the steps delta does not change: a change by more than m that is shown fails."""
    if plan.study.quick:
        return Gate("steps", None, "left out: the study is quick")
    if not change.complete:
        return Gate("steps", None, "no runs with twice the steps (a method in closed form has no steps)")
    p = min(change.p_more_than(margin), change.p_at_most(-margin))
    low, high = change.interval()
    detail = f"with twice the steps delta changes by {change.estimate:+.3f} [{low:.3f}, {high:.3f}]"
    return Gate("steps", p > ALPHA, f"{detail}: {'shown to be more than the margin' if p <= ALPHA else 'not shown to be more'}")


REVERSED = {"invariant": {"sensitive"}, "recoverable": {"sensitive"}, "sensitive": {"invariant", "recoverable"}}
"""What a check would have to say to reverse a verdict."""


def again(name: str, verdict: str, second: str | None, detail: str) -> Gate:
    """A verdict is not reversed when it is looked at again, with less data or another method; `second` is None where that was not possible."""
    return Gate(name, None if second is None else second not in REVERSED.get(verdict, set()), detail)


def planted(verdicts: Mapping[str, str], why_not: str) -> Gate:
    """Half-counts of one unit are not called invariant or recoverable, and a projection over all units not sensitive."""
    if not verdicts:
        return Gate("planted targets", None, why_not)
    wrong = {"one_unit": {"invariant", "recoverable"}, "projection": {"sensitive"}}
    failed = [kind for kind, verdict in verdicts.items() if verdict in wrong[kind]]
    said = "; ".join(f"{kind.replace('_', ' ')}: {verdict}" for kind, verdict in verdicts.items())
    return Gate("planted targets", not failed, said + (f"; {why_not}" if why_not else ""))


def licence(plan: Plan, axis: str) -> Gate:
    """The method, at settings like these, passed the calibration; no adversary and no model of several sessions has been through it."""
    study = plan.study
    about = "jitters" if study.is_jitter(axis) else "corruptions" if study.corrupts(axis) else "contrasts"
    reasons = [
        *unlicensed(study.method, study.training.optimisation()),
        *not_counted(study.method, about, len(plan.sessions)),
    ]
    adversary = plan.study.views.adversary
    if adversary is not None and (adversary.kind == axis.split(".")[0] or not is_idle(adversary)):
        reasons = [*reasons, f"training against {adversary.kind} has not been calibrated"]
    if plan.study.views.pool is not None:
        reasons = [*reasons, "models that train on several sessions have not been calibrated"]
    return Gate("licence", not reasons, "; ".join(reasons) or f"{plan.study.method.kind} passed the calibration at such settings")
