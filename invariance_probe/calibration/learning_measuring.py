"""Train the sessions on which findings of learning are calibrated.

A cell is one simulated code; its bank is the sessions that were trained for it. In: the
size of the calibration. Out: the bank of each cell. Sessions are read from the table
of earlier sessions or from the run store if they are there, and trained otherwise. The
cells take turns, one session each. Nothing is counted here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invariance_probe.calibration.bench import CalibrationBench
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
    bench: CalibrationBench,
    size: str,
    method: Mapping[str, Any],
    other: Mapping[str, Any],
    kept: Path,
) -> dict[str, LearningBank]:
    """Train the sessions that are missing, and return the bank of each cell.

    Parameters
    ----------
    bench
        The store and the workers.
    size
        Size of the calibration, a key of `learning_banks.SIZES`.
    method, other
        The SSL method of the declared recipe, and that of the recipe `other`, as plain
        data.
    kept
        CSV table of sessions that were trained earlier. It is read first, and written
        again at the end with the new sessions.

    Returns
    -------
    banks
        Bank of each cell, by the name of the cell.
    """
    plans = {}
    for cell in CELLS:
        study = learning_study(cell, method, other, SIZES[size])
        plans[cell.name] = Plan(study, find_sessions(study, bench.settings.base))
    sessions = _sessions(plans)
    table = SessionTable(kept)
    for session in sessions:
        if session not in table:
            runs = list(session.runs.values())
            bench.measure_missing(
                f"learning, {session.session}", runs, plans[session.cell].sessions
            )
    banks = {}
    for name, plan in plans.items():
        own = [session for session in sessions if session.cell == name]
        table.add(own, plan, bench.store)
        banks[name] = learning_bank([values for one in own if (values := table.values_of(one))])
    table.write(sessions)
    return banks


def _sessions(plans: Mapping[str, Plan]) -> list[SessionOfCell]:
    """List all sessions of all cells in the order in which they are trained."""
    runs: dict[tuple[str, str], dict[str, Run]] = {}
    for name, plan in plans.items():
        for run in (*plan.baselines, *plan.grid):
            if needed_of_learning(run):
                runs.setdefault((name, run.session), {})[run.key()] = run
    return [SessionOfCell(name, session, runs[name, session]) for name, session in rounds(plans)]
