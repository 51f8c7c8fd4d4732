"""Worker process: measures the runs of jobs and commits the results.

In: jobs from a file or from standard input, one JSON line each (`executors.jobs`). A
job holds runs of one session that can be stacked, where the recording comes from, and
the store. Out: results in the store, and events on standard output, one JSON line
each. The worker ends when its input ends. On SIGTERM or SIGUSR1 it saves what it is
training and ends; the training can go on later.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter

from invariance_probe.data.kept import check_unchanged, kept_recording
from invariance_probe.data.recording import Recording
from invariance_probe.errors import (
    DamagedError,
    InvarianceProbeError,
    StoreError,
    TrainingError,
    WriteError,
)
from invariance_probe.executors.jobs import GO_ON_LATER, Event
from invariance_probe.kernels.arithmetic import require_native
from invariance_probe.plan.figures.decoded import DecodedFigures, TrainingFigures
from invariance_probe.plan.run import Run
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.stored import NOTHING_STORED, Stored
from invariance_probe.probing.bench.workbench import Elsewhere, Workbench
from invariance_probe.probing.decoders.readout import Measured
from invariance_probe.probing.measurements.baselines import failed
from invariance_probe.probing.measurements.examination import examine
from invariance_probe.probing.measurements.trained import TARGET_FREE, probe_stored
from invariance_probe.results.store import Store
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
"""Errors that arithmetic raises on data that no check foresaw.

Errors of linear algebra are among them.
"""
ASIDE = (StoreError, NotImplementedError, RecursionError)
"""Errors among `ABOUT_DATA` that do not come from the data; they are raised again."""


def measure(
    bench: Workbench,
    runs: list[Run],
    on_progress: Any = lambda steps: None,
    stored: Stored = NOTHING_STORED,
) -> list[Measured]:
    """Measure stacked runs of one session.

    Runs that examine encoders find them in `stored`. SSL runs whose encoders are
    stored, because they were trained for another target, are only probed.

    Parameters
    ----------
    bench
        The opened session.
    runs
        Runs that can share one stack.
    on_progress
        Called with the number of model steps since the last call: training steps times
        stacked models.
    stored
        Encoders from the store.

    Returns
    -------
    One measurement per run.
    """
    if runs[0].examination is not None:
        return _timed(runs, lambda: examine(bench, runs, stored.weights))
    known = [run for run in runs if run.method.kind in TARGET_FREE and stored.has(run)]
    new = [run for run in runs if run not in known]
    return [
        *(_timed(known, lambda: probe_stored(bench, known, stored)) if known else ()),
        *(
            _timed(new, lambda: MEASURES[new[0].method.kind](bench, new, on_progress))
            if new
            else ()
        ),
    ]


def _timed(runs: list[Run], measured: Callable[[], list[Measured]]) -> list[Measured]:
    """Measure runs and note the time per run, in seconds."""
    started = time.perf_counter()
    found = measured()
    seconds = (time.perf_counter() - started) / len(runs)
    return [replace(m, result=replace(m.result, seconds=seconds)) for m in found]


def guarded(
    session: str, runs: list[Run], measured: Callable[[list[Run]], list[Measured]]
) -> list[Measured]:
    """Measure stacked runs, and record runs as failed where their data break.

    This is the one border between arithmetic on data and the worker. After an error
    each run of the stack is measured alone. Those that fail again are recorded as
    failed, with the session, the run and the cause in their message. Errors that are
    not about data are raised again: of the store, of memory, and mistakes in the code
    (`ASIDE`).

    Parameters
    ----------
    session
        Name of the runs' session.
    runs
        The stack.
    measured
        Function that measures some of the runs.

    Returns
    -------
    One measurement per run.

    Raises
    ------
    TrainingError
        When memory runs out, which a smaller stack or another machine may solve.
    """
    try:
        return measured(runs)
    except ASIDE:
        raise
    except ABOUT_DATA as error:
        if _is_of_memory(error):
            raise TrainingError(
                f"session {session!r}: memory does not suffice for {_described(runs)} together; "
                f"use fewer workers or a machine with more of it ({error or 'MemoryError'})"
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

    Torch has an error class of its own for a GPU's memory, but none for a CPU's.
    """
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(
        error
    )


def _described(runs: list[Run]) -> str:
    """Describe a stack by its size, or one run by its condition."""
    kind = runs[0].method.kind
    if len(runs) > 1:
        return f"{len(runs)} runs of {kind}"
    run = runs[0]
    condition = f" at {run.axis} {run.dose:g}, {run.arm}" if run.axis else ""
    fold = "" if run.fold is None else f", fold {run.fold}"
    return f"{kind}{condition}{fold}, seed {run.seed}"


def stacks(runs: list[Run], begun: Callable[[str], int] = lambda key: 0) -> Iterator[list[Run]]:
    """Group runs that can share one stack.

    They have the same method, optimisation, base, window, companions and options of
    what corrupts views, and their trainings stand at the same step.

    Parameters
    ----------
    runs
        Runs of one session.
    begun
        Number of saved steps of a training, by its train key.

    Yields
    ------
    The runs of one stack.
    """
    grouped: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        grouped.setdefault((_structure(run), begun(run.train_key())), []).append(run)
    yield from grouped.values()


def _structure(run: Run) -> str:
    """Key that runs of one stack have in common."""
    views = run.views
    options = [at_identity(stage).model_dump() for stage in views.corruptions] if views else []
    base = views.base.kind if views else ""
    shared = [
        run.method.model_dump(),
        run.optimisation.model_dump() if run.optimisation else None,
        base,
        run.window.model_dump(),
    ]
    companions = "" if run.companions is None else run.companions.canonical()
    return json.dumps(
        [
            shared,
            options if run.method.kind != "supervised" else None,
            run.examination is not None,
            companions,
        ]
    )


def stored_encoders(
    store: Store, runs: list[Run], tell: Callable[[str], None] = lambda said: None
) -> Stored:
    """Load the stored encoders that some runs need.

    They are the encoders that runs examine, the encoders that these are compared with,
    and the runs' own where training does not read the target. A damaged encoder is
    moved aside and reported.

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
    Weights and training figures of the encoders that are stored and sound.
    """

    def sound(run: Run) -> dict[str, np.ndarray] | None:
        try:
            return store.encoder(run)
        except DamagedError as error:
            tell(f"{error}. It is in {store.set_aside('encoders', run.train_key())} now")
            return None

    wanted = {
        run.train_key(): run
        for run in runs
        if run.examination is not None or run.method.kind in TARGET_FREE
    }
    wanted |= {other.train_key(): other for run in runs if (other := run.reference()) is not None}
    weights = {key: found for key, run in wanted.items() if (found := sound(run)) is not None}
    trainings = {key: store.training(wanted[key]) or TrainingFigures() for key in weights}
    return Stored(weights, trainings)


def work(
    job: dict[str, Any], emit: Callable[[Event], None], stop: Callable[[], bool] = lambda: False
) -> None:
    """Measure the runs of one job that the store lacks, and commit them.

    Trainings go on from where they were saved.

    Parameters
    ----------
    job
        The job as plain JSON data.
    emit
        Called with every event.
    stop
        Whether the process should end; asked between stacks and during training.

    Raises
    ------
    Stopped
        When `stop` says that the process should end.
    """

    def progress(steps: int) -> None:
        emit({"event": "progress", "model_steps": steps})

    store = Store(Path(job["store"]))
    arrays = {"arrays": store.recordings}
    runs = [Run.model_validate(run, context=arrays) for run in job["runs"]]
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
    if any(run.optimisation and run.optimisation.kernels == "native" for run in missing):
        # Checked here, outside `guarded`: if native kernels cannot compute, that is the fault of
        # this machine, and no run is recorded as failed.
        require_native(device)
    checkpoints = Checkpoints(
        store.root / "checkpoints", device, stop, job.get("checkpoint_s", EVERY_S)
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
        for m in guarded(job["session"], stack, partial(_on_bench, opened, progress, stored)):
            if m.weights:
                decoded = m.result.measured(DecodedFigures)
                training = (decoded and decoded.training) or TrainingFigures()
                store.commit_encoder(m.run, m.weights, training, m.result.seconds)
            now = datetime.now(UTC).isoformat()
            store.commit_result(
                m.run, replace(m.result, registration=job.get("registration", ""), measured_at=now)
            )
            checkpoints.remove(m.run.train_key())
            emit({"event": "committed", "key": m.result.key, "status": m.result.status})


def _on_bench(
    opened: Callable[[Run], Workbench],
    on_progress: Callable[[int], None],
    stored: Stored,
    runs: list[Run],
) -> list[Measured]:
    """Open the session for the first run and measure all runs on it."""
    return measure(opened(runs[0]), runs, on_progress, stored)


def _open(source: AnySource, session: str, base: Path, runs: list[Run]) -> Recording:
    """Open a session once in this process, with the arrays that some runs read.

    What they read must be what they were planned with.

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
    recording = kept_recording(source, session, base)
    for run in runs:
        read = (*run.arrays, *([(run.target.name, run.target_array)] if run.target_array else ()))
        check_unchanged(recording, source, run.fingerprint, read)
    return recording.reading({name for run in runs for name in run.arrays_read()})


def main() -> None:
    """Measure the jobs of a file, or of standard input until it ends.

    Signals only ask the process to end after the next step. The exit code is
    `GO_ON_LATER` when it ends before all is done.
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
