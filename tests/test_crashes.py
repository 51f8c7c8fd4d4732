"""What was committed stays, whatever process dies and whenever.

A study that goes on ends as if nothing had happened.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import tiny_study
from helpers.program import PROGRAM, call, children, invoke, without_times, write

from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import train_key_of
from invariance_probe.results.faults import FAULT, POINTS
from invariance_probe.results.index import SUFFIX
from invariance_probe.results.store import Store
from invariance_probe.results.upkeep import delete, find_rubbish, verify
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

WRITES = [point for point in POINTS if point.startswith("store.") and point != "store.aside"]
TIMES = {"store.write": 7, "store.flush": 7}
"""How often one process passes a point, where it is not three times.

Counted while it commits an encoder and two results.
"""

COMMIT = """
import json
from pathlib import Path
import numpy as np
from invariance_probe.results import store as store_module
from invariance_probe.plan.figures.decoded import TrainingFigures
from invariance_probe.plan.roles import read_run
from invariance_probe.plan.run import RunResult
store_module.INDEXED = store_module.WORTH_A_PACK = 1
chosen = [read_run(run) for run in json.loads({runs!r})]
store = store_module.Store(Path({root!r}))
store.commit_encoder(chosen[0], {{"w": np.arange(4.0)}}, TrainingFigures())
for run in chosen[:2]:
    store.commit_result(run, RunResult(run.key(), "done", (0, 1), (0.5, 0.25)))
"""
READ = "print(len(store.results(chosen)))\n"


def python(code, fault="", cwd=None):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), FAULT: fault}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        check=False,
        timeout=120,
    )


def committing(root):
    study = Study.model_validate(tiny_study())
    trained = [
        run
        for run in Plan(study, (Session("s", "a", "", "f", study.recordings[0]),)).grid
        if run.optimisation is not None
    ]
    return COMMIT.format(
        runs=json.dumps([run.model_dump(mode="json") for run in trained[:3]]), root=str(root)
    )


@pytest.mark.parametrize(
    "point, nth", [(point, n) for point in WRITES for n in {1, 2, TIMES.get(point, 3)}]
)
def test_killed_at_any_write_the_store_is_whole_and_goes_on(tmp_path, point, nth):
    done = python(committing(tmp_path), f"{point}:{nth}:kill")
    assert done.returncode == -signal.SIGKILL, done.stderr
    store = Store(tmp_path)
    before, damage = verify(store)
    assert damage == [] and before < 3 + (point == "store.renamed")
    left = find_rubbish(store).leftovers
    assert len(left) == (point in ("store.write", "store.flush", "store.rename"))
    assert python(committing(tmp_path) + READ).stdout == "2\n"
    delete(store, find_rubbish(store))
    assert verify(store) == (3, []) and not list((tmp_path / "private").iterdir())


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("index.")])
def test_killed_while_it_indexes_a_reader_changes_no_answer(tmp_path, point):
    shrink = (
        "from invariance_probe.results import index\nindex.MANY = 1\nstore.results(chosen[:1])\n"
    )
    done = python(
        committing(tmp_path) + shrink + READ, f"{point}:{1 if point == 'index.remove' else 2}:kill"
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert python(committing(tmp_path) + READ).stdout == "2\n"
    assert len(list((tmp_path / "index").glob(f"*{SUFFIX}"))) >= 1
    delete(Store(tmp_path), find_rubbish(Store(tmp_path)))
    assert not list((tmp_path / "private").iterdir())


def test_killed_while_it_moves_something_aside_nothing_is_gone(tmp_path):
    python(committing(tmp_path))
    (file,) = Path(tmp_path).glob("encoders/*/*/weights.npz")
    file.write_bytes(file.read_bytes()[:-1])
    done = python(
        committing(tmp_path) + "store.set_aside('encoders', chosen[0].train_key())\n",
        "store.aside:1:kill",
    )
    assert done.returncode == -signal.SIGKILL and file.exists()
    assert (
        python(
            committing(tmp_path) + "store.set_aside('encoders', chosen[0].train_key())\n"
        ).returncode
        == 0
    )
    assert not file.exists() and len(list(tmp_path.glob("damaged/*/weights.npz"))) == 1


@pytest.mark.parametrize("point", WRITES[:-1])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing_behind(tmp_path, point):
    done = python(committing(tmp_path), f"{point}:2:ENOSPC")
    assert (
        f"WriteError: the store {tmp_path} cannot be written to (No space left on device"
        in done.stderr
    )
    assert "Nothing that was committed is lost" in done.stderr
    assert verify(Store(tmp_path))[1] == [] and not list((tmp_path / "private").iterdir())
    assert python(committing(tmp_path) + READ).stdout == "2\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study of a few seconds that was run without a fault.

    The fixture gives its file, its report and how long it took.
    """
    folder = tmp_path_factory.mktemp("whole")
    world = {**tiny_study()["recordings"][0], "sessions": 1}
    path = write(
        folder,
        tiny_study(
            recordings=[world], training={"steps": 60, "batch_size": 64, "seeds": 1}, quick=True
        ),
    )
    started = time.monotonic()
    call("run", path, "--runs", "whole", "--out", "report", "--workers", 1, cwd=folder, check=0)
    return path, without_times(folder / "report"), time.monotonic() - started


def same_as_uninterrupted(whole, folder, runs, out):
    path, report, _ = whole
    invoke("run", path, "--runs", runs, "--out", out, cwd=folder, check=0)
    assert without_times(folder / out) == report
    assert "0 damaged" in invoke("store", "verify", "--runs", runs, cwd=folder, check=0).stdout


def test_a_study_on_a_full_disk_stops_at_once_and_goes_on_when_there_is_room(whole, tmp_path):
    env = {**os.environ, FAULT: "store.write:50:ENOSPC"}
    done = subprocess.run(
        [*PROGRAM, "run", str(whole[0]), "--runs", "a", "--out", "r", "--workers", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    said = done.stderr.splitlines()
    assert done.returncode == 1 and "Traceback" not in done.stderr and not (tmp_path / "r").exists()
    assert (
        sum(
            "the store" in line
            and "No space left on device" in line
            and "continues where it stopped" in line
            for line in said
        )
        == 1
    )
    assert len(Store(tmp_path / "a").keys("results")) > 5
    same_as_uninterrupted(whole, tmp_path, "a", "r")


def mounted(folder, kilobytes):
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no mount command"
    return (
        "" if done.returncode == 0 else f"may not mount a small file system: {done.stderr.strip()}"
    )


def test_a_truly_full_disk_loses_nothing(whole, tmp_path):
    small = tmp_path / "small"
    if why := mounted(small, 600):
        pytest.skip(why)
    try:
        done = call("run", whole[0], "--runs", small / "runs", "--out", "r", cwd=tmp_path)
        assert (
            done.returncode == 1
            and "Traceback" not in done.stderr
            and "No space left on device" in done.stderr
        )
        stored = Store(small / "runs")
        assert len(stored.keys("results")) > 5 and verify(stored)[1] == []
        invoke(
            "status", whole[0], "--runs", small / "runs", cwd=tmp_path, check=0
        )  # a full disk can be read
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        same_as_uninterrupted(whole, tmp_path, small / "runs", "r")
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_damaged_files_are_named_moved_aside_and_made_again(examined, tmp_path):
    path = shutil.copy(examined / "study.yaml", tmp_path)
    shutil.copytree(examined / "runs", tmp_path / "a")
    report, store = without_times(examined / "report"), Store(tmp_path / "a")
    specs = {
        key: json.loads((store.folder("results", key) / "spec.json").read_text())
        for key in store.keys("results")
    }
    own = [
        key
        for key, spec in specs.items()
        if spec["method"]["kind"] == "simclr" and "examination" not in spec
    ]
    torn, changed = (store.folder("results", key) / "result.json" for key in own[:2])
    torn.write_bytes(torn.read_bytes()[:-9])
    changed.write_bytes(changed.read_bytes().replace(b'"done"', b'"dome"'))
    for (
        key,
        spec,
    ) in specs.items():  # what looks at encoders is to be measured again, and one encoder is bad
        if "examination" in spec:
            shutil.rmtree(store.folder("results", key))
    looked_at = next(train_key_of(spec) for spec in specs.values() if "examination" in spec)
    encoder = store.folder("encoders", looked_at) / "weights.npz"
    encoder.write_bytes(encoder.read_bytes()[:-1] + b"x")
    bad = [torn.parent, changed.parent, encoder.parent]

    assert (
        "2 of them damaged"
        in (said := invoke("status", path, "--runs", "a", cwd=tmp_path, check=0)).stdout
    )
    assert all(folder.name in said.stderr for folder in bad[:2])
    said = invoke("report", path, "--runs", "a", "--out", "half", cwd=tmp_path, check=0)
    assert (
        all(folder.name in said.stderr for folder in bad[:2])
        and without_times(tmp_path / "half")["runs"]["missing"] > 2
    )
    said = invoke("store", "verify", "--runs", "a", cwd=tmp_path, check=1)
    assert "3 damaged" in said.stdout and all(folder.name in said.stdout for folder in bad)

    said = invoke("run", path, "--runs", "a", "--out", "r", cwd=tmp_path, check=0)
    lines = [line for line in said.stderr.splitlines() if line.startswith("damaged: ")]
    assert len(lines) == 3 and all(
        any(folder.name in line and "a/damaged/" in line for line in lines) for folder in bad
    )
    assert without_times(tmp_path / "r") == report
    assert {path.name.split("-")[1] for path in (store.root / "damaged").iterdir()} >= {
        folder.name for folder in bad
    }
    assert verify(store)[1] == []


def test_two_parents_on_one_store_end_alike_and_count_nothing_twice(whole, tmp_path):
    path, report, _ = whole
    parents = [
        subprocess.Popen(
            [*PROGRAM, "run", str(path), "--runs", "a", "--out", f"r{i}", "--workers", "1"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        )
        for i in range(2)
    ]
    for parent in parents:
        _, said = parent.communicate(timeout=300)
        assert parent.returncode == 0, said
    assert without_times(tmp_path / "r0") == without_times(tmp_path / "r1") == report
    store = Store(tmp_path / "a")
    assert len(store.keys("results")) == report["runs"]["planned"] - report["runs"]["left_out"]
    assert verify(store)[1] == [] and not list((store.root / "private").iterdir())


def strike(running, victim, generator):
    """SIGKILL the parent, one of its workers, or all of them at once.

    Return whether there was any process to kill.
    """
    workers = children(running.pid)
    if running.poll() is not None or (victim == "worker" and not workers):
        return False
    if victim == "tree":
        for pid in (running.pid, *workers):  # workers are in sessions of their own
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    else:
        os.kill(generator.choice(workers) if victim == "worker" else running.pid, signal.SIGKILL)
    return True


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds worker processes in /proc")
@pytest.mark.parametrize("seed, kills", [(0, 6), pytest.param(4, 200, marks=pytest.mark.slow)])
def test_killed_at_random_the_report_is_that_of_the_uninterrupted_study(
    whole, tmp_path, seed, kills
):
    """Parents, workers and both are killed equally often, in turn, at random times."""
    path, report, seconds = whole
    generator, struck, stores = random.Random(seed), 0, 0
    while struck < kills:
        stores += 1
        runs, out, ended = tmp_path / f"runs{stores}", tmp_path / f"report{stores}", False
        while not ended:
            command = ["run", path, "--runs", runs, "--out", out]
            if struck == kills:
                invoke(*command, cwd=tmp_path, check=0)
                break
            running = subprocess.Popen(
                [*PROGRAM, *map(str, command), "--workers", generator.choice("112")],
                cwd=tmp_path,
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                running.wait(generator.uniform(0.1, 1.1) * seconds)
            except subprocess.TimeoutExpired:
                struck += strike(running, ("parent", "worker", "tree")[struck % 3], generator)
            ended = running.wait() == 0
        assert without_times(out) == report, f"seed {seed}, store {stores}, after {struck} kills"
        assert verify(Store(runs))[1] == []
        shutil.rmtree(runs)
    assert struck == kills
