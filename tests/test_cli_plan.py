"""`plan` says what a store has of a study, and what looks at adaptive seeds would cost."""

import json

import pytest
from click.testing import CliRunner
from conftest import tiny_study
from inference.builder import planted

from invariance_probe.cli import main
from invariance_probe.planning import make_plan, stock
from invariance_probe.results.store import Store
from invariance_probe.study.load import open_study


def study(folder, **changes):
    path = folder / "study.yaml"
    training = {"steps": 20, "batch_size": 64, "seeds": 3, **changes}
    path.write_text(json.dumps({**tiny_study(), "training": training, "quick": True}))
    return path


def said(path, runs):
    result = CliRunner().invoke(main, ["plan", str(path), "--runs", str(runs)])
    assert result.exit_code == 0, result.output
    return result.output


def test_plan_says_what_the_store_has(tmp_path):
    path, store = study(tmp_path), Store(tmp_path / "runs")
    plan = make_plan(open_study(path, ()))
    assert (
        f"0 of {len(plan.runs)} runs are in the store already; "
        f"{plan.model_steps():,} model-steps are left" in said(path, store.root)
    )
    results = planted(plan)
    for run in plan.baselines:
        store.commit_result(run, results[run.key()])
    left = sum(run.steps for run in plan.grid)
    text = said(path, store.root)
    assert (
        f"{len(plan.baselines)} of {len(plan.runs)} runs are in the store already; "
        f"{left:,} model-steps" in text
    )
    assert "adaptive" not in text


def test_plan_counts_the_runs_of_the_first_look_and_of_all(tmp_path):
    path, runs = study(tmp_path, adaptive={"looks": [2, 3]}), tmp_path / "runs"
    plan = make_plan(open_study(path, ()))
    first, whole = stock(plan, runs)
    seeded = [*plan.grid, *plan.examined]
    later = [run for run in seeded if run.seed % 3 == 2]
    assert (whole.runs - first.runs, whole.model_steps - first.model_steps) == (
        len(later),
        sum(run.steps for run in later),
    )
    assert 3 * len(later) == len(seeded) and whole.runs == len(plan.runs)
    saved = 1 - first.model_steps / whole.model_steps
    text = said(path, runs)
    assert (
        f"{first.runs} runs (0 stored), {first.model_steps:,} model-steps" in text
        and f"{saved:.0%} less" in text
    )


@pytest.mark.parametrize("looks", [[2, 4], [1, 3]])
def test_looks_that_make_no_sense_are_named_with_their_line(tmp_path, looks):
    path = study(tmp_path, adaptive={"looks": looks})
    result = CliRunner().invoke(main, ["validate", str(path)])
    assert result.exit_code == 2 and "training" in result.output and "looks" in result.output
