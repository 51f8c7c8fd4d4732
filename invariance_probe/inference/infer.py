"""Run results to findings: every hypothesis judged at the look where it stops, and its outcome against its prediction."""

from collections.abc import Mapping
from dataclasses import replace

from statsmodels.stats.multitest import multipletests

from invariance_probe.inference import description, examination
from invariance_probe.inference.addition import ssl_adds
from invariance_probe.inference.contrast_words import contrast_addition, contrast_limits, contrast_supports
from invariance_probe.inference.findings import Findings, HypothesisFinding, Standing
from invariance_probe.inference.messengers import messengers, switching, unit_scores
from invariance_probe.inference.nulls import null_findings
from invariance_probe.inference.question import Question
from invariance_probe.inference.reliance import reliance
from invariance_probe.inference.scope import cannot_support, supports
from invariance_probe.inference.stopping import evidence_of, seen, stopped
from invariance_probe.inference.verdicts import outcome
from invariance_probe.study.hypotheses import Contrast
from invariance_probe.study.plan import Plan
from invariance_probe.study.run import RunResult

UNREGISTERED = Standing(None)


def infer(
    plan: Plan, results: Mapping[str, RunResult], left_out: Mapping[str, str], standing: Standing = UNREGISTERED
) -> Findings:
    """Judge a study's hypotheses.

    Parameters
    ----------
    plan
        Every run of the study.
    results
        Results by run key.
    left_out
        Grid runs that were not worth training, with the reason.
    standing
        Whether the study was registered, and how it departs from that.
    """
    whole = evidence_of(plan, results, standing)
    judged = [stopped(whole, hypothesis) for hypothesis in plan.study.hypotheses]
    questions, evidence = [question for question, _ in judged], seen(whole, judged)
    found = _adjusted(tuple(finding for _, finding in judged))
    return Findings(
        hypotheses=tuple(_spelt_out(question, finding) for question, finding in zip(questions, found, strict=True)),
        sessions=tuple(evidence.sessions.values()),
        baselines=tuple(description.baselines(evidence)),
        curve=tuple(description.curve(evidence)),
        runs=description.counts(plan, evidence.results, left_out),
        standing=standing,
        lags=tuple(description.lags(plan, results)),
        nulls=tuple(null_findings(plan, results)),
        matrix=tuple(examination.matrix(evidence, questions)),
        examined=tuple(examination.examined(evidence)),
        similarity=tuple(examination.similarity(evidence)),
        classes=tuple(point for question in questions for point in examination.classes(question)),
        messengers=tuple(messengers(plan, results)),
        switching=tuple(switching(plan, results)),
        units=tuple(unit_scores(plan, results)),
        reliance=tuple(reliance(plan, results, left_out)),
    )


def _spelt_out(question: Question, finding: HypothesisFinding) -> HypothesisFinding:
    """Say what a verdict can and cannot support, and what SSL adds to what is known without it."""
    if isinstance(question.hypothesis, Contrast):
        return replace(
            finding,
            supports=contrast_supports(question, finding),
            cannot_support=contrast_limits(question, finding),
            ssl_adds=contrast_addition(question, finding),
        )
    return replace(
        finding,
        supports=supports(question, finding),
        cannot_support=cannot_support(question, finding),
        ssl_adds=ssl_adds(question, finding),
    )


def _adjusted(found: tuple[HypothesisFinding, ...]) -> tuple[HypothesisFinding, ...]:
    """Adjust p values, Holm over confirmatory and Benjamini-Hochberg over exploratory hypotheses, and set the outcomes.

    A hypothesis without a p value counts as p = 1, so that a failed gate cannot help the others.
    """
    adjusted: dict[str, float] = {}
    for status, method in (("confirmatory", "holm"), ("exploratory", "fdr_bh")):
        family = [f for f in found if f.status == status]
        if family:
            values = multipletests([1.0 if f.p_value is None else f.p_value for f in family], method=method)[1]
            adjusted |= {f.id: float(p) for f, p in zip(family, values, strict=True)}
    return tuple(
        replace(
            f,
            p_value_adjusted=None if f.p_value is None else adjusted[f.id],
            outcome=outcome(f.predicts, f.verdict, None if f.p_value is None else adjusted[f.id]),
        )
        for f in found
    )
