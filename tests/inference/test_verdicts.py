"""Every row of the verdict tables is reached by planted losses, and every gate can fail."""

import json
from dataclasses import replace

import pytest
from conftest import tiny_study

from invariance_probe.inference import infer
from invariance_probe.inference.entry import pointless
from invariance_probe.inference.findings import Standing
from invariance_probe.study.plan import ANOTHER_METHOD

from .builder import JITTER, make_plan, planted

REGISTERED = Standing("0" * 64)


def judged(plan=None, left_out=None, results=None, standing=REGISTERED, **values):
    plan = plan or make_plan()
    return infer(plan, results or planted(plan, **values), left_out or {}, standing).hypotheses[0]


ROWS = {
    "invariant": {"C_info": 0.02},
    "recoverable": {"C_info": 0.4},
    "sensitive": {"C_info": 0.5, "delta": 0.3},
    "competition": {"C_info": 0.02, "delta": 0.3},
    "inconclusive": {"C_info": 0.4, "delta": 0.1},
}


@pytest.mark.parametrize("verdict", ROWS)
def test_each_row_of_the_table(verdict):
    assert judged(**ROWS[verdict]).verdict == verdict


def test_a_one_neuron_code_that_paired_draws_help_is_sensitive_and_flagged():
    found = judged(C_info=0.7, delta=0.2, H=-0.05, paired=-0.3, kept=0.7)
    assert found.verdict == "sensitive" and found.flags == ("regularised",)
    assert (found.naive.says, found.naive.independent, found.naive.paired) == ("invariant", "not invariant", "invariant")
    assert found.outcome == "contradicted" and found.predicts == "distributed"


def test_regularisation_in_both_arms_alone_never_says_invariant():
    """Independent draws help, but shared ones help more: D is above the margin."""
    found = judged(C_info=0.7, delta=-0.05, H=-0.3, kept=0.6)
    assert found.verdict == "sensitive"


@pytest.mark.parametrize(("values", "gate"), [
    ({"kept": 0.3}, "retention"),
    ({"aa": 0.2}, "noise"),
    ({"longer": 0.4}, "steps"),
])  # fmt: skip
def test_a_failed_gate_leaves_no_verdict(values, gate):
    found = judged(C_info=0.02, **values)
    assert found.verdict == f"invalid: {gate}" and found.outcome == "open" and found.p_value is None


def test_harm_in_the_reference_arm_blocks_every_at_most_claim():
    found = judged(C_info=0.4, delta=0.3, H=0.3)  # D = 0, but the reference is broken
    assert found.verdict == "inconclusive"
    assert next(g for g in found.gates if g.name == "reference").passed is False


def test_noise_that_is_not_shown_equivalent_blocks_at_most_claims_only():
    assert judged(C_info=0.02, spread=0.35).verdict == "inconclusive"
    plan = make_plan()
    results = planted(plan, C_info=0.5, delta=3.0, spread=0.35)
    assert judged(plan, results=results).verdict == "sensitive"


def test_collapse_at_dose_zero_fails_its_gate():
    plan = make_plan()
    results = planted(plan, C_info=0.02)
    clean = [r for r in plan.grid if r.method.kind == "simclr" and r.axis == ""]
    for run in clean[: len(clean) // 5]:
        results[run.key()] = replace(results[run.key()], status="collapsed")
    assert judged(plan, results=results).verdict == "invalid: collapse"


def test_missing_runs_leave_no_verdict_and_are_counted():
    plan = make_plan()
    results = planted(plan, C_info=0.02)
    gone = next(r for r in plan.grid if r.arm == "shared")
    del results[gone.key()]
    findings = infer(plan, results, {})
    assert findings.hypotheses[0].verdict == "inconclusive" and "missing" in findings.hypotheses[0].sentence
    assert findings.runs.missing == 1


def test_a_failed_run_counts_as_failed_and_leaves_no_verdict():
    plan = make_plan()
    results = planted(plan, C_info=0.02)
    bad = next(r for r in plan.grid if r.arm == "independent")
    results[bad.key()] = replace(results[bad.key()], status="failed", blocks=(), block_losses=())
    findings = infer(plan, results, {})
    assert findings.hypotheses[0].verdict == "inconclusive" and findings.runs.failed == 1


def test_undecodable_sessions_leave_before_any_ssl_result_is_seen():
    plan = make_plan()
    weak = planted(plan, null=0.5)
    reasons = pointless(plan, weak)
    assert set(reasons) == {run.key() for run in plan.grid + plan.examined}
    only = {run.key(): weak[run.key()] for run in plan.baselines}
    found = infer(plan, only, reasons)
    assert found.hypotheses[0].verdict.startswith("untestable")
    assert found.runs.left_out == len(reasons) and found.runs.missing == 0


def test_a_label_that_does_not_move_is_untestable_and_its_models_are_not_trained():
    plan = make_plan(**JITTER)
    results = planted(plan, rho=1.0)
    reasons = pointless(plan, results)
    assert set(reasons) == {run.key() for run in plan.grid + plan.examined}
    only = {run.key(): results[run.key()] for run in plan.baselines}
    found = infer(plan, only, reasons).hypotheses[0]
    assert found.verdict.startswith("untestable") and found.kind == "jitter"
    assert "barely moves" in found.sentence


@pytest.mark.parametrize(("values", "verdict"), [
    ({"delta": 0.0, "third": 0.0}, "invariant"),
    ({"delta": 0.3, "third": 0.3}, "sensitive"),
    ({"delta": 0.0, "third": 0.3}, "inconclusive"),
])  # fmt: skip
def test_jitter_needs_both_amounts_of_data(values, verdict):
    assert judged(make_plan(**JITTER), **values).verdict == verdict


def test_three_sessions_speak_for_themselves_only():
    found = judged(make_plan(sessions=3), C_info=0.02)
    assert found.scope == "these recordings" and found.sentence.startswith("In these 3 recordings")
    assert found.verdict == "invariant"


def test_the_supervised_ceiling_is_used_where_training_data_choose_it():
    plan = make_plan()
    results = planted(plan, C_info=0.3)
    for run in plan.baselines:
        if run.method.kind == "supervised":
            results[run.key()] = replace(results[run.key()], selection_loss=0.1)
    findings = infer(plan, results, {})
    assert {s.ceiling_family for s in findings.sessions} == {"supervised"}
    c_info = next(e for e in findings.hypotheses[0].estimands if e.name == "C_info")
    assert c_info.n_seeds == 2 and c_info.estimate == pytest.approx(0.3 * 0.6 / 0.55, abs=0.02)


def test_confirmatory_claims_are_corrected_by_holm_and_quick_studies_confirm_nothing():
    hypothesis = make_plan().study.hypotheses[0].model_dump()
    plan = make_plan(hypotheses=[hypothesis, {**hypothesis, "id": "H2", "predicts": "sensitive"}])
    first, second = infer(plan, planted(plan, C_info=0.4), {}, REGISTERED).hypotheses
    assert first.p_value_adjusted == pytest.approx(min(1, 2 * first.p_value))
    assert first.outcome == "supported" and second.outcome == "contradicted"
    assert judged(make_plan(quick=True), C_info=0.02).status == "exploratory"


def test_findings_are_the_same_twice_and_are_plain_json():
    plan = make_plan()
    results = planted(plan, C_info=0.4)
    first, second = (json.dumps(infer(plan, results, {}).to_json(), sort_keys=True) for _ in range(2))
    assert first == second


def test_only_registered_claims_are_confirmatory():
    assert judged(C_info=0.02).status == "confirmatory"
    assert judged(C_info=0.02, standing=Standing(None)).status == "exploratory"
    assert judged(C_info=0.02, standing=Standing("0" * 64, (("H1", "its margin was changed"),))).status == "exploratory"
    assert judged(C_info=0.02, standing=Standing("0" * 64, (("other", "its margin was changed"),))).status == "confirmatory"


def test_pilot_sessions_carry_no_confirmatory_claim():
    world = {**make_plan().study.recordings[0].model_dump(), "pilot": True}
    hypothesis = make_plan().study.hypotheses[0].model_dump()
    plan = make_plan(recordings=[world])
    assert judged(plan, C_info=0.02).verdict.startswith("untestable")
    plan = make_plan(recordings=[world], hypotheses=[{**hypothesis, "role": "exploratory"}])
    assert judged(plan, C_info=0.02).verdict == "invariant"


def test_a_verdict_that_a_third_of_the_data_reverses_is_inconclusive():
    found = judged(C_info=0.5, delta=0.0, third=0.4)
    assert found.verdict == "inconclusive"
    assert next(g for g in found.gates if g.name == "a third of the data").passed is False
    assert judged(C_info=0.5, delta=0.4, third=0.1).verdict == "sensitive"  # weaker, but no reversal


@pytest.mark.parametrize("changes", [
    {"method": {"kind": "byol", "encoder": {"kind": "mlp", "widths": [16, 8]}}}, {"method": {"kind": "simclr", "temperature": 1.0}},
    {"training": {"steps": 20, "batch_size": 64, "seeds": 2}},
])  # fmt: skip
def test_a_method_that_was_not_calibrated_gets_estimates_and_no_verdict(changes):
    plan = make_plan(**changes)
    found = judged(plan, C_info=0.02)
    assert found.verdict == "uncalibrated method" and found.p_value is None and found.outcome == "open"
    assert found.estimands and "has not passed the calibration" in found.sentence


SECOND = {"kind": "simclr", "temperature": 0.2, "encoder": {"kind": "mlp", "widths": [32, 16, 8]}, "projector": [8, 8]}


def under_another_method(plan, **changes):
    """Results in which the second method's losses are planted apart."""
    results = planted(plan, C_info=0.5, delta=0.0)
    other = planted(plan, **{"C_info": 0.5, "seed": 1, **changes})
    again = {run.key() for run in plan.grid if run.setting == ANOTHER_METHOD}
    return {key: other[key] if key in again else result for key, result in results.items()}


@pytest.mark.parametrize(("changes", "passed", "verdict"), [
    ({"delta": 0.0}, True, "recoverable"), ({"delta": 0.4}, False, "inconclusive"), ({"delta": 0.4, "kept": 0.3, "H": 0.0}, None, "recoverable"),
])  # fmt: skip
def test_a_verdict_that_another_licensed_method_reverses_is_inconclusive(changes, passed, verdict):
    plan = make_plan(second_method=SECOND)
    found = infer(plan, under_another_method(plan, **changes), {}, REGISTERED).hypotheses[0]
    gate = next(g for g in found.gates if g.name == "another method")
    assert (gate.passed, found.verdict) == (passed, verdict), gate.detail


def test_another_method_without_a_licence_has_no_say():
    plan = make_plan(second_method={"kind": "byol", "encoder": {"kind": "mlp", "widths": [16, 8]}})
    found = infer(plan, under_another_method(plan, delta=0.4), {}, REGISTERED).hypotheses[0]
    gate = next(g for g in found.gates if g.name == "another method")
    assert gate.passed is None and "without a say" in gate.detail and found.verdict == "recoverable"


def test_a_sweep_of_another_dose_shows_the_interaction_as_a_difference_of_differences():
    plan = make_plan(sweeps=[{"path": "time_jitter.window_s", "values": [0.2]}])
    results = planted(plan, C_info=0.4, delta=0.02)
    moved = planted(plan, C_info=0.4, delta=0.3, seed=1)
    swept = {run.key() for run in plan.grid if run.setting.startswith("time_jitter")}
    assert {run.views.pairing.window_s for run in plan.grid if run.setting.startswith("time_jitter")} == {0.2}
    found = infer(plan, {k: moved[k] if k in swept else r for k, r in results.items()}, {}).hypotheses[0]
    by_name = {e.name: e for e in found.swept if e.setting == "time_jitter.window_s=0.2"}
    assert by_name["delta"].estimate == pytest.approx(0.3, abs=0.02)
    assert by_name["change of delta"].estimate == pytest.approx(0.28, abs=0.03)
    assert found.verdict == "recoverable"  # an interaction is exploratory: it moves no verdict


def test_specificity_controls_stand_beside_a_verdict_and_move_none():
    plan = make_plan(controls=["thinning", "noise", "stratified"])
    assert {(c.axis, round(c.dose, 3)) for c in plan.controls} == {
        ("spike_thinning.rate", 0.4), ("gaussian_noise.sigma", 0.816), ("stratified_dropout.rate", 0.4)}  # fmt: skip
    results = planted(plan, C_info=0.4, delta=0.0)
    harmful = planted(plan, C_info=0.4, delta=0.5, seed=1)
    of_controls = {run.key() for run in plan.grid if run.axis in {c.axis for c in plan.controls}}
    found = infer(plan, {k: harmful[k] if k in of_controls else r for k, r in results.items()}, {}, REGISTERED).hypotheses[0]
    shown = {e.setting: e.estimate for e in found.swept if e.setting.startswith("control") and e.name == "delta"}
    assert len(shown) == 3 and min(shown.values()) > 0.4
    assert found.verdict == "recoverable" and found.axis == "unit_dropout.rate"


def test_controls_stand_beside_hypotheses_of_their_own_corruption_only():
    axes = {"unit_cutout.fraction": 0.3, "pepper.rate": 0.1}
    base = tiny_study()["hypotheses"][0]
    plan = make_plan(
        views={"transforms": [{"kind": path.split(".")[0]} for path in axes]}, controls=["dropout", "noise"],
        axes=[{"path": path, "doses": [0, dose]} for path, dose in axes.items()],
        hypotheses=[{**base, "id": path, "predicts": "invariant", "axis": path, "dose": dose} for path, dose in axes.items()],
    )  # fmt: skip
    found = infer(plan, planted(plan, C_info=0.4, delta=0.05), {}, REGISTERED)
    shown = {h.id: {e.setting for e in h.swept if e.setting.startswith("control")} for h in found.hypotheses}
    assert shown["unit_cutout.fraction"] == {"control: unit_dropout.rate=0.3"}
    assert shown["pepper.rate"] == {"control: gaussian_noise.sigma=0.474"}


def test_swept_amounts_of_data_stand_beside_the_verdict():
    plan = make_plan(sweeps=[{"path": "data.fraction", "values": [1, 0.2]}])
    found = judged(plan, C_info=0.4, third=0.06)
    swept = {(e.setting, e.name): e.estimate for e in found.swept}
    assert swept["data.fraction=0.2", "delta"] == pytest.approx(0.06, abs=0.02)
    assert "data.fraction=1" not in {e.setting for e in found.swept}  # the study's own
