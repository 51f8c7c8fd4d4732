"""Run a study: measure the runs that are missing, and judge the hypotheses.

In: a study and a run store. Out: a `Result`. This module goes through all stages, from
planning to inference. A plan has three kinds of runs: baselines (decoders without SSL),
the grid (SSL models at every dose and arm), and examinations of stored encoders. Torch
is not imported here, because models are trained in worker processes.
"""

import os
import platform
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

from invariance_probe.data.problems import recording_problems
from invariance_probe.data.readers.arrays import write_arrays
from invariance_probe.data.recording import Recording
from invariance_probe.errors import DamagedError, StoreError, StudyError
from invariance_probe.executors.jobs import Event, Executor, WorkerSettings
from invariance_probe.executors.local import LocalWorkers
from invariance_probe.executors.memory import fitting_workers, memory_at_hand
from invariance_probe.inference import infer
from invariance_probe.inference.entry import unusable_runs
from invariance_probe.inference.findings import Standing
from invariance_probe.inference.stopping import unneeded_runs
from invariance_probe.plan.memory import worker_need
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.price import Prices
from invariance_probe.plan.registration import (
    deviations,
    new_registration,
    read_registration,
    seen_before,
    write_registration,
)
from invariance_probe.plan.roles import EncoderExamination, SSLModel, TrainedModel
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.planning import (
    Tell,
    changed_code,
    make_plan,
    registration_of,
    stored_plan,
)
from invariance_probe.planning import warnings as warnings_of
from invariance_probe.result import Result
from invariance_probe.results.encoder_file import EncoderFile, EncoderHeader
from invariance_probe.results.store import Store
from invariance_probe.study.load import StudyFile, open_study
from invariance_probe.study.methods import TrainedMethod
from invariance_probe.study.recordings import ArraysRecording
from invariance_probe.study.study import Study

PACKAGES = ("invariance-probe", "torch", "numpy", "scipy", "pandas", "scikit-learn", "statsmodels")
"""Packages whose versions can affect a result."""
IDENTITY_DOSE = "identity"
"""Name of the condition at dose 0 of each axis, which all axes share."""


def cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def warn_of(event: Event) -> None:
    """Turn an event that carries a message into a Python warning; ignore all others."""
    if "message" in event:
        warnings.warn(event["message"].removeprefix("warning: "), stacklevel=3)


def run(
    study: Study | str | Path,
    runs: str | Path = "runs",
    *,
    workers: int | None = None,
    device: str = "cpu",
    on_event: Callable[[Event], None] = warn_of,
    execute: Executor | None = None,
) -> Result:
    """Measure the runs that the store lacks, and judge every hypothesis.

    Baselines are measured first. They show in which sessions the target can be decoded,
    and whether it changes fast enough to be tested against jitter, before any SSL result
    is seen. Grid runs that no verdict could use are then skipped. The stored encoders
    are examined last. After an interruption, the same call goes on where it stopped.

    Parameters
    ----------
    study
        The study, or its YAML file.
    runs
        Folder of the run store.
    workers
        Number of worker processes, one thread each; by default one per core, or fewer if
        they would need more memory than is free.
    device
        Where models are trained: `cpu` or `cuda`.
    on_event
        Called with progress events (`executors.jobs.Event`). By default, cautions and
        failures become Python warnings, and progress is not shown.
    execute
        Hands runs to workers, for example `executors.slurm.Slurm`. By default the
        workers are `workers` processes on this machine.

    Returns
    -------
    result
        The findings, with tables, figures and the report.

    Raises
    ------
    StudyError
        With one line per problem of the study or its recordings, or if the workers need
        more memory than is free.

    Examples
    --------
    >>> result = run("study.yaml", workers=2)  # doctest: +SKIP
    >>> result.to_pandas()[["id", "verdict", "D", "D_low", "D_high"]]  # doctest: +SKIP
    """
    started = time.monotonic()
    file, store = _opened(study), Store(Path(runs))
    plan = make_plan(file, store, device=device)
    store.root.mkdir(parents=True, exist_ok=True)
    need = worker_need(plan, {key for run in plan.runs if not store.has(key := run.key())})
    if execute is None:
        workers = fitting_workers(need, workers, cores(), memory_at_hand())
    _keep_recordings(file.study, store)
    for said in (*warnings_of(file, plan), *_changed_code(file, plan, store)):
        on_event({"event": "note", "message": said})
    registration = read_registration(registration_of(file))
    worker_settings = WorkerSettings(
        file.base, store.root.resolve(), device, registration["sha256"] if registration else ""
    )
    if execute is None:
        assert workers is not None
        with LocalWorkers(workers) as here:
            measured = measure(plan, store, worker_settings, here, on_event, workers=workers)
    else:
        workers = workers or cores()
        measured = measure(plan, store, worker_settings, execute, on_event, workers=workers)
    seconds = time.monotonic() - started
    settings = {
        "device": device,
        "kernels": plan.study.training.kernels,
        **({"workers": workers} if execute is None else {"executor": str(execute)}),
        "trained": measured.trained,
        "reused": len(measured.results) - measured.trained,
        "seconds": round(seconds, 1),
        "expected peak memory of a worker (GB)": round(need.bytes / 1e9, 1),
    }
    return _judged(file, plan, measured.results, measured.left_out, settings, measured.lost)


def _changed_code(file: StudyFile, plan: Plan, store: Store) -> list[str]:
    """Say which user-defined classes changed since stored runs were measured."""
    own = [run for run in plan.runs if run.own_method() or run.own_augmentation()]
    return changed_code(plan, store.read(own)[0], file.base) if own else []


def plan_of(study: Study | str | Path) -> Plan:
    """Check a study's recordings, and list its runs; nothing is measured.

    Parameters
    ----------
    study
        The study, or its YAML file.

    Returns
    -------
    plan
        Sessions and runs of the study.

    Raises
    ------
    StudyError
        With one line per problem of the study or its recordings.
    """
    return make_plan(_opened(study))


def _opened(study: Study | str | Path) -> StudyFile:
    """Read a study from its file, or wrap one that was made in Python.

    If the file has errors, its recordings are checked too, so that all problems are
    reported together.
    """
    if isinstance(study, Study):
        return StudyFile(study)
    return open_study(study, (), recording_problems)


def _keep_recordings(study: Study, store: Store) -> None:
    """Write recordings that are in memory to the store, where workers can read them."""
    for source in study.recordings:
        if isinstance(source, ArraysRecording) and isinstance(source.arrays.recording, Recording):
            store.keep_recording(source.fingerprint, partial(write_arrays, source.arrays.recording))


@dataclass(frozen=True, eq=False)
class Measurement:
    """Results of measuring a plan, and the runs that have none.

    Attributes
    ----------
    results
        Results by run key.
    left_out
        Reason why each skipped run was skipped, by run key.
    lost
        Reason why each failed run gave no result, by run key.
    trained
        Number of runs measured in this call; the others were in the store already.
    """

    results: dict[str, RunResult]
    left_out: dict[str, str]
    lost: dict[str, str]
    trained: int


def measure(
    plan: Plan,
    store: Store,
    worker_settings: WorkerSettings,
    execute: Executor,
    on_event: Callable[[Event], None],
    needed: Callable[[Run], bool] = lambda run: True,
    workers: int = 1,
) -> Measurement:
    """Measure the runs of a plan that the store lacks and that are needed.

    Baselines come first, then the grid runs that a verdict could still use, and then
    the examinations of encoders. If the number of seeds is adaptive, each interim
    analysis decides which further seeds of the grid are needed.

    Parameters
    ----------
    plan
        The runs of a study.
    store
        Where results are read and written.
    worker_settings
        Folders and device that workers use.
    execute
        Function that hands runs to workers.
    on_event
        Called with progress events.
    needed
        Says whether a run is wanted; by default all are.
    workers
        Number of processes that share the work, for a first estimate of the time left.

    Returns
    -------
    measurement
        The results, and the runs that were skipped or failed.
    """
    prices = Prices(plan)

    def tell(event: Event) -> None:
        """Pass an event on, adding to `committed` the run's expected measuring time.

        Training time is not included, because `progress` events report it.
        """
        if event["event"] == "committed":
            event = {**event, "measured_s": prices.measuring([event["key"]])}
        on_event(event)

    lost: dict[str, str] = {}
    results: dict[str, RunResult] = {}
    trained = 0
    left_out: dict[str, str] = {}
    stages = list(_stages(plan))
    for i, (stage, runs) in enumerate(stages):
        if stage == "grid":
            left_out = unusable_runs(plan, results)
        elif stage != "baselines":  # some hypotheses may be settled with the seeds so far
            left_out |= unneeded_runs(plan, results)
        wanted = {key: run for run in runs if needed(run) and (key := run.key()) not in left_out}
        results |= _sound(store, wanted.values(), on_event)
        missing = [run for key, run in wanted.items() if key not in results]
        later = {run.key() for _, others in stages[i + 1 :] for run in others if needed(run)}
        later = {key for key in later if key not in left_out and not store.has(key)}
        on_event(_stage_event(stage, missing, len(wanted), workers, prices, later))
        remade = _damaged_encoders(store, missing, on_event) if stage == "examined" else []
        lost |= execute(remade, plan.sessions, worker_settings, on_event=tell)
        lost |= execute(missing, plan.sessions + plan.planted, worker_settings, on_event=tell)
        results |= _sound(store, missing, on_event)
        trained += sum(run.key() in results for run in missing)
    return Measurement(results, left_out, lost, trained)


def _stage_event(
    stage: str, missing: Sequence[Run], wanted: int, workers: int, prices: Prices, later: set[str]
) -> Event:
    """Make the event that announces a stage, with the expected time left.

    Parameters
    ----------
    stage
        Name of the stage.
    missing
        Runs of the stage that the store lacks.
    wanted
        Number of runs of the stage, those in the store included.
    workers
        Number of processes that share the work.
    prices
        Expected seconds of each run.
    later
        Keys of the runs that later stages still have to measure.
    """
    keys, steps = [run.key() for run in missing], sum(run.steps for run in missing)
    return {
        "event": "stage",
        "stage": stage,
        "runs": len(missing),
        "reused": wanted - len(missing),
        "workers": workers,
        "model_steps": steps,
        "seconds": prices.training(keys) + prices.measuring(keys),
        "step_s": prices.training(keys) / max(1, steps),
        "later_s": prices.training(later) + prices.measuring(later),
    }


def _stages(plan: Plan) -> Iterator[tuple[str, Sequence[Run]]]:
    """Yield name and runs of each stage of a plan, in the order of measuring.

    If the number of seeds is adaptive, the grid has one stage per interim analysis.
    """
    yield "baselines", plan.baselines
    for earlier, seeds in pairwise((0, *plan.looks)):
        yield (
            f"grid after {earlier} seeds" if earlier else "grid",
            [run for run in plan.grid if plan.seed_position(run) < seeds],
        )
    yield "examined", plan.examined


def _sound(
    store: Store, runs: Iterable[Run], on_event: Callable[[Event], None]
) -> dict[str, RunResult]:
    """Read the stored results of runs, by key, and move damaged ones aside.

    A run whose result was moved aside counts as missing, so that it is measured again.
    """
    found, damaged = store.read(runs)
    for key, why in damaged.items():
        on_event(
            {
                "event": "damaged",
                "message": f"{why}. It is in {store.set_aside('results', key)} now",
            }
        )
    return found


def _damaged_encoders(
    store: Store, examinations: Iterable[Run], on_event: Callable[[Event], None]
) -> list[SSLModel]:
    """Find runs whose encoders should be examined but are damaged in the store.

    Their encoders and results are moved aside, so that these runs are trained again.
    """
    looked = [run for run in examinations if isinstance(run, EncoderExamination)]
    wanted = {
        run.train_key(): run
        for one in looked
        for run in (one.model(), one.reference())
        if run is not None
    }
    broken = []
    for key, run in wanted.items():
        try:
            store.files("encoders", key)
        except DamagedError as error:
            on_event(
                {
                    "event": "damaged",
                    "message": f"{error}. It is in {store.set_aside('encoders', key)} now",
                }
            )
            store.set_aside("results", run.key(), check=False)
            broken.append(run)
    return broken


def judge(
    study: Study | str | Path, runs: str | Path = "runs", tell: Tell = lambda said: None
) -> Result:
    """Judge every hypothesis by the results in the store; nothing is trained.

    The files of the recordings are not needed.

    Parameters
    ----------
    study
        The study, or its YAML file.
    runs
        Folder of the run store; damaged results in it count as missing.
    tell
        Called with a sentence for each recording whose file is gone.

    Returns
    -------
    result
        The findings, with tables, figures and the report.

    Raises
    ------
    StudyError
        With one line per problem of the study or its recordings.

    Examples
    --------
    >>> judge("study.yaml").report()  # doctest: +SKIP
    PosixPath('reports/my-study/index.html')
    """
    file, store = _opened(study), Store(Path(runs))
    plan = stored_plan(file, store, tell)
    results, damaged = store.read(plan.baselines)
    left_out = unusable_runs(plan, results)
    grid, wrong = store.read(run for run in plan.grid if run.key() not in left_out)
    results |= grid
    left_out |= unneeded_runs(plan, results)
    results = {key: result for key, result in results.items() if key not in left_out}
    examined, torn = store.read(run for run in plan.examined if run.key() not in left_out)
    results |= examined
    for said in changed_code(plan, results, file.base):
        tell(said)
    settings = {"kernels": plan.study.training.kernels, "trained": 0, "reused": len(results)}
    return _judged(file, plan, results, left_out, settings, damaged | wrong | torn)


def register(study: Study | str | Path, runs: str | Path = "runs") -> tuple[Path, str]:
    """Write a registration: the study's claims and its data's fingerprints.

    `run` and `judge` find it there, and list every departure from it.

    Parameters
    ----------
    study
        The study, or its YAML file.
    runs
        Root of the run store. A study that leaves the choice of kernels, and has trained
        models in it, is registered with theirs.

    Returns
    -------
    path
        The registration, a file beside the study file; for a study made in Python,
        NAME.registration.json in the working folder.
    sha256
        Hash of the registration.

    Raises
    ------
    StudyError
        When the study is invalid, or already registered.
    """
    file, root = _opened(study), Path(runs)
    plan = make_plan(file, Store(root) if root.exists() else None)
    registration = new_registration(plan, versions())
    path = registration_of(file)
    write_registration(path, registration)
    return path, registration["sha256"]


def standing_of(file: StudyFile, plan: Plan, results: Mapping[str, RunResult]) -> Standing:
    """Compare a study and its results with its registration.

    Parameters
    ----------
    file
        The study.
    plan
        Its plan.
    results
        Results by run key; those measured before the registration are counted.

    Returns
    -------
    standing
        The registration's hash and every deviation from it; the hash is None if the
        study is not registered.
    """
    registration = read_registration(registration_of(file))
    if registration is None:
        return Standing(None)
    found = deviations(registration, plan)
    before = sum(seen_before(registration, result) for result in results.values())
    if before:
        found += (
            ("", f"{before} of {len(results)} results were measured before this registration"),
        )
    return Standing(registration["sha256"], found)


def read_results(
    file: StudyFile, runs_root: Path, tell: Tell = lambda said: None
) -> tuple[Plan, dict[str, RunResult]]:
    """Read a study's plan and its stored results.

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
        The plan that matches the runs in the store (`planning.stored_plan`).
    results
        Results by run key.
    """
    store = Store(runs_root)
    plan = stored_plan(file, store, tell)
    return plan, store.results(plan.runs)


def export_encoder(
    file: StudyFile,
    runs_root: Path,
    out: Path,
    session: str,
    condition: str = IDENTITY_DOSE,
    arm: str = "independent",
    seed: int = 0,
    fold: int = 0,
    tell: Tell = lambda said: None,
) -> Path:
    """Write one stored encoder of a study to a safetensors file.

    The file can be used outside the study (`estimator.SSLTransformer`).

    Parameters
    ----------
    file
        The study.
    runs_root
        Root of the run store.
    out
        The file to write.
    session, seed, fold
        Session, seed and fold of the encoder, which was trained on the training part of
        that fold only.
    condition
        `identity` (dose 0 of each axis), or a swept dose as `PATH=DOSE`.
    arm
        Arm of a swept dose. It is ignored for `identity`, where all arms share one run.
    tell
        Called with a sentence for each recording whose file is gone.

    Returns
    -------
    path
        The written file.

    Raises
    ------
    StudyError
        When the study has no such session or condition, seed or fold.
    StoreError
        When the store has no encoder of that run, or the file cannot be written.
    """
    store = Store(runs_root)
    plan = stored_plan(file, store, tell)
    run = _trained_run(plan, session, condition, arm, seed, fold)
    weights = store.encoder(run)
    if weights is None:
        raise StoreError(
            f"{runs_root} has no encoder of session {session!r} at {condition}, seed {seed}, fold "
            f"{fold}; run the study first (`invariance-probe status` says which runs the store "
            "has)"
        )
    found = next(one for one in plan.sessions if one.name == session)
    header = EncoderHeader(
        method=run.method, views=run.views, optimisation=run.optimisation,
        window_bins=run.window.length_bins, bin_s=found.bin_s,
        activity_kind=found.activity_kind, units=found.unit_ids, seed=run.seed,
        origin={
            "study": plan.study.name, "study_sha256": plan.study.sha256(), "session": session,
            "fingerprint": run.fingerprint, "axis": run.axis, "dose": run.dose, "arm": run.arm,
            "fold": fold, "train_key": run.train_key(),
        },
    )  # fmt: skip
    return EncoderFile(header, weights).save(out)


def _trained_run(
    plan: Plan, session: str, condition: str, arm: str, seed: int, fold: int
) -> TrainedModel:
    """Find the run of the study's own method that trained an encoder.

    Parameters are those of `export_encoder`.

    Raises
    ------
    StudyError
        When the method stores no encoder, or when the study trains none for one of the
        given values; the message lists the allowed values.
    """
    if not isinstance(plan.study.method, TrainedMethod):
        raise StudyError(
            f"method.kind is {plan.study.method.kind!r}, which is computed in closed form and "
            "stores no encoder to export; use a method trained by gradient descent"
        )
    found = [
        run
        for run in plan.grid
        if isinstance(run, TrainedModel)
        and run.setting == ""
        and run.method.kind == plan.study.method.kind
        and run.session in _names(plan)
    ]
    path, _, dose = condition.partition("=")
    for what, got, of in (
        ("session", session, lambda run: run.session),
        (
            "condition",
            condition if condition == IDENTITY_DOSE else f"{path}={_number(dose)}",
            _condition,
        ),
        ("arm", arm if condition != IDENTITY_DOSE else "none", lambda run: run.arm),
        ("seed", seed, lambda run: run.seed),
        ("fold", fold, lambda run: run.fold),
    ):
        allowed = list(dict.fromkeys(of(run) for run in found))
        found = [run for run in found if of(run) == got]
        if not found:
            raise StudyError(
                f"the study {plan.study.name!r} trains no encoder with {what} {got!r}; allowed: "
                f"{', '.join(map(repr, allowed))}"
            )
    return found[0]


def _names(plan: Plan) -> set[str]:
    """Names of the sessions of a plan, without its planted controls."""
    return {session.name for session in plan.sessions}


def _condition(run: Run) -> str:
    """Name of a run's condition: `PATH=DOSE`, or `identity` if it sweeps no axis."""
    return f"{run.axis}={run.dose:g}" if run.axis else IDENTITY_DOSE


def _number(dose: str) -> str:
    """Format a dose as `_condition` does; text that is not a number is unchanged."""
    try:
        return f"{float(dose):g}"
    except ValueError:
        return dose


def _judged(
    file: StudyFile,
    plan: Plan,
    results: dict[str, RunResult],
    left_out: Mapping[str, str],
    settings: dict[str, Any],
    lost: Mapping[str, str],
) -> Result:
    """Infer findings from the results of a plan, and collect all in a `Result`.

    Parameters
    ----------
    file
        The study.
    plan
        Its plan.
    results
        Results by run key.
    left_out
        Reason why each skipped run was skipped, by run key.
    settings
        How the results were computed, for the report's provenance.
    lost
        Reason why each failed run gave no result, by run key.
    """
    findings = infer(plan, results, left_out, standing_of(file, plan, results))
    failures = sorted(
        {r.message for r in results.values() if r.status == "failed"} | set(lost.values())
    )
    code = {
        f"SHA-256 of the {what}'s code": ", ".join(sorted(hashes - {""}))
        for what, hashes in (
            ("method", {result.code_sha256 for result in results.values()}),
            ("augmentation", {result.augmentation_sha256 for result in results.values()}),
        )
        if hashes - {""}
    }
    provenance = {
        "versions": versions(),
        "machine": platform.platform(),
        **settings,
        **code,
        "failures": failures + changed_code(plan, results, file.base),
    }
    return Result(
        plan, findings, results, lost, provenance, settings["trained"], settings.get("seconds", 0.0)
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can affect a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
