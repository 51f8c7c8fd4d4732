"""The controls that a hypothesis's own verdict is held against: less data, and targets that were planted."""

from collections.abc import Sequence

import numpy as np

from invariance_probe.inference import gates
from invariance_probe.inference.estimands import IDENTITY, SessionLosses, at
from invariance_probe.inference.findings import Gate
from invariance_probe.inference.intervals import Sample
from invariance_probe.inference.question import CORRUPTION, Question
from invariance_probe.inference.verdicts import cells, decide
from invariance_probe.study.plan import A_THIRD, THIRD

PLANTS = ("one_unit", "projection")
"""The kinds of target that are planted in a session."""


def third(question: Question, verdict: str, samples: dict[str, Sample], contrast: Sample) -> Gate:
    """Judge again with a third of the training windows."""
    if question.jitter:
        return Gate("a third of the data", True, "part of the verdict on a jitter")
    again = {name: question.sample(name, None, A_THIRD, THIRD) for name in ("D", "H", "delta")}
    if not all(sample.complete for sample in again.values()):
        return gates.third(question.plan, verdict, None)
    claims = cells({"C_info": samples["C_info"], **again}, question.margin, gates.equivalent_noise(contrast, question.margin))
    return gates.third(question.plan, verdict, decide(claims, jitter=False))


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
