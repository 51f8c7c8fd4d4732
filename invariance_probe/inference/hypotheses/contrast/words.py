"""Sentence about a contrast: whether training on distant pairs helps.

In: one hypothesis with its evidence, and its finding. Out: a sentence that claims no
more than the evidence shows. Nothing is judged here.
"""

from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.hypotheses.remedies import remedy
from invariance_probe.inference.hypotheses.wording import (
    at_dose,
    fallen,
    listed,
    no_licence,
    where,
    why_invalid,
)
from invariance_probe.inference.rules.verdicts import INCONCLUSIVE, UNCALIBRATED
from invariance_probe.inference.verdict import INVALID, UNTESTABLE
from invariance_probe.study.pairing import MinedPairing
from invariance_probe.study.session import THESE_RECORDINGS
from invariance_probe.study.state_pairing import STATE_SHARE

CONTROLS = {
    "M_loc > m": "local pairs", "M_rand > m": "random pairs", "M_shift > m": "shifted pairs",
    "M_other > m": "pairs of the other state",
    "M_shuffled > m": "pairs with time-shuffled sleep",
    "M_permuted > m": "pairs with unit-permuted sleep",
}  # fmt: skip
"""The control that mined pairs beat if a claim is shown, by name of the claim."""
ONLY_RANDOM = (
    "mined pairs are better than random ones, which is not a benefit: they are not shown to "
    "be better than local pairs"
)
"""Said if mined pairs beat random pairs but are not shown to beat local ones."""

FEW = "what pairs share (purity, nuisance distance) can be claimed of four sessions or more only"
"""Said if there are too few sessions for claims about the pairs themselves."""


def contrast_sentence(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write the verdict on a contrast as a sentence, with its numbers.

    The sentence says what the verdict holds for, the share of distant pairs, and what
    was shown and what was not. If the verdict is withheld or inconclusive, a second
    sentence says what would settle it.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    finding
        The finding with its verdict.
    """
    missing = not finding.claims and finding.verdict.word != UNTESTABLE
    return _verdict_in_words(evidence, finding) + remedy(finding, missing)


def _verdict_in_words(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write the verdict as a sentence, without what would settle it."""
    place = f"{where(finding)}, {at_dose(evidence)}"
    word = finding.verdict.word
    if word == UNCALIBRATED:
        return no_licence(evidence, place, finding)
    if word == INVALID:
        return f"{place}, {why_invalid(finding)}"
    if word == INCONCLUSIVE:
        return (
            f"{place}, {fallen(finding.verdict)} ({_figures(finding)}; margin "
            f"{finding.margin:g} of the decodable range)."
        )
    if not finding.claims:
        reason = "; ".join(finding.notes) or next(
            (gate.detail for gate in finding.gates if gate.passed is False), ""
        )
        return f"{place}, there is no verdict ({finding.verdict.text}): {reason}."
    said = {"beneficial": _beneficial, "harmful": _harmful, "not shown": _not_shown}[word](
        evidence, finding
    )
    return (
        f"{place}, {said} ({_figures(finding)}; margin {finding.margin:g} of the decodable range)."
    )


def pairs_of(evidence: HypothesisEvidence) -> str:
    """Name the distant pairs: mined from activity, or guided by a label."""
    guide = getattr(evidence.plan.study.views.pairing, "guide", None)
    return "mined pairs" if guide is None else f"pairs guided by {guide.name!r}"


def _beneficial(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write what is shown if distant pairs are beneficial."""
    if finding.axis == STATE_SHARE:
        return (
            f"pairs with mined sleep are beneficial: their loss is below that of "
            f"{controls_of(finding)}"
        )
    nuisance = nuisance_of(evidence)
    apart = (
        f"differ in {nuisance!r} about as unrelated windows do"
        if nuisance
        else "are of unknown distance in any nuisance"
    )
    below = (
        f"{pairs_of(evidence)} are beneficial: their loss is below that of {controls_of(finding)}"
    )
    return f"{below}, and they are purer than random and shifted pairs and {apart}"


def _harmful(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write what is shown if distant pairs are harmful."""
    beats = _shown(finding, "M_rand > m")
    more = ", though below that of random pairs, which is not a benefit" if beats else ""
    return f"{pairs_of(evidence)} are harmful: their loss is above that of local pairs{more}"


def _not_shown(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write why neither benefit nor harm is shown."""
    turned = [f"{gate.name} ({gate.detail})" for gate in finding.gates if gate.passed is False]
    if turned:
        return f"nothing is shown: what the contrasts say is turned by {' and by '.join(turned)}"
    if _shown(finding, "M_rand > m") and not _shown(finding, "M_loc > m"):
        return f"no benefit is shown: {ONLY_RANDOM}"
    if finding.axis == STATE_SHARE:
        lost = [
            control
            for name, control in CONTROLS.items()
            if not _shown(finding, name) and _asked(finding, name)
        ]
        return (
            f"no benefit of sleep is shown: pairs with mined sleep are not shown to beat "
            f"{listed(lost)}"
        )
    lacking = [c.name for c in finding.claims if not c.shown and c.name != "M_loc < -m"]
    beaten = all(_shown(finding, c.name) for c in finding.claims if c.name in CONTROLS)
    what = (
        "share the target"
        if any(name.startswith("purity") for name in lacking)
        else "recur across the nuisance"
    )
    why = f"every control is beaten, but not by pairs that are shown to {what}; " if beaten else ""
    if finding.scope == THESE_RECORDINGS:
        of_losses = [name for name in lacking if name in CONTROLS]
        said = f"what is not shown is {', '.join(of_losses)}; " if of_losses else ""
        return f"no benefit is shown: {why}{said}{FEW}"
    return f"no benefit is shown: {why}what is not shown is {', '.join(lacking)}"


def _asked(finding: HypothesisFinding, name: str) -> bool:
    """Whether a claim is among those that the finding tested."""
    return any(claim.name == name for claim in finding.claims)


def controls_of(finding: HypothesisFinding) -> str:
    """List the controls that the claims of a finding compare with."""
    return listed([CONTROLS[c.name] for c in finding.claims if c.name in CONTROLS])


def _figures(finding: HypothesisFinding) -> str:
    """Write the estimates and intervals that the verdict rests on."""
    primary = {
        e.name: e
        for e in finding.estimands
        if e.dose == finding.primary_dose and e.name.startswith("M_")
    }
    figures = [
        f"{name} = {_interval(e.estimate, e.ci_low, e.ci_high)}" for name, e in primary.items()
    ]
    wanted = (
        "purity above random",
        "purity above shifted",
        "nuisance distance",
        "nuisance distance over shifted",
    )
    of_mined = [p for p in finding.pairs if p.name in wanted and p.arm == "mined"]
    figures += [f"{p.name} {_interval(p.estimate, p.ci_low, p.ci_high)}" for p in of_mined]
    return ", ".join(figures)


def _interval(estimate: float, low: float, high: float) -> str:
    """Write an estimate with its 90 % interval."""
    return f"{estimate:.2f} [{low:.2f}, {high:.2f}]"


def _shown(finding: HypothesisFinding, name: str) -> bool:
    """Whether a claim was tested and is shown."""
    return any(claim.name == name and claim.shown for claim in finding.claims)


def nuisance_of(evidence: HypothesisEvidence) -> str:
    """Nuisance in which mined pairs should differ; empty if the study names none."""
    pairing = evidence.plan.study.views.pairing
    return pairing.nuisance if isinstance(pairing, MinedPairing) else ""
