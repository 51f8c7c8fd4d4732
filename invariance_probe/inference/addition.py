"""What SSL adds to what is known without it: whether it repeats, refines or changes the no-SSL verdict, or adds nothing."""

from invariance_probe.inference.code_measures import in_words
from invariance_probe.inference.findings import CodeMeasure, HypothesisFinding, SSLAddition
from invariance_probe.inference.question import Question
from invariance_probe.inference.verdicts import ROWS
from invariance_probe.inference.wording import few_units

SENTENCES = {
    "open": "Without SSL it is open whether corrupted inputs carry less; SSL adds that, if they do, the representation recovers it.",
    "invariant": "SSL adds nothing to the verdict here: without it one knows that corrupted inputs carry as much{redundant}; it confirms "
    "that the representation keeps what the inputs carry.",
    "recoverable": "Without SSL one knows that corrupted inputs carry less; SSL adds that the representation recovers it from what the "
    "views share.",
    "recoverable, many": "Without SSL one knows that corrupted inputs carry less and that many units carry {target} ({n_eff}); SSL adds that "
    "the representation recovers it from what the views share.",
    "sensitive": "Without SSL one knows that corrupted inputs carry less, and not how many units carry {target}; SSL adds that the "
    "representation does not recover it from what the views share.",
    "sensitive, few": "SSL agrees with what is known without it: information is lost, and few units carry {target} ({n_eff}).",
    "sensitive, many": "Without SSL one knows that information is lost although many units carry {target} ({n_eff}), which looks "
    "recoverable; SSL says that the representation does not recover it.",
    "competition": "Without SSL nothing is lost; SSL says that this objective discards what the inputs still carry, which is about the method.",
}
RELATIONS = {
    "invariant": "repeats", "sensitive, few": "repeats", "sensitive, many": "changes", "competition": "changes",
}  # fmt: skip
"""How the SSL verdict stands to what is known without it; `refines` where nothing stands here."""


def ssl_adds(question: Question, finding: HypothesisFinding) -> SSLAddition:
    """Hold the SSL verdict against the no-SSL verdict, N_eff and RedIdx, and say in a sentence what it adds."""
    supported = finding.verdict == "inconclusive" and finding.outcome == "supported"
    if finding.verdict not in ROWS and not supported:
        known = f": {finding.no_ssl.verdict}" if finding.no_ssl.verdict != "not measured" else ""
        return SSLAddition(
            "nothing", f"SSL gives no answer here ({finding.verdict}); what stands is what is known without it{known}."
        )
    if question.jitter:
        return _beside_persistence(question, finding)
    case = "open" if supported else _case(question, finding)
    n_eff, red_idx = _measure(finding, "n_eff"), _measure(finding, "red_idx")
    redundant = red_idx is not None and red_idx.ci_low is not None and red_idx.ci_low > 0
    sentence = SENTENCES[case].format(
        target=f"“{question.plan.study.target.name}”",
        n_eff=in_words(n_eff) if n_eff else "",
        redundant=f", and redundantly ({in_words(red_idx)})" if red_idx and redundant else "",
    )
    return SSLAddition(RELATIONS.get(case, "refines"), sentence)


def _case(question: Question, finding: HypothesisFinding) -> str:
    """Return the verdict, with what N_eff shows of the carriers where that bears on it."""
    if finding.verdict == "sensitive" and few_units(question, finding):
        return "sensitive, few"
    if finding.verdict in ("sensitive", "recoverable") and _many_units(question, finding):
        return f"{finding.verdict}, many"
    return finding.verdict


def _beside_persistence(question: Question, finding: HypothesisFinding) -> SSLAddition:
    target, dose = f"“{question.plan.study.target.name}”", finding.primary_dose
    known = f"Without SSL one knows that {target} itself changes over {dose:g} s by more than the margin; SSL"
    if finding.verdict == "sensitive":
        return SSLAddition("repeats", f"{known} repeats it: a representation made constant over that time loses {target}.")
    return SSLAddition(
        "refines", f"{known} adds that, under this recipe, a representation made constant over that time still gives {target}."
    )


def _measure(finding: HypothesisFinding, name: str) -> CodeMeasure | None:
    return next((measure for measure in finding.no_ssl.measures if measure.name == name), None)


def _many_units(question: Question, finding: HypothesisFinding) -> bool:
    """Say whether many units are shown to carry the target: the lower bound of N_eff is above a quarter of the most units."""
    units = [question.evidence.sessions[name].units for name in finding.sessions]
    measure = _measure(finding, "n_eff")
    return bool(units) and measure is not None and measure.ci_low is not None and measure.ci_low > max(units) / 4
