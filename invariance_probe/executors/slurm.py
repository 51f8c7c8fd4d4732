"""Slurm executor: each stage is one array job, whose tasks measure stacks.

In: runs, and the options of the cluster's jobs. Out: results in the store, and the
reasons for lost runs. Stacks are runs of one session and one architecture.

A submission is a folder `jobs/NAME/` in the store, and NAME is the name of its array job.
`0.jsonl`, `1.jsonl` ... hold the stacks of each task, `array.sh` is the script that was
submitted, and `0.out` and `0.err` hold the output of a task. Tasks of an earlier call that
are still queued or running are found by these names; they are waited for and not submitted
again. This process only watches: if it ends, the tasks continue.
"""

import json
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from invariance_probe.errors import ExecutionError, WriteError
from invariance_probe.executors.jobs import (
    ONE_THREAD,
    Event,
    JobOutcome,
    Jobs,
    Task,
    WorkerSettings,
)
from invariance_probe.executors.stacks import Stack, make_stacks
from invariance_probe.plan.roles import read_run
from invariance_probe.plan.run import Run
from invariance_probe.results.store import Store
from invariance_probe.study.cluster import SlurmProfile
from invariance_probe.study.session import Session

PREFIX = "invariance-probe-"
MISSES_TO_END = 2
"""Checks in a row without a task in the queue after which it counts as over.

One check is not enough, because the queue may lag behind its jobs.
"""
LOG_TAIL = 400
"""Characters from the end of a task's log that are quoted if a run is lost."""
SHARED_S = 90.0
"""Longest time (s) to wait for a folder that another machine committed.

A shared file system may show it late.
"""
SETTLED = "settled"
"""Name of a file that marks a submission as no longer needed."""

SCRIPT = """#!/bin/bash
{options}
{exports}
{setup}
# Slurm tells this shell when the time is nearly up (USR1) or when the task must go (TERM); \
the worker then keeps what it trains.
again=0 later=0
{python} -u -m invariance_probe.worker {folder}/"$SLURM_ARRAY_TASK_ID".jsonl &
worker=$!
trap 'again=1 later=1; kill -USR1 "$worker" 2>/dev/null' USR1
trap 'again=1; kill -TERM "$worker" 2>/dev/null' TERM
wait "$worker"; code=$?
while [ "$again" = 1 ]; do again=0; wait "$worker"; code=$?; done
if [ "$later" = 1 ] && [ "$code" -ne 0 ]; then \
scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"; fi
exit "$code"
"""


@dataclass(frozen=True)
class Slurm:
    """Executor that hands out stacks as array jobs of Slurm.

    Attributes
    ----------
    profile
        Options of the cluster's jobs, such as partition, account and time.
    """

    profile: SlurmProfile

    def __str__(self) -> str:
        return "slurm"

    def __call__(
        self,
        runs: Sequence[Run],
        sessions: Sequence[Session],
        settings: WorkerSettings,
        *,
        on_event: Callable[[Event], None],
    ) -> dict[str, str]:
        """Measure runs on the cluster.

        Parameters
        ----------
        runs
            The runs to measure.
        sessions
            Their sessions, which say where recordings come from.
        settings
            Folders and device.
        on_event
            Called with each event.

        Returns
        -------
        lost
            The reason for each lost run, by its key.

        Raises
        ------
        ExecutionError
            If Slurm's commands are missing, or if Slurm refuses a job.
        WriteError
            If a task cannot write to the store, so that further training would be wasted.
        """
        if not runs:
            return {}
        watch = _Watch(self.profile, settings, Jobs(sessions, settings), on_event)
        try:
            watch.adopt(runs)
            under_way = {key for one in watch.running for key in one.undone}
            watch.submit(
                [
                    Task(stack)
                    for stack in make_stacks(run for run in runs if run.key() not in under_way)
                ]
            )
            while watch.running:
                time.sleep(self.profile.poll_s)
                watch.poll()
            watch.wait_for_the_store()
        except (KeyboardInterrupt, WriteError):
            names = ",".join(sorted({one.folder.name for one in watch.running}))
            on_event(
                {
                    "event": "note",
                    "message": f"The jobs go on by themselves; to end them: scancel --name={names}",
                }
            )
            raise
        return watch.lost


@dataclass(eq=False)
class _ArrayTask:
    """One task of an array job that was submitted.

    Attributes
    ----------
    folder
        Folder of the submission.
    index
        Index of the task in its array.
    tasks
        The stacks that it measures, in order.
    undone
        Runs that are not committed yet, by key.
    message
        Text of its last error; empty if there is none.
    """

    folder: Path
    index: int
    tasks: list[Task]
    undone: dict[str, Run]
    read: int = 0
    """Number of bytes of its output that have been read."""
    missed: int = 0
    """Number of times in a row that it was missing from the queue."""
    message: str = ""
    stopped: bool = False
    """Whether its last event says that it was told to stop."""

    def events(self) -> Iterator[Event]:
        """Yield the events that the task has written since the last call.

        Only complete lines are read. A line that was cut off when the task was killed is
        skipped.
        """
        try:
            with (self.folder / f"{self.index}.out").open("rb") as file:
                file.seek(self.read)
                fresh = file.read()
        except OSError:
            return
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self.read += len(whole)
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and "event" in event:
                yield event

    def why(self) -> str:
        """Say why the task ended early: its own error, or the end of its log."""
        if self.message:
            return self.message
        try:
            log = (self.folder / f"{self.index}.err").read_text(errors="replace").strip()
        except OSError:
            log = ""
        return (
            f"its Slurm task died: {log[-LOG_TAIL:]}"
            if log
            else "its Slurm task died and left no message"
        )


@dataclass(eq=False)
class _Watch:
    """Watches the tasks of one stage, and resubmits what they leave unfinished.

    Attributes
    ----------
    profile
        Options of the cluster's jobs.
    settings
        Folders and device.
    jobs
        Converts stacks to jobs, the plain data that workers read.
    tell
        Called with each event.
    running
        Tasks that are not finished.
    lost
        The reason for each lost run, by its key.
    committed
        Keys of runs that tasks say they have committed.
    noted
        Messages that were passed on already, and are not repeated.
    """

    profile: SlurmProfile
    settings: WorkerSettings
    jobs: Jobs
    tell: Callable[[Event], None]
    running: list[_ArrayTask] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    kept: set[Path] = field(default_factory=set)
    """Folders that are not removed, because their logs say why runs were lost."""
    committed: set[str] = field(default_factory=set)
    noted: set[str] = field(default_factory=set)

    @property
    def root(self) -> Path:
        """Folder of all submissions."""
        return self.settings.store / "jobs"

    def adopt(self, runs: Sequence[Run]) -> None:
        """Find and watch tasks of earlier calls that still measure some of the runs."""
        wanted = {run.key(): run for run in runs}
        folders = {folder.name: folder for folder in self._folders()}
        queue = _queue(folders) if folders else {}
        while queue is None:
            self._note("Slurm's queue does not answer; waiting for it")
            time.sleep(self.profile.poll_s)
            queue = _queue(folders)
        self._sweep(queue)
        for name, index in sorted(queue):
            tasks = _read_tasks(folders[name] / f"{index}.jsonl")
            undone = {
                key: wanted.pop(key)
                for task in tasks
                for run in task.stack.runs
                if (key := run.key()) in wanted
            }
            if undone:
                said = folders[name] / f"{index}.out"
                self.running.append(
                    _ArrayTask(
                        folders[name],
                        index,
                        tasks,
                        undone,
                        said.stat().st_size if said.exists() else 0,
                    )
                )

    def wait_for_the_store(self) -> None:
        """Wait until committed results are visible on this machine.

        They are the results that the tasks say they have committed. On a network file
        system they may appear here later.
        """
        store, deadline = Store(self.settings.store), time.monotonic() + SHARED_S
        while not all(store.has(key) for key in self.committed) and time.monotonic() < deadline:
            time.sleep(1)
        self._sweep(_queue({folder.name for folder in self._folders()}))

    def submit(self, tasks: Sequence[Task]) -> None:
        """Write stacks to a new folder and submit them as one array job."""
        if not tasks:
            return
        name = f"{PREFIX}{uuid.uuid4().hex[:12]}"
        folder = self.root / name
        folder.mkdir(parents=True)
        shared = [
            list(tasks[i :: self.profile.tasks]) for i in range(min(self.profile.tasks, len(tasks)))
        ]
        for i, some in enumerate(shared):
            lines = [json.dumps({**self.jobs.of(task.stack), "tries": task.tries}) for task in some]
            (folder / f"{i}.jsonl").write_text("\n".join(lines) + "\n")
        script = folder / "array.sh"
        script.write_text(_script(self.profile, folder, len(shared)))
        try:
            _call("sbatch", "--parsable", str(script))
        except ExecutionError:
            (folder / SETTLED).touch()
            raise
        self.running += [
            _ArrayTask(
                folder, i, some, {run.key(): run for task in some for run in task.stack.runs}
            )
            for i, some in enumerate(shared)
        ]

    def poll(self) -> None:
        """Read the output of tasks, and resubmit what ended ones left unfinished."""
        for one in self.running:
            self._hear(one)
        queue = _queue({one.folder.name for one in self.running})
        if queue is None:
            self._note("Slurm's queue does not answer; waiting for it")
            return
        for held in {reason for reason in queue.values() if "held" in reason.lower()}:
            self._note(f"Slurm holds tasks back ({held}); `scontrol release` lets them go on")
        over: list[_ArrayTask] = []
        for one in self.running:
            one.missed = 0 if (one.folder.name, one.index) in queue else one.missed + 1
            if not one.undone or one.missed >= MISSES_TO_END:
                over.append(one)
        again: list[Task] = []
        for one in over:
            self.running.remove(one)
            self._hear(one)
            again += self._settled(one)
        for folder in (
            {one.folder for one in over} - {one.folder for one in self.running} - self.kept
        ):
            (folder / SETTLED).touch()
        self.submit(again)

    def _folders(self) -> list[Path]:
        return list(self.root.glob(f"{PREFIX}*"))

    def _sweep(self, queue: dict[tuple[str, int], str] | None) -> None:
        """Remove submissions that are settled and no longer in Slurm's queue."""
        if queue is None:
            return
        for folder in self._folders():
            if (folder / SETTLED).exists() and folder.name not in {name for name, _ in queue}:
                shutil.rmtree(folder, ignore_errors=True)

    def _hear(self, one: _ArrayTask) -> None:
        """Pass on the new events of a task, and record which runs it committed."""
        for event in one.events():
            one.stopped = event["event"] == "stopped"
            if event["event"] == "error":
                one.message = event["message"]
                if event.get("fatal"):
                    raise WriteError(one.message)
            if event["event"] == "committed":
                if one.undone.pop(event["key"], None) is None:
                    continue
                self.committed.add(event["key"])
            self.tell(event)

    def _settled(self, one: _ArrayTask) -> list[Task]:
        """Decide what to hand out again after a task has finished.

        The stack on which the task died is handed out in halves, and the stacks after it
        unchanged.
        """
        store = Store(self.settings.store)
        for key in [key for key in one.undone if store.has(key)]:
            one.undone.pop(key)
        left = [
            task.left([run for run in task.stack.runs if run.key() in one.undone])
            for task in one.tasks
            if any(run.key() in one.undone for run in task.stack.runs)
        ]
        if not left or one.stopped:
            return left
        died_on = JobOutcome([run.key() for run in left[0].stack.runs], one.why(), stopped=False)
        again = left[0].after(died_on, self.lost, self.tell)
        if not again:
            self.kept.add(one.folder)
        return again + left[1:]

    def _note(self, message: str) -> None:
        """Pass on a message, unless it was passed on before."""
        if message not in self.noted:
            self.noted.add(message)
            self.tell({"event": "note", "message": message})


def _read_tasks(path: Path) -> list[Task]:
    """Read the stacks of a job file; empty if the file cannot be read."""
    try:
        jobs = [json.loads(line) for line in path.read_text().splitlines()]
        return [
            Task(
                Stack(job["session"], tuple(read_run(run) for run in job["runs"])),
                job["tries"],
            )
            for job in jobs
        ]
    except (OSError, ValueError, KeyError):
        return []


def _queue(names: Iterable[str]) -> dict[tuple[str, int], str] | None:
    """Ask Slurm which tasks of some arrays are queued or running.

    Parameters
    ----------
    names
        Names of the array jobs.

    Returns
    -------
    dict or None
        The reason that Slurm gives for the state of each task, by name of the array job
        and index of the task; None if Slurm cannot be queried.
    """
    asked = [
        "squeue",
        "--noheader",
        "--array",
        "--format=%j|%K|%r",
        f"--name={','.join(sorted(names))}",
    ]
    done = _run(asked)
    if done.returncode != 0:
        return None
    rows = [line.strip().split("|", 2) for line in done.stdout.splitlines() if line.strip()]
    return {(name, int(index)): reason for name, index, reason in rows if index.isdigit()}


def _script(profile: SlurmProfile, folder: Path, count: int) -> str:
    """Write the script of an array job.

    Parameters
    ----------
    profile
        Options of the cluster's jobs.
    folder
        Folder of the submission.
    count
        Number of tasks in the array.
    """
    named = {
        "job-name": folder.name, "output": f"{folder}/%a.out", "error": f"{folder}/%a.err",
        "open-mode": "append",
        "array": f"0-{count - 1}" + (f"%{profile.at_once}" if profile.at_once else ""),
        "signal": f"B:USR1@{profile.warning_s}",
        "ntasks": 1, "cpus-per-task": 1,
        "partition": profile.partition, "account": profile.account, "qos": profile.qos,
        "time": profile.time, "mem": profile.memory,
    }  # fmt: skip
    options = [
        "--requeue",
        *(f"--{name}={value}" for name, value in named.items() if value != ""),
        *profile.options,
    ]
    return SCRIPT.format(
        options="\n".join(f"#SBATCH {shlex.quote(option)}" for option in options),
        exports="export " + " ".join(f"{name}={value}" for name, value in ONE_THREAD.items()),
        setup="\n".join(profile.setup),
        python=shlex.quote(profile.python or sys.executable),
        folder=shlex.quote(str(folder)),
    )


def _call(*command: str) -> str:
    """Run a Slurm command and return its output; raise an error if it fails."""
    done = _run(command)
    if done.returncode != 0:
        raise ExecutionError(
            f"{command[0]} refused the job: {done.stderr.strip() or done.stdout.strip()}; write "
            "the options that your cluster needs (partition, account, time, memory, options) "
            "into a file, and name it with --profile"
        )
    return done.stdout.strip()


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a Slurm command; raise an error if it is not installed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ExecutionError(
            f"--on slurm needs the command {command[0]}, which was not found; "
            "run this on a login node of the cluster"
        ) from None
