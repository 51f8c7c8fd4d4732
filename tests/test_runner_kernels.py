"""A study that asks for native kernels: measured by them where they can be built, by torch where not, and never by both."""

import json
import shutil

import pytest
from conftest import tiny_study
from test_cli import call, write

from invariance_probe.kernels.build import why_unavailable

NATIVE = {**tiny_study()["training"], "kernels": "native"}
needs_kernels = pytest.mark.skipif(bool(why_unavailable()), reason=f"no native kernels here: {why_unavailable()}")


def small(tmp_path, **training):
    recordings = [{**tiny_study()["recordings"][0], "sessions": 2}]
    return write(tmp_path, tiny_study(recordings=recordings, quick=True, training={**NATIVE, **training}))


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
        for a, b in zip(native["hypotheses"][0]["estimands"], torchs["hypotheses"][0]["estimands"], strict=True)
        if a["estimate"] is not None
    ]
    assert len(pairs) > 3 and max(abs(a - b) for a, b in pairs) < 0.02 and any(a != b for a, b in pairs)


def test_without_a_compiler_torch_computes_the_whole_study_and_says_so(tmp_path, monkeypatch):
    study = small(tmp_path)
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = call("run", study, cwd=tmp_path, check=0)
    assert "no-such-compiler" in done.stderr and "torch computes instead" in done.stderr
    assert provenance(tmp_path)["kernels"] == "torch"
    again = call("status", study, cwd=tmp_path, check=0)
    assert "0 missing" in again.stdout
    call("report", study, cwd=tmp_path, check=0)


@needs_kernels
def test_a_study_begun_by_native_kernels_is_not_gone_on_with_by_torch(tmp_path, monkeypatch):
    study = small(tmp_path)
    call("run", study, cwd=tmp_path, check=0)
    specs = (tmp_path / "runs" / "results").glob("*/*/spec.json")
    shutil.rmtree(next(path.parent for path in specs if '"native"' in path.read_text() and '"simclr"' in path.read_text()))
    shutil.rmtree(tmp_path / "runs" / "encoders")
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = call("run", study, cwd=tmp_path, check=1)
    assert "kernels cannot be built here" in done.stderr and "1 missing" in done.stdout and "0 failed" in done.stdout
    monkeypatch.undo()
    assert "0 missing" in call("run", study, cwd=tmp_path, check=0).stdout
