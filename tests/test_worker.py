"""The one border between data and the worker.

Data that no check foresaw fail their own runs, by name, and the worker goes on.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import small_study, tiny_study
from helpers.program import PROGRAM, children, invoke, write

from invariance_probe.data.problems import recording_problems
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.errors import StoreError, TrainingError
from invariance_probe.executors.jobs import Jobs, WorkerSettings
from invariance_probe.executors.local import WorkerProcess
from invariance_probe.executors.stacks import Stack
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.results.store import Store
from invariance_probe.study.study import Study
from invariance_probe.worker import guarded, measure

WORLD = tiny_study()["recordings"][0]


@pytest.fixture(scope="module")
def plan():
    study = Study.model_validate(tiny_study(recordings=[{**WORLD, "sessions": 1}]))
    return Plan(study, find_sessions(study, Path()))


def done(runs):
    return [Measurement(run, RunResult(run.key(), "done")) for run in runs]


UNFORESEEN = (
    np.linalg.LinAlgError("not positive definite"),
    torch.linalg.LinAlgError("singular"),
    IndexError("amax(): Expected reduction dim -1 to have non-zero size."),
    RuntimeError("stack expects each tensor to be equal size"),
    ZeroDivisionError("division by zero"),
    ValueError("array must not contain infs or NaNs"),
)


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_an_error_on_data_fails_its_own_run_and_names_it(plan, error):
    runs, calls = [run for run in plan.grid if run.axis][:5], []

    def measured(some):
        calls.append(len(some))
        if runs[3] in some:
            raise error
        return done(some)

    found = guarded("spread", runs, measured)
    assert [m.result.status for m in found] == ["done", "done", "done", "failed", "done"]
    assert calls == [5, 1, 1, 1, 1, 1]
    said = found[3].result.message
    run = runs[3]
    assert said.startswith(f"session 'spread': {run.method.kind} at {run.axis} {run.dose:g}")
    assert f"fold {run.fold}, seed {run.seed}" in said
    assert f"({type(error).__name__.lstrip('_')}: {error})" in said


def test_what_is_not_about_data_passes_the_border(plan):
    for error in (
        StoreError("torn"),
        AssertionError("ours"),
        KeyError("ours"),
        NotImplementedError("ours"),
    ):

        def measured(some, error=error):
            raise error

        with pytest.raises(type(error)):
            guarded("s", list(plan.grid[:2]), measured)


def test_lack_of_memory_is_said_and_no_failure_of_the_data(plan):
    full = RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
    )
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), full):

        def measured(some, error=error):
            raise error

        with pytest.raises(TrainingError, match="not enough memory for 2 runs of"):
            guarded("s", list(plan.grid[:2]), measured)


def place_cells(folder, quiet):
    """Counts of 24 units of which all but 5 are silent in the first half, as `quiet` units are."""
    gen = np.random.default_rng(1)
    y = np.cumsum(gen.standard_normal(640)) / 8
    counts = gen.poisson(np.exp(0.8 + 0.5 * np.tanh(y)[:, None] * gen.standard_normal(24)))
    counts[:320, :quiet] = 0
    np.savez(folder / "s.npz", counts=counts, label=y)
    return [{"kind": "npz", "path": "s.npz", "session": "s", "activity": "counts", "bin_s": 0.1}]


def test_units_silent_where_one_fold_trains_do_not_end_linear_ssl(tmp_path):
    study = Study.model_validate(
        tiny_study(recordings=place_cells(tmp_path, 19), method={"kind": "linear_ssl"})
    )
    assert recording_problems(study, tmp_path) == []
    plan = Plan(study, find_sessions(study, tmp_path))
    assert "19 of 24 units are constant in the training part" in plan.sessions[0].cautions[0][2]
    runs = [run for run in plan.grid if run.method.kind == "linear_ssl"]
    assert {run.fold for run in runs} == {0, 1}
    recording = open_recording(plan.sessions[0].source, "s", tmp_path)
    bench = Workbench.of(recording, runs[0], torch.device("cpu"), tmp_path)
    together = measure(bench, runs)
    for m, run in zip(together, runs, strict=True):
        assert m.result.status == "done" and np.isfinite(m.result.block_losses).all()
        assert m.weights["weight0"].shape == (24, 16)
        (alone,) = measure(bench, [run])
        assert m.result.block_losses == alone.result.block_losses
    silent = replace(recording, activity=recording.activity * 0)
    bench = Workbench.of(silent, runs[0], torch.device("cpu"), tmp_path)
    assert {m.result.status for m in measure(bench, runs[:2])} == {"collapsed"}


def test_a_worker_process_outlives_data_that_it_cannot_measure(plan, tmp_path):
    """The same data, but the study asks for a fold that training cannot learn anything from."""
    world = {**WORLD, "sessions": 1, "bins": 60}
    source = find_sessions(Study.model_validate(tiny_study(recordings=[world])), Path())
    jobs = Jobs(source, WorkerSettings(Path(), tmp_path / "runs"))
    runs = [run.model_copy(update={"folds": run.folds.model_copy(update={"embargo_s": 99.0})})
            for run in plan.baselines if run.method.kind == "raw"]  # fmt: skip
    worker, events = WorkerProcess(), []
    job = jobs.of(Stack(source[0].name, tuple(runs)))
    outcome = worker.measure(job, [run.key() for run in runs], events.append)
    assert outcome.undone == [] and {e["status"] for e in events} == {"failed"}
    assert worker._process.poll() is None
    results = Store(tmp_path / "runs").results(runs)
    assert all("use a shorter embargo" in result.message for result in results.values())
    worker.end()


def test_a_worker_that_the_system_kills_is_said_to_lack_memory(plan, tmp_path):
    command = [
        sys.executable,
        "-c",
        "import os, signal; input(); os.kill(os.getpid(), signal.SIGKILL)",
    ]
    outcome = WorkerProcess(command).measure({}, ["k"], lambda event: None)
    assert "exit -9" in outcome.message and "ran out of memory" in outcome.message


def _hear_ctrl_c():
    """Undo what a shell does to processes in its background, which do not hear it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds worker processes in /proc")
def test_ctrl_c_says_one_sentence_and_leaves_no_worker(tmp_path):
    path = write(tmp_path, small_study(training={"steps": 1000, "batch_size": 64, "seeds": 2}))
    running = subprocess.Popen(
        [*PROGRAM, "run", str(path)], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=_hear_ctrl_c,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list((tmp_path / "runs" / "results").glob("*/*")):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    workers = children(running.pid)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130 and said.rstrip().endswith("run the same command to go on.")
    assert "Traceback" not in said and "KeyboardInterrupt" not in said
    assert workers and not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    invoke("status", path, cwd=tmp_path, check=0)
