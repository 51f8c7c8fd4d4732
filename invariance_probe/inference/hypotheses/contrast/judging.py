"""Judging whether distant pairs help: contrasts against every control.

In: one hypothesis with its evidence. Out: a judgement with the words `beneficial`,
`harmful` or `not shown` (science.md 3.3), and measures of what the pairs are.

All contrasts are in units of the decodable range R, at a share q of distant pairs:

    M_loc = [L(0) - L_mined(q)] / R                  against local pairs
    M_rand, M_shift = [L_control(q) - L_mined(q)] / R
        against random partners and a shifted index at the same q

M_oracle is printed beside and enters no verdict. `beneficial` needs every control
beaten (intersection-union, Berger 1982). It also needs pairs that share the target more
often than random pairs and than shifted ones. Where a nuisance is named, the pairs must
differ in it about as much as unrelated windows do.

Why pairs are compared with `shifted`: a partner that lies near the mean of activity is
everybody's neighbour. It has the commonest class and a middling or an extreme nuisance.
Purity and distance then describe which partners are taken, and say nothing about their
anchors. A shifted index has the same anchors and takes the same partners as often. So
over shifts its purity and its distance are those of independent draws from both
marginals (the runs give these as `pair_agreement_expected` and
`nuisance_distance_expected`, which are printed beside). Claims are made against the arm
and not against these expectations, because the arm keeps the gap in time too: under a
target or nuisance that lasts longer than the gap, distant windows are less alike than
independent draws.

Pairs across states have the controls local, other_state, time_shuffled and
unit_permuted (M_loc, M_other, M_shuffled, M_permuted). A benefit has to beat all of
them. These hypotheses are experimental: the verdict says so, and counts as exploratory.
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
from invariance_probe.inference.hypotheses.judgement import Judgement, unjudged
from invariance_probe.inference.hypotheses.question import CONTRASTS, Question
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
"""Name of the contrast against each control."""
UNRELATED = 0.8
"""Nuisance distance that mined pairs have to exceed.

Windows t apart under a nuisance with the time constant tau have the distance 1 - exp(-t
/ tau). Pairs whose mean distance lies above .8 are as far apart in the nuisance as
windows more than 1.6 tau apart. A higher bound would refuse pairs that random ones
barely exceed in a short recording, where few windows are many tau apart.
"""
PURITY, PURITY_SHIFTED = "purity > random", "purity > shifted"
NUISANCE, NUISANCE_SHIFTED = (
    f"nuisance distance > {UNRELATED:g}",
    f"nuisance distance > {UNRELATED:g} of shifted",
)
"""Claims about pairs that a benefit needs; the last two only with a named nuisance."""
Reading = Callable[[DecodedFigures], float | None]
"""Reads one figure of a run; None where it is not defined."""


def _distant(reading: Callable[[PairFigures], float | None]) -> Reading:
    return lambda found: None if found.distant is None else reading(found.distant)


def _sleeping(reading: Callable[[SleepDistances], float]) -> Reading:
    return lambda found: None if found.sleep is None else reading(found.sleep)


AGREEMENT = _distant(lambda pairs: pairs.agreement)
NUISANCE_DISTANCE = _distant(lambda pairs: pairs.nuisance_distance)
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
"""What a report says about distant pairs, by name."""

NAIVE = {
    "mined.share": "mined pairs beat random pairs, so they help",
    "state.share": "pairs with sleep beat local pairs, so sleep replays",
}
"""What is concluded by comparing with one control alone, by axis."""


@dataclass(frozen=True, eq=False)
class ContrastJudgement(Judgement):
    """Judgement of a contrast with its claims and gates.

    Attributes
    ----------
    draft
        The finding without its word.
    claims
        Every claim by name; empty where runs are missing or no session can be decoded.
    """

    draft: HypothesisFinding
    claims: Mapping[str, Claim]

    @property
    def words(self) -> dict[str, float]:
        """P values of `beneficial` and `harmful`; empty where a gate leaves no word."""
        if not self.claims or any(gate.outcome == "failed" for gate in self.draft.gates):
            return {}
        needed = [claim.p_value for name, claim in self.claims.items() if name != HARM]
        return {"beneficial": max(needed), "harmful": self.claims[HARM].p_value}

    @property
    def p_value(self) -> float | None:
        """Smaller p value of the two words; None where no word can be shown."""
        return min(self.words.values(), default=None)

    def finding(self, level: float = ALPHA) -> HypothesisFinding:
        """The finding at a level."""
        verdict = self._verdict(level)
        finding = replace(
            self.draft,
            verdict=verdict,
            outcome=outcome(self.draft.predicts, verdict.word),
            p_value=self.p_value,
        )
        return replace(finding, sentence=contrast_sentence(self.question, finding))

    def _verdict(self, level: float) -> Verdict:
        """The word at a level, or what takes its place where there is none."""
        verdict = self._without_words()
        if self.words:
            verdict = Verdict(decide(self.words, level, NOT_SHOWN))
            alone = decide(self.words, ALPHA, NOT_SHOWN)
            if verdict.word == NOT_SHOWN != alone:
                verdict = Verdict(INCONCLUSIVE, unadjusted=alone)
        hypothesis = self.question.hypothesis
        assert isinstance(hypothesis, Contrast)
        return replace(verdict, experimental=hypothesis.experimental and bool(self.claims))

    def _without_words(self) -> Verdict:
        failed = [gate.name for gate in self.draft.gates if gate.outcome == "failed"]
        if "decodable" in failed:
            return Verdict(UNTESTABLE, ("too few sessions can be decoded",))
        blocking = [name for name in failed if name not in ("licence", A_THIRD)]
        if blocking:
            return Verdict(INVALID, tuple(blocking))
        return Verdict(UNCALIBRATED if "licence" in failed else NOT_SHOWN)


NOT_SHOWN = "not shown"
"""Word of a contrast that shows neither benefit nor harm."""


def judge_contrast(question: Question) -> ContrastJudgement:
    """Judge a contrast.

    Where there are interim analyses, it is judged at that of the question.
    """
    hypothesis = question.hypothesis
    assert isinstance(hypothesis, Contrast)
    blank = _blank(question, hypothesis)
    entry = gates.decodable(question.covered)
    if entry.outcome == "failed":
        return ContrastJudgement(question, replace(blank, gates=(entry,)), {})
    samples = {
        AGAINST[control]: question.sample(AGAINST[control]) for control in hypothesis.controls
    }
    measured = replace(
        blank,
        scope=samples["M_loc"].scope,
        estimands=tuple(_estimands(question)),
        pairs=tuple(_pairs(question)),
    )
    missing = [name for name, sample in samples.items() if not sample.complete]
    if missing:
        note = f"runs are missing or failed for {', '.join(missing)}"
        return ContrastJudgement(question, replace(measured, gates=(entry,), notes=(note,)), {})
    claims = contrast_claims(samples, question.margin, claimed_of_pairs(question))
    draft = replace(
        measured,
        swept=tuple(_swept(question, hypothesis)),
        claims=tuple(claims.values()),
        gates=(entry, *_gates(question, decide_contrast(claims))),
    )
    return ContrastJudgement(question, draft, claims)


HARM = "M_loc < -m"
"""The claim of harm; a benefit does not need it."""


def contrast_claims(
    samples: dict[str, Sample], margin: float, pairs: Mapping[str, tuple[Sample, float]]
) -> dict[str, Claim]:
    """The claims that a benefit needs together, and the claim of harm.

    Parameters
    ----------
    samples
        The contrast against every control that the hypothesis names.
    margin
        How much each contrast has to exceed, in units of the range.
    pairs
        Claims about mined pairs by name: a measure, and the bound that it has to
        exceed.
    """
    p_values = {f"{name} > m": sample.p_more_than(margin) for name, sample in samples.items()}
    p_values |= {name: _of_pairs(measure, bound) for name, (measure, bound) in pairs.items()}
    p_values[HARM] = samples["M_loc"].p_at_most(-margin)
    return {name: Claim(name, p <= ALPHA, p) for name, p in p_values.items()}


def _of_pairs(measure: Sample, at: float) -> float:
    """P value of a claim about pairs; 1 where sessions stand for themselves.

    Such a claim needs a population. Pairs are made of training windows, which the folds
    of one session share, and their table is the same for all seeds. So a session's
    values hardly vary, and say nothing about how far its own measure lies from the
    truth.
    """
    return (
        measure.p_more_than(at) if measure.complete and measure.scope != THESE_RECORDINGS else 1.0
    )


def decide_contrast(claims: dict[str, Claim]) -> str:
    """Word that the claims show: `beneficial`, `harmful` or `not shown`."""
    if all(claim.shown for name, claim in claims.items() if name != HARM):
        return "beneficial"
    return "harmful" if claims[HARM].shown else "not shown"


def claimed_of_pairs(question: Question) -> dict[str, tuple[Sample, float]]:
    """Measures of mined pairs that a benefit rests on, each with its bound.

    Windows of sleep have neither target nor nuisance. So nothing is claimed about pairs
    across states except what they do to the loss.

    Returns
    -------
    measures
        By claim: the measure, and the bound that it has to exceed.
    """
    if question.hypothesis.axis != SHARE:
        return {}
    found = {
        PURITY: (purity_above(question, "random"), 0.0),
        PURITY_SHIFTED: (purity_above(question, "shifted"), 0.0),
    }
    if nuisance_of(question):
        found[NUISANCE] = pair_sample(question, NUISANCE_DISTANCE, "mined"), UNRELATED
        found[NUISANCE_SHIFTED] = nuisance_of_shifted(question), UNRELATED
    return found


def purity_above(question: Question, arm: str) -> Sample:
    """How much more often mined pairs agree in the target than those of an arm.

    The pairs of both arms have the same gap in time.

    Parameters
    ----------
    question
        The hypothesis with its evidence.
    arm
        The arm to compare with: `random` or `shifted`.
    """
    return pair_sample(question, AGREEMENT, "mined", arm)


def nuisance_of_shifted(question: Question) -> Sample:
    """Nuisance distance of mined pairs in units of that of shifted ones.

    Shifted pairs have the same marginals.
    """
    mined, shifted = (
        _readings(question, NUISANCE_DISTANCE, arm, question.hypothesis.dose)
        for arm in ("mined", "shifted")
    )
    return question.over([Effect(mined[name], shifted[name]) for name in question.names])


def pair_sample(
    question: Question,
    reading: Reading,
    arm: str,
    minus: str | None = None,
    dose: float | None = None,
) -> Sample:
    """Sample of one figure of an arm's distant pairs over the sessions.

    Values are (seed, fold). Where sessions stand for themselves, these take the places
    of seed and test block.

    Parameters
    ----------
    question
        The hypothesis with its evidence.
    reading
        Reads the figure of a run.
    arm
        The arm whose pairs are measured.
    minus
        An arm whose figure is subtracted; None to subtract nothing.
    dose
        Share of distant pairs; None for the primary dose.
    """
    at_dose = question.hypothesis.dose if dose is None else dose
    own = _readings(question, reading, arm, at_dose)
    other = None if minus is None else _readings(question, reading, minus, at_dose)
    values = [own[name] - (0.0 if other is None else other[name]) for name in question.names]
    return question.over([Effect(each, np.ones_like(each)) for each in values])


def _readings(question: Question, reading: Reading, arm: str, dose: float) -> dict[str, np.ndarray]:
    """One figure of the runs of the study's own setting by session, each (seed, fold).

    It is NaN where it is missing.
    """
    evidence, hypothesis = question.evidence, question.hypothesis
    shape = (evidence.seeds, question.plan.study.folds.count)
    found = {session: np.full(shape, np.nan) for session in question.names}
    for run in question.plan.grid:
        if (run.axis, run.arm, run.dose, run.setting) != (
            hypothesis.axis,
            arm,
            dose,
            "",
        ) or run.session not in found:
            continue
        result = evidence.results.get(run.key())
        if result is not None and run.fold is not None and run.seed < shape[0]:
            decoded = result.measured(DecodedFigures)
            value = None if decoded is None else reading(decoded)
            found[run.session][run.seed, run.fold] = math.nan if value is None else value
    return found


def _gates(question: Question, word: str) -> list[Gate]:
    """Gates of a contrast, at one interim analysis.

    The gates `trained` and `planted targets` are left out: they matter only where an
    effect is claimed to be smaller than a margin.
    """
    plan, results, hypothesis, single = (
        question.plan,
        question.evidence.results,
        question.hypothesis,
        question.single,
    )
    assert isinstance(hypothesis, Contrast)
    names = [AGAINST[control] for control in hypothesis.controls]
    reasons = without_licence(plan.study, plan.settings[0], hypothesis, len(question.names))
    return [
        gates.retention(question.losses, hypothesis, plan.settings[0], jitter=True),
        gates.collapse(plan, results, question.names, plan.settings[0]),
        contrast_checks.noise(single.noise(), question.margin),
        gates.leak(plan, results, question.names),
        contrast_checks.third(single, word, names),
        gates.licence(plan.study.method.kind, reasons),
    ]


def _estimands(question: Question) -> Iterator[Estimand]:
    for dose in question.doses:
        for name in CONTRASTS[question.hypothesis.axis]:
            sample = question.sample(name, dose)
            if sample.complete:
                yield question.estimand(name, sample, dose)
    noise = question.noise()
    if noise.complete:
        yield question.estimand("A/A", noise, question.hypothesis.dose)


def _swept(question: Question, hypothesis: Contrast) -> Iterator[Estimand]:
    """Contrasts at the primary dose under every swept setting and check."""
    third = () if question.plan.study.quick else (a_third_of(question.plan.settings[0]),)
    for setting in (*question.plan.settings[1:], *third):
        for control in hypothesis.controls:
            sample = question.sample(AGAINST[control], None, setting.label, setting.fraction)
            if sample.complete:
                yield replace(
                    question.estimand(AGAINST[control], sample, hypothesis.dose),
                    setting=setting.label,
                )


def _pairs(question: Question) -> Iterator[PairMeasure]:
    """Properties of the distant pairs of every arm at the primary dose.

    For pairs across time, also how mined pairs differ from random and from shifted
    ones.
    """
    for name, reading in MEASURES.items():
        for arm in question.plan.study.arms_of(question.hypothesis.axis):
            sample = pair_sample(question, reading, arm)
            if sample.complete:
                yield PairMeasure(
                    name, arm, sample.estimate, *sample.interval(), len(sample.effects)
                )
    if question.hypothesis.axis != SHARE:
        return
    against = {f"purity above {arm}": purity_above(question, arm) for arm in ("random", "shifted")}
    if nuisance_of(question):
        against["nuisance distance over shifted"] = nuisance_of_shifted(question)
    for name, sample in against.items():
        if sample.complete:
            yield PairMeasure(
                name, "mined", sample.estimate, *sample.interval(), len(sample.effects)
            )


def _blank(question: Question, hypothesis: Contrast) -> HypothesisFinding:
    """A finding that repeats its contrast, with nothing found yet."""
    naive = NaiveRule(NAIVE[hypothesis.axis], "not measured", "not measured", None)
    return unjudged(question, "contrast", NOT_SHOWN, scope=THESE_RECORDINGS, naive=naive)
