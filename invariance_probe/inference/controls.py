"""The controls that a hypothesis's own verdict is held against: less data, another method, and targets that were planted."""

from collections.abc import Callable, Sequence

import numpy as np

from invariance_probe.inference import gates
from invariance_probe.inference.estimands import IDENTITY, Condition, SessionLosses, at
from invariance_probe.inference.findings import Gate
from invariance_probe.inference.intervals import Sample
from invariance_probe.inference.question import CORRUPTION, Question
from invariance_probe.inference.verdicts import cells, decide
from invariance_probe.study.licences import unlicensed
from invariance_probe.study.plan import A_THIRD, ANOTHER_METHOD, Setting

QUICK = "left out: the study is quick"
ANOTHER = "another method"
PLANTS = ("one_unit", "projection")
"""The kinds of target that are planted in a session."""


def third(question: Question, verdict: str, samples: dict[str, Sample], contrast: Sample) -> Gate:
    """Judge again with a third of the training windows."""
    name = "a third of the data"
    if question.jitter:
        return Gate(name, True, "part of the verdict on a jitter")
    if question.plan.study.quick:
        return Gate(name, None, QUICK)
    setting = next(check for check in question.plan.checks if check.label == A_THIRD)
    second = word_under(question, setting, samples, contrast)
    return gates.again(name, verdict, second, f"with a third of the training windows: {second or 'runs are missing'}")


def another_method(question: Question, verdict: str, samples: dict[str, Sample], contrast: Sample) -> Gate:
    """Judge again with representations that another method learned."""

    def judged(setting: Setting) -> Gate:
        kind, second = setting.method.kind, word_under(question, setting, samples, contrast)
        return gates.again(ANOTHER, verdict, second, f"{kind}: runs are missing" if second is None else f"with {kind}: {second}")

    shared = at(question.hypothesis.axis, question.hypothesis.dose, "shared", ANOTHER_METHOD)
    return under_another(question, judged, () if question.jitter else (shared,))


def under_another(question: Question, judged: Callable[[Setting], Gate], kept_by: Sequence[Condition] = ()) -> Gate:
    """Return what is judged under the other method; no gate where it has no say: unlicensed, missing, or too little kept.

    Parameters
    ----------
    judged
        Judges again under a setting.
    kept_by
        Conditions that may keep the range where dose 0 does not.
    """
    setting = next((check for check in question.plan.checks if check.label == ANOTHER_METHOD), None)
    if setting is None:
        return Gate(
            ANOTHER, None, QUICK if question.plan.study.quick else "no other method has passed the calibration at such settings"
        )
    if reasons := unlicensed(setting.method, setting.optimisation):
        return Gate(ANOTHER, None, f"shown beside, without a say: {'; '.join(reasons)}")
    found = judged(setting)
    if found.passed is None:
        return found
    clean = at("", 0.0, "none", ANOTHER_METHOD)
    kept = float(np.median([max(x.retention(x.ssl(arm)) for arm in (clean, *kept_by)) for x in question.losses]))
    if kept < gates.RETAINED:
        return Gate(ANOTHER, None, f"{setting.method.kind} keeps only {kept:.2f} of the range here, so it cannot judge")
    return found


def word_under(question: Question, setting: Setting, samples: dict[str, Sample], contrast: Sample) -> str | None:
    """Return what the rule says under another setting, or None where runs are missing.

    The information cost is the study's own; a jitter is judged by delta, which stands here for both amounts of data.
    """
    names = ("delta",) if question.jitter else ("D", "H", "delta")
    found = {name: question.sample(name, None, setting.label, setting.fraction) for name in names}
    if not all(sample.complete for sample in found.values()):
        return None
    found |= {"delta(n/3)": found["delta"]} if question.jitter else {"C_info": samples["C_info"]}
    claims = cells(found, question.margin, gates.equivalent_noise(contrast, question.margin))
    return decide(claims, question.jitter)


def planted(question: Question, contrast: Sample) -> Gate:
    """Judge the targets that were planted in a hypothesis's own sessions, as if they were its target."""
    if question.jitter:
        return Gate("planted targets", None, "a planted target says nothing about time")
    if not question.plan.planted:
        return gates.planted({}, "left out: the study is quick, or its sessions hold no spike counts")
    verdicts: dict[str, str] = {}
    why_not = []
    for kind in PLANTS:
        controls = question.evidence.planted
        losses = [controls[name] for session in question.names if (name := f"{session}+{kind}") in controls]
        found, why = _verdict_on_plant(question, losses, contrast)
        if found:
            verdicts[kind] = found
        else:
            why_not.append(f"{kind.replace('_', ' ')}: {why}")
    return gates.planted(verdicts, "; ".join(why_not))


def _verdict_on_plant(question: Question, losses: Sequence[SessionLosses], contrast: Sample) -> tuple[str | None, str]:
    """Return the verdict on one kind of plant, or why there is none."""
    hypothesis = question.hypothesis
    subjects = tuple(found.session.subject for found in losses)
    at_dose = {
        name: Sample(tuple(found.effect(name, hypothesis.axis, hypothesis.dose) for found in losses), subjects)
        for name in CORRUPTION
    }
    if not losses or not all(sample.complete for sample in at_dose.values()):
        return None, "no planted target can be decoded"
    shared = at(hypothesis.axis, hypothesis.dose, "shared")
    kept = [max(found.retention(found.ssl(IDENTITY)), found.retention(found.ssl(shared))) for found in losses]
    if np.median(kept) < gates.RETAINED:
        return None, f"the method keeps only {np.median(kept):.2f} of the planted target's range"
    equivalent = gates.equivalent_noise(contrast, question.margin)
    return decide(cells(at_dose, question.margin, equivalent), jitter=False), ""
