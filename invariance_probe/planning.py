"""Make a study's plan, and find what the run store holds of it.

In: a study file and a run store. Out: the plan with its warnings, and how many of its
runs are stored. Recordings are opened only once: what was found then, their inspection,
is kept in the store. Nothing is measured or inferred here, so that the commands
`validate` and `status` answer at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from invariance_probe.data.files import code_sha256, file_of, is_settled, stamp_of
from invariance_probe.data.own_code import own_code_problems
from invariance_probe.data.problems import all_problems, inspect_source
from invariance_probe.errors import DataError, StudyError
from invariance_probe.kernels.build import why_unavailable
from invariance_probe.plan.cautions import cautions
from invariance_probe.plan.inspections import Inspection, design_sha256
from invariance_probe.plan.licences import licensed_natively
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.recipes import panel_problems
from invariance_probe.plan.registration import (
    read_registration,
    registered_kernels,
    registration_path,
)
from invariance_probe.plan.roles import TrainedModel
from invariance_probe.plan.run import RunResult
from invariance_probe.plan.settings import settings_of
from invariance_probe.results.inspections import Inspections
from invariance_probe.results.store import Store
from invariance_probe.study.declaration import Problem
from invariance_probe.study.load import StudyFile
from invariance_probe.study.own import changed_class
from invariance_probe.study.recordings import RecordingSource
from invariance_probe.study.study import Study
from invariance_probe.study.training import Kernels

Tell = Callable[[str], None]
"""A function that is called with a sentence for the user."""


def make_plan(
    file: StudyFile, store: Store | None = None, absent: Tell | None = None, device: str = "cpu"
) -> Plan:
    """Check a study's recordings and make its plan.

    Recordings are opened one after the other, each at most once. A recording that has
    an inspection in the store, and has not changed since, is not opened at all.

    Parameters
    ----------
    file
        The study.
    store
        Where inspections are kept. If omitted, every recording is opened.
    absent
        Called with a sentence for each recording whose file is gone; its last
        inspection in the store is then used. If omitted, every file must exist, and
        user-defined classes are imported and tried.
    device
        Where models are trained: `cpu` or `cuda`.

    Returns
    -------
    plan
        Sessions and runs of the study, with the kernels that train the models.

    Raises
    ------
    StudyError
        With one line per problem, which names the line and field of the study file.
    """
    study = file.study
    kept, design = Inspections(store.root) if store else None, design_sha256(study)
    inspected = [
        _inspected(file, index, design, kept, absent) for index in range(len(study.recordings))
    ]
    problems = all_problems(study, [(found.sessions, wrong) for found, wrong in inspected])
    if absent is None:
        problems += own_code_problems(study, file.base)
    if problems:
        problems += panel_problems(study, settings_of(study)[0], _declared(study))
        raise StudyError("\n".join(file.line(*problem) for problem in problems))
    plan = Plan(
        study,
        tuple(one for i, (found, _) in enumerate(inspected) for one in found.sessions_at(i)),
        tuple(one for found, _ in inspected for one in found.planted()),
    )
    plan = _computed(plan, file, store, device)
    counts = {hypothesis.id: len(plan.covered(hypothesis)) for hypothesis in study.hypotheses}
    problems = list(panel_problems(plan.study, plan.settings[0], counts))
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
        Position of the recording in the study's list.
    design
        Hash of everything in the study that checks of recordings may read.
    kept
        The stored inspections.
    absent
        Called with a sentence if an inspection is used because the file is gone.

    Returns
    -------
    inspection
        What was found. A new inspection is stored if it has no problems.
    problems
        What is wrong with the recording.
    """
    source, code = file.study.recordings[index], code_sha256()
    try:
        path = file_of(source, file.base)
    except DataError:  # a catalogued file that is nowhere; opening it below says so
        where, gone, stamp = "", True, None
    else:
        where, stamp = str(path or ""), stamp_of(path, source, file.base) if path else None
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
        stamp=stamp if settled and path and stamp_of(path, source, file.base) == stamp else None,
        sessions=tuple(sessions),
    )
    if kept is not None and not problems:
        kept.keep(inspection)
    return inspection, problems


def _at(found: Inspection, source: RecordingSource) -> Inspection:
    """Put the study's own declaration of a recording into its inspection.

    The two declarations are equal, but the study's own may hold arrays in memory.
    """
    return found.model_copy(update={"source": source})


def _stands_in(inspection: Inspection, where: str) -> str:
    """Write the sentence that says which inspection is used because a file is gone."""
    name, date = Path(inspection.path).name, inspection.inspected_at[:10]
    if where and where != inspection.path:
        return f"{name} is not at {where}: the inspection of {inspection.path} of {date} is used"
    return f"{name} is no longer there: its inspection of {date} is used"


def _declared(study: Study) -> dict[str, int]:
    """Count each hypothesis's sessions as the study file declares them.

    No recording is opened. This serves studies with recordings that cannot be read.
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
        Each names the line and field of the file that the caution is about.
    """
    return [f"warning: {file.line(*caution)}" for caution in cautions(plan)]


def notes(plan: Plan) -> list[str]:
    """Write what the readers of a study's recordings had to tell, one line each.

    Parameters
    ----------
    plan
        The plan of the study.
    """
    return [
        f"note: session {session.name!r}: {note}"
        for session in plan.sessions
        for note in session.notes
    ]


def _computed(plan: Plan, file: StudyFile, store: Store | None, device: str) -> Plan:
    """Choose the kernels that train the models of a plan.

    Native kernels are compiled training routines for the CPU (`training.kernels`). They
    round differently from torch, so a study never mixes the two.

    Parameters
    ----------
    plan
        The plan, with the kernels that the study declares.
    file
        The study.
    store
        The run store, if there is one.
    device
        Where models are trained: `cpu` or `cuda`. Native kernels need `cpu`.

    Returns
    -------
    plan
        With the kernels that the study names. If it leaves the choice: with those of its
        registration; else with torch if native kernels are not licensed for it, or if the
        store has models trained by torch alone; else with native kernels. Torch stands in
        for native kernels that this machine cannot run, unless the store has models trained
        by them.
    """
    wanted = plan.study.training.kernels
    if wanted == "auto":
        wanted = _registered_kernels(file)
    by_torch = plan.computed_by("torch")
    licensed = all(licensed_natively(one.method, one.optimisation) for one in plan.settings)
    if wanted == "torch" or (wanted == "auto" and not licensed):
        return by_torch
    native = plan.computed_by("native")
    if store is not None and _begun(native, store):
        return native
    if wanted == "auto" and store is not None and _begun(by_torch, store):
        return by_torch
    if device != "cpu":
        why = "" if wanted == "auto" else f"are for the CPU, and the device is {device!r}"
    elif unbuilt := why_unavailable():
        why = f"cannot be built here ({unbuilt})"
    else:
        return native
    return plan.computed_by("torch", f"native kernels {why}: torch computes instead" if why else "")


def _registered_kernels(file: StudyFile) -> Kernels:
    """Kernels with which a study was registered; `auto` if it was not."""
    registration = read_registration(registration_of(file))
    return "auto" if registration is None else registered_kernels(registration)


def registration_of(file: StudyFile) -> Path:
    """Path of a study's registration, which lies beside the study file.

    For a study made in Python it is in the working folder, and has the study's name.
    """
    return registration_path(file.path or file.base / f"{file.study.name}.study")


def stored_plan(file: StudyFile, store: Store, tell: Tell = lambda said: None) -> Plan:
    """Make the plan that matches the runs in the store.

    If torch stood in for native kernels when the study ran, the plan has torch too.
    Otherwise the stored runs would not be found, since the kernels are part of a run's
    key. For recordings whose files are gone, their last inspections are used.

    Parameters
    ----------
    file
        The study.
    store
        The run store.
    tell
        Called with a sentence for each recording whose file is gone.

    Returns
    -------
    plan
        With torch if the store has runs trained by torch and none by native kernels, or
        if it has no trained runs and native kernels cannot be built here.
    """
    plan = make_plan(file, store, tell)
    if plan.study.training.kernels == "torch" or _begun(plan, store):
        return plan
    by_torch = plan.computed_by("torch")
    return by_torch if _begun(by_torch, store) else plan


def _begun(plan: Plan, store: Store) -> bool:
    """Whether the store has a trained model of a plan, in the study's own setting.

    Models of other settings do not count: torch may train them whichever kernels train the
    rest.
    """
    return any(
        isinstance(run, TrainedModel) and not run.setting and store.has(run.key())
        for run in plan.grid
    )


def changed_code(plan: Plan, results: Mapping[str, RunResult], base: Path) -> list[str]:
    """Say which user-defined classes changed while their version did not.

    Parameters
    ----------
    plan
        The plan.
    results
        Stored results by run key. Each names the source file's hash with which it was
        measured.
    base
        Folder of the study.

    Returns
    -------
    sentences
        One per class and version; empty if every stored run was measured with the code
        as it is now.
    """
    stored: dict[tuple[str, int], set[str]] = {}
    for run in plan.runs if results else ():
        result = results.get(run.key())
        if result is None:
            continue
        for own, sha256 in (
            (run.own_method(), result.code_sha256),
            (run.own_augmentation(), result.augmentation_sha256),
        ):
            if own is not None and sha256:
                stored.setdefault((own.of, own.version), set()).add(sha256)
    return [
        said
        for (of, number), hashes in stored.items()
        if (said := changed_class(of, number, hashes, base))
    ]


@dataclass(frozen=True)
class StoredShare:
    """How many of a plan's runs are already in the store.

    Only the first `seeds` seeds of each session are counted. A stored run counts even
    if it was measured for another study.

    Attributes
    ----------
    seeds
        Number of seeds per session that are counted.
    runs, stored
        Number of distinct runs, and how many of them are in the store.
    model_steps, left
        Total number of update steps of these runs, and the number still to be done.
    """

    seeds: int
    runs: int
    stored: int
    model_steps: int
    left: int


def stock(plan: Plan, runs_root: Path) -> list[StoredShare]:
    """Count the runs of a plan that a store holds, for each interim analysis.

    Parameters
    ----------
    plan
        The plan.
    runs_root
        Root of the run store.

    Returns
    -------
    stocks
        One per interim analysis, with ascending numbers of seeds; a single one if the
        number of seeds is fixed.
    """
    store = Store(runs_root)
    steps = {run.key(): run.steps for run in plan.runs}
    missing = {key for key in steps if not store.has(key)}
    found = []
    for seeds in plan.looks:
        keys = [
            key
            for key in steps
            if key not in plan.seeded or plan.seed_position(plan.seeded[key]) < seeds
        ]
        left = [key for key in keys if key in missing]
        found.append(
            StoredShare(
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
    """Read the status of each stored run of a study.

    Parameters
    ----------
    file
        The study.
    runs_root
        Root of the run store.
    tell
        Called with a sentence for each recording whose file is gone.

    Returns
    -------
    plan
        The plan that matches the runs in the store.
    statuses
        `done`, `collapsed` or `failed`, by run key.
    damaged
        What is wrong with each damaged result, by run key.
    """
    store = Store(runs_root)
    plan = stored_plan(file, store, tell)
    return (plan, *store.statuses(plan.runs))
