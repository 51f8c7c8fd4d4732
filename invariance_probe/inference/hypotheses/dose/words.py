"""Sentences about a finding on a dose, which claim no more than is shown.

In: a hypothesis with its evidence, and the finding with its verdict. Out: sentences and
notes for the report. No verdict is reached here.

The finding of the code says what decoders without SSL lose under the corruption
(C_code), and how many units carry the target. The finding of learning says what
training with the corruption costs under every training recipe.
"""

import math
from collections.abc import Sequence

from invariance_probe.inference.findings import (
    CodeFinding,
    HypothesisFinding,
    LearningFinding,
    Quantity,
    RecipeFinding,
)
from invariance_probe.inference.hypotheses.code import FEWEST_UNITS
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.hypotheses.remedies import remedy
from invariance_probe.inference.hypotheses.wording import (
    CARRIERS_MEANINGS,
    JITTER_MEANINGS,
    MEANINGS,
    at_dose,
    capital,
    fallen,
    interval,
    listed,
    no_licence,
    signed,
    where,
    why_invalid,
)
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.inference.rules.verdicts import INCONCLUSIVE, RECIPE_DEPENDENT, UNCALIBRATED
from invariance_probe.inference.verdict import INVALID, UNTESTABLE
from invariance_probe.study.panel import DECLARED, LONGER, WIDER
from invariance_probe.study.session import THESE_RECORDINGS

NOT_DEARER = "; it is not shown to be dearer than no corruption at all"
"""Added to `sensitive` unless delta > m is shown under every recipe.

delta is the excess loss over training without the corruption.
"""


def sentence(
    evidence: HypothesisEvidence,
    finding: HypothesisFinding,
    missing: Sequence[str],
    exploratory_because: Sequence[str],
) -> str:
    """Write the verdict on a dose as a sentence.

    The sentence says what the verdict holds for, the estimates, the verdict and its
    meaning. If the verdict is withheld or inconclusive, a second sentence says what
    would settle it.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    finding
        The finding with its verdict.
    missing
        Estimands whose runs are missing or failed.
    exploratory_because
        Reasons why the verdict counts as exploratory, in words.
    """
    settled = remedy(finding, bool(missing))
    return _verdict_in_words(evidence, finding, missing, exploratory_because) + settled


def _verdict_in_words(
    evidence: HypothesisEvidence,
    finding: HypothesisFinding,
    missing: Sequence[str],
    exploratory_because: Sequence[str],
) -> str:
    """Write the verdict as a sentence, without what would settle it."""
    place = where(finding) if evidence.about_units else f"{where(finding)}, {at_dose(evidence)}"
    word = finding.verdict.word
    if word == UNTESTABLE:
        reason = next((gate.detail for gate in finding.gates if gate.outcome == "failed"), "")
        no_verdict = f"there is no verdict ({finding.verdict.text})"
        return f"{capital(at_dose(evidence))}, {no_verdict}: {reason}."
    if word == UNCALIBRATED:
        return no_licence(evidence, place, finding)
    if word == INVALID:
        return f"{place}, {why_invalid(finding)}"
    if missing and word == INCONCLUSIVE and not finding.verdict.unadjusted:
        return f"{place}, there is no verdict: {without_runs(missing)}."
    figures = _figures(evidence, finding)
    said = (
        fallen(finding.verdict)
        if finding.verdict.unadjusted
        else f"the verdict is {word}: {_meaning(evidence, finding)}"
    )
    return f"{place}, {figures}: {said}{_beside(evidence, finding, exploratory_because)}."


def _figures(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write the estimates behind a verdict: of the code, then of each recipe."""
    if evidence.about_units:
        return units_in_words(finding.code) if finding.code else "the code was not measured"
    parts = []
    if finding.code is not None and finding.code.C_code is not None:
        parts.append(f"C_code = {interval(finding.code.C_code)} of what linear decoders reach")
    recipes = finding.learning.panel.recipes if finding.learning else ()
    name = "delta" if evidence.jitter else "D"
    costs = [
        (recipe.name, found) for recipe in recipes if (found := getattr(recipe, name)) is not None
    ]
    if costs:
        each = listed([f"{signed(found.estimate)} ({recipe})" for recipe, found in costs])
        parts.append(f"{name} = {each} of the decodable range")
    return f"{' and '.join(parts)} (margin {finding.margin:g})" if parts else "nothing was measured"


def _meaning(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write what the verdict means for this finding."""
    word = finding.verdict.word
    if evidence.about_units:
        redundant = ", redundantly" if finding.code is not None and finding.code.redundant else ""
        return CARRIERS_MEANINGS[word] + redundant + _not_counted(finding)
    if word == INCONCLUSIVE:
        return _unsettled(evidence, finding)
    if word == RECIPE_DEPENDENT:
        meanings = JITTER_MEANINGS if evidence.jitter else MEANINGS
        return f"{meanings[word]} ({_differ(finding)})"
    if evidence.jitter:
        return JITTER_MEANINGS[word]
    if word != "sensitive":
        return MEANINGS[word]
    dearer = any(claim.name == "delta > m" for claim in finding.claims) and all(
        claim.shown for claim in finding.claims if claim.name.startswith("delta > m")
    )
    return MEANINGS[word] + ("" if dearer else NOT_DEARER)


def _not_counted(finding: HypothesisFinding) -> str:
    """Write why nothing is concluded about the number of units.

    The reasons are units that are copies of each other, and fewer units than
    `FEWEST_UNITS`. The text is empty if the only reason is wide intervals, or if the
    verdict is not inconclusive.
    """
    if finding.verdict.word != INCONCLUSIVE:
        return ""
    repeated = [
        gate.detail for gate in finding.gates if gate.name == "distinct" and not gate.passed
    ]
    if repeated:
        return f": {repeated[0]}"
    few = finding.code is not None and finding.code.carriers is not None
    if finding.code is not None and few and not finding.code.carriers_word:
        return (
            f": no word is said of fewer than {FEWEST_UNITS} units, and there are "
            f"{min(finding.code.n_units)}"
        )
    return ""


def _differ(finding: HypothesisFinding) -> str:
    """Name the recipes that find learning free, and those that find it costly."""
    recipes = finding.learning.panel.recipes if finding.learning else ()
    said = {
        word: [recipe.name for recipe in recipes if recipe.finding == word]
        for word in ("free", "costly")
    }
    return "; ".join(f"{word} under {listed(names)}" for word, names in said.items() if names)


def _unsettled(evidence: HypothesisEvidence, finding: HypothesisFinding) -> str:
    """Write which claims would have to be settled for a verdict."""
    code, learning = finding.code, finding.learning
    both = (code and code.finding, learning and learning.finding)
    if both == ("kept", "costly"):
        return (
            "what remains decodes the target and being made invariant costs more than the "
            "margin, but training with the dose is not shown to be dearer than without"
        )
    parts = []
    if not evidence.jitter and code is not None and code.finding == "undecided":
        parts.append("C_code exceeds the margin")
    if learning is not None and learning.finding == "undecided":
        every = " under every recipe" if len(learning.panel.recipes) > 1 else ""
        parts.append(f"training costs more than the margin{every}")
    if not parts:
        return MEANINGS[INCONCLUSIVE]
    unlike = [gate for gate in finding.gates if (gate.name, gate.outcome) == ("noise", "not shown")]
    since = f", since {unlike[0].detail}" if unlike and learning is not None else ""
    return f"it is not settled whether {' and whether '.join(parts)}{since}"


def _beside(
    evidence: HypothesisEvidence, finding: HypothesisFinding, exploratory_because: Sequence[str]
) -> str:
    """Write, in brackets, what qualifies the verdict.

    These are the reasons why it is exploratory, recipes that do not count, and whether
    it rests on the study's own recipe or on one method alone.
    """
    if evidence.plan.study.quick:
        return (
            " (a quick study: judged under the declared recipe alone, without the gates that "
            "cost most)"
        )
    panel = finding.learning.panel if finding.learning and not evidence.about_units else None
    recipes = panel.recipes if panel else ()
    said = ["judged under the declared recipe alone"] if len(recipes) == 1 else []
    said += [
        *exploratory_because,
        *(
            f"the recipe {recipe.name} does not count: {recipe.reason}"
            for recipe in recipes
            if _is_out(recipe)
        ),
    ]
    said += [panel.one_method] if panel and panel.one_method and len(recipes) > 1 else []
    return f" ({'; '.join(said)})" if said else ""


def _is_out(recipe: RecipeFinding) -> bool:
    """Whether a recipe was planned to be trained and still cannot be judged."""
    return recipe.computed and bool(recipe.reason)


def without_runs(missing: Sequence[str]) -> str:
    """Write for which estimands runs are missing or failed."""
    return f"runs are missing or failed for {', '.join(missing)}"


def learning_sentence(evidence: HypothesisEvidence, finding: LearningFinding, withheld: str) -> str:
    """Write the finding of learning as a sentence, with the cost by recipe.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    finding
        The finding of learning.
    withheld
        Why there is no finding, if a failed gate or a missing licence takes it away;
        otherwise empty.
    """
    if withheld:
        return f"Nothing is claimed about learning: {withheld}."
    name = "delta" if evidence.jitter else "D"
    shown = [
        recipe for recipe in finding.panel.recipes if recipe.computed and recipe.delta is not None
    ]
    if not shown:
        return "Nothing is claimed about learning: runs are missing or failed."
    each = listed(
        [f"{_signed_interval(getattr(recipe, name))} ({_named(recipe)})" for recipe in shown]
    )
    margin = f"the margin of {evidence.margin:g}"
    what = (
        "training that makes windows alike"
        if evidence.jitter
        else "training to be invariant, beyond the same corruption shared,"
    )
    start = f"In units of R, {what} costs {name} = {each}"
    ends = {
        "free": f"nothing that exceeds {margin}",
        "costly": f"more than {margin}",
        RECIPE_DEPENDENT: f"at most {margin} under some recipes and more under others",
        "undecided": f"it is not settled whether that exceeds {margin}",
    }
    many = (
        f" under all {len(shown)} recipes"
        if len(shown) > 1 and finding.finding in ("free", "costly")
        else ""
    )
    missing = [recipe.name for recipe in finding.panel.recipes if not recipe.computed]
    beside = f"; not computed: {listed(missing)}" if missing else ""
    only = f"; {finding.panel.one_method}" if finding.panel.one_method else ""
    return f"{start}: {ends[finding.finding]}{many} ({finding.finding}){beside}{only}."


def _named(recipe: RecipeFinding) -> str:
    """Name a recipe, with its method if that may differ from the study's own."""
    return (
        f"{recipe.name}, {recipe.method}"
        if recipe.name not in (DECLARED, LONGER, WIDER)
        else recipe.name
    )


def _signed_interval(found: Quantity | None) -> str:
    """Write an estimate with its sign and its 90 % interval."""
    return (
        "not measured"
        if found is None
        else f"{found.estimate:+.2f} [{found.ci_low:.2f}, {found.ci_high:.2f}]"
    )


def code_sentence(evidence: HypothesisEvidence, found: CodeFinding) -> str:
    """Write the finding of the code as sentences, about units first.

    Parameters
    ----------
    evidence
        The hypothesis, for its dose.
    found
        The finding of the code.

    Returns
    -------
    sentences
        Empty if neither the number of units nor C_code was measured.
    """
    said = [capital(units_in_words(found))] if found.carriers is not None else []
    if found.C_code is not None:
        said.append(_lost_in_words(evidence, found))
    return " ".join(f"{part}." for part in said)


def units_in_words(found: CodeFinding) -> str:
    """Write how many units suffice, how many are needed, and their sum.

    K_s units suffice for half of what all units decode, and losing K_n units leaves
    less than half. Both are rounded up. Their sum is described as the number of equal
    carriers (units that each carry the same part of the target) that would give the
    same K_s and K_n.
    """
    if found.K_s is None or found.K_n is None or found.carriers is None:
        return "too little is decoded to say how many units carry the target"
    n = (
        f"{found.n_units[0]}"
        if len(set(found.n_units)) == 1
        else f"{min(found.n_units)} to {max(found.n_units)}"
    )
    suffice, needed = math.ceil(found.K_s.estimate), math.ceil(found.K_n.estimate)
    like = (
        f"{found.carriers.estimate:.0f} [{found.carriers.ci_low:.0f}, {found.carriers.ci_high:.0f}]"
    )
    text = (
        f"{suffice} of the {n} units recorded {'reaches' if suffice == 1 else 'reach'} half of "
        f"what all decode, and it takes the loss of {needed} to bring it below half: like about "
        f"{like} equal carriers"
    )
    word = found.carriers_word
    if word:
        text += f" ({word}{', redundant' if found.redundant else ''})"
    if found.redundancy is not None:
        text += (
            f"; two random halves of the units together hold {found.redundancy.estimate:.1f} "
            "times the information of all"
        )
    return text


def _lost_in_words(evidence: HypothesisEvidence, found: CodeFinding) -> str:
    """Write what decoders without SSL lose at the primary dose (C_code)."""
    assert found.C_code is not None
    how = (
        "a decoder refitted on what survives"
        if found.known_masks
        else "a decoder that cannot see the corruption"
    )
    ends = {
        "kept": "at most the margin, so what remains decodes the target (kept)",
        "lost": "more than the margin (lost)",
        "undecided": "it is not settled whether that exceeds the margin",
    }
    lost = (
        f"{capital(at_dose(evidence))}, {how} loses {interval(found.C_code)} of the range of "
        f"linear decoders, R_code: {ends[found.finding]}"
    )
    if found.known_masks and found.independent is not None:
        lost += f". An independent code of the same R2 would lose {found.independent:.2f}"
    return lost + (
        "; this is said for linear decoders, which reach less than 0.8 of R" if found.linear else ""
    )


def notes(samples: dict[str, Sample], margin: float) -> tuple[str, ...]:
    """Write notes on the samples: strong skew, and the exact sign-flip test.

    Parameters
    ----------
    samples
        One sample per estimand, by name; `delta` is among them.
    margin
        The margin m, in units of the decodable range.

    Returns
    -------
    notes
        A note on skew if it exceeds 1 in size and claims are about a population. A note
        on the sign-flip test if it can be computed.
    """
    found = []
    skewed = [
        f"{name} {sample.skew():+.1f}" for name, sample in samples.items() if abs(sample.skew()) > 1
    ]
    if skewed and samples["delta"].scope != THESE_RECORDINGS:
        found.append(
            f"sessions are skewed ({', '.join(skewed)}): `<= m` claims are less safe than their "
            "p values"
        )
    flip = samples["delta"].sign_flip(margin)
    if not math.isnan(flip):
        least = 2.0 ** -len(samples["delta"].effects)
        alone = "" if samples["delta"].look is None else ", for this look alone"
        found.append(
            f"exact sign-flip test of delta <= m: p = {flip:.3g}, which cannot be below "
            f"{least:.3g} here{alone}"
        )
    return tuple(found)
