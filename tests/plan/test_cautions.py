"""What a study is told before it is trained: among it, which hypotheses can get no verdict."""

import pytest
from click.testing import CliRunner
from conftest import tiny_study
from ruamel.yaml import YAML

from invariance_probe.cli import main
from invariance_probe.plan.cautions import cautions
from invariance_probe.plan.recipes import without_licence
from invariance_probe.plan.settings import settings_of
from invariance_probe.study.load import load_study
from invariance_probe.study.new import TEMPLATES, template_text

from .test_plan import plan_of

ENCODER = {"kind": "mlp", "widths": [16, 8]}
LICENSED = {"steps": 400, "batch_size": 128, "learning_rate": 3e-3, "seeds": 2}
SIMCLR, BYOL, MOCO = ({"kind": kind, "encoder": ENCODER} for kind in ("simclr", "byol", "moco"))
ON_DROPOUT = tiny_study()["hypotheses"][0]
ON_JITTER = {**ON_DROPOUT, "axis": "time_jitter.window_s", "dose": 0.2, "predicts": "tolerated"}
JITTER = {
    "axes": [{"path": "time_jitter.window_s", "doses": [0, 0.2]}],
    "hypotheses": [ON_JITTER],
}


def said_of(sessions=6, **changes):
    plan = plan_of(sessions=sessions, **{"method": SIMCLR, "training": LICENSED, **changes})
    return {got: reason for place, got, reason in cautions(plan) if place[0] == "hypotheses"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": BYOL}, "byol has not passed the calibration (licensed: simclr, moco)"),
        ({"method": BYOL, "sessions": 1}, "byol has not passed the calibration (licensed: simclr)"),
        ({"method": MOCO, "sessions": 1}, "studies of 1 session (calibrated: from 5)"),
        ({"method": MOCO, **JITTER}, "time_jitter.window_s (calibrated: unit_dropout.rate)"),
        ({"training": {**LICENSED, "steps": 20}}, "training.steps = 20 (calibrated: 200 to 1000)"),
        ({"target": {"name": "label", "kind": "categorical"}}, "targets of kind 'categorical'"),
    ],
)
def test_a_hypothesis_that_can_get_no_verdict_is_named_with_the_reason(changes, reason):
    assert reason in said_of(**changes)["H1"]
    assert "can get no verdict" in said_of(**changes)["H1"]


def test_a_licensed_study_and_a_prediction_about_units_are_warned_of_nothing():
    assert said_of() == {} and said_of(sessions=1) == {}
    assert said_of(method=BYOL, hypotheses=[{**ON_DROPOUT, "predicts": "few"}]) == {}


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_commands_say_before_training_that_no_verdict_is_possible(tmp_path, command):
    path = tmp_path / "study.yaml"
    YAML(typ="safe").dump(tiny_study(method=BYOL, training=LICENSED), path)
    done = CliRunner().invoke(main, [command, str(path), *_store(command, tmp_path)])
    assert done.exit_code == 0
    (line,) = [one for one in done.stderr.splitlines() if "can get no verdict" in one]
    assert line.startswith(f"warning: {path}:") and "hypotheses[0]: H1" in line


def _store(command, folder):
    return ["--runs", str(folder / "runs")] if command == "plan" else []


@pytest.mark.parametrize("sessions", [1, 6])
@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_use_a_method_that_is_licensed_for_their_hypotheses(tmp_path, name, sessions):
    path = tmp_path / "study.yaml"
    path.write_text(template_text(name))
    study = load_study(path)
    own = settings_of(study)[0]
    for hypothesis in study.hypotheses:
        assert without_licence(study, own, hypothesis, sessions) == []
