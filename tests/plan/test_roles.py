"""Each run has the type of its role, and all types share one JSON form and one key scheme."""

import json
from pathlib import Path

import pytest
from conftest import tiny_study
from pydantic import ValidationError

from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import (
    ROLES,
    ClosedFormModel,
    DecoderBaseline,
    EncoderExamination,
    GradientRun,
    RelianceMeasurement,
    SessionMeasurement,
    SupervisedBaseline,
    TrainedModel,
    read_run,
)
from invariance_probe.plan.run import Run
from invariance_probe.study.examinations import ByClass
from invariance_probe.study.methods import DECLARED_METHODS
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

EARLIER = json.loads((Path(__file__).parent / "earlier_runs.json").read_text())
"""Runs as they were written when all roles had one type, with their keys."""
FINAL = {
    SessionMeasurement, DecoderBaseline, ClosedFormModel, TrainedModel, SupervisedBaseline,
    RelianceMeasurement, EncoderExamination,
}  # fmt: skip


def name_of(written):
    examined = written["run"].get("examination", {"kind": "alone"})["kind"]
    return f"{written['run']['method']['kind']}-{examined}"


def plan_of(**changes):
    study = Study.model_validate(tiny_study(**changes))
    return Plan(study, tuple(Session(f"s{i}", "a", "", f"f{i}", study.recordings[0]) for i in "01"))


@pytest.mark.parametrize("written", EARLIER, ids=name_of)
def test_a_run_written_before_roles_had_types_is_read_and_keeps_its_keys(written):
    run = read_run(written["run"])
    assert (run.key(), run.train_key()) == (written["key"], written["train_key"])
    assert run.model_dump(mode="json") == written["run"]
    examined = "examination" in written["run"]
    assert type(run) is (EncoderExamination if examined else ROLES[run.method.kind])


def test_earlier_runs_cover_every_role():
    assert {type(read_run(written["run"])) for written in EARLIER} == FINAL


def test_a_plan_still_has_the_keys_that_were_written():
    first = tiny_study()["hypotheses"][0]
    plan = plan_of(
        axes=[
            {"path": "unit_dropout.rate", "doses": [0, 0.2, 0.4]},
            {"path": "time_jitter.window_s", "doses": [0, 0.2]},
        ],
        hypotheses=[first, {**first, "id": "J", "axis": "time_jitter.window_s", "dose": 0.2}],
        measurements=[{"kind": "reliance", "budgets": [2]}],
    )
    planned = {run.key(): type(run) for run in plan.runs}
    of_this_study = [read_run(written["run"]) for written in EARLIER[:16]]
    assert {run.key(): type(run) for run in of_this_study}.items() <= planned.items()
    assert set(planned.values()) == FINAL


def test_every_method_has_one_role():
    assert ROLES.keys() == DECLARED_METHODS.keys()
    assert set(ROLES.values()) == FINAL - {EncoderExamination}


def test_all_roles_are_written_with_the_same_names():
    """A field that one role lacks would silently leave its keys."""
    later = {"companions", "examination"}  # left out of dumps where they are not declared
    names = {frozenset(role.model_fields) - later for role in FINAL}
    assert len(names) == 1


def test_a_run_without_a_role_cannot_be_made():
    for kind in (Run, GradientRun):
        with pytest.raises(TypeError, match="abstract"):
            kind(**EARLIER[0]["run"])


def test_a_role_refuses_what_another_role_has():
    measurement, baseline = plan_of().baselines[0], plan_of().baselines[-1]
    assert isinstance(measurement, SessionMeasurement) and isinstance(baseline, SupervisedBaseline)
    with pytest.raises(ValidationError, match="fold"):
        read_run({**measurement.model_dump(mode="json"), "fold": 0})
    with pytest.raises(ValidationError, match="optimisation"):
        read_run({**baseline.model_dump(mode="json"), "optimisation": None})


@pytest.mark.parametrize("method", [{"kind": "linear_ssl"}, {"kind": "simclr"}])
def test_an_examination_knows_the_run_that_trained_its_encoder(method):
    model = plan_of(method=method).grid[0]
    examination = EncoderExamination.of(model, ByClass())
    assert examination.model() == model and type(examination.model()) is type(model)
    assert examination.train_key() == model.train_key() and examination.key() != model.key()
    assert examination.steps == 0 and examination.others() == model.others()


def test_the_models_of_reliance_have_its_settings():
    plan = plan_of(measurements=[{"kind": "reliance", "of": {"kind": "byol"}, "budgets": [2]}])
    run = plan.reliance_runs[0]
    model = run.model()
    assert isinstance(model, TrainedModel) and model.method == run.method.of
    assert (model.optimisation, model.fold, model.views) == (run.optimisation, run.fold, run.views)
