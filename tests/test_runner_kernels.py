"""A study that asks for native kernels.

It is measured by them where they can be built, by torch where not, and never by both.
"""

import json
import shutil

import pytest
from conftest import tiny_study
from test_cli import call, write

from invariance_probe.kernels.build import why_unavailable
from invariance_probe.planning import with_kernels
from invariance_probe.results.store import Store
from invariance_probe.study.load import open_study

NATIVE = {**tiny_study()["training"], "kernels": "native"}
needs_kernels = pytest.mark.skipif(
    bool(why_unavailable()), reason=f"no native kernels here: {why_unavailable()}"
)


def small(tmp_path, **training):
    recordings = [{**tiny_study()["recordings"][0], "sessions": 2}]
    return write(
        tmp_path, tiny_study(recordings=recordings, quick=True, training={**NATIVE, **training})
    )


def provenance(tmp_path):
    return json.loads((tmp_path / "reports" / "tiny" / "report.json").read_text())["provenance"]


@needs_kernels
def test_native_kernels_measure_their_own_runs_and_come_to_much_the_same(tmp_path):
    study = small(tmp_path)
    call("run", study, cwd=tmp_path, check=0)
    native = json.loads((tmp_path / "reports" / "tiny" / "report.json").read_text())
    assert native["provenance"]["kernels"] == "native"
    call("run", study, "--set", "training.kernels=torch", cwd=tmp_path, check=0)
    torchs = json.loads((tmp_path / "reports" / "tiny" / "report.json").read_text())
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


def test_without_a_compiler_torch_computes_the_whole_study_and_says_so(tmp_path, monkeypatch):
    study = small(tmp_path)
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = call("run", study, cwd=tmp_path, check=0)
    assert "no-such-compiler" in done.stderr and "torch computes instead" in done.stderr
    assert provenance(tmp_path)["kernels"] == "torch"
    said_of_the_store_is_that_nothing_is_missing(study, tmp_path)
    assert "0 model-steps are left" in call("plan", study, cwd=tmp_path, check=0).stdout
    call("run", study, cwd=tmp_path, check=0)
    assert provenance(tmp_path)["trained"] == 0


def said_of_the_store_is_that_nothing_is_missing(study, tmp_path):
    lines = call("status", study, cwd=tmp_path, check=0).stdout.splitlines()
    assert len(lines) == 3 and all(line.endswith(" 0 missing") for line in lines)
    assert ", 0 missing of " in call("report", study, cwd=tmp_path, check=0).stdout
    assert provenance(tmp_path)["kernels"] == "torch"


@needs_kernels
def test_what_torch_computed_for_want_of_a_compiler_is_read_where_there_is_one(
    tmp_path, monkeypatch
):
    study = small(tmp_path)
    monkeypatch.setenv("CXX", "no-such-compiler")
    call("run", study, cwd=tmp_path, check=0)
    monkeypatch.undo()
    said_of_the_store_is_that_nothing_is_missing(study, tmp_path)


@needs_kernels
def test_native_kernels_compute_on_a_cpu_only(tmp_path):
    file, store = open_study(small(tmp_path), ()), Store(tmp_path / "runs")
    assert with_kernels(file, store) == (file, "")
    changed, note = with_kernels(file, store, "cuda")
    assert (
        changed.study.training.kernels == "torch"
        and "the device is 'cuda': torch computes instead" in note
    )


@needs_kernels
def test_a_study_begun_by_native_kernels_is_not_gone_on_with_by_torch(tmp_path, monkeypatch):
    study = small(tmp_path)
    call("run", study, cwd=tmp_path, check=0)
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
    done = call("run", study, cwd=tmp_path, check=1)
    assert (
        "kernels cannot be built here" in done.stderr
        and "1 missing" in done.stdout
        and "0 failed" in done.stdout
    )
    monkeypatch.undo()
    assert "0 missing" in call("run", study, cwd=tmp_path, check=0).stdout
