"""Worker processes on this machine, one thread each, that take stacks from one queue.

A worker that dies loses nothing that it committed. What it had not is tried once more, in halves, in a fresh
worker; a run that takes its worker down again is reported as lost.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invariance_probe.errors import WriteError
from invariance_probe.executors.stacks import Stack, make_stacks
from invariance_probe.study.plan import Session
from invariance_probe.study.run import Run

WORKER = (sys.executable, "-m", "invariance_probe.worker")
TRIES = 3
"""How often a stack, or a half of it, is handed out."""

Event = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where runs read and write: the study's folder, the store and the device; and the registration that they carry."""

    base: Path
    store: Path
    device: str = "cpu"
    registration: str = ""


@dataclass
class _Queue:
    """Stacks to do, and how many are not settled yet."""

    waiting: "queue.Queue[tuple[Stack, int] | None]" = field(default_factory=queue.Queue)
    open: int = 0
    lost: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: bool = False
    fatal: str = ""
    """Why no worker can go on: the store cannot be written."""

    def put(self, stacks: Sequence[Stack], tries: int) -> None:
        with self.lock:
            self.open += len(stacks)
        for stack in stacks:
            self.waiting.put((stack, tries))

    def settle(self, workers: int) -> None:
        with self.lock:
            self.open -= 1
            if self.open == 0:
                for _ in range(workers):
                    self.waiting.put(None)


def run_local(
    runs: Sequence[Run],
    sessions: Sequence[Session],
    place: Place,
    workers: int,
    on_event: Callable[[Event], None] = lambda event: None,
    command: Sequence[str] = WORKER,
) -> dict[str, str]:
    """Measure runs in worker processes and return why runs were lost, by key.

    Parameters
    ----------
    runs
        What is missing in the store.
    sessions
        The sessions of the runs, which say where recordings come from.
    place
        Folders and device.
    workers
        How many processes; each has one thread.
    on_event
        Called with every event of a worker, from one thread at a time.
    command
        What starts a worker.

    Raises
    ------
    WriteError
        When a worker cannot write to the store: what is not committed yet would be trained for nothing.
    """
    if not runs:
        return {}
    sources = {session.name: session.source.model_dump(mode="json") for session in sessions}
    tasks = _Queue()
    stacks = make_stacks(runs)
    workers = max(1, min(workers, len(stacks)))
    tasks.put(stacks, TRIES)
    said = threading.Lock()

    def tell(event: Event) -> None:
        with said:
            on_event(event)

    threads = [
        threading.Thread(target=_serve, args=(tasks, sources, place, workers, tell, command), daemon=True) for _ in range(workers)
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
                if tasks.fatal:
                    raise WriteError(tasks.fatal)
    except (KeyboardInterrupt, WriteError):
        tasks.stopped = True
        raise
    return tasks.lost


def _serve(
    tasks: _Queue, sources: dict[str, Any], place: Place, workers: int, tell: Callable[[Event], None], command: Sequence[str]
) -> None:
    """Keep one worker process busy until the queue is empty."""
    process: subprocess.Popen[str] | None = None
    while (task := tasks.waiting.get()) is not None and not tasks.stopped:
        stack, tries = task
        if process is None or process.poll() is not None:
            process = _start(command)
        undone, message = _hand_out(process, stack, sources, place, tell, tasks)
        if undone:
            rest = Stack(stack.session, tuple(undone))
            if process.poll() is None:
                process.kill()
            process.wait()
            process = None
            if tries > 1:
                tasks.put(rest.halves(), tries - 1)
            else:
                tasks.lost.update({run.key(): message for run in undone})
                tell({"event": "lost", "runs": len(undone), "message": message})
        tasks.settle(workers)
    if process is not None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def _start(command: Sequence[str]) -> "subprocess.Popen[str]":
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return subprocess.Popen(
        list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **threads}
    )


def _hand_out(
    process: "subprocess.Popen[str]",
    stack: Stack,
    sources: dict[str, Any],
    place: Place,
    tell: Callable[[Event], None],
    tasks: _Queue,
) -> tuple[list[Run], str]:
    """Give a worker one stack; return the runs that it did not commit, and why."""
    assert process.stdin is not None and process.stdout is not None
    undone = {run.key(): run for run in stack.runs}
    job = {
        "runs": [run.model_dump(mode="json") for run in stack.runs],
        "source": sources[stack.session],
        "session": stack.session,
        "base": str(place.base),
        "store": str(place.store),
        "device": place.device,
        "registration": place.registration,
    }
    message = "its worker process died"
    try:
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        while line := process.stdout.readline():
            event = json.loads(line)
            if event["event"] == "committed":
                undone.pop(event["key"], None)
            if event["event"] == "error":
                message = event["message"]
                tasks.fatal = message if event.get("fatal") else tasks.fatal
            if event["event"] == "stack_done":
                return list(undone.values()), message
            tell(event)
    except (BrokenPipeError, json.JSONDecodeError) as error:
        message = f"its worker process died ({error})"
    process.wait()
    return list(undone.values()), f"{message} (exit {process.returncode})"
