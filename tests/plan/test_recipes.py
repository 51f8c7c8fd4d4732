"""The panel of recipes of a hypothesis.

Which recipes are trained, where they are cut, and what a user-defined panel must hold.
"""

import pytest
from conftest import tiny_study
from pydantic import ValidationError

from invariance_probe.plan.recipes import panel_problems
from invariance_probe.plan.run import Run

from .test_plan import plan_of

LICENSED = {"steps": 400, "batch_size": 128, "learning_rate": 3e-3, "seeds": 2}
SIMCLR = {"kind": "simclr", "encoder": {"kind": "mlp", "widths": [16, 8]}}
LONG = {"name": "long", "training": {"steps": 800}}
MOCO = {"name": "queue", "method": {"kind": "moco", "encoder": {"kind": "mlp", "widths": [16, 8]}}}


def panel(sessions=6, **changes):
    plan = plan_of(sessions=sessions, **{"method": SIMCLR, "training": LICENSED, **changes})
    return plan.panels["H1"]


def optimisation(recipe):
    return recipe.setting.optimisation.steps, recipe.setting.optimisation.learning_rate


def test_the_default_panel_is_declared_longer_wider_and_another_licensed_method():
    declared, longer, wider, other = panel().recipes
    assert optimisation(declared) == (400, 3e-3) and declared.setting.label == ""
    assert optimisation(longer) == (1000, 9e-3) and longer.setting.method == declared.setting.method
    assert wider.setting.method.encoder.widths == (16, 32) and optimisation(wider) == (400, 3e-3)
    assert (
        other.setting.method.kind == "moco"
        and other.setting.method.encoder == declared.setting.method.encoder
    )
    assert panel().why_no_second_method == ""


def test_another_method_trains_at_its_own_licensed_optimisation():
    other = panel(training={**LICENSED, "steps": 300, "learning_rate": 6e-3}).recipes[-1]
    assert other.setting.method.kind == "moco" and optimisation(other) == (400, 3e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"sessions": 4},
        {
            "axes": [{"path": "time_jitter.window_s", "doses": [0, 0.2]}],
            "hypotheses": [
                {**tiny_study()["hypotheses"][0], "axis": "time_jitter.window_s", "dose": 0.2}
            ],
        },
    ],
)
def test_a_second_method_judges_nothing_that_it_is_not_licensed_for(changes):
    """MoCo's claims were not counted in these cases.

    The cases are fewer than five sessions, native kernels, and jitters.
    """
    found = panel(**changes)
    assert {recipe.setting.method.kind for recipe in found.computed} == {"simclr"}
    assert found.why_no_second_method == "no second method is licensed for this study"


def test_recipes_are_cut_to_the_licence_and_not_computed_where_too_little_is_left():
    cut = panel(training={**LICENSED, "steps": 600, "learning_rate": 6e-3}).recipes[1]
    assert optimisation(cut) == (1000, 9e-3)
    wide = {"kind": "simclr", "encoder": {"kind": "mlp", "widths": [16, 64]}}
    found = panel(training={**LICENSED, "steps": 800}, method=wide)
    assert {recipe.name: recipe.computed for recipe in found.recipes} == {
        "declared": True, "longer": False, "wider": False, "other": True,
    }  # fmt: skip
    assert "up to 1000, less than 1.5 times the declared 800" in found.recipes[1].reason
    assert (
        "64 dimensions are licensed, less than 2 times the declared 64" in found.recipes[2].reason
    )


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"quick": True}, "the study is quick"),
        ({"training": {**LICENSED, "steps": 20}}, "the declared recipe has no licence"),
        (
            {"hypotheses": [{**tiny_study()["hypotheses"][0], "predicts": "few"}]},
            "a prediction about units needs no panel",
        ),
    ],
)
def test_only_the_declared_recipe_is_trained_where_no_claim_about_learning_can_rest_on_a_panel(
    changes, because
):
    found = panel(**changes)
    assert [recipe.name for recipe in found.recipes] == ["declared"] and found.because.startswith(
        because
    )


def test_recipes_train_the_identity_dose_and_both_arms_of_the_primary_dose_only():
    plan = plan_of(
        sessions=6,
        method=SIMCLR,
        training=LICENSED,
        axes=[{"path": "unit_dropout.rate", "doses": [0, 0.2, 0.4]}],
    )
    for label in ("recipe: longer", "recipe: wider", "recipe: other"):
        runs = [run for run in plan.grid if run.setting == label]
        assert {(run.axis, run.dose, run.arm) for run in runs} == {
            ("", 0.0, "none"),
            ("unit_dropout.rate", 0.4, "independent"),
            ("unit_dropout.rate", 0.4, "shared"),
        }
        assert len(runs) == 6 * 2 * 2 * 3 and {run.seed for run in runs} == {0, 1}


def test_a_recipe_like_the_studys_own_is_found_in_its_store():
    """Labels do not enter a run's key.

    A study whose own settings are those of the longer recipe has already trained it.
    """
    panel_run = next(
        run
        for run in plan_of(sessions=6, method=SIMCLR, training=LICENSED).grid
        if run.setting == "recipe: longer"
    )
    own = plan_of(
        sessions=6, method=SIMCLR, training={**LICENSED, "steps": 1000, "learning_rate": 9e-3}
    )
    assert panel_run.key() in {run.key() for run in own.grid} and isinstance(panel_run, Run)


def own_panel(*recipes, sessions=6, **changes):
    declared = {"recipes": list(recipes), "because": "what the reviewer asked for"}
    plan = plan_of(sessions=sessions, method=SIMCLR, training=LICENSED, panel=declared, **changes)
    return plan, list(panel_problems(plan.study, plan.settings[0], {"H1": sessions}))


def test_an_own_panel_holds_a_longer_recipe_and_another_method_and_is_told_with_its_reason():
    plan, problems = own_panel(LONG, MOCO)
    assert problems == []
    assert [recipe.name for recipe in plan.panels["H1"].recipes] == ["declared", "long", "queue"]
    assert plan.panels["H1"].because == "what the reviewer asked for"
    assert [said for _, _, said in own_panel(MOCO)[1]] == [
        "no recipe of simclr makes 800 steps or more; add one"
    ]
    assert [said for _, _, said in own_panel(LONG)[1]] == [
        "no recipe of another licensed method (moco); add one"
    ]
    assert own_panel(LONG, sessions=4)[1] == []  # where none is licensed, none is missing


def test_an_own_recipe_without_a_licence_is_refused_at_its_place():
    _, problems = own_panel(LONG, MOCO, {"name": "hasty", "training": {"steps": 100}})
    [(place, got, reason)] = problems
    assert place == ("panel", "recipes", 2) and got == "hasty"
    assert (
        "training.steps = 100 (calibrated: 200 to 1000)" in reason
        and "Use licensed settings, or leave it out" in reason
    )


@pytest.mark.parametrize(
    ("recipes", "said"),
    [
        ([{"name": "declared"}], "always in the panel"),
        ([LONG, LONG], "more than one recipe is named long"),
    ],
)
def test_recipes_have_names_of_their_own(recipes, said):
    with pytest.raises(ValidationError, match=said):
        own_panel(*recipes)
