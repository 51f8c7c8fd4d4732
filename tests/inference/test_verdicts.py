"""Every word of the verdict tables is reached by planted losses.

The rule itself reads what it should.
"""

import json
from dataclasses import replace

import pytest
from conftest import tiny_study

from invariance_probe.inference import infer
from invariance_probe.inference.findings import Standing
from invariance_probe.inference.rules.multiplicity import holm_levels
from invariance_probe.inference.rules.verdicts import (
    carriers_p,
    decide,
    learning_p,
    outcome,
    word_p,
)

from .builder import JITTER, REGISTERED, ROWS, judged, make_plan, planted

BASE = tiny_study()["hypotheses"][0]


@pytest.mark.parametrize("verdict", ROWS)
def test_each_row_of_the_table(verdict):
    assert judged(**ROWS[verdict]).verdict.text == verdict


def test_a_one_neuron_code_that_paired_draws_help_is_sensitive_and_flagged():
    found = judged(C_code=0.7, delta=0.2, H=-0.05, paired=-0.3, kept=0.7)
    assert found.verdict.text == "sensitive" and found.flags == ("regularised",)
    assert (found.naive.says, found.naive.independent, found.naive.paired) == (
        "invariant",
        "not invariant",
        "invariant",
    )
    assert found.outcome == "contradicted" and found.predicts == "tolerated"


def test_regularisation_in_both_arms_alone_never_says_invariant_and_says_what_is_not_dearer():
    """Independent draws help, but shared draws help more.

    D is therefore above the margin, and delta is not.
    """
    found = judged(C_code=0.7, delta=-0.05, H=-0.3, kept=0.6)
    assert (
        found.verdict.text == "sensitive"
        and "not shown to be dearer than no corruption at all" in found.sentence
    )
    assert "not shown to be dearer" not in judged(**ROWS["sensitive"]).sentence


def test_an_open_verdict_names_the_finding_that_is_open():
    assert (
        "it is not settled whether C_code exceeds the margin."
        in judged(C_code=0.1, spread=0.03).sentence
    )
    assert (
        "whether training costs more than the margin under every recipe."
        in judged(**ROWS["inconclusive"]).sentence
    )
    both = judged(C_code=0.1, delta=0.1, spread=0.03).sentence
    assert "whether C_code exceeds the margin and whether training costs" in both


def test_a_sentence_about_units_does_not_speak_of_the_dose():
    plan = make_plan(hypotheses=[{**BASE, "predicts": "few"}])
    found = infer(plan, planted(plan), {}, REGISTERED).hypotheses[0]
    assert "of the units dropped" not in found.sentence.partition("the verdict is")[0]


def test_the_codes_finding_stands_where_learning_differs_and_learnings_where_the_code_does():
    costly, free = judged(C_code=0.4, delta=0.3), judged(C_code=0.4)
    assert (costly.code.finding, free.code.finding) == ("lost", "lost") and costly.code == free.code
    assert (costly.learning.finding, free.learning.finding) == ("costly", "free")
    kept = judged(C_code=0.02)
    assert kept.learning.finding == "free" and kept.code.finding == "kept"


def test_words_about_units_and_about_training_do_not_move_each_other():
    """The verdict does not depend on the number of carriers, nor the reverse.

    With the same training and few or many carriers the verdict stays; with other losses
    and the same carriers the word about units stays.
    """
    few, many = ({"carriers": (1, 3)}, {"carriers": (12, 26)})
    found = {name: judged(C_code=0.4, code=code) for name, code in (("few", few), ("spread", many))}
    assert {name: f.code.carriers_word for name, f in found.items()} == {
        "few": "few",
        "spread": "spread",
    }
    assert {f.verdict.text for f in found.values()} == {"tolerated"}
    assert judged(C_code=0.4, delta=0.3, code=few).code.carriers_word == "few"


@pytest.mark.parametrize(
    ("carriers", "word"),
    [((1, 3), "few"), ((3, 9), "between"), ((12, 26), "spread"), ((2.0, 7.1), "undecided")],
)
def test_a_word_about_carriers_needs_bounds_clear_of_the_share(carriers, word):
    """Bounds of the words about carriers, for 40 units.

    Few: below 40 / 4 / 1.1 = 9.1 carriers. Spread: K_n above 1.1 x 40 / 4 = 11.
    """
    code = judged(C_code=0.4, code={"carriers": carriers, "spread": 0.05}).code
    assert code.carriers_word == word
    assert code.carriers.estimate == pytest.approx(sum(carriers), rel=0.06)
    assert code.K_s.ci_low < code.K_s.estimate < code.K_s.ci_high


def test_redundancy_is_a_word_beside_and_needs_its_bound():
    assert judged(C_code=0.02, code={"redundancy": 1.6}).code.redundant
    assert not judged(C_code=0.02, code={"redundancy": 1.25}).code.redundant


def test_few_units_recorded_have_numbers_and_no_word():
    code = judged(C_code=0.4, code={"units": 19, "carriers": (1, 2)}).code
    assert code.carriers_word == "" and code.carriers is not None


@pytest.mark.parametrize(
    ("predicts", "carriers", "verdict", "outcome"),
    [
        ("few", (1, 3), "few", "supported"),
        ("few", (12, 26), "spread", "contradicted"),
        ("few", (3, 9), "between", "open"),
        ("distributed", (12, 26), "spread", "supported"),
        ("distributed", (1, 3), "few", "contradicted"),
    ],
)
def test_a_prediction_about_units_is_judged_by_the_code_alone(predicts, carriers, verdict, outcome):
    plan = make_plan(hypotheses=[{**BASE, "predicts": predicts}])
    found = judged(plan, C_code=0.4, delta=0.3, code={"carriers": carriers})
    assert (found.verdict.text, found.outcome) == (verdict, outcome)
    assert not any(run.setting.startswith("recipe") for run in plan.grid)
    failing = judged(
        plan, C_code=0.4, kept=0.2, code={"carriers": carriers}
    )  # a failed gate of learning
    assert (failing.verdict.text, failing.outcome) == (verdict, outcome)


def test_recipes_that_pass_may_still_show_that_the_answer_depends_on_the_recipe():
    plan = make_plan()
    results = planted(plan, C_code=0.4, recipes={"longer": {"independent": 0.3}})
    poor = planted(plan, C_code=0.4, kept=0.2, seed=1)
    wider = {run.key() for run in plan.grid if run.setting == "recipe: wider"}
    found = infer(
        plan, {key: poor[key] if key in wider else r for key, r in results.items()}, {}, REGISTERED
    ).hypotheses[0]
    assert found.verdict.text == "recipe-dependent" and "+0.30 (longer)" in found.sentence


def test_one_dear_recipe_takes_away_free_and_one_cheap_one_takes_away_costly():
    near = {"other": {"independent": 0.09}}
    assert judged(C_code=0.4, spread=0.03, recipes=near).verdict.text == "inconclusive"
    assert judged(C_code=0.4, spread=0.03, delta=0.4, recipes=near).verdict.text == "inconclusive"
    assert judged(C_code=0.4, spread=0.03, delta=0.4).verdict.text == "sensitive"


def test_harm_in_the_shared_arm_is_no_free_training():
    found = judged(C_code=0.4, delta=0.3, H=0.3)  # D = 0, but the corruption itself harms
    assert (found.verdict.text, found.learning.finding) == ("inconclusive", "undecided")


@pytest.mark.parametrize(("values", "verdict"), [
    ({"delta": 0.0, "third": 0.0}, "tolerated"),
    ({"delta": 0.3, "third": 0.3}, "sensitive"),
    ({"delta": 0.0, "third": 0.3}, "inconclusive"),
    ({"delta": 0.0, "third": 0.0, "recipes": {"longer": {"independent": 0.1}}}, "inconclusive"),
])  # fmt: skip
def test_jitter_needs_both_amounts_of_data_under_every_recipe(values, verdict):
    found = judged(make_plan(**JITTER), **values)
    assert found.verdict.text == verdict and found.code is None


def test_jitter_under_recipes_that_disagree_is_recipe_dependent():
    assert (
        judged(make_plan(**JITTER), recipes={"longer": {"independent": 0.3}}).verdict.text
        == "recipe-dependent"
    )


def test_three_sessions_speak_for_themselves_only():
    found = judged(make_plan(sessions=3), C_code=0.02)
    assert found.scope == "these recordings" and found.sentence.startswith("In these 3 recordings")
    assert found.verdict.text == "invariant" and "no second method is licensed" in found.sentence


def test_a_supervised_ceiling_is_chosen_on_training_data_and_moves_no_finding_of_the_code():
    plan = make_plan()
    results = planted(plan, C_code=0.3)
    for run in plan.baselines:
        if run.method.kind == "supervised":
            results[run.key()] = replace(results[run.key()], selection_loss=0.1)
    findings = infer(plan, results, {})
    assert {s.ceiling_family for s in findings.sessions} == {"supervised"}
    assert findings.hypotheses[0].code == replace(judged(C_code=0.3).code, linear=False)


def test_holm_leaves_each_hypothesis_its_level_and_a_word_that_falls_is_named():
    """Two hypotheses, one clear and one with p between .025 and .05: alone it would stand."""
    assert holm_levels([0.03, 0.001]) == [0.05, 0.025] and holm_levels([0.03, 0.04]) == [
        0.025,
        0.025,
    ]
    plan = make_plan(
        hypotheses=[
            BASE,
            {**BASE, "id": "H2", "margin": {**BASE["margin"], "fraction_of_range": 0.3}},
        ]
    )
    alone = make_plan()
    values = next(
        {"C_code": 0.4, "delta": delta / 1000, "spread": 0.05}
        for delta in range(20, 120, 2)
        if 0.03 < (judged(alone, C_code=0.4, delta=delta / 1000, spread=0.05).p_value or 1) < 0.045
    )
    assert judged(alone, **values).verdict.text == "tolerated"
    several = make_plan(hypotheses=[BASE, {**BASE, "id": "H2"}])
    first, _ = infer(several, planted(several, **values), {}, REGISTERED).hypotheses
    assert first.verdict.text == "inconclusive (unadjusted: tolerated)" and first.outcome == "open"
    assert "if this were the study's only hypothesis" in first.sentence
    helped, _ = infer(plan, planted(plan, **values), {}, REGISTERED).hypotheses
    assert helped.verdict.text == "tolerated" and helped.p_value_adjusted == pytest.approx(
        helped.p_value
    )  # the other one is shown first


def test_quick_studies_confirm_nothing_and_say_that_one_recipe_judged():
    found = judged(make_plan(quick=True), C_code=0.02)
    assert (
        found.status == "exploratory" and "judged under the declared recipe alone" in found.sentence
    )
    assert [recipe.name for recipe in found.learning.panel.recipes] == ["declared"]


def test_findings_are_the_same_twice_and_are_plain_json():
    plan = make_plan()
    results = planted(plan, C_code=0.4)
    first, second = (
        json.dumps(infer(plan, results, {}).to_json(), sort_keys=True) for _ in range(2)
    )
    assert first == second


def test_only_registered_claims_are_confirmatory():
    assert judged(C_code=0.02).status == "confirmatory"
    assert judged(C_code=0.02, standing=Standing(None)).status == "exploratory"
    assert (
        judged(C_code=0.02, standing=Standing("0" * 64, (("H1", "its margin was changed"),))).status
        == "exploratory"
    )
    assert (
        judged(
            C_code=0.02, standing=Standing("0" * 64, (("other", "its margin was changed"),))
        ).status
        == "confirmatory"
    )


def test_pilot_sessions_carry_no_confirmatory_claim():
    world = {**make_plan().study.recordings[0].model_dump(), "pilot": True}
    plan = make_plan(recordings=[world], plants=False)
    assert judged(plan, C_code=0.02).verdict.text.startswith("untestable")
    plan = make_plan(recordings=[world], plants=False, hypotheses=[{**BASE, "role": "exploratory"}])
    assert judged(plan, C_code=0.02).verdict.text == "invariant"


@pytest.mark.parametrize(
    "changes",
    [
        {"method": {"kind": "byol", "encoder": {"kind": "mlp", "widths": [16, 8]}}},
        {"method": {"kind": "simclr", "temperature": 1.0}},
        {"training": {"steps": 20, "batch_size": 64, "seeds": 2}},
        {
            "axes": [{"path": "gain_modulation.sigma", "doses": [0, 0.4]}],
            "views": {"transforms": [{"kind": "gain_modulation"}]},
            "hypotheses": [{**BASE, "axis": "gain_modulation.sigma"}],
        },
    ],
)
def test_what_was_not_calibrated_gets_estimates_of_learning_and_the_finding_of_the_code(changes):
    plan = make_plan(**changes)
    found = judged(plan, C_code=0.02)
    assert (
        found.verdict.text == "uncalibrated method"
        and found.p_value is None
        and found.outcome == "open"
    )
    assert found.estimands and "there is no verdict, only estimates, since" in found.sentence
    assert found.learning.finding == "undecided" and found.code.finding == "kept"
    assert not any(run.setting.startswith("recipe") for run in plan.grid)


def test_a_sweep_of_another_dose_shows_the_interaction_as_a_difference_of_differences():
    plan = make_plan(sweeps=[{"path": "time_jitter.window_s", "values": [0.2]}])
    results = planted(plan, C_code=0.4, delta=0.02)
    moved = planted(plan, C_code=0.4, delta=0.3, seed=1)
    swept = {run.key() for run in plan.grid if run.setting.startswith("time_jitter")}
    assert {
        run.views.pairing.window_s for run in plan.grid if run.setting.startswith("time_jitter")
    } == {0.2}
    found = infer(
        plan, {k: moved[k] if k in swept else r for k, r in results.items()}, {}
    ).hypotheses[0]
    by_name = {e.name: e for e in found.swept if e.setting == "time_jitter.window_s=0.2"}
    assert by_name["delta"].estimate == pytest.approx(0.3, abs=0.02)
    assert by_name["change of delta"].estimate == pytest.approx(0.28, abs=0.03)
    assert found.verdict.text == "tolerated"  # an interaction is exploratory: it moves no verdict


def test_specificity_controls_stand_beside_a_verdict_and_move_none():
    plan = make_plan(controls=["thinning", "noise", "stratified"])
    assert {(c.axis, round(c.dose, 3)) for c in plan.controls} == {
        ("spike_thinning.rate", 0.4),
        ("gaussian_noise.sigma", 0.816),
        ("stratified_dropout.rate", 0.4),
    }
    results = planted(plan, C_code=0.4, delta=0.0)
    harmful = planted(plan, C_code=0.4, delta=0.5, seed=1)
    of_controls = {run.key() for run in plan.grid if run.axis in {c.axis for c in plan.controls}}
    found = infer(
        plan, {k: harmful[k] if k in of_controls else r for k, r in results.items()}, {}, REGISTERED
    ).hypotheses[0]
    shown = {
        e.setting: e.estimate
        for e in found.swept
        if e.setting.startswith("control") and e.name == "delta"
    }
    assert len(shown) == 3 and min(shown.values()) > 0.4
    assert found.verdict.text == "tolerated" and found.axis == "unit_dropout.rate"


def test_controls_stand_beside_hypotheses_of_their_own_corruption_only():
    axes = {"unit_cutout.fraction": 0.3, "pepper.rate": 0.1}
    base = tiny_study()["hypotheses"][0]
    plan = make_plan(
        views={"transforms": [{"kind": path.split(".")[0]} for path in axes]},
        controls=["dropout", "noise"],
        axes=[{"path": path, "doses": [0, dose]} for path, dose in axes.items()],
        hypotheses=[
            {**base, "id": path, "predicts": "invariant", "axis": path, "dose": dose}
            for path, dose in axes.items()
        ],
    )
    found = infer(plan, planted(plan, C_code=0.4, delta=0.05), {}, REGISTERED)
    shown = {
        h.id: {e.setting for e in h.swept if e.setting.startswith("control")}
        for h in found.hypotheses
    }
    assert shown["unit_cutout.fraction"] == {"control: unit_dropout.rate=0.3"}
    assert shown["pepper.rate"] == {"control: gaussian_noise.sigma=0.474"}


def test_swept_amounts_of_data_stand_beside_the_verdict():
    plan = make_plan(sweeps=[{"path": "data.fraction", "values": [1, 0.2]}])
    found = judged(plan, C_code=0.4, third=0.06)
    swept = {(e.setting, e.name): e.estimate for e in found.swept}
    assert swept["data.fraction=0.2", "delta"] == pytest.approx(0.06, abs=0.02)
    assert "data.fraction=1" not in {e.setting for e in found.swept}  # the study's own


def test_the_rule_itself_joins_recipes_by_the_largest_p_value():
    one = {"D <= m": 0.01, "H <= m": 0.02, "delta <= m": 0.03, "D > m": 0.99, "delta > m": 0.97}
    two = {"D <= m": 0.04, "H <= m": 0.001, "delta <= m": 0.001, "D > m": 0.96, "delta > m": 0.99}
    p = learning_p([one, two], jitter=False)
    assert p["free"] == 0.04 and p["costly"] == 0.99
    opposite = {**two, "D <= m": 0.995, "D > m": 0.004}
    assert (
        learning_p([one, opposite], jitter=False)["recipe-dependent"] == 2 * 0.01
    )  # as many times the larger of the two smallest
    assert learning_p([one], jitter=False)["recipe-dependent"] == 1.0
    gone = learning_p([one], jitter=False, all_pass=False)
    assert gone["free"] == gone["costly"] == 1.0


def test_the_rule_itself_reads_words_from_both_findings():
    learning = {"free": 0.01, "costly": 0.9, "dearer": 0.8, "recipe-dependent": 1.0}
    assert (
        decide(word_p({"C_code <= m": 0.9, "C_code > m": 0.02}, learning, jitter=False))
        == "tolerated"
    )
    assert (
        decide(word_p({"C_code <= m": 0.02, "C_code > m": 0.9}, learning, jitter=False))
        == "invariant"
    )
    assert (
        decide(word_p({"C_code <= m": 0.5, "C_code > m": 0.5}, learning, jitter=False))
        == "inconclusive"
    )
    costly = {"free": 0.9, "costly": 0.01, "dearer": 0.2, "recipe-dependent": 1.0}
    assert (
        decide(word_p({"C_code <= m": 0.9, "C_code > m": 0.02}, costly, jitter=False))
        == "sensitive"
    )
    assert (
        decide(word_p({"C_code <= m": 0.02, "C_code > m": 0.9}, costly, jitter=False))
        == "inconclusive"
    )  # not dearer than none
    assert decide(word_p({}, learning, jitter=True)) == "tolerated"
    assert (
        decide(
            carriers_p(
                {"carriers below": 0.9, "carriers above": 0.01, "K_n below": 0.02, "K_n above": 0.9}
            )
        )
        == "between"
    )


@pytest.mark.parametrize(
    ("predicts", "word", "expected"),
    [
        ("invariant", "invariant", "supported"),
        ("invariant", "tolerated", "contradicted"),
        ("invariant", "competition", "open"),
        ("tolerated", "invariant", "supported"),
        ("tolerated", "sensitive", "contradicted"),
        ("tolerated", "recipe-dependent", "open"),
        ("sensitive", "tolerated", "contradicted"),
        ("sensitive", "inconclusive", "open"),
        ("few", "between", "open"),
        ("distributed", "spread", "supported"),
        ("distributed", "tolerated", "open"),
    ],
)
def test_what_supports_and_what_contradicts_a_prediction(predicts, word, expected):
    assert outcome(predicts, word) == expected
