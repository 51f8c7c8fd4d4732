"""A contrast in words: its sentence, and what it can and cannot support.

In: one hypothesis with its evidence, and its finding. Out: texts for the report that
claim no more than the evidence. Nothing is judged here.
"""

import numpy as np

from invariance_probe.inference.evidence.estimands import IDENTITY, at
from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.hypotheses.question import Question
from invariance_probe.inference.hypotheses.remedies import remedy
from invariance_probe.inference.hypotheses.scope import ELSEWHERE, PLACES
from invariance_probe.inference.hypotheses.wording import (
    at_dose,
    fallen,
    listed,
    no_licence,
    where,
    why_invalid,
)
from invariance_probe.inference.rules.verdicts import EXPERIMENTAL, INCONCLUSIVE, UNCALIBRATED
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
    missing = not finding.claims and not finding.verdict.startswith("untestable")
    return _verdict_in_words(question, finding) + remedy(finding, missing)


def _verdict_in_words(question: Question, finding: HypothesisFinding) -> str:
    place = f"{where(finding)}, {at_dose(question)}"
    word = finding.verdict.removeprefix(EXPERIMENTAL)
    if word == UNCALIBRATED:
        return no_licence(question, place, finding)
    if word.startswith("invalid"):
        return f"{place}, {why_invalid(finding, word)}"
    if word.startswith(INCONCLUSIVE):
        return (
            f"{place}, {fallen(word)} ({_figures(finding)}; margin {finding.margin:g} of the "
            f"decodable range)."
        )
    if not finding.claims:
        reason = "; ".join(finding.notes) or next(
            (gate.detail for gate in finding.gates if gate.passed is False), ""
        )
        return f"{place}, there is no verdict ({finding.verdict}): {reason}."
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
            f"{_controls(finding)}"
        )
    nuisance = _nuisance(question)
    apart = (
        f"differ in {nuisance!r} about as unrelated windows do"
        if nuisance
        else "are of unknown distance in any nuisance"
    )
    below = f"{pairs_of(question)} are beneficial: their loss is below that of {_controls(finding)}"
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


def _controls(finding: HypothesisFinding) -> str:
    """Name the controls that the finding's claims are about."""
    return listed([CONTROLS[c.name] for c in finding.claims if c.name in CONTROLS])


def contrast_supports(question: Question, finding: HypothesisFinding) -> str:
    """Say what a contrast can support, and what SSL keeps beside a plain decoder.

    The reasons are in science-notes 2.3.

    Parameters
    ----------
    question
        The hypothesis with its evidence.
    finding
        Its finding.
    """
    return _supported(question, finding) + _beside_no_ssl(question, finding)


def _supported(question: Question, finding: HypothesisFinding) -> str:
    target, place = f"“{question.plan.study.target.name}”", PLACES[finding.scope]
    word, states = finding.verdict.removeprefix(EXPERIMENTAL), finding.axis == STATE_SHARE
    if states and word in ("beneficial", "harmful"):
        return STATES_SUPPORT[word].format(place=place, target=target)
    if word == "beneficial":
        nuisance = _nuisance(question)
        across = f"across {nuisance!r}" if nuisance else "across time"
        if guide := getattr(question.plan.study.views.pairing, "guide", None):
            return (
                f"{place}, under this recipe (method, amount of data): an encoder that "
                f"the labels {guide.name!r} train to take windows as alike "
                f"decodes {target} better than with {_controls(finding)}. Whether "
                f"activity alone would find them alike is another question."
            )
        return (
            f"{place}, under this recipe (method, miner, amount of data): recurring "
            f"states share structure {across} that an encoder can be "
            f"taught, and {target} is then decoded better than with {_controls(finding)}."
        )
    if word == "harmful":
        return (
            f"{place}, under this recipe: pairs that this miner takes for alike cost "
            f"{target}, against local pairs."
        )
    if word.startswith("untestable"):
        return "What the baselines say of the sessions, and nothing about mined pairs."
    return "The contrasts with their intervals, as a description."


def contrast_limits(question: Question, finding: HypothesisFinding) -> str:
    """Say what a contrast cannot support, however its verdict is worded.

    Parameters
    ----------
    question
        The hypothesis with its evidence.
    finding
        Its finding.
    """
    guide = getattr(question.plan.study.views.pairing, "guide", None)
    limits = (
        []
        if guide is None
        else [
            (
                f"that the code finds alike what {guide.name!r} does: pairs were made by "
                f"that label, and not by activity"
            )
        ]
    )
    limits += [
        "that SSL is needed: a decoder of the raw activity stands among the baselines",
        (
            "anything under a nuisance that training and test parts share: folds hold out "
            "time, and only what differs between them is tested"
        ),
    ]
    if finding.axis == STATE_SHARE:
        return _state_limits(finding)
    if finding.verdict == "not shown":
        limits.insert(
            0,
            "that mined pairs do not help: a benefit that is not shown is no evidence against one",
        )
    if finding.scope == THESE_RECORDINGS:
        limits.append(
            "that pairs share the target or differ in a nuisance, and so a benefit: a session's "
            f"folds share training windows and its seeds one table of neighbours, so {FEW}; purity "
            "and distance of these recordings are a description"
        )
    if not _nuisance(question):
        limits.append(
            "that pairs recur across a nuisance: none is named, so its distance within "
            "pairs is not measured"
        )
    if finding.scope in ELSEWHERE:
        limits.append(ELSEWHERE[finding.scope])
    if finding.status == "exploratory":
        limits.append("a confirmed claim, only one to test on new data")
    text = "; ".join(limits)
    return f"{text[0].upper()}{text[1:]}."


STATES_SUPPORT = {
    "beneficial": "{place}, under this recipe (method, miner, span, compression, amount of data): "
    "sleep holds trajectories in these units and "
    "in this order that help to decode {target} awake, more than as much sleep of "
    "another state, in another order, or of other units.",
    "harmful": (
        "{place}, under this recipe: pairs with mined sleep cost {target}, against local pairs."
    ),
}
"""What a verdict on pairs across states can support."""


def _state_limits(finding: HypothesisFinding) -> str:
    """Say what a contrast of pairs across states cannot support."""
    limits = [
        (
            "a confirmed claim: pairs across states are experimental, and no calibration "
            "licenses their verdict"
        ),
        "what is represented asleep: windows asleep have no label, and none is decoded from them",
        (
            "that sleep replays what was just experienced: that needs sleep before the "
            "experience as the control state"
        ),
        (
            "that the brain uses such pairs, or that SSL is needed: a decoder of the raw "
            "activity stands among the baselines"
        ),
    ]
    if finding.verdict.removeprefix(EXPERIMENTAL) == "not shown":
        limits.insert(
            0, "that sleep does not replay: a benefit that is not shown is no evidence against one"
        )
    if finding.scope in ELSEWHERE:
        limits.append(ELSEWHERE[finding.scope])
    text = "; ".join(limits)
    return f"{text[0].upper()}{text[1:]}."


def _beside_no_ssl(question: Question, finding: HypothesisFinding) -> str:
    """Say what fraction of the range SSL keeps, with mined and with local pairs.

    The range is that of a decoder without SSL.
    """
    arms = {"mined": at(finding.axis, finding.primary_dose, "mined"), "local": IDENTITY}
    kept = {
        name: [losses.retention(losses.ssl(address)) for losses in question.losses]
        for name, address in arms.items()
    }
    if not question.losses or not all(np.isfinite(values).all() for values in kept.values()):
        return ""
    mined, local = (float(np.mean(kept[name])) for name in ("mined", "local"))
    families = " or ".join(sorted({losses.ceiling_family for losses in question.losses}))
    return (
        f" Of the range that the {families} decoder defines, SSL keeps {mined:.2f} with "
        f"mined and {local:.2f} with local pairs: a benefit "
        "of mined pairs is one over other pairs, and over no SSL only where this is above 1."
    )


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


def _nuisance(question: Question) -> str:
    pairing = question.plan.study.views.pairing
    return pairing.nuisance if isinstance(pairing, MinedPairing) else ""
