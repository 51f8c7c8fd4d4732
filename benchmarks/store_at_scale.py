"""Time and peak memory of the run store, from 10^2 to 10^5 runs.

Measured are planning, committing, `status` and `report`. Nothing is trained: a stub
gives every run a plausible result, so that the report has all its parts. Recordings are
simulated, and planning opens them as it does for any study. Each size has processes of
its own, whose times exclude Python's start (about half a second).

    python benchmarks/store_at_scale.py --sizes 100 1000 10000 100000

In a real run, commits are flushed to the disk one by one (four files and two folders
each); with --no-flush, the benchmark leaves that out.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from invariance_probe.plan.figures.code import (
    CodeFigures,
    CorruptionErrors,
    DroppingCurve,
    HeldOutErrors,
)
from invariance_probe.plan.figures.decoded import DecodedFigures, RepresentationFigures
from invariance_probe.plan.figures.examined import (
    CorruptionFigures,
    DetectionFigures,
    SimilarityFigures,
)
from invariance_probe.plan.figures.session import LeakFigures, NullFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import EncoderExamination
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.planning import make_plan, read_statuses
from invariance_probe.results.store import Store
from invariance_probe.runner import judge
from invariance_probe.study.baselines import Code
from invariance_probe.study.load import StudyFile, open_study

UNITS = 30
DOSES = {False: [0, 0.4], True: [0, 0.1, 0.2, 0.4, 0.6, 0.8]}
STAGES = ("plan", "commit", "status, first", "status", "report")
TARGETS = {("status", 100_000): 5.0, ("report", 10_000): 15.0}
"""Seconds that are asked of a stage at a size."""


def study_text(runs: int) -> str:
    """Return a study of about that many runs, as JSON, which is YAML."""
    large = runs > 3000
    repeats = 5 if large else 2
    margin = {"fraction_of_range": 0.1, "because": "a benchmark"}
    study = {
        "name": f"scale-{runs}",
        "question": "How long does it take?",
        "recordings": [
            {
                "kind": "simulated",
                "generator": "redundancy",
                "session": "s",
                "sessions": max(1, round(runs / (1713 if large else 128))),
                "carriers": UNITS,
                "units": UNITS,
                "information": 3,
                "bins": 640,
            },
        ],
        "target": {"name": "label"},
        "folds": {"scheme": "blocks", "count": repeats, "embargo_s": 0.5},
        "method": {
            "kind": "simclr",
            "temperature": 0.2,
            "encoder": {"kind": "mlp", "widths": [16, 8]},
            "projector": [8, 8],
        },
        "training": {"steps": 200, "batch_size": 64, "seeds": repeats},
        "views": {"transforms": [{"kind": "unit_dropout"}]},
        "axes": [{"path": "unit_dropout.rate", "doses": DOSES[large]}],
        "hypotheses": [
            {
                "id": "H1",
                "claim": "costs nothing",
                "predicts": "tolerated",
                "axis": "unit_dropout.rate",
                "dose": 0.4,
                "margin": margin,
            }
        ],
    }
    return json.dumps(study)


def stub(plan: Plan, run: Run, rng: np.random.Generator) -> RunResult:
    """Return a result such as a trained run would have."""
    noise = rng.standard_normal(64) * 0.01
    if run.fold is None:
        if isinstance(run.method, Code):
            return RunResult(run.key(), "done", figures=code_of(run.method, rng))
        walks = (-0.1,) * 20
        leak = run.method.kind == "leak"
        found = LeakFigures(r2=walks, beyond=walks) if leak else NullFigures(p_value=0.001)
        return RunResult(run.key(), "done", figures=found)
    per_fold = plan.study.folds.blocks_per_fold
    blocks = tuple(range(run.fold * per_fold, (run.fold + 1) * per_fold))
    losses = tuple(float(0.5 + 0.02 * run.dose + noise[i]) for i in range(per_fold))
    kind = run.examination.kind if isinstance(run, EncoderExamination) else ""
    if kind == "detection":
        return RunResult(
            run.key(), "done", figures=DetectionFigures(detection=0.6 + float(noise[0]))
        )
    if kind == "comparison":
        found = SimilarityFigures(cka=0.9 + float(noise[0]), shape_distance=0.2)
        return RunResult(run.key(), "done", figures=found)
    invariance = 0.7 + float(noise[2])
    if kind == "corruption":
        measured = CorruptionFigures(
            invariance=invariance, invariance_row_space=0.6, invariance_within_class=0.5
        )
    else:
        measured = DecodedFigures(
            representation=RepresentationFigures(
                rank_me=6.0 + float(noise[1]),
                alignment=0.3,
                uniformity=-1.2,
                input_change=0.4,
                invariance=invariance,
            )
        )
    floors = (1.0,) * per_fold if run.method.kind == "raw" else ()
    return RunResult(
        run.key(),
        "done",
        blocks,
        losses,
        floors,
        losses[0],
        measured,
        model_steps=run.steps,
        seconds=0.1,
    )


def code_of(asked: Code, rng: np.random.Generator) -> CodeFigures:
    """Return held-out sums of a made-up code of 30 equal units with an R2 of .75."""
    folds = tuple(range(8))
    whole = sums_of(asked, folds, rng)
    deleted = [
        sums_of(asked, tuple(f for f in folds if f != out), rng) for out in folds if asked.jackknife
    ]
    units = tuple(map(str, range(UNITS)))
    chosen = (len(folds),) * UNITS
    return CodeFigures(
        units, 640, 1, 0.1, "squared error", whole, tuple(deleted), chosen, chosen, 0.2
    )


def sums_of(asked: Code, folds: tuple[int, ...], rng: np.random.Generator) -> HeldOutErrors:
    """Return its held-out sums over some folds."""

    def sums(mean: float) -> tuple[float, ...]:
        return tuple(80 * (mean + 0.01 * rng.standard_normal(len(folds))))

    kept = tuple(sums(1 / (1 + 3 * kept / UNITS)) for kept in range(UNITS + 1))
    return HeldOutErrors(
        folds=folds,
        windows=(80,) * len(folds),
        floor=sums(1),
        everything=sums(0.25),
        linear_floor=sums(1),
        linear=sums(0.25),
        curves=(
            DroppingCurve("gained", kept),
            DroppingCurve("lost", kept[::-1]),
            DroppingCurve("random", kept[::-1]),
        ),
        halves=tuple((sums(0.4), sums(0.4)) for _ in range(asked.splits)),
        corruptions=tuple(
            CorruptionErrors(one.axis, one.dose, sums(0.4), sums(0.45), 0.4)
            for one in asked.corruptions
        ),
    )


def stage(name: str, study: Path, runs: Path, flush: bool) -> dict[str, float]:
    """Do one stage and return its figures."""
    file: StudyFile = open_study(study, ())
    started, cpu = time.perf_counter(), time.process_time()
    count = 0
    if name == "plan":
        count = len({run.key() for run in make_plan(file).runs})
    elif name == "commit":
        plan, store, rng = make_plan(file), Store(runs, durable=flush), np.random.default_rng(0)
        started, cpu = time.perf_counter(), time.process_time()
        for run in plan.runs:
            store.commit_result(run, stub(plan, run, rng))
            count += 1
    elif name.startswith("status"):
        count = len(read_statuses(file, runs)[1])
    else:
        result = judge(file.study, runs)
        result.report(runs.parent / "report")
        count = result.findings.runs.done
    seconds, used = time.perf_counter() - started, time.process_time() - cpu
    return {
        "runs": count,
        "seconds": seconds,
        "cpu": used,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure(runs: int, flush: bool, folder: Path) -> dict[str, dict[str, float]]:
    """Do every stage at one size, each in a process of its own."""
    study = folder / f"{runs}.yaml"
    study.write_text(study_text(runs))
    figures = {}
    for name in STAGES:
        command = [
            sys.executable,
            __file__,
            "--stage",
            name,
            "--study",
            str(study),
            "--runs",
            str(folder / str(runs)),
        ]
        done = subprocess.run(
            [*command, *(() if flush else ("--no-flush",))],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(done.stderr)
        figures[name] = json.loads(done.stdout)
        said = figures[name]
        print(
            f"  {name}: {said['runs']} runs, {said['seconds']:.2f} s ({said['cpu']:.2f} s of CPU), "
            f"{said['mb']:.0f} MB",
            file=sys.stderr,
        )
    return figures


def table(found: dict[int, dict[str, dict[str, float]]]) -> str:
    """Return a Markdown table: seconds, peak memory, and how both grow from size to size."""
    lines = [
        "| stage | runs | s | CPU s | ms a run | peak MB | growth: runs | time | memory | target |",
        "|---|" + "---:|" * 9,
    ]
    for name in STAGES:
        last = None
        for size, figures in found.items():
            now = figures[name]
            grown = (
                [f"x{now[what] / last[what]:.1f}" for what in ("runs", "seconds", "mb")]
                if last
                else ["", "", ""]
            )
            asked = TARGETS.get((name, size))
            met = (
                ""
                if asked is None
                else f"{'met' if now['seconds'] < asked else 'MISSED'} (< {asked:g} s)"
            )
            own = (
                f"{now['seconds']:.2f} | {now['cpu']:.2f} | "
                f"{1000 * now['seconds'] / now['runs']:.3f} | {now['mb']:.0f}"
            )
            lines.append(f"| {name} | {now['runs']:.0f} | {own} | {' | '.join(grown)} | {met} |")
            last = now
    return "\n".join(lines)


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000, 100_000])
    parser.add_argument(
        "--no-flush", action="store_true", help="commit without waiting for the disk"
    )
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--study", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where to work [default: a temporary folder]")
    given = parser.parse_args()
    if given.stage:
        print(json.dumps(stage(given.stage, given.study, given.runs, not given.no_flush)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = {}
        for size in given.sizes:
            print(f"{size} runs", file=sys.stderr)
            found[size] = measure(size, not given.no_flush, folder)
    if given.no_flush:
        print("Commits were not flushed to the disk.\n")
    print(table(found))


if __name__ == "__main__":
    main()
