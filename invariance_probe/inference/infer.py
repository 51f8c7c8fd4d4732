"""From run results to findings: the verdict on every hypothesis of a study.

In: a plan and the results of its runs. Out: `Findings`, from which reports are
rendered. Every hypothesis is judged at the interim analysis at which it stops (with all
seeds if there are no interim analyses), and at the significance level that Holm's
procedure assigns to it. Nothing is trained, stored or rendered here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from invariance_probe.inference.description import examination
from invariance_probe.inference.description import overview as description
from invariance_probe.inference.description.messengers import messengers, switching, unit_scores
from invariance_probe.inference.description.nulls import null_findings
from invariance_probe.inference.description.reliance import reliance
from invariance_probe.inference.evidence.measured import needed
from invariance_probe.inference.findings import Findings, HypothesisFinding, Standing
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.hypotheses.judgement import Judgement
from invariance_probe.inference.hypotheses.kinds import kind_of
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.multiplicity import (
    benjamini_hochberg_adjusted,
    holm_adjusted,
    holm_levels,
)
from invariance_probe.inference.stopping import evidence_of, restrict_to_judged, stopped, taken_at
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult

UNREGISTERED = Standing(None)
"""Registration status of a study that was not registered."""


def infer(
    plan: Plan,
    results: Mapping[str, RunResult],
    left_out: Mapping[str, str],
    standing: Standing = UNREGISTERED,
) -> Findings:
    """Judge the hypotheses of a study, and describe what else was measured.

    Parameters
    ----------
    plan
        Every run of the study.
    results
        Results by `Run.key()`.
    left_out
        Why runs were skipped, by the key of each skipped run.
    standing
        Whether the study was registered, and how it departs from its registration.
    """
    whole = evidence_of(plan, results, standing)
    judged = [stopped(whole, hypothesis) for hypothesis in plan.study.hypotheses]
    by_hypothesis, evidence = [one.evidence for one in judged], restrict_to_judged(whole, judged)
    found = [
        taken_at(one, finding)
        for one, finding in zip(judged, found_of([one.judgement for one in judged]), strict=True)
    ]
    return Findings(
        hypotheses=tuple(
            _spelt_out(own, finding) for own, finding in zip(by_hypothesis, found, strict=True)
        ),
        sessions=tuple(evidence.sessions.values()),
        baselines=tuple(description.baselines(evidence)),
        curve=tuple(description.curve(evidence)),
        runs=description.counts(plan, evidence.results, left_out),
        standing=standing,
        code=tuple(description.codes(evidence)),
        dropping=tuple(description.dropping(evidence)),
        lags=tuple(description.lags(plan, results)),
        nulls=tuple(null_findings(plan, results)),
        matrix=tuple(examination.matrix(evidence, by_hypothesis)),
        examined=tuple(examination.examined(evidence)),
        similarity=tuple(examination.similarity(evidence)),
        classes=tuple(point for own in by_hypothesis for point in examination.classes(own)),
        messengers=tuple(messengers(plan, results)),
        switching=tuple(switching(plan, results)),
        units=tuple(unit_scores(plan, results)),
        reliance=tuple(reliance(plan, results, left_out)),
        measured=tuple(needed(plan, results)),
    )


def _spelt_out(own: HypothesisEvidence, finding: HypothesisFinding) -> HypothesisFinding:
    """Add to a finding the sentences on what its verdict can and cannot support."""
    kind = kind_of(own)
    return replace(
        finding,
        supports=kind.supports(own, finding),
        cannot_support=kind.cannot_support(own, finding),
    )


def found_of(judged: Sequence[Judgement]) -> list[HypothesisFinding]:
    """Judge every hypothesis at the level that Holm's procedure assigns to it.

    Holm's procedure (1979, Scand J Stat 6:65) runs over the confirmatory hypotheses.
    Exploratory ones are judged at alpha. Their p values after Benjamini & Hochberg
    (1995) are reported as well. A hypothesis for which no verdict can be shown counts
    as p = 1, so that a failed gate does not help the other hypotheses.

    Parameters
    ----------
    judged
        The judgement of each hypothesis, with its p value.

    Returns
    -------
    findings
        One finding per hypothesis, in the same order.
    """
    confirmatory = [i for i, one in enumerate(judged) if one.evidence.status == "confirmatory"]
    exploratory = [i for i, one in enumerate(judged) if one.evidence.status != "confirmatory"]
    p_values = [1.0 if one.p_value is None else one.p_value for one in judged]
    levels = dict(zip(confirmatory, holm_levels([p_values[i] for i in confirmatory]), strict=True))
    adjusted = _adjusted(p_values, confirmatory, holm_adjusted) | _adjusted(
        p_values, exploratory, benjamini_hochberg_adjusted
    )
    found = [one.finding(levels.get(i, ALPHA)) for i, one in enumerate(judged)]
    return [
        replace(finding, p_value_adjusted=None if finding.p_value is None else adjusted[i])
        for i, finding in enumerate(found)
    ]


def _adjusted(
    p_values: Sequence[float],
    members: Sequence[int],
    adjust: Callable[[Sequence[float]], np.ndarray],
) -> dict[int, float]:
    """Adjust the p values of some hypotheses for multiple testing.

    Parameters
    ----------
    p_values
        P value of each hypothesis of the study.
    members
        Positions of the hypotheses to adjust.
    adjust
        Returns adjusted p values for a list of p values.

    Returns
    -------
    adjusted
        Adjusted p values, by the positions in `members`.
    """
    values = adjust([p_values[i] for i in members])
    return {i: float(p) for i, p in zip(members, values, strict=True)}
