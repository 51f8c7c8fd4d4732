from collections import Counter

import pytest
from conftest import tiny_study
from pydantic import ValidationError

from invariance_probe.plan.plan import Plan
from invariance_probe.plan.roles import read_run
from invariance_probe.study.baselines import Raw
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study


def plan_of(sessions=3, **changes):
    study = Study.model_validate(tiny_study(**changes))
    return Plan(
        study,
        tuple(Session(f"s{i}", "a", "", f"f{i}", study.recordings[0]) for i in range(sessions)),
    )


LICENSED = {"steps": 400, "batch_size": 128, "learning_rate": 3e-3}


def test_the_reach_grid_has_825_models_75_for_the_noise_gate_and_450_for_the_panel():
    doses = {"axes": [{"path": "unit_dropout.rate", "doses": [0, 0.1, 0.2, 0.4, 0.6, 0.8]}]}
    plan = plan_of(folds={"count": 5}, training={**LICENSED, "seeds": 5}, **doses)
    trained = [run for run in plan.grid if run.method.kind == "simclr"]
    assert (
        len(trained) == 3 * 5 * 5 * (1 + 5 * 2) + 3 * 5 * 5 + 2 * 3 * 5 * 5 * 3
    )  # grid, A/A, two recipes at the primary dose


def test_dose_zero_is_one_run_for_all_arms():
    plan = plan_of(arms=["independent", "shared", "paired"])
    clean = [c for c in plan.conditions if c.axis == ""]
    assert [c.arm for c in clean] == ["none"]
    assert len(plan.conditions) == 4


def test_keys_know_nothing_of_names_margins_and_groups():
    other = {
        "hypotheses": [{**tiny_study()["hypotheses"][0], "claim": "another", "id": "H9"}],
        "name": "other",
        "question": "?",
    }
    first, second = plan_of(), plan_of(**other)
    assert [run.key() for run in first.runs] == [run.key() for run in second.runs]
    run = first.grid[0]
    assert run.model_copy(update={"group": "g", "subject": "x", "setting": "y"}).key() == run.key()


def test_keys_are_all_different_and_follow_what_reaches_training():
    plan = plan_of()
    keys = [run.key() for run in plan.runs]
    assert len(set(keys)) == len(keys)
    run = next(run for run in plan.grid if run.method.kind == "simclr")
    changed = run.model_copy(update={"seed": 7})
    assert changed.train_key() != run.train_key()
    target = run.model_copy(update={"target": run.target.model_copy(update={"name": "other"})})
    assert target.train_key() == run.train_key() and target.key() != run.key()


def test_a_key_cannot_change_unnoticed():
    """Every stored result is found by this hash.

    A change means a new ALGORITHM_VERSION and a line in the changelog.
    """
    plan = plan_of()
    raw = next(run for run in plan.baselines if run.method == Raw())
    trained = next(run for run in plan.grid if run.method.kind == "simclr")
    assert (raw.key()[:16], trained.train_key()[:16]) == ("2ead0552373d5215", "cfa3407ddcc96212")


def test_a_jitter_hypothesis_is_checked_at_a_third_of_the_data():
    jitter = {
        "id": "J",
        "claim": "c",
        "predicts": "tolerated",
        "axis": "time_jitter.window_s",
        "dose": 0.2,
        "margin": tiny_study()["hypotheses"][0]["margin"],
    }
    plan = plan_of(
        axes=[{"path": "time_jitter.window_s", "doses": [0, 0.1, 0.2]}], hypotheses=[jitter]
    )
    third = {(run.axis, run.dose) for run in plan.grid if run.fraction < 1}
    assert third == {("", 0.0), ("time_jitter.window_s", 0.2)}
    assert all(run.arm in ("none", "independent") for run in plan.grid)


def test_examinations_look_at_encoders_of_the_grid_and_train_nothing():
    plan = plan_of(
        axes=[{"path": "unit_dropout.rate", "doses": [0, 0.2, 0.4]}],
        arms=["independent", "shared", "paired"],
    )
    trained = {run.train_key() for run in plan.grid}
    assert {run.train_key() for run in plan.examined} <= trained
    references = [run.reference() for run in plan.examined if run.examination.kind == "comparison"]
    assert {run.train_key() for run in references} <= trained
    kinds = Counter(run.examination.kind for run in plan.examined)
    encoders = 3 * 2 * 2  # sessions, seeds, folds
    assert kinds == {
        "corruption": encoders * 3 * 2,
        "detection": encoders * 2,
        "comparison": encoders * 3,
    }
    assert plan.model_steps() == sum(
        run.optimisation.steps for run in plan.baselines + plan.grid if run.optimisation
    )
    assert {run.arm for run in plan.examined} == {"none", "independent"} and {
        run.setting for run in plan.examined
    } == {""}


def test_an_examination_reaches_the_key_and_never_the_train_key():
    run = plan_of().examined[0]
    other = run.model_copy(update={"examination": run.examination.model_copy(update={"draws": 8})})
    assert (
        other.key() != run.key() != run.model().key()
        and other.train_key() == run.train_key() == run.model().train_key()
    )
    assert (
        "examination" not in run.model().model_dump()
        and read_run(run.model_dump(mode="json")) == run
    )


def test_quick_studies_examine_what_a_verdict_shows_and_others_only_what_a_hypothesis_is_about():
    quick = plan_of(
        quick=True, axes=[{"path": "unit_dropout.rate", "doses": [0, 0.2, 0.4]}]
    ).examined
    assert {(run.examination.kind, run.dose, run.examination.dose) for run in quick} == {
        ("corruption", 0.0, 0.4), ("corruption", 0.4, 0.4),
    }  # fmt: skip
    hypothesis = {**tiny_study()["hypotheses"][0], "group": "a"}
    worlds = [
        {**tiny_study()["recordings"][0], "group": group, "session": group} for group in ("a", "b")
    ]
    study = Study.model_validate(tiny_study(recordings=worlds, hypotheses=[hypothesis]))
    plan = Plan(
        study,
        tuple(
            Session(g, "x", g, g, world) for g, world in zip("ab", study.recordings, strict=True)
        ),
    )
    assert {run.session for run in plan.examined} == {"a"}
    linear = plan_of(method={"kind": "linear_ssl"}).examined
    assert {run.seed for run in linear} == {0} and {
        run.axis for run in linear if run.examination.kind == "comparison"
    } == {"unit_dropout.rate"}


def test_blocks_of_a_code_are_left_out_in_turn_only_where_recordings_stand_for_themselves():
    few, enough = (
        {run.method.jackknife for run in plan_of(sessions=s).baselines if run.method.kind == "code"}
        for s in (3, 4)
    )
    assert few == {True} and enough == {False}


def test_closed_form_linear_ssl_stands_beside_single_bins_only():
    single, longer = plan_of(), plan_of(window={"length_bins": 5})
    assert Counter(run.method.kind for run in single.runs) - Counter(
        run.method.kind for run in longer.runs
    ) == {"linear_ssl": 6}
    with pytest.raises(ValidationError, match="linear_ssl needs windows of one bin"):
        plan_of(window={"length_bins": 5}, method={"kind": "linear_ssl"})
    recipes = {
        "recipes": [{"name": "closed", "method": {"kind": "linear_ssl"}}],
        "because": "to see it refused",
    }
    with pytest.raises(
        ValidationError,
        match="linear_ssl is computed in closed form, so it has no training that",
    ):
        plan_of(panel=recipes)


def corrupted_by(transform, field, doses, **changes):
    """A tiny plan with another corruption swept."""
    path = f"{transform['kind']}.{field}"
    hypothesis = {**tiny_study()["hypotheses"][0], "axis": path, "dose": doses[-1]}
    axes = [{"path": path, "doses": doses}]
    return plan_of(views={"transforms": [transform]}, axes=axes, hypotheses=[hypothesis], **changes)


def test_a_corruption_without_closed_form_refuses_linear_ssl_by_name():
    with pytest.raises(
        ValidationError,
        match="no closed-form solution with gain_modulation; use another",
    ):
        corrupted_by({"kind": "gain_modulation"}, "sigma", [0, 0.5], method={"kind": "linear_ssl"})
    plan_of(
        views={"transforms": [{"kind": "unit_dropout"}, {"kind": "pepper"}]},
        method={"kind": "linear_ssl"},
    )  # pepper is idle
    with pytest.raises(ValidationError, match="closed-form solution with pepper"):
        plan_of(
            views={"transforms": [{"kind": "unit_dropout"}, {"kind": "pepper", "rate": 0.1}]},
            method={"kind": "linear_ssl"},
        )


def test_linear_ssl_stands_beside_a_corruption_without_closed_form_at_its_identity():
    swept = corrupted_by({"kind": "pepper"}, "rate", [0, 0.2])
    fixed = plan_of(
        views={"transforms": [{"kind": "unit_dropout"}, {"kind": "pepper", "rate": 0.2}]}
    )
    count = [
        sum(run.method.kind == "linear_ssl" for run in plan.baselines) for plan in (swept, fixed)
    ]
    assert count == [6, 0]


@pytest.mark.parametrize(
    "transform", [{"kind": "time_cutout"}, {"kind": "cutmix", "along": "bins"}]
)
def test_blocks_of_bins_need_windows_of_several_bins(transform):
    with pytest.raises(
        ValidationError, match=f"{transform['kind']} changes only some bins of a window"
    ):
        corrupted_by(transform, "fraction", [0, 0.5])
    assert corrupted_by(transform, "fraction", [0, 0.5], window={"length_bins": 4}).grid
    assert corrupted_by({"kind": "cutmix"}, "fraction", [0, 0.5]).grid  # blocks of units


def test_every_corruption_is_tested_at_every_dose_on_whole_activity_alone():
    plan = corrupted_by({"kind": "cutmix"}, "fraction", [0, 0.2, 0.5])
    asked = {
        (run.dose, run.examination.dose)
        for run in plan.examined
        if run.examination.kind == "corruption"
    }
    assert asked == {(d, e) for d in (0, 0.2, 0.5) for e in (0.2, 0.5)}
    [code, *_] = [run.method for run in plan.baselines if run.method.kind == "code"]
    assert [(one.axis, one.dose) for one in code.corruptions] == [
        ("cutmix.fraction", 0.2),
        ("cutmix.fraction", 0.5),
    ]
    assert code.corruptions[0].views.base.kind == "none"
    inputs = next(
        run.examination.inputs for run in plan.examined if run.examination.kind == "corruption"
    )
    assert inputs.base.kind == "none" and [t.kind for t in inputs.transforms] == ["cutmix"]
