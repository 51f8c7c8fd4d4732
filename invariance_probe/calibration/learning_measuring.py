"""Train the sessions of learning's banks, in rounds over the cells.

A size goes in; the bank of every cell comes out. Only those sessions are trained that
neither the table of earlier sessions nor the run store has. Nothing is counted here.
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
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.run import Run


def measured_learning(
    ground: Ground, size: str, method: Mapping[str, Any], other: Mapping[str, Any], kept: Path
) -> dict[str, LearningBank]:
    """Train what is missing, session after session, and return every bank.

    Parameters
    ----------
    ground
        Where the sessions are trained.
    size
        A key of `SIZES`.
    method, other
        The declared method, and that of the recipe `other`.
    kept
        Table of the sessions that have been trained, which is read first and written
        last.

    Returns
    -------
    banks
        Bank of every cell, by name.
    """
    plans = {}
    for cell in CELLS:
        study = learning_study(cell, method, other, SIZES[size])
        plans[cell.name] = Plan(study, find_sessions(study, ground.place.base))
    sessions = _sessions(plans)
    table = SessionTable(kept)
    for session in sessions:
        if session not in table:
            runs = list(session.runs.values())
            ground.make(f"learning, {session.session}", runs, plans[session.cell].sessions)
    banks = {}
    for name, plan in plans.items():
        own = [session for session in sessions if session.cell == name]
        table.add(own, plan, ground.store)
        banks[name] = learning_bank([values for one in own if (values := table.values_of(one))])
    table.write(sessions)
    return banks


def _sessions(plans: Mapping[str, Plan]) -> list[SessionOfCell]:
    """Every session of every cell, in the order in which they are trained."""
    runs: dict[tuple[str, str], dict[str, Run]] = {}
    for name, plan in plans.items():
        for run in (*plan.baselines, *plan.grid):
            if needed_of_learning(run):
                runs.setdefault((name, run.session), {})[run.key()] = run
    return [SessionOfCell(name, session, runs[name, session]) for name, session in rounds(plans)]
