"""Messengers reach findings, report.json, the page and the tables.

They arrive as they were measured, and a study without them shows none.
"""

import json
from dataclasses import replace

import pandas as pd
import pytest
from pydantic import ValidationError

from invariance_probe.inference import infer
from invariance_probe.plan.figures.units import (
    Damage,
    Interval,
    Localisation,
    MessengerFigures,
    SwitchingFigures,
    SwitchingTest,
    Transfer,
    UnitFigures,
    WorstSet,
)
from invariance_probe.reporting import render
from invariance_probe.results.tables import tidy

from .builder import make_plan, planted

ASKED = {"measurements": [{"kind": "messengers", "budgets": [1, 2]}]}
SWITCHING = {
    "measurements": [
        {
            "kind": "messengers",
            "budgets": [1, 2],
            "epochs": "day",
            "switching": {"permutations": 499},
        }
    ]
}
DAMAGE = {
    "chosen": 0.5,
    "random": 0.1,
    "low": 0.0,
    "high": 0.2,
    "gain": 0.4,
    "gain_low": 0.3,
    "gain_high": 0.45,
    "p_value": 0.005,
}
PROVENANCE = {"versions": {"invariance-probe": "0"}, "seconds": 1.0, "failures": []}


def figures():
    """The measurement of one session.

    The pair is accepted and transferred, and the single unit is neither.
    """
    budgets, modes = (1, 2), ("refit", "fixed")
    return MessengerFigures(
        transfers=tuple(transfer(mode, budget) for budget in budgets for mode in modes),
        worst=tuple(worst(mode, budget) for mode in modes for budget in budgets),
        localisations=tuple(Localisation(mode=mode, chosen=2.0, random=12.0) for mode in modes),
        units=tuple(
            UnitFigures(
                alone_refit=0.1 + unit, alone_fixed=0.2 + unit, weight=0.5 + unit,
                variance=1.5 + unit,
            )
            for unit in range(5)
        ),
        switching=SwitchingFigures(
            epochs=4,
            blocks=6,
            memory_s=2.5,
            tests=tuple(
                SwitchingTest(mode=mode, p_value=0.002, overlap=0.3, expected=0.8)
                for mode in modes
            ),
        ),
    )  # fmt: skip


def transfer(mode, budget):
    units = tuple(range(3, 3 + budget))
    shown = budget == 2
    return Transfer(
        mode=mode, budget=budget, set_a=units, set_b=units, jaccard=1.0,
        gain_a=0.4, gain_b=0.4, gain_a_in_b=0.4, gain_a_p=0.01, gain_b_p=0.01,
        transfer=Interval(estimate=0.95, low=0.8, high=float("inf")) if shown else None,
        transfer_back=Interval(estimate=0.4, low=0.1, high=0.7) if shown else None,
    )  # fmt: skip


def worst(mode, budget):
    return WorstSet(
        mode=mode, budget=budget, units=tuple(range(3, 3 + budget)), frequencies=(0.9,) * budget,
        accepted=budget == 2, refit=Damage(**DAMAGE), fixed=Damage(**DAMAGE),
        stability=Interval(estimate=0.6, low=0.5, high=0.7), jaccard=0.7,
        selected=(0.0, 0.0, 0.0, 0.9, 0.9) if budget == 2 else (0.0,) * 5,
    )  # fmt: skip


def test_a_point_is_what_was_measured_of_a_session_a_decoder_and_a_budget():
    plan = make_plan(2, **ASKED)
    points = infer(plan, planted(plan, measured={"messengers": figures()}), {}).messengers
    assert [(p.session, p.chosen_with, p.budget) for p in points] == [
        (s, m, b) for s in ("s0", "s1") for m in ("refit", "fixed") for b in (1, 2)
    ]
    one, two = points[:2]
    assert (one.accepted, one.transfer, two.accepted, two.transfer) == (False, None, True, 0.95)
    assert [(u.unit, u.frequency) for u in two.units] == [(3, 0.9), (4, 0.9)]
    assert (two.fixed.chosen, two.fixed.high, two.gain, two.stability, two.localisation) == (
        0.5,
        0.2,
        0.4,
        0.6,
        6.0,
    )


def test_the_page_says_what_was_found_and_what_it_does_not_mean(tmp_path):
    plan = make_plan(2, **ASKED)
    results = planted(plan, measured={"messengers": figures()})
    page = render(
        plan, infer(plan, results, {}), tidy(plan.runs, results), PROVENANCE, tmp_path / "r"
    )
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report["messengers"][1]["transfer_high"] is None  # no bound
    for text in (page.read_text(), (tmp_path / "r" / "report.md").read_text()):
        assert (
            "Messenger units" in text
            and "b = 1: accepted in 0 of 2 sessions; b = 2: accepted in 2 of 2 sessions" in text
        )
        assert "0.95 (0.80 to no bound)" in text and "0.50 (0.20)" in text
        assert "unrecorded units" in text and "takes a perturbation" in text
    table = pd.read_csv(tmp_path / "r" / "messengers.csv")
    assert (
        len(table) == 8
        and table.units.tolist()[1] == "3 4"
        and table.fixed_high.tolist() == [0.2] * 8
    )
    assert "greedily" in page.read_text()


def test_switching_is_reported_by_its_p_value_and_the_overlap_beside_what_noise_leaves(tmp_path):
    plan = make_plan(2, **SWITCHING)
    results = planted(plan, measured={"messengers": figures()})
    findings = infer(plan, results, {})
    assert [
        (p.session, p.mode, p.epochs, p.blocks, p.p_value, p.overlap, p.expected)
        for p in findings.switching
    ] == [(s, m, 4, 6, 0.002, 0.3, 0.8) for s in ("s0", "s1") for m in ("refit", "fixed")]
    page = render(plan, findings, tidy(plan.runs, results), PROVENANCE, tmp_path / "r").read_text()
    assert (
        "refitted: p &lt;= .05 in 2 of 2 sessions" in page
        and "0.40 (0.10 to 0.70)" in page
        and "4 x 6" in page
    )
    assert (
        "the first and the last epoch by &#39;day&#39;" in page
        and "499 random deals of blocks" in page
    )
    assert (
        tmp_path / "r" / "figures" / "messengers-1.svg"
    ).exists() and "What the removal of a few units costs" in page
    assert len(pd.read_csv(tmp_path / "r" / "switching.csv")) == 4


def test_switching_that_cannot_be_tested_is_a_dash_and_not_a_number(tmp_path):
    plan = make_plan(2, **SWITCHING)
    short = replace(figures(), switching=SwitchingFigures(epochs=4, blocks=0, memory_s=2.5))
    results = planted(plan, measured={"messengers": short})
    findings = infer(plan, results, {})
    assert {(p.blocks, p.p_value) for p in findings.switching} == {(0, None)}
    page = render(plan, findings, tidy(plan.runs, results), PROVENANCE, tmp_path / "r").read_text()
    assert "refitted: p &lt;= .05 in 0 of 0 sessions" in page and "4 x 0" in page


def test_scores_of_single_units_are_a_tidy_table_for_use_elsewhere(tmp_path):
    plan = make_plan(2, **ASKED)
    results = planted(plan, measured={"messengers": figures()})
    page = render(
        plan, infer(plan, results, {}), tidy(plan.runs, results), PROVENANCE, tmp_path / "r"
    ).read_text()
    table = pd.read_csv(tmp_path / "r" / "units.csv")
    assert "units.csv has every unit" in page and len(table) == 2 * 5
    third = table[(table.session == "s1") & (table.unit == 3)].iloc[0]
    assert (third.alone_refit, third.alone_fixed, third.weight, third.variance) == (
        3.1,
        3.2,
        3.5,
        4.5,
    )
    assert (third.selected_refit_b2, third.selected_fixed_b1) == (0.9, 0.0)


def test_a_study_that_asks_for_none_shows_none_and_keeps_its_hash(tmp_path):
    plan = make_plan(2)
    results = planted(plan)
    assert infer(plan, results, {}).messengers == ()
    page = render(
        plan, infer(plan, results, {}), tidy(plan.runs, results), PROVENANCE, tmp_path / "r"
    )
    assert (
        "Messenger units" not in page.read_text()
        and not (tmp_path / "r" / "messengers.csv").exists()
    )
    assert (
        "measurements" not in plan.study.model_dump()
        and plan.study.sha256() != make_plan(2, **ASKED).study.sha256()
    )


@pytest.mark.parametrize(
    ("budgets", "said"),
    [([], "ascending"), ([4, 2], "ascending"), ([2, 2], "ascending"), ([0], "greater than")],
)
def test_budgets_that_cannot_be_compared_are_refused(budgets, said):
    with pytest.raises(ValidationError, match=said):
        make_plan(2, measurements=[{"kind": "messengers", "budgets": budgets}])


def test_longer_windows_are_refused():
    with pytest.raises(ValidationError, match="windows of one bin"):
        make_plan(2, **ASKED, window={"length_bins": 4})
