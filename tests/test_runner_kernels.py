"""A study that asks for native kernels.

It is measured by them where they can be built, by torch where not, and never by both.
"""

import json
import shutil
from contextlib import contextmanager

import pytest
from conftest import small_study, tiny_study
from helpers.program import call, invoke, write

from invariance_probe.errors import StudyError
from invariance_probe.kernels.build import library, why_unavailable
from invariance_probe.plan.registration import deviations, registered_kernels
from invariance_probe.plan.run import RunResult
from invariance_probe.planning import make_plan
from invariance_probe.results.store import Store
from invariance_probe.study.load import StudyFile, open_study
from invariance_probe.study.study import Study

NATIVE = {**tiny_study()["training"], "kernels": "native"}
needs_kernels = pytest.mark.skipif(
    bool(why_unavailable()), reason=f"no native kernels here: {why_unavailable()}"
)


@contextmanager
def without_compiler():
    """No compiler is found; what was built or not is asked anew, here and afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXX", "no-such-compiler")
        library.cache_clear()
        yield
    library.cache_clear()


@pytest.fixture
def no_compiler():
    with without_compiler():
        yield


def small(folder):
    return write(folder, small_study(quick=True, training=NATIVE))


@pytest.fixture(scope="module")
def by_native(tmp_path_factory):
    """Folder of a study that native kernels measured."""
    folder = tmp_path_factory.mktemp("by_native")
    invoke("run", small(folder), cwd=folder, check=0)
    return folder


@pytest.fixture(scope="module")
def by_torch(tmp_path_factory):
    """Folder of the same study where there was no compiler, and what was said of that."""
    folder = tmp_path_factory.mktemp("by_torch")
    with without_compiler():
        said = invoke("run", small(folder), cwd=folder, check=0).stderr
    return folder, said


@pytest.fixture
def by_torch_here(by_torch, tmp_path):
    shutil.copytree(by_torch[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "study.yaml"


def report_in(folder):
    return json.loads((folder / "reports" / "tiny" / "report.json").read_text())


def provenance(folder):
    return report_in(folder)["provenance"]


@needs_kernels
def test_native_kernels_measure_their_own_runs_and_come_to_much_the_same(by_native, tmp_path):
    native = report_in(by_native)
    assert native["provenance"]["kernels"] == "native"
    shutil.copytree(by_native, tmp_path, dirs_exist_ok=True)
    invoke("run", "study.yaml", "--set", "training.kernels=torch", cwd=tmp_path, check=0)
    torchs = report_in(tmp_path)
    assert torchs["provenance"]["trained"] > 0 and torchs["provenance"]["reused"] > 0
    pairs = [
        (a["estimate"], b["estimate"])
        for a, b in zip(
            native["hypotheses"][0]["estimands"], torchs["hypotheses"][0]["estimands"], strict=True
        )
        if a["estimate"] is not None
    ]
    assert (
        len(pairs) > 3
        and max(abs(a - b) for a, b in pairs) < 0.02
        and any(a != b for a, b in pairs)
    )


def test_without_a_compiler_torch_computes_the_whole_study_and_says_so(
    by_torch, by_torch_here, no_compiler, tmp_path
):
    said = by_torch[1]
    assert "no-such-compiler" in said and "torch computes instead" in said
    assert provenance(tmp_path)["kernels"] == "torch"
    said_of_the_store_is_that_nothing_is_missing(by_torch_here, tmp_path)
    plan = invoke("plan", by_torch_here, cwd=tmp_path, check=0)
    assert "0 model-steps are left" in plan.stdout
    invoke("run", by_torch_here, cwd=tmp_path, check=0)
    assert provenance(tmp_path)["trained"] == 0


def said_of_the_store_is_that_nothing_is_missing(study, tmp_path):
    lines = invoke("status", study, cwd=tmp_path, check=0).stdout.splitlines()
    assert len(lines) == 3 and all(line.endswith(" 0 missing") for line in lines)
    assert ", 0 missing of " in invoke("report", study, cwd=tmp_path, check=0).stdout
    assert provenance(tmp_path)["kernels"] == "torch"


@needs_kernels
def test_what_torch_computed_for_want_of_a_compiler_is_read_where_there_is_one(
    by_torch_here, tmp_path
):
    said_of_the_store_is_that_nothing_is_missing(by_torch_here, tmp_path)


@needs_kernels
def test_native_kernels_compute_on_a_cpu_only(tmp_path):
    file, store = open_study(small(tmp_path), ()), Store(tmp_path / "runs")
    assert kernels_of(make_plan(file, store)) == ("native", "")
    kernels, said = kernels_of(make_plan(file, store, device="cuda"))
    assert kernels == "torch" and "the device is 'cuda': torch computes instead" in said


def kernels_of(plan):
    return plan.study.training.kernels, plan.not_native


def auto(folder, **changes):
    """The plan of a study that leaves the choice of kernels, with a run store beside it."""
    training = {**tiny_study()["training"], **changes.pop("training", {})}
    path = write(folder, small_study(**{"quick": True, "training": training, **changes}))
    return make_plan(open_study(path, ()), Store(folder / "runs"))


@needs_kernels
def test_native_kernels_are_the_default_where_they_are_licensed(tmp_path):
    plan = auto(tmp_path)
    assert kernels_of(plan) == ("native", "")
    assert {run.optimisation.kernels for run in plan.grid if run.optimisation} == {"native"}
    method = {"kind": "byol", "encoder": {"kind": "mlp", "widths": [16, 8]}}
    assert kernels_of(auto(tmp_path, method=method)) == ("torch", "")
    assert kernels_of(auto(tmp_path, training={"precision": "float64"})) == ("torch", "")
    file, store = open_study(tmp_path / "study.yaml", ()), Store(tmp_path / "runs")
    assert kernels_of(make_plan(file, store, device="cuda")) == ("torch", "")


def test_the_default_without_a_compiler_is_torch_and_says_so(no_compiler, tmp_path):
    kernels, said = kernels_of(auto(tmp_path))
    assert kernels == "torch"
    assert "'no-such-compiler'" in said and said.endswith("torch computes instead")
    assert kernels_of(auto(tmp_path, training={"kernels": "torch"})) == ("torch", "")


@needs_kernels
def test_a_study_that_leaves_the_choice_goes_on_with_the_kernels_it_began_with(
    by_native, by_torch, tmp_path
):
    """What the fixtures stored is theirs, whichever way a study asked for it."""
    for folder, kernels in ((by_native, "native"), (by_torch[0], "torch")):
        own = tmp_path / kernels
        shutil.copytree(folder, own)
        assert kernels_of(auto(own)) == (kernels, "")
        other = "native" if kernels == "torch" else "torch"
        assert kernels_of(auto(own, training={"kernels": other})) == (other, "")


@needs_kernels
def test_a_registered_study_goes_on_with_the_kernels_it_was_registered_with(tmp_path):
    plan = auto(tmp_path)
    invoke("register", tmp_path / "study.yaml", cwd=tmp_path, check=0)
    path = tmp_path / "study.registration.json"
    registration = json.loads(path.read_text())
    assert registration["study"]["training"]["kernels"] == "native"
    assert not deviations(registration, plan)
    assert deviations(registration, plan.computed_by("torch")) == (
        ("", 'training.kernels was registered as "native", now "torch"'),
    )
    path.unlink()
    auto(tmp_path, training={"kernels": "torch"})
    invoke("register", tmp_path / "study.yaml", cwd=tmp_path, check=0)
    plan = auto(tmp_path)
    assert kernels_of(plan) == ("torch", "")
    earlier = json.loads(path.read_text())  # when torch was the default, nothing was written
    del earlier["study"]["training"]["kernels"]
    assert registered_kernels(earlier) == "torch"
    assert [said for _, said in deviations(earlier, plan)] == [
        "the registration was changed after it was written: its hash does not fit its content"
    ]


@needs_kernels
def test_models_that_torch_trains_either_way_do_not_say_by_what_a_study_began(tmp_path):
    """MoCo is trained by torch in the panel of native kernels too, with the same keys."""
    study = {
        "recordings": [{**tiny_study()["recordings"][0], "sessions": 6}],
        "training": {"steps": 400, "batch_size": 128, "seeds": 2, "kernels": "torch"},
        "method": {"kind": "simclr"},
    }
    file = open_study(write(tmp_path, tiny_study(**study)), ())
    store = Store(tmp_path / "runs")
    by_torch = make_plan(file, store)
    moco, simclr = (
        next(run for run in by_torch.grid if run.method.kind == kind) for kind in ("moco", "simclr")
    )
    study["training"].pop("kernels")
    left_open = open_study(write(tmp_path, tiny_study(**study)), ())
    store.commit_result(moco, RunResult(moco.key(), "done"))
    assert moco.key() in {run.key() for run in make_plan(left_open).grid}
    assert kernels_of(make_plan(left_open, store)) == ("native", "")
    store.commit_result(simclr, RunResult(simclr.key(), "done"))
    assert kernels_of(make_plan(left_open, store)) == ("torch", "")


@needs_kernels
def test_a_declared_panel_keeps_its_second_method_whatever_the_kernels(tmp_path):
    panel = {
        "recipes": [
            {"name": "long", "training": {"steps": 800}},
            {"name": "queue", "method": {"kind": "moco"}},
        ],
        "because": "a method that keeps a queue of negatives",
    }
    for kernels in ("auto", "native", "torch"):
        study = Study.model_validate(
            tiny_study(
                recordings=[{**tiny_study()["recordings"][0], "sessions": 6}],
                training={"steps": 400, "batch_size": 128, "seeds": 2, "kernels": kernels},
                method={"kind": "simclr"},
                panel=panel,
            )
        )
        used = {one.name: one.setting for one in make_plan(StudyFile(study)).panels["H1"].computed}
        assert used["queue"].optimisation.kernels == "torch"


@needs_kernels
@pytest.mark.parametrize(
    ("path", "value"), [("training.precision", "float64"), ("method", {"kind": "byol"})]
)
def test_one_setting_that_native_kernels_are_not_licensed_for_leaves_the_study_to_torch(
    tmp_path, path, value
):
    plan = auto(tmp_path, sweeps=[{"path": path, "values": [value]}])
    assert kernels_of(plan) == ("torch", "")


def test_a_sweep_cannot_leave_the_choice_of_kernels(tmp_path):
    with pytest.raises(StudyError, match=r"training\.kernels"):
        auto(tmp_path, sweeps=[{"path": "training.kernels", "values": ["auto"]}])


@needs_kernels
def test_a_study_is_registered_with_the_kernels_it_began_with(by_torch, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(by_torch[0], own)
    auto(own)
    invoke("register", own / "study.yaml", cwd=own, check=0)
    registration = json.loads((own / "study.registration.json").read_text())
    assert registered_kernels(registration) == "torch"
    assert "0 missing" in invoke("status", own / "study.yaml", cwd=own, check=0).stdout


@needs_kernels
def test_a_method_that_is_licensed_for_torch_alone_stays_in_the_panel_of_native_kernels():
    study = Study.model_validate(
        tiny_study(
            recordings=[{**tiny_study()["recordings"][0], "sessions": 6}],
            training={"steps": 400, "batch_size": 128, "seeds": 2},
            method={"kind": "simclr"},
        )
    )
    plan = make_plan(StudyFile(study))
    assert plan.study.training.kernels == "native"
    used = {recipe.name: recipe.setting for recipe in plan.panels["H1"].recipes}
    assert used["other"].method.kind == "moco"
    assert used["other"].optimisation.kernels == "torch"
    assert {used[name].optimisation.kernels for name in ("longer", "wider")} == {"native"}


@needs_kernels
def test_a_study_begun_by_native_kernels_is_not_gone_on_with_by_torch(
    by_native, tmp_path, monkeypatch
):
    shutil.copytree(by_native, tmp_path, dirs_exist_ok=True)
    study = tmp_path / "study.yaml"
    specs = (tmp_path / "runs" / "results").glob("*/*/spec.json")
    shutil.rmtree(
        next(
            path.parent
            for path in specs
            if '"native"' in path.read_text() and '"simclr"' in path.read_text()
        )
    )
    shutil.rmtree(tmp_path / "runs" / "encoders")
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = call("run", study, "--workers", 1, cwd=tmp_path, check=1)
    assert (
        "kernels cannot be compiled" in done.stderr
        and "1 missing" in done.stdout
        and "0 failed" in done.stdout
    )
    monkeypatch.undo()
    assert "0 missing" in invoke("run", study, cwd=tmp_path, check=0).stdout
