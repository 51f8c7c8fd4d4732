"""From a study file to its plan, and to what the store has of it; light, so that `status` answers at once."""

from dataclasses import dataclass, replace
from pathlib import Path

from invariance_probe.data.sessions import find_sessions, plant_sessions, recording_problems
from invariance_probe.errors import StudyError
from invariance_probe.kernels.build import why_unavailable
from invariance_probe.results.store import Store
from invariance_probe.study.load import StudyFile
from invariance_probe.study.plan import Plan


def make_plan(file: StudyFile) -> Plan:
    """Check a study's recordings and return its plan.

    Raises
    ------
    StudyError
        With one line for every problem, each with its place in the study file.
    """
    problems = recording_problems(file.study, file.base)
    if problems:
        raise StudyError("\n".join(file.line(*problem) for problem in problems))
    sessions = find_sessions(file.study, file.base)
    return Plan(file.study, sessions, plant_sessions(file.study, sessions, file.base))


def with_kernels(file: StudyFile, store: Store) -> tuple[StudyFile, str]:
    """Return a study as it is computed on this machine, and why that is not as it asks; torch computes where kernels cannot be built.

    A study asks for native kernels with `training.kernels`. Their rounding is their own, so one study never mixes the two: where the store
    has runs by native kernels, from another machine, the study stays as it is.
    """
    if file.study.training.kernels != "native" or not (reason := why_unavailable()):
        return file, ""
    if any(store.has(run.key()) for run in make_plan(file).grid):
        return file, ""
    training = file.study.training.model_copy(update={"kernels": "torch"})
    changed = replace(file, study=file.study.model_copy(update={"training": training}))
    return changed, f"training.kernels is 'native', but the kernels cannot be built here ({reason}): torch computes instead"


@dataclass(frozen=True)
class Stock:
    """How much of a plan, up to some number of seeds, a store has: made by this study or by any other.

    Attributes
    ----------
    seeds
        Of every session.
    runs, stored
        Distinct runs, and those of them that are in the store.
    model_steps, left
        Update steps of all these models, and of those that are not in the store.
    """

    seeds: int
    runs: int
    stored: int
    model_steps: int
    left: int


def stock(plan: Plan, runs_root: Path) -> list[Stock]:
    """Return what a store has of a plan at every look at its seeds; one where their number is fixed."""
    store = Store(runs_root)
    steps = {run.key(): run.steps for run in plan.runs}
    missing = {key for key in steps if not store.has(key)}
    found = []
    for seeds in plan.looks:
        keys = [key for key in steps if key not in plan.seeded or plan.turn(plan.seeded[key]) < seeds]
        left = [key for key in keys if key in missing]
        found.append(
            Stock(seeds, len(keys), len(keys) - len(left), sum(steps[key] for key in keys), sum(steps[key] for key in left))
        )
    return found


def read_statuses(file: StudyFile, runs_root: Path) -> tuple[Plan, dict[str, str], dict[str, str]]:
    """Return a study's plan, the status of what the store has of it, and what is wrong with damaged results, by key."""
    store = Store(runs_root)
    plan = make_plan(with_kernels(file, store)[0])
    return (plan, *store.statuses(plan.runs))
