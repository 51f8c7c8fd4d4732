"""Jobs: what a worker is given, where it reads and writes, and retries.

In: stacks of runs and their sessions. Out: jobs as plain JSON data, and what is handed
out again after a worker came back without results. No process is started here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from invariance_probe.executors.stacks import Stack
from invariance_probe.plan.run import Run
from invariance_probe.study.session import Session

TRIES = 3
"""How often a run is handed out, in its stack and then in halves of it."""
GO_ON_LATER = 75
"""Exit code of a worker that was asked to end.

Nothing was wrong, and what it has trained so far is kept.
"""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Environment variables of a worker: numerical libraries use one thread."""

Event = dict[str, Any]
"""A message about the progress of runs; the key `event` holds its kind.

A worker sends `progress` (model_steps), `committed` (key, status), `damaged` (message),
`error` (message, fatal), `stopped` and `stack_done`. Executors and the runner add
`stage`, `lost` (runs, message) and `note` (message).
"""


@dataclass(frozen=True)
class Place:
    """Where runs read and write.

    Attributes
    ----------
    base
        Folder of the study file. Relative paths start from it.
    store
        Folder of the store.
    device
        Device to compute on.
    registration
        The registration that every result carries; empty where there is none.
    """

    base: Path
    store: Path
    device: str = "cpu"
    registration: str = ""
    checkpoint_s: float = 60.0
    """Seconds between two checkpoints of a training."""


class Executor(Protocol):
    """A function that measures runs somewhere and commits them to the store."""

    def __call__(
        self,
        runs: Sequence[Run],
        sessions: Sequence[Session],
        place: Place,
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
        place
            Folders and device.
        on_event
            Called with every event, from one thread at a time.

        Returns
        -------
        The reason why a run was lost, by the run's key.
        """


@dataclass(frozen=True)
class Handed:
    """The outcome of a job.

    Attributes
    ----------
    undone
        Keys of the runs that were not committed.
    message
        Why they were not committed.
    stopped
        Whether the worker was only asked to end.
    fatal
        Whether no other worker can do better, because the store cannot be written.
    """

    undone: list[str]
    message: str
    stopped: bool
    fatal: bool = False


@dataclass(frozen=True)
class Task:
    """A stack to be measured.

    Attributes
    ----------
    stack
        The stack.
    tries
        How often it may still be handed out.
    """

    stack: Stack
    tries: int = TRIES

    def left(self, undone: Sequence[Run]) -> "Task":
        """Make the same task with only the runs that are not done."""
        return Task(Stack(self.stack.session, tuple(undone)), self.tries)

    def after(
        self, handed: Handed, lost: dict[str, str], tell: Callable[[Event], None]
    ) -> list["Task"]:
        """Decide what to hand out after a task came back.

        Parameters
        ----------
        handed
            The outcome of the task.
        lost
            Reasons for lost runs, by key. Runs that were tried often enough are added.
        tell
            Called with the event `lost` for them.

        Returns
        -------
        The rest of the task as it is, where the worker was only asked to end; otherwise
        its halves; empty where nothing is left to try.
        """
        if not handed.undone:
            return []
        left = self.left([run for run in self.stack.runs if run.key() in handed.undone])
        again = [left] if handed.stopped else left.again()
        if not again:
            lost.update(dict.fromkeys(handed.undone, handed.message))
            tell({"event": "lost", "runs": len(handed.undone), "message": handed.message})
        return again

    def again(self) -> list["Task"]:
        """Split the task in halves after a worker died on it.

        A run that kills its worker then takes few other runs along.
        """
        return (
            [Task(half, self.tries - 1) for half in self.stack.halves()] if self.tries > 1 else []
        )


class Jobs:
    """Writes stacks as the jobs that `invariance_probe.worker` reads.

    Parameters
    ----------
    sessions
        The sessions of the runs; they say where recordings come from.
    place
        Folders and device.
    """

    def __init__(self, sessions: Sequence[Session], place: Place) -> None:
        self._sources = {
            session.name: session.source.model_dump(mode="json") for session in sessions
        }
        self._place = place

    def of(self, stack: Stack) -> dict[str, Any]:
        """Write a stack as a job.

        Parameters
        ----------
        stack
            Runs of one session.

        Returns
        -------
        Plain JSON data: the runs, where their session and the other sessions that they
        read come from, and everything in `Place`.
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
            "base": str(self._place.base),
            "store": str(self._place.store),
            "device": self._place.device,
            "registration": self._place.registration,
            "checkpoint_s": self._place.checkpoint_s,
        }
