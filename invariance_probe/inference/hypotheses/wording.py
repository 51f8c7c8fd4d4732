"""Phrases that the sentences of all kinds of hypothesis share.

In: a hypothesis with its evidence, or a finding. Out: parts of sentences, such as the
sessions and the dose that a finding is about, why there is no verdict, and numbers and
lists. No verdict is reached here. The whole sentences are written in `dose.words` and
`contrast.words`.
"""

from collections.abc import Sequence

from invariance_probe.inference.findings import (
    HypothesisFinding,
    Quantity,
)
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.rules.interim_analyses import InterimAnalysis
from invariance_probe.inference.rules.verdicts import INCONCLUSIVE, RECIPE_DEPENDENT
from invariance_probe.inference.verdict import Verdict
from invariance_probe.study.methods import title_of
from invariance_probe.study.session import THESE_RECORDINGS
from invariance_probe.study.transforms import OwnTransform
from invariance_probe.study.views import DOSE_WORDS

MEANINGS = {
    "invariant": (
        "what remains decodes the target within the margin of all, and learning to ignore the "
        "loss costs no more than the margin"
    ),
    "tolerated": (
        "the lost inputs carried information that nothing replaces, yet training to ignore such "
        "losses costs the intact representation no more than the margin"
    ),
    "sensitive": (
        "information is lost, and being made invariant costs more than the margin beyond the "
        "same corruption shared"
    ),
    "competition": (
        "the information survives and the objective discards it, which is about the method and "
        "not the code"
    ),
    RECIPE_DEPENDENT: (
        "whether being made invariant costs more than the margin depends on the recipe, so "
        "none of invariant, tolerated, sensitive and competition can be said"
    ),
    INCONCLUSIVE: "the data do not settle it",
}
"""Meaning of each verdict on a corruption (science.md 3.1)."""


JITTER_MEANINGS = {
    "tolerated": (
        "training that makes such windows alike costs no more than the margin, with all and "
        "with a third of the data"
    ),
    "sensitive": (
        "training that makes such windows alike costs more than the margin, with all and with a "
        "third of the data"
    ),
    RECIPE_DEPENDENT: (
        "whether being made invariant costs more than the margin depends on the recipe, so "
        "neither tolerated nor sensitive can be said"
    ),
    INCONCLUSIVE: "the data do not settle it",
}
"""Meaning of each verdict on a jitter (science.md 3.2)."""


CARRIERS_MEANINGS = {
    "few": "few of the recorded units carry the target",
    "between": "the target is carried neither by few of the recorded units nor by most of them",
    "spread": "the target is spread over the recorded units",
    INCONCLUSIVE: "the data do not settle how many of the recorded units carry the target",
}
"""Meaning of each verdict on how many units carry the target."""
PLACES = {
    THESE_RECORDINGS: "For these recordings",
    "population of sessions": "For sessions like these, of one subject and preparation",
    "population of subjects": "For subjects like these",
}
"""Start of a sentence for claims of each scope: what they hold for."""
ELSEWHERE = {
    THESE_RECORDINGS: "anything about other sessions or subjects",
    "population of sessions": "anything about other subjects or preparations",
}
"""What claims of each scope cannot support (science-notes 4.1).

Claims about a population of subjects have no such limit.
"""


def fallen(verdict: Verdict) -> str:
    """Write that a verdict is not shown after Holm's correction.

    Parameters
    ----------
    verdict
        The verdict; its `unadjusted` names what is shown without the correction.
    """
    return (
        f"the verdict is inconclusive: `{verdict.unadjusted}` would be shown if this were the "
        "study's only hypothesis, but not at the level that Holm's correction leaves to it"
    )


def no_licence(evidence: HypothesisEvidence, place: str, finding: HypothesisFinding) -> str:
    """Write the sentence that the method has no licence for a verdict, and why.

    Parameters
    ----------
    evidence
        The hypothesis, for the study's method.
    place
        What the finding holds for and at which dose; the sentence starts with it.
    finding
        The finding, for its gate `licence`.
    """
    method = title_of(evidence.plan.study.method)
    why = next((gate.detail for gate in finding.gates if gate.name == "licence"), "")
    return (
        f"{place}, there is no verdict, only estimates, since {method} at these settings has no "
        f"licence: {why}."
    )


def why_invalid(finding: HypothesisFinding) -> str:
    """Write which failed gates took the verdict away.

    Parameters
    ----------
    finding
        The finding with its gates, and with a verdict that names the failed ones.
    """
    details = "; ".join(
        f"{gate.name} ({gate.detail})"
        for gate in finding.gates
        if gate.name in finding.verdict.reasons
    )
    rest = " What is found of the code without SSL stands." if finding.code is not None else ""
    what = "gates" if len(finding.verdict.reasons) > 1 else "a gate"
    return f"there is no verdict, since {what} failed: {details}.{rest}"


def interval(found: Quantity) -> str:
    """Write an estimate with its 90 % interval, such as `0.12 [0.05, 0.19]`."""
    return f"{found.estimate:.2f} [{found.ci_low:.2f}, {found.ci_high:.2f}]"


def listed(words: Sequence[str]) -> str:
    """Write words as a list, such as `a, b and c`."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def capital(text: str) -> str:
    """Write a string with a capital letter at its start."""
    return f"{text[0].upper()}{text[1:]}"


def signed(value: float) -> str:
    """Write a value with two decimals and its sign; `0` if it rounds to zero."""
    return "0" if round(value, 2) == 0 else f"{value:+.2f}"


def at_look(look: InterimAnalysis, enough: bool) -> str:
    """Write at which interim analysis and level a hypothesis was judged.

    Parameters
    ----------
    look
        The interim analysis.
    enough
        Whether the hypothesis was settled at that analysis. If not, all seeds were
        used.
    """
    seeds = look.planned[-1]
    where = f"look {look.number} of {len(look.planned)}"
    spending = {"obrien_fleming": "O'Brien-Fleming", "pocock": "Pocock"}[look.spending]
    if not enough:
        earlier = " and ".join(f"{count}" for count in look.planned[:-1])
        said = f"not settled after {earlier} seeds, so all {seeds} were looked at ({where})"
    else:
        said = f"settled at {where}, after {look.seeds} of {seeds} seeds"
    return (
        f"Seeds were adaptive: {said}. Every claim was judged there at a nominal "
        f"{look.level:.4f} ({spending} spending), so that all looks together keep .05; p values "
        "are repeated p values, and intervals are as wide."
    )


def at_dose(evidence: HypothesisEvidence) -> str:
    """Write the primary dose of a hypothesis in words."""
    axis, dose = evidence.hypothesis.axis, evidence.hypothesis.dose
    words = DOSE_WORDS.get(axis)
    if words is None:
        stage = evidence.plan.study.views.stages().get(axis.split(".")[0])
        whose = f" of {stage.title}" if isinstance(stage, OwnTransform) else ""
        return f"at {axis} = {dose:g}{whose}"
    return words.in_sentence.format(dose=dose, percent=100 * dose, apart=apart(evidence))


def apart(evidence: HypothesisEvidence) -> str:
    """Write how far apart in time the paired windows of a jitter are, and of which stream."""
    jitter = evidence.plan.study.views.jitter
    exactly = "about" if jitter.shape == "annulus" else "up to"
    of = f"of the activity and of the stream {jitter.stream!r} " if jitter.stream else ""
    return f"{of}{exactly} {evidence.hypothesis.dose:g} s apart"


def where(finding: HypothesisFinding) -> str:
    """Write what a finding holds for: these recordings, or a population."""
    if len(finding.sessions) == 1:
        return "In this one recording"
    if finding.scope == THESE_RECORDINGS:
        return f"In these {len(finding.sessions)} recordings"
    return f"Across {finding.scope.split()[-1]}"
