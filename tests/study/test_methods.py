"""Declared methods: presets, their changes of the training, and later fields."""

import pytest
from conftest import tiny_study
from pydantic import TypeAdapter, ValidationError

from invariance_probe.plan.cautions import cautions
from invariance_probe.plan.plan import Plan
from invariance_probe.study.methods import BYOL, CPC, MYOW, Method, SimCLR
from invariance_probe.study.presets import PRESETS
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

METHOD = TypeAdapter(Method)
CHOSEN = [(kind, name) for kind, names in PRESETS.items() for name in names]


def plan_of(**changes):
    study = Study.model_validate(tiny_study(**changes))
    return Plan(study, (Session("s", "a", "", "f", study.recordings[0]),))


@pytest.mark.parametrize(("kind", "name"), CHOSEN)
def test_every_preset_is_a_valid_method_and_leaves_no_name_in_its_keys(kind, name):
    method = METHOD.validate_python({"kind": kind, "preset": name})
    assert "preset" not in method.model_dump()
    assert METHOD.validate_python(method.model_dump()) == method.model_copy(update={"preset": None})


def test_what_a_study_gives_wins_over_its_preset_field_by_field():
    method = MYOW(preset="monkey", neighbours=7, training={"learning_rate": 0.1})
    assert (method.neighbours, method.target_decay) == (7, 0.9)
    assert (method.training.learning_rate, method.training.optimizer) == (0.1, "lars")


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(ValidationError, match="byol has no preset 'mokney'; allowed: 'monkey'"):
        BYOL(preset="mokney")
    with pytest.raises(ValidationError, match="allowed: none"):
        CPC(preset="x")


def test_what_a_method_changes_of_the_training_stands_in_its_runs_and_reaches_no_baseline():
    plan = plan_of(method={"kind": "byol", "training": {"learning_rate": 0.01}})
    trained = [run for run in plan.grid if run.method.kind == "byol"]
    supervised = [run for run in plan.runs if run.method.kind == "supervised"]
    assert {run.optimisation.learning_rate for run in trained} == {0.01} and {
        run.method.training for run in trained
    } == {None}
    assert {run.optimisation.learning_rate for run in supervised} == {
        plan.study.training.learning_rate
    }
    same = plan_of(
        method={"kind": "byol"}, training={**tiny_study()["training"], "learning_rate": 0.01}
    )
    assert {run.key() for run in trained} == {
        run.key() for run in same.grid if run.method.kind == "byol"
    }


def test_a_swept_setting_wins_over_what_the_method_changes():
    sweeps = [
        {"path": "training.learning_rate", "values": [0.02]},
        {"path": "training.steps", "values": [7]},
    ]
    plan = plan_of(method={"kind": "byol", "training": {"learning_rate": 0.01}}, sweeps=sweeps)
    found = {setting.label: setting.optimisation for setting in plan.settings}
    assert found["training.learning_rate=0.02"].learning_rate == 0.02
    assert (found["training.steps=7"].steps, found["training.steps=7"].learning_rate) == (7, 0.01)


def test_a_swept_method_brings_its_own_training():
    values = [{"kind": "vicreg", "training": {"steps": 11}}, {"kind": "linear_ssl"}]
    plan = plan_of(sweeps=[{"path": "method", "values": values}])
    found = {setting.label: setting.optimisation for setting in plan.settings[1:]}
    assert (
        found["method=vicreg(training=(steps=11))"].steps == 11
        and found["method=linear_ssl"] is None
    )


def test_fields_that_came_later_can_be_swept_and_leave_the_dump_at_their_defaults():
    assert "negatives" not in SimCLR().model_dump() and "training" not in SimCLR().model_dump()
    plan = plan_of(sweeps=[{"path": "method.negatives.gap_s", "values": [0.5]}])
    assert plan.settings[1].method.negatives.gap_s == 0.5


def test_a_jitter_does_not_reach_a_method_that_chooses_its_windows_in_time():
    jitter = {
        "axes": [{"path": "time_jitter.window_s", "doses": [0, 0.2]}],
        "hypotheses": [
            {**tiny_study()["hypotheses"][0], "axis": "time_jitter.window_s", "dose": 0.2}
        ],
    }
    with pytest.raises(
        ValidationError, match=r"cpc chooses its own windows in time.*'method.horizons'"
    ):
        plan_of(method={"kind": "cpc"}, **jitter)
    assert plan_of(**jitter)


def about_method(plan):
    return [caution for caution in cautions(plan) if caution[0][0] == "method"]


def test_widths_that_cost_bit_identity_are_said():
    encoder = {"kind": "mlp", "widths": [16, 7]}
    [(place, got, reason)] = about_method(
        plan_of(method={"kind": "simclr", "encoder": encoder, "projector": [16, 12]})
    )
    assert place == ("method",) and got == "7, 12" and "multiples of 8" in reason
    assert not list(
        about_method(
            plan_of(method={"kind": "simclr", "encoder": {"kind": "mlp", "widths": [16, 8]}})
        )
    )
    exact = {**tiny_study()["training"], "precision": "float64"}
    assert not list(
        about_method(plan_of(method={"kind": "simclr", "encoder": encoder}, training=exact))
    )


def test_a_method_that_cannot_be_used_is_named_where_it_stands():
    with pytest.raises(ValidationError) as caught:
        recipes = {
            "recipes": [{"name": "labels", "method": {"kind": "supcon"}}],
            "because": "to see it refused",
        }
        plan_of(
            sweeps=[{"path": "method", "values": [{"kind": "simclr"}, {"kind": "supcon"}]}],
            panel=recipes,
        )
    places = [error["loc"] for error in caught.value.errors()]
    assert places == [("panel", "recipes", 0, "method", "kind"), ("sweeps", 0, "values", 1, "kind")]
    assert all("use the method 'y_aware'" in error["msg"] for error in caught.value.errors())
