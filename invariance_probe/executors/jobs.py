"""Jobs: what a worker is given, where it reads and writes, and retries.

In: stacks (runs of one session and one architecture) and their sessions. Out: jobs as
plain JSON data, and what to hand out again after a worker returned without results. No
process is started here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from invariance_probe.executors.stacks import Stack
from invariance_probe.plan.run import Run
from invariance_probe.study.session import Session

TRIES = 3
"""How often a run is handed out: in its stack, then in ever smaller halves."""
GO_ON_LATER = 75
"""Exit code of a worker that was told to stop.

Nothing was wrong, and what it has trained so far is kept.
"""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Environment of a worker: its numerical libraries use one thread each."""

Event = dict[str, Any]
"""A message about the progress of runs; the key `event` holds its kind.

A worker sends `progress` (model_steps), `committed` (key, status), `damaged` (message),
`error` (message, fatal), `stopped` and `stack_done`. Executors and the runner add
`stage`, `lost` (runs, message) and `note` (message).
"""


@dataclass(frozen=True)
class WorkerSettings:
    """Folders and device that workers use.

    Attributes
    ----------
    base
        Folder of the study file. Relative paths start from it.
    store
        Folder of the store.
    device
        Device to compute on.
    registration
        Hash of the study's registration, kept with each result; empty if there is none.
    """

    base: Path
    store: Path
    device: str = "cpu"
    registration: str = ""
    checkpoint_s: float = 60.0
    """Seconds between two checkpoints during training."""


class Executor(Protocol):
    """A function that measures runs somewhere and commits them to the store."""

    def __call__(
        self,
        runs: Sequence[Run],
        sessions: Sequence[Session],
        settings: WorkerSettings,
        *,
        on_event: Callable[[Event], None],
    ) -> dict[str, str]:
        """Measure runs.

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
        """


@dataclass(frozen=True)
class JobOutcome:
    """The outcome of a job that was handed to a worker.

    Attributes
    ----------
    undone
        Keys of the runs that were not committed.
    message
        Why they were not committed.
    stopped
        Whether the worker ended only because it was told to stop.
    fatal
        Whether trying again is useless, because the store cannot be written to.
    """

    undone: list[str]
    message: str
    stopped: bool
    fatal: bool = False


@dataclass(frozen=True)
class Task:
    """A stack to be measured, with the number of tries left.

    Attributes
    ----------
    stack
        Runs of one session and one architecture.
    tries
        How often it may still be handed out.
    """

    stack: Stack
    tries: int = TRIES

    def left(self, undone: Sequence[Run]) -> "Task":
        """Return the same task with only the given runs, those not yet done."""
        return Task(Stack(self.stack.session, tuple(undone)), self.tries)

    def after(
        self, outcome: JobOutcome, lost: dict[str, str], tell: Callable[[Event], None]
    ) -> list["Task"]:
        """Decide what to hand out again after a task came back.

        Parameters
        ----------
        outcome
            The outcome of the task.
        lost
            Reasons for lost runs, by key. Runs that may not be tried again are added.
        tell
            Called with the event `lost` if runs are added.

        Returns
        -------
        again
            The rest of the task if the worker was only asked to stop, otherwise the two
            halves of that rest; empty if nothing is left to try.
        """
        if not outcome.undone:
            return []
        left = self.left([run for run in self.stack.runs if run.key() in outcome.undone])
        again = [left] if outcome.stopped else left.again()
        if not again:
            lost.update(dict.fromkeys(outcome.undone, outcome.message))
            tell({"event": "lost", "runs": len(outcome.undone), "message": outcome.message})
        return again

    def again(self) -> list["Task"]:
        """Split the task in halves after a worker died on it.

        So a run that kills its worker takes ever fewer other runs with it. The result is
        empty if no tries are left.
        """
        return (
            [Task(half, self.tries - 1) for half in self.stack.halves()] if self.tries > 1 else []
        )


class Jobs:
    """Converts stacks to the jobs that `invariance_probe.worker` reads.

    Parameters
    ----------
    sessions
        The sessions of the runs; they say where recordings come from.
    settings
        Folders and device.
    """

    def __init__(self, sessions: Sequence[Session], settings: WorkerSettings) -> None:
        self._sources = {
            session.name: session.source.model_dump(mode="json") for session in sessions
        }
        self._settings = settings

    def of(self, stack: Stack) -> dict[str, Any]:
        """Convert a stack to a job.

        Parameters
        ----------
        stack
            Runs of one session and one architecture.

        Returns
        -------
        job
            Plain JSON data: the runs, the sources of their recording and of the other
            sessions that they read, folders and device.
        """
        return {
            "runs": [run.model_dump(mode="json") for run in stack.runs],
            "source": self._sources[stack.session],
            "session": stack.session,
            "others": {
                other.name: self._sources[other.name]
                for run in stack.runs
                for other in run.others()
            },
            "base": str(self._settings.base),
            "store": str(self._settings.store),
            "device": self._settings.device,
            "registration": self._settings.registration,
            "checkpoint_s": self._settings.checkpoint_s,
        }
