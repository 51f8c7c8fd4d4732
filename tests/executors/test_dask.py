"""Dask with a real cluster of processes on this machine.

Dask workers and their worker processes are killed.
"""

import os
import signal
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import tiny_study
from helpers.program import Here, call, without_times, write
from helpers.workers import WORKER

from invariance_probe.cli import main
from invariance_probe.data.sessions import find_sessions
from invariance_probe.errors import ExecutionError
from invariance_probe.executors.jobs import WorkerSettings
from invariance_probe.executors.stacks import STACK
from invariance_probe.plan.plan import Plan
from invariance_probe.results.store import Store
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

distributed = pytest.importorskip("distributed", reason="dask[distributed] is not installed")
from invariance_probe.executors.dask import Dask  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=None
    ) as cluster:
        yield cluster


@pytest.fixture
def plan():
    study = Study.model_validate(tiny_study())
    return Plan(study, tuple(Session(n, "a", "", n, study.recordings[0]) for n in ("s", "t")))


def serve(plan, cluster, tmp_path, poison="none"):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    command = (sys.executable, str(script), poison, str(tmp_path / "once"))
    events = []
    dask = Dask(cluster.scheduler_address, command=command)
    lost = dask(
        plan.grid, plan.sessions, WorkerSettings(Path(), tmp_path / "runs"), on_event=events.append
    )
    return lost, events, Store(tmp_path / "runs").results(plan.grid)


def test_every_run_is_measured_once(plan, cluster, tmp_path):
    lost, events, results = serve(plan, cluster, tmp_path)
    assert not lost and len(results) == len(plan.grid)
    assert sum(e["event"] == "committed" for e in events) == len(plan.grid)


def test_a_worker_process_that_dies_once_loses_nothing(plan, cluster, tmp_path):
    lost, _, results = serve(plan, cluster, tmp_path, "once")
    assert not lost and len(results) == len(plan.grid)


def test_a_run_that_kills_its_worker_every_time_is_lost_and_the_others_go_on(
    plan, cluster, tmp_path
):
    bad = plan.grid[10].key()
    lost, events, results = serve(plan, cluster, tmp_path, bad)
    assert bad in lost and "died" in lost[bad] and any(e["event"] == "lost" for e in events)
    assert bad not in results and set(results) | set(lost) == {run.key() for run in plan.grid}
    assert len(lost) <= STACK // 4 + 1


def test_a_dask_worker_that_is_killed_loses_nothing_and_changes_nothing(cluster, tmp_path):
    """A real study's first stage, with both dask workers killed while they train."""
    data = tiny_study(quick=True, recordings=[{**tiny_study()["recordings"][0], "sessions": 1}])
    study = Study.model_validate(data)
    plan = Plan(study, find_sessions(study, Path()))
    runs = [run for run in plan.grid if run.method.kind in ("simclr", "linear_ssl")]
    killed, client = [], distributed.Client(cluster)

    def kill_once(event):
        if event["event"] == "committed" and not killed:
            killed.extend(pids)
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    pids = list(client.run(os.getpid).values())
    lost = Dask(cluster.scheduler_address)(
        runs, plan.sessions, WorkerSettings(Path(), tmp_path / "a"), on_event=kill_once
    )
    assert len(killed) == 2 and not lost
    Here(1)(runs, plan.sessions, WorkerSettings(Path(), tmp_path / "b"))
    found, expected = (Store(tmp_path / name).results(runs) for name in "ab")
    assert found.keys() == expected.keys() == {run.key() for run in runs}
    assert all(found[key].block_losses == expected[key].block_losses for key in expected)
    client.close()


def test_no_scheduler_is_an_error_with_its_remedy(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("invariance_probe.executors.dask.ANSWER_S", 1)
    with pytest.raises(ExecutionError, match="no dask scheduler answers"):
        Dask("tcp://127.0.0.1:9")(
            plan.grid, plan.sessions, WorkerSettings(Path(), tmp_path), on_event=print
        )


def test_without_dask_the_command_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "invariance_probe.executors.dask")
    done = CliRunner().invoke(
        main, ["run", str(write(tmp_path, tiny_study())), "--on", "dask", "--address", "local"]
    )
    assert done.exit_code == 2 and "pip install 'invariance-probe[dask]'" in done.stderr


@pytest.mark.slow
def test_a_study_gives_the_same_report_through_a_local_cluster(tmp_path):
    study = write(
        tmp_path,
        tiny_study(quick=True, recordings=[{**tiny_study()["recordings"][0], "sessions": 2}]),
    )
    call(
        "run",
        study,
        "--on",
        "dask",
        "--address",
        "local",
        "--workers",
        2,
        "--runs",
        "a",
        "--out",
        "ra",
        cwd=tmp_path,
        check=0,
    )
    call("run", study, "--workers", 2, "--runs", "b", "--out", "rb", cwd=tmp_path, check=0)
    assert without_times(tmp_path / "ra") == without_times(tmp_path / "rb")
