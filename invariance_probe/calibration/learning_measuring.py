"""Training the sessions of the learning banks, in rounds over the cells.

Methods and a size go in; the bank of every cell comes out. Only sessions that neither
the table nor the store has are trained.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invariance_probe.calibration.ground import Ground
from invariance_probe.calibration.learning_banks import (
    CELLS,
    SIZES,
    learning_study,
    needed_of_learning,
    rounds,
)
from invariance_probe.calibration.learning_counting import LearningBank, learning_bank
from invariance_probe.calibration.learning_sessions import SessionOfCell, SessionTable
from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.local import run_local
from invariance_probe.plan.plan import Plan


def measured_learning(
    ground: Ground, size: str, method: Mapping[str, Any], other: Mapping[str, Any], kept: Path
) -> dict[str, LearningBank]:
    """Train what is missing, session by session, and gather the banks.

    Parameters
    ----------
    ground
        Where to train; nothing is trained unless `ground.train`.
    size
        A key of `learning_banks.SIZES`.
    method, other
        The declared method, and the method of the recipe `other`, as plain data.
    kept
        Table of the sessions that have been trained. It is read first and written last.

    Returns
    -------
    banks
        By the cell's name.
    """
    sessions = _sessions(ground, size, method, other)
    table = SessionTable(kept)
    if ground.train:
        for session in sessions:
            if session not in table:
                _train(ground, session)
    values = {(each.cell, each.session): table.values_of(each, ground.store) for each in sessions}
    table.write(sessions)
    return {
        cell.name: learning_bank(
            [found for (name, _), found in values.items() if name == cell.name and found]
        )
        for cell in CELLS
    }


def _sessions(
    ground: Ground, size: str, method: Mapping[str, Any], other: Mapping[str, Any]
) -> list[SessionOfCell]:
    """Every session of every cell, in the order in which they are trained."""
    plans = {}
    for cell in CELLS:
        study = learning_study(cell, method, other, SIZES[size])
        plans[cell.name] = Plan(study, find_sessions(study, ground.place.base))
    runs: dict[tuple[str, str], dict[str, Any]] = {}
    for name, plan in plans.items():
        for run in (*plan.baselines, *plan.grid):
            if needed_of_learning(run):
                runs.setdefault((name, run.session), {})[run.key()] = run
    return [
        SessionOfCell(name, session, plans[name], runs[name, session])
        for name, session in rounds(plans)
    ]


def _train(ground: Ground, session: SessionOfCell) -> None:
    """Train the runs of one session that the store lacks."""
    missing = [run for key, run in session.runs.items() if not ground.store.has(key)]
    if missing:
        ground.on_event(
            {
                "event": "stage",
                "stage": f"learning, {session.session}",
                "runs": len(missing),
                "reused": len(session.runs) - len(missing),
                "model_steps": sum(run.steps for run in missing),
            }
        )
        run_local(missing, session.plan.sessions, ground.place, ground.workers, ground.on_event)
