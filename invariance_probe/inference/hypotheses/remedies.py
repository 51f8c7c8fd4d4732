"""What would settle a hypothesis whose verdict is withheld or inconclusive.

In: a finding with its gates, its code and its recipes. Out: one sentence, which is
empty if the verdict is settled or if no study of this kind could tell more. It is
appended to the sentence about the verdict, which says why the verdict is withheld or
inconclusive. The constants below are remedies: each completes the sentence "What would
settle it: ...".
"""

from invariance_probe.inference.findings import Gate, HypothesisFinding
from invariance_probe.inference.rules.verdicts import (
    INCONCLUSIVE,
    RECIPE_DEPENDENT,
    UNCALIBRATED,
)
from invariance_probe.inference.verdict import INVALID, UNTESTABLE
from invariance_probe.plan.settings import A_THIRD
from invariance_probe.study.hypotheses import ABOUT_UNITS
from invariance_probe.study.pairing import SHARE
from invariance_probe.study.session import THESE_RECORDINGS

LICENSED = "a method and settings that are licensed for this axis, dose and target"
"""Remedy for a method without a licence, whose error rate is therefore unknown."""
OF_GATES = {
    "decodable": (
        "longer recordings, more units or sessions, or a target that this activity carries"
    ),
    "leak": (
        "folds of whole trials or contiguous blocks, with an embargo longer than the activity's "
        "memory"
    ),
    "retention": (
        "training that keeps half of the decodable range at dose 0: more steps, or a wider "
        "representation"
    ),
    "collapse": "training whose runs do not collapse: another learning rate or batch size",
    "trained": "more training steps in the declared recipe",
    "noise": "more seeds",
    "distinct": "units without copies of each other: leave repeated units out of the recording",
    A_THIRD: "longer recordings",
    "licence": LICENSED,
}
"""Remedy for a failed gate, by the name of the gate."""
PLANTED = "planted targets"
"""Start of the names of the gates on planted targets.

A planted target is an artificial one, made from the recorded activity, for which the
right answer is known.
"""
OF_PLANTED = (
    "a recipe that judges the planted targets as they are: another method, or more training steps"
)
"""Remedy for a failed gate on planted targets."""
DOSE = "a dose that changes what the encoder is given"
"""Remedy for a corruption that does not change the inputs (gate `movement` failed)."""
JITTER = "a larger dose, or a target that changes faster"
"""Remedy for a jitter over which the target barely changes (gate `movement` failed)."""
MORE_OF_THE_CODE = "more sessions or longer recordings"
"""Remedy for a finding of the code that is undecided."""
MORE_OF_TRAINING = "more sessions or seeds"
"""Remedy for a finding of learning that is undecided."""
OF_HOLM = "more sessions, or new data in a study with fewer confirmatory hypotheses"
"""Remedy for a verdict that is shown only without Holm's correction."""
OF_RECIPES = (
    "no more data of this kind, but a panel of the study's own that says, with a reason, which "
    "recipes the claim is about"
)
"""Remedy for a verdict that differs between training recipes."""
OF_SHARED = "four sessions of one subject, or four subjects, and more"
"""Remedy for a contrast of mined pairs with too few sessions to show a benefit."""


def remedy(finding: HypothesisFinding, missing: bool) -> str:
    """Write what would settle a verdict that is withheld or inconclusive.

    Parameters
    ----------
    finding
        The finding with its verdict.
    missing
        Whether any runs that the finding needs are missing or failed.

    Returns
    -------
    sentence
        Starts with a space, so that it can be appended; empty if the verdict is
        settled.
    """
    needed = _needed(finding, missing)
    return f" What would settle it: {needed}." if needed else ""


def _needed(finding: HypothesisFinding, missing: bool) -> str:
    """Write what is needed, depending on the verdict."""
    word = finding.verdict.word
    if word == UNCALIBRATED:
        return LICENSED
    if word in (INVALID, UNTESTABLE):
        return _of_failed(finding)
    if missing:
        return "the runs that are missing; run the study again, which keeps what is done"
    if finding.verdict.unadjusted:
        return OF_HOLM
    if word == RECIPE_DEPENDENT:
        return OF_RECIPES
    if word == INCONCLUSIVE:
        return _of_open(finding)
    return _of_contrast(finding) if word == "not shown" else ""


def _of_failed(finding: HypothesisFinding) -> str:
    """Write what is needed for the failed gates to pass, each remedy once."""
    failed = [gate for gate in finding.gates if gate.outcome == "failed"]
    return "; ".join(dict.fromkeys(_of_gate(finding, gate) for gate in failed))


def _of_gate(finding: HypothesisFinding, gate: Gate) -> str:
    """Write what one failed gate needs to pass; empty if no remedy is known."""
    if gate.name == "movement":
        return JITTER if finding.kind == "jitter" else DOSE
    return OF_PLANTED if gate.name.startswith(PLANTED) else OF_GATES.get(gate.name, "")


def _of_open(finding: HypothesisFinding) -> str:
    """Write what would settle an inconclusive finding of the code or of learning.

    Remedies for the failed gates of single recipes follow.
    """
    found = []
    if finding.kind != "jitter" and (
        finding.predicts in ABOUT_UNITS
        or (finding.code is not None and finding.code.finding == "undecided")
    ):
        found.append(MORE_OF_THE_CODE)
    elif finding.learning is not None and finding.learning.finding == "undecided":
        found.append(MORE_OF_TRAINING)
    stopped = [
        _of_gate(finding, gate)
        for recipe in (finding.learning.panel.recipes if finding.learning else ())
        for gate in recipe.gates
        if gate.outcome == "failed"
    ]
    return "; ".join(dict.fromkeys([*found, *stopped])) or MORE_OF_THE_CODE


def _of_contrast(finding: HypothesisFinding) -> str:
    """Write what would settle a contrast whose benefit is not shown."""
    if any(gate.outcome == "failed" for gate in finding.gates):
        return _of_failed(finding)
    if finding.axis == SHARE and finding.scope == THESE_RECORDINGS:
        return OF_SHARED
    return MORE_OF_TRAINING
