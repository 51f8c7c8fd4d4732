"""What a verdict on distant pairs can support, and what it cannot.

In: a contrast with its evidence, and its finding. Out: two texts for the report.
Nothing is judged here.
"""

import numpy as np

from invariance_probe.inference.evidence.estimands import IDENTITY, at
from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.hypotheses.contrast.words import FEW, controls_of, nuisance_of
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.hypotheses.wording import ELSEWHERE, PLACES, capital
from invariance_probe.inference.verdict import UNTESTABLE
from invariance_probe.study.session import THESE_RECORDINGS
from invariance_probe.study.state_pairing import STATE_SHARE


def supports(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write what a contrast can support, and what SSL retains beside a decoder.

    The reasons are given in docs/science.md.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    finding
        The finding with its verdict.
    """
    return _supported(evidence, finding) + _beside_no_ssl(evidence, finding)


def _supported(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write what the verdict can support."""
    target, place = f"“{evidence.plan.study.target.name}”", PLACES[finding.scope]
    word, states = finding.verdict.word, finding.axis == STATE_SHARE
    if states and word in ("beneficial", "harmful"):
        return STATES_SUPPORT[word].format(place=place, target=target)
    if word == "beneficial":
        nuisance = nuisance_of(evidence)
        across = f"across {nuisance!r}" if nuisance else "across time"
        if guide := getattr(evidence.plan.study.views.pairing, "guide", None):
            return (
                f"{place}, under this recipe (method, amount of data): an encoder that "
                f"the labels {guide.name!r} train to take windows as alike "
                f"decodes {target} better than with {controls_of(finding)}. Whether "
                f"activity alone would find them alike is another evidence."
            )
        return (
            f"{place}, under this recipe (method, miner, amount of data): recurring "
            f"states share structure {across} that an encoder can be "
            f"taught, and {target} is then decoded better than with {controls_of(finding)}."
        )
    if word == "harmful":
        return (
            f"{place}, under this recipe: pairs that this miner takes for alike cost "
            f"{target}, against local pairs."
        )
    if word == UNTESTABLE:
        return "What the baselines say of the sessions, and nothing about mined pairs."
    return "The contrasts with their intervals, as a description."


def cannot_support(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write what a contrast cannot support, with the limits of every verdict.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    finding
        The finding with its verdict.
    """
    if finding.axis == STATE_SHARE:
        return _state_limits(finding)
    guide = getattr(evidence.plan.study.views.pairing, "guide", None)
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
    if finding.verdict.word == "not shown":
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
    if not nuisance_of(evidence):
        limits.append(
            "that pairs recur across a nuisance: none is named, so its distance within "
            "pairs is not measured"
        )
    if finding.scope in ELSEWHERE:
        limits.append(ELSEWHERE[finding.scope])
    if finding.status == "exploratory":
        limits.append("a confirmed claim, only one to test on new data")
    return capital("; ".join(limits)) + "."


STATES_SUPPORT = {
    "beneficial": "{place}, under this recipe (method, miner, span, compression, amount of data): "
    "sleep holds trajectories in these units and "
    "in this order that help to decode {target} awake, more than as much sleep of "
    "another state, in another order, or of other units.",
    "harmful": (
        "{place}, under this recipe: pairs with mined sleep cost {target}, against local pairs."
    ),
}
"""What a verdict on pairs across states (waking and sleep) can support."""


def _state_limits(finding: HypothesisFinding) -> str:
    """Write what a contrast of pairs across waking and sleep cannot support."""
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
    if finding.verdict.word == "not shown":
        limits.insert(
            0, "that sleep does not replay: a benefit that is not shown is no evidence against one"
        )
    if finding.scope in ELSEWHERE:
        limits.append(ELSEWHERE[finding.scope])
    return capital("; ".join(limits)) + "."


def _beside_no_ssl(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write how much SSL retains with mined and with local pairs.

    It is the fraction of the range from the best constant to the best decoder without
    SSL. The text is empty if runs are missing.
    """
    arms = {"mined": at(finding.axis, finding.primary_dose, "mined"), "local": IDENTITY}
    kept = {
        name: [losses.retention(losses.ssl(address)) for losses in evidence.losses]
        for name, address in arms.items()
    }
    if not evidence.losses or not all(np.isfinite(values).all() for values in kept.values()):
        return ""
    mined, local = (float(np.mean(kept[name])) for name in ("mined", "local"))
    families = " or ".join(sorted({losses.ceiling_family for losses in evidence.losses}))
    return (
        f" Of the range that the {families} decoder defines, SSL keeps {mined:.2f} with "
        f"mined and {local:.2f} with local pairs: a benefit "
        "of mined pairs is one over other pairs, and over no SSL only where this is above 1."
    )
