"""From a study file to its plan, and to what the store has of it; light, so that `status` answers at once."""

from dataclasses import dataclass, replace
from pathlib import Path

from invariance_probe.data.problems import recording_problems
from invariance_probe.data.sessions import find_sessions, plant_sessions
from invariance_probe.errors import StudyError
from invariance_probe.kernels.build import why_unavailable
from invariance_probe.plan.cautions import cautions
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.recipes import panel_problems
from invariance_probe.plan.settings import settings_of
from invariance_probe.results.store import Store
from invariance_probe.study.load import StudyFile
from invariance_probe.study.study import Study


def make_plan(file: StudyFile) -> Plan:
    """Check a study's recordings and return its plan.

    Raises
    ------
    StudyError
        With one line for every problem, each with its place in the study file.
    """
    problems = recording_problems(file.study, file.base)
    if problems:
        problems += panel_problems(file.study, settings_of(file.study)[0], _declared(file.study))
        raise StudyError("\n".join(file.line(*problem) for problem in problems))
    sessions = find_sessions(file.study, file.base)
    plan = Plan(file.study, sessions, plant_sessions(file.study, sessions, file.base))
    counts = {hypothesis.id: len(plan.covered(hypothesis)) for hypothesis in file.study.hypotheses}
    problems = list(panel_problems(file.study, plan.settings[0], counts))
    if problems:
        raise StudyError("\n".join(file.line(*problem) for problem in problems))
    return plan


def _declared(study: Study) -> dict[str, int]:
    """Return how many sessions every hypothesis is about by its declaration, where not all can be read."""
    sizes = [(one.group, getattr(one, "sessions", 1)) for one in study.recordings]
    return {
        hypothesis.id: sum(n for group, n in sizes if hypothesis.group in (None, group))
        for hypothesis in study.hypotheses
    }


def warnings(file: StudyFile, plan: Plan) -> list[str]:
    """Return every caution about a study as a line that names its place."""
    return [f"warning: {file.line(*caution)}" for caution in cautions(plan)]


def with_kernels(file: StudyFile, store: Store, device: str = "cpu") -> tuple[StudyFile, str]:
    """Return a study as it is computed on this machine, and why that is not as it asks; torch computes where kernels cannot.

    A study asks for native kernels with `training.kernels`. Their rounding is their own, so one study never mixes the two: where the store
    has trainings by native kernels, from another machine, the study stays as it is.
    """
    if file.study.training.kernels != "native":
        return file, ""
    unbuilt = why_unavailable() if device == "cpu" else ""
    reason = (
        f"the kernels cannot be built here ({unbuilt})"
        if unbuilt
        else f"they are for the CPU, and the device is {device!r}"
    )
    if (device == "cpu" and not unbuilt) or _begun(make_plan(file), store):
        return file, ""
    return replace(
        file, study=_by_torch(file.study)
    ), f"training.kernels is 'native', but {reason}: torch computes instead"


def stored_plan(file: StudyFile, store: Store) -> Plan:
    """Return the plan of a study as the store has it: by torch where that stood in for native kernels, here or on another machine."""
    plan = make_plan(file)
    if file.study.training.kernels != "native" or _begun(plan, store):
        return plan
    by_torch = replace(plan, study=_by_torch(plan.study))
    return by_torch if _begun(by_torch, store) or why_unavailable() else plan


def _begun(plan: Plan, store: Store) -> bool:
    """Say whether the store has a training of the grid; what has a closed form is the same by any kernels."""
    return any(run.optimisation is not None and store.has(run.key()) for run in plan.grid)


def _by_torch(study: Study) -> Study:
    return study.model_copy(
        update={"training": study.training.model_copy(update={"kernels": "torch"})}
    )


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
        keys = [
            key for key in steps if key not in plan.seeded or plan.turn(plan.seeded[key]) < seeds
        ]
        left = [key for key in keys if key in missing]
        found.append(
            Stock(
                seeds,
                len(keys),
                len(keys) - len(left),
                sum(steps[key] for key in keys),
                sum(steps[key] for key in left),
            )
        )
    return found


def read_statuses(file: StudyFile, runs_root: Path) -> tuple[Plan, dict[str, str], dict[str, str]]:
    """Return a study's plan, the status of what the store has of it, and what is wrong with damaged results, by key."""
    store = Store(runs_root)
    plan = stored_plan(file, store)
    return (plan, *store.statuses(plan.runs))
