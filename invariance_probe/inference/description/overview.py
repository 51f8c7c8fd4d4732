"""Overview of a study: baselines, codes, curves over doses, and run counts.

In: the evidence of a study, or its plan and the results of its runs. Out: rows for the
report. No verdict depends on them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from invariance_probe.inference.evidence.estimands import IDENTITY, SessionLosses
from invariance_probe.inference.evidence.points import (
    OWN_SSL,
    Baseline,
    CodePoint,
    CurvePoint,
    DroppingPoint,
    LagPoint,
)
from invariance_probe.inference.findings import RunCounts
from invariance_probe.inference.hypotheses.code import CODE, SessionCode
from invariance_probe.inference.hypotheses.evidence import ARMS, CONTRASTS, CORRUPTION, Evidence
from invariance_probe.plan.figures.code import r2_of
from invariance_probe.plan.figures.decoded import DecodedFigures, Scores
from invariance_probe.plan.figures.session import LagFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult

_Ranks = dict[tuple[str, str, float, str], dict[int, float]]
"""RankMe by training seed, for each (session, axis, dose, arm)."""
DROPPING = ("gained", "lost", "random")
"""The dropping curves that a report shows.

The three orders among which `lost` is chosen are only in dropping_curves.csv.
"""
BASELINES = ("raw", "square_roots", "pca", "untrained", "linear_ssl", "supervised")
"""Baselines that a report shows, besides the best constant and SSL at dose 0."""


def baselines(evidence: Evidence) -> Iterator[Baseline]:
    """Yield the loss of each baseline, and of SSL at dose 0, for each session.

    The best constant (`floor`) is one of the baselines. Sessions whose range is not
    known are omitted.

    Parameters
    ----------
    evidence
        What all hypotheses of the study are judged on.
    """
    scores = _scores(evidence)
    for name, losses in evidence.losses.items():
        named = {
            "floor": losses.floor[None],
            **{role: losses.array(role, IDENTITY) for role in BASELINES},
        }
        named[OWN_SSL] = evidence.losses_on(name, "").ssl(IDENTITY)
        for role, values in named.items():
            if values.size and np.isfinite(values).all() and np.isfinite(losses.range).all():
                own = scores.get((name, role), [])
                yield Baseline(
                    role,
                    name,
                    losses.session.group,
                    float(values.mean()),
                    losses.retention(values),
                    _mean([score.accuracy for score in own]),
                    _mean([score.balanced_accuracy for score in own]),
                )


def _scores(evidence: Evidence) -> dict[tuple[str, str], list[Scores]]:
    """Collect the scores at dose 0 of each fold and seed.

    Keys are (session, baseline); SSL at dose 0 is listed as `OWN_SSL`.
    """
    own = evidence.plan.study.method.kind
    found: dict[tuple[str, str], list[Scores]] = {}
    for run in (*evidence.plan.baselines, *evidence.plan.grid):
        result = evidence.results.get(run.key())
        if result is None or run.setting or run.axis or run.fraction != 1:
            continue
        if (decoded := result.measured(DecodedFigures)) is not None:
            role = OWN_SSL if run.method.kind == own else run.method.kind
            found.setdefault((run.session, role), []).append(decoded.scores)
    return found


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean of values; None if there are no values, or one of them is None."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def codes(evidence: Evidence) -> Iterator[CodePoint]:
    """Yield what decoders without SSL found in each session.

    Sessions whose code was not measured are omitted.

    Parameters
    ----------
    evidence
        What all hypotheses of the study are judged on.
    """
    for name, finding in evidence.sessions.items():
        if (code := evidence.codes.get(name)) is None:
            continue
        found, whole = code.figures, code.figures.whole
        known = whole.decodable
        yield CodePoint(
            session=name, group=finding.group, units=code.units, decodable=known, K_s=found.k_s,
            K_n=found.k_n,
            carriers=found.carriers, redundancy=found.redundancy,
            K_s_of_information=whole.k_s_of_information if known else None,
            K_n_of_information=whole.k_n_of_information if known else None,
            R_code=whole.range, R_code_se=whole.range_se, r2=whole.r2, loss=found.loss,
            autocorrelation_s=found.autocorrelation_s, copies=found.copies, sums=found.sums,
        )  # fmt: skip


def dropping(evidence: Evidence) -> Iterator[DroppingPoint]:
    """Yield the dropping curves: R2 against the number of units kept or lost.

    Sessions whose decoder of all units does not beat the best constant have none.

    Parameters
    ----------
    evidence
        What all hypotheses of the study are judged on.
    """
    for name, finding in evidence.sessions.items():
        code = evidence.codes.get(name)
        if code is None or not code.figures.whole.decodable:
            continue
        whole = code.figures.whole
        for curve in whole.curves:
            if curve.name in DROPPING and whole.information:
                for units, found in enumerate(whole.along(curve.name)):
                    r2 = r2_of(found)
                    yield DroppingPoint(
                        name, finding.group, curve.name, units, r2, r2 / r2_of(whole.information)
                    )


def curve(evidence: Evidence) -> Iterator[CurvePoint]:
    """Yield the estimands of decodable sessions at every dose.

    There is one row for the session's mean and one per training seed. Estimands of the
    code have no seeds.

    Parameters
    ----------
    evidence
        What all hypotheses of the study are judged on.
    """
    study, ranks = evidence.plan.study, _ranks(evidence)
    for name in evidence.losses:
        if not evidence.sessions[name].decodable:
            continue
        for axis in study.axes:
            losses, code = evidence.losses_on(name, axis.path), evidence.codes.get(name)
            paired = ("delta_paired",) if "paired" in study.arms else ()
            wanted = (
                ("delta",)
                if study.is_jitter(axis.path)
                else CONTRASTS.get(axis.path, (*CORRUPTION, *paired))
            )
            if code is None:
                wanted = tuple(name for name in wanted if name not in CODE)
            for dose in axis.doses:
                for estimand in wanted if dose != study.identity(axis.path) else ():
                    yield from _points(ranks, losses, code, estimand, axis.path, dose)


def _points(
    ranks: _Ranks,
    losses: SessionLosses,
    code: SessionCode | None,
    estimand: str,
    axis: str,
    dose: float,
) -> Iterator[CurvePoint]:
    """Yield one estimand of one session at one dose: its mean, then every seed.

    Nothing is yielded if runs are missing.
    """
    effect = (
        code.effect(estimand, axis, dose)
        if code is not None and estimand in CODE
        else losses.effect(estimand, axis, dose)
    )
    if not effect.complete:
        return
    session, arm = losses.session, ARMS.get(estimand, "independent")
    own = (session.name, session.group, "", axis, dose, arm, estimand)
    yield CurvePoint(*own, None, effect.ratio)
    if estimand not in CODE:
        of_seed, scale = ranks.get((session.name, axis, dose, arm), {}), float(effect.range.mean())
        for seed, row in enumerate(effect.values):
            yield CurvePoint(*own, seed, float(row.mean()) / scale, of_seed.get(seed))


def _ranks(evidence: Evidence) -> _Ranks:
    """Collect RankMe, the effective number of dimensions of a representation.

    It is the smallest over folds, by (session, axis, dose, arm) and seed.
    """
    ranks: _Ranks = {}
    for run in evidence.plan.grid:
        result = evidence.results.get(run.key()) if run.fraction == 1 else None
        decoded = result.measured(DecodedFigures) if result is not None else None
        if decoded is not None and decoded.representation is not None:
            of_seed = ranks.setdefault((run.session, run.axis, run.dose, run.arm), {})
            lowest = of_seed.get(run.seed, math.inf)
            of_seed[run.seed] = min(lowest, decoded.representation.rank_me)
    return ranks


def lags(plan: Plan, results: Mapping[str, RunResult]) -> Iterator[LagPoint]:
    """Yield the test-lag curve of each session in which it was measured.

    The curve compares the target with what is decoded a lag later.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
    """
    for run in plan.baselines:
        result = results.get(run.key())
        found = result.measured(LagFigures) if result is not None else None
        if found is not None:
            for lag, r, rho in zip(found.lags_s, found.r, found.rho, strict=True):
                yield LagPoint(run.session, run.group, lag, r, rho)


def counts(plan: Plan, results: Mapping[str, RunResult], left_out: Mapping[str, str]) -> RunCounts:
    """Count the runs of a plan: done, failed, collapsed, skipped or missing.

    Parameters
    ----------
    plan
        The plan of the study.
    results
        Results of its runs, by `Run.key()`.
    left_out
        Why runs were skipped, by the key of each skipped run.
    """
    keys = dict.fromkeys(run.key() for run in plan.runs)
    states = [results[key].status for key in keys if key in results]
    skipped = sum(key in left_out and key not in results for key in keys)
    missing = len(keys) - len(states) - skipped
    return RunCounts(
        len(keys),
        states.count("done"),
        states.count("failed"),
        states.count("collapsed"),
        skipped,
        missing,
    )
