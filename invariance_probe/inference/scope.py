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
    UNCALIBRATED: "a verdict in either direction: how often this method's verdicts are wrong is not known",
    "invalid": "a verdict in either direction",
    "untestable": "a verdict in either direction",
}
"""What each verdict by itself cannot support."""

LIMITS_OF_JITTER = (
    "the circuit's time constant: the training dose at which decoding fails depends on width, rival latents and loss",
    "smoothness of the code beyond that of {target} itself, which would need kappa = r / rho",
)
LIMITS_OF_DROPOUT = (
    "anything about unrecorded units, or whether the circuit relies on a unit (nothing was perturbed)",
    "the loss of units as against noise of the same variance, which can cost the same",
)
"""What no verdict on a jitter, or on dropped units, can support (science-notes 2.1 and 2.2)."""

CORRUPTIONS = {
    "unit_dropout": ("redundant against the loss of units", "distributed over the recorded units"),
    "spike_thinning": ("robust to the loss of spikes", "recoverable from fewer spikes"),
    "gaussian_noise": ("robust to added noise", "recoverable under added noise"),
    "stratified_dropout": ("redundant against the even loss of units of all rates", "distributed over the recorded units"),
    "gain_modulation": ("unmoved by a gain that units share", "recoverable under a gain that units share"),
    "progressive_unit_loss": ("redundant against the loss of units in one order", "recoverable from the units that last"),
    "unit_permutation": (
        "unmoved when neighbours are taken for each other",
        "recoverable when neighbours are taken for each other",
    ),
    "waveform_drift": ("unmoved when neighbours' spikes are mixed", "recoverable when neighbours' spikes are mixed"),
    "pepper": ("robust to spurious activity", "recoverable under spurious activity"),
    "time_cutout": ("redundant over the bins of a window", "recoverable from the other bins of a window"),
    "unit_cutout": ("redundant against the loss of a block of units", "recoverable without a block of units"),
    "cutmix": ("unmoved by another window's block", "recoverable beside another window's block"),
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
    word = _word(finding)
    if word in UNCLAIMED:
        said = [UNCLAIMED[word].format(axis=finding.axis)]
    else:
        said = _jitter_claim(question, finding, word) if question.jitter else _corruption_claim(question, finding, word)
    tau = next((in_words(measure) for measure in finding.no_ssl.measures if measure.name == "tau_s"), None)
    if question.jitter and tau:
        said.append(f"The time constant of label and code together is that of the test-lag curve: {tau}.")
    return " ".join(said)


def _jitter_claim(question: Question, finding: HypothesisFinding, word: str) -> list[str]:
    claim = JITTER_CLAIMED[word].format(target=_target(question), apart=apart(question))
    return [
        f"{PLACES[finding.scope]}, under this recipe (method, width, amount of data): {claim}.",
        "Labels and areas can be put in order by such doses under one recipe.",
    ]


def _corruption_claim(question: Question, finding: HypothesisFinding, word: str) -> list[str]:
    robust, shared = CORRUPTIONS.get(finding.axis.split(".")[0], ("robust to the corruption", "recoverable under it"))
    claim = CLAIMED[word].format(target=_target(question), robust=robust, shared=shared)
    probe = question.plan.study.probe.kind
    said = [f"{PLACES[finding.scope]}, in the recorded sample, with a {probe} decoder: {claim}."]
    if word == "sensitive" and few_units(question, finding):
        upper, _ = carriers(question, finding)
        said.append(f"Few units carry it: N_eff is at most {upper:.3g}, below a quarter of the units.")
    return said


def cannot_support(question: Question, finding: HypothesisFinding) -> str:
    """Return what a finding cannot support, however its verdict is worded."""
    word = _word(finding)
    limits = [LIMITS[word].format(target=_target(question))] if word in LIMITS else []
    if question.jitter and word != "untestable":
        limits += [limit.format(target=_target(question)) for limit in LIMITS_OF_JITTER]
    if word not in UNCLAIMED:
        if not question.jitter:
            limits += _limits_of_corruption(question, finding, word)
        if "regularised" in finding.flags:
            limits.append("that help by the corruption is invariance: corrupting also regularises")
        if finding.scope in ELSEWHERE:
            limits.append(ELSEWHERE[finding.scope])
        if finding.status == "exploratory":
            limits.append(f"a confirmed claim, only one to test on new data: {_why_exploratory(question)}")
    text = "; ".join(limits)
    return f"{text[0].upper()}{text[1:]}."


def _target(question: Question) -> str:
    return f"“{question.plan.study.target.name}”"


def _word(finding: HypothesisFinding) -> str:
    """Return the verdict without its reason; `distributed` where that prediction is supported without one."""
    word = finding.verdict.split(":")[0]
    return "distributed" if word == "inconclusive" and finding.outcome == "supported" else word


def _limits_of_corruption(question: Question, finding: HypothesisFinding, word: str) -> list[str]:
    limits = []
    if word == "sensitive" and not few_units(question, finding):
        upper, quarter = carriers(question, finding)
        known = (
            f"it may be {upper:.3g}, and a quarter of the units is {quarter:g}" if upper is not None else "it has no bound here"
        )
        limits.append(f"that few units carry it, by N_eff ({known}): at a high dose a code of many carriers is sensitive too")
    if finding.axis.startswith("unit_dropout") and word != "competition":
        limits += LIMITS_OF_DROPOUT
    return [*limits, "other classes of decoders"]


def _why_exploratory(question: Question) -> str:
    standing = question.evidence.standing
    if standing.sha256 is None:
        return "it was not registered"
    if not standing.confirms(question.hypothesis.id):
        return "it departs from its registration"
    return "a quick study leaves out checks" if question.plan.study.quick else "it was declared exploratory"
