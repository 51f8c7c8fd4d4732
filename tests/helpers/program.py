"""The command line as tests call it: in a process of its own, or in this one.

A process of its own takes seconds to load its libraries, and each of its workers takes as
long again. Only what a process does by itself needs one: signals, kills, exit codes and
which libraries are loaded. Everything else is called in this process.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from invariance_probe import runner
from invariance_probe.calibration import bench
from invariance_probe.cli import main
from invariance_probe.executors.jobs import Event, Jobs, WorkerSettings
from invariance_probe.executors.stacks import make_stacks
from invariance_probe.plan.run import Run
from invariance_probe.study.session import Session
from invariance_probe.worker import work

PROGRAM = [sys.executable, "-c", "from invariance_probe.cli import main; main()"]


def call(*arguments, cwd, check=None):
    """Run a command in a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if check is not None:
        assert done.returncode == check, done.stderr + done.stdout
    return done


def invoke(*arguments, cwd, check=None):
    """Run the same command in this process, with what it measures; answer as `call` does.

    An error that the command does not expect is raised here.
    """
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(cwd):
        patch.setattr(runner, "LocalWorkers", Here)
        patch.setattr(bench, "LocalWorkers", Here)
        patch.setattr(bench, "run_local", run_here)
        done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if check is not None:
        assert done.exit_code == check, done.stderr + done.stdout
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


class Here(contextlib.nullcontext):
    """Takes the place of `LocalWorkers`: jobs are measured by `work` in this process."""

    def __init__(self, workers: int) -> None:
        super().__init__(self)

    def __call__(
        self,
        runs: Sequence[Run],
        sessions: Sequence[Session],
        settings: WorkerSettings,
        *,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> dict[str, str]:
        """Measure every stack, the longest first."""
        jobs = Jobs(sessions, settings)
        for stack in make_stacks(runs):
            work(json.loads(json.dumps(jobs.of(stack))), on_event)
        return {}


def run_here(runs, sessions, settings, workers, on_event=lambda event: None):
    """Take the place of `run_local`."""
    return Here(workers)(runs, sessions, settings, on_event=on_event)


def children(parent):
    """Process ids of a process's children."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(path.parent.name))
    return found


def write(folder, data, name="study.yaml"):
    """Write a study, or another file of plain data, as YAML."""
    path = folder / name
    YAML(typ="safe").dump(data, path)
    return path


def without_times(folder):
    """What a report says, but for its provenance, which holds times."""
    report = json.loads((folder / "report.json").read_text())
    report.pop("provenance")
    return report
