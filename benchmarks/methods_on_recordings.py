"""Every method on real recordings, beside raw ridge, PCA, an untrained and a supervised network; writes reports/methods/.

python benchmarks/methods_on_recordings.py [--out reports/methods] [--runs runs] [--seeds 5] [--only TASK ...]

Every decoder is scored on the same test windows of the same ten folds. Means are over folds and seeds; the interval is a 95 % t interval over
folds (of the mean over seeds), which training parts that overlap make too narrow rather than too wide.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.local import Place
from invariance_probe.results.store import Store
from invariance_probe.runner import cores, measure
from invariance_probe.study.plan import BESIDE, Plan
from invariance_probe.study.run import Run
from invariance_probe.study.study import Study

ENCODER = {"kind": "mlp", "widths": [64, 64, 32]}
FASTER = {"target_decay": 0.5, "training": {"learning_rate": 1e-2}}
"""What BYOL's calibration was run at; at the common learning rate moving targets learn little in so few steps."""
PAIRS: list[dict[str, Any]] = [
    *({"kind": kind, "encoder": ENCODER} for kind in ("simclr", "moco", "simsiam", "barlow_twins", "vicreg", "swap_vae")),
    *({"kind": kind, "encoder": ENCODER, **FASTER} for kind in ("byol", "myow")),
]
LABELLED = {"kind": "y_aware", "encoder": ENCODER}
REACH = [
    {"kind": "npz", "path": f"m1_reach/{file}-bin0.10-velthresh5.00.npz", "session": session, "subject": session.split("-")[0],
     "activity": "spike_count", "bin_s": "bin_s", "trial": "trial"}
    for session, file in (("chewie-1", "chewie-10032013"), ("chewie-2", "chewie-12192013"), ("mihi-1", "mihi-03032014"))
]  # fmt: skip
WHOLE = [{**REACH[0], "path": "m1_reach/chewie-10032013-bin0.10-velthresh0.00.npz", "session": "chewie-1-every-bin"}]
SLEEP = [{"kind": "npz", "path": "sleep_ca1/mouse_ca1_12h_4s.npz", "session": "ca1", "activity": "spike_count", "bin_s": "bin_s"}]


def in_time(near_s: float, far_s: float, **sequence: Any) -> list[dict[str, Any]]:
    """Return the methods that choose their windows in time, at the scale of a recording."""
    return [
        {"kind": "cpc", "encoder": ENCODER, **sequence},
        {"kind": "pbl", "encoder": ENCODER, **sequence},
        {"kind": "relative_positioning", "encoder": ENCODER, "near_s": near_s, "far_s": far_s},
        {"kind": "temporal_shuffling", "encoder": ENCODER, "near_s": near_s, "far_s": far_s},
        {"kind": "masked_sequence", "encoder": ENCODER, "sequence_windows": 8},
    ]


TASKS: dict[str, dict[str, Any]] = {
    "reach: hand velocity": {
        "recordings": REACH, "target": {"name": "hand_velocity", "kind": "continuous"}, "score": "r2",
        "folds": {"scheme": "trials", "count": 10}, "methods": [*PAIRS, LABELLED], "jitter_s": 0.1,
    },
    "reach: direction": {
        "recordings": REACH, "target": {"name": "reach_direction_rad", "kind": "circular"}, "score": "accuracy",
        "beside": ("accuracy_wide",), "folds": {"scheme": "trials", "count": 10}, "methods": [*PAIRS, LABELLED], "jitter_s": 0.1,
    },
    "reach, every bin: hand velocity": {
        "recordings": WHOLE, "target": {"name": "hand_velocity", "kind": "continuous"}, "score": "r2",
        "folds": {"scheme": "trials", "count": 10}, "methods": in_time(0.2, 2.0), "jitter_s": 0.1,
    },
    "sleep: state": {
        "recordings": SLEEP, "target": {"name": "state", "kind": "categorical"}, "score": "balanced_accuracy",
        "beside": ("f1_weighted", "f1_macro"), "folds": {"scheme": "blocks", "count": 10, "embargo_s": 60.0},
        "methods": [*PAIRS, {**LABELLED, "kind": "supcon"}, *in_time(60.0, 1800.0)], "jitter_s": 12.0,
    },
}  # fmt: skip
"""What is decoded of which recordings, on which folds, and which score leads."""
ROLES = {"raw": "raw ridge / logistic", "pca": "PCA", "untrained": "untrained", "supervised": "supervised network"}


def study_of(task: dict[str, Any], seeds: int, data: Path) -> Study:
    """Return the study whose identity dose is the comparison: dropout at .2 and jitter are part of every view."""
    recordings = [{**source, "path": str(data / source["path"])} for source in task["recordings"]]
    transforms = [{"kind": "unit_dropout", "rate": 0.2, "value": "silent"}, {"kind": "gaussian_noise"}]
    return Study.model_validate({
        "name": "methods", "question": "How well can frozen representations of every method be decoded?", "recordings": recordings,
        "target": task["target"], "folds": task["folds"], "method": task["methods"][0],
        "training": {"steps": 500, "batch_size": 128, "learning_rate": 3e-3, "seeds": seeds, "study_seed": 1},
        "views": {"pairing": {"kind": "time_jitter", "window_s": task["jitter_s"]}, "transforms": transforms},
        "axes": [{"path": "gaussian_noise.sigma", "doses": [0, 0.5]}], "sweeps": [{"path": "method", "values": task["methods"][1:]}],
        "hypotheses": [{"id": "none", "claim": "none", "predicts": "invariant", "axis": "gaussian_noise.sigma", "dose": 0.5,
                        "margin": {"fraction_of_range": 0.1, "because": "nothing is claimed"}}],
        "quick": True,
    })  # fmt: skip


def measured(name: str, task: dict[str, Any], seeds: int, store: Store, workers: int) -> list[dict[str, Any]]:
    """Measure a task and return one row a method and session: the mean of every score, and an interval of the leading one."""
    study = study_of(task, seeds, Path(os.environ.get("INVARIANCE_PROBE_DATA", "../shared/data")).resolve())
    plan = Plan(study, find_sessions(study, Path.cwd()))
    kinds = {method["kind"] for method in task["methods"]}

    def needed(run: Run) -> bool:
        own = run.method.kind in kinds and run.axis == "" and run.fraction == 1 and run.seed < seeds
        beside = run.method.kind in ROLES and run.axis == "" and run.setting != BESIDE
        return own or beside or run.method.kind == "shift_null"

    found = measure(plan, store, Place(Path.cwd(), store.root.resolve()), workers, _tell(name), needed).results
    scores: dict[tuple[str, str], dict[tuple[int, int], dict[str, float]]] = {}
    for run in plan.runs:
        if run.fold is not None and needed(run) and run.key() in found:
            values = found[run.key()].diagnostics if found[run.key()].status != "failed" else {}
            scores.setdefault((ROLES.get(run.method.kind, run.method.kind), run.session), {})[run.fold, run.seed] = values
    return [_row(name, task, *key, values) for key, values in scores.items()]


def _row(
    name: str, task: dict[str, Any], method: str, session: str, values: dict[tuple[int, int], dict[str, float]]
) -> dict[str, Any]:
    row: dict[str, Any] = {"task": name, "method": method, "session": session}
    for score in (task["score"], *task.get("beside", ())):
        by_fold: dict[int, list[float]] = {}
        for (fold, _), scored in values.items():
            if score in scored:
                by_fold.setdefault(fold, []).append(scored[score])
        means = np.array([np.mean(own) for own in by_fold.values()])
        row[score] = float(means.mean()) if len(means) else None
        if score == task["score"] and len(means) > 1:
            half = float(stats.t.ppf(0.975, len(means) - 1) * means.std(ddof=1) / len(means) ** 0.5)
            row |= {"low": row[score] - half, "high": row[score] + half, "folds": len(means), "models": len(values)}
    return row


def _tell(name: str) -> Any:
    def tell(event: dict[str, Any]) -> None:
        if event.get("event") == "stage":
            print(f"{name}: {event}", flush=True)

    return tell


def table(name: str, task: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """Return a task's table, in Markdown: best first, with what beats the raw decoder marked."""
    sessions = list(dict.fromkeys(row["session"] for row in rows))
    by_method: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_method.setdefault(row["method"], {})[row["session"]] = row
    score = task["score"]

    def mean(method: str, what: str) -> float:
        found = [row[what] for row in by_method[method].values() if row.get(what) is not None]
        return float(np.mean(found)) if found else float("nan")

    raw = mean(ROLES["raw"], score)
    heads = ["method", *(f"{score}, {session}" for session in sessions), *([f"{score}, mean"] if len(sessions) > 1 else [])]
    heads += [*task.get("beside", ()), "beats raw"]
    lines = [f"## {name}", "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for method in sorted(by_method, key=lambda own: -np.nan_to_num(mean(own, score), nan=-9)):
        cells = [_cell(by_method[method].get(session), score) for session in sessions]
        cells += [f"{mean(method, score):.3f}"] if len(sessions) > 1 else []
        cells += [f"{mean(method, what):.3f}" for what in task.get("beside", ())]
        verdict = "" if method == ROLES["raw"] else ("yes" if mean(method, score) > raw else "no")
        lines.append(f"| {method} | " + " | ".join([*cells, verdict]) + " |")
    return [*lines, ""]


def _cell(row: dict[str, Any] | None, score: str) -> str:
    if row is None or row.get(score) is None:
        return ""
    return f"{row[score]:.3f} [{row['low']:.3f}, {row['high']:.3f}]" if "low" in row else f"{row[score]:.3f}"


def main() -> None:
    """Measure what is missing, print every table, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/methods"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--only", nargs="*", default=list(TASKS))
    given = parser.parse_args()
    store = Store(given.runs)
    store.root.mkdir(parents=True, exist_ok=True)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "recordings.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    for name in given.only:
        own = measured(name, TASKS[name], given.seeds, store, given.workers)
        mine = {(row["task"], row["method"]) for row in own}
        rows = [row for row in rows if (row["task"], row["method"]) not in mine] + own
        path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    write_tables(rows, given.out)


def write_tables(rows: list[dict[str, Any]], out: Path) -> None:
    """Print every table and write them, with the speeds where those were measured."""
    lines: list[str] = []
    for name, task in TASKS.items():
        own = [row for row in rows if row["task"] == name]
        lines += table(name, task, own) if own else []
    if (out / "speed.md").exists():
        lines += ["## Speed", "", (out / "speed.md").read_text(encoding="utf-8")]
    page = ["# Every method on real recordings", "", str(__doc__), "", *lines]
    (out / "recordings.md").write_text("\n".join(page), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
