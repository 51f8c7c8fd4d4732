"""What goes to a worker: a stack as a job, where it reads and writes, and how often it is tried."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from invariance_probe.executors.stacks import Stack
from invariance_probe.plan.run import Run
from invariance_probe.study.session import Session

TRIES = 3
"""How often a stack, or a half of it, is handed out."""
GO_ON_LATER = 75
"""Exit code of a worker that was asked to end: nothing was wrong, and what it trained is kept."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Environment of a worker."""

Event = dict[str, Any]
"""What a worker says: `progress` (model_steps), `committed` (key, status), `damaged` (message), `error` (message, fatal), `stopped`,
`stack_done`; and what is said beside: `stage`, `lost` (runs, message), `note` (message)."""


@dataclass(frozen=True)
class Place:
    """Where runs read and write: the study's folder, the store and the device; and the registration that they carry."""

    base: Path
    store: Path
    device: str = "cpu"
    registration: str = ""
    checkpoint_s: float = 60.0
    """Seconds between two checkpoints of a training."""


class Executor(Protocol):
    """Measures runs somewhere and commits them to the store."""

    def __call__(
        self,
        runs: Sequence[Run],
        sessions: Sequence[Session],
        place: Place,
        *,
        on_event: Callable[[Event], None],
    ) -> dict[str, str]:
        """Return why runs were lost, by key; `on_event` is called from one thread at a time."""


@dataclass(frozen=True)
class Handed:
    """What came of a job: keys that were not committed, why, whether the worker was only asked to end, and whether no other can do better."""

    undone: list[str]
    message: str
    stopped: bool
    fatal: bool = False


@dataclass(frozen=True)
class Task:
    """A stack that is to be measured, and how often it may still be handed out."""

    stack: Stack
    tries: int = TRIES

    def left(self, undone: Sequence[Run]) -> "Task":
        """Return the same task with what it has not done."""
        return Task(Stack(self.stack.session, tuple(undone)), self.tries)

    def after(
        self, handed: Handed, lost: dict[str, str], tell: Callable[[Event], None]
    ) -> list["Task"]:
        """Return what is handed out next of a task that came back; what was tried often enough is noted as lost, and told."""
        if not handed.undone:
            return []
        left = self.left([run for run in self.stack.runs if run.key() in handed.undone])
        again = [left] if handed.stopped else left.again()
        if not again:
            lost.update(dict.fromkeys(handed.undone, handed.message))
            tell({"event": "lost", "runs": len(handed.undone), "message": handed.message})
        return again

    def again(self) -> list["Task"]:
        """Return what is handed out after a worker died on it: halves, so that a run that takes its worker down takes few others along."""
        return (
            [Task(half, self.tries - 1) for half in self.stack.halves()] if self.tries > 1 else []
        )


class Jobs:
    """Writes stacks as the jobs that `invariance_probe.worker` reads.

    Parameters
    ----------
    sessions
        Say where recordings come from.
    place
        Folders and device.
    """

    def __init__(self, sessions: Sequence[Session], place: Place) -> None:
        self._sources = {
            session.name: session.source.model_dump(mode="json") for session in sessions
        }
        self._place = place

    def of(self, stack: Stack) -> dict[str, Any]:
        """Return a stack's job as plain JSON data."""
        return {
            "runs": [run.model_dump(mode="json") for run in stack.runs],
            "source": self._sources[stack.session],
            "session": stack.session,
            "base": str(self._place.base),
            "store": str(self._place.store),
            "device": self._place.device,
            "registration": self._place.registration,
            "checkpoint_s": self._place.checkpoint_s,
        }
