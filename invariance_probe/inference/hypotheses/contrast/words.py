"""A contrast in words.

In: one hypothesis with its evidence, and its finding. Out: its sentence, which claims no
more than the evidence. Nothing is judged here.
"""

from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.hypotheses.question import Question
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
"""The control that each claim says mined pairs beat."""
ONLY_RANDOM = (
    "mined pairs are better than random ones, which is not a benefit: they are not shown to "
    "be better than local pairs"
)

FEW = "what pairs share (purity, nuisance distance) can be claimed of four sessions or more only"


def contrast_sentence(question: Question, finding: HypothesisFinding) -> str:
    """State the verdict in words, with its figures.

    It says where the verdict holds, at which share, what was shown and what was not, and
    what would settle it where it is withheld or open.

    Parameters
    ----------
    question
        The hypothesis with its evidence.
    finding
        Its finding.
    """
    missing = not finding.claims and finding.verdict.word != UNTESTABLE
    return _verdict_in_words(question, finding) + remedy(finding, missing)


def _verdict_in_words(question: Question, finding: HypothesisFinding) -> str:
    place = f"{where(finding)}, {at_dose(question)}"
    word = finding.verdict.word
    if word == UNCALIBRATED:
        return no_licence(question, place, finding)
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
        question, finding
    )
    return (
        f"{place}, {said} ({_figures(finding)}; margin {finding.margin:g} of the decodable range)."
    )


def pairs_of(question: Question) -> str:
    """Name the distant pairs: by the guide that made them, or as mined."""
    guide = getattr(question.plan.study.views.pairing, "guide", None)
    return "mined pairs" if guide is None else f"pairs guided by {guide.name!r}"


def _beneficial(question: Question, finding: HypothesisFinding) -> str:
    if finding.axis == STATE_SHARE:
        return (
            f"pairs with mined sleep are beneficial: their loss is below that of "
            f"{controls_of(finding)}"
        )
    nuisance = nuisance_of(question)
    apart = (
        f"differ in {nuisance!r} about as unrelated windows do"
        if nuisance
        else "are of unknown distance in any nuisance"
    )
    below = (
        f"{pairs_of(question)} are beneficial: their loss is below that of {controls_of(finding)}"
    )
    return f"{below}, and they are purer than random and shifted pairs and {apart}"


def _harmful(question: Question, finding: HypothesisFinding) -> str:
    beats = _shown(finding, "M_rand > m")
    more = ", though below that of random pairs, which is not a benefit" if beats else ""
    return f"{pairs_of(question)} are harmful: their loss is above that of local pairs{more}"


def _not_shown(question: Question, finding: HypothesisFinding) -> str:
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
    return any(claim.name == name for claim in finding.claims)


def controls_of(finding: HypothesisFinding) -> str:
    """Name the controls that the finding's claims are about."""
    return listed([CONTROLS[c.name] for c in finding.claims if c.name in CONTROLS])


def _figures(finding: HypothesisFinding) -> str:
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
    return f"{estimate:.2f} [{low:.2f}, {high:.2f}]"


def _shown(finding: HypothesisFinding, name: str) -> bool:
    return any(claim.name == name and claim.shown for claim in finding.claims)


def nuisance_of(question: Question) -> str:
    """Name of the nuisance of mined pairs; empty where none is named."""
    pairing = question.plan.study.views.pairing
    return pairing.nuisance if isinstance(pairing, MinedPairing) else ""
