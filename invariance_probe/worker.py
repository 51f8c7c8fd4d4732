"""Worker process: measures runs and writes their results to the store.

In: jobs from a file or from standard input, one JSON line each (`executors.jobs`). A
job names runs of one session, the source of the recording, and the store. Runs whose
models can be trained together, as one batch of models, form a stack. Out: results in
the store, and events on standard output, one JSON line each. The worker ends when its
input ends. On SIGTERM or SIGUSR1 it saves the training in progress and ends, so that
the training can be resumed later.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter

from invariance_probe.augmentations.own import own_augmentation
from invariance_probe.data.cache import cached_recording, check_unchanged
from invariance_probe.data.recording import Recording
from invariance_probe.errors import (
    DamagedError,
    InvarianceProbeError,
    StoreError,
    StudyError,
    TrainingError,
    WriteError,
)
from invariance_probe.executors.jobs import GO_ON_LATER, Event
from invariance_probe.kernels.arithmetic import require_native
from invariance_probe.methods.own import own_class
from invariance_probe.plan.figures.decoded import DecodedFigures, TrainingFigures
from invariance_probe.plan.roles import (
    EncoderExamination,
    FoldRun,
    GradientRun,
    SupervisedBaseline,
    TrainedModel,
    read_run,
)
from invariance_probe.plan.run import Run
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.stored import NOTHING_STORED, Stored
from invariance_probe.probing.bench.workbench import Elsewhere, Workbench
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.probing.measurements.baselines import failed
from invariance_probe.probing.measurements.examination import examine
from invariance_probe.probing.measurements.trained import TARGET_FREE, probe_stored
from invariance_probe.results.store import Store
from invariance_probe.study.methods import title_of
from invariance_probe.study.own import OwnClass, source_of
from invariance_probe.study.recordings import AnySource
from invariance_probe.study.transforms import at_identity
from invariance_probe.training.checkpoints import EVERY_S, Checkpoints, Stopped

ABOUT_DATA = (
    InvarianceProbeError,
    ArithmeticError,
    IndexError,
    MemoryError,
    RuntimeError,
    ValueError,
)
"""Errors that computations raise on data that no check foresaw.

The errors of NumPy's and torch's linear algebra are subclasses of these.
"""
ASIDE = (StoreError, NotImplementedError, RecursionError)
"""Subclasses of `ABOUT_DATA` that data cannot explain; they are passed on."""


def measure(
    bench: Workbench,
    runs: list[Run],
    on_progress: Any = lambda steps: None,
    stored: Stored = NOTHING_STORED,
) -> list[Measurement]:
    """Measure the runs of one stack.

    Runs that examine encoders read them from `stored`. If the encoder of an SSL run is
    stored already, because it was trained for a study of another target, nothing is
    trained: only the decoder (probe) is fitted.

    Parameters
    ----------
    bench
        The opened session.
    runs
        The runs of one stack.
    on_progress
        Called with the number of model steps since the last call: update steps times
        models in the stack.
    stored
        Encoders from the store.

    Returns
    -------
    One measurement per run.
    """
    examined = [run for run in runs if isinstance(run, EncoderExamination)]
    if examined:
        return _timed(examined, lambda: examine(bench, examined, stored.weights))
    known = [
        run
        for run in runs
        if isinstance(run, TrainedModel) and run.method.kind in TARGET_FREE and stored.has(run)
    ]
    new = [run for run in runs if run not in known]
    return [
        *(_timed(known, lambda: probe_stored(bench, known, stored)) if known else ()),
        *(
            _timed(new, lambda: MEASURES[new[0].method.kind](bench, new, on_progress))
            if new
            else ()
        ),
    ]


def _timed(runs: Sequence[Run], measured: Callable[[], list[Measurement]]) -> list[Measurement]:
    """Measure runs, and record in each result the mean time per run, in seconds."""
    started = time.perf_counter()
    found = measured()
    seconds = (time.perf_counter() - started) / len(runs)
    return [replace(m, result=replace(m.result, seconds=seconds)) for m in found]


def guarded(
    session: str, runs: list[Run], measured: Callable[[list[Run]], list[Measurement]]
) -> list[Measurement]:
    """Measure the runs of a stack; a run fails if its data cause an error.

    The runs are first measured together. If this raises an error that data can cause
    (`ABOUT_DATA`), each run is measured alone, and the runs that raise one again are
    recorded as failed: their message names the session, the run and the cause. This is
    the only place where the worker catches such errors.

    Errors that data cannot explain are passed on: those of the store, and programming
    errors (`ASIDE`, and all classes that are not in `ABOUT_DATA`). If memory runs out,
    the error becomes a `TrainingError`, and no run is recorded as failed.

    Parameters
    ----------
    session
        Name of the runs' session.
    runs
        The runs of one stack.
    measured
        Function that measures given runs.

    Returns
    -------
    One measurement per run.

    Raises
    ------
    TrainingError
        When memory runs out; fewer workers or a larger machine may help.
    """
    try:
        return measured(runs)
    except ASIDE:
        raise
    except ABOUT_DATA as error:
        if _is_of_memory(error):
            raise TrainingError(
                f"session {session!r}: there is not enough memory for {_described(runs)} "
                "together; use fewer workers, or a machine with more memory "
                f"({error or 'MemoryError'})"
            ) from error
        if len(runs) > 1:
            return [found for run in runs for found in guarded(session, [run], measured)]
        if not isinstance(error, InvarianceProbeError):
            error = TrainingError(
                f"session {session!r}: {_described(runs)} cannot be measured on these data "
                f"({type(error).__name__.lstrip('_')}: {error})"
            )
        return failed(runs, error)


def _is_of_memory(error: Exception) -> bool:
    """Whether memory ran out.

    Torch has an error class for a full GPU, but raises a RuntimeError for a full CPU.
    """
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(
        error
    )


def _described(runs: list[Run]) -> str:
    """Describe a stack by its size, or a single run by its condition, for messages."""
    kind = title_of(runs[0].method)
    if len(runs) > 1:
        return f"{len(runs)} runs of {kind}"
    run = runs[0]
    condition = f" at {run.axis} {run.dose:g}, {run.arm}" if run.axis else ""
    fold = "" if run.fold is None else f", fold {run.fold}"
    return f"{kind}{condition}{fold}, seed {run.seed}"


def stacks(runs: list[Run], begun: Callable[[str], int] = lambda key: 0) -> Iterator[list[Run]]:
    """Group runs into stacks, whose models are trained together.

    Runs of a stack have the same method, optimisation and windows, train on the same
    companion sessions, and make the two views from a window in the same way (the base).
    Their corruptions may differ in dose only, and their saved trainings must have
    reached the same step.

    Parameters
    ----------
    runs
        Runs of one session.
    begun
        Returns the number of saved training steps for a train key (the hash of all that
        reaches an encoder).

    Yields
    ------
    The runs of one stack.
    """
    grouped: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        grouped.setdefault((_structure(run), begun(run.train_key())), []).append(run)
    yield from grouped.values()


def _structure(run: Run) -> str:
    """Text that is equal for runs that may share a stack."""
    if isinstance(run, EncoderExamination):
        return f"examined {_structure(run.model())}"
    views = run.views if isinstance(run, FoldRun) else None
    corruptions = views.corruptions if views and not isinstance(run, SupervisedBaseline) else ()
    companions = run.companions if isinstance(run, TrainedModel) else None
    return json.dumps(
        [
            run.method.model_dump(),
            run.optimisation.model_dump() if isinstance(run, GradientRun) else None,
            views.base.kind if views else "",
            run.window.model_dump(),
            [at_identity(stage).model_dump() for stage in corruptions],
            companions.canonical() if companions else "",
        ]
    )


def stored_encoders(
    store: Store, runs: list[Run], tell: Callable[[str], None] = lambda said: None
) -> Stored:
    """Load the stored encoders that some runs need.

    They are the encoders to be examined, those that they are compared with, and the
    runs' own encoders if their training does not depend on the target. A damaged
    encoder is moved aside and reported.

    Parameters
    ----------
    store
        The store.
    runs
        The runs.
    tell
        Called with a message about each damaged encoder.

    Returns
    -------
    Weights and training diagnostics of the encoders that are stored and undamaged.
    """

    def sound(run: Run) -> dict[str, np.ndarray] | None:
        """Weights of a run's encoder; None if it is not stored, or is damaged."""
        try:
            return store.encoder(run)
        except DamagedError as error:
            tell(f"{error}. It is in {store.set_aside('encoders', run.train_key())} now")
            return None

    wanted = {
        run.train_key(): run
        for run in runs
        if isinstance(run, EncoderExamination) or run.method.kind in TARGET_FREE
    }
    references = (run.reference() for run in runs if isinstance(run, EncoderExamination))
    wanted |= {other.train_key(): other for other in references if other is not None}
    weights = {key: found for key, run in wanted.items() if (found := sound(run)) is not None}
    trainings = {key: store.training(wanted[key]) or TrainingFigures() for key in weights}
    return Stored(weights, trainings)


def own_code(runs: list[Run], base: Path) -> dict[str, str]:
    """Hashes of the source files of user-defined classes that some runs need.

    The classes are imported and checked here, outside `guarded`: if one cannot be used, that
    is no fault of the data, and no run is recorded as failed.

    Parameters
    ----------
    runs
        The runs.
    base
        Folder of the study, in which the modules are looked for first.

    Returns
    -------
    hashes
        SHA-256 by class, as a study names it (`module:Class`).

    Raises
    ------
    StudyError
        When a class cannot be imported, or is not what the study declares.
    """
    methods = {trained for run in runs if (trained := run.own_method()) is not None}
    augmentations = {drawn for run in runs if (drawn := run.own_augmentation()) is not None}
    for method in methods:
        own_class(method, base)
    for augmentation in augmentations:
        own_augmentation(augmentation, base)
    return {own.of: _sha256_of(own, base) for own in (*methods, *augmentations)}


def _sha256_of(own: OwnClass, base: Path) -> str:
    """SHA-256 of the source file of a class that was imported."""
    source = source_of(own.module, base)
    assert source is not None
    return source.sha256


def work(
    job: dict[str, Any], emit: Callable[[Event], None], stop: Callable[[], bool] = lambda: False
) -> None:
    """Measure the runs of one job that the store lacks, and store their results.

    Interrupted training resumes from its last checkpoint.

    Parameters
    ----------
    job
        The job as plain JSON data (`executors.jobs`).
    emit
        Called with each event.
    stop
        Returns True when the process should end; checked between stacks and during
        training.

    Raises
    ------
    Stopped
        When `stop` returns True.
    """

    def progress(steps: int) -> None:
        emit({"event": "progress", "model_steps": steps})

    store = Store(Path(job["store"]))
    arrays = {"arrays": store.recordings}
    runs = [read_run(run, context=arrays) for run in job["runs"]]
    known, _ = store.read(runs)
    for key, result in known.items():
        emit({"event": "committed", "key": key, "status": result.status})
    missing = [run for run in runs if run.key() not in known]
    source, *others = (
        TypeAdapter[AnySource](AnySource).validate_python(declared, context=arrays)
        for declared in (job["source"], *job["others"].values())
    )
    elsewhere = Elsewhere(Path(job["base"]), dict(zip(job["others"], others, strict=True)))
    device = torch.device(job.get("device", "cpu"))
    if any(
        isinstance(run, FoldRun) and run.optimisation and run.optimisation.kernels == "native"
        for run in missing
    ):
        # Checked here, outside `guarded`: if native kernels cannot compute, that is the fault of
        # this machine, and no run is recorded as failed.
        require_native(device)
    code = own_code(missing, elsewhere.base)
    checkpoints = Checkpoints(
        store.root / "checkpoints",
        device,
        stop,
        job.get("checkpoint_s", EVERY_S),
        " ".join(sorted({*code.values()})),
    )
    for stack in stacks(missing, checkpoints.step):
        if stop():
            raise Stopped("stopped between two stacks")
        recording = _open(source, job["session"], Path(job["base"]), stack)
        stored = stored_encoders(
            store, stack, lambda said: emit({"event": "damaged", "message": said})
        )
        opened = partial(
            Workbench.of, recording, device=device, elsewhere=elsewhere, checkpoints=checkpoints
        )
        measured = guarded(job["session"], stack, partial(_on_bench, opened, progress, stored))
        for of, sha256 in own_code(stack, elsewhere.base).items():
            if code[of] != sha256:
                raise StudyError(f"the code of {of} changed while it was used")
        for m in measured:
            if m.weights:
                decoded = m.result.measured(DecodedFigures)
                training = (decoded and decoded.training) or TrainingFigures()
                store.commit_encoder(m.run, m.weights, training, m.result.seconds)
            now = datetime.now(UTC).isoformat()
            result = replace(
                m.result,
                registration=job.get("registration", ""),
                measured_at=now,
                code_sha256=code[method.of] if (method := m.run.own_method()) else "",
                augmentation_sha256=code[drawn.of] if (drawn := m.run.own_augmentation()) else "",
            )
            store.commit_result(m.run, result)
            checkpoints.remove(m.run.train_key())
            emit({"event": "committed", "key": m.result.key, "status": m.result.status})


def _on_bench(
    opened: Callable[[Run], Workbench],
    on_progress: Callable[[int], None],
    stored: Stored,
    runs: list[Run],
) -> list[Measurement]:
    """Prepare the session for the first run of a stack, and measure all its runs.

    `opened` cuts the recording into windows and folds as a run declares them.
    """
    return measure(opened(runs[0]), runs, on_progress, stored)


def _open(source: AnySource, session: str, base: Path, runs: list[Run]) -> Recording:
    """Open a session once per process, with the arrays that some runs read.

    Check that these data are unchanged since the runs were planned.

    Parameters
    ----------
    source
        The recording source that the study declares.
    session
        Name of the session to open.
    base
        Folder of the study file. Relative paths start from it.
    runs
        Runs of the session.

    Raises
    ------
    DataError
        When the recording cannot be read, or its data changed since the runs were planned.
    """
    recording = cached_recording(source, session, base)
    for run in runs:
        read = (*run.arrays, *([(run.target.name, run.target_array)] if run.target_array else ()))
        check_unchanged(recording, source, run.fingerprint, read)
    return recording.reading({name for run in runs for name in run.arrays_read()})


def main() -> None:
    """Measure the jobs in a file, or those on standard input until it ends.

    After a signal the process ends at its next step, not at once. Its exit code is
    `GO_ON_LATER` if it ends before all jobs are done.
    """
    torch.set_num_threads(1)
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda received, frame: asked.append(received))

    def emit(event: Event) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    try:
        for line in Path(sys.argv[1]).read_text().splitlines() if len(sys.argv) > 1 else sys.stdin:
            try:
                work(json.loads(line), emit, lambda: bool(asked))
            except InvarianceProbeError as error:
                emit(
                    {
                        "event": "error",
                        "message": str(error),
                        "fatal": isinstance(error, WriteError),
                    }
                )
            except Stopped as stopped:
                emit({"event": "stopped", "message": str(stopped)})
                sys.exit(GO_ON_LATER)
            emit({"event": "stack_done"})
    except BrokenPipeError:  # the process that reads the events is gone; what was committed stays
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
