"""Local executor: worker processes on this machine, one thread each.

In: runs and the number of workers. Out: results in the store, and the reasons for lost
runs. All workers take stacks (runs of one session and one architecture) from one queue.
If a worker dies, nothing that it committed is lost. Its other runs are handed out again
in halves, to a new worker. A run that was handed out `jobs.TRIES` times without a result
is reported as lost.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from invariance_probe.errors import WriteError
from invariance_probe.executors.jobs import (
    GO_ON_LATER,
    ONE_THREAD,
    Event,
    JobOutcome,
    Jobs,
    Task,
    WorkerSettings,
)
from invariance_probe.executors.stacks import make_stacks
from invariance_probe.plan.run import Run
from invariance_probe.study.session import Session

WORKER = (sys.executable, "-m", "invariance_probe.worker")
"""Command that starts a worker process with this Python."""


class WorkerProcess:
    """One worker process, started when it is needed and again after it died.

    Parameters
    ----------
    command
        Command that starts the process.
    """

    def __init__(self, command: Sequence[str] = WORKER) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[str] | None = None

    def measure(
        self, job: dict[str, Any], keys: Sequence[str], tell: Callable[[Event], None]
    ) -> JobOutcome:
        """Hand a job to the worker and wait until it is done or the worker died.

        Parameters
        ----------
        job
            The job as plain JSON data.
        keys
            Keys of its runs.
        tell
            Called with each event of the worker, except `stack_done`.

        Returns
        -------
        outcome
            The outcome of the job: keys of runs that were not committed, and why.
        """
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        undone, message, fatal = dict.fromkeys(keys), "its worker process died", False
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            while line := process.stdout.readline():
                event = json.loads(line)
                if event["event"] == "committed":
                    undone.pop(event["key"], None)
                if event["event"] == "error":
                    message, fatal = event["message"], event["fatal"]
                if event["event"] == "stack_done":
                    break
                tell(event)
            else:
                message = f"{message} ({_exit(process.wait())})"
        except (BrokenPipeError, json.JSONDecodeError) as error:
            message = f"its worker process died ({error})"
        if undone:
            self.kill()
        return JobOutcome(list(undone), message, process.poll() == GO_ON_LATER, fatal)

    def end(self) -> None:
        """Close the worker's input and wait until it ends."""
        process = self._process
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

    def kill(self) -> None:
        """End the worker at once, even if another thread does so at the same time."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is None or self._process.poll() is not None:
            environment = {**os.environ, **ONE_THREAD}
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                self._command,
                stdin=pipe,
                stdout=pipe,
                text=True,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the parent, which then ends its workers
            )
        return self._process


def _exit(code: int) -> str:
    """Describe how a process ended.

    A process ended by SIGKILL has usually used too much memory.
    """
    killed = ": it was killed, probably because the system ran out of memory"
    return f"exit {code}{killed if code == -signal.SIGKILL else ''}"


@dataclass
class _Queue:
    """Stacks that wait to be measured, and the state that all workers share.

    `open` is the number of stacks that are waiting or being measured.
    """

    waiting: "queue.Queue[Task | None]" = field(default_factory=queue.Queue)
    open: int = 0
    lost: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: bool = False
    broken: Exception | None = None
    """Error that ends the call: no write access to the store, or an error here."""

    def put(self, tasks: Sequence[Task]) -> None:
        """Add tasks to the queue."""
        with self.lock:
            self.open += len(tasks)
        for task in tasks:
            self.waiting.put(task)

    def settle(self, workers: int) -> None:
        """Count one task as finished; let the workers end if none is left."""
        with self.lock:
            self.open -= 1
            if self.open == 0:
                for _ in range(workers):
                    self.waiting.put(None)


class LocalWorkers:
    """Worker processes on this machine, kept from one call to the next.

    Starting a worker takes seconds, mostly to load its libraries. All stages of a study
    therefore share the same processes. Use this class as a context manager: the processes
    end with the `with` block, and are killed if the block raises an exception.

    Parameters
    ----------
    workers
        Number of processes; each has one thread. No more are started than there are
        stacks.
    command
        Command that starts a worker.
    """

    def __init__(self, workers: int, command: Sequence[str] = WORKER) -> None:
        self._processes = [WorkerProcess(command) for _ in range(max(1, workers))]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            if kind is None:
                process.end()
            else:
                process.kill()

    def __call__(
        self,
        runs: Sequence[Run],
        sessions: Sequence[Session],
        settings: WorkerSettings,
        *,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> dict[str, str]:
        """Measure runs in these processes.

        Parameters
        ----------
        runs
            The runs that are missing from the store.
        sessions
            Their sessions, which say where recordings come from.
        settings
            Folders and device.
        on_event
            Called with each event of a worker, from one thread at a time.

        Returns
        -------
        lost
            The reason for each lost run, by its key.

        Raises
        ------
        WriteError
            If a worker cannot write to the store, so that further training would be wasted.
        """
        if not runs:
            return {}
        jobs, tasks = Jobs(sessions, settings), _Queue()
        stacks = make_stacks(runs)
        processes = self._processes[: len(stacks)]
        tasks.put([Task(stack) for stack in stacks])
        said = threading.Lock()

        def tell(event: Event) -> None:
            with said:
                try:
                    on_event(event)
                except Exception as error:  # this process's fault, not a worker's: raised below
                    tasks.broken = tasks.broken or error

        threads = [
            threading.Thread(
                target=_serve, args=(tasks, jobs, len(processes), tell, process), daemon=True
            )
            for process in processes
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)
                    if tasks.broken:
                        break
            if tasks.broken:
                raise tasks.broken
        except BaseException:
            tasks.stopped = True
            for process in processes:
                process.kill()
            raise
        return tasks.lost


def run_local(
    runs: Sequence[Run],
    sessions: Sequence[Session],
    settings: WorkerSettings,
    workers: int,
    on_event: Callable[[Event], None] = lambda event: None,
    command: Sequence[str] = WORKER,
) -> dict[str, str]:
    """Measure runs in worker processes that end with this call.

    Parameters, return value and exceptions are those of `LocalWorkers`.
    """
    with LocalWorkers(workers, command) as hand_out:
        return hand_out(runs, sessions, settings, on_event=on_event)


def _serve(
    tasks: _Queue, jobs: Jobs, workers: int, tell: Callable[[Event], None], process: WorkerProcess
) -> None:
    """Keep one worker process busy until the queue is empty.

    An error in this process, not in the worker, ends the whole call.

    Parameters
    ----------
    tasks
        The queue that all workers share.
    jobs
        Converts stacks to jobs, the plain data that workers read.
    workers
        Number of worker processes.
    tell
        Called with each event.
    process
        The worker process.
    """
    try:
        _serve_all(tasks, jobs, workers, tell, process)
    except Exception as error:
        tasks.broken = tasks.broken or error


def _serve_all(
    tasks: _Queue, jobs: Jobs, workers: int, tell: Callable[[Event], None], process: WorkerProcess
) -> None:
    """Hand out tasks to one worker process until none is left."""
    while (task := tasks.waiting.get()) is not None and not tasks.stopped:
        outcome = process.measure(jobs.of(task.stack), [run.key() for run in task.stack.runs], tell)
        if outcome.fatal:
            tasks.broken = WriteError(outcome.message)
        tasks.put(task.after(outcome, tasks.lost, tell))
        tasks.settle(workers)
