"""Dask executor: stacks go to a dask cluster, remote or on this machine.

In: runs and the address of a scheduler. Out: results in the store, and the reasons for
lost runs. Stacks are runs of one session and one architecture. As in the local executor,
the training is done in separate worker processes, one for each thread of a dask worker.
So a run that kills its process leaves the dask worker alive. Dask itself replaces a dask
worker that dies. A stack on which dask gives up is handed out again in halves.
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
from invariance_probe.executors.jobs import Event, JobOutcome, Jobs, Task, WorkerSettings
from invariance_probe.executors.local import WORKER, WorkerProcess
from invariance_probe.executors.stacks import make_stacks
from invariance_probe.plan.run import Run
from invariance_probe.results.store import Store
from invariance_probe.study.session import Session

LOCAL = "local"
"""Address that means a cluster on this machine, which ends with the study."""
ANSWER_S = 30
"""Longest time that a scheduler may take to answer, in seconds."""


@dataclass(frozen=True)
class Dask:
    """Executor that hands out stacks to a dask cluster.

    Attributes
    ----------
    address
        Address of the scheduler, or `local`.
    workers
        Number of processes of a local cluster; one per core if omitted.
    command
        Command that starts a worker process; by default the worker module, run with the
        Python of the dask worker.
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
        settings: WorkerSettings,
        *,
        on_event: Callable[[Event], None],
    ) -> dict[str, str]:
        """Measure runs on the dask cluster.

        Parameters
        ----------
        runs
            The runs to measure.
        sessions
            Their sessions, which say where recordings come from.
        settings
            Folders and device.
        on_event
            Called with each event, from one thread at a time.

        Returns
        -------
        lost
            The reason for each lost run, by its key.

        Raises
        ------
        ExecutionError
            If no scheduler answers, or if it stops before the runs are measured.
        WriteError
            If a worker cannot write to the store.
        """
        if not runs:
            return {}
        with self._client() as client:
            return _measured(
                client,
                make_stacks(runs),
                Jobs(sessions, settings),
                Store(settings.store),
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
                f"no dask scheduler answers at --address {self.address} ({error}); start one with "
                "`dask scheduler`, and workers with `dask worker`, or use --address local"
            ) from None
        with client:
            yield client


class Processes(WorkerPlugin):  # type: ignore[misc, unused-ignore]
    """Pool of worker processes of one dask worker, one for each of its threads.

    Parameters
    ----------
    name
        Name of the executor's call that the pool serves.
    command
        Command that starts a process; by default the worker module, run with this Python.
    """

    def __init__(self, name: str, command: tuple[str, ...] | None) -> None:
        self.name, self._command = name, command

    def setup(self, worker: Worker) -> None:
        """Make the pool empty; a process is started when a job needs one."""
        self._free: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()

    def teardown(self, worker: Worker) -> None:
        """End the processes that are idle."""
        while not self._free.empty():
            self._free.get().kill()

    def measure(
        self, job: dict[str, Any], keys: Sequence[str], tell: Callable[[Event], None]
    ) -> JobOutcome:
        """Measure a job in an idle process, or in a new one.

        Parameters
        ----------
        job
            The job as plain JSON data.
        keys
            Keys of its runs.
        tell
            Called with each event of the process.

        Returns
        -------
        outcome
            The outcome of the job: keys of runs that were not committed, and why.
        """
        try:
            process = self._free.get_nowait()
        except queue.Empty:
            process = WorkerProcess(self._command or WORKER)
        outcome = process.measure(job, keys, tell)
        self._free.put(process)
        return outcome


def measure_here(name: str, job: dict[str, Any], keys: Sequence[str]) -> JobOutcome:
    """Measure a job on the dask worker on which this function runs.

    Parameters
    ----------
    name
        Name of the executor's call; events are logged under this name.
    job
        The job as plain JSON data.
    keys
        Keys of its runs.

    Returns
    -------
    outcome
        The outcome of the job: keys of runs that were not committed, and why.
    """
    worker = get_worker()
    processes = worker.plugins[name]
    assert isinstance(processes, Processes)
    return processes.measure(job, keys, lambda event: worker.log_event(name, event))


def _measured(
    client: Client,
    stacks: Sequence[Any],
    jobs: Jobs,
    store: Store,
    command: tuple[str, ...] | None,
    on_event: Callable[[Event], None],
) -> dict[str, str]:
    """Hand out stacks to a dask cluster until every run is measured or lost.

    Parameters
    ----------
    client
        Client of the cluster.
    stacks
        The stacks to measure.
    jobs
        Converts stacks to jobs, the plain data that workers read.
    store
        The store, which shows what was committed before a worker died.
    command
        Command that starts a worker process; None for the worker module, run with the
        Python of the dask worker.
    on_event
        Called with each event, from one thread at a time.

    Returns
    -------
    lost
        The reason for each lost run, by its key.
    """
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

    try:
        for stack in stacks:
            submit(Task(stack))
        for future in finished:
            task = tasks.pop(future)
            outcome = _came_of(future, task, store)
            if outcome.fatal:
                raise WriteError(outcome.message)
            for one in task.after(outcome, lost, tell):
                submit(one)
    finally:
        client.unsubscribe_topic(name)
        client.unregister_worker_plugin(name)
    return lost


def _came_of(future: Future, task: Task, store: Store) -> JobOutcome:
    """Return the outcome of a future, even if dask gave up on its worker.

    Parameters
    ----------
    future
        The finished future.
    task
        The task that it measured.
    store
        The store, which shows what was committed before the worker died.

    Raises
    ------
    ExecutionError
        If the scheduler stopped.
    """
    if future.cancelled():
        raise ExecutionError(
            "the dask scheduler stopped. Finished runs are kept; start a scheduler and run the "
            "same command again to continue"
        )
    error = future.exception()
    if error is None:
        return future.result()  # type: ignore[no-any-return, unused-ignore]
    undone = [key for run in task.stack.runs if not store.has(key := run.key())]
    return JobOutcome(
        undone,
        f"its dask worker died or could not measure: {type(error).__name__}: {error}",
        stopped=False,
    )
