"""Every gate can fail, and takes away no more than it limits."""

from dataclasses import replace

import pytest
from conftest import tiny_study

from invariance_probe.inference import infer
from invariance_probe.inference.entry import unusable_runs

from .builder import JITTER, REGISTERED, gate, judged, make_plan, planted
from .code import made_code

BASE = tiny_study()["hypotheses"][0]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"kept": 0.3}, "retention"),
        ({"aa": 0.2}, "noise"),
        (
            {"recipes": {"longer": {"none": -0.25, "independent": -0.25, "shared": -0.25}}},
            "trained",
        ),
        (
            {
                "H": 0.3,
                "delta": 0.3,
                "recipes": {"longer": {"none": -0.06, "independent": -0.06, "shared": -0.06}},
            },
            "trained",
        ),
    ],
)
def test_a_failed_gate_of_learning_takes_the_verdict_and_leaves_the_code(values, name):
    found = judged(C_code=0.02, **values)
    assert (
        found.verdict.text == f"invalid: {name}"
        and found.outcome == "open"
        and found.p_value is None
    )
    assert gate(found, name).outcome == "failed" and gate(found, name).limits == ("learning",)
    assert found.learning.finding == "undecided" and name in found.learning.sentence
    assert (
        found.code.finding == "kept"
        and "What is found of the code without SSL stands" in found.sentence
    )


def test_a_recipe_that_fails_its_gate_is_told_and_never_dropped():
    """Where one recipe keeps too little, the others cannot show that learning is free."""
    plan = make_plan()
    results = planted(plan, C_code=0.4)
    poor = planted(plan, C_code=0.4, kept=0.2, seed=1)
    wider = {run.key() for run in plan.grid if run.setting == "recipe: wider"}
    found = infer(
        plan, {key: poor[key] if key in wider else r for key, r in results.items()}, {}, REGISTERED
    ).hypotheses[0]
    recipe = next(r for r in found.learning.panel.recipes if r.name == "wider")
    assert (
        recipe.finding == "undecided" and "dose 0 keeps" in recipe.reason and recipe.retention < 0.5
    )
    assert (found.verdict.text, found.learning.finding) == ("inconclusive", "undecided")


def test_what_longer_training_does_to_harm_alone_does_not_show_a_recipe_undertrained():
    """Sound recipes, too, change H and delta by more than the margin.

    A recipe is undertrained only where the loss at dose 0 still improves.
    """
    found = judged(
        H=0.05, delta=0.05, C_code=0.4, recipes={"longer": {"independent": -0.15, "shared": -0.15}}
    )
    assert gate(found, "trained").outcome == "passed" and found.verdict.text == "tolerated"


def test_without_a_longer_recipe_the_gate_trained_is_not_computed_and_words_explore():
    plan = make_plan(training={"steps": 800, "batch_size": 64, "seeds": 2})
    found = judged(plan, C_code=0.4)
    assert gate(found, "trained").outcome == "not computed"
    assert (found.verdict.text, found.status) == ("tolerated", "exploratory")
    assert "the recipe longer was not computed" in found.sentence


def test_noise_that_is_not_shown_equivalent_blocks_at_most_claims_only():
    blocked = judged(C_code=0.02, spread=0.35)
    assert blocked.verdict.text == "inconclusive" and gate(blocked, "noise").outcome == "not shown"
    plan = make_plan()
    found = judged(plan, results=planted(plan, C_code=0.5, delta=3.0, spread=0.35))
    assert (found.verdict.text, found.status) == (
        "sensitive",
        "confirmatory",
    )  # it rests on no `<= m` claim


def test_retention_by_the_shared_arm_alone_leaves_only_the_claim_that_training_costs():
    """Dose 0 keeps .4 and the shared arm .6: `sensitive` may be said, `tolerated` may not."""
    costly = judged(C_code=0.5, kept=0.4, H=-0.2, delta=0.2)
    assert (
        costly.verdict.text == "sensitive"
        and "only `D > m` is claimed" in gate(costly, "retention").detail
    )
    assert judged(C_code=0.5, kept=0.4, H=-0.2, delta=-0.2).verdict.text == "inconclusive"


def test_retention_above_the_range_is_told():
    found = judged(C_code=0.4, kept=1.3, delta=0.26)
    assert "above 1.1" in gate(found, "retention").detail
    [note] = [
        note for note in found.notes if "itself" in note
    ]  # .26 of R is .2 of what dose 0 decodes
    assert "dose 0 decodes 1.30 of R" in note and "delta = +0.20" in note
    assert not any("itself" in note for note in judged(C_code=0.4).notes)


def test_collapse_at_dose_zero_fails_its_gate():
    plan = make_plan()
    results = planted(plan, C_code=0.02)
    clean = [
        r
        for r in plan.grid
        if r.method.kind == "simclr" and r.axis == "" and r.setting == "" and "+" not in r.session
    ]
    for run in clean[: len(clean) // 5]:
        results[run.key()] = replace(results[run.key()], status="collapsed")
    assert judged(plan, results=results).verdict.text == "invalid: collapse"


def test_missing_runs_leave_no_verdict_and_are_counted():
    plan = make_plan()
    results = planted(plan, C_code=0.02)
    gone = next(r for r in plan.grid if r.arm == "shared")
    del results[gone.key()]
    findings = infer(plan, results, {})
    assert (
        findings.hypotheses[0].verdict.text == "inconclusive"
        and "missing" in findings.hypotheses[0].sentence
    )
    assert findings.runs.missing == 1 and findings.hypotheses[0].code.finding == "kept"


def test_a_missing_measurement_of_the_code_leaves_no_verdict():
    plan = make_plan()
    results = planted(plan, C_code=0.02)
    code = next(run for run in plan.baselines if run.method.kind == "code")
    results[code.key()] = replace(results[code.key()], status="failed", figures=None)
    found = infer(plan, results, {}).hypotheses[0]
    assert (
        found.verdict.text == "inconclusive" and "C_code" in found.sentence and found.code is None
    )


def test_a_failed_run_counts_as_failed_and_leaves_no_verdict():
    plan = make_plan()
    results = planted(plan, C_code=0.02)
    bad = next(r for r in plan.grid if r.arm == "independent")
    results[bad.key()] = replace(results[bad.key()], status="failed", blocks=(), block_losses=())
    findings = infer(plan, results, {})
    assert findings.hypotheses[0].verdict.text == "inconclusive" and findings.runs.failed == 1


def test_undecodable_sessions_leave_before_any_ssl_result_is_seen():
    plan = make_plan()
    weak = planted(plan, null=0.5)
    reasons = unusable_runs(plan, weak)
    assert set(reasons) == {run.key() for run in plan.grid + plan.examined}
    only = {run.key(): weak[run.key()] for run in plan.baselines}
    found = infer(plan, only, reasons)
    assert (
        found.hypotheses[0].verdict.text == "untestable: too few sessions can be decoded"
        and found.hypotheses[0].code is None
    )
    assert found.runs.left_out == len(reasons) and found.runs.missing == 0


@pytest.mark.parametrize(
    ("sessions", "lost", "testable"), [(6, 3, True), (6, 4, False), (2, 0, True), (2, 1, False)]
)
def test_three_sessions_or_all_of_fewer_must_be_decodable(sessions, lost, testable):
    plan = make_plan(sessions)
    results, weak = planted(plan, C_code=0.02), planted(plan, null=0.5)
    gone = {run.key() for run in plan.baselines if run.session in {f"s{i}" for i in range(lost)}}
    found = infer(
        plan, {key: weak[key] if key in gone else r for key, r in results.items()}, {}
    ).hypotheses[0]
    assert found.verdict.text.startswith("untestable") != testable


def test_a_label_that_does_not_move_is_untestable_and_its_models_are_not_trained():
    plan = make_plan(**JITTER)
    results = planted(plan, rho=1.0)
    reasons = unusable_runs(plan, results)
    assert set(reasons) == {run.key() for run in plan.grid + plan.examined}
    only = {run.key(): results[run.key()] for run in plan.baselines}
    found = infer(plan, only, reasons).hypotheses[0]
    assert found.verdict.text.startswith("untestable") and found.kind == "jitter"
    assert "barely moves" in found.sentence


def test_recordings_that_stand_for_themselves_need_the_jackknife_of_the_code():
    plan = make_plan(sessions=3)
    results = planted(plan, C_code=0.02)
    for run in plan.baselines:
        if run.method.kind == "code" and "+" not in run.session:
            results[run.key()] = replace(
                results[run.key()], figures=replace(results[run.key()].figures, deleted=())
            )
    found = infer(plan, results, {}).hypotheses[0]
    assert found.verdict.text == "inconclusive" and "C_code" in found.sentence


def test_copies_are_named_and_take_a_word_that_rests_on_them():
    plan = make_plan()
    results = planted(plan, C_code=0.4, code={"carriers": (12, 26)})
    for run in plan.baselines:
        if run.method.kind == "code" and "+" not in run.session:
            alone = made_code(
                [(one.axis, one.dose) for one in run.method.corruptions],
                carriers=(1, 3),
                c_code=0.4,
            )
            copied = replace(results[run.key()].figures, copies=(("u1", "u2"),), distinct=alone)
            results[run.key()] = replace(results[run.key()], figures=copied)
    found = judged(plan, results=results)
    assert (
        gate(found, "distinct").outcome == "failed" and "u1 = u2" in gate(found, "distinct").detail
    )
    assert found.code.carriers_word == "" and found.verdict.text == "tolerated"


@pytest.mark.parametrize(("wrong", "values", "verdict"), [
    ("one_unit", {"C_code": 0.4}, "invalid: planted targets: one unit"),
    ("one_unit", {"C_code": 0.5, "delta": 0.3}, "sensitive"),
    ("projection", {"C_code": 0.5, "delta": 0.3}, "invalid: planted targets: all units"),
    ("projection", {"C_code": 0.4}, "tolerated"),
])  # fmt: skip
def test_a_planted_target_that_is_misjudged_takes_away_the_word_that_it_contradicts(
    wrong, values, verdict
):
    """Training ignores the one carrying unit for free, or pays for all units."""
    plan = make_plan()
    results = planted(plan, **values)
    cost = {"one_unit": 0.0, "projection": 0.4}[wrong]
    for run in plan.grid:
        if run.session.endswith(f"+{wrong}") and run.arm == "independent":
            clean = planted(plan, **values)[run.key()].block_losses
            shift = cost * 0.6 - (0.3 * 0.6 if wrong == "one_unit" else 0.0)
            results[run.key()] = replace(
                results[run.key()], block_losses=tuple(loss + shift for loss in clean)
            )
    for run in plan.baselines:
        if run.method.kind == "code" and run.session.endswith(f"+{wrong}"):
            lost = made_code(
                [(one.axis, one.dose) for one in run.method.corruptions],
                c_code=0.4,
                carriers=(0.3, 0.7),
            )
            results[run.key()] = replace(results[run.key()], figures=lost)
    assert judged(plan, results=results).verdict.text == verdict


def test_planted_targets_that_are_not_computed_leave_the_word_exploratory():
    found = judged(make_plan(plants=False), C_code=0.4)
    assert gate(found, "planted targets: one unit").outcome == "not computed"
    assert (found.verdict.text, found.status) == ("tolerated", "exploratory")
    assert "planted targets: one unit was not computed" in found.sentence


def test_a_hypothesis_that_gates_leave_without_words_counts_as_p_of_one():
    plan = make_plan(hypotheses=[BASE, {**BASE, "id": "H2", "predicts": "few"}])
    first, second = infer(plan, planted(plan, C_code=0.4, kept=0.2), {}, REGISTERED).hypotheses
    assert first.p_value is None and first.p_value_adjusted is None
    assert second.p_value_adjusted == pytest.approx(min(1, 2 * second.p_value))
