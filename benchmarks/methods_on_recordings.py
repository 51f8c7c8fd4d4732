"""Decoding scores of every method on real recordings, beside baselines.

python benchmarks/methods_on_recordings.py [--out reports/methods] [--runs runs] [--seeds 5]
    [--only TASK ...]

The baselines are raw ridge, square roots, PCA, an untrained and a supervised network.
The tables are written to reports/methods/.

Every decoder is scored on the same test windows of the same folds. Means are over folds
and seeds. The interval is a 95 % t interval over folds (of the mean over seeds);
because training parts overlap, it is too narrow rather than too wide. "Keeps of the
range" is the part of the decodable range that the loss keeps, from the best constant to
the best of raw, square roots and supervised: the retention gate asks for .5. "Beats
raw" compares the leading score with the raw decoder's, fold by fold. Methods see unit
dropout at .2 and the task's jitter; y_aware and supcon see the target in training, and
are not SSL. "As published" is one session and one seed with the settings and
augmentations of MYOW's two releases (Azabou et al. 2021), without count splitting and
without pepper noise; BYOL is the first release without mining.
"""

import argparse
import json
import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.jobs import WorkerSettings
from invariance_probe.executors.local import run_local
from invariance_probe.plan.figures.decoded import DecodedFigures
from invariance_probe.plan.plan import BASELINE_SETTING, Plan
from invariance_probe.plan.run import Run
from invariance_probe.results.store import Store
from invariance_probe.runner import cores, measure
from invariance_probe.study.study import Study

ENCODER = {"kind": "mlp", "widths": [64, 64, 32]}
FASTER = {"target_decay": 0.5, "training": {"learning_rate": 1e-2}}
"""The settings at which BYOL was calibrated.

At the common learning rate, moving targets learn little in so few steps.
"""
PAIRS: list[dict[str, Any]] = [
    *(
        {"kind": kind, "encoder": ENCODER}
        for kind in ("simclr", "moco", "simsiam", "barlow_twins", "vicreg", "swap_vae")
    ),
    *({"kind": kind, "encoder": ENCODER, **FASTER} for kind in ("byol", "myow")),
]
LABELLED = {"kind": "y_aware", "encoder": ENCODER}
REACH = [
    {
        "kind": "npz",
        "path": f"m1_reach/{file}-bin0.10-velthresh5.00.npz",
        "session": session,
        "subject": session.split("-")[0],
        "activity": "spike_count",
        "bin_s": "bin_s",
        "trial": "trial",
    }
    for session, file in (
        ("chewie-1", "chewie-10032013"),
        ("chewie-2", "chewie-12192013"),
        ("mihi-1", "mihi-03032014"),
    )
]
WHOLE = [
    {
        **REACH[0],
        "path": "m1_reach/chewie-10032013-bin0.10-velthresh0.00.npz",
        "session": "chewie-1-every-bin",
    }
]
SLEEP = [
    {
        "kind": "npz",
        "path": "sleep_ca1/mouse_ca1_12h_4s.npz",
        "session": "ca1",
        "activity": "spike_count",
        "bin_s": "bin_s",
    }
]

WORLD = {
    "kind": "simulated",
    "generator": "redundancy",
    "sessions": 2,
    "seed": 77,
    "units": 60,
    "information": 2.0,
    "bins": 1620,
}


def in_time(near_s: float, far_s: float, **sequence: Any) -> list[dict[str, Any]]:
    """Return the methods that choose their windows in time, at the scale of a recording."""
    return [
        {"kind": "cpc", "encoder": ENCODER, **sequence},
        {"kind": "pbl", "encoder": ENCODER, **sequence},
        {"kind": "relative_positioning", "encoder": ENCODER, "near_s": near_s, "far_s": far_s},
        {"kind": "temporal_shuffling", "encoder": ENCODER, "near_s": near_s, "far_s": far_s},
        {"kind": "masked_sequence", "encoder": ENCODER, "sequence_windows": 8},
    ]


def published(dropout: float, noise: float) -> dict[str, Any]:
    """Views as MYOW makes them.

    Every window draws its own dropout rate, and noise comes after standardisation.
    """
    transforms = [
        {"kind": "unit_dropout", "rate": dropout, "value": "silent", "rate_draw": "uniform"},
        {"kind": "spike_thinning"},
        {"kind": "gaussian_noise", "sigma": noise},
    ]
    return {"base": {"kind": "none"}, "transforms": transforms}


TASKS: dict[str, dict[str, Any]] = {
    "reach: hand velocity": {
        "recordings": REACH,
        "target": {"name": "hand_velocity", "kind": "continuous"},
        "score": "r2",
        "folds": {"scheme": "trials", "count": 10},
        "methods": [*PAIRS, LABELLED],
        "jitter_s": 0.1,
    },
    "reach: direction": {
        "recordings": REACH,
        "target": {"name": "reach_direction_rad", "kind": "circular"},
        "score": "accuracy",
        "beside": ("accuracy_wide",),
        "folds": {"scheme": "trials", "count": 10},
        "methods": [*PAIRS, LABELLED],
        "jitter_s": 0.1,
    },
    "reach, every bin: hand velocity": {
        "recordings": WHOLE,
        "target": {"name": "hand_velocity", "kind": "continuous"},
        "score": "r2",
        "folds": {"scheme": "trials", "count": 10},
        "methods": in_time(0.2, 2.0),
        "jitter_s": 0.1,
    },
    "G1: a smooth label": {
        "recordings": [
            {
                "kind": "simulated",
                "generator": "smoothness",
                "session": "smooth",
                "sessions": 2,
                "seed": 77,
                "bins": 3000,
            }
        ],
        "target": {"name": "label", "kind": "continuous"},
        "score": "r2",
        "folds": {"scheme": "blocks", "count": 5, "embargo_s": 1.0},
        "methods": [*PAIRS, LABELLED, *in_time(0.2, 5.0)],
        "jitter_s": 0.0,
    },
    "G2: sixty carriers": {
        "recordings": [{**WORLD, "session": "sixty", "carriers": 60}],
        "target": {"name": "label", "kind": "continuous"},
        "score": "r2",
        "folds": {"scheme": "blocks", "count": 5, "embargo_s": 1.0},
        "methods": [*PAIRS, LABELLED, *in_time(0.2, 5.0)],
        "jitter_s": 0.0,
    },
    "G2: one carrier": {
        "recordings": [{**WORLD, "session": "one", "carriers": 1, "carrier_counts": 2.0}],
        "score": "r2",
        "target": {"name": "label", "kind": "continuous"},
        "folds": {"scheme": "blocks", "count": 5, "embargo_s": 1.0},
        "methods": [*PAIRS, LABELLED, *in_time(0.2, 5.0)],
        "jitter_s": 0.0,
        "dropout": 0.0,
    },
    "sleep: state": {
        "recordings": SLEEP,
        "target": {"name": "state", "kind": "categorical"},
        "score": "balanced_accuracy",
        "beside": ("f1_weighted", "f1_macro"),
        "folds": {"scheme": "blocks", "count": 10, "embargo_s": 60.0},
        "methods": [*PAIRS, {**LABELLED, "kind": "supcon"}, *in_time(60.0, 1800.0)],
        "jitter_s": 12.0,
    },
    "as published, first release: direction": {
        "recordings": REACH[:1],
        "target": {"name": "reach_direction_rad", "kind": "circular"},
        "score": "accuracy",
        "beside": ("accuracy_wide",),
        "folds": {"scheme": "trials", "count": 10},
        "jitter_s": 0.4,
        "seeds": 1,
        "methods": [
            {"kind": kind, "preset": "monkey", "training": {"steps": 8000}}
            for kind in ("myow", "byol")
        ],
        "views": published(0.8, 0.2),
    },
    "as published, second release: direction": {
        "recordings": REACH[:1],
        "target": {"name": "reach_direction_rad", "kind": "circular"},
        "score": "accuracy",
        "beside": ("accuracy_wide",),
        "folds": {"scheme": "trials", "count": 10},
        "jitter_s": 0.2,
        "seeds": 1,
        "methods": [{"kind": "myow", "preset": "monkey-neuro", "training": {"steps": 10_000}}],
        "views": published(0.2, 0.0),
    },
    "as published, second release: sleep": {
        "recordings": SLEEP,
        "target": {"name": "state", "kind": "categorical"},
        "score": "balanced_accuracy",
        "beside": ("f1_weighted", "f1_macro"),
        "folds": {"scheme": "blocks", "count": 10, "embargo_s": 60.0},
        "jitter_s": 12.0,
        "seeds": 1,
        "methods": [{"kind": "myow", "preset": "rodent-neuro", "training": {"steps": 13_500}}],
        "views": published(0.8, 0.0),
    },
}
"""What is decoded of which recordings, on which folds, and which score leads."""
Scores = dict[tuple[int, int], dict[str, float]]
"""Scores and losses by fold and seed."""
ROLES = {
    "raw": "raw ridge / logistic",
    "square_roots": "square roots of counts",
    "pca": "PCA",
    "untrained": "untrained",
    "supervised": "supervised network",
}
CEILINGS = ("raw", "square_roots", "supervised")
"""Decoders without SSL that may set the top of the decodable range.

Rows of earlier versions lack square roots.
"""


def study_of(task: dict[str, Any], seeds: int, data: Path) -> Study:
    """Study in which methods are compared at the identity dose of its axis.

    What a task's views lose (unit dropout), and their time jitter, are part of every view.
    """
    recordings = [
        {**source, "path": str(data / source["path"])} if "path" in source else source
        for source in task["recordings"]
    ]
    dropout = {"kind": "unit_dropout", "rate": task.get("dropout", 0.2), "value": "silent"}
    views = task.get("views", {"transforms": [dropout, {"kind": "gaussian_noise"}]})
    axis = "spike_thinning.rate" if "views" in task else "gaussian_noise.sigma"
    return Study.model_validate(
        {
            "name": "methods",
            "question": "How well can frozen representations of every method be decoded?",
            "recordings": recordings,
            "target": task["target"],
            "folds": task["folds"],
            "method": task["methods"][0],
            "training": {
                "steps": 500,
                "batch_size": 128,
                "learning_rate": 3e-3,
                "seeds": seeds,
                "study_seed": 1,
            },
            "views": {"pairing": {"kind": "time_jitter", "window_s": task["jitter_s"]}, **views},
            "axes": [{"path": axis, "doses": [0, 0.5]}],
            "sweeps": [{"path": "method", "values": others}]
            if (others := task["methods"][1:])
            else [],
            "hypotheses": [
                {
                    "id": "none",
                    "claim": "none",
                    "predicts": "invariant",
                    "axis": axis,
                    "dose": 0.5,
                    "margin": {"fraction_of_range": 0.1, "because": "nothing is claimed"},
                }
            ],
            "quick": True,
        }
    )


def measured(
    name: str, task: dict[str, Any], seeds: int, store: Store, workers: int
) -> list[dict[str, Any]]:
    """Measure a task, and summarise it in one row per method and session.

    A row holds the mean of every score, and an interval of the leading one.
    """
    seeds = task.get("seeds", seeds)
    study = study_of(
        task, seeds, Path(os.environ.get("INVARIANCE_PROBE_DATA", "../shared/data")).resolve()
    )
    plan = Plan(study, find_sessions(study, Path.cwd()))
    kinds = {method["kind"] for method in task["methods"]}

    def needed(run: Run) -> bool:
        own = run.method.kind in kinds and run.axis == "" and run.fraction == 1 and run.seed < seeds
        beside = run.method.kind in ROLES and run.axis == "" and run.setting != BASELINE_SETTING
        return own or beside or run.method.kind == "shift_null"

    found = measure(
        plan,
        store,
        WorkerSettings(Path.cwd(), store.root.resolve()),
        partial(run_local, workers=workers),
        _tell(name),
        needed,
    ).results
    scores: dict[tuple[str, str], Scores] = {}
    for run in plan.runs:
        if (
            run.fold is not None
            and needed(run)
            and (result := found.get(run.key())) is not None
            and result.status != "failed"
        ):
            decoded = result.measured(DecodedFigures)
            known = asdict(decoded.scores) if decoded else {}
            values = {name: value for name, value in known.items() if value is not None}
            values["loss"] = float(np.mean(result.block_losses))
            values |= {"floor": float(np.mean(result.floor_losses))} if result.floor_losses else {}
            scores.setdefault((ROLES.get(run.method.kind, run.method.kind), run.session), {})[
                run.fold, run.seed
            ] = values
    return [row_of(name, task, *key, values) for key, values in scores.items()]


def row_of(
    name: str, task: dict[str, Any], method: str, session: str, values: Scores
) -> dict[str, Any]:
    """Return means over folds and seeds of the scores, and the leading one by fold."""
    row: dict[str, Any] = {
        "task": name,
        "method": method,
        "session": session,
        "models": len(values),
    }
    for score in (task["score"], *task.get("beside", ()), "loss", "floor"):
        by_fold: dict[int, list[float]] = {}
        for (fold, _), scored in values.items():
            if score in scored:
                by_fold.setdefault(fold, []).append(scored[score])
        means = {str(fold): float(np.mean(own)) for fold, own in sorted(by_fold.items())}
        row |= {score: float(np.mean(list(means.values())))} if means else {}
        row |= {"by_fold": means} if score == task["score"] else {}
    return row


def _tell(name: str) -> Any:
    def tell(event: dict[str, Any]) -> None:
        if event.get("event") == "stage":
            print(f"{name}: {event}", flush=True)

    return tell


def table(task: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """Return a task's table, in Markdown, best first."""
    sessions = list(dict.fromkeys(row["session"] for row in rows))
    by_method: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_method.setdefault(row["method"], {})[row["session"]] = row
    score, raw = task["score"], by_method[ROLES["raw"]]

    def mean(method: str, what: str) -> float:
        return float(np.mean([row.get(what, np.nan) for row in by_method[method].values()]))

    known = [own for role in CEILINGS if (own := by_method.get(ROLES[role]))]
    ceiling = {
        session: min(own[session]["loss"] for own in known if session in own)
        for session in sessions
    }
    heads = [
        "method",
        *(f"{score}, {session}" for session in sessions),
        *task.get("beside", ()),
        "keeps of the range",
        "beats raw",
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for method in sorted(by_method, key=lambda own: -np.nan_to_num(mean(own, score), nan=-9)):
        own = by_method[method]
        kept = [
            (raw[s]["floor"] - row["loss"]) / (raw[s]["floor"] - ceiling[s])
            for s, row in own.items()
            if "loss" in row
        ]
        cells = [interval(own[session]) if session in own else "" for session in sessions]
        cells += [f"{mean(method, what):.3f}" for what in task.get("beside", ())]
        cells += [
            f"{np.mean(kept):.2f}" if kept else "",
            "" if method == ROLES["raw"] else beats(own, raw),
        ]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def interval(row: dict[str, Any]) -> str:
    """Return the leading score of one session, with the 95 % t interval over folds."""
    folds = np.array(list(row["by_fold"].values()))
    half = stats.t.ppf(0.975, len(folds) - 1) * folds.std(ddof=1) / len(folds) ** 0.5
    return f"{folds.mean():.3f} [{folds.mean() - half:.3f}, {folds.mean() + half:.3f}]"


def beats(own: dict[str, dict[str, Any]], raw: dict[str, dict[str, Any]]) -> str:
    """Compare the leading score with the raw decoder's, fold by fold.

    The answer is that it is shown to be above, shown not to be, or neither, at .05
    two-sided.
    """
    differences = np.array(
        [
            value - raw[s]["by_fold"][fold]
            for s, row in own.items()
            for fold, value in row["by_fold"].items()
        ]
    )
    p = stats.ttest_1samp(differences, 0.0).pvalue if len(differences) > 1 else 1.0
    word = "not shown" if not p < 0.05 else ("yes" if differences.mean() > 0 else "no, below it")
    return f"{word} ({differences.mean():+.3f})"


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
        lines += [f"## {name}", "", *table(task, own)] if own else []
    if (out / "speed.md").exists():
        lines += ["## Speed", "", (out / "speed.md").read_text(encoding="utf-8")]
    page = ["# Every method on real recordings", "", str(__doc__), "", *lines]
    (out / "recordings.md").write_text("\n".join(page), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
