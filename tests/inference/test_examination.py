"""Findings from examined encoders are those that were planted.

They cover cells, T, S, similarity and classes, and have no part in a verdict.
"""

import math
from dataclasses import replace

import pytest

from invariance_probe.inference import infer
from invariance_probe.plan.figures.examined import SimilarityFigures

from .builder import JITTER, make_plan, planted

DOSES = {"axes": [{"path": "unit_dropout.rate", "doses": [0, 0.2, 0.4]}]}


def found(plan=None, results=None, **values):
    plan = plan or make_plan(**DOSES)
    return infer(plan, results if results is not None else planted(plan, **values), {})


def test_every_cell_of_the_matrix_is_in_units_of_the_range():
    findings = found(delta=0.2, T=0.5, kept=0.8, spread=0.0)
    pooled = {(p.train_dose, p.test_dose): p for p in findings.matrix if p.hypothesis == "H1"}
    assert len(pooled) == 9
    for (train, test), point in pooled.items():
        assert point.value == pytest.approx((0.2 if train else 0) + 0.5 * test, abs=0.01)
    first = [p for p in findings.matrix if p.session == "s0"]
    assert len(first) == 9 and all(
        p.value == pytest.approx(pooled[p.train_dose, p.test_dose].value, abs=0.01) for p in first
    )
    assert pooled[0, 0].value == 0 and pooled[0, 0].ci_low is None


def test_the_first_column_is_delta_and_the_first_row_is_t():
    findings = found(delta=0.2, T=0.5)
    pooled = {(p.train_dose, p.test_dose): p for p in findings.matrix if p.hypothesis == "H1"}
    estimands = {(e.name, e.dose): e for e in findings.hypotheses[0].estimands}
    for (train, test), name in (((0.4, 0), "delta"), ((0, 0.4), "T")):
        e = estimands[name, 0.4]
        assert (pooled[train, test].value, pooled[train, test].ci_low) == (e.estimate, e.ci_low)
    t = estimands["T", 0.4]
    assert t.ci_low <= t.estimate <= t.ci_high and (t.arm, t.n_sessions, t.n_seeds) == (
        "none",
        6,
        2,
    )
    assert ("T", 0.2) not in estimands


def test_s_detection_and_similarity_are_averaged_over_encoders():
    findings = found(spread=0.0)
    point = next(
        p for p in findings.examined if (p.session, p.train_dose, p.test_dose) == ("s0", 0.2, 0.4)
    )
    assert (point.invariance, point.invariance_row_space) == pytest.approx((0.6, 0.8))
    assert point.detection is None and point.invariance_within_class is None and point.encoders == 4
    asked = {(p.train_dose, p.test_dose) for p in findings.examined if p.detection is not None}
    assert asked == {(0.0, 0.4), (0.4, 0.4)}
    alike = {
        (p.against, p.dose): (p.cka, p.shape_distance)
        for p in findings.similarity
        if p.session == "s0"
    }
    assert set(alike) == {("dose 0", 0.2), ("dose 0", 0.4), ("another seed", 0.0)}
    assert alike["dose 0", 0.2] == pytest.approx((0.6, 0.7))


def test_an_undefined_similarity_is_left_out_and_counted():
    plan = make_plan(**DOSES)
    results = planted(plan)
    bad = next(
        r
        for r in plan.examined
        if r.examination.kind == "comparison" and r.dose == 0.2 and r.session == "s0"
    )
    results[bad.key()] = replace(
        results[bad.key()], figures=SimilarityFigures(cka=math.nan, shape_distance=math.nan)
    )
    point = next(p for p in found(plan, results).similarity if p.session == "s0" and p.dose == 0.2)
    assert point.cka == pytest.approx(0.6) and point.encoders == 3


@pytest.mark.parametrize("axis", ["dropout", "jitter"])
def test_delta_of_each_class_is_what_was_planted(axis):
    changes = {
        "target": {"name": "t", "kind": "categorical"},
        **(JITTER if axis == "jitter" else DOSES),
    }
    findings = found(make_plan(**changes), by_class={"rest": 0.3, "move": -0.1})
    pooled = {p.label: p for p in findings.classes if not p.session}
    assert pooled["rest"].estimate == pytest.approx(0.3, abs=0.02) and pooled[
        "move"
    ].estimate == pytest.approx(-0.1, abs=0.02)
    assert pooled["rest"].ci_low < 0.3 + 0.02 and pooled["rest"].n_sessions == 6
    assert sum(p.label == "rest" and bool(p.session) for p in findings.classes) == 6


def test_a_jitter_has_no_test_dose_but_is_compared_with_dose_zero():
    findings = found(make_plan(**JITTER))
    assert not findings.matrix and not findings.examined
    assert {(p.against, p.dose) for p in findings.similarity} == {
        ("dose 0", 0.1),
        ("dose 0", 0.2),
        ("another seed", 0.0),
    }


def test_no_verdict_rests_on_examinations():
    plan = make_plan(**DOSES)
    results = planted(plan, C_code=0.4, T=3.0)
    examined = {run.key() for run in plan.examined}
    without = {key: result for key, result in results.items() if key not in examined}
    failed = {
        key: replace(r, status="failed", blocks=(), block_losses=(), figures=None)
        if key in examined
        else r
        for key, r in results.items()
    }
    judged = [found(plan, values).hypotheses[0] for values in (results, without, failed)]
    assert [h.verdict.text for h in judged] == ["tolerated"] * 3
    assert (
        judged[1]
        == judged[2]
        == replace(
            judged[0],
            estimands=tuple(e for e in judged[0].estimands if e.name not in ("T", "L(d, d)")),
        )
    )
    gone = found(plan, failed)
    assert (
        not (gone.matrix == () or any(p.test_dose for p in gone.matrix))
        and not gone.examined
        and not gone.similarity
    )
    assert gone.runs.failed == len(examined)
