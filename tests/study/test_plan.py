from conftest import tiny_study

from invariance_probe.study.methods import Raw
from invariance_probe.study.plan import Plan, Session
from invariance_probe.study.study import Study


def plan_of(sessions=3, **changes):
    study = Study.model_validate(tiny_study(**changes))
    return Plan(study, tuple(Session(f"s{i}", "a", "", f"f{i}", study.recordings[0]) for i in range(sessions)))


def test_the_reach_grid_has_825_models_75_for_the_noise_gate_and_450_for_the_checks():
    doses = {"axes": [{"path": "unit_dropout.rate", "doses": [0, 0.1, 0.2, 0.4, 0.6, 0.8]}]}
    plan = plan_of(folds={"count": 5}, training={"seeds": 5, "steps": 10}, **doses)
    trained = [run for run in plan.grid if run.method.kind == "simclr"]
    assert len(trained) == 3 * 5 * 5 * (1 + 5 * 2) + 3 * 5 * 5 + 2 * 3 * 5 * 5 * 3  # grid, A/A, two checks of the primary dose


def test_dose_zero_is_one_run_for_all_arms():
    plan = plan_of(arms=["independent", "shared", "paired"])
    clean = [c for c in plan.conditions if c.axis == ""]
    assert [c.arm for c in clean] == ["none"]
    assert len(plan.conditions) == 4


def test_keys_know_nothing_of_names_margins_and_groups():
    other = {"hypotheses": [{**tiny_study()["hypotheses"][0], "claim": "another", "id": "H9"}], "name": "other", "question": "?"}
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
    """Every stored result is found by this hash: a change means a new ALGORITHM_VERSION and a line in the changelog."""
    plan = plan_of()
    raw = next(run for run in plan.baselines if run.method == Raw())
    trained = next(run for run in plan.grid if run.method.kind == "simclr")
    assert (raw.key()[:16], trained.train_key()[:16]) == ("625c26edb8b19bc8", "567db72596cfbf22")


def test_a_jitter_hypothesis_is_checked_at_a_third_of_the_data():
    jitter = {
        "id": "J",
        "claim": "c",
        "predicts": "invariant",
        "axis": "time_jitter.window_s",
        "dose": 0.2,
        "margin": tiny_study()["hypotheses"][0]["margin"],
    }
    plan = plan_of(axes=[{"path": "time_jitter.window_s", "doses": [0, 0.1, 0.2]}], hypotheses=[jitter])
    third = {(run.axis, run.dose) for run in plan.grid if run.fraction < 1}
    assert third == {("", 0.0), ("time_jitter.window_s", 0.2)}
    assert all(run.arm in ("none", "independent") for run in plan.grid)
