"""Make a study's plan, and find what the run store holds of it.

In: a study file and a run store. Out: the plan with its warnings, and how many of its
runs are stored. What recordings hold is looked up in the store, which keeps what was
found when each was opened. Nothing is measured or inferred here, so that `validate` and `status`
answer at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from invariance_probe.data.files import code_sha256, file_of, is_settled, stamp_of
from invariance_probe.data.problems import all_problems, inspect_source
from invariance_probe.errors import DataError, StudyError
from invariance_probe.kernels.build import why_unavailable
from invariance_probe.plan.cautions import cautions
from invariance_probe.plan.inspections import Inspection, design_sha256
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.recipes import panel_problems
from invariance_probe.plan.settings import settings_of
from invariance_probe.results.inspections import Inspections
from invariance_probe.results.store import Store
from invariance_probe.study.declaration import Problem
from invariance_probe.study.load import StudyFile
from invariance_probe.study.recordings import RecordingSource
from invariance_probe.study.study import Study

Tell = Callable[[str], None]
"""Called with a sentence for the user."""


def make_plan(file: StudyFile, store: Store | None = None, absent: Tell | None = None) -> Plan:
    """Check a study's recordings and make its plan.

    Every recording is opened at most once, and one after the other. A recording that the
    store has an inspection of, and that has not changed since, is not opened at all.

    Parameters
    ----------
    file
        The study.
    store
        Where inspections are kept; every recording is opened when left out.
    absent
        Called with a sentence for each recording that is gone, whose last inspection in
        the store stands in for it. When left out, every recording must be there.

    Raises
    ------
    StudyError
        With one line per problem, each with its place in the study file.
    """
    study = file.study
    kept, design = Inspections(store.root) if store else None, design_sha256(study)
    inspected = [
        _inspected(file, index, design, kept, absent) for index in range(len(study.recordings))
    ]
    problems = all_problems(study, [(found.sessions, wrong) for found, wrong in inspected])
    if problems:
        problems += panel_problems(study, settings_of(study)[0], _declared(study))
        raise StudyError("\n".join(file.line(*problem) for problem in problems))
    plan = Plan(
        study,
        tuple(one for i, (found, _) in enumerate(inspected) for one in found.sessions_at(i)),
        tuple(one for found, _ in inspected for one in found.planted()),
    )
    counts = {hypothesis.id: len(plan.covered(hypothesis)) for hypothesis in study.hypotheses}
    problems = list(panel_problems(study, plan.settings[0], counts))
    if problems:
        raise StudyError("\n".join(file.line(*problem) for problem in problems))
    return plan


def _inspected(
    file: StudyFile, index: int, design: str, kept: Inspections | None, absent: Tell | None
) -> tuple[Inspection, list[Problem]]:
    """Look up the inspection of a recording, or open and inspect it.

    Parameters
    ----------
    file
        The study.
    index
        Position of the recording in it.
    design
        Hash of all that checks of recordings may read of it.
    kept
        The stored inspections.
    absent
        Called with a sentence where an inspection stands in for a file that is gone.

    Returns
    -------
    inspection
        What was found. It is stored, unless something is wrong.
    problems
        What is wrong with the recording.
    """
    source, code = file.study.recordings[index], code_sha256()
    try:
        path = file_of(source, file.base)
    except DataError:  # a catalogued file that is nowhere; opening it below says so
        where, gone, stamp = "", True, None
    else:
        where, stamp = str(path or ""), stamp_of(path) if path else None
        gone = path is not None and stamp is None
    if kept is not None and not gone:
        found = kept.current(source, design, where, stamp, code)
        if found is not None:
            return _at(found, source), []
    if kept is not None and gone and absent is not None:
        found = kept.last(source, design, where)
        if found is not None:
            absent(_stands_in(found, where))
            return _at(found, source), []
    at = datetime.now(UTC).isoformat(timespec="seconds")
    settled = stamp is not None and is_settled(stamp)
    sessions, problems = inspect_source(file.study, file.base, index)
    inspection = Inspection(
        code=code,
        inspected_at=at,
        source=source,
        design=design,
        path=where,
        stamp=stamp if settled and path and stamp_of(path) == stamp else None,
        sessions=tuple(sessions),
    )
    if kept is not None and not problems:
        kept.keep(inspection)
    return inspection, problems


def _at(found: Inspection, source: RecordingSource) -> Inspection:
    """A stored inspection with the study's own declaration, which is equal to its own."""
    return found.model_copy(update={"source": source})


def _stands_in(inspection: Inspection, where: str) -> str:
    """Say that an inspection stands in for a file that is gone."""
    name, date = Path(inspection.path).name, inspection.inspected_at[:10]
    if where and where != inspection.path:
        return f"{name} is not at {where}: the inspection of {inspection.path} of {date} is used"
    return f"{name} is no longer there: its inspection of {date} is used"


def _declared(study: Study) -> dict[str, int]:
    """Number of sessions that each hypothesis is about, by its declaration alone.

    It serves where not all recordings can be read, so that sessions cannot be counted.
    """
    sizes = [(one.group, getattr(one, "sessions", 1)) for one in study.recordings]
    return {
        hypothesis.id: sum(n for group, n in sizes if hypothesis.group in (None, group))
        for hypothesis in study.hypotheses
    }


def warnings(file: StudyFile, plan: Plan) -> list[str]:
    """Write every caution about a study as one line.

    Parameters
    ----------
    file
        The study with its file.
    plan
        Its plan.

    Returns
    -------
    lines
        Each names the place in the file that gives rise to the caution.
    """
    return [f"warning: {file.line(*caution)}" for caution in cautions(plan)]


def with_kernels(file: StudyFile, store: Store, device: str = "cpu") -> tuple[StudyFile, str]:
    """The study as this machine computes it: torch stands in for missing kernels.

    A study asks for native kernels with `training.kernels`. Their rounding differs from
    that of torch, so one study never mixes the two. Where the store has trainings by
    native kernels from another machine, the study stays as it is.

    Parameters
    ----------
    file
        The study.
    store
        The run store.
    device
        Where models are trained: `cpu` or `cuda`; the kernels need `cpu`.

    Returns
    -------
    file
        The study, with `training.kernels` replaced by `torch` where that stands in.
    note
        Why torch computes instead; empty where the study stays as it is.
    """
    if file.study.training.kernels != "native":
        return file, ""
    unbuilt = why_unavailable() if device == "cpu" else ""
    reason = (
        f"the kernels cannot be built here ({unbuilt})"
        if unbuilt
        else f"they are for the CPU, and the device is {device!r}"
    )
    if (device == "cpu" and not unbuilt) or _begun(make_plan(file, store), store):
        return file, ""
    return replace(
        file, study=_by_torch(file.study)
    ), f"training.kernels is 'native', but {reason}: torch computes instead"


def stored_plan(file: StudyFile, store: Store, tell: Tell = lambda said: None) -> Plan:
    """The plan of a study as its runs are stored.

    Where torch stood in for native kernels, here or on another machine, the plan has
    torch too. Otherwise the stored runs would not be found, since kernels are part of a
    run's key. Recordings need not be there: their last inspections stand in for them.

    Parameters
    ----------
    file
        The study.
    store
        The run store.
    tell
        Called with a sentence for each recording that is gone.

    Returns
    -------
    plan
        With torch where the store has trainings by torch and none by native kernels, or
        where it has no trainings and the kernels cannot be built here.
    """
    plan = make_plan(file, store, tell)
    if file.study.training.kernels != "native" or _begun(plan, store):
        return plan
    by_torch = replace(plan, study=_by_torch(plan.study))
    return by_torch if _begun(by_torch, store) or why_unavailable() else plan


def _begun(plan: Plan, store: Store) -> bool:
    """Whether the store has a trained run of the grid.

    Methods with a closed form do not count: kernels do not change their results.
    """
    return any(run.optimisation is not None and store.has(run.key()) for run in plan.grid)


def _by_torch(study: Study) -> Study:
    return study.model_copy(
        update={"training": study.training.model_copy(update={"kernels": "torch"})}
    )


@dataclass(frozen=True)
class Stock:
    """How much of a plan a store holds, up to a number of seeds.

    A stored run counts whichever study made it.

    Attributes
    ----------
    seeds
        Seeds per session.
    runs, stored
        Number of distinct runs, and of those that are in the store.
    model_steps, left
        Update steps of all these models, and of those that are not in the store.
    """

    seeds: int
    runs: int
    stored: int
    model_steps: int
    left: int


def stock(plan: Plan, runs_root: Path) -> list[Stock]:
    """Count what a store holds of a plan at each interim analysis.

    Parameters
    ----------
    plan
        The plan.
    runs_root
        Root of the run store.

    Returns
    -------
    stocks
        One per interim analysis, with ascending seeds; a single one where the number of
        seeds is fixed.
    """
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


def read_statuses(
    file: StudyFile, runs_root: Path, tell: Tell = lambda said: None
) -> tuple[Plan, dict[str, str], dict[str, str]]:
    """Read the status of every stored run of a study.

    Parameters
    ----------
    file
        The study.
    runs_root
        Root of the run store.
    tell
        Called with a sentence for each recording that is gone.

    Returns
    -------
    plan
        The plan of the study as it is stored.
    statuses
        `done`, `collapsed` or `failed`, by run key.
    damaged
        What is wrong with a damaged result, by run key.
    """
    store = Store(runs_root)
    plan = stored_plan(file, store, tell)
    return (plan, *store.statuses(plan.runs))
