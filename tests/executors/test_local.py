"""The executor with a small worker of its own that speaks the protocol, and may kill itself."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_study
from helpers.program import Here, children
from helpers.workers import WORKER

from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.jobs import WorkerSettings
from invariance_probe.executors.local import run_local
from invariance_probe.executors.stacks import STACK, make_stacks
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.results.store import Store
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study


@pytest.fixture
def plan():
    study = Study.model_validate(tiny_study())
    return Plan(study, tuple(Session(n, "a", "", n, study.recordings[0]) for n in ("s", "t")))


def serve(plan, tmp_path, poison="none", told=lambda event: None):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    command = [sys.executable, str(script), poison, str(tmp_path / "once")]
    events = []

    def tell(event):
        events.append(event)
        told(event)

    lost = run_local(
        plan.grid, plan.sessions, WorkerSettings(Path(), tmp_path / "runs"), 2, tell, command
    )
    return lost, events, Store(tmp_path / "runs").results(plan.grid)


def test_every_run_is_measured_once(plan, tmp_path):
    lost, events, results = serve(plan, tmp_path)
    assert not lost and len(results) == len(plan.grid)
    assert sum(e["event"] == "committed" for e in events) == len(plan.grid)


def test_a_worker_that_dies_once_loses_nothing(plan, tmp_path):
    lost, _, results = serve(plan, tmp_path, "once")
    assert not lost and len(results) == len(plan.grid)


def test_a_run_that_kills_its_worker_takes_few_others_with_it(plan, tmp_path):
    bad = plan.grid[10].key()
    lost, _, results = serve(plan, tmp_path, bad)
    assert bad in lost and "died" in lost[bad]
    assert bad not in results and set(results) | set(lost) == {run.key() for run in plan.grid}
    assert len(lost) <= STACK // 4 + 1


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds worker processes in /proc")
def test_a_failure_of_this_process_leaves_no_worker_behind(plan, tmp_path):
    def broken(event):
        raise ZeroDivisionError

    before = set(children(os.getpid()))
    with pytest.raises(ZeroDivisionError):
        serve(plan, tmp_path, told=broken)
    assert set(children(os.getpid())) <= before


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds worker processes in /proc")
def test_a_long_training_whose_worker_is_killed_goes_on_from_its_checkpoint_to_the_same_bits(
    tmp_path,
):
    study = Study.model_validate(
        tiny_study(training={"steps": 700, "batch_size": 64, "seeds": 1}, quick=True)
    )
    plan = Plan(study, find_sessions(study, Path()))
    runs = [
        run
        for run in plan.grid
        if run.method.kind == "simclr" and run.session == plan.sessions[0].name
    ]
    stepped, killed = [], []

    def kill_in_the_middle(event):
        stepped.append(event.get("model_steps", 0))
        if sum(stepped) >= 400 * len(runs) and not killed:
            killed.extend(
                p
                for p in children(os.getpid())
                if b"invariance_probe.worker" in Path(f"/proc/{p}/cmdline").read_bytes()
            )
            os.kill(killed[0], signal.SIGKILL)

    settings = WorkerSettings(Path(), tmp_path / "a", checkpoint_s=0.2)
    assert not run_local(runs, plan.sessions, settings, 1, kill_in_the_middle)
    assert len(killed) == 1 and sum(stepped) < 900 * len(
        runs
    )  # with nothing kept it would have been 1100
    assert not list((tmp_path / "a" / "checkpoints").iterdir())
    Here(1)(runs, plan.sessions, WorkerSettings(Path(), tmp_path / "b"))
    found, expected = (Store(tmp_path / name) for name in "ab")
    assert not (tmp_path / "b" / "checkpoints").exists()  # a short training writes none
    for run in runs:
        assert found.result(run).block_losses == expected.result(run).block_losses
        assert all(
            np.array_equal(value, expected.encoder(run)[name])
            for name, value in found.encoder(run).items()
        )


def test_stacks_hold_one_session_and_one_architecture_longest_first(plan):
    stacks = make_stacks(plan.runs)
    assert sorted(run.key() for stack in stacks for run in stack.runs) == sorted(
        run.key() for run in plan.runs
    )
    for stack in stacks:
        assert (
            len(
                {
                    run.train_key() if isinstance(run, EncoderExamination) else run.key()
                    for run in stack.runs
                }
            )
            <= STACK
        )
        assert (
            len(
                {
                    (run.session, run.method, run.optimisation, run.fraction)
                    for run in stack.runs
                    if run.optimisation
                }
            )
            <= 1
        )
    assert [s.cost for s in stacks] == sorted((s.cost for s in stacks), reverse=True)


def test_examinations_of_one_encoder_stay_together(plan):
    stacks = make_stacks(plan.examined, size=3)
    assert sorted(run.key() for stack in stacks for run in stack.runs) == sorted(
        run.key() for run in plan.examined
    )
    of = [{run.train_key() for run in stack.runs} for stack in stacks]
    assert max(map(len, of)) == 3 and sum(map(len, of)) == len(set.union(*of))
    assert all(stack.cost > 0 for stack in stacks)


def test_what_goes_wrong_on_this_side_is_raised_and_is_no_workers_death(plan, tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)

    def closed(event):
        raise BrokenPipeError("nobody reads any more")

    for workers in (1, 2):
        with pytest.raises(BrokenPipeError, match="nobody reads"):
            run_local(
                plan.grid,
                plan.sessions,
                WorkerSettings(Path(), tmp_path / "runs"),
                workers,
                closed,
                (sys.executable, str(script), "none", ""),
            )
    with pytest.raises(FileNotFoundError, match="no-such-python"):
        run_local(
            plan.grid,
            plan.sessions,
            WorkerSettings(Path(), tmp_path / "other"),
            2,
            command=("no-such-python",),
        )
