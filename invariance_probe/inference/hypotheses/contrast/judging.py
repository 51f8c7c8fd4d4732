"""Judging whether training on distant pairs helps: contrasts with controls.

In: one hypothesis with its evidence. Out: a judgement, which gives the verdict
`beneficial`, `harmful` or `not shown` (science.md 3.3), and measures that describe the
pairs.

Distant pairs are windows far apart in time (or in different states) that are taken to
be alike; local pairs are close in time. A share q of the training pairs is distant.
With L the decoding loss and R the decodable range, the contrasts are

    M_loc = [L(0) - L_mined(q)] / R                  with local pairs only
    M_rand, M_shift = [L_control(q) - L_mined(q)] / R
        with random partners, and with partners that were mined for another window

For pairs across states the controls are local pairs (M_loc), pairs of another state
(M_other), pairs with time-shuffled sleep (M_shuffled) and pairs with unit-permuted
sleep (M_permuted). Hypotheses about them are experimental, so their verdicts always
count as exploratory. M_oracle, for pairs chosen by the target itself, is reported and
enters no verdict.

A benefit needs three things. First, mined pairs must beat every control by more than
the margin (intersection-union test, Berger 1982). Second, mined pairs must have the
same target more often than random pairs and than shifted pairs. This is their purity:
the fraction of pairs of one class, or a similarity of continuous targets. Third, if the
study names a nuisance, mined pairs must differ in it about as much as unrelated windows
do. The last two apply to pairs across time only.

Why purity and nuisance are also compared with shifted pairs: a window near the mean of
activity is a nearest neighbour of many others. Such a window tends to have the
commonest class, and a nuisance that is average or extreme. High purity and a large
distance can then come from the choice of partners alone, whatever the anchors. Shifted
pairs have the same anchors and use each partner as often as mined pairs do. Averaged
over shifts, their purity and distance are therefore those of independent draws of
anchor and partner (computed in each run as `agreement_expected` and
`nuisance_distance_expected`, and reported). Claims are made against the shifted pairs
and not against these expectations, because shifted pairs also keep the minimum gap in
time. Where a target or nuisance changes more slowly than this gap, distant windows are
less alike than independent draws.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.findings import (
    Claim,
    Estimand,
    Gate,
    HypothesisFinding,
    NaiveRule,
    PairMeasure,
)
from invariance_probe.inference.hypotheses import gates
from invariance_probe.inference.hypotheses.contrast import checks as contrast_checks
from invariance_probe.inference.hypotheses.contrast.words import contrast_sentence, nuisance_of
from invariance_probe.inference.hypotheses.evidence import CONTRASTS, HypothesisEvidence
from invariance_probe.inference.hypotheses.judgement import Judgement, unjudged
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.inference.rules.verdicts import (
    INCONCLUSIVE,
    UNCALIBRATED,
    decide,
    outcome,
)
from invariance_probe.inference.verdict import INVALID, UNTESTABLE, Verdict
from invariance_probe.plan.figures.decoded import DecodedFigures, PairFigures, SleepDistances
from invariance_probe.plan.recipes import without_licence
from invariance_probe.plan.settings import A_THIRD, a_third_of
from invariance_probe.study.hypotheses import Contrast
from invariance_probe.study.pairing import SHARE
from invariance_probe.study.session import THESE_RECORDINGS

AGAINST = {
    "local": "M_loc", "random": "M_rand", "shifted": "M_shift", "other_state": "M_other",
    "time_shuffled": "M_shuffled",
    "unit_permuted": "M_permuted",
}  # fmt: skip
"""Name of the contrast with each control."""
UNRELATED = 0.8
"""Nuisance distance above which pairs count as unrelated in the nuisance.

The distance is E|n - n'|^2 / (2 Var n), which is 1 for independent windows. Windows t
apart have the distance 1 - exp(-t / tau) if the nuisance has the time constant tau.
Pairs with a mean distance above .8 are therefore as different as windows more than 1.6
tau apart. A higher threshold would be hard to exceed even for random pairs in a short
recording, where few windows are many tau apart.
"""
PURITY, PURITY_SHIFTED = "purity > random", "purity > shifted"
NUISANCE, NUISANCE_SHIFTED = (
    f"nuisance distance > {UNRELATED:g}",
    f"nuisance distance > {UNRELATED:g} of shifted",
)
"""Claims about pairs that a benefit needs; the last two only if a nuisance is named."""
Reading = Callable[[DecodedFigures], float | None]
"""Function that reads one quantity of a run; None if it is not defined."""


def _distant(reading: Callable[[PairFigures], float | None]) -> Reading:
    """Make a function that reads a quantity of a run's distant pairs."""
    return lambda found: None if found.distant is None else reading(found.distant)


def _sleeping(reading: Callable[[SleepDistances], float]) -> Reading:
    """Make a function that reads a distance between sleep and waking activity."""
    return lambda found: None if found.sleep is None else reading(found.sleep)


AGREEMENT = _distant(lambda pairs: pairs.agreement)
"""Function that reads how often the distant pairs of a run have the same target."""
NUISANCE_DISTANCE = _distant(lambda pairs: pairs.nuisance_distance)
"""Function that reads how far the distant pairs of a run differ in the nuisance."""
MEASURES: dict[str, Reading] = {
    "purity": AGREEMENT,
    "purity by chance": _distant(lambda pairs: pairs.agreement_expected),
    "nuisance distance": NUISANCE_DISTANCE,
    "nuisance distance by chance": _distant(lambda pairs: pairs.nuisance_distance_expected),
    "distance in s": _distant(lambda pairs: pairs.distance_s),
    "share": _distant(lambda pairs: pairs.share),
    "windows asleep in use": _distant(lambda pairs: pairs.partners),
    "distance of partners' state from waking": _sleeping(lambda sleep: sleep.partners),
    "distance of the other state from waking": _sleeping(lambda sleep: sleep.others),
    "distance of unit-permuted sleep from waking": _sleeping(lambda sleep: sleep.permuted),
}
"""Quantities that describe distant pairs and are reported, by name."""

NAIVE = {
    "mined.share": "mined pairs beat random pairs, so they help",
    "state.share": "pairs with sleep beat local pairs, so sleep replays",
}
"""Unwarranted conclusion from a comparison with one control alone, by axis."""


@dataclass(frozen=True, eq=False)
class ContrastJudgement(Judgement):
    """Claims and gates of a contrast, which give its verdict at any level.

    Attributes
    ----------
    evidence
        The hypothesis with its evidence.
    draft
        The finding without its verdict.
    claims
        Every claim by name; empty if runs are missing or too few sessions are
        decodable.
    """

    draft: HypothesisFinding
    claims: Mapping[str, Claim]

    @property
    def words(self) -> dict[str, float]:
        """P values of `beneficial` and `harmful`, by name.

        Empty if a gate failed, if runs are missing, or if too few sessions are
        decodable.
        """
        if not self.claims or any(gate.outcome == "failed" for gate in self.draft.gates):
            return {}
        needed = [claim.p_value for name, claim in self.claims.items() if name != HARM]
        return {"beneficial": max(needed), "harmful": self.claims[HARM].p_value}

    @property
    def p_value(self) -> float | None:
        """Smaller p value of `beneficial` and `harmful`; None if `words` is empty."""
        return min(self.words.values(), default=None)

    def finding(self, level: float = ALPHA) -> HypothesisFinding:
        """Return the finding, including its verdict, at a significance level."""
        verdict = self._verdict(level)
        finding = replace(
            self.draft,
            verdict=verdict,
            outcome=outcome(self.draft.predicts, verdict.word),
            p_value=self.p_value,
        )
        return replace(finding, sentence=contrast_sentence(self.evidence, finding))

    def _verdict(self, level: float) -> Verdict:
        """Return the verdict at a level, or the reason why there is none."""
        verdict = self._without_words()
        if self.words:
            verdict = Verdict(decide(self.words, level, NOT_SHOWN))
            alone = decide(self.words, ALPHA, NOT_SHOWN)
            if verdict.word == NOT_SHOWN != alone:
                verdict = Verdict(INCONCLUSIVE, unadjusted=alone)
        hypothesis = self.evidence.hypothesis
        assert isinstance(hypothesis, Contrast)
        return replace(verdict, experimental=hypothesis.experimental and bool(self.claims))

    def _without_words(self) -> Verdict:
        """Return what takes the place of a verdict if neither word can be shown."""
        failed = [gate.name for gate in self.draft.gates if gate.outcome == "failed"]
        if "decodable" in failed:
            return Verdict(UNTESTABLE, ("too few sessions can be decoded",))
        blocking = [name for name in failed if name not in ("licence", A_THIRD)]
        if blocking:
            return Verdict(INVALID, tuple(blocking))
        return Verdict(UNCALIBRATED if "licence" in failed else NOT_SHOWN)


NOT_SHOWN = "not shown"
"""Verdict on a contrast for which neither benefit nor harm is shown."""


def judge_contrast(evidence: HypothesisEvidence) -> ContrastJudgement:
    """Judge a contrast: collect its estimates, test its claims, check its gates.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence, and the interim analysis at which it is
        judged.
    """
    hypothesis = evidence.hypothesis
    assert isinstance(hypothesis, Contrast)
    blank = _blank(evidence, hypothesis)
    entry = gates.decodable(evidence.covered)
    if entry.outcome == "failed":
        return ContrastJudgement(evidence, replace(blank, gates=(entry,)), {})
    samples = {
        AGAINST[control]: evidence.sample(AGAINST[control]) for control in hypothesis.controls
    }
    measured = replace(
        blank,
        scope=samples["M_loc"].scope,
        estimands=tuple(_estimands(evidence)),
        pairs=tuple(_pairs(evidence)),
    )
    missing = [name for name, sample in samples.items() if not sample.complete]
    if missing:
        note = f"runs are missing or failed for {', '.join(missing)}"
        return ContrastJudgement(evidence, replace(measured, gates=(entry,), notes=(note,)), {})
    claims = contrast_claims(samples, evidence.margin, claimed_of_pairs(evidence))
    draft = replace(
        measured,
        swept=tuple(_swept(evidence, hypothesis)),
        claims=tuple(claims.values()),
        gates=(entry, *_gates(evidence, decide_contrast(claims))),
    )
    return ContrastJudgement(evidence, draft, claims)


HARM = "M_loc < -m"
"""The claim that mined pairs are harmful; a benefit does not need it."""


def contrast_claims(
    samples: dict[str, Sample], margin: float, pairs: Mapping[str, tuple[Sample, float]]
) -> dict[str, Claim]:
    """Test the claims that a benefit needs together, and the claim of harm.

    Parameters
    ----------
    samples
        The contrast with each control that the hypothesis names, by name.
    margin
        Margin that each contrast must exceed, in units of the range R.
    pairs
        Claims about the mined pairs, by name: a measure of the pairs, and the value
        that it must exceed.

    Returns
    -------
    claims
        By name, each with its p value and whether it is shown at .05.
    """
    p_values = {f"{name} > m": sample.p_more_than(margin) for name, sample in samples.items()}
    p_values |= {name: _of_pairs(measure, bound) for name, (measure, bound) in pairs.items()}
    p_values[HARM] = samples["M_loc"].p_at_most(-margin)
    return {name: Claim(name, p <= ALPHA, p) for name, p in p_values.items()}


def _of_pairs(measure: Sample, at: float) -> float:
    """P value of a claim about pairs; 1 if there are too few sessions.

    Such a claim must be about a population of sessions or subjects. Pairs consist of
    training windows, most of which the folds of a session have in common, and all seeds
    use the same table of partners. The values within a session therefore hardly vary,
    and that variance does not tell how far they lie from the truth.
    """
    return (
        measure.p_more_than(at) if measure.complete and measure.scope != THESE_RECORDINGS else 1.0
    )


def decide_contrast(claims: dict[str, Claim]) -> str:
    """Return what the claims show: `beneficial`, `harmful` or `not shown`."""
    if all(claim.shown for name, claim in claims.items() if name != HARM):
        return "beneficial"
    return "harmful" if claims[HARM].shown else "not shown"


def claimed_of_pairs(evidence: HypothesisEvidence) -> dict[str, tuple[Sample, float]]:
    """Measures of mined pairs that a benefit needs, each with its threshold.

    Windows during sleep have neither target nor nuisance. For pairs across states,
    nothing is therefore claimed except their effect on the loss.

    Returns
    -------
    measures
        By name of the claim: the measure, and the value that it must exceed. Empty for
        pairs across states.
    """
    if evidence.hypothesis.axis != SHARE:
        return {}
    found = {
        PURITY: (purity_above(evidence, "random"), 0.0),
        PURITY_SHIFTED: (purity_above(evidence, "shifted"), 0.0),
    }
    if nuisance_of(evidence):
        found[NUISANCE] = pair_sample(evidence, NUISANCE_DISTANCE, "mined"), UNRELATED
        found[NUISANCE_SHIFTED] = nuisance_of_shifted(evidence), UNRELATED
    return found


def purity_above(evidence: HypothesisEvidence, arm: str) -> Sample:
    """Purity of mined pairs minus that of a control's pairs.

    Purity says how often the two windows of a pair have the same target. The pairs of
    both arms keep the same minimum gap in time.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    arm
        The control: `random` or `shifted`.
    """
    return pair_sample(evidence, AGREEMENT, "mined", arm)


def nuisance_of_shifted(evidence: HypothesisEvidence) -> Sample:
    """Nuisance distance of mined pairs, with that of shifted pairs as its unit.

    Shifted pairs have the same anchors and the same partners, but in other
    combinations.
    """
    mined, shifted = (
        _readings(evidence, NUISANCE_DISTANCE, arm, evidence.hypothesis.dose)
        for arm in ("mined", "shifted")
    )
    return evidence.over([Effect(mined[name], shifted[name]) for name in evidence.names])


def pair_sample(
    evidence: HypothesisEvidence,
    reading: Reading,
    arm: str,
    minus: str | None = None,
    dose: float | None = None,
) -> Sample:
    """Collect one quantity of the distant pairs of an arm over the sessions.

    The values of a session have the axes (seed, fold). If claims are about these
    recordings only, folds are treated like test blocks.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    reading
        Function that reads the quantity of a run.
    arm
        The arm whose pairs are measured, such as `mined` or `random`.
    minus
        An arm whose value is subtracted; None to subtract nothing.
    dose
        Share of distant pairs; None for the primary dose.
    """
    at_dose = evidence.hypothesis.dose if dose is None else dose
    own = _readings(evidence, reading, arm, at_dose)
    other = None if minus is None else _readings(evidence, reading, minus, at_dose)
    values = [own[name] - (0.0 if other is None else other[name]) for name in evidence.names]
    return evidence.over([Effect(each, np.ones_like(each)) for each in values])


def _readings(
    evidence: HypothesisEvidence, reading: Reading, arm: str, dose: float
) -> dict[str, np.ndarray]:
    """Read one quantity of the runs under the study's own setting.

    Returns
    -------
    values
        By session name, (seed, fold); NaN where a run or its value is missing.
    """
    of_study, hypothesis = evidence.of_study, evidence.hypothesis
    shape = (of_study.seeds, evidence.plan.study.folds.count)
    found = {session: np.full(shape, np.nan) for session in evidence.names}
    for run in evidence.plan.grid:
        if (run.axis, run.arm, run.dose, run.setting) != (
            hypothesis.axis,
            arm,
            dose,
            "",
        ) or run.session not in found:
            continue
        result = of_study.results.get(run.key())
        if result is not None and run.seed < shape[0]:
            decoded = result.measured(DecodedFigures)
            value = None if decoded is None else reading(decoded)
            found[run.session][run.seed, run.fold] = math.nan if value is None else value
    return found


def _gates(evidence: HypothesisEvidence, word: str) -> list[Gate]:
    """Check the gates of a contrast, except that on decodable sessions.

    The gates `trained` and `planted targets` are not checked: they matter only if an
    effect is claimed to be smaller than a margin.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    word
        What the claims show: `beneficial`, `harmful` or `not shown`.
    """
    plan, results, hypothesis, single = (
        evidence.plan,
        evidence.of_study.results,
        evidence.hypothesis,
        evidence.single,
    )
    assert isinstance(hypothesis, Contrast)
    names = [AGAINST[control] for control in hypothesis.controls]
    reasons = without_licence(plan.study, plan.settings[0], hypothesis, len(evidence.names))
    return [
        gates.retention(evidence.losses, hypothesis, plan.settings[0], jitter=True),
        gates.collapse(plan, results, evidence.names, plan.settings[0]),
        contrast_checks.noise(single.noise(), evidence.margin),
        gates.leak(plan, results, evidence.names),
        contrast_checks.third(single, word, names),
        gates.licence(plan.study.method.kind, reasons),
    ]


def _estimands(evidence: HypothesisEvidence) -> Iterator[Estimand]:
    """Yield each contrast at every share of distant pairs, then the A/A control."""
    for dose in evidence.doses:
        for name in CONTRASTS[evidence.hypothesis.axis]:
            sample = evidence.sample(name, dose)
            if sample.complete:
                yield evidence.estimand(name, sample, dose)
    noise = evidence.noise()
    if noise.complete:
        yield evidence.estimand("A/A", noise, evidence.hypothesis.dose)


def _swept(evidence: HypothesisEvidence, hypothesis: Contrast) -> Iterator[Estimand]:
    """Yield the contrasts at the primary dose under every other setting.

    These are the swept settings, and training on a third of the windows.
    """
    third = () if evidence.plan.study.quick else (a_third_of(evidence.plan.settings[0]),)
    for setting in (*evidence.plan.settings[1:], *third):
        for control in hypothesis.controls:
            sample = evidence.sample(AGAINST[control], None, setting.label, setting.fraction)
            if sample.complete:
                yield replace(
                    evidence.estimand(AGAINST[control], sample, hypothesis.dose),
                    setting=setting.label,
                )


def _pairs(evidence: HypothesisEvidence) -> Iterator[PairMeasure]:
    """Yield properties of the distant pairs of each arm at the primary dose.

    For pairs across time, the differences between mined pairs and random or shifted
    pairs follow.
    """
    for name, reading in MEASURES.items():
        for arm in evidence.plan.study.arms_of(evidence.hypothesis.axis):
            sample = pair_sample(evidence, reading, arm)
            if sample.complete:
                yield PairMeasure(
                    name, arm, sample.estimate, *sample.interval(), len(sample.effects)
                )
    if evidence.hypothesis.axis != SHARE:
        return
    against = {f"purity above {arm}": purity_above(evidence, arm) for arm in ("random", "shifted")}
    if nuisance_of(evidence):
        against["nuisance distance over shifted"] = nuisance_of_shifted(evidence)
    for name, sample in against.items():
        if sample.complete:
            yield PairMeasure(
                name, "mined", sample.estimate, *sample.interval(), len(sample.effects)
            )


def _blank(evidence: HypothesisEvidence, hypothesis: Contrast) -> HypothesisFinding:
    """Build a finding that repeats the contrast and shows nothing yet."""
    naive = NaiveRule(NAIVE[hypothesis.axis], "not measured", "not measured", None)
    return unjudged(evidence, "contrast", NOT_SHOWN, scope=THESE_RECORDINGS, naive=naive)
