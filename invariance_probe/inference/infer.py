"""Run results to findings: estimands, gates, claims, verdicts, and the outcome against each prediction."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from statsmodels.stats.multitest import multipletests

from invariance_probe.inference import gates
from invariance_probe.inference.code_measures import code_measures, in_words
from invariance_probe.inference.dose_response import dose_interval
from invariance_probe.inference.entry import covers, persistence, planted_findings, session_findings
from invariance_probe.inference.estimands import IDENTITY, Effect, SessionLosses, at, read_losses, read_planted
from invariance_probe.inference.findings import (
    Baseline,
    Claim,
    CurvePoint,
    DoseInterval,
    Estimand,
    Findings,
    Gate,
    HypothesisFinding,
    LagPoint,
    NaiveRule,
    NoSSL,
    RunCounts,
    SessionFinding,
    Standing,
)
from invariance_probe.inference.intervals import Sample
from invariance_probe.inference.verdicts import (
    JITTER_MEANINGS,
    MEANINGS,
    ROWS,
    Cell,
    cells,
    decide,
    joint_p,
    outcome,
    prediction,
)
from invariance_probe.study.hypotheses import Hypothesis
from invariance_probe.study.plan import A_THIRD, THIRD, TWICE_THE_STEPS, Plan
from invariance_probe.study.run import RunResult

UNREGISTERED = Standing(None)
UNCALIBRATED = "uncalibrated method"

NAIVE = "delta <= m, so invariant (point estimate, dose 0 as reference)"


@dataclass(frozen=True)
class _Evidence:
    """What all hypotheses draw on."""

    plan: Plan
    results: Mapping[str, RunResult]
    losses: dict[str, SessionLosses]
    sessions: dict[str, SessionFinding]
    standing: Standing
    planted: dict[str, SessionLosses]
    """Planted controls that can be decoded."""

    def covered(self, hypothesis: Hypothesis) -> list[SessionFinding]:
        return [self.sessions[session.name] for session in self.plan.sessions if covers(hypothesis, session)]

    def status(self, hypothesis: Hypothesis) -> str:
        """Say how a hypothesis counts: confirmatory only as it was registered, and with every gate."""
        registered = self.standing.confirms(hypothesis.id) and not self.plan.study.quick
        return hypothesis.role if registered else "exploratory"

    def sample(
        self, names: Sequence[str], estimand: str, axis: str, dose: float, setting: str = "", fraction: float = 1.0
    ) -> Sample:
        effects = tuple(self.losses[name].effect(estimand, axis, dose, fraction, setting) for name in names)
        return Sample(effects, tuple(self.sessions[name].subject for name in names))

    def noise(self, names: Sequence[str]) -> Sample:
        return Sample(tuple(self.losses[n].noise() for n in names), tuple(self.sessions[n].subject for n in names))


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
    sound = {name for name, finding in planted_findings(plan, results).items() if finding.decodable}
    planted = {name: losses for name, losses in read_planted(plan, results).items() if name in sound}
    evidence = _Evidence(plan, results, read_losses(plan, results), session_findings(plan, results), standing, planted)
    found = tuple(_judge(evidence, hypothesis) for hypothesis in plan.study.hypotheses)
    return Findings(
        hypotheses=_adjusted(found),
        sessions=tuple(evidence.sessions.values()),
        baselines=tuple(_baselines(evidence)),
        curve=tuple(_curve(evidence)),
        runs=_counts(plan, results, left_out),
        standing=standing,
        lags=tuple(_lags(plan, results)),
    )


def _judge(evidence: _Evidence, hypothesis: Hypothesis) -> HypothesisFinding:
    plan = evidence.plan
    covered = evidence.covered(hypothesis)
    names = [finding.session for finding in covered if finding.decodable]
    entry = gates.decodable(covered)
    if not entry.passed:
        return _without_verdict(evidence, hypothesis, names, f"untestable: {'no session can be decoded'}", [entry])
    moves = gates.movement(plan, evidence.results, hypothesis, names)
    if moves.passed is False and plan.study.is_jitter(hypothesis.axis):
        return _without_verdict(evidence, hypothesis, names, "untestable: the target does not move on the axis", [entry, moves])
    return _weigh(evidence, hypothesis, names, [entry, moves])


def _weigh(evidence: _Evidence, hypothesis: Hypothesis, names: list[str], first: list[Gate]) -> HypothesisFinding:
    plan, margin = evidence.plan, hypothesis.margin.fraction_of_range
    jitter = plan.study.is_jitter(hypothesis.axis)
    samples = _samples(evidence, hypothesis, names, hypothesis.dose, jitter)
    missing = [name for name, sample in samples.items() if not sample.complete]
    if missing:
        note = f"runs are missing or failed for {', '.join(missing)}"
        return _without_verdict(evidence, hypothesis, names, "inconclusive", first, (note,))
    contrast = evidence.noise(names)
    claims = cells(samples, margin, gates.equivalent_noise(contrast, margin))
    tentative = decide(claims, jitter)
    losses = [evidence.losses[name] for name in names]
    checked = [
        *first,
        gates.retention(losses, hypothesis, tentative == "sensitive", jitter),
        gates.collapse(plan, evidence.results, names),
        gates.reference(None if jitter else samples["H"], margin),
        gates.noise(contrast, margin),
        gates.steps(plan, _longer(evidence, hypothesis, names), margin),
        _third(evidence, hypothesis, names, tentative, samples, contrast, jitter),
        _planted(evidence, hypothesis, names, contrast, jitter),
        gates.licence(plan),
    ]
    blocking = [gate.name for gate in checked if gate.passed is False and gate.name not in NOT_BLOCKING]
    verdict = f"invalid: {', '.join(blocking)}" if blocking else _granted(checked, tentative)
    p_value = None if blocking or verdict == UNCALIBRATED else joint_p(claims, prediction(hypothesis.predicts, jitter))
    finding = HypothesisFinding(
        id=hypothesis.id, kind="jitter" if jitter else "invariance", claim=hypothesis.claim, predicts=hypothesis.predicts,
        status=evidence.status(hypothesis), group=hypothesis.group or "", axis=hypothesis.axis,
        primary_dose=hypothesis.dose, margin=margin, because=hypothesis.margin.because, scope=samples["delta"].scope,
        sessions=tuple(names), verdict=verdict, flags=_flags(evidence, hypothesis, names, samples, jitter), outcome="open", sentence="",
        dose_interval=_dose_interval(evidence, hypothesis, names, jitter), no_ssl=_no_ssl(evidence, hypothesis, names, samples, jitter),
        naive=_naive(evidence, hypothesis, names, samples), estimands=_estimands(evidence, hypothesis, names, jitter),
        swept=_swept(evidence, hypothesis, names, jitter),
        claims=tuple(Claim(c.name, c.shown, c.p_value) for c in claims.values()), gates=tuple(checked),
        p_value=p_value, p_value_adjusted=None,
        notes=_notes(samples, hypothesis),
    )  # fmt: skip
    return replace(finding, sentence=_sentence(evidence, finding, samples, jitter))


NOT_BLOCKING = {"reference", "licence", "a third of the data"}
"""Gates that leave a verdict word of their own, or act on single claims."""


def _granted(checked: Sequence[Gate], tentative: str) -> str:
    failed = {gate.name for gate in checked if gate.passed is False}
    if "licence" in failed:
        return UNCALIBRATED
    return "inconclusive" if "a third of the data" in failed else tentative


def _longer(evidence: _Evidence, hypothesis: Hypothesis, names: Sequence[str]) -> Sample:
    """Return the change of delta at the primary dose with twice the steps."""

    def change(losses: SessionLosses) -> Effect:
        once = losses.effect("delta", hypothesis.axis, hypothesis.dose)
        twice = losses.effect("delta", hypothesis.axis, hypothesis.dose, setting=TWICE_THE_STEPS)
        values = twice.values - once.values if twice.values.shape == once.values.shape else twice.values[:0]
        return Effect(values, once.range)

    return Sample(tuple(change(evidence.losses[n]) for n in names), tuple(evidence.sessions[n].subject for n in names))


def _third(
    evidence: _Evidence, hypothesis: Hypothesis, names: list[str], verdict: str, samples: dict[str, Sample], contrast: Sample, jitter: bool
) -> Gate:  # fmt: skip
    if jitter:
        return Gate("a third of the data", True, "part of the verdict on a jitter")
    again = {name: evidence.sample(names, name, hypothesis.axis, hypothesis.dose, A_THIRD, THIRD) for name in ("D", "H", "delta")}
    if not all(sample.complete for sample in again.values()):
        return gates.third(evidence.plan, verdict, None)
    margin = hypothesis.margin.fraction_of_range
    claims = cells({"C_info": samples["C_info"], **again}, margin, gates.equivalent_noise(contrast, margin))
    return gates.third(evidence.plan, verdict, decide(claims, jitter))


def _planted(evidence: _Evidence, hypothesis: Hypothesis, names: list[str], contrast: Sample, jitter: bool) -> Gate:
    """Judge the targets that were planted in a hypothesis's own sessions, as if they were its target."""
    if jitter:
        return Gate("planted targets", None, "a planted target says nothing about time")
    if not evidence.plan.planted:
        return gates.planted(evidence.plan, {}, "left out: the study is quick, or its sessions hold no spike counts")
    margin = hypothesis.margin.fraction_of_range
    verdicts: dict[str, str] = {}
    why_not = []
    for kind in ("one_unit", "projection"):
        losses = [evidence.planted[name] for n in names if (name := f"{n}+{kind}") in evidence.planted]
        at_dose = {
            name: Sample(
                tuple(found.effect(name, hypothesis.axis, hypothesis.dose) for found in losses),
                tuple(found.session.subject for found in losses),
            )
            for name in ("C_info", "D", "H", "delta")
        }
        said = kind.replace("_", " ")
        if not losses or not all(sample.complete for sample in at_dose.values()):
            why_not.append(f"{said}: no planted target can be decoded")
            continue
        shared = at(hypothesis.axis, hypothesis.dose, "shared")
        kept = [max(found.retention(found.ssl(IDENTITY)), found.retention(found.ssl(shared))) for found in losses]
        if np.median(kept) < gates.RETAINED:
            why_not.append(f"{said}: the method keeps only {np.median(kept):.2f} of the planted target's range")
            continue
        verdicts[kind] = decide(cells(at_dose, margin, gates.equivalent_noise(contrast, margin)), jitter=False)
    return gates.planted(evidence.plan, verdicts, "; ".join(why_not))


def _swept(evidence: _Evidence, hypothesis: Hypothesis, names: list[str], jitter: bool) -> tuple[Estimand, ...]:
    """Return the estimands at the primary dose under every swept setting, and under the checks."""
    found = []
    for setting in (*evidence.plan.settings[1:], *evidence.plan.checks):
        for name in ("delta",) if jitter else ("delta", "D", "H"):
            sample = evidence.sample(names, name, hypothesis.axis, hypothesis.dose, setting.label, setting.fraction)
            if sample.complete:
                arm = "shared" if name == "H" else "independent"
                found.append(replace(_estimand(name, sample, hypothesis.axis, hypothesis.dose, arm), setting=setting.label))
    return tuple(found)


def _samples(evidence: _Evidence, hypothesis: Hypothesis, names: list[str], dose: float, jitter: bool) -> dict[str, Sample]:
    if jitter:
        full = evidence.sample(names, "delta", hypothesis.axis, dose)
        if dose != hypothesis.dose:
            return {"delta": full}
        return {"delta": full, "delta(n/3)": evidence.sample(names, "delta", hypothesis.axis, dose, A_THIRD, THIRD)}
    return {name: evidence.sample(names, name, hypothesis.axis, dose) for name in ("C_info", "D", "H", "delta")}


def _other_doses(evidence: _Evidence, hypothesis: Hypothesis) -> list[float]:
    study = evidence.plan.study
    return sorted(dose for dose in study.axis(hypothesis.axis).doses if dose != study.identity(hypothesis.axis))


def _dose_interval(evidence: _Evidence, hypothesis: Hypothesis, names: list[str], jitter: bool) -> DoseInterval | None:
    kept, lost = {}, {}
    equivalent = gates.equivalent_noise(evidence.noise(names), hypothesis.margin.fraction_of_range)
    for dose in _other_doses(evidence, hypothesis):
        samples = {name: s for name, s in _samples(evidence, hypothesis, names, dose, jitter).items() if name != "delta(n/3)"}
        if not all(sample.complete for sample in samples.values()):
            return None
        claims: dict[str, Cell] = cells(samples, hypothesis.margin.fraction_of_range, equivalent)
        kept[dose] = joint_p(claims, ("delta <= m",) if jitter else ("D <= m", "H <= m", "delta <= m"))
        lost[dose] = joint_p(claims, ("delta > m",) if jitter else ROWS["sensitive"])
    return dose_interval(evidence.plan.study.identity(hypothesis.axis), kept, lost)


def _estimands(evidence: _Evidence, hypothesis: Hypothesis, names: list[str], jitter: bool) -> tuple[Estimand, ...]:
    found = []
    for dose in _other_doses(evidence, hypothesis):
        samples = _samples(evidence, hypothesis, names, dose, jitter)
        if not jitter and "paired" in evidence.plan.study.arms:
            samples["delta_paired"] = evidence.sample(names, "delta_paired", hypothesis.axis, dose)
        arms = {"C_info": "none", "H": "shared", "delta_paired": "paired"}
        found += [
            _estimand(name, sample, hypothesis.axis, dose, arms.get(name, "independent"))
            for name, sample in samples.items()
            if sample.complete
        ]
    return tuple(found)


def _estimand(name: str, sample: Sample, axis: str, dose: float, arm: str) -> Estimand:
    low, high = sample.interval()
    seeds = max(effect.values.shape[0] for effect in sample.effects)
    return Estimand(name, axis, dose, arm, sample.estimate, low, high, high, sample.skew(), len(sample.effects), seeds)


def _flags(
    evidence: _Evidence, hypothesis: Hypothesis, names: list[str], samples: dict[str, Sample], jitter: bool
) -> tuple[str, ...]:
    """`regularised`: in some arm the corruption lowered the loss by more than m."""
    margin = hypothesis.margin.fraction_of_range
    arms = [samples["delta"]]
    if not jitter:
        arms.append(samples["H"])
        paired = evidence.sample(names, "delta_paired", hypothesis.axis, hypothesis.dose)
        arms += [paired] if paired.complete else []
    return ("regularised",) if any(sample.p_at_most(-margin) <= 0.05 for sample in arms) else ()


def _naive(evidence: _Evidence, hypothesis: Hypothesis, names: list[str], samples: dict[str, Sample]) -> NaiveRule:
    margin = hypothesis.margin.fraction_of_range

    def says(sample: Sample) -> str:
        return "invariant" if sample.estimate <= margin else "not invariant"

    paired = evidence.sample(names, "delta_paired", hypothesis.axis, hypothesis.dose) if "D" in samples else None
    with_paired = says(paired) if paired is not None and paired.complete else None
    return NaiveRule(NAIVE, with_paired or says(samples["delta"]), says(samples["delta"]), with_paired)


def _no_ssl(evidence: _Evidence, hypothesis: Hypothesis, names: list[str], samples: dict[str, Sample], jitter: bool) -> NoSSL:
    margin = hypothesis.margin.fraction_of_range
    measures = code_measures([evidence.sessions[name] for name in names])
    more = "".join(f"; {in_words(measure)}" for measure in measures)
    if jitter:
        rhos = [
            r
            for n in names
            if (r := persistence(evidence.plan, evidence.results, n, hypothesis.axis, hypothesis.dose)) is not None
        ]
        cost = 1 - float(np.mean(rhos)) ** 2 if rhos else math.nan
        return NoSSL(
            "label persistence", f"the target itself changes by 1 - rho^2 = {cost:.2f} over the primary jitter{more}", measures
        )
    sample = samples["C_info"]
    low, high = sample.interval()
    detail = f"C_info = {sample.estimate:.2f} [{low:.2f}, {high:.2f}] of the range, margin {margin:g}{more}"
    if sample.p_at_most(margin) <= 0.05:
        return NoSSL("information kept", detail, measures)
    return NoSSL("information lost" if sample.p_more_than(margin) <= 0.05 else "inconclusive", detail, measures)


def _notes(samples: dict[str, Sample], hypothesis: Hypothesis) -> tuple[str, ...]:
    notes = []
    skewed = [f"{name} {sample.skew():+.1f}" for name, sample in samples.items() if abs(sample.skew()) > 1]
    if skewed and samples["delta"].scope != "these recordings":
        notes.append(f"sessions are skewed ({', '.join(skewed)}): `<= m` claims are less safe than their p values")
    flip = samples["delta"].sign_flip(hypothesis.margin.fraction_of_range)
    if not math.isnan(flip):
        notes.append(
            f"exact sign-flip of delta <= m: p = {flip:.3g}, at least {2.0 ** -len(samples['delta'].effects):.3g} possible"
        )
    return tuple(notes)


def _sentence(evidence: _Evidence, finding: HypothesisFinding, samples: dict[str, Sample], jitter: bool) -> str:
    where = (
        f"In these {len(finding.sessions)} recordings"
        if finding.scope == "these recordings"
        else f"Across {finding.scope.split()[-1]}"
    )
    if len(finding.sessions) == 1:
        where = "In this one recording"
    at_dose = f"at {finding.axis} = {finding.primary_dose:g}"
    if finding.verdict == UNCALIBRATED:
        method = evidence.plan.study.method.kind
        return f"{where}, {at_dose}, no verdict: {method} at these settings has not passed the calibration; estimates only."
    if finding.verdict.startswith("invalid"):
        return f"{where}, {at_dose}, no verdict: the gate {finding.verdict.removeprefix('invalid: ')} failed."
    figures = ", ".join(f"{name} = {sample.estimate:+.2f}" for name, sample in samples.items())
    meaning = (JITTER_MEANINGS if jitter else MEANINGS)[finding.verdict]
    few = "; few units carry it" if finding.verdict == "sensitive" and not jitter and _few(evidence, finding) else ""
    return f"{where}, {at_dose}, the code is {finding.verdict}: {meaning}{few} ({figures} of the decodable range; margin {finding.margin:g})."


def _few(evidence: _Evidence, finding: HypothesisFinding) -> bool:
    """Say whether few units are shown to carry the target: the upper bound of N_eff is below a quarter of the units."""
    units = [evidence.sessions[name].units for name in finding.sessions]
    bounds = [m.ci_high for m in finding.no_ssl.measures if m.name == "n_eff"]
    return bool(units and bounds) and bounds[0] is not None and bounds[0] < min(units) / 4


def _without_verdict(
    evidence: _Evidence, hypothesis: Hypothesis, names: list[str], verdict: str, checked: list[Gate], notes: tuple[str, ...] = ()
) -> HypothesisFinding:
    study = evidence.plan.study
    jitter = study.is_jitter(hypothesis.axis)
    reason = "; ".join(notes) or next((g.detail for g in checked if g.passed is False), "")
    return HypothesisFinding(
        id=hypothesis.id, kind="jitter" if jitter else "invariance", claim=hypothesis.claim, predicts=hypothesis.predicts,
        status=evidence.status(hypothesis), group=hypothesis.group or "", axis=hypothesis.axis,
        primary_dose=hypothesis.dose, margin=hypothesis.margin.fraction_of_range, because=hypothesis.margin.because,
        scope="these recordings", sessions=tuple(names), verdict=verdict, flags=(), outcome="open",
        sentence=f"At {hypothesis.axis} = {hypothesis.dose:g} there is no verdict ({verdict}): {reason}.", dose_interval=None,
        no_ssl=NoSSL("not measured", reason), naive=NaiveRule(NAIVE, "not measured", "not measured", None), estimands=(), swept=(), claims=(),
        gates=tuple(checked), p_value=None, p_value_adjusted=None, notes=notes,
    )  # fmt: skip


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


def _baselines(evidence: _Evidence) -> list[Baseline]:
    found = []
    for name, losses in evidence.losses.items():
        named = {
            "floor": losses.floor[None],
            **{role: losses.array(role, IDENTITY) for role in ("raw", "pca", "untrained", "linear_ssl", "supervised")},
        }
        named["ssl at dose 0"] = losses.ssl(IDENTITY)
        for role, values in named.items():
            if values.size and np.isfinite(values).all() and np.isfinite(losses.range).all():
                found.append(Baseline(role, name, losses.session.group, float(values.mean()), losses.retention(values)))
    return found


def _curve(evidence: _Evidence) -> list[CurvePoint]:
    """Return every session's estimands at every dose, by seed and averaged."""
    study = evidence.plan.study
    points = []
    for name, losses in evidence.losses.items():
        if not evidence.sessions[name].decodable:
            continue
        for axis in study.axes:
            jitter = study.is_jitter(axis.path)
            wanted = (
                {"delta": "independent"}
                if jitter
                else {"delta": "independent", "D": "independent", "H": "shared", "C_info": "none"}
            )
            if not jitter and "paired" in study.arms:
                wanted["delta_paired"] = "paired"
            for dose in axis.doses:
                for estimand, arm in wanted.items() if dose != study.identity(axis.path) else ():
                    effect = losses.effect(estimand, axis.path, dose)
                    if not effect.complete:
                        continue
                    own = (name, losses.session.group, "", axis.path, dose, arm, estimand)
                    points.append(CurvePoint(*own, None, effect.ratio))
                    scale = float(effect.range.mean())
                    ranks = _ranks(evidence, name, axis.path, dose, arm)
                    points += [
                        CurvePoint(*own, seed, float(row.mean()) / scale, ranks.get(seed))
                        for seed, row in enumerate(effect.values)
                        if estimand != "C_info"
                    ]
    return points


def _lags(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[LagPoint]:
    """Return the test-lag curve of every session that has one."""
    for run in plan.baselines:
        if run.method.kind == "test_lag" and (result := results.get(run.key())) is not None:
            found = result.diagnostics
            for name, value in found.items():
                kind, _, lag = name.partition("@")
                if kind == "r":
                    yield LagPoint(run.session, run.group, float(lag), value, found[f"rho@{lag}"])


def _ranks(evidence: _Evidence, session: str, axis: str, dose: float, arm: str) -> dict[int, float]:
    """Return the smallest RankMe over folds of every seed."""
    ranks: dict[int, float] = {}
    for run in evidence.plan.grid:
        if (run.session, run.axis, run.dose, run.arm) == (session, axis, dose, arm) and run.fraction == 1:
            result = evidence.results.get(run.key())
            if result is not None and "rank_me" in result.diagnostics:
                ranks[run.seed] = min(ranks.get(run.seed, math.inf), result.diagnostics["rank_me"])
    return ranks


def _counts(plan: Plan, results: Mapping[str, RunResult], left_out: Mapping[str, str]) -> RunCounts:
    keys = dict.fromkeys(run.key() for run in plan.runs)
    states = [results[key].status for key in keys if key in results]
    skipped = sum(key in left_out and key not in results for key in keys)
    missing = len(keys) - len(states) - skipped
    return RunCounts(len(keys), states.count("done"), states.count("failed"), states.count("collapsed"), skipped, missing)
