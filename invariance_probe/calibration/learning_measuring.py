"""Training the sessions of the learning bank in rounds over the cells, as far as the store lacks them."""

from collections.abc import Mapping
from typing import Any

from invariance_probe.calibration.ground import Ground, measured
from invariance_probe.calibration.learning_banks import CELLS, SIZES, learning_study, needed_of_learning, rounds
from invariance_probe.calibration.learning_counting import LearningBank, learning_bank
from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.local import run_local
from invariance_probe.study.plan import Plan
from invariance_probe.study.run import Run


def measured_learning(ground: Ground, size: str, method: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, LearningBank]:
    """Train what the store lacks, one session of a cell after the other, and return the bank of every cell.

    Parameters
    ----------
    method, other
        The declared method, and that of the recipe `other`.
    """
    plans = {}
    for cell in CELLS:
        study = learning_study(cell, method, other, SIZES[size])
        plans[cell.name] = Plan(study, find_sessions(study, ground.place.base))
    runs = {name: [run for run in (*plan.baselines, *plan.grid) if needed_of_learning(run)] for name, plan in plans.items()}
    if ground.train:
        _train(ground, plans, runs)
    return {name: learning_bank(measured(plan, ground.store.results(runs[name]))) for name, plan in plans.items()}


def _train(ground: Ground, plans: Mapping[str, Plan], runs: Mapping[str, list[Run]]) -> None:
    of_session: dict[tuple[str, str], dict[str, Run]] = {}
    for name, planned in runs.items():
        for run in planned:
            of_session.setdefault((name, run.session), {})[run.key()] = run
    for name, session in rounds(plans):
        wanted = of_session[name, session]
        missing = [run for key, run in wanted.items() if not ground.store.has(key)]
        if missing:
            steps = sum(run.steps for run in missing)
            event = {
                "event": "stage",
                "stage": f"learning, {session}",
                "runs": len(missing),
                "reused": len(wanted) - len(missing),
            }
            ground.on_event({**event, "model_steps": steps})
            run_local(missing, plans[name].sessions, ground.place, ground.workers, ground.on_event)
