"""The cells and recipes on which findings of learning are calibrated.

Methods and a size go in; studies whose sessions are the banks come out. Every session
is trained by the panel and by recipes that are held out of it. What the panel says can
then be compared with what other sound recipes find, and a recipe that is trained too
little with one that is not. Nothing is judged here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from invariance_probe.calibration.banks import DOSE, DROPOUT, MARGIN, SEED
from invariance_probe.calibration.phase_map import CELLS as CODES
from invariance_probe.calibration.phase_map import Cell
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run
from invariance_probe.study.panel import DECLARED, LONGER, OTHER, WIDER
from invariance_probe.study.study import Study

NAMES = (
    "weak-15", "strong-15", "weak-6", "strong-6", "weak-30", "strong-30",
    "weak-1", "strong-1", "weak-60", "strong-60", "copies", "common-noise",
)  # fmt: skip
"""Cells of the phase map that learning is calibrated on."""
REDUNDANT = Cell(
    "redundant",
    "120 of 120, J = 16",
    {"units": 120, "carriers": 120, "information": 16.0, "carrier_counts": None},
)
"""A code of which much is kept.

It is the one of science.md 6 that has to be called `invariant`.
"""
CELLS: tuple[Cell, ...] = (
    *(next(cell for cell in CODES if cell.name == name) for name in NAMES),
    REDUNDANT,
)
"""The cells in the order in which each round measures them.

First come those where words change.
"""
POWERS = {
    "weak-1": ("sensitive",),
    "strong-1": ("sensitive",),
    "weak-60": ("tolerated",),
    "redundant": ("invariant",),
}
"""Words that six sessions must find in at least .8 of studies."""
PANEL = (DECLARED, LONGER, WIDER, OTHER)
"""The recipes that a verdict rests on."""


@dataclass(frozen=True)
class HeldOut:
    """A recipe that is held out of the panel.

    Attributes
    ----------
    name
        Its name as a recipe.
    title
        Its name in tables.
    changes
        What it changes of the declared training.
    widths
        Widths of its encoder; empty for those of the declared one.
    judges
        Whether words that the panel printed are compared with it. A recipe that trains
        too little judges nothing.
    """

    name: str
    title: str
    changes: Mapping[str, Any]
    widths: tuple[int, ...] = ()
    judges: bool = True

    def recipe(self, method: Mapping[str, Any]) -> dict[str, Any]:
        """Declare it as a recipe of a study's own panel."""
        own = (
            {"method": {**method, "encoder": {"kind": "mlp", "widths": list(self.widths)}}}
            if self.widths
            else {}
        )
        return {"name": self.name, "training": dict(self.changes), **own}


HELD_OUT: tuple[HeldOut, ...] = (
    HeldOut("batch-512", "batches of 512", {"batch_size": 512}),
    HeldOut(
        "larger",
        "128-128-32, lr 6e-3, 700 steps",
        {"learning_rate": 6e-3, "steps": 700},
        (128, 128, 32),
    ),
    HeldOut("faster", "lr 9e-3, 500 steps", {"learning_rate": 9e-3, "steps": 500}),
    HeldOut("shorter", "lr 3e-3, 250 steps", {"steps": 250}),
    HeldOut(
        "undertrained", "lr 1e-3, 250 steps", {"learning_rate": 1e-3, "steps": 250}, judges=False
    ),
    HeldOut("undertrained-longer", "lr 3e-3, 625 steps", {"steps": 625}, judges=False),
)
"""The recipes outside the panel.

The last is what `longer` makes of the one before it.
"""
LONGER_OF = {
    DECLARED: LONGER,
    "faster": LONGER,
    "shorter": "faster",
    "undertrained": "undertrained-longer",
}
"""For each recipe that the gate `trained` is tried on, a longer one.

It trains as much longer as the `longer` of its own panel would, or nearly.
"""
SIZES = {"full": 150, "licence": 40, "quick": 2}
"""Sessions of every cell."""


def learning_study(
    cell: Cell, method: Mapping[str, Any], other: Mapping[str, Any], sessions: int
) -> Study:
    """The study whose sessions are the first ones of a cell's bank.

    Parameters
    ----------
    cell
        The cell.
    method, other
        The declared method, and the method of the recipe `other`, as plain data.
    sessions
        Number of sessions.

    Returns
    -------
    study
        With the panel and the held-out recipes as its own panel.
    """
    world = {
        "kind": "simulated",
        "generator": "carriers",
        "seed": SEED,
        "session": cell.name,
        "group": cell.name,
    }
    margin = {"fraction_of_range": MARGIN, "because": "the margin of the quickstart study"}
    hypothesis = {
        "id": cell.name,
        "claim": "none",
        "predicts": "sensitive",
        "axis": DROPOUT,
        "dose": DOSE,
        "margin": margin,
    }
    recipes = [
        {"name": LONGER, "training": {"steps": 1000, "learning_rate": 9e-3}},
        {"name": WIDER, "dimensions": 64},
        {"name": OTHER, "method": dict(other)},
        *(held_out.recipe(method) for held_out in HELD_OUT),
    ]
    return Study.model_validate(
        {
            "name": f"learning-{cell.name}",
            "question": "How often does another sound recipe contradict the verdict?",
            "recordings": [{**world, **cell.world, "sessions": sessions}],
            "target": {"name": "label", "kind": "continuous"},
            "folds": {"scheme": "blocks", "count": 2, "embargo_s": 1.0},
            "method": dict(method),
            "training": {
                "steps": 400,
                "batch_size": 128,
                "learning_rate": 3e-3,
                "seeds": 1,
                "study_seed": 1,
            },
            "views": {
                "base": {"kind": "count_splitting"},
                "transforms": [{"kind": "unit_dropout", "value": "silent"}],
            },
            "axes": [{"path": DROPOUT, "doses": [0, DOSE]}],
            "arms": ["independent", "shared"],
            "hypotheses": [hypothesis],
            "panel": {
                "recipes": recipes,
                "because": "the default panel, and recipes that are held out of it",
            },
        }
    )


def needed_of_learning(run: Run) -> bool:
    """Whether a run bears on a finding.

    These are its own arms under every recipe, the A/A control, the code, and what R is
    measured by.
    """
    if run.examination is not None:
        return False
    if run.method.kind == "supervised":
        return run.seed == 0
    return run.method.kind in ("raw", "square_roots", "shift_null", "code") or (
        run.optimisation is not None and run.method.kind != "supervised"
    )


def rounds(plans: Mapping[str, Plan]) -> Iterator[tuple[str, str]]:
    """Yield cell and session in the order in which they are trained.

    Wherever the training stops, all banks are about equally large.
    """
    most = max((len(plan.sessions) for plan in plans.values()), default=0)
    for number in range(most):
        for name, plan in plans.items():
            if number < len(plan.sessions):
                yield name, plan.sessions[number].name
