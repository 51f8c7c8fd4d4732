"""The scope of a claim in words: what a verdict can support and what it cannot, however it came out (science.md 3.1, science-notes 2)."""

from invariance_probe.inference.code_measures import in_words
from invariance_probe.inference.findings import HypothesisFinding
from invariance_probe.inference.question import Question
from invariance_probe.inference.verdicts import UNCALIBRATED
from invariance_probe.inference.wording import apart, carriers, few_units

CLAIMED = {
    "invariant": "{target} is {robust} at this dose: neither the inputs nor a representation made invariant lose more than the margin",
    "recoverable": "{target} is {shared}: inputs under this dose carry less of it, and what the views share gives it back",
    "sensitive": "information on {target} is lost at this dose, and a representation made invariant pays for it beyond the corruption",
    "competition": "this objective at these settings discards {target}, although the corrupted inputs still carry it",
    "distributed": "nothing of {target} is lost at this dose that the representation cannot recover; whether the inputs carry less is open",
}
"""What each verdict on a corruption can support (science-notes 2.2); `distributed` is that prediction, supported without a verdict."""

JITTER_CLAIMED = {
    "invariant": "{target} can be decoded from a representation that was trained to be constant over windows {apart}",
    "sensitive": "a representation that was trained to be constant over windows {apart} loses more than the margin of {target}",
}
"""What each verdict on a jitter can support (science-notes 2.1)."""

UNCLAIMED = {
    "inconclusive": "The estimates with their bounds; hold a margin of your own against the ends of the intervals.",
    "invalid": "The estimates as a description; no claim rests on them until the gate holds.",
    UNCALIBRATED: "A description of this method at these settings, and whatever was measured without SSL.",
    "untestable": "What the baselines say of the sessions, and nothing about {axis}.",
}
"""What can be read where there is no verdict."""

LIMITS = {
    "invariant": "that larger doses cost nothing",
    "recoverable": "that {target} is there several times over: information is lost",
    "competition": "anything about the code: this is about the method",
    "inconclusive": "either direction: a verdict that was not reached is no evidence for its opposite",
    UNCALIBRATED: "either direction: how often this method's verdicts are wrong is not known",
    "invalid": "either direction",
    "untestable": "either direction",
}
"""What each verdict by itself cannot support."""

CORRUPTIONS = {
    "unit_dropout": ("redundant against the loss of units", "distributed over the recorded units"),
    "spike_thinning": ("robust to the loss of spikes", "recoverable from fewer spikes"),
    "gaussian_noise": ("robust to added noise", "recoverable under added noise"),
}
"""What `invariant` and `recoverable` mean under each corruption."""

PLACES = {
    "these recordings": "For these recordings",
    "population of sessions": "For sessions like these, of one subject and preparation",
    "population of subjects": "For subjects like these",
}
ELSEWHERE = {
    "these recordings": "anything about other sessions or subjects",
    "population of sessions": "anything about other subjects or preparations",
}
"""Where each scope holds, and what it leaves out (science-notes 4.1)."""


def supports(question: Question, finding: HypothesisFinding) -> str:
    """Return what a finding can support: where, in which sample, for which target and decoder, under which recipe."""
    study, word = question.plan.study, _word(finding)
    if word in UNCLAIMED:
        text = UNCLAIMED[word].format(axis=finding.axis)
    elif question.jitter:
        claim = JITTER_CLAIMED[word].format(target=f"“{study.target.name}”", apart=apart(question))
        text = f"{PLACES[finding.scope]}, under this recipe (method, width, amount of data): {claim}. "
        text += "Labels and areas can be put in order by such doses under one recipe."
    else:
        robust, shared = CORRUPTIONS.get(finding.axis.split(".")[0], ("robust to the corruption", "recoverable under it"))
        claim = CLAIMED[word].format(target=f"“{study.target.name}”", robust=robust, shared=shared)
        text = f"{PLACES[finding.scope]}, in the recorded sample, with a {study.probe.kind} decoder: {claim}."
    if word == "sensitive" and not question.jitter and few_units(question, finding):
        text += f" Few units carry it: N_eff is at most {carriers(question, finding)[0]:.3g}, below a quarter of the units."
    tau = next((in_words(measure) for measure in finding.no_ssl.measures if measure.name == "tau_s"), None)
    return text + (
        f" The time constant of label and code together is that of the test-lag curve: {tau}." if question.jitter and tau else ""
    )


def cannot_support(question: Question, finding: HypothesisFinding) -> str:
    """Return what a finding cannot support, however its verdict is worded."""
    target, word = f"“{question.plan.study.target.name}”", _word(finding)
    limits = [LIMITS[word].format(target=target)] if word in LIMITS else []
    if question.jitter and word != "untestable":
        limits.append(
            "the circuit's time constant: the training dose at which decoding fails depends on width, rival latents and loss"
        )
        limits.append(
            f"smoothness of the code beyond that of {target} itself, for which kappa = r / rho would have to stay near 1"
        )
    if word not in UNCLAIMED:
        limits += [] if question.jitter else _limits_of_corruption(question, finding, word)
        limits += (
            ["that help by the corruption is invariance: corrupting also regularises"] if "regularised" in finding.flags else []
        )
        limits += [ELSEWHERE[finding.scope]] if finding.scope in ELSEWHERE else []
        limits += (
            [f"a confirmed claim, only one to test on new data: {_why(question)}"] if finding.status == "exploratory" else []
        )
    return _sentence(limits)


def _word(finding: HypothesisFinding) -> str:
    """Return the verdict without its reason; `distributed` where that prediction is supported without one."""
    word = finding.verdict.split(":")[0]
    return "distributed" if word == "inconclusive" and finding.outcome == "supported" else word


def _limits_of_corruption(question: Question, finding: HypothesisFinding, word: str) -> list[str]:
    limits = []
    if word == "sensitive" and not few_units(question, finding):
        upper, quarter = carriers(question, finding)
        known = (
            f"N_eff may be {upper:.3g}, and a quarter of the units is {quarter:g}"
            if upper is not None
            else "N_eff has no bound here"
        )
        limits.append(f"that few units carry it ({known}): at a high dose a code of many carriers is sensitive too")
    if finding.axis.startswith("unit_dropout") and word != "competition":
        limits.append("anything about unrecorded units, or whether the circuit relies on a unit (nothing was perturbed)")
        limits.append("the loss of units as against noise of the same variance, which can cost the same")
    return [*limits, "other classes of decoders"]


def _why(question: Question) -> str:
    """Return why a hypothesis is exploratory."""
    standing = question.evidence.standing
    if standing.sha256 is None:
        return "it was not registered"
    if not standing.confirms(question.hypothesis.id):
        return "it departs from its registration"
    return "a quick study leaves out checks" if question.plan.study.quick else "it was declared exploratory"


def _sentence(limits: list[str]) -> str:
    text = "; ".join(limits)
    return f"{text[0].upper()}{text[1:]}."
