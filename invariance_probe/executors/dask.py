"""Dask: stacks go to whatever dask.distributed reaches, or to a cluster of processes on this machine.

Every thread of a dask worker keeps one worker process of this toolkit busy, as the local executor does, so that a run that takes
its process down leaves the dask worker standing. A dask worker that dies is made up for by dask; a stack on which dask gives up is
handed out again in halves.
"""

import queue
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from distributed import Client, Future, LocalCluster, Worker, WorkerPlugin, as_completed, get_worker

from invariance_probe.errors import ExecutionError, WriteError
from invariance_probe.executors.jobs import Event, Handed, Jobs, Place, Task
from invariance_probe.executors.local import WORKER, WorkerProcess
from invariance_probe.executors.stacks import make_stacks
from invariance_probe.plan.run import Run
from invariance_probe.results.store import Store
from invariance_probe.study.session import Session

LOCAL = "local"
"""Address of a cluster of processes on this machine, which ends with the study."""
ANSWER_S = 30
"""How long a scheduler may take to answer."""


@dataclass(frozen=True)
class Dask:
    """Hands out stacks to a dask cluster.

    Attributes
    ----------
    address
        Of its scheduler; or `local`.
    workers
        Processes of a local cluster; as many as there are cores when left out.
    command
        What starts a worker process; the workers' own Python when left out.
    """

    address: str
    workers: int | None = None
    command: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return "dask"

    def __call__(
        self,
        runs: Sequence[Run],
        sessions: Sequence[Session],
        place: Place,
        *,
        on_event: Callable[[Event], None],
    ) -> dict[str, str]:
        """Measure runs and return why runs were lost, by key.

        Raises
        ------
        ExecutionError
            When no scheduler answers, or when it goes away.
        """
        if not runs:
            return {}
        with self._client() as client:
            return _measured(
                client,
                make_stacks(runs),
                Jobs(sessions, place),
                Store(place.store),
                self.command,
                on_event,
            )

    @contextmanager
    def _client(self) -> Iterator[Client]:
        if self.address == LOCAL:
            with (
                LocalCluster(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                    memory_limit=None,
                ) as cluster,
                Client(cluster) as client,
            ):
                yield client
            return
        try:
            client = Client(self.address, timeout=ANSWER_S)
        except (OSError, ValueError) as error:
            raise ExecutionError(
                f"--address {self.address}: no dask scheduler answers ({error}); start one with `dask scheduler`, "
                "and workers with `dask worker`, or use --address local"
            ) from None
        with client:
            yield client


class Processes(WorkerPlugin):  # type: ignore[misc, unused-ignore]
    """The worker processes of one dask worker, one for each of its threads.

    Parameters
    ----------
    name
        Of the call that they serve.
    command
        What starts them.
    """

    def __init__(self, name: str, command: tuple[str, ...] | None) -> None:
        self.name, self._command = name, command

    def setup(self, worker: Worker) -> None:
        """Start nothing yet."""
        self._free: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()

    def teardown(self, worker: Worker) -> None:
        """End the processes that have nothing to do."""
        while not self._free.empty():
            self._free.get().kill()

    def measure(
        self, job: dict[str, Any], keys: Sequence[str], tell: Callable[[Event], None]
    ) -> Handed:
        """Hand a job to a process that is free."""
        try:
            process = self._free.get_nowait()
        except queue.Empty:
            process = WorkerProcess(self._command or WORKER)
        handed = process.measure(job, keys, tell)
        self._free.put(process)
        return handed


def measure_here(name: str, job: dict[str, Any], keys: Sequence[str]) -> Handed:
    """Measure a job on the dask worker that this runs on, and log its events under the name of the call."""
    worker = get_worker()
    processes = worker.plugins[name]
    assert isinstance(processes, Processes)
    return processes.measure(job, keys, lambda event: worker.log_event(name, event))


def _measured(
    client: Client, stacks: Sequence[Any], jobs: Jobs, store: Store, command: tuple[str, ...] | None, on_event: Callable[[Event], None]
) -> dict[str, str]:  # fmt: skip
    name, said, lost = (
        f"invariance-probe-{uuid.uuid4().hex[:12]}",
        threading.Lock(),
        dict[str, str](),
    )

    def tell(event: Event) -> None:
        with said:
            on_event(event)

    client.register_plugin(Processes(name, command), name=name)
    client.subscribe_topic(name, lambda logged: tell(logged[1]))
    tasks: dict[Future, Task] = {}
    finished = as_completed()

    def submit(task: Task) -> None:
        job, keys = jobs.of(task.stack), [run.key() for run in task.stack.runs]
        future = client.submit(
            measure_here, name, job, keys, pure=False, key=f"{name}-{uuid.uuid4().hex[:12]}"
        )
        tasks[future] = task
        finished.add(future)

    for stack in stacks:
        submit(Task(stack))
    for future in finished:
        task = tasks.pop(future)
        handed = _came_of(future, task, store)
        if handed.fatal:
            raise WriteError(handed.message)
        for one in task.after(handed, lost, tell):
            submit(one)
    client.unsubscribe_topic(name)
    client.unregister_worker_plugin(name)
    return lost


def _came_of(future: Future, task: Task, store: Store) -> Handed:
    """Return what came of a future, also where dask gave up on its worker."""
    if future.cancelled():
        raise ExecutionError(
            "the dask scheduler went away; what was measured is kept, run the same command to go on"
        )
    error = future.exception()
    if error is None:
        return future.result()  # type: ignore[no-any-return, unused-ignore]
    undone = [key for run in task.stack.runs if not store.has(key := run.key())]
    return Handed(
        undone,
        f"its dask worker died or could not measure: {type(error).__name__}: {error}",
        stopped=False,
    )
