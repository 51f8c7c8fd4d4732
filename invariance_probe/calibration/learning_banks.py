"""Simulated codes and recipes on which findings of learning are calibrated.

A cell is one simulated code; its bank is many sessions of that code, from which studies
are later drawn. Every session is trained under the recipes of the default panel, and
under further recipes that are held out of it. Verdicts from the panel can then be
checked against what other sound recipes find, and the gate `trained` against a recipe
that is trained too little. In: SSL methods and the number of sessions. Out: studies
that declare the sessions and recipes. Nothing is judged here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from invariance_probe.calibration.banks import DOSE, DROPOUT, MARGIN, SEED
from invariance_probe.calibration.phase_map import CELLS as CODES
from invariance_probe.calibration.phase_map import Cell
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import EncoderExamination, RelianceMeasurement, TrainedModel
from invariance_probe.plan.run import Run
from invariance_probe.study.panel import DECLARED, LONGER, OTHER, WIDER
from invariance_probe.study.study import Study

NAMES = (
    "weak-15", "strong-15", "weak-6", "strong-6", "weak-30", "strong-30",
    "weak-1", "strong-1", "weak-60", "strong-60", "copies", "common-noise",
)  # fmt: skip
"""Cells of the phase map (`phase_map.py`) that learning is calibrated on."""
REDUNDANT = Cell(
    "redundant",
    "120 of 120, J = 16",
    {"units": 120, "carriers": 120, "information": 16.0, "carrier_counts": None},
)
"""A highly redundant code, which most studies should call `invariant`."""
CELLS: tuple[Cell, ...] = (
    *(next(cell for cell in CODES if cell.name == name) for name in NAMES),
    REDUNDANT,
)
"""All cells, in the order in which they are measured.

Cells near the border between two verdicts come first.
"""
POWERS = {
    "weak-1": ("sensitive",),
    "strong-1": ("sensitive",),
    "weak-60": ("tolerated",),
    "redundant": ("invariant",),
}
"""Verdict that at least .8 of studies of six sessions should give, by cell."""
PANEL = (DECLARED, LONGER, WIDER, OTHER)
"""The recipes of the default panel, under all of which a claim must hold."""


@dataclass(frozen=True)
class HeldOut:
    """A training recipe that is held out of the panel.

    Attributes
    ----------
    name
        Name of the recipe in the study.
    title
        Name of the recipe in tables.
    changes
        Fields of `training` that differ from the declared recipe.
    widths
        Widths of the encoder's layers; empty for those of the declared recipe.
    judges
        Whether verdicts of the panel are checked against this recipe. They are not
        checked against recipes that train too little.
    """

    name: str
    title: str
    changes: Mapping[str, Any]
    widths: tuple[int, ...] = ()
    judges: bool = True

    def recipe(self, method: Mapping[str, Any]) -> dict[str, Any]:
        """Declare this recipe as an entry of a study's `panel`, as plain data.

        Parameters
        ----------
        method
            The study's SSL method, as plain data.
        """
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
"""All recipes outside the panel.

`undertrained-longer` trains 2.5 times as long as `undertrained`, at three times its
learning rate, as the recipe `longer` does with the declared one.
"""
LONGER_OF = {
    DECLARED: LONGER,
    "faster": LONGER,
    "shorter": "faster",
    "undertrained": "undertrained-longer",
}
"""For each recipe on which the gate `trained` is tested, a longer recipe.

The gate compares the two. The longer recipe trains as much longer as the recipe
`longer` of a panel would, at least roughly.
"""
SIZES = {"full": 150, "licence": 40, "quick": 2}
"""Sessions per cell, by size of the calibration."""


def learning_study(
    cell: Cell, method: Mapping[str, Any], other: Mapping[str, Any], sessions: int
) -> Study:
    """Declare the study that trains the sessions of a cell under all recipes.

    Parameters
    ----------
    cell
        The simulated code.
    method, other
        The SSL method of the declared recipe, and that of the recipe `other`, as plain
        data.
    sessions
        Number of sessions.

    Returns
    -------
    study
        A study whose panel holds both the default recipes and the held-out ones.
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
    """Whether a run is needed to judge a session.

    Needed are all arms under every recipe, the A/A control, the finding of the code,
    and the baselines that measure the decodable range R.
    """
    if isinstance(run, EncoderExamination):
        return False
    if run.method.kind == "supervised":
        return run.seed == 0
    return run.method.kind in ("raw", "square_roots", "shift_null", "code") or isinstance(
        run, TrainedModel | RelianceMeasurement
    )


def rounds(plans: Mapping[str, Plan]) -> Iterator[tuple[str, str]]:
    """Yield (cell, session) names in the order in which sessions are trained.

    The cells take turns, so that all banks are about equally large whenever the
    training is stopped.

    Parameters
    ----------
    plans
        Plan of each cell's study, by the name of the cell.
    """
    most = max((len(plan.sessions) for plan in plans.values()), default=0)
    for number in range(most):
        for name, plan in plans.items():
            if number < len(plan.sessions):
                yield name, plan.sessions[number].name
