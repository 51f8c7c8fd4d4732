"""CEBRA's time-contrastive mode on the folds of methods_on_recordings.py.

python benchmarks/cebra_on_recordings.py [--out reports/methods] [--only TASK ...]

Its rows are added to the table of that script, and its time per model-step is measured.
The extra `bench` is needed (cebra from PyPI).

CEBRA (Schneider, Lee & Mathis 2023, doi:10.1038/s41586-023-06031-6) gets one bin per
sample (`offset1-model`), time offsets of one bin, 64 hidden units, 32 output
dimensions, batches of 128 and 1000 iterations, one seed, on the standardised counts of
each fold's training part. Its output is read by the same probe.
"""

import argparse
import json
import os
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cebra import CEBRA
from methods_on_recordings import TASKS, row_of, study_of, write_tables
from training_speed import Size, tuned_loop

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import DecoderBaseline, TrainedModel
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import probe_scored
from invariance_probe.probing.measurements.trained import train_ssl

NAME = "CEBRA, time (one seed)"
ITERATIONS, BATCH, STACK, ROUNDS, STEPS = 1000, 128, 16, 3, 100


def model(iterations: int) -> CEBRA:
    """Return CEBRA at the width and batch of this project's own table."""
    return CEBRA(
        model_architecture="offset1-model",
        conditional="time",
        time_offsets=1,
        batch_size=BATCH,
        num_hidden_units=64,
        output_dimension=32,
        max_iterations=iterations,
        learning_rate=3e-4,
        device="cpu",
        verbose=False,
    )


def benches(name: str) -> list[tuple[Workbench, list[DecoderBaseline], list[TrainedModel]]]:
    """Open each session of a task, with its raw and its SimCLR runs.

    The raw runs are those of its folds, and the SimCLR runs those at dose 0.
    """
    study = study_of(
        TASKS[name], 5, Path(os.environ.get("INVARIANCE_PROBE_DATA", "../shared/data")).resolve()
    )
    plan = Plan(study, find_sessions(study, Path.cwd()))
    found = []
    for session in plan.sessions:
        own = [run for run in plan.runs if run.session == session.name]
        raw = [run for run in own if isinstance(run, DecoderBaseline) and run.method.kind == "raw"]
        ssl = [
            run
            for run in plan.grid
            if isinstance(run, TrainedModel)
            and (run.session, run.axis, run.setting) == (session.name, "", "")
        ]
        recording = open_recording(session.source, session.name, Path.cwd())
        found.append((Workbench.of(recording, raw[0], torch.device("cpu")), raw, ssl))
    return found


def scored(bench: Workbench, run: DecoderBaseline) -> dict[str, float]:
    """Fit CEBRA on a fold's training part and score the probe's predictions on its test part."""
    part = bench.train_windows(run)
    bins = bench.windows.starts
    scaling = bench.scaling([part], torch.float32)
    x = scaling.apply(torch.from_numpy(bench.recording.activity[bins])[None, :, None])[
        0, :, 0
    ].numpy()
    torch.manual_seed(run.seed)
    np.random.seed(run.seed)  # noqa: NPY002 - CEBRA draws from the global generators
    fitted = model(ITERATIONS).fit(x[part])
    representation = torch.from_numpy(np.asarray(fitted.transform(x), dtype=np.float64))
    losses, scores = probe_scored(bench, [run], representation[None], [part])
    known = {name: value for name, value in asdict(scores[0]).items() if value is not None}
    return known | {"loss": float(losses[0, bench.folds[run.fold].test].mean())}


def speed(bench: Workbench, ssl: list[TrainedModel]) -> list[str]:
    """Steps per second of CEBRA, of a plain loop and of the stacked ensemble.

    They run in turn, at batches of 128 and 64 hidden units.
    """
    part = bench.train_windows(ssl[0])
    counts = torch.from_numpy(bench.recording.activity[bench.windows.starts[part]]).float()
    runs = [
        run.model_copy(
            update={"optimisation": run.optimisation.model_copy(update={"steps": STEPS})}
        )
        for run in ssl[:STACK]
    ]
    rates: dict[str, list[float]] = {
        "CEBRA": [],
        "plain loop (SimCLR)": [],
        f"stacked SimCLR, K = {STACK}": [],
    }
    for _ in range(ROUNDS):
        for name, steps, call in (
            ("CEBRA", STEPS, lambda: model(STEPS).fit(counts.numpy())),
            (
                "plain loop (SimCLR)",
                STEPS,
                lambda: tuned_loop(
                    counts, Size(counts.shape[1], (64, 64, 32), (64, 32), BATCH), STEPS
                ),
            ),
            (
                f"stacked SimCLR, K = {STACK}",
                STEPS * len(runs),
                lambda: train_ssl(bench, runs, lambda done: None),
            ),
        ):
            started = time.perf_counter()
            call()
            rates[name].append(steps / (time.perf_counter() - started))
    return [
        f"| {name} | {statistics.median(values):.0f} | {min(values):.0f} to {max(values):.0f} |"
        for name, values in rates.items()
    ]


def main() -> None:
    """Measure CEBRA on every fold, add its rows, and write tables and speeds.

    The speeds are printed, too.
    """
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/methods"))
    parser.add_argument("--only", nargs="*", default=list(TASKS))
    given = parser.parse_args()
    path = given.out / "recordings.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    for name in given.only:
        for bench, raw, _ in benches(name):
            values = {(run.fold, 0): scored(bench, run) for run in raw}
            row = row_of(name, TASKS[name], NAME, bench.recording.session, values)
            rows = [
                r
                for r in rows
                if (r["task"], r["method"], r["session"]) != (name, NAME, row["session"])
            ] + [row]
            print(row, flush=True)
            path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    bench, _, ssl = benches(next(iter(TASKS)))[0]
    table = [
        "| one core, batches of 128, 64 hidden units | model-steps/s | over rounds |",
        "|---|---|---|",
        *speed(bench, ssl),
    ]
    (given.out / "speed.md").write_text("\n".join([*table, ""]), encoding="utf-8")
    print("\n".join(table))
    write_tables(rows, given.out)


if __name__ == "__main__":
    main()
