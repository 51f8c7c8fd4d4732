"""Calibration of contrasts on trained models.

Every figure is there, and a contrast put at 0 is shown about as often as it should be.
"""

import json

import numpy as np
from helpers.program import invoke

from invariance_probe.calibration.contrasts import NEEDED, contrast_study, needed_of_contrasts
from invariance_probe.data.sessions import find_sessions
from invariance_probe.plan.plan import Plan


def test_only_what_a_contrast_rests_on_is_trained(tmp_path):
    study = contrast_study({"kind": "simclr"}, "quick")
    runs = [
        run for run in Plan(study, find_sessions(study, tmp_path)).runs if needed_of_contrasts(run)
    ]
    trained = [run for run in runs if run.method.kind == "simclr"]
    assert {run.arm for run in trained} == {"none", "mined", "random", "shifted", "oracle"} and len(
        trained
    ) == 6 * 2 * 5
    assert {run.method.kind for run in runs} == {
        "simclr",
        "raw",
        "square_roots",
        "shift_null",
        "supervised",
    }


def test_a_quick_calibration_of_contrasts_has_its_figures(tmp_path):
    out = tmp_path / "page"
    invoke(
        "calibrate",
        "--quick",
        "--part",
        "contrasts",
        "--runs",
        tmp_path / "runs",
        "--out",
        out,
        "--workers",
        "1",
        cwd=tmp_path,
        check=0,
    )
    content = json.loads((out / "calibration.json").read_text())
    figures = {row["figure"]: row["reached"] for row in content["rows"]}
    assert all(
        f"false '{name} > m', {count} sessions" in figures
        for name in NEEDED
        for count in (6, 8, 12)
    )
    assert figures["oracle better than local and random, 6 sessions"] >= 0
    nulls = [
        reached
        for figure, reached in figures.items()
        if figure.startswith("every contrast shown where")
    ]
    assert len(nulls) == 3 and np.all(np.array(nulls) <= 0.2)  # six sessions are a smoke test
    assert "--part contrasts" in (out / "README.md").read_text()
