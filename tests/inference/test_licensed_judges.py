"""A recipe judges only what its method is licensed for, whatever leaves the study later."""

from dataclasses import replace

import pytest
from conftest import tiny_study

from invariance_probe.inference import infer

from .builder import LICENSED, REGISTERED, make_plan, planted

MOCO = {"name": "queue", "method": {"kind": "moco", "encoder": {"kind": "mlp", "widths": [16, 8]}}}
OWN_PANEL = {
    "recipes": [MOCO, {"name": "long", "training": {"steps": 800}}],
    "because": "what the reviewer asked for",
}


def found_with(undecodable, sessions=6, **changes):
    """H1 where MoCo alone finds the corruption costly, and some sessions cannot be decoded."""
    plan = make_plan(sessions=sessions, training=LICENSED, **changes)
    against = {name: {"independent": 0.4} for name in ("other", "queue")}
    results = planted(plan, C_code=0.4, recipes=against)
    for run in plan.baselines:
        if run.method.kind.endswith("_null") and run.session in undecodable:
            old = results[run.key()]
            results[run.key()] = replace(old, figures=replace(old.figures, p_value=0.9))
    (finding,) = infer(plan, results, {}, REGISTERED).hypotheses
    return finding


def judges(finding):
    return {r.method for r in finding.learning.panel.recipes if r.finding != "not computed"}


def test_a_second_method_judges_where_it_is_licensed():
    finding = found_with(undecodable=())
    assert judges(finding) == {"simclr", "moco"} and finding.verdict.text == "recipe-dependent"


def test_a_second_method_loses_its_say_where_too_few_sessions_are_left():
    """MoCo was calibrated from five sessions on: of six that are planned, two cannot be decoded."""
    finding = found_with(undecodable=("s0", "s1"))
    assert len(finding.sessions) == 4
    assert judges(finding) == {"simclr"} and finding.verdict.text == "tolerated"
    assert finding.learning.panel.one_method == "no second method is licensed for this study"
    assert "moco" not in finding.supports


def test_a_recipe_of_an_own_panel_loses_its_say_there_too_and_the_reason_is_told():
    finding = found_with(undecodable=("s0", "s1"), panel=OWN_PANEL)
    assert judges(finding) == {"simclr"} and finding.verdict.text == "tolerated"
    (out,) = [r for r in finding.learning.panel.recipes if not r.computed]
    assert out.name == "queue" and "studies of 4 sessions (calibrated: from 5)" in out.reason


@pytest.mark.parametrize("quick", [True, False])
def test_a_study_of_one_session_is_judged_by_the_declared_method_alone(quick):
    finding = found_with(undecodable=(), sessions=1, quick=quick)
    assert judges(finding) == {"simclr"}


def test_a_jitter_is_judged_by_the_declared_method_alone():
    jitter = {**tiny_study()["hypotheses"][0], "axis": "time_jitter.window_s", "dose": 0.2}
    axes = [{"path": "time_jitter.window_s", "doses": [0, 0.2]}]
    finding = found_with(undecodable=(), axes=axes, hypotheses=[jitter])
    assert judges(finding) == {"simclr"}
