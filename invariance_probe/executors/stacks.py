"""Stacks: which runs go to a worker together.

In: runs. Out: stacks of one session and one architecture, the costliest first. Costs
are rough and decide only the order of the queue. Nothing is run here.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from invariance_probe.plan.price import updates
from invariance_probe.plan.run import Run
from invariance_probe.study.methods import Reliance

STACK = 16
"""Most trained models in one stack.

More models no longer gain speed on a CPU, and with fewer models less is lost when a
worker dies.
"""

_ROUGH_COST = {
    "shift_null": 400, "raw": 30, "pca": 10, "linear_ssl": 10, "untrained": 10, "persistence": 1,
    "code": 200, "test_lag": 50, "circular_null": 800, "session_null": 400, "pseudo_null": 800,
    "leak": 200, "shared_dimensions": 400, "messengers": 600, "mined_pairs": 700,
    "square_roots": 30,
}  # fmt: skip
"""Cost of a run without gradient, in update steps, for the order of the queue only."""
_STEP_COST = {"supervised": 0.2}
"""Cost of one update step, relative to that of an SSL model."""
_UNITS = 100
"""Rough number of units of a session, for the cost of an attack on all of them."""
_EXAMINED = 10
"""Cost of an examination, in update steps, for the order of the queue only."""


@dataclass(frozen=True)
class Stack:
    """Runs of one session that a worker takes together.

    Attributes
    ----------
    session
        Name of their session.
    runs
        The runs, of one architecture.
    """

    session: str
    runs: tuple[Run, ...]

    @property
    def cost(self) -> float:
        """Rough cost in update steps of an SSL model."""
        return sum(_cost(run) for run in self.runs)

    def halves(self) -> tuple["Stack", ...]:
        """Split the stack in two; a single run stays whole."""
        middle = (len(self.runs) + 1) // 2
        return tuple(
            Stack(self.session, part) for part in (self.runs[:middle], self.runs[middle:]) if part
        )


def make_stacks(runs: Iterable[Run], size: int = STACK) -> list[Stack]:
    """Group runs by session and architecture into stacks, the costliest first.

    Examinations are counted by the encoders that they examine, and those of one encoder
    stay together, so that an encoder is loaded and its probe fitted only once.

    Parameters
    ----------
    runs
        The runs to measure.
    size
        Most models per stack.
    """
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.session, _architecture(run)), []).append(run)
    stacks = [
        Stack(session, tuple(run for item in part for run in item))
        for (session, _), together in grouped.items()
        for part in _near_equal_parts(_models(together), size)
    ]
    return sorted(stacks, key=lambda stack: -stack.cost)


def _models(runs: list[Run]) -> list[list[Run]]:
    """Group runs by model.

    A trained run is a model of its own. The examinations of one encoder are one model.
    """
    models: dict[str, list[Run]] = {}
    for i, run in enumerate(runs):
        models.setdefault(run.train_key() if run.examination is not None else str(i), []).append(
            run
        )
    return list(models.values())


def _near_equal_parts(models: list[list[Run]], size: int) -> list[list[list[Run]]]:
    """Split models into the fewest parts of at most `size`, of near-equal length."""
    count = -(-len(models) // size)
    return [models[i * len(models) // count : (i + 1) * len(models) // count] for i in range(count)]


def _architecture(run: Run) -> str:
    """Key that runs of one stack have in common."""
    examined = "examined " if run.examination is not None else ""
    if run.optimisation is None:
        return examined + run.method.kind
    return examined + json.dumps(
        [run.method.model_dump(mode="json"), run.optimisation.model_dump(mode="json"), run.fraction]
    )


def _cost(run: Run) -> float:
    """Rough cost of a run in update steps."""
    if run.examination is not None:
        return _EXAMINED
    if isinstance(run.method, Reliance):
        return updates(run, _UNITS)
    if run.optimisation is None:
        return _ROUGH_COST.get(run.method.kind, 10)
    return run.optimisation.steps * _STEP_COST.get(run.method.kind, 1.0)
