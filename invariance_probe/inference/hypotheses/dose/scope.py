"""What a verdict on a dose can support, and what it cannot.

In: a hypothesis with its evidence, and its finding. Out: two texts for the report.
Nothing is judged here.
"""

from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.hypotheses.code_measures import in_words
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.hypotheses.wording import (
    CARRIERS_MEANINGS,
    ELSEWHERE,
    JITTER_MEANINGS,
    MEANINGS,
    PLACES,
    capital,
)
from invariance_probe.inference.rules.verdicts import (
    CARRIERS_WORDS,
    RECIPE_DEPENDENT,
    UNCALIBRATED,
    WORDS,
)
from invariance_probe.inference.verdict import INVALID, UNTESTABLE

UNCLAIMED = {
    "inconclusive": (
        "The estimates with their bounds; hold a margin of your own against the ends of the "
        "intervals."
    ),
    INVALID: "The estimates as a description, and what is found of the code without SSL.",
    UNCALIBRATED: (
        "A description of this method at these settings, and what is found of the code without SSL."
    ),
    UNTESTABLE: "What the baselines say of the sessions, and nothing about {axis}.",
}
"""What the results can support if there is no verdict, by the word in its place."""

LIMITS = {
    "invariant": "that larger doses cost nothing",
    "tolerated": (
        "that the target is there several times over, or that anything lost is recovered: "
        "information is lost"
    ),
    "sensitive": (
        "that few units carry the target: what training costs does not say how many units carry it"
    ),
    "competition": "anything about the code: this is about the method",
    RECIPE_DEPENDENT: "what training costs in general: the word changes with the recipe",
    "few": (
        "that the circuit reads these units, or that other units know nothing: copies are "
        "chosen arbitrarily"
    ),
    "between": "that few units carry the target, or that it is spread",
    "spread": "that every unit carries the target, or that any part of the units would do",
    "inconclusive": (
        "either direction: a verdict that was not reached is no evidence for its opposite"
    ),
    UNCALIBRATED: (
        "a verdict about learning: how often this method's verdicts are wrong is not known"
    ),
    INVALID: "a verdict in either direction",
    UNTESTABLE: "a verdict in either direction",
}
"""What each verdict by itself cannot support."""

TOLERATED_JITTER = (
    "that the code is invariant: the target itself changes over the window, and only "
    "training was asked to ignore it"
)
"""What `tolerated` cannot support for a jitter, which removes no input."""
LIMITS_OF_JITTER = (
    (
        "the circuit's time constant: the training dose at which decoding fails depends on "
        "width, rival latents and loss"
    ),
    "smoothness of the code beyond that of the target itself, which would need kappa = r / rho",
)
"""What no verdict on a jitter can support (science-notes 2.1 and 2.2)."""
LIMITS_OF_UNITS = (
    "anything about unrecorded units, or whether the circuit relies on a unit (nothing was "
    "perturbed)"
)
"""What no verdict about units can support (science-notes 2.1 and 2.2)."""
LIMITS_OF_DROPOUT = (
    "the loss of units as against noise of the same variance, which can cost the same"
)
"""What no verdict on training with dropped units can support.

The reasons are in science-notes 2.1 and 2.2.
"""


def supports(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write what a finding can support: for which sessions, target and decoder.

    A finding that rests on training names its recipes too.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    finding
        The finding with its verdict.
    """
    word = finding.verdict.word
    if word in UNCLAIMED:
        said = [UNCLAIMED[word].format(axis=finding.axis)]
    else:
        said = [
            f"{PLACES[finding.scope]}, {_with_what(evidence, word)}: {_meaning(evidence, word)}."
        ]
    tau = next(
        (in_words(measure) for measure in finding.no_ssl.measures if measure.name == "tau_s"), None
    )
    if evidence.jitter and tau:
        said.append(
            f"The time constant of label and code together is that of the test-lag curve: {tau}."
        )
    return " ".join(said)


def _with_what(evidence: HypothesisEvidence, word: str) -> str:
    """Write to which decoder a verdict applies, and under which recipes."""
    if word in CARRIERS_WORDS:
        return (
            f"for “{evidence.plan.study.target.name}” in the recorded units, with linear decoders"
        )
    decoder = (
        f"for “{evidence.plan.study.target.name}” in the recorded sample, with a "
        f"{evidence.plan.study.probe.kind} decoder"
    )
    names = [recipe.name for recipe in evidence.panel.computed]
    return (
        f"{decoder} and under "
        f"{'the recipes ' if len(names) > 1 else 'the recipe '}{', '.join(names)}"
    )


def _meaning(evidence: HypothesisEvidence, word: str) -> str:
    """Look up what a verdict means for a corruption, a jitter or units."""
    if word in CARRIERS_WORDS:
        return CARRIERS_MEANINGS[word]
    return JITTER_MEANINGS[word] if evidence.jitter else MEANINGS[word]


def cannot_support(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write what a finding cannot support, with the limits of every verdict.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    finding
        The finding with its verdict.
    """
    word = finding.verdict.word
    limits = [TOLERATED_JITTER if evidence.jitter and word == "tolerated" else LIMITS[word]]
    if evidence.jitter and word != UNTESTABLE:
        limits += LIMITS_OF_JITTER
    if word not in UNCLAIMED:
        if not evidence.jitter:
            limits += _limits_of_corruption(evidence, word)
        if "regularised" in finding.flags:
            limits.append("that help by the corruption is invariance: corrupting also regularises")
        if finding.scope in ELSEWHERE:
            limits.append(ELSEWHERE[finding.scope])
        if finding.status == "exploratory":
            limits.append(
                f"a confirmed claim, only one to test on new data: "
                f"{_why_exploratory(evidence, finding)}"
            )
    return capital("; ".join(limits)) + "."


def _limits_of_corruption(evidence: HypothesisEvidence, word: str) -> list[str]:
    """List what a verdict on a corruption or on units cannot support."""
    units = evidence.hypothesis.axis.startswith("unit_dropout") or word in CARRIERS_WORDS
    limits = [LIMITS_OF_UNITS] if units and word != "competition" else []
    if (
        evidence.hypothesis.axis.startswith("unit_dropout")
        and word in WORDS
        and word != "competition"
    ):
        limits.append(LIMITS_OF_DROPOUT)
    return [*limits, "other classes of decoders"]


def _why_exploratory(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write why a finding counts as exploratory."""
    standing = evidence.of_study.standing
    if standing.sha256 is None:
        return "it was not registered"
    if not standing.confirms(evidence.hypothesis.id):
        return "it departs from its registration"
    if evidence.plan.study.quick:
        return "a quick study leaves out checks"
    if evidence.hypothesis.role == "exploratory":
        return "it was declared exploratory"
    return "a gate or a recipe that it needs is open"
