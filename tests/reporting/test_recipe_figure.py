"""The specification curve shows every recipe of the panel, also those without a result."""

from functools import cache

from inference.builder import JITTER, make_plan, planted

from invariance_probe.inference import infer
from invariance_probe.reporting.figures.recipes import specification_curve
from invariance_probe.reporting.learning import recipe_table
from invariance_probe.reporting.model import report_model


@cache
def dropout():
    plan = make_plan()
    return hypothesis_of(plan, C_code=0.4, recipes={"longer": {"independent": 0.3}})


def hypothesis_of(plan, **values):
    return report_model(plan, infer(plan, planted(plan, **values), {}), {})["hypotheses"][0]


def test_every_recipe_has_its_three_estimands_with_intervals_and_its_settings():
    hypothesis = dropout()
    recipes = {recipe["name"]: recipe for recipe in hypothesis["learning"]["panel"]["recipes"]}
    chart = specification_curve(hypothesis)
    assert [row[0] for row in chart.rows] == [name for name in recipes for _ in range(3)]
    for name, settings, estimand, estimate, low, high, finding in chart.rows:
        own = recipes[name][estimand]
        assert (estimate, low, high) == (
            own["estimate"],
            own["ci_low"],
            own["ci_high"],
        ) and low < high
        assert f"{recipes[name]['steps']} steps" in settings and finding == recipes[name]["finding"]
    assert (
        "Learning is recipe-dependent" in chart.alt
        and "longer: simclr, 1000 steps, lr 0.009" in chart.alt
    )


def test_a_recipe_that_was_not_computed_keeps_its_place_with_the_reason():
    hypothesis = dropout()
    recipes = [dict(recipe) for recipe in hypothesis["learning"]["panel"]["recipes"]]
    recipes[2] |= {
        "computed": False,
        "reason": "64 dimensions are licensed",
        "finding": "not computed",
        "D": None,
        "H": None,
        "delta": None,
    }
    panel = {**hypothesis["learning"]["panel"], "recipes": recipes}
    changed = {**hypothesis, "learning": {**hypothesis["learning"], "panel": panel}}
    chart = specification_curve(changed)
    assert "Not computed: wider (64 dimensions are licensed)." in chart.alt
    assert [row for row in chart.rows if row[0] == "wider"] == [
        ("wider", chart.rows[-1][1], "64 dimensions are licensed", None, None, None, "not computed")
    ]
    row = next(row for row in recipe_table(changed).rows if row[0] == "wider")
    assert row[-2:] == ("not computed", "64 dimensions are licensed") and "\N{EN DASH}" in row


def test_a_jitter_has_delta_alone():
    chart = specification_curve(hypothesis_of(make_plan(**JITTER), third=0.0))
    assert {row[2] for row in chart.rows} == {"delta"}


def test_without_any_estimate_there_is_no_curve():
    hypothesis = dropout()
    recipes = [
        {**recipe, "D": None, "H": None, "delta": None}
        for recipe in hypothesis["learning"]["panel"]["recipes"]
    ]
    panel = {**hypothesis["learning"]["panel"], "recipes": recipes}
    assert (
        specification_curve({**hypothesis, "learning": {**hypothesis["learning"], "panel": panel}})
        is None
    )
