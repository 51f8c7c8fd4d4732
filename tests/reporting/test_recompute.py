"""An independent script computes a report's figures again from the study file and the tables."""

import json
import re
import runpy
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from inference.builder import JITTER, REGISTERED, make_plan, planted

from invariance_probe.inference import infer
from invariance_probe.plan.figures.code import CodeFigures
from invariance_probe.reporting.model import report_model
from invariance_probe.reporting.tables import write_tables
from invariance_probe.results.tables import code_sums, tidy

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "recompute_report.py"
CODE = {"carriers": (1.7, 6.4), "spread": 0.03, "redundancy": 1.3}
RECIPES = {"longer": {"independent": 0.05, "shared": 0.03}, "wider": {"independent": 0.02}}
CLAIM = {**make_plan().study.hypotheses[0].model_dump(mode="json", exclude_none=True)}
TWO = [CLAIM, {**CLAIM, "id": "H2", "predicts": "distributed"}]
RECOMPUTED = {
    "claims: p values",
    "hypotheses: p values",
    "hypotheses: adjusted p values",
    "words: verdicts",
}


def written(plan, path, standing=REGISTERED, edit=lambda result: result, **values):
    """Write the report of planted results, its tables, and the study.

    The study is written as JSON, which is also YAML.
    """
    results = planted(
        plan,
        spread=0.04,
        T=0.5,
        **{"C_code": 0.3, "delta": 0.06, "H": 0.02, "paired": -0.02, "code": CODE, **values},
    )
    results = {key: edit(result) for key, result in results.items()}
    report = report_model(plan, infer(plan, results, {}, standing), {})
    folder = path / "report"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(report))
    write_tables(report, tidy(plan.runs, results), folder, code_sums(plan.runs, results))
    study = path / "study.yaml"
    study.write_text(json.dumps(plan.study.model_dump(mode="json", exclude_none=True)))
    return study, folder


@pytest.fixture(scope="module")
def recompute():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        return runpy.run_path(str(SCRIPT))["recompute"]


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    return written(
        make_plan(sessions=3, hypotheses=TWO), tmp_path_factory.mktemp("fixed"), recipes=RECIPES
    )


def test_three_fixed_sessions_with_a_panel_and_two_hypotheses_are_recomputed(
    recompute, fixed, capsys
):
    assert recompute(*fixed) == 0
    printed = capsys.readouterr().out
    assert all(
        kind in printed
        for kind in RECOMPUTED
        | {"recipe longer: intervals", "K_s, K_n, carriers, redundancy: intervals"}
    )
    report = json.loads((fixed[1] / "report.json").read_text())
    assert {h["scope"] for h in report["hypotheses"]} == {"these recordings"}


STUDIES = {
    "a word under every recipe": (make_plan(), {"C_code": 0.5, "delta": 0.3}),
    "recipes that contradict": (
        make_plan(),
        {"C_code": 0.4, "recipes": {"longer": {"independent": 0.3}}},
    ),
    "a jitter": (make_plan(**JITTER), {"third": 0.05}),
    "quick": (make_plan(quick=True), {}),
    "a dose 0 that keeps little": (make_plan(), {"kept": 0.3}),
    "seeds that differ": (make_plan(), {"aa": 0.5}),
    "sessions that cannot be decoded": (make_plan(), {"null": 0.5}),
}


@pytest.mark.parametrize("name", STUDIES)
def test_other_studies_are_recomputed(recompute, tmp_path, name):
    plan, values = STUDIES[name]
    assert recompute(*written(plan, tmp_path, **values)) == 0


def slow_with_a_supervised_ceiling(result):
    """Make blocks too short, so that two are merged, and the supervised decoder the best."""
    if (code := result.measured(CodeFigures)) is not None:
        return replace(result, figures=replace(code, autocorrelation_s=1.5))
    return replace(result, selection_loss=0.3) if result.selection_loss == 0.5 else result


@pytest.mark.parametrize("sessions", [3, 8])
def test_merged_blocks_several_subjects_and_another_ceiling_are_recomputed(
    recompute, tmp_path, sessions
):
    plan = make_plan(sessions=sessions, folds={"scheme": "blocks", "count": 16})
    own = tuple(replace(session, subject=f"rat{i // 2}") for i, session in enumerate(plan.sessions))
    study, folder = written(
        replace(plan, sessions=own), tmp_path, edit=slow_with_a_supervised_ceiling
    )
    report = json.loads((folder / "report.json").read_text())
    assert report["hypotheses"][0]["scope"] == (
        "these recordings" if sessions == 3 else "population of subjects"
    )
    assert {session["ceiling_family"] for session in report["sessions"]} == {"supervised"}
    assert "over 8 blocks" in report["sessions"][0]["detail"]
    assert recompute(study, folder) == 0


CHANGED = {
    "an estimate": lambda h: h["estimands"][0].update(
        estimate=h["estimands"][0]["estimate"] + 1e-6
    ),
    "an interval": lambda h: h["code"]["K_n"].update(ci_low=h["code"]["K_n"]["ci_low"] + 1e-6),
    "a p value": lambda h: h["claims"][0].update(p_value=h["claims"][0]["p_value"] + 1e-6),
    "a word": lambda h: h.update(verdict="invariant"),
    "Holm's p value": lambda h: h.update(p_value_adjusted=h["p_value_adjusted"] / 2 + 1e-6),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_changed_figure_is_found(recompute, fixed, tmp_path, what):
    study, folder = fixed
    copied = tmp_path / "report"
    shutil.copytree(folder, copied)
    report = json.loads((copied / "report.json").read_text())
    CHANGED[what](report["hypotheses"][0])
    (copied / "report.json").write_text(json.dumps(report))
    assert recompute(study, copied) == 1


def test_the_script_shares_no_code_with_the_package():
    files = [SCRIPT, *(SCRIPT.parent / "recompute").glob("*.py")]
    assert len(files) > 5
    assert not [
        f.name
        for f in files
        if re.search(r"^\s*(import|from) invariance_probe", f.read_text(), re.MULTILINE)
    ]


def test_a_changed_loss_in_the_table_is_found(recompute, fixed, tmp_path):
    study, folder = fixed
    copied = tmp_path / "report"
    shutil.copytree(folder, copied)
    results = pd.read_csv(copied / "results.csv", dtype=object, keep_default_na=False)
    row = results.index[(results.setting == "recipe: longer") & (results.arm == "independent")][0]
    results.loc[row, "loss"] = str(float(results.loc[row, "loss"]) + 1e-3)
    results.to_csv(copied / "results.csv", index=False)
    assert recompute(study, copied) > 0
