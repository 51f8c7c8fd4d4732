"""Findings of learning are counted against recipes outside of the panel.

The counts are made on banks of planted costs.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invariance_probe.calibration.calibrate import SSL
from invariance_probe.calibration.counting import draw
from invariance_probe.calibration.learning_banks import (
    CELLS,
    HELD_OUT,
    PANEL,
    learning_study,
    needed_of_learning,
    rounds,
)
from invariance_probe.calibration.learning_counting import (
    JUDGES,
    RECIPES,
    LearningBank,
    contradicted_by,
    learning_bank,
    undertrained,
    verdicts_of,
)
from invariance_probe.calibration.learning_page import write_learning_page
from invariance_probe.calibration.learning_rows import learning_rows
from invariance_probe.calibration.learning_sessions import SessionOfCell, SessionTable
from invariance_probe.data.sessions import find_sessions
from invariance_probe.inference.power.spreads import marked
from invariance_probe.plan.licences import unlicensed
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.recipes import use_of
from invariance_probe.results.store import Store
from invariance_probe.study.study import Study

SESSIONS = 60


def bank(C_code=0.3, kept=0.9, clean=None, spread=0.02, sessions=SESSIONS, **costs):
    """A bank of planted (D, H) by recipe, such as `longer=(0.3, 0.0)`; (0, 0) elsewhere."""
    gen = np.random.default_rng(0)

    def around(mean):
        return mean + spread * gen.standard_normal(sessions)

    values = {"C_code": around(C_code) * 0.5, "noise": around(0.0) * 0.5}
    for recipe in RECIPES:
        D, H = (around(x) * 0.5 for x in costs.get(recipe.replace("-", "_"), (0.0, 0.0)))
        values |= {marked("D", recipe): D, marked("H", recipe): H, marked("delta", recipe): D + H}
        values[marked("L(0)", recipe)] = (
            around({"longer": 0.53, **(clean or {})}.get(recipe, 0.5)) * 0.5
        )
        values |= {
            marked("kept", recipe): np.full(sessions, kept),
            marked("kept_shared", recipe): np.full(sessions, kept),
        }
    return LearningBank(values, np.full(sessions, 0.5), np.full(sessions, 0.5))


def said(found, recipes=PANEL):
    return set(verdicts_of(found, draw(np.random.default_rng(1), len(found), 6, 500), recipes))


ALL = dict.fromkeys(PANEL, (0.3, 0.0))


@pytest.mark.parametrize(("planted", "word"), [
    ({}, "tolerated"),
    ({"C_code": 0.0}, "invariant"),
    (ALL, "sensitive"),
    ({**ALL, "C_code": 0.0}, "competition"),
    ({"longer": (0.3, 0.0)}, "recipe-dependent"),
    ({"kept": 0.3}, "invalid: retention"),
    ({"clean": {"declared": 0.8}}, "invalid: trained"),
])  # fmt: skip
def test_planted_costs_get_their_word_under_the_panel(planted, word):
    assert said(bank(**planted)) == {word}


def test_the_declared_recipe_alone_does_not_see_what_others_cost():
    assert said(bank(longer=(0.3, 0.0)), ("declared",)) == {"tolerated"}


def test_a_word_is_contradicted_by_means_on_the_other_side_of_the_margin():
    found = bank(batch_512=(0.105, 0.0), larger=(0.3, 0.0), faster=(0.3, -0.25), shorter=(0.0, 0.2))
    assert contradicted_by(found, "larger") == ("invariant", "tolerated")
    assert contradicted_by(found, "faster") == (
        "invariant",
        "tolerated",
        "competition",
    )  # no dearer than no corruption
    assert contradicted_by(found, "shorter") == (
        "invariant",
        "tolerated",
        "sensitive",
        "competition",
    )
    assert set(contradicted_by(found, "undertrained")) == {"sensitive", "competition"}
    assert "tolerated" in contradicted_by(
        found, "batch-512"
    ) and "tolerated" not in contradicted_by(found, "batch-512", 0.02)


def test_recipes_that_longer_training_betters_fail_the_gate_and_others_pass():
    studies = draw(np.random.default_rng(1), SESSIONS, 6, 500)
    found = bank(
        undertrained=(0.1, 0.15), shorter=(0.0, 0.2), clean={"undertrained": 0.57, "faster": 0.7}
    )
    shares = {
        recipe: undertrained(found, studies, recipe).mean()
        for recipe in ("declared", "faster", "shorter", "undertrained")
    }
    assert (
        shares["undertrained"] > 0.9
        and shares["faster"] > 0.9
        and max(shares["declared"], shares["shorter"]) <= 0.05
    )


def rows_of(planted):
    tables = {}
    return {
        (row.about, row.figure): row
        for row in learning_rows({"weak-15": planted, "weak-60": planted}, tables)
    }, tables


@pytest.fixture(scope="module")
def counted():
    """Rows and tables of a bank in which a recipe outside of the panel costs much."""
    return rows_of(bank(larger=(0.3, 0.0)))


def test_contradictions_and_powers_are_counted_and_small_banks_have_means_alone(counted):
    rows, _ = counted
    title = "15 of 60, J = 2"
    contradicted = {
        figure: row
        for (about, figure), row in rows.items()
        if about == title and "contradicted by" in figure
    }
    assert len(contradicted) == len(JUDGES) + 2  # and by any of them, and by any beyond .02
    reached = {figure: row.reached for figure, row in contradicted.items()}
    assert (
        reached["a printed word is contradicted by 128-128-32, lr 6e-3, 700 steps, 6 sessions"] == 1
    )
    assert reached["a printed word is contradicted by batches of 512, 6 sessions"] == 0
    assert all(
        row.high >= 3 * 6 / SESSIONS for row in contradicted.values()
    )  # a bank of 60 can't bound it by .1
    assert not any(row.met for row in contradicted.values())
    assert rows["60 of 60, J = 2", "`tolerated` under the panel, 6 sessions"].met
    few, tables = rows_of(bank(sessions=3))
    assert few == {} and [line["sessions"] for line in tables["learning"]] == [3, 3]


def test_the_page_says_bank_sizes_words_and_rules(counted, tmp_path):
    rows, tables = counted
    settings = {"size": "full", "commit": "abc1234", "training": {"seeds": 1}}
    content = {"settings": settings, "rows": [vars(row) for row in rows.values()], **tables}
    write_learning_page(json.loads(json.dumps(content)), tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "Bank sizes: 60 (15 of 60, J = 2), 60 (60 of 60, J = 2)" in text and "abc1234" in text
    assert "| 15 of 60, J = 2 | 60 | tolerated 1.00 | tolerated 1.00 |" in text
    assert "| declared | 120 |" in text  # single sessions of both cells
    assert "## What longer training changes" in text and "| undertrained | L(0) |" in text


@pytest.fixture(scope="module")
def plan():
    study = learning_study(CELLS[0], SSL["simclr"], SSL["moco"], 2)
    return Plan(study, find_sessions(study, Path()))


def test_every_recipe_is_trained_at_its_own_settings_with_the_arms_that_are_compared(plan):
    needed = [run for run in (*plan.baselines, *plan.grid) if needed_of_learning(run)]
    assert {"raw", "square_roots", "supervised", "code", "shift_null", "simclr", "moco"} == {
        run.method.kind for run in needed
    }
    settings = {run.setting: run for run in needed if run.method.kind in ("simclr", "moco")}
    assert set(settings) == {"", *(f"recipe: {name}" for name in RECIPES[1:])}
    longer, larger = settings["recipe: longer"].optimisation, settings["recipe: larger"]
    assert (longer.steps, longer.learning_rate) == (1000, 9e-3)
    assert larger.method.encoder.widths == (128, 128, 32) and larger.optimisation.steps == 700
    for setting in settings:
        own = [
            run
            for run in needed
            if run.setting == setting
            and run.session.endswith("-1")
            and run.optimisation
            and run.seed == 0
        ]
        arms = {run.arm for run in own if run.method.kind in ("simclr", "moco")}
        assert arms == {"none", "independent", "shared"}
    assert isinstance(plan.study, Study) and {held_out.name for held_out in HELD_OUT} <= set(
        RECIPES
    )


def test_recipes_that_judge_are_licensed_ones(plan):
    use = use_of(plan.study, plan.study.hypotheses[0], 6)
    for recipe in plan.panels[plan.study.hypotheses[0].id].computed:
        if recipe.name not in ("undertrained", "undertrained-longer"):
            assert unlicensed(recipe.setting.method, recipe.setting.optimisation, use) == []


def test_rounds_keep_all_banks_about_equally_large(plan):
    turns = list(rounds({"a": plan, "b": plan}))
    assert [cell for cell, _ in turns] == ["a", "b", "a", "b"] and len(
        {session for _, session in turns}
    ) == 2


def test_sessions_without_all_runs_are_no_part_of_a_bank():
    assert len(learning_bank([])) == 0


def test_a_table_outlives_the_store_and_forgets_sessions_of_other_runs(tmp_path, plan):
    runs = {run.key(): run for run in plan.grid}
    first = SessionOfCell("cell", "cell-1", runs)
    stale = replace(first, runs=dict(list(runs.items())[1:]))
    text = (
        "cell,session,runs,D [longer],range\n"
        f"cell,cell-1,{first.digest},0.25,0.5\ncell,cell-3,{'0' * 16},1,1\n"
    )
    (tmp_path / "sessions.csv").write_text(text)
    table = SessionTable(tmp_path / "sessions.csv")
    table.add([first, stale], plan, Store(tmp_path / "runs"))
    assert first in table and stale not in table
    assert (
        table.values_of(first) == {"D [longer]": 0.25, "range": 0.5}
        and table.values_of(stale) is None
    )
    table.write([first])
    assert "cell-3" not in (tmp_path / "sessions.csv").read_text() and first in SessionTable(
        tmp_path / "sessions.csv"
    )
