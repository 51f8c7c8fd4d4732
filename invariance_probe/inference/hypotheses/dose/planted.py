"""Gates on planted targets: artificial targets whose right answer is known.

In: one hypothesis with its evidence. Out: one gate per kind of planted target, which
fails if the rules of the hypothesis give a wrong verdict on that target.

Both kinds are planted in the study's own sessions and made from their spike counts.
Every count is split at random into two halves: the target comes from the first halves,
and the inputs are the second halves.

One unit: the target is the first halves of a single unit, the one whose halves
correlate best. Target and unit are both moved in time by half the session, so that no
other unit predicts the target. A verdict that this target is spread over the units
would be wrong, and so would one that training to ignore the loss of units costs at most
the margin.

All units: the target is the leading principal component of the standardised first
halves. Here `sensitive` would be wrong.

Planted targets are judged under the study's own recipe alone, because under a panel,
whose recipes have to agree, a wrong verdict would be found less often.
"""

from collections.abc import Sequence

import numpy as np

from invariance_probe.inference.evidence.estimands import IDENTITY, SessionLosses, at
from invariance_probe.inference.findings import Gate
from invariance_probe.inference.hypotheses import gates
from invariance_probe.inference.hypotheses.code import Code
from invariance_probe.inference.hypotheses.dose.learning import ARMED, recipe_claims
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.inference.rules.verdicts import decide, learning_p, word_p
from invariance_probe.study.session import PLANT

ONE_UNIT, ALL_UNITS = "one_unit", "projection"
"""The kinds of targets that are planted in a session."""
WRONG = {ONE_UNIT: ("spread", "invariant", "tolerated"), ALL_UNITS: ("sensitive",)}
"""Verdicts that are wrong for each kind; its gate takes them away if it fails."""
NAMES = {ONE_UNIT: "planted targets: one unit", ALL_UNITS: "planted targets: all units"}
"""Name of the gate of each kind."""


def planted_gates(evidence: HypothesisEvidence, contrast: Sample) -> list[Gate]:
    """Judge both kinds of planted targets and return their gates.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    contrast
        Loss at dose 0 with other seeds minus that with the study's own (A/A control),
        for the study's own target.

    Returns
    -------
    gates
        One per kind; empty for a jitter.
    """
    if evidence.jitter:
        return []  # the right verdict on a planted target is not known for a time jitter
    if not evidence.plan.planted:
        why = "left out: the study is quick, or its sessions hold no spike counts"
        return [Gate(NAMES[kind], "not computed", WRONG[kind], why) for kind in WRONG]
    return [_gate(evidence, kind, contrast) for kind in WRONG]


def _gate(evidence: HypothesisEvidence, kind: str, contrast: Sample) -> Gate:
    """Judge one kind of planted target, in the sessions where it can be decoded.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    kind
        `ONE_UNIT` or `ALL_UNITS`.
    contrast
        Difference between seeds at dose 0, for the study's own target.
    """
    controls = evidence.of_study.planted
    found = {
        session: controls[name]
        for session in evidence.names
        if (name := f"{session}{PLANT}{kind}") in controls
    }  # fmt: skip
    if not found:
        return Gate(NAMES[kind], "not computed", WRONG[kind], "no planted target can be decoded")
    code = evidence.code_of(list(found), f"{PLANT}{kind}")
    carriers = code.carriers_word() if code and kind == ONE_UNIT else ""
    word, why = _word(evidence, list(found.values()), code, contrast)
    said = "; ".join(
        part
        for part in (f"carriers: {carriers}" if carriers else "", f"training: {word or why}")
        if part
    )
    if len(found) < len(evidence.names):
        said += (
            f"; in {len(found)} of {len(evidence.names)} sessions, for it cannot be decoded "
            f"in the others"
        )
    if word in WRONG[kind] or carriers in WRONG[kind]:
        return Gate(NAMES[kind], "failed", WRONG[kind], said)
    if kind == ONE_UNIT and carriers and carriers != "few":
        return Gate(
            NAMES[kind], "not shown", WRONG[kind], f"{said}; one unit is not shown to be few"
        )
    return Gate(NAMES[kind], "passed" if word else "not computed", WRONG[kind], said)


def _word(
    evidence: HypothesisEvidence,
    losses: Sequence[SessionLosses],
    code: Code | None,
    contrast: Sample,
) -> tuple[str | None, str]:
    """Return the verdict on a planted target, or why there is none.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    losses
        Losses of the planted controls.
    code
        Results of decoders without SSL on them; None if they are missing.
    contrast
        Difference between seeds at dose 0, for the study's own target.

    Returns
    -------
    word
        The verdict, such as `sensitive`; None if there is none.
    why
        Why there is no verdict; empty if there is one.
    """
    hypothesis = evidence.hypothesis
    subjects = tuple(found.session.subject for found in losses)
    samples = {
        name: Sample(
            tuple(found.effect(name, hypothesis.axis, hypothesis.dose) for found in losses),
            subjects,
        )
        for name in ARMED
    }
    if code is None or not code.complete or not all(sample.complete for sample in samples.values()):
        return None, "runs are missing or failed"
    shared = at(hypothesis.axis, hypothesis.dose, "shared")
    kept = [
        max(found.retention(found.ssl(IDENTITY)), found.retention(found.ssl(shared)))
        for found in losses
    ]
    if np.median(kept) < gates.RETAINED:
        return None, f"the method keeps only {np.median(kept):.2f} of the planted target's range"
    claims = recipe_claims(
        samples, evidence.margin, gates.equivalent_noise(contrast, evidence.margin)
    )
    return decide(
        word_p(code.p_values(), learning_p([claims], jitter=False), jitter=False), ALPHA
    ), ""
