"""Stacks: runs that are handed to a worker together.

In: runs. Out: stacks of one session and one architecture, the costliest first. The models
of a stack are trained at the same time. Costs are rough and decide only the order of the
queue. Nothing is run here.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from invariance_probe.plan.price import updates
from invariance_probe.plan.roles import EncoderExamination, GradientRun, RelianceMeasurement
from invariance_probe.plan.run import Run

STACK = 16
"""Most trained models in one stack.

Larger stacks train no faster on a CPU, and with smaller ones less is lost if a worker
dies.
"""

_ROUGH_COST = {
    "shift_null": 400, "raw": 30, "pca": 10, "linear_ssl": 10, "untrained": 10, "persistence": 1,
    "code": 200, "test_lag": 50, "circular_null": 800, "session_null": 400, "pseudo_null": 800,
    "leak": 200, "shared_dimensions": 400, "messengers": 600, "mined_pairs": 700,
    "square_roots": 30,
}  # fmt: skip
"""Rough cost of runs that train no network, in update steps of an SSL model.

Kinds of runs that are not listed cost 10 steps.
"""
_STEP_COST = {"supervised": 0.2}
"""Cost of one update step, relative to that of an SSL model."""
_UNITS = 100
"""Typical number of units of a session, for the cost of removing each unit."""
_EXAMINED = 10
"""Rough cost of testing a stored encoder (an examination), in update steps."""


@dataclass(frozen=True)
class Stack:
    """Runs of one session and one architecture that a worker measures together.

    Attributes
    ----------
    session
        Name of the session.
    runs
        The runs.
    """

    session: str
    runs: tuple[Run, ...]

    @property
    def cost(self) -> float:
        """Rough cost of all runs, in update steps of an SSL model."""
        return sum(_cost(run) for run in self.runs)

    def halves(self) -> tuple["Stack", ...]:
        """Split the stack in two; a single run stays whole."""
        middle = (len(self.runs) + 1) // 2
        return tuple(
            Stack(self.session, part) for part in (self.runs[:middle], self.runs[middle:]) if part
        )


def make_stacks(runs: Iterable[Run], size: int = STACK) -> list[Stack]:
    """Group runs by session and architecture into stacks, the costliest first.

    All examinations (tests) of one stored encoder count as one model and stay together, so
    that the encoder is loaded and its probe fitted only once.

    Parameters
    ----------
    runs
        The runs to measure.
    size
        Largest number of models per stack.
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

    Every run that trains is a model of its own. All examinations (tests) of one stored
    encoder are one model.
    """
    models: dict[str, list[Run]] = {}
    for i, run in enumerate(runs):
        model = run.train_key() if isinstance(run, EncoderExamination) else str(i)
        models.setdefault(model, []).append(run)
    return list(models.values())


def _near_equal_parts(models: list[list[Run]], size: int) -> list[list[list[Run]]]:
    """Split models into the fewest parts of at most `size`, of near-equal length."""
    count = -(-len(models) // size)
    return [models[i * len(models) // count : (i + 1) * len(models) // count] for i in range(count)]


def _architecture(run: Run) -> str:
    """Return a string that is identical for runs whose models can share a stack."""
    if isinstance(run, EncoderExamination):
        return f"examined {_architecture(run.model())}"
    if not isinstance(run, GradientRun):
        return run.method.kind
    return json.dumps(
        [run.method.model_dump(mode="json"), run.optimisation.model_dump(mode="json"), run.fraction]
    )


def _cost(run: Run) -> float:
    """Return the rough cost of a run, in update steps of an SSL model."""
    if isinstance(run, EncoderExamination):
        return _EXAMINED
    if isinstance(run, RelianceMeasurement):
        return updates(run, _UNITS)
    if isinstance(run, GradientRun):
        return run.steps * _STEP_COST.get(run.method.kind, 1.0)
    return _ROUGH_COST.get(run.method.kind, 10)
