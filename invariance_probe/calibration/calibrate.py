"""Run the calibration: simulate and measure sessions, count errors, report.

In: the part of the calibration and its size. Out: `calibration.json`, and a page that
compares every quantity with the bound it should meet. How errors are counted is
described in the other files of this package.

A bank is a set of simulated sessions of known truth, from which many studies are drawn.
A world is one kind of simulated recording. Worlds are numbered G1 to G8; each number
names the generator in `data/simulate` whose first line begins with it.
"""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from invariance_probe.calibration.arms import arm_rows
from invariance_probe.calibration.banks import (
    CROSSED_SEEDS,
    MEASURED,
    PLAIN,
    SIZES,
    arms_study,
    crossed_study,
    dropout_study,
    jitter_study,
    measures_study,
    needed,
    needed_for_claims,
    needed_of_crossed,
    needed_of_jitter,
)
from invariance_probe.calibration.bench import CalibrationBench
from invariance_probe.calibration.code_banks import measured_codes
from invariance_probe.calibration.code_page import write_code_page
from invariance_probe.calibration.code_rows import code_rows
from invariance_probe.calibration.contrasts import BANKS as CONTRASTS
from invariance_probe.calibration.contrasts import (
    contrast_rows,
    contrast_study,
    needed_of_contrasts,
)
from invariance_probe.calibration.dropout import dropout_rows
from invariance_probe.calibration.few_sessions import few_session_rows
from invariance_probe.calibration.learning_measuring import measured_learning
from invariance_probe.calibration.learning_page import write_learning_page
from invariance_probe.calibration.learning_rows import learning_rows
from invariance_probe.calibration.measures import measure_rows, measured_sessions
from invariance_probe.calibration.page import write_page
from invariance_probe.calibration.row import Row
from invariance_probe.calibration.training_dose import training_dose_rows
from invariance_probe.calibration.without_ssl import addition_table
from invariance_probe.calibration.world_rows import turnover_rows, world_rows
from invariance_probe.calibration.worlds import SIZES as WORLDS
from invariance_probe.calibration.worlds import measured_turnover, measured_worlds
from invariance_probe.executors.jobs import Event, WorkerSettings
from invariance_probe.results.store import Store
from invariance_probe.runner import cores, versions

PARTS = ("dropout", "few", "arms", "time", "contrasts", "measures", "worlds")
"""Parts of the calibration that `all` runs; each can also be run alone.

* `dropout`: verdicts on unit dropout.
* `few`: claims from three sessions.
* `arms`: comparison of the arms.
* `time`: whether a training dose of jitter measures a time constant.
* `contrasts`: claims that mined pairs help.
* `measures`: time constants, jumps and decodability, without SSL.
* `worlds`: mined pairs, shared dimensions, messenger units and unit turnover.
"""
ALONE = ("code", "learning")
"""Parts that run only if requested by name.

`code` calibrates the finding of the code on a map of simulated codes, without SSL.
`learning` calibrates the findings of learning under the panel's recipes and under
recipes outside the panel; it takes days.
"""
SESSION_TABLE = "sessions.csv"
"""File name of the table of all sessions measured for the part `learning`.

It lies in the report's folder. If it is committed, another machine can go on from it.
"""
_ENCODER = {"kind": "mlp", "widths": [64, 64, 16]}
SSL: dict[str, dict[str, Any]] = {
    "simclr": {"kind": "simclr", "temperature": 0.2, "encoder": _ENCODER, "projector": [64, 32]},
    "vicreg": {
        "kind": "vicreg",
        "invariance": 40.0,
        "covariance": 50.0,
        "encoder": _ENCODER,
        "projector": [64, 16],
    },
    "byol": {
        "kind": "byol",
        "target_decay": 0.5,
        "encoder": _ENCODER,
        "training": {"learning_rate": 1e-2},
    },
    "moco": {"kind": "moco", "encoder": _ENCODER},
    "simsiam": {"kind": "simsiam", "encoder": _ENCODER},
    "barlow_twins": {"kind": "barlow_twins", "encoder": _ENCODER},
    "swap_vae": {"kind": "swap_vae", "encoder": _ENCODER},
    "myow": {
        "kind": "myow",
        "target_decay": 0.5,
        "encoder": _ENCODER,
        "training": {"learning_rate": 1e-2},
    },
}
"""Settings at which each method is calibrated.

The first three methods were tuned on simulations with other seeds. The others have the
settings with which reports/methods applies them to real recordings.
"""


ARITHMETIC: dict[str, dict[str, str]] = {
    "torch": {},
    "native": {"kernels": "native"},
    "bfloat16": {"kernels": "native", "precision": "bfloat16"},
}
"""Fields of `training` for each way of computing training steps.

They are torch, the native kernels, and the native kernels with products in bfloat16.
"""


def calibrate(
    runs: Path,
    out: Path,
    size: str = "full",
    method: str = "simclr",
    train: bool = True,
    workers: int | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    part: str = "all",
    arithmetic: str = "torch",
) -> list[Row]:
    """Run the calibration and write its report, calibration.json and README.md.

    Parameters
    ----------
    runs
        Root of the run store. Runs that it already has are not repeated, so a
        calibration that was stopped goes on where it was.
    out
        Folder of the report.
    size
        How many sessions to simulate: `full`, `licence` (enough to license a method),
        or `quick` (a smoke test).
    method
        The SSL method to calibrate, a key of `SSL`.
    train
        Whether to measure what the store lacks; if False, only the runs that it has are
        judged.
    workers
        Number of worker processes; all cores if omitted.
    on_event
        Called with each progress event.
    part
        `all` for all of `PARTS`, one of these, or one of `ALONE`. The report holds the
        quantities of that part only.
    arithmetic
        How training steps are computed, a key of `ARITHMETIC`. Only the part `dropout`
        uses it.

    Returns
    -------
    rows
        Every quantity, with the bound it should meet.
    """
    started = time.monotonic()
    store = Store(runs)
    store.root.mkdir(parents=True, exist_ok=True)
    bench = CalibrationBench(
        store, WorkerSettings(Path.cwd(), store.root.resolve()), workers or cores(), train, on_event
    )
    tables: dict[str, Any] = {"sizes": [], "verdicts": {}}
    rows = [
        row
        for name in (PARTS if part == "all" else (part,))
        for row in _part(name, bench, size, method, tables, arithmetic, out)
    ]
    by_contrast = part == "contrasts" and CONTRASTS[size]
    study = (
        contrast_study(SSL[method], size)
        if by_contrast
        else dropout_study(SSL[method], SIZES[size], ARITHMETIC[arithmetic])
    )
    settings = {
        "method": study.method.model_dump(mode="json"),
        "training": study.training.model_dump(mode="json"),
        "size": size,
        "part": part,
        "arithmetic": arithmetic,
        "seconds": round(time.monotonic() - started),
        "commit": _commit(),
        "versions": versions(),
    }
    content = {"settings": settings, "rows": [asdict(row) for row in rows], **tables}
    out.mkdir(parents=True, exist_ok=True)
    (out / "calibration.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    {"code": write_code_page, "learning": write_learning_page}.get(part, write_page)(content, out)
    return rows


def _commit() -> str:
    """Short hash of the git commit that this package is imported from.

    It is `unknown` if the package is not installed from a git repository.
    """
    asked = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # No git, or not inside a repository.
        return "unknown"


def _part(
    name: str,
    bench: CalibrationBench,
    size: str,
    method: str,
    tables: dict[str, Any],
    arithmetic: str,
    out: Path,
) -> list[Row]:
    """Measure one part and return its rows.

    The list is empty if the calibration size has no sessions for that part.
    """
    rng = np.random.default_rng(1)
    declared, plain = SSL[method], PLAIN[size]
    if name == "dropout":
        measured = bench.sessions(
            dropout_study(declared, SIZES[size], ARITHMETIC[arithmetic]), needed
        )
        tables["ssl_contribution"] = addition_table(measured, np.random.default_rng(2))
        return dropout_rows(measured, rng, tables)
    if name == "few" and plain["crossed"]:
        return few_session_rows(
            bench.sessions(
                crossed_study(declared, plain["crossed"], CROSSED_SEEDS), needed_of_crossed
            ),
            rng,
        )
    if name == "arms" and plain["arms"]:
        return arm_rows(
            bench.sessions(arms_study(declared, plain["arms"]), needed_for_claims), tables
        )
    if name == "time" and plain["jitter"]:
        return training_dose_rows(
            bench.sessions(jitter_study(declared, plain["jitter"]), needed_of_jitter), tables
        )
    if name == "contrasts" and CONTRASTS[size]:
        return contrast_rows(
            bench.sessions(contrast_study(declared, size), needed_of_contrasts), rng, tables
        )
    if name == "learning":
        return learning_rows(
            measured_learning(bench, size, declared, SSL["moco"], out / SESSION_TABLE), tables
        )
    if name == "code":
        return code_rows(measured_codes(bench, size), tables)
    if name == "measures" and MEASURED[size]:
        return measure_rows(measured_sessions(measures_study(MEASURED[size]), bench))
    if name == "worlds" and WORLDS[size]:
        return [
            *world_rows(measured_worlds(size, bench)),
            *turnover_rows(*measured_turnover(size, bench)),
        ]
    return []
