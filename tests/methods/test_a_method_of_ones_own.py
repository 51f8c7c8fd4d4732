"""A user-defined method is trained and judged without changing the package.

The method is that of docs/examples; the contract tests run over it too.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study
from helpers.program import invoke, write
from pydantic import ValidationError

import invariance_probe as ip
from invariance_probe.data.own_code import own_code_problems
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.errors import StudyError
from invariance_probe.estimator import SSLTransformer
from invariance_probe.methods import METHODS
from invariance_probe.methods.own import own_class, own_problems
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import train_key_of
from invariance_probe.probing.bench.workbench import Elsewhere, Workbench
from invariance_probe.probing.measurements.baselines import measure_raw
from invariance_probe.probing.measurements.trained import measure_ssl
from invariance_probe.results.store import Store
from invariance_probe.study.load import load_study
from invariance_probe.study.methods import DECLARED_METHODS, OwnMethod
from invariance_probe.study.study import Study
from invariance_probe.training.checkpoints import Checkpoints

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLE = {"kind": "own", "of": "agreeing_pairs:AgreeingPairs", "version": 1}
SMALL = {
    **EXAMPLE,
    "settings": {"projector": [8, 8]},
    "encoder": {"kind": "mlp", "widths": [16, 8]},
}


@pytest.fixture
def folder(tmp_path):
    """A folder with the example's module and a small study of it, for tests to change."""
    shutil.copy(EXAMPLES / "agreeing_pairs.py", tmp_path)
    world = {**tiny_study()["recordings"][0], "sessions": 1}
    training = {"steps": 5, "batch_size": 64, "seeds": 1}
    write(tmp_path, tiny_study(quick=True, recordings=[world], method=SMALL, training=training))
    return tmp_path


def own_runs(plan):
    return [run for run in plan.grid if run.method.kind == "own"]


def problems(declared, base, length_bins=1, target="continuous"):
    return [*own_problems(OwnMethod.model_validate(declared), base, length_bins, target)]


# The example


def test_whitened_embeddings_have_the_covariance_one():
    module = sys.modules[own_class(OwnMethod(**EXAMPLE), EXAMPLES).__module__]
    z = torch.randn(
        2, 500, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ) * torch.tensor([1.0, 2.0, 3.0, 4.0])
    for run in module.whitened(z):
        np.testing.assert_allclose(np.cov(run.numpy().T), np.eye(4), atol=2e-3)


def test_it_keeps_most_of_the_range():
    world = {
        "kind": "simulated", "generator": "redundancy", "session": "x", "units": 40,
        "carriers": 40, "information": 2.0, "bins": 1600,
    }  # fmt: skip
    encoder = {"kind": "mlp", "widths": [32, 16]}
    study = Study.model_validate(
        tiny_study(
            recordings=[world],
            method={**EXAMPLE, "settings": {"projector": [16, 8]}, "encoder": encoder},
            training={"steps": 200, "batch_size": 64, "seeds": 2},
        )
    )
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    recording = open_recording(session.source, session.name, Path())
    bench = Workbench.of(recording, plan.grid[0], torch.device("cpu"), Elsewhere(EXAMPLES))
    clean = [run for run in own_runs(plan) if run.axis == ""][:4]
    raw = [run for run in plan.baselines if run.method.kind == "raw"]
    measured = measure_ssl(bench, clean, lambda steps: None)
    decoded = measure_raw(bench, raw, lambda steps: None)
    floor = np.mean([m.result.floor_losses for m in decoded])
    ceiling = np.mean([m.result.block_losses for m in decoded])
    kept = (floor - np.mean([m.result.block_losses for m in measured])) / (floor - ceiling)
    assert kept > 0.5, kept


def test_the_example_study_is_valid_and_its_class_too():
    study = load_study(EXAMPLES / "agreeing_pairs.yaml")
    assert not [*own_code_problems(study, EXAMPLES)]
    assert study.method.settings == {"projector": [32, 8]}


def test_a_study_of_it_runs_from_the_command_line_and_gets_estimates_without_words(folder):
    done = invoke("run", "study.yaml", "--runs", "runs", "--out", "report", cwd=folder, check=0)
    assert "uncalibrated method" in done.stdout
    assert "agreeing_pairs:AgreeingPairs version 1 has not passed the calibration" in done.stdout
    page = (folder / "report" / "index.html").read_text()
    assert "were learned by agreeing_pairs:AgreeingPairs version 1" in page
    plan = ip.plan_of(folder / "study.yaml")
    stored = Store(folder / "runs").results(plan.runs)
    with_code = {key for key, result in stored.items() if result.code_sha256}
    assert with_code and with_code == stored.keys() & {run.key() for run in own_runs(plan)}
    assert any(run.key() in stored for run in plan.encoder_examinations)
    again = invoke("run", "study.yaml", "--runs", "runs", "--out", "report", cwd=folder, check=0)
    assert "changed while its version" not in again.stderr + again.stdout


def test_a_study_of_it_runs_from_python(folder):
    script = (
        "import invariance_probe as ip\n"
        "from agreeing_pairs import AgreeingPairs\n"
        "method = ip.OwnMethod.of_class(AgreeingPairs, version=1, projector=(8, 8), "
        "encoder={'kind': 'mlp', 'widths': [16, 8]})\n"
        "study = ip.load_study('study.yaml')\n"
        "made = ip.Study.model_validate({**study.model_dump(), 'method': method})\n"
        "assert made == study and made.sha256() == study.sha256()\n"
        "result = ip.run(made, workers=1)\n"
        "print(result.findings.hypotheses[0].verdict.word)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and done.stdout.strip() == "uncalibrated method", done.stderr


def test_it_is_a_transformer_too(monkeypatch):
    monkeypatch.chdir(EXAMPLES)
    counts = np.random.default_rng(0).poisson(2, (200, 8))
    training = {"steps": 3, "batch_size": 16}
    made = SSLTransformer(method=SMALL, training=training).fit_transform(counts)
    assert made.shape == (200, 8) and np.isfinite(made).all()


# What is in the keys


def test_class_version_settings_and_what_is_read_are_in_every_key():
    changes = [
        {},
        {"of": "agreeing_pairs:Other"},
        {"version": 2},
        {"settings": {"projector": [8, 16]}},
        {"settings": {"projector": [8, 8], "ridge": 0.1}},
        {"reads": ["counts"]},
        {"reads": ["target"]},
    ]
    plans = []
    for change in changes:
        study = Study.model_validate(tiny_study(method={**SMALL, **change}))
        plans.append(Plan(study, find_sessions(study, Path())))
    for name in ("key", "train_key"):
        sets = [{getattr(run, name)() for run in own_runs(plan)} for plan in plans]
        assert len(set.union(*sets)) == sum(map(len, sets))
    for plan in plans:
        run = own_runs(plan)[0]
        assert train_key_of(run.specification()) == run.train_key()


def test_tuples_and_lists_of_settings_have_one_key():
    made = OwnMethod(**EXAMPLE, settings={"projector": (8, 8), "temperature": 1.0})
    same = OwnMethod(**EXAMPLE, settings={"temperature": 1, "projector": [8, 8]})
    assert made == same and made.canonical() == same.canonical() and hash(made) == hash(same)


def test_a_target_that_training_reads_is_in_the_key_of_the_encoder():
    def train_keys(reads, target):
        study = Study.model_validate(
            tiny_study(method={**SMALL, "reads": reads}, target={"name": target})
        )
        return {run.train_key() for run in own_runs(Plan(study, find_sessions(study, Path())))}

    assert train_keys([], "label") == train_keys([], "other")
    assert not train_keys(["target"], "label") & train_keys(["target"], "other")


def test_a_setting_can_be_swept(folder):
    sweeps = [{"path": "method.settings.ridge", "values": [0.01, 0.1]}]
    study = Study.model_validate(tiny_study(method=SMALL, sweeps=sweeps))
    settings = Plan(study, find_sessions(study, Path())).settings
    assert [setting.method.settings.get("ridge") for setting in settings] == [None, 0.01, 0.1]
    assert not [*own_code_problems(study, folder)]
    wrong = Study.model_validate(
        tiny_study(method=SMALL, sweeps=[{"path": "method.settings.rigde", "values": [0.1]}])
    )
    [(place, _, reason)] = own_code_problems(wrong, folder)
    assert place == ("sweeps", 0, "values", 0, "settings") and "'rigde'" in reason


@pytest.mark.parametrize("kind", METHODS)
def test_what_a_class_says_that_it_reads_is_what_is_declared(kind):
    declared = DECLARED_METHODS[kind].model_construct()
    assert ("target" in METHODS[kind].reads) == declared.reads_target
    assert ("counts" in METHODS[kind].reads) == declared.reads_counts


# What is refused


def test_a_class_is_named_by_its_module():
    with pytest.raises(ValidationError, match="is named module:Class, such as"):
        OwnMethod(of="AgreeingPairs", version=1)
    with pytest.raises(ValidationError, match="numbers, strings, lists and mappings"):
        OwnMethod(**EXAMPLE, settings={"scale": torch.ones(2)})
    with pytest.raises(ValidationError, match="version"):
        OwnMethod(of="a:B")


def test_a_class_that_no_worker_can_import_is_refused():
    class Inside:
        pass

    with pytest.raises(ValueError, match=r"defined in test_a_class.*put it in a file of its own"):
        OwnMethod.of_class(Inside, version=1)
    Inside.__module__, Inside.__qualname__ = "__main__", "Inside"
    with pytest.raises(ValueError, match="a notebook or in the script that is run"):
        OwnMethod.of_class(Inside, version=1)


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        ({"of": "agreeing_pair:AgreeingPairs"}, ("of",), "did you mean 'agreeing_pairs'?"),
        ({"of": "nowhere.at_all:X"}, ("of",), "write nowhere/at_all.py there, or install"),
        ({"of": "agreeing_pairs:Pairs"}, ("of",), "methods in it: 'AgreeingPairs'"),
        ({"of": "agreeing_pairs:whitened"}, ("of",), "is no class derived from"),
        ({"of": "agreeing_pairs:Method"}, ("of",), "lacks loss"),
        ({"reads": ["target"]}, ("reads",), "reads [], and the study declares ['target']"),
        ({"settings": {"rigde": 1}}, ("settings",), "its settings are: projector, ridge"),
        ({"settings": {"ridge": 0}}, ("settings",), "ridge is 0; it must be above 0"),
        ({"settings": {"projector": ["a"]}}, ("settings",), "agreeing_pairs.py line"),
    ],
)
def test_a_declaration_that_does_not_fit_its_class_is_refused(change, place, reason):
    [(where, _, said)] = problems({**SMALL, **change}, EXAMPLES)
    assert where == place and reason in said, said


BODY = """
from invariance_probe.encoders import build_encoder
from invariance_probe.methods.base import Method

class Mine(Method):
    def __init__(self, declared, shape, generators):
        super().__init__()
        self.encoder = build_encoder(declared.encoder, shape, generators)

    def loss(self, batch):
        z = self.encoder(batch.views)
        return LOSS
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def (", "SyntaxError"),
        ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
        ("raise SystemExit(3)", "mine.py line 1"),
        (BODY.replace("LOSS", "z.square().mean()"), "one loss per run"),
        (BODY.replace("LOSS", "z.square().mean() + z.sum((1, 2))"), "no mean, sum or product"),
        (BODY.replace("LOSS", "z.detach().sum((1, 2))"), "depends on no parameter"),
        (BODY.replace("LOSS", "z @ z"), "mine.py line 12"),
        (BODY.replace("self.encoder =", "self.network ="), "has no encoder"),
    ],
)
def test_a_class_that_cannot_be_trained_is_refused_with_its_line(text, reason, tmp_path):
    (tmp_path / "mine.py").write_text(text)
    [(place, _, said)] = problems({"of": "mine:Mine", "version": 1}, tmp_path)
    assert place == ("of",) and reason in said, said


IN_TIME = {
    "sequences": {"context_windows": 3, "horizons": [1, 3]},
    "positions": {"near_s": 0.3, "far_s": 1.0},
    "triplets": {"near_s": 0.6, "signed": True},
}


@pytest.mark.parametrize("kind", IN_TIME)
def test_a_class_can_learn_from_windows_in_time(kind, tmp_path):
    loss = "z.square().mean((1, 2)) * (1 if batch.labels is None else batch.labels.float().std(1))"
    text = BODY.replace("LOSS", loss)
    text = text.replace("    def __init__", f"    examples = {kind!r}\n\n    def __init__", 1)
    (tmp_path / "mine.py").write_text(text)
    declared = {"kind": "own", "of": "mine:Mine", "version": 1, "encoder": SMALL["encoder"]}
    [(place, _, said)] = problems(declared, tmp_path)
    assert place == ("examples",) and f"write examples: {{kind: {kind}}}" in said
    declared["examples"] = {"kind": kind, **IN_TIME[kind]}
    assert not problems(declared, tmp_path)
    study = Study.model_validate(tiny_study(method=declared))
    plan = Plan(study, find_sessions(study, Path()))
    session = plan.sessions[0]
    recording = open_recording(session.source, session.name, Path())
    runs = own_runs(plan)[:2]
    bench = Workbench.of(recording, runs[0], torch.device("cpu"), Elsewhere(tmp_path))
    assert all(m.result.status != "failed" for m in measure_ssl(bench, runs, lambda steps: None))
    jitter = {
        "axes": [{"path": "time_jitter.window_s", "doses": [0, 0.2]}],
        "hypotheses": [
            {**tiny_study()["hypotheses"][0], "axis": "time_jitter.window_s", "dose": 0.2}
        ],
    }
    with pytest.raises(ValidationError, match="mine:Mine version 1 chooses its own windows"):
        Study.model_validate(tiny_study(method=declared, **jitter))


@pytest.mark.parametrize("target", ["continuous", "circular", "categorical"])
def test_a_class_that_reads_the_target_and_counts_is_given_both(target, tmp_path):
    loss = "z.mean((1, 2)) * batch.targets.float().sum() * batch.counts.sum()"
    reads = "    reads = ('target', 'counts')\n"
    text = BODY.replace("LOSS", loss).replace("    def __init__", f"{reads}\n    def __init__", 1)
    (tmp_path / "mine.py").write_text(text)
    declared = {"of": "mine:Mine", "version": 1, "reads": ["counts", "target"]}
    assert not problems(declared, tmp_path, 3, target)


def test_validate_names_the_line_and_loads_no_torch(folder):
    script = (
        "import sys, invariance_probe as ip\n"
        "try:\n    ip.plan_of('study.yaml')\n"
        "except ip.errors.StudyError as error:\n    print(error)\n"
        "assert 'torch' not in sys.modules and 'agreeing_pairs' not in sys.modules"
    ).replace("import sys,", "import sys, invariance_probe.errors,")
    study = folder / "study.yaml"
    study.write_text(study.read_text().replace("AgreeingPairs", "AgreeingPears"))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "method.of:" in done.stdout and "has no class 'AgreeingPears'" in done.stdout


def test_a_worker_refuses_what_the_class_does_not_say(tmp_path):
    with pytest.raises(StudyError, match=r"method\.reads: the class AgreeingPairs reads \[\]"):
        own_class(OwnMethod(**EXAMPLE, reads=["target"]), EXAMPLES)
    with pytest.raises(StudyError, match=r"method\.of: there is no module 'nowhere'"):
        own_class(OwnMethod(of="nowhere:X", version=1), tmp_path)


# Code that changes


def test_a_file_that_changes_is_executed_anew_and_two_folders_do_not_meet(tmp_path):
    declared = OwnMethod(of="mine:Mine", version=1)
    found = []
    for name, loss in (("a", "z"), ("b", "z * 2"), ("a", "z * 3")):
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        (place / "mine.py").write_text(BODY.replace("LOSS", loss))
        found.append(own_class(declared, place))
    assert len(set(found)) == 3 and own_class(declared, tmp_path / "a") is found[2]


def test_code_that_changed_while_its_version_stayed_is_told_once_with_both_hashes(folder):
    run = ("run", "study.yaml", "--runs", "runs", "--out", "report")
    invoke(*run, cwd=folder, check=0)
    file = folder / "agreeing_pairs.py"
    file.write_text(file.read_text().replace("square().sum(2)", "abs().sum(2)"))
    told = "agreeing_pairs:AgreeingPairs changed while its version stayed 1"
    done = invoke(*run, cwd=folder, check=0)
    said = done.stderr + done.stdout
    assert said.count(told) == 1
    assert said.count("SHA-256 ") == 2 and "set its version to 2" in said
    assert told in (folder / "report" / "index.html").read_text()
    judged = invoke("report", "study.yaml", "--runs", "runs", "--out", "report", cwd=folder)
    assert (judged.stderr + judged.stdout).count(told) == 1
    study = folder / "study.yaml"
    study.write_text(study.read_text().replace("version: 1", "version: 2"))
    done = invoke(*run, cwd=folder, check=0)
    assert told not in done.stderr + done.stdout


def test_a_checkpoint_of_other_code_is_not_taken_up(tmp_path):
    device = torch.device("cpu")
    old, new = (Checkpoints(tmp_path, device, code=code) for code in ("a", "b"))
    old.write(["k"], 10, {"w": torch.ones(1, 2)})
    assert old.step("k") == 10 and new.step("k") == 0 and Checkpoints(tmp_path).step("k") == 10
