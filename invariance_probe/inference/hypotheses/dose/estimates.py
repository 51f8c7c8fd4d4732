"""Estimates that are reported with a verdict on a dose.

In: one hypothesis with its evidence. Out: its estimands at every dose and under every
training recipe, the dose interval, what the naive rule concludes, and flags. No verdict
depends on them.

The estimands of learning are `delta` (excess loss after training with independent draws
of the corruption), `H` (the same with one draw shared by all windows of a step) and D =
delta - H, in units of the decodable range. `C_code` is what decoding loses when a
decoder without SSL is refitted on what survives the corruption.
"""

import math
from dataclasses import replace

import numpy as np

from invariance_probe.inference.entry import persistence
from invariance_probe.inference.evidence.estimands import CORRUPTED_TWICE
from invariance_probe.inference.findings import (
    CodeFinding,
    DoseInterval,
    Estimand,
    NaiveRule,
    NoSSL,
)
from invariance_probe.inference.hypotheses.code_measures import code_measures, in_words
from invariance_probe.inference.hypotheses.dose.interval import dose_interval
from invariance_probe.inference.hypotheses.dose.learning import ARMED, recipe_claims
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.inference.rules.verdicts import FREE, together

NAIVE = "delta <= m, so invariant (point estimate, dose 0 as reference)"
"""The naive rule, as the report prints it.

It compares a point estimate of the excess loss with the margin m.
"""
NO_SSL = {"kept": "information kept", "lost": "information lost", "undecided": "inconclusive"}
"""The finding of the code as earlier versions of report.json worded it."""


def estimands_of(evidence: HypothesisEvidence) -> tuple[Estimand, ...]:
    """Return the estimands under the study's own recipe at every dose.

    For a corruption, two excess losses on corrupted test inputs are added at the
    primary dose: `T`, of encoders trained at dose 0, and `L(d, d)`, of encoders trained
    at that same dose.
    """
    found = []
    for dose in evidence.doses:
        samples = evidence.samples(dose)
        if not evidence.jitter and "paired" in evidence.plan.study.arms:
            samples["delta_paired"] = evidence.sample("delta_paired", dose)
        if dose == evidence.hypothesis.dose and not evidence.jitter:
            samples |= {name: evidence.sample(name, dose) for name in ("T", CORRUPTED_TWICE)}
        found += [
            evidence.estimand(name, sample, dose)
            for name, sample in samples.items()
            if sample.complete
        ]
    return tuple(found)


def swept_of(evidence: HypothesisEvidence) -> tuple[Estimand, ...]:
    """Return the estimands of learning under every other setting and control.

    Other settings are swept ones and the other recipes of the panel, at the primary
    dose. Each is followed by the change from the study's own setting. Controls are
    other augmentations to compare with, each at its own dose.
    """
    names = ("delta",) if evidence.jitter else ("delta", "D", "H")
    recipes = [recipe.setting for recipe in evidence.panel.computed[1:]]
    found = []
    for setting in (*evidence.plan.settings[1:], *recipes):
        assert setting is not None
        at_setting = [
            (name, evidence.sample(name, None, setting.label, setting.fraction)) for name in names
        ]
        changes = [
            (f"change of {name}", evidence.change(name, setting.label, setting.fraction))
            for name in names
        ]
        found += [
            replace(
                evidence.estimand(name, sample, evidence.hypothesis.dose), setting=setting.label
            )
            for name, sample in (*at_setting, *changes)
            if sample.complete
        ]
    for axis, dose in dict.fromkeys(
        (c.axis, c.dose) for c in evidence.plan.controls_beside(evidence.hypothesis.axis)
    ):
        of_control = [(name, evidence.sample(name, dose, axis=axis)) for name in names]
        found += [
            replace(
                evidence.estimand(name, sample, dose),
                axis=axis,
                setting=f"control: {axis}={dose:.3g}",
            )
            for name, sample in of_control
            if sample.complete
        ]
    return tuple(found)


def dose_interval_of(evidence: HypothesisEvidence, may_claim_at_most: bool) -> DoseInterval | None:
    """Find up to which dose training is free and from which the target is lost.

    Training is free at a dose if all its costs are at most the margin. The target is
    lost if decoders without SSL and training both lose more than the margin
    (`C_code > m` and `D > m`). For a jitter both follow from `delta` alone.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    may_claim_at_most
        Whether the study's own recipe may claim that a cost is at most the margin.

    Returns
    -------
    DoseInterval or None
        None if runs are missing.
    """
    kept, lost = {}, {}
    for dose in evidence.doses:
        names = ("delta",) if evidence.jitter else ARMED
        samples = {name: evidence.sample(name, dose) for name in names}
        code = None if evidence.jitter else evidence.sample("C_code", dose)
        if not all(sample.complete for sample in samples.values()) or (
            code is not None and not code.complete
        ):
            return None
        claims = recipe_claims(samples, evidence.margin, may_claim_at_most)
        kept[dose] = claims["delta <= m"] if code is None else together(claims, FREE)
        lost[dose] = (
            claims["delta > m"]
            if code is None
            else max(claims["D > m"], code.p_more_than(evidence.margin))
        )
    return dose_interval(evidence.plan.study.identity(evidence.hypothesis.axis), kept, lost)


def flags_of(evidence: HypothesisEvidence) -> tuple[str, ...]:
    """Return the flag `regularised` if training with the corruption was better.

    It was if the loss with independent, shared or paired draws is shown to be lower
    than at dose 0, by more than the margin. Otherwise the tuple is empty.
    """
    names = ("delta",) if evidence.jitter else ("delta", "H", "delta_paired")
    arms = [sample for name in names if (sample := evidence.sample(name)).complete]
    return (
        ("regularised",)
        if any(sample.p_at_most(-evidence.margin) <= ALPHA for sample in arms)
        else ()
    )


def naive_of(evidence: HypothesisEvidence | None) -> NaiveRule:
    """Return what the naive rule concludes from independent and paired draws.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence; None if it has not been judged.
    """
    if evidence is None or not evidence.sample("delta").complete:
        return NaiveRule(NAIVE, "not measured", "not measured", None)

    def says(sample: Sample) -> str:
        return "invariant" if sample.estimate <= evidence.margin else "not invariant"

    independent = says(evidence.sample("delta"))
    paired = None if evidence.jitter else evidence.sample("delta_paired")
    with_paired = says(paired) if paired is not None and paired.complete else None
    return NaiveRule(NAIVE, with_paired or independent, independent, with_paired)


def no_ssl_of(evidence: HypothesisEvidence, code: CodeFinding | None) -> NoSSL:
    """Build the finding of the code in the format of earlier report versions.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    code
        The finding of the code; None if it was not measured.
    """
    of_study, hypothesis = evidence.of_study, evidence.hypothesis
    measures = code_measures([of_study.sessions[name] for name in evidence.names])
    more = "".join(f"; {in_words(measure)}" for measure in measures)
    if evidence.jitter:
        rhos = [
            persistence(evidence.plan, of_study.results, n, hypothesis.axis, hypothesis.dose)
            for n in evidence.names
        ]
        known = [rho for rho in rhos if rho is not None]
        cost = 1 - float(np.mean(known)) ** 2 if known else math.nan
        return NoSSL(
            "label persistence",
            f"the target itself changes by 1 - rho^2 = {cost:.2f} over the primary jitter{more}",
            measures,
        )
    if code is None or code.C_code is None:
        return NoSSL("not measured", more.removeprefix("; "), measures)
    low, high = code.C_code.ci_low, code.C_code.ci_high
    detail = (
        f"C_code = {code.C_code.estimate:.2f} [{low:.2f}, {high:.2f}] of R_code, margin "
        f"{evidence.margin:g}{more}"
    )
    return NoSSL(NO_SSL[code.finding], detail, measures)
