"""One hypothesis in its evidence: estimands, gates, claims and the verdict, before any correction over hypotheses."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from invariance_probe.inference import controls, gates, wording
from invariance_probe.inference.code_measures import code_measures, in_words
from invariance_probe.inference.contrasts import judge_contrast
from invariance_probe.inference.dose_response import dose_interval
from invariance_probe.inference.entry import persistence
from invariance_probe.inference.findings import Claim, DoseInterval, Estimand, Gate, HypothesisFinding, NaiveRule, NoSSL
from invariance_probe.inference.intervals import Sample
from invariance_probe.inference.looks import ALPHA
from invariance_probe.inference.objectives import objectives
from invariance_probe.inference.question import ARMS, Question
from invariance_probe.inference.verdicts import PREDICTED, ROWS, UNCALIBRATED, cells, decide, joint_p, prediction
from invariance_probe.study.hypotheses import Contrast
from invariance_probe.study.plan import TWICE_THE_STEPS

NAIVE = "delta <= m, so invariant (point estimate, dose 0 as reference)"
CHECKS = {"a third of the data", "another method"}
"""Gates that look at the verdict again; where it is reversed it becomes `inconclusive`."""
NOT_BLOCKING = {"reference", "licence", *CHECKS}
"""Gates that leave a verdict word of their own, or act on single claims."""


def judge(question: Question) -> HypothesisFinding:
    """Judge a hypothesis on the evidence of a question, at its look's levels where there are several looks."""
    if isinstance(question.hypothesis, Contrast):
        return judge_contrast(question)
    entry = gates.decodable(question.covered)
    if not entry.passed:
        return _without_verdict(question, "untestable: no session can be decoded", [entry])
    moves = gates.movement(question.plan, question.evidence.results, question.hypothesis, question.names)
    if moves.passed is False and question.jitter:
        return _without_verdict(question, "untestable: the target does not move on the axis", [entry, moves])
    return _weigh(question, [entry, moves])


def _weigh(question: Question, first: list[Gate]) -> HypothesisFinding:
    samples = question.samples()
    missing = [name for name, sample in samples.items() if not sample.complete]
    if missing:
        note = f"runs are missing or failed for {', '.join(missing)}"
        return _without_verdict(question, "inconclusive", first, (note,))
    contrast = question.noise()
    claims = cells(samples, question.margin, gates.equivalent_noise(contrast, question.margin))
    tentative = decide(claims, question.jitter)
    checked = [*first, *_gates(question, tentative, samples, contrast)]
    blocking = [gate.name for gate in checked if gate.passed is False and gate.name not in NOT_BLOCKING]
    verdict = f"invalid: {', '.join(blocking)}" if blocking else _granted(checked, tentative)
    silent = verdict != tentative  # a gate failed, the method has no licence, or a check reversed the verdict
    finding = replace(
        _blank(question),
        scope=samples["delta"].scope,
        verdict=verdict,
        flags=_flags(question, samples),
        dose_interval=_dose_interval(question),
        no_ssl=_no_ssl(question, samples),
        naive=_naive(question, samples),
        estimands=_estimands(question),
        swept=_swept(question),
        objectives=objectives(question, tentative, samples, contrast),
        claims=tuple(Claim(c.name, c.shown, c.p_value) for c in claims.values()),
        gates=tuple(checked),
        p_value=None if silent else joint_p(claims, prediction(question.hypothesis.predicts, question.jitter)),
        notes=wording.notes(samples, question.margin),
    )
    return replace(finding, sentence=wording.sentence(question, finding, samples))


def _gates(question: Question, tentative: str, samples: dict[str, Sample], contrast: Sample) -> list[Gate]:
    """Return every gate; one that takes a verdict away is judged at .05 at every look, what has to be shown at the look's level."""
    plan, margin, single = question.plan, question.margin, question.single
    seen, again = {name: sample.single for name, sample in samples.items()}, contrast.single
    return [
        gates.retention(question.losses, question.hypothesis, tentative == "sensitive", question.jitter),
        gates.collapse(plan, question.evidence.results, question.names),
        gates.reference(None if question.jitter else samples["H"], margin),
        gates.noise(contrast, margin),
        gates.leak(plan, question.evidence.results, question.names),
        gates.steps(plan, single.change("delta", TWICE_THE_STEPS), margin),
        controls.third(single, tentative, seen, again),
        controls.another_method(single, tentative, seen, again),
        controls.planted(single, again),
        gates.licence(plan, question.hypothesis.axis),
    ]


def _granted(checked: Sequence[Gate], tentative: str) -> str:
    failed = {gate.name for gate in checked if gate.passed is False}
    if "licence" in failed:
        return UNCALIBRATED
    return "inconclusive" if CHECKS & failed else tentative


def _swept(question: Question) -> tuple[Estimand, ...]:
    """Return the estimands at the primary dose under every swept setting and check, how they change, and those of the controls."""
    names = ("delta",) if question.jitter else ("delta", "D", "H")
    found = []
    for setting in (*question.plan.settings[1:], *question.plan.checks):
        at_setting = [(name, question.sample(name, None, setting.label, setting.fraction)) for name in names]
        changes = [(f"change of {name}", question.change(name, setting.label, setting.fraction)) for name in names]
        found += [
            replace(_estimand(question, name, sample, question.hypothesis.dose), setting=setting.label)
            for name, sample in (*at_setting, *changes)
            if sample.complete
        ]
    for axis, dose in dict.fromkeys((c.axis, c.dose) for c in question.plan.controls_beside(question.hypothesis.axis)):
        of_control = [(name, question.sample(name, dose, axis=axis)) for name in names]
        found += [
            replace(_estimand(question, name, sample, dose), axis=axis, setting=f"control: {axis}={dose:.3g}")
            for name, sample in of_control
            if sample.complete
        ]
    return tuple(found)


def _dose_interval(question: Question) -> DoseInterval | None:
    kept, lost = {}, {}
    equivalent = gates.equivalent_noise(question.noise(), question.margin)
    for dose in question.doses:
        samples = {name: sample for name, sample in question.samples(dose).items() if name != "delta(n/3)"}
        if not all(sample.complete for sample in samples.values()):
            return None
        claims = cells(samples, question.margin, equivalent)
        kept[dose] = joint_p(claims, ("delta <= m",) if question.jitter else PREDICTED["distributed"])
        lost[dose] = joint_p(claims, ("delta > m",) if question.jitter else ROWS["sensitive"])
    return dose_interval(question.plan.study.identity(question.hypothesis.axis), kept, lost)


def _estimands(question: Question) -> tuple[Estimand, ...]:
    found = []
    for dose in question.doses:
        samples = question.samples(dose)
        if not question.jitter and "paired" in question.plan.study.arms:
            samples["delta_paired"] = question.sample("delta_paired", dose)
        if dose == question.hypothesis.dose and not question.jitter:
            samples["T"] = question.sample("T", dose)
        found += [_estimand(question, name, sample, dose) for name, sample in samples.items() if sample.complete]
    return tuple(found)


def _estimand(question: Question, name: str, sample: Sample, dose: float) -> Estimand:
    low, high = sample.interval()
    seeds = max(effect.values.shape[0] for effect in sample.effects)
    arm, sessions = ARMS.get(name, "independent"), len(sample.effects)
    axis = question.hypothesis.axis
    return Estimand(name, axis, dose, arm, sample.estimate, low, high, high, sample.skew(), sessions, seeds)


def _flags(question: Question, samples: dict[str, Sample]) -> tuple[str, ...]:
    """`regularised`: in some arm the corruption lowered the loss by more than m."""
    arms = [samples["delta"]]
    if not question.jitter:
        paired = question.sample("delta_paired")
        arms += [samples["H"], *([paired] if paired.complete else [])]
    return ("regularised",) if any(sample.p_at_most(-question.margin) <= ALPHA for sample in arms) else ()


def _naive(question: Question, samples: dict[str, Sample]) -> NaiveRule:
    def says(sample: Sample) -> str:
        return "invariant" if sample.estimate <= question.margin else "not invariant"

    paired = None if question.jitter else question.sample("delta_paired")
    with_paired = says(paired) if paired is not None and paired.complete else None
    return NaiveRule(NAIVE, with_paired or says(samples["delta"]), says(samples["delta"]), with_paired)


def _no_ssl(question: Question, samples: dict[str, Sample]) -> NoSSL:
    evidence, hypothesis = question.evidence, question.hypothesis
    measures = code_measures([evidence.sessions[name] for name in question.names])
    more = "".join(f"; {in_words(measure)}" for measure in measures)
    if question.jitter:
        rhos = [persistence(question.plan, evidence.results, n, hypothesis.axis, hypothesis.dose) for n in question.names]
        known = [rho for rho in rhos if rho is not None]
        cost = 1 - float(np.mean(known)) ** 2 if known else math.nan
        detail = f"the target itself changes by 1 - rho^2 = {cost:.2f} over the primary jitter{more}"
        return NoSSL("label persistence", detail, measures)
    sample = samples["C_info"]
    low, high = sample.interval()
    detail = f"C_info = {sample.estimate:.2f} [{low:.2f}, {high:.2f}] of the range, margin {question.margin:g}{more}"
    if sample.p_at_most(question.margin) <= ALPHA:
        return NoSSL("information kept", detail, measures)
    return NoSSL("information lost" if sample.p_more_than(question.margin) <= ALPHA else "inconclusive", detail, measures)


def _blank(question: Question) -> HypothesisFinding:
    """Return what a finding repeats of its hypothesis, with nothing found."""
    hypothesis = question.hypothesis
    return HypothesisFinding(
        id=hypothesis.id, kind="jitter" if question.jitter else "invariance", claim=hypothesis.claim, predicts=hypothesis.predicts,
        status=question.status, group=hypothesis.group or "", axis=hypothesis.axis, primary_dose=hypothesis.dose,
        margin=question.margin, because=hypothesis.margin.because, scope="these recordings", sessions=tuple(question.names),
        verdict="inconclusive", flags=(), outcome="open", sentence="", dose_interval=None, no_ssl=NoSSL("not measured", ""),
        naive=NaiveRule(NAIVE, "not measured", "not measured", None), estimands=(), swept=(), claims=(), gates=(),
        p_value=None, p_value_adjusted=None,
    )  # fmt: skip


def _without_verdict(question: Question, verdict: str, checked: list[Gate], notes: tuple[str, ...] = ()) -> HypothesisFinding:
    reason = "; ".join(notes) or next((g.detail for g in checked if g.passed is False), "")
    return replace(
        _blank(question),
        verdict=verdict,
        sentence=wording.no_verdict(question, verdict, reason),
        no_ssl=NoSSL("not measured", reason, code_measures([question.evidence.sessions[name] for name in question.names])),
        gates=tuple(checked),
        notes=notes,
    )
