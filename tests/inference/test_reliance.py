"""What objectives and decoders rely on reaches the report as measured.

It stands in the findings, in report.json, on the page and in its table.
"""

import json
from dataclasses import replace
from itertools import combinations

import pandas as pd
import pytest
from pydantic import ValidationError

from invariance_probe.inference import infer
from invariance_probe.inference.description.reliance import chance_overlap
from invariance_probe.inference.entry import unusable_runs
from invariance_probe.plan.figures.units import RelianceFigures, RelianceSet, SetDamage
from invariance_probe.reporting import render
from invariance_probe.results.tables import tidy
from invariance_probe.study.methods import Reliance

from .builder import make_plan, planted

TARGETS = ("objective", "refit", "fixed")
ASKED = {"measurements": [{"kind": "reliance", "budgets": [1, 2]}]}
PROVENANCE = {"versions": {"invariance-probe": "0"}, "seconds": 1.0, "failures": []}


def figures(fold, seed, objective):
    """The measurement of one model.

    The objective rests on units 0 and 1, both decoders on unit 1 and another.
    """
    sets = []
    for chosen in TARGETS:
        units = (0, 1) if chosen == "objective" else (1, 2 + fold)
        for budget in (1, 2):
            damage = SetDamage(chosen=0.1 * budget + 0.02 * seed, random=0.01, low=0.0, high=0.11)
            sets.append(
                RelianceSet(
                    budget=budget,
                    target=chosen,
                    units=units[:budget],
                    random_sets=(30 if chosen == "objective" else 10) * budget + fold,
                    damages=dict.fromkeys(TARGETS, damage),
                )
            )
    return RelianceFigures(
        units=20,
        batch_windows=64,
        range_objective=objective,
        nothing_objective=0.5,
        range_decoder=0.5 + 0.001 * (-1) ** fold,
        sets=tuple(sets),
    )


def measured(objective=lambda fold: 2.0 + 0.1 * fold, **asked):
    plan = make_plan(2, **{**ASKED, **asked})
    results = planted(plan)
    for run in plan.examined:
        if isinstance(run.method, Reliance):
            found = figures(run.fold, run.seed, objective(run.fold))
            results[run.key()] = replace(results[run.key()], figures=found)
    return plan, results


def test_a_point_is_the_mean_over_folds_and_seeds_in_units_of_each_targets_range():
    plan, results = measured()
    points = infer(plan, results, {}).reliance
    assert [(p.session, p.budget, p.chosen_for) for p in points] == [
        (s, b, t) for s in ("s0", "s1") for b in (1, 2) for t in TARGETS
    ]
    folds = plan.study.folds.count
    one = points[0]
    assert (one.of, one.models, one.missing, one.random_sets) == ("simclr", 2 * folds, 0, 30)
    assert (one.batch_windows, one.nothing) == (64, 0.5) and one.range == pytest.approx(
        2 + 0.05 * (folds - 1)
    )
    assert one.objective.chosen == pytest.approx(0.11 / (2 + 0.05 * (folds - 1)))
    assert one.refit.chosen == pytest.approx(
        0.11 / 0.5, rel=0.01
    ) and one.refit.high == pytest.approx(0.22, rel=0.01)
    assert one.objective.beyond == 0.5  # of seed 1 alone, .12 above .11
    assert [(u.unit, u.frequency) for u in one.units] == [(0, 1.0)] and (
        one.overlap,
        points[1].overlap,
    ) == (1.0, 0.0)
    both = points[4]
    assert (both.budget, both.chosen_for) == (2, "refit") and [u.unit for u in both.units] == [1, 2]
    assert both.overlap == pytest.approx(1 / 3) and both.units[1].frequency == pytest.approx(
        1 / folds
    )


def test_a_target_without_a_range_has_no_damage(tmp_path):
    plan, results = measured(lambda fold: (-1) ** fold * 1.0)
    findings = infer(plan, results, {})
    assert all(p.objective is None and p.refit is not None for p in findings.reliance)
    page = render(plan, findings, tidy(plan.runs, results), PROVENANCE, tmp_path / "r").read_text()
    assert (
        "not shown to have a range in every fold" in page
        and '<td class="n">\N{EN DASH}</td>' in page
    )


def test_models_that_failed_are_counted_and_one_fold_says_nothing(tmp_path):
    plan, results = measured()
    attacked = [
        run for run in plan.examined if isinstance(run.method, Reliance) and run.session == "s0"
    ]
    for run in attacked:
        if run.fold > 0:
            results[run.key()] = replace(results[run.key()], status="failed", figures=None)
    findings = infer(plan, results, {})
    points = [p for p in findings.reliance if p.session == "s0"]
    assert all(p.refit is None and p.models == 2 and p.missing == len(attacked) - 2 for p in points)
    page = render(plan, findings, tidy(plan.runs, results), PROVENANCE, tmp_path / "r").read_text()
    assert f'<td class="n">2</td><td class="n">{len(attacked) - 2}</td>' in page
    for run in attacked:
        results.pop(run.key())
    findings = infer(plan, results, {})
    page = render(plan, findings, tidy(plan.runs, results), PROVENANCE, tmp_path / "r").read_text()
    assert {p.session for p in findings.reliance} == {
        "s1"
    } and "its models failed or are missing" in page


def test_sessions_that_cannot_be_decoded_are_not_attacked():
    plan = make_plan(2, **ASKED)
    kept, lost = unusable_runs(plan, planted(plan)), unusable_runs(plan, planted(plan, null=0.5))
    attacked = {run.key() for run in plan.examined if isinstance(run.method, Reliance)}
    assert not attacked & set(kept) and attacked <= set(lost)


def test_the_page_and_the_table_keep_three_targets_apart(tmp_path):
    plan, results = measured()
    page = render(
        plan, infer(plan, results, {}), tidy(plan.runs, results), PROVENANCE, tmp_path / "r"
    )
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert len(report["reliance"]) == 12 and report["reliance"][0]["units"] == [
        {"unit": 0, "frequency": 1.0}
    ]
    for text in (page.read_text(), (tmp_path / "r" / "report.md").read_text()):
        assert (
            "What the objective rests on" in text and "Chosen for the objective of simclr" in text
        )
        assert "Messenger units" not in text
        models = 2 * plan.study.folds.count
        assert f"0.22 (0.22; {models // 2}/{models})" in text
        assert (
            "or they do and the model ignores it" in text
            and "for a refitted and for a fixed ridge decoder" in text
        )
        assert "Bands rest on 10 different random sets or more." in text
    table = pd.read_csv(tmp_path / "r" / "reliance.csv")
    assert len(table) == 12 and {
        "objective_chosen",
        "refit_beyond",
        "fixed_high",
        "overlap_chance",
    } <= set(table.columns)


def test_two_random_sets_overlap_as_counting_says():
    sets = list(combinations(range(6), 2))
    pairs = [len({*a} & {*b}) / len({*a} | {*b}) for a in sets for b in sets]
    assert chance_overlap(2, 6) == pytest.approx(sum(pairs) / len(pairs))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"of": {"kind": "linear_ssl"}}, "closed form"),
        ({"of": {"kind": "y_aware"}}, "reads the target"),
        ({"of": {"kind": "swap_vae"}}, "reconstruct"),
        (
            {"of": {"kind": "simclr", "negatives": {"scope": "any"}}},
            "each model sees only one session",
        ),
        ({"budgets": [2, 1]}, "ascending"),
        ({"masks": 50}, "200"),
    ],
)
def test_what_cannot_be_attacked_is_refused(asked, said):
    with pytest.raises(ValidationError, match=said):
        make_plan(2, measurements=[{**ASKED["measurements"][0], **asked}])


def test_one_of_each_kind_on_single_bins_of_one_session():
    messengers = {"kind": "messengers", "budgets": [1]}
    plan = make_plan(2, measurements=[messengers, *ASKED["measurements"]])
    assert {run.method.kind for run in plan.baselines} >= {"messengers"} and {
        run.method.kind for run in plan.examined
    } >= {"reliance"}
    with pytest.raises(ValidationError, match="appears twice"):
        make_plan(2, measurements=2 * ASKED["measurements"])
    with pytest.raises(ValidationError, match="reliance needs windows of one bin"):
        make_plan(2, **ASKED, window={"length_bins": 4})
    adversary = {"adversary": {"kind": "ascended_mask", "budget": 2}}
    with pytest.raises(
        ValidationError, match="reliance removes units to raise the loss without an adversary"
    ):
        make_plan(2, **ASKED, views={**adversary, "transforms": [{"kind": "unit_dropout"}]})
    with pytest.raises(ValidationError, match="trains each model on one session"):
        make_plan(2, **ASKED, views={"pool": "group", "transforms": [{"kind": "unit_dropout"}]})
