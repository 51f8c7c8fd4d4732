import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import tiny_study

from invariance_probe.errors import StoreError
from invariance_probe.plan.figures.decoded import (
    DecodedFigures,
    RepresentationFigures,
    TrainingFigures,
)
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult
from invariance_probe.results.store import Store
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study


def runs():
    study = Study.model_validate(tiny_study())
    return Plan(study, (Session("s", "a", "", "f", study.recordings[0]),)).grid


def result(run, **more):
    return RunResult(
        run.key(),
        "done",
        (0, 1),
        (0.5, 0.25),
        figures=DecodedFigures(representation=RepresentationFigures(rank_me=3.0)),
        **more,
    )


def test_what_is_committed_is_read_back(tmp_path):
    store, run = Store(tmp_path), runs()[0]
    assert store.result(run) is None and not store.has(run.key())
    store.commit_result(run, result(run))
    assert store.result(run) == result(run) and store.results([run, runs()[1]]) == {
        run.key(): result(run)
    }
    store.commit_encoder(run, {"w": np.arange(3.0)}, TrainingFigures(ssl_loss=1.0))
    assert store.encoder(run)["w"].tolist() == [0, 1, 2]


def test_the_first_commit_stays(tmp_path):
    store, run = Store(tmp_path), runs()[0]
    store.commit_result(run, result(run))
    store.commit_result(run, result(run, message="later"))
    assert store.result(run).message == ""


def test_a_changed_file_is_refused_by_name(tmp_path):
    store, run = Store(tmp_path), runs()[0]
    store.commit_result(run, result(run))
    file = next(tmp_path.rglob("result.json"))
    file.write_text(file.read_text().replace("0.25", "0.15"))
    with pytest.raises(StoreError, match=r"result\.json was changed.*moves it aside"):
        store.result(run)


def test_another_specification_is_refused_with_the_fields_that_differ(tmp_path):
    from invariance_probe.results.store import MANIFEST, _json, _manifest

    store, run = Store(tmp_path), runs()[0]
    store.commit_result(run, result(run))
    folder = next(tmp_path.rglob("spec.json")).parent
    spec = json.loads((folder / "spec.json").read_text())
    spec["seed"] = 99
    files = {
        "spec.json": json.dumps(spec).encode(),
        "result.json": (folder / "result.json").read_bytes(),
    }
    (folder / "spec.json").write_bytes(files["spec.json"])
    (folder / MANIFEST).write_bytes(_json(_manifest(files)))
    with pytest.raises(StoreError, match="they differ in seed"):
        store.result(run)


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_store import result, runs
from invariance_probe.results.store import Store
store = Store(Path({root!r}))
for i in range(10**6):
    run = runs()[0].model_copy(update={{"seed": i}})
    store.commit_result(run, result(run))
    print(i, flush=True)
"""


def test_a_killed_writer_leaves_nothing_half_written(tmp_path):
    here = os.path.dirname(__file__)  # noqa: PTH120
    env = {**os.environ, "PYTHONPATH": os.path.dirname(here)}  # noqa: PTH120
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER.format(tests=here, root=str(tmp_path))],
            stdout=subprocess.PIPE,
            env=env,
            text=True,
        )
        writer.stdout.readline()
        time.sleep(0.05)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    store = Store(tmp_path)
    committed = list((tmp_path / "results").glob("*/*"))
    assert committed
    base = runs()[0]
    keys = {base.model_copy(update={"seed": i}).key(): i for i in range(5000)}
    for folder in committed:
        run = base.model_copy(update={"seed": keys[folder.name]})
        assert store.result(run) == result(run)
