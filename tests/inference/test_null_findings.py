"""The report names each session's null and what it takes for granted.

It also names a better null where there is one.
"""

from dataclasses import replace

import pytest

from invariance_probe.inference import infer
from invariance_probe.inference.description.nulls import null_findings
from invariance_probe.plan.figures.session import NullFigures
from invariance_probe.plan.run import RunResult
from invariance_probe.reporting.figures import study_charts
from invariance_probe.reporting.model import report_model

from .builder import make_plan, planted

DRAWS = NullFigures(p_value=0.02, observed=0.4, draws=tuple(0.9 + 0.01 * i for i in range(39)))


def found(kind, null, sessions=7, more=None, **changes):
    plan = make_plan(sessions=sessions, null=null, **changes)
    return list(null_findings(plan, planted(plan, measured={kind: replace(DRAWS, **(more or {}))})))


def test_every_session_names_its_null_with_its_draws_and_p():
    first, *others = found("shift_null", {"kind": "linear_shift"}, sessions=3)
    assert (first.session, first.kind, first.p_value, first.observed, len(first.null)) == (
        "s0",
        "linear shift",
        0.02,
        0.4,
        39,
    )
    assert len(others) == 2 and first.warning == first.better == ""


def test_a_circular_shift_warns_where_the_target_is_not_stationary():
    null = {"kind": "circular_shift"}
    still = found("circular_null", null, more={"stationarity_p": 0.1})[0]
    assert still.warning == "" and "{kind: linear_shift} needs no stationarity" in still.better
    moving = found("circular_null", null, more={"stationarity_p": 0.01})[0]
    assert "not stationary (KPSS test, p <= 0.010)" in moving.warning


def test_cuts_of_few_sessions_are_said_to_be_approximate():
    few = found("session_null", {"kind": "other_sessions"}, more={"others": 6, "cuts": 7})[0]
    assert (
        "7 shifted cuts of each of 6 other sessions" in few.warning and "below 1/7" in few.warning
    )
    assert (
        found("session_null", {"kind": "other_sessions"}, 20, more={"others": 19, "cuts": 1})[
            0
        ].warning
        == ""
    )


@pytest.mark.parametrize(("more", "folds"), [({"trials": 50}, "blocks"), ({}, "trials")])
def test_trials_offer_a_pseudo_session(more, folds):
    one = found(
        "shift_null", {"kind": "linear_shift"}, 3, more, folds={"scheme": folds, "count": 2}
    )[0]
    assert "declare null: {kind: pseudo_session, by: trial}" in one.better
    best = found(
        "pseudo_null",
        {"kind": "pseudo_session", "by": "trial"},
        3,
        more,
        folds={"scheme": folds, "count": 2},
    )[0]
    assert best.better == ""


def test_many_sessions_offer_the_null_by_other_sessions():
    assert (
        "there are 6 other sessions" in found("shift_null", {"kind": "linear_shift"}, 7)[0].better
    )
    assert found("shift_null", {"kind": "linear_shift"}, 5)[0].better == ""


def test_a_session_that_does_not_beat_its_null_leaves_and_the_null_is_named():
    plan = make_plan(null={"kind": "circular_shift"})
    finding = infer(plan, planted(plan, null=0.3), {}).sessions[0]
    assert (
        not finding.decodable
        and "does not beat its null, circular shift (p = 0.300)" in finding.detail
    )


def test_the_chart_shows_every_session_that_kept_its_draws():
    plan = make_plan(sessions=3)
    kept = report_model(plan, infer(plan, planted(plan, measured={"shift_null": DRAWS}), {}), {})
    [chart] = study_charts(kept)
    assert [row[0] for row in chart.rows] == ["s0", "s1", "s2"] and chart.rows[0][1:3] == (
        "linear shift",
        0.4,
    )
    assert chart.rows[0][-2:] == (39, 0.02) and "3 of 3 sessions beat their null" in chart.alt
    assert study_charts(report_model(plan, infer(plan, planted(plan), {}), {})) == []


def gate_of(leak, **changes):
    plan = make_plan(**changes)
    hypothesis = infer(plan, planted(plan, C_code=0.02, leak=leak), {}).hypotheses[0]
    return hypothesis.verdict.text, next(gate for gate in hypothesis.gates if gate.name == "leak")


def test_walks_that_are_decoded_leave_no_verdict():
    verdict, gate = gate_of((0.2,) * 20)
    assert (
        verdict == "invalid: leak"
        and gate.passed is False
        and "at most 20 of 20 random walks" in gate.detail
    )
    verdict, gate = gate_of((0.2,) * 15 + (-0.1,) * 5)  # p = .02 in each of six sessions
    assert verdict == "invariant" and gate.passed is True
    assert gate_of((0.2,) * 15 + (-0.1,) * 5, sessions=2)[1].passed is False  # 2 x .0207


def test_a_quick_study_leaves_the_leak_out_and_missing_walks_leave_no_verdict():
    assert gate_of((0.2,) * 20, quick=True)[1].detail == "left out: the study is quick"
    verdict, gate = gate_of((), sessions=2)
    assert verdict == "invalid: leak" and gate.passed is False
    assert gate.detail == "measured in 0 of 2 sessions; missing or failed in s0, s1"


def test_a_null_that_could_not_be_measured_is_the_reason_that_is_given():
    plan = make_plan()
    results = planted(plan)
    for run in plan.baselines:
        if run.method.kind == "shift_null":
            results[run.key()] = RunResult(run.key(), "failed", message="the target rests")
    findings = infer(plan, results, {})
    assert {s.detail for s in findings.sessions} == {
        "its null, linear shift, could not be measured: the target rests"
    }
