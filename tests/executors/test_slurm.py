"""Faults of a real Slurm on loopback lose no run and measure none twice.

The faults are a dead node, a requeued job, a time limit, a doubled worker and a poison
run.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import loopback_slurm
import pytest
from conftest import tiny_study
from helpers.program import PROGRAM, invoke, without_times, write
from helpers.workers import WORKER

from invariance_probe.data.sessions import find_sessions
from invariance_probe.errors import ExecutionError, StudyError, WriteError
from invariance_probe.executors.jobs import GO_ON_LATER, Jobs, WorkerSettings
from invariance_probe.executors.slurm import PREFIX, SETTLED, Slurm
from invariance_probe.executors.stacks import STACK, make_stacks
from invariance_probe.plan.plan import Plan
from invariance_probe.results.store import Store
from invariance_probe.runner import read_results
from invariance_probe.study.cluster import SlurmProfile
from invariance_probe.study.load import load_profile, open_study
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

needs_slurm = pytest.mark.skipif(bool(loopback_slurm.why_not()), reason=loopback_slurm.why_not())
QUICK = {"tasks": 4, "poll_s": 0.5}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with (
        loopback_slurm.loopback_slurm(tmp_path_factory.mktemp("slurm") / "cluster") as slurm,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
        yield slurm


@pytest.fixture
def plan():
    study = Study.model_validate(tiny_study())
    return Plan(study, tuple(Session(n, "a", "", n, study.recordings[0]) for n in ("s", "t")))


def serve(plan, tmp_path, poison="none", **profile):
    """Run the plan with the small worker of the local executor's tests.

    The worker may kill itself.
    """
    (tmp_path / "worker.py").write_text(WORKER)
    python = tmp_path / "python"
    once = tmp_path / "once"
    python.write_text(
        "#!/bin/bash\necho 'about to begin' >&2\n"
        f'exec {sys.executable} {tmp_path}/worker.py {poison} {once} < "$4"\n'
    )
    python.chmod(0o755)
    events = []
    slurm = Slurm(SlurmProfile(**QUICK, python=str(python), **profile))
    lost = slurm(
        plan.grid, plan.sessions, WorkerSettings(Path(), tmp_path / "runs"), on_event=events.append
    )
    return lost, events, Store(tmp_path / "runs").results(plan.grid)


@needs_slurm
def test_every_run_is_measured_once_and_the_jobs_leave_nothing_behind(plan, cluster, tmp_path):
    lost, events, results = serve(
        plan, tmp_path, at_once=1, memory="100M", options=["--comment=a test"], setup=["set -u"]
    )
    assert not lost and len(results) == len(plan.grid)
    assert sum(e["event"] == "committed" for e in events) == len(plan.grid)
    assert all((folder / SETTLED).exists() for folder in (tmp_path / "runs" / "jobs").iterdir())


@needs_slurm
def test_a_task_that_dies_once_loses_nothing(plan, cluster, tmp_path):
    lost, _, results = serve(plan, tmp_path, "once")
    assert not lost and len(results) == len(plan.grid)


@needs_slurm
def test_a_run_that_kills_its_task_every_time_is_lost_with_its_log_and_the_others_go_on(
    plan, cluster, tmp_path
):
    bad = plan.grid[10].key()
    lost, _, results = serve(plan, tmp_path, bad)
    assert bad in lost and "about to begin" in lost[bad] and "Killed" in lost[bad]
    assert bad not in results and set(results) | set(lost) == {run.key() for run in plan.grid}
    assert len(lost) <= STACK // 4 + 1


@needs_slurm
def test_a_store_that_takes_nothing_ends_the_call_and_is_not_tried_again(plan, cluster, tmp_path):
    python = tmp_path / "python"
    said = json.dumps(
        {"event": "error", "message": "the store cannot be written: no space left", "fatal": True}
    )
    python.write_text(f"#!/bin/bash\necho '{said}'\n")
    python.chmod(0o755)
    events = []
    with pytest.raises(WriteError, match="no space left"):
        Slurm(SlurmProfile(**QUICK, python=str(python)))(
            plan.grid,
            plan.sessions,
            WorkerSettings(Path(), tmp_path / "runs"),
            on_event=events.append,
        )
    assert (
        len(list((tmp_path / "runs" / "jobs").iterdir())) == 1
        and "scancel --name=" in events[-1]["message"]
    )


@needs_slurm
def test_what_slurm_refuses_is_an_error_with_its_remedy(plan, cluster, tmp_path):
    with pytest.raises(ExecutionError, match=r"(?s)sbatch refused the job: .*nowhere.*--profile"):
        serve(plan, tmp_path, partition="nowhere")


def tasks_of(cluster):
    """Return (job id, array name, index, node) of the tasks that run."""
    lines = cluster.call(
        "squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i|%j|%K|%N"
    ).split()
    return [tuple(line.split("|")) for line in lines]


def training(root, name, index):
    """Say whether a task trains by now."""
    said = root / "jobs" / name / f"{index}.out"
    return said.exists() and '"progress"' in said.read_text()


def wait_until(true, seconds, what):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@needs_slurm
def test_with_everything_going_wrong_the_report_is_the_local_one(cluster, tmp_path):
    """Every fault in one study.

    The parent is killed; one task is requeued, and one is told that its time is up; a
    second worker takes the same stack; a node dies.
    """
    world = {**tiny_study()["recordings"][0], "sessions": 3}
    slow = {"steps": 1200, "batch_size": 64, "seeds": 1}
    study = write(tmp_path, tiny_study(quick=True, recordings=[world], training=slow))
    write(tmp_path, {**QUICK, "tasks": 3}, "profile.yaml")
    invoke("run", study, "--runs", "b", "--out", "rb", cwd=tmp_path, check=0)
    shutil.copytree(tmp_path / "b", tmp_path / "a")
    for run in read_results(open_study(study), tmp_path / "b")[0].grid:
        for family, key in (("results", run.key()), ("encoders", run.train_key())):
            shutil.rmtree(tmp_path / "a" / family / key[:2] / key, ignore_errors=True)
    command = [
        "run",
        str(study),
        "--on",
        "slurm",
        "--profile",
        "profile.yaml",
        "--runs",
        "a",
        "--out",
        "ra",
    ]
    store = tmp_path / "a"
    parent = subprocess.Popen(
        [*PROGRAM, *command],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    wait_until(
        lambda: sum(training(store, *task[1:3]) for task in tasks_of(cluster)) == 3,
        120,
        "the grid's tasks do not train",
    )
    parent.kill()
    parent.communicate()
    before = {folder.name for folder in (store / "jobs").glob(f"{PREFIX}*")}
    tasks = tasks_of(cluster)
    (requeued, name, index, _), (late, *_) = [task for task in tasks if task[3] == "n0"]
    cluster.call("scontrol", "requeue", requeued)
    cluster.call("scancel", "--batch", "--signal=USR1", late)
    double = subprocess.Popen(
        [sys.executable, "-m", "invariance_probe.worker", store / "jobs" / name / f"{index}.jsonl"]
    )
    cluster.kill_node("n1")
    assert len(tasks) == 3
    again = invoke(*command, cwd=tmp_path, check=0)
    assert double.wait(timeout=120) == 0
    cluster.start_node("n1")

    assert "0 missing" in again.stdout and "lost" not in again.stderr
    assert {
        folder.name for folder in (store / "jobs").glob(f"{PREFIX}*")
    } <= before  # found again, not submitted again
    assert without_times(tmp_path / "ra") == without_times(tmp_path / "rb")
    for family in ("results", "encoders"):
        of_both = [sorted(p.name for p in (tmp_path / name / family).glob("*/*")) for name in "ab"]
        assert of_both[0] == of_both[1]
    for file in (tmp_path / "b" / "encoders").glob("*/*/weights.npz"):
        assert file.read_bytes() == (store / file.relative_to(tmp_path / "b")).read_bytes()
    assert not list((store / "checkpoints").iterdir())


def test_a_task_that_is_asked_to_end_keeps_what_it_trains_and_says_so(tmp_path):
    """SIGTERM and SIGUSR1 to the worker itself: no Slurm is needed for that."""
    study = Study.model_validate(tiny_study(training={"steps": 5000, "batch_size": 64, "seeds": 1}))
    made = Plan(study, find_sessions(study, Path()))
    stack = make_stacks(
        [
            run
            for run in made.grid
            if run.method.kind == "simclr" and run.session == made.sessions[0].name
        ]
    )[0]
    (tmp_path / "0.jsonl").write_text(
        json.dumps(Jobs(made.sessions, WorkerSettings(Path(), tmp_path / "runs")).of(stack))
    )
    steps = []
    for number in (signal.SIGTERM, signal.SIGUSR1):
        worker = subprocess.Popen(
            [sys.executable, "-m", "invariance_probe.worker", tmp_path / "0.jsonl"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "progress" in worker.stdout.readline()
        os.kill(worker.pid, number)
        said = worker.communicate(timeout=60)[0]
        assert worker.returncode == GO_ON_LATER and '"stopped"' in said.splitlines()[-1]
        steps.append(int(said.rsplit("step ", 1)[1].split('"')[0]))
    assert 0 < steps[0] < steps[1] < 5000
    assert len(list((tmp_path / "runs" / "checkpoints").iterdir())) == len(stack.runs)


def test_a_wrong_profile_is_told_with_its_line(tmp_path):
    path = tmp_path / "profile.yaml"
    path.write_text("partition: cpu\npartitoin: gpu\noptions: [gres=gpu:1]\n")
    with pytest.raises(StudyError) as error:
        load_profile(path)
    first, second = str(error.value).splitlines()
    assert first.startswith(f"{path}:3:") and "got 'gres=gpu:1'" in first
    assert second.startswith(f"{path}:2:") and "Did you mean 'partition'?" in second


@pytest.mark.parametrize(
    "wrong", [["--profile", "p"], ["--on", "dask"], ["--on", "slurm", "--address", "local"]]
)
def test_options_that_do_not_go_together_are_refused(wrong, tmp_path):
    study = write(tmp_path, tiny_study())
    assert "--on" in invoke("run", study, *wrong, cwd=tmp_path, check=2).stderr


def test_slurm_where_there_is_none_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    study = Study.model_validate(tiny_study())
    made = Plan(study, (Session("s", "a", "", "s", study.recordings[0]),))
    with pytest.raises(ExecutionError, match="needs the command sbatch"):
        Slurm(SlurmProfile())(
            made.grid, made.sessions, WorkerSettings(Path(), tmp_path), on_event=print
        )


@pytest.mark.slow
@needs_slurm
def test_the_quickstart_gives_the_same_report_through_slurm(cluster, tmp_path):
    study = Path(__file__).parents[2] / "studies" / "quickstart.yaml"
    write(tmp_path, {"poll_s": 1}, "profile.yaml")
    command = [
        "run",
        study,
        "--on",
        "slurm",
        "--profile",
        "profile.yaml",
        "--runs",
        "a",
        "--out",
        "ra",
    ]
    assert subprocess.run([*PROGRAM, *map(str, command)], cwd=tmp_path, check=False).returncode == 0
    assert (
        subprocess.run(
            [*PROGRAM, "run", str(study), "--runs", "b", "--out", "rb"], cwd=tmp_path, check=False
        ).returncode
        == 0
    )
    assert without_times(tmp_path / "ra") == without_times(tmp_path / "rb")
