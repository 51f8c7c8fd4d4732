"""What SSL adds to what is known without it: whether it repeats, refines or changes the no-SSL verdict, or adds nothing."""

from invariance_probe.inference.code_measures import in_words
from invariance_probe.inference.findings import CodeMeasure, HypothesisFinding, SSLAddition
from invariance_probe.inference.question import Question
from invariance_probe.inference.verdicts import ROWS
from invariance_probe.inference.wording import few_units


def ssl_adds(question: Question, finding: HypothesisFinding) -> SSLAddition:
    """Hold the SSL verdict against the no-SSL verdict, N_eff and RedIdx, and say in a sentence what it adds."""
    if finding.verdict not in ROWS:
        return SSLAddition("nothing", f"SSL gives no answer here ({finding.verdict}); what stands is what is known without it.")
    if question.jitter:
        return _to_persistence(question, finding)
    return {
        "invariant": _when_invariant,
        "recoverable": _when_recoverable,
        "sensitive": _when_sensitive,
        "competition": _when_competition,
    }[finding.verdict](question, finding)


def _to_persistence(question: Question, finding: HypothesisFinding) -> SSLAddition:
    target, dose = f"“{question.plan.study.target.name}”", finding.primary_dose
    if finding.verdict == "sensitive":
        return SSLAddition(
            "repeats",
            f"Without SSL one knows that {target} itself changes over {dose:g} s by more than the margin; SSL repeats it: "
            "a representation made constant over that time loses it.",
        )
    return SSLAddition(
        "refines",
        f"Without SSL one knows that {target} itself changes over {dose:g} s by more than the margin; SSL adds that, under this "
        "recipe, a representation made constant over that time still gives it.",
    )


def _when_invariant(question: Question, finding: HypothesisFinding) -> SSLAddition:
    redundant = _measure(finding, "red_idx")
    known = f", as {in_words(redundant)} has it" if redundant and redundant.ci_low is not None and redundant.ci_low > 0 else ""
    return SSLAddition(
        "repeats",
        f"SSL adds nothing to the verdict here: without it one knows that corrupted inputs carry as much{known}; it confirms "
        "that the representation keeps what the inputs carry.",
    )


def _when_recoverable(question: Question, finding: HypothesisFinding) -> SSLAddition:
    spread = f" That many units carry it is known without SSL ({_said(finding)})." if _many_units(question, finding) else ""
    return SSLAddition(
        "refines",
        "Without SSL one knows that corrupted inputs carry less; SSL adds that the representation recovers it from what the "
        f"views share.{spread}",
    )


def _when_sensitive(question: Question, finding: HypothesisFinding) -> SSLAddition:
    if few_units(question, finding):
        return SSLAddition(
            "repeats", f"SSL agrees with what is known without it: information is lost and few units carry it ({_said(finding)})."
        )
    if _many_units(question, finding):
        return SSLAddition(
            "changes",
            f"Without SSL one knows that information is lost although many units carry it ({_said(finding)}); SSL adds that the "
            "representation does not recover it from the others.",
        )
    return SSLAddition(
        "refines",
        "Without SSL one knows that corrupted inputs carry less, and not how many units carry it; SSL adds that the representation "
        "does not recover it from what the views share.",
    )


def _when_competition(question: Question, finding: HypothesisFinding) -> SSLAddition:
    return SSLAddition(
        "changes",
        "Without SSL nothing is lost; SSL adds only that this objective discards what the inputs still carry, which is about the method.",
    )


def _measure(finding: HypothesisFinding, name: str) -> CodeMeasure | None:
    return next((measure for measure in finding.no_ssl.measures if measure.name == name), None)


def _said(finding: HypothesisFinding) -> str:
    measure = _measure(finding, "n_eff")
    return in_words(measure) if measure else "N_eff was not measured"


def _many_units(question: Question, finding: HypothesisFinding) -> bool:
    """Say whether many units are shown to carry the target: the lower bound of N_eff is above a quarter of the units."""
    units = [question.evidence.sessions[name].units for name in finding.sessions]
    measure = _measure(finding, "n_eff")
    return bool(units) and measure is not None and measure.ci_low is not None and measure.ci_low > max(units) / 4
