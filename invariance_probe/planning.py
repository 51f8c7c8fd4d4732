"""From a study file to its plan, and to what the store has of it; light, so that `status` answers at once."""

from pathlib import Path

from invariance_probe.data.sessions import find_sessions, plant_sessions, recording_problems
from invariance_probe.errors import StudyError
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


def read_statuses(file: StudyFile, runs_root: Path) -> tuple[Plan, dict[str, str], dict[str, str]]:
    """Return a study's plan, the status of what the store has of it, and what is wrong with damaged results, by key."""
    plan = make_plan(file)
    return (plan, *Store(runs_root).statuses(plan.runs))
