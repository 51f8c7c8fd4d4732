"""Judging a hypothesis about a dose: gates, the two findings, and the verdict.

In: one hypothesis with its evidence. Out: a judgement, which gives the finding at any
significance level.

There are two findings. That of the code says what decoders without SSL lose under the
corruption, and how many units carry the target. That of learning says what training
with the corruption costs, under every recipe of a panel. The verdict follows from both:
`sensitive`, for example, means that the target is lost and that learning is costly.

Everything that is collected here is independent of the level. The verdict is read from
p values at the level that Holm's procedure leaves to the hypothesis, once all
hypotheses of the study have been judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from invariance_probe.inference.findings import (
    AXIS,
    CARRIERS,
    EVERYTHING,
    LEARNING,
    Claim,
    CodeFinding,
    Gate,
    HypothesisFinding,
    LearningFinding,
)
from invariance_probe.inference.hypotheses import gates
from invariance_probe.inference.hypotheses.code import Code, code_finding
from invariance_probe.inference.hypotheses.dose import words
from invariance_probe.inference.hypotheses.dose.estimates import (
    dose_interval_of,
    estimands_of,
    flags_of,
    naive_of,
    no_ssl_of,
    swept_of,
)
from invariance_probe.inference.hypotheses.dose.learning import (
    Learning,
    learning_finding,
    learning_of,
    undertraining,
)
from invariance_probe.inference.hypotheses.dose.objectives import objectives
from invariance_probe.inference.hypotheses.dose.planted import planted_gates
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.hypotheses.judgement import Judgement, unjudged
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.verdicts import (
    INCONCLUSIVE,
    UNCALIBRATED,
    decide,
    outcome,
    word_p,
)
from invariance_probe.inference.verdict import INVALID, UNTESTABLE, Verdict
from invariance_probe.plan.licences import licensed_findings
from invariance_probe.plan.recipes import use_of, without_licence


@dataclass(frozen=True, eq=False)
class DoseJudgement(Judgement):
    """Judgement of a hypothesis about a corruption or a jitter.

    Attributes
    ----------
    evidence
        The hypothesis with its evidence.
    gates
        Every gate that was checked.
    learning
        What training with the corruption costs; None where a gate failed that is
        checked before training is considered. The finding of the code is part of the
        evidence.
    """

    gates: tuple[Gate, ...]
    learning: Learning | None = None

    @property
    def code(self) -> Code | None:
        """Results of decoders without SSL; None if they are missing in any session."""
        code = self.evidence.code
        return code if code is not None and code.complete else None

    @cached_property
    def shown(self) -> dict[str, float]:
        """P value of each possible verdict, before gates rule out some of them.

        Empty if runs are missing, or if a failed gate rules out every verdict.
        """
        code = self.code
        if self._stopped(EVERYTHING):
            return {}
        if self.evidence.about_units:
            return {} if code is None or self._stopped(CARRIERS) else code.carriers_p()
        if self.learning is None or self._stopped(LEARNING) or self._stopped(AXIS) or self._missing:
            return {}
        p_values = word_p(
            code.p_values() if code else {}, self.learning.p_values, self.evidence.jitter
        )
        return {word: float(p) for word, p in p_values.items()}

    @property
    def words(self) -> dict[str, float]:
        """P value of each verdict, 1 for those that a failed gate takes away."""
        return {word: 1.0 if word in self._taken else p for word, p in self.shown.items()}

    @property
    def p_value(self) -> float | None:
        """Smallest p value of the possible verdicts; None if there are none.

        For a prediction about how many units carry the target only `few` and `spread`
        count, because they alone can support or contradict it.
        """
        counted = {
            name: p
            for name, p in self.words.items()
            if not (self.evidence.about_units and name == "between")
        }
        return min(counted.values(), default=None)

    def finding(self, level: float = ALPHA) -> HypothesisFinding:
        """Return the finding, including its verdict, at a significance level."""
        evidence = self.evidence
        verdict = self._verdict(level)
        word = verdict.word
        if word == INCONCLUSIVE and self.words:
            alone = decide(self.words)
            verdict = replace(verdict, unadjusted="" if alone == INCONCLUSIVE else alone)
        code, learning = self._code_finding(level), self._learning_finding(level)
        found = replace(
            _blank(evidence),
            verdict=verdict,
            status="exploratory"
            if self.evidence.status == "exploratory" or self._exploratory_because(word)
            else "confirmatory",
            outcome=outcome(evidence.hypothesis.predicts, word),
            scope=evidence.scope,
            no_ssl=no_ssl_of(evidence, code),
            gates=self.gates,
            p_value=self.p_value,
            code=code,
            learning=learning,
            notes=self._notes(),
        )
        if learning is not None and not self._missing:
            assert self.learning is not None
            found = replace(
                found,
                flags=flags_of(evidence),
                dose_interval=dose_interval_of(evidence, self.learning.declared.may_claim_at_most),
                naive=naive_of(evidence),
                estimands=estimands_of(evidence),
                swept=swept_of(evidence),
                objectives=objectives(evidence),
                claims=self._claims(),
            )
        return replace(
            found,
            sentence=words.sentence(
                evidence, found, self._missing, self._exploratory_because(word)
            ),
        )

    def _verdict(self, level: float) -> Verdict:
        """Return the verdict at a level, or the reason why there is none."""
        ends = (EVERYTHING, AXIS) if self.evidence.about_units else (EVERYTHING, AXIS, LEARNING)
        for what in ends:
            if failed := [
                gate for gate in self.gates if gate.outcome == "failed" and what in gate.limits
            ]:
                return _without_word(self.evidence, failed)
        word = decide(self.shown, level) if self.shown else INCONCLUSIVE
        failed = [gate for gate in self.gates if gate.outcome == "failed" and word in gate.limits]
        return _without_word(self.evidence, failed) if failed else Verdict(word)

    @property
    def _taken(self) -> set[str]:
        """What failed gates take away: individual verdicts, or whole findings."""
        return {
            limited for gate in self.gates if gate.outcome == "failed" for limited in gate.limits
        }

    def _stopped(self, what: str) -> bool:
        """Whether a failed gate limits a finding, or everything.

        Parameters
        ----------
        what
            The finding, such as `learning`, as named by the `limits` of a gate.
        """
        return bool({what, EVERYTHING} & self._taken)

    @property
    def _missing(self) -> list[str]:
        """Estimands whose runs are missing or failed, under the study's own recipe.

        C_code is listed if the code was not measured; a jitter does not need it.
        """
        if self.learning is None:
            return []
        declared = self.learning.declared
        missing = [name for name, sample in declared.samples.items() if not sample.complete]
        return missing + ([] if self.evidence.jitter or self.code else ["C_code"])

    def _notes(self) -> tuple[str, ...]:
        """Return the notes on a finding, such as missing runs or skewed sessions."""
        if self._missing:
            return (words.without_runs(self._missing),)
        if self.learning is None:
            return ()
        return (
            *words.notes(self.evidence.samples(), self.evidence.margin),
            *self._in_its_own_range(),
        )

    def _in_its_own_range(self) -> tuple[str, ...]:
        """Return a note with the costs in units of what dose 0 decodes.

        It is written only if representations at dose 0 decode clearly more than R, the
        range of the best decoder without SSL. Otherwise the tuple is empty.
        """
        assert self.learning is not None
        declared = self.learning.declared
        if declared.retention is None or declared.retention <= gates.TOO_MUCH:
            return ()
        each = ", ".join(
            f"{name} = {sample.estimate / declared.retention:+.2f}"
            for name, sample in declared.samples.items()
        )
        return (
            (
                f"dose 0 decodes {declared.retention:.2f} of R; in units of what it decodes "
                f"itself, {each}"
            ),
        )

    def _exploratory_because(self, word: str) -> tuple[str, ...]:
        """Return the reasons why a verdict counts as exploratory, in words.

        These are gates that were not computed or not shown to hold, and recipes of the
        panel that were not computed.
        """
        limited = (
            {word, EVERYTHING, AXIS, CARRIERS}
            if self.evidence.about_units
            else {word, EVERYTHING, AXIS, LEARNING}
        )
        open_gates = [
            f"{gate.name} was {gate.outcome}"
            for gate in self.gates
            if gate.outcome in ("not shown", "not computed") and limited & set(gate.limits)
        ]
        panel = () if self.evidence.about_units else self.evidence.panel.missing
        return (*open_gates, *(f"the recipe {recipe.name} was not computed" for recipe in panel))

    def _code_finding(self, level: float) -> CodeFinding | None:
        """Return the finding of the code at a level; None if there is none."""
        if self.code is None or self._stopped(EVERYTHING):
            return None
        evidence = self.evidence
        ranges = [float(losses.range.mean()) for losses in evidence.losses]
        found = code_finding(self.code, evidence.names, level, not self._stopped(CARRIERS), ranges)
        if found.carriers_word in self._taken:
            found = replace(found, carriers_word="undecided")
        return replace(found, sentence=words.code_sentence(evidence, found))

    def _learning_finding(self, level: float) -> LearningFinding | None:
        """Return the finding of learning at a level; None if training is not judged."""
        if self.learning is None:
            return None
        failed = [
            gate
            for gate in self.gates
            if gate.outcome == "failed" and {LEARNING, EVERYTHING} & set(gate.limits)
        ]
        withheld = "; ".join(f"{gate.name} failed ({gate.detail})" for gate in failed)
        return learning_finding(self.learning, level, withheld)

    def _claims(self) -> tuple[Claim, ...]:
        """Return all claims with their p values: of the code, then of each recipe."""
        assert self.learning is not None
        found = {} if self.code is None else self.code.p_values()
        for recipe in self.learning.recipes:
            mark = "" if recipe is self.learning.declared else f" [{recipe.planned.name}]"
            found |= {f"{name}{mark}": p for name, p in recipe.p_values.items()}
        return tuple(Claim(name, p <= ALPHA, float(p)) for name, p in found.items())


def judge_dose(evidence: HypothesisEvidence) -> DoseJudgement:
    """Judge a hypothesis about a dose: check gates, and collect what recipes show.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence, and the interim analysis at which it is
        judged.
    """
    entry = gates.decodable(evidence.covered)
    if entry.outcome == "failed":
        return DoseJudgement(evidence, (entry,))
    code = evidence.code
    changes = code.input_changes if code is not None else ()
    moves = gates.movement(
        evidence.plan, evidence.of_study.results, evidence.hypothesis, evidence.names, changes
    )
    if moves.outcome == "failed" and evidence.jitter:
        return DoseJudgement(evidence, (entry, moves))
    contrast = evidence.noise()
    noise_is_equivalent = gates.equivalent_noise(contrast, evidence.margin)
    plan, hypothesis = evidence.plan, evidence.hypothesis
    use = use_of(plan.study, hypothesis, len(evidence.names))
    own = plan.settings[0]
    reasons = without_licence(plan.study, own, hypothesis, len(evidence.names))
    learning = learning_of(evidence, licensed_findings(own.method, use), noise_is_equivalent)
    checked = [
        entry,
        moves,
        gates.leak(plan, evidence.of_study.results, evidence.names),
        *_of_carriers(code),
        *learning.declared.gates,
        *_of_training(learning),
        gates.noise(contrast, evidence.margin),
        *planted_gates(evidence.single, contrast.single),
        gates.licence(own.method.kind, reasons),
    ]
    return DoseJudgement(evidence, tuple(checked), learning)


def _of_carriers(code: Code | None) -> list[Gate]:
    """Return the gate `distinct`, which checks units that repeat others.

    The list is empty if the code was not measured.
    """
    if code is None:
        return []
    copies = code.copies
    return [
        gates.distinct(
            code.carriers_word(), code.without_copies().carriers_word() if copies else "", copies
        )
    ]


def _of_training(learning: Learning) -> list[Gate]:
    """Return the gate `trained`: whether the study's recipe trained long enough.

    The list is empty if the panel has no other recipe to compare with.
    """
    evidence = learning.evidence
    if evidence.plan.study.quick:
        return [gates.trained({}, evidence.margin, "left out: the study is quick")]
    if len(learning.recipes) == 1 and not evidence.panel.missing:
        return []  # the panel holds only the study's own recipe: no other is needed or licensed
    changes, why_not = undertraining(learning)
    return [gates.trained(changes, evidence.margin, why_not)]


def _without_word(evidence: HypothesisEvidence, failed: Sequence[Gate]) -> Verdict:
    """Return what takes the place of a verdict that failed gates took away."""
    names = [gate.name for gate in failed]
    if names == ["decodable"]:
        return Verdict(UNTESTABLE, ("too few sessions can be decoded",))
    if "movement" in names and evidence.jitter:
        return Verdict(UNTESTABLE, ("the target does not move on the axis",))
    if names == ["licence"]:
        return Verdict(UNCALIBRATED)
    return Verdict(INVALID, tuple(name for name in names if name != "licence"))


def _blank(evidence: HypothesisEvidence) -> HypothesisFinding:
    """Build a finding that repeats its hypothesis and shows nothing yet."""
    return unjudged(
        evidence,
        "jitter" if evidence.jitter else "invariance",
        INCONCLUSIVE,
        no_ssl=no_ssl_of(evidence, None),
        naive=naive_of(None),
    )
