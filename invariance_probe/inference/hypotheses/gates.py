"""The gates: preconditions of a finding, and what each of them limits.

In: the plan, results and samples of one hypothesis. Out: one `Gate` per precondition.
It holds an outcome, a detail in words, and what it limits: everything, a part of the
finding, or individual verdicts (science.md 3.4). A gate that fails takes away what it
limits. No verdict is reached here.

The decodable range R runs from the loss of the best constant to that of the best
decoder without SSL, and retention is the fraction of R that a representation reaches. A
recipe is a method with its training settings. In the shared arm, all windows of a step
get the same draw of the corruption.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from invariance_probe.inference.entry import too_slow_target
from invariance_probe.inference.evidence.estimands import SessionLosses, at
from invariance_probe.inference.evidence.measured import by_session
from invariance_probe.inference.evidence.points import SessionFinding
from invariance_probe.inference.findings import AXIS, CARRIERS, EVERYTHING, LEARNING, Gate
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.intervals import Sample, p_in_words
from invariance_probe.inference.rules.verdicts import undertrained_p
from invariance_probe.plan.figures.session import LeakFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult
from invariance_probe.plan.settings import Setting
from invariance_probe.study.counting import counted
from invariance_probe.study.hypotheses import AnyHypothesis

RETAINED = 0.5
"""Fraction of the decodable range R that a representation must reach at dose 0."""
TOO_MUCH = 1.1
"""Retention above which the gate's detail says that R is too small.

The representation then decodes better than every decoder without SSL.
"""
MAY_COLLAPSE = 0.1
"""Largest fraction of the dose-0 runs that may collapse or fail."""
FEWEST_SESSIONS = 3
"""Fewest sessions that must be decodable; a hypothesis about fewer needs them all."""


def decodable(findings: Sequence[SessionFinding]) -> Gate:
    """Check that enough sessions can be decoded.

    Sessions that cannot are excluded before any SSL result is seen.

    Parameters
    ----------
    findings
        What decoders without SSL show about each session of the hypothesis.
    """
    out = [f"{f.session}: {f.detail}" for f in findings if not f.decodable]
    kept, needed = len(findings) - len(out), min(FEWEST_SESSIONS, len(findings))
    detail = (
        f"{kept} of {counted(len(findings), 'session')} {'is' if len(findings) == 1 else 'are'} "
        f"decodable ({needed} needed)"
    )
    detail += "; left out: " + "; ".join(out) if out else ""
    return Gate(
        "decodable", "passed" if kept >= max(1, needed) else "failed", (EVERYTHING,), detail
    )


def movement(
    plan: Plan,
    results: Mapping[str, RunResult],
    hypothesis: AnyHypothesis,
    sessions: Sequence[str],
    changes: Sequence[float],
) -> Gate:
    """Check that the dose has any effect on the target or on the inputs.

    A time jitter must move the target by more than the margin. Any other corruption
    must change the inputs.

    Parameters
    ----------
    plan
        The study's plan.
    results
        Result of each run, by run key.
    hypothesis
        The hypothesis.
    sessions
        Names of its decodable sessions.
    changes
        How much the corruption changes the inputs of each session, as a fraction of
        their variance; empty if that was not measured. Not used for a jitter.
    """
    if plan.study.is_jitter(hypothesis.axis):
        stuck = [
            f"{name}: {reason}"
            for name in sessions
            if (reason := too_slow_target(plan, results, hypothesis, name))
        ]
        moved = "the target moves by more than the margin over the primary jitter"
        return Gate("movement", "failed" if stuck else "passed", (AXIS,), "; ".join(stuck) or moved)
    if not changes:
        return Gate(
            "movement", "not computed", (AXIS,), "the change of the inputs was not measured"
        )
    least = min(changes)
    detail = f"the corruption changed the inputs by {least:.2f} of their variance or more"
    return Gate("movement", "passed" if least > 0 else "failed", (AXIS,), detail)


def retention(
    losses: Sequence[SessionLosses], hypothesis: AnyHypothesis, setting: Setting, jitter: bool
) -> Gate:
    """Check that representations reach half of the decodable range.

    They must do so in every session, or in all but one if there are more than four. If
    representations at dose 0 do not, those trained with the shared corruption may take
    their place. The gate then passes, but only `D > m` may be claimed, which compares
    with the shared arm and not with dose 0 (`dose_zero_keeps`).

    Parameters
    ----------
    losses
        Losses of the decodable sessions.
    hypothesis
        The hypothesis with its axis and primary dose.
    setting
        Method, training and data of the recipe that is checked.
    jitter
        Whether the axis is a jitter, which has no shared arm.
    """
    kept = _kept(losses, hypothesis, setting, jitter)
    alone = {name: value for name, (value, _) in kept.items()}
    enough = _enough(alone)
    detail = f"dose 0 keeps {_range_of(list(alone.values()))} of the range"
    if not enough and not jitter and _enough({name: best for name, (_, best) in kept.items()}):
        return Gate(
            "retention",
            "passed",
            (LEARNING,),
            f"{detail}; the shared arm keeps half of it, so only `D > m` is claimed",
        )
    below = [f"{name} {value:.2f}" for name, value in alone.items() if not value >= RETAINED]
    detail += f"; below {RETAINED:g}: {', '.join(below)}" if below else ""
    if above := [f"{name} {value:.2f}" for name, value in alone.items() if value > TOO_MUCH]:
        detail += (
            f"; above {TOO_MUCH:g} ({', '.join(above)}): decoders without SSL reach less, so "
            f"R is too small there"
        )
    return Gate("retention", "passed" if enough else "failed", (LEARNING,), detail)


def dose_zero_keeps(losses: Sequence[SessionLosses], setting: Setting) -> bool:
    """Whether dose 0 alone reaches half of the range in enough sessions.

    If not, no claim may be made in which losses are compared with dose 0.

    Parameters
    ----------
    losses
        Losses of the decodable sessions.
    setting
        Method, training and data of the recipe that is checked.
    """
    clean = at("", 0.0, "none", setting.label, setting.fraction)
    return _enough({one.session.name: one.retention(one.ssl(clean)) for one in losses})


def _kept(
    losses: Sequence[SessionLosses], hypothesis: AnyHypothesis, setting: Setting, jitter: bool
) -> dict[str, tuple[float, float]]:
    """Return the retention of every session, at dose 0 and at best.

    The best is the larger one of dose 0 and the shared arm; a jitter has only dose 0.
    """
    clean = at("", 0.0, "none", setting.label, setting.fraction)
    shared = at(hypothesis.axis, hypothesis.dose, "shared", setting.label, setting.fraction)
    found = {}
    for session in losses:
        alone = session.retention(session.ssl(clean))
        found[session.session.name] = (
            alone,
            alone if jitter else max(alone, session.retention(session.ssl(shared))),
        )
    return found


def _enough(kept: Mapping[str, float]) -> bool:
    """Whether all sessions, or all but one of five or more, reach `RETAINED`."""
    below = sum(not value >= RETAINED for value in kept.values())  # NaN counts as below
    return bool(kept) and below <= (1 if len(kept) > 4 else 0)


def _range_of(values: Sequence[float]) -> str:
    """Write the smallest and the largest value as text."""
    return f"{min(values):.2f} to {max(values):.2f}" if values else "nothing"


def collapse(
    plan: Plan, results: Mapping[str, RunResult], sessions: Sequence[str], setting: Setting
) -> Gate:
    """Check that at most a tenth of a recipe's dose-0 runs failed or collapsed.

    A run has collapsed if its representation varies in hardly more than one dimension.

    Parameters
    ----------
    plan
        The study's plan.
    results
        Result of each run, by run key.
    sessions
        Names of the decodable sessions.
    setting
        Method, training and data of the recipe.
    """
    clean = [
        run
        for run in plan.grid
        if (run.setting, run.axis, run.fraction) == (setting.label, "", setting.fraction)
        and run.session in sessions
        and run.method.kind == setting.method.kind
    ]
    states = [result.status for run in clean if (result := results.get(run.key())) is not None]
    bad = sum(state != "done" for state in states)
    passed = bool(states) and bad <= MAY_COLLAPSE * len(states)
    detail = f"{bad} of {counted(len(states), 'run')} at dose 0 failed or collapsed"
    return Gate("collapse", "passed" if passed else "failed", (LEARNING,), detail)


def trained(changes: Mapping[str, Sample], margin: float, why_not: str) -> Gate:
    """Check that longer training does not show the study's recipe undertrained.

    The rule is that of `verdicts.undertrained_p`.

    Parameters
    ----------
    changes
        By how much the losses of the study's recipe exceed those of a recipe with more
        steps, in units of R. The keys are `L(0)` (loss at dose 0), `H` and `delta`; a
        jitter has no `H`. Empty if there is no such recipe.
    margin
        The margin m, in units of R.
    why_not
        Why there is no recipe to compare with; empty if there is one.
    """
    if why_not or not changes or not all(sample.complete for sample in changes.values()):
        return Gate(
            "trained",
            "not computed",
            (LEARNING,),
            why_not or "runs of the longer recipe are missing",
        )
    said = ", ".join(f"{name} by {-sample.estimate:+.2f}" for name, sample in changes.items())
    harm = "H" if "H" in changes else "delta"
    p = undertrained_p({
        "L(0) > 0": changes["L(0)"].p_more_than(0.0),
        "L(0) > m": changes["L(0)"].p_more_than(margin),
        "harm > 0": changes[harm].p_more_than(0.0),
    })  # fmt: skip
    detail = f"longer training changes {said}"
    if p <= ALPHA:
        detail += (
            ": it is shown to lower the loss at dose 0 by more than the margin, or that loss and "
            f"{harm} both, so the declared recipe is undertrained"
        )
    return Gate("trained", "failed" if p <= ALPHA else "passed", (LEARNING,), detail)


def noise(contrast: Sample, margin: float) -> Gate:
    """Check that dose 0 with other seeds decodes as well as dose 0 (A/A control).

    The gate fails if the two are shown to differ by more than m. If they are not shown
    to lie within m of each other, nothing may be claimed to cost at most m.

    Parameters
    ----------
    contrast
        Loss at dose 0 with other seeds minus that with the study's own.
    margin
        The margin m, in units of R.
    """
    limits = ("invariant", "tolerated", "competition")
    if not contrast.complete:
        why = "there is no second set of seeds (a method without randomness has none)"
        return Gate("noise", "not computed", limits, why)
    # no correction for repeated analyses, because a failure can only take a verdict away
    above, below = contrast.single.p_more_than(margin), contrast.single.p_at_most(-margin)
    estimate = f"dose 0 with other seeds differs by {contrast.estimate:+.3f}"
    if min(above, below) <= ALPHA:
        return Gate("noise", "failed", (LEARNING,), f"{estimate}: shown to be more than the margin")
    p = max(contrast.p_at_most(margin), contrast.p_more_than(-margin))
    if p <= ALPHA:
        return Gate("noise", "passed", limits, f"{estimate}: shown equivalent ({p_in_words(p)})")
    return Gate(
        "noise",
        "not shown",
        limits,
        f"{estimate}: not shown equivalent ({p_in_words(p)}), so nothing is claimed to be <= m",
    )


def equivalent_noise(contrast: Sample, margin: float) -> bool:
    """Whether the A/A control permits claims that something costs at most m.

    It does if the difference is shown to lie within m, and if there is no second set of
    seeds.

    Parameters
    ----------
    contrast
        Loss at dose 0 with other seeds minus that with the study's own.
    margin
        The margin m, in units of R.
    """
    return (
        not contrast.complete
        or max(contrast.p_at_most(margin), contrast.p_more_than(-margin)) <= ALPHA
    )


def leak(plan: Plan, results: Mapping[str, RunResult], sessions: Sequence[str]) -> Gate:
    """Check that random walks cannot be decoded in the study's folds.

    The walks are unrelated to the activity. A decoder that predicts them can only have
    read the time, from test windows close to training windows. In folds that keep
    stretches of time whole, R2 about the session's mean is mostly below 0. The test is
    a sign test over the walks of each session, with Bonferroni's correction over
    sessions. The gate fails as long as the walks of a session are missing.

    Parameters
    ----------
    plan
        The study's plan.
    results
        Result of each run, by run key.
    sessions
        Names of the decodable sessions.
    """
    limits = (EVERYTHING,)
    if plan.study.quick:
        return Gate("leak", "not computed", limits, "left out: the study is quick")
    measured = by_session(plan, results, LeakFigures)
    walks = {name: measured[name].r2 for name in sessions if name in measured}
    if len(walks) < len(sessions):
        lacking = ", ".join(name for name in sessions if name not in walks)
        return Gate(
            "leak",
            "failed",
            limits,
            f"measured in {len(walks)} of {counted(len(sessions), 'session')}; missing or failed "
            f"in {lacking}",
        )
    decoded = {name: sum(value > 0 for value in r2) for name, r2 in walks.items()}
    p_values = {
        name: stats.binomtest(decoded[name], len(r2), alternative="greater").pvalue
        for name, r2 in walks.items()
    }
    leaking = [
        f"{name} ({decoded[name]} of {len(walks[name])})"
        for name, p in p_values.items()
        if p * len(walks) <= ALPHA
    ]
    said = (
        f"let a decoder read the time in {', '.join(leaking)}"
        if leaking
        else "do not let a decoder read the time"
    )
    medians = [np.median(r2) for r2 in walks.values()]
    beyond = [np.median(measured[name].beyond) for name in sessions]
    detail = (
        f"folds by {plan.study.folds.scheme} {said}: at most {max(decoded.values())} of "
        f"{len(next(iter(walks.values())))} random walks of a session are decoded (median R2 "
        f"{min(medians):+.2f} to {max(medians):+.2f}; beyond the training mean {min(beyond):+.2f} "
        f"to {max(beyond):+.2f})"
    )
    return Gate("leak", "failed" if leaking else "passed", limits, detail)


def distinct(word: str, without: str, named: Sequence[str]) -> Gate:
    """Check that units which repeat others do not change the finding about units.

    Parameters
    ----------
    word
        The finding about how many units carry the target, with all units: `few`,
        `between`, `spread` or `undecided`.
    without
        The same finding without units that are copies or sums of others.
    named
        The copies and sums of all sessions, in words.
    """
    if not named:
        return Gate("distinct", "passed", (CARRIERS,), "no unit is a copy or a sum of others")
    many = "1 copy or sum of units" if len(named) == 1 else f"{len(named)} copies or sums of units"
    said = f"{many} ({'; '.join(named[:5])}{'; ...' if len(named) > 5 else ''})"
    if word == without:
        return Gate("distinct", "passed", (CARRIERS,), f"{said}; the word is the same without them")
    return Gate(
        "distinct", "failed", (CARRIERS,), f"{said}; without them the word would be {without!r}"
    )


def licence(method: str, reasons: Sequence[str]) -> Gate:
    """Check that the study's recipe was calibrated for such a claim.

    A calibration counts how often verdicts are wrong on simulated data. Training
    against an adversary and training on several sessions have not been calibrated.

    Parameters
    ----------
    method
        Kind of the study's method, such as `simclr`.
    reasons
        Why no claim is licensed (`plan.recipes.without_licence`); empty if one is.
    """
    detail = "; ".join(reasons) or f"{method} passed the calibration at such settings"
    return Gate("licence", "failed" if reasons else "passed", (LEARNING,), detail)
