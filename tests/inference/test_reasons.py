"""Every verdict that is withheld or open says why, and what would settle it."""

from dataclasses import replace

import pytest
from conftest import tiny_study

from invariance_probe.inference import infer
from invariance_probe.inference.hypotheses.remedies import (
    LICENSED,
    MORE_OF_THE_CODE,
    MORE_OF_TRAINING,
    OF_GATES,
    OF_HOLM,
    OF_RECIPES,
    remedy,
)
from invariance_probe.inference.rules.verdicts import (
    INCONCLUSIVE,
    RECIPE_DEPENDENT,
    UNCALIBRATED,
    WORDS,
)
from invariance_probe.inference.verdict import Verdict

from .builder import JITTER, REGISTERED, ROWS, judged, make_plan, planted

BASE = tiny_study()["hypotheses"][0]
SETTLED = tuple(word for word in WORDS if word != RECIPE_DEPENDENT)
BYOL = {"kind": "byol", "encoder": {"kind": "mlp", "widths": [16, 8]}}


@pytest.mark.parametrize("word", ROWS)
def test_every_row_of_the_verdict_table_is_settled_or_says_what_would_settle_it(word):
    found = judged(**ROWS[word])
    assert found.verdict.text == word
    assert ("What would settle it: " in found.sentence) == (word not in SETTLED)


def test_a_recipe_dependent_verdict_names_the_recipes_that_differ_and_no_more_data():
    said = judged(**ROWS["recipe-dependent"]).sentence
    assert (
        "free under declared, wider and other; costly under longer" in said and OF_RECIPES in said
    )


def test_an_open_verdict_says_which_data_would_close_it():
    of_code, of_training = judged(C_code=0.1, spread=0.03), judged(**ROWS["inconclusive"])
    assert of_code.sentence.endswith(f"What would settle it: {MORE_OF_THE_CODE}.")
    assert of_training.sentence.endswith(f"What would settle it: {MORE_OF_TRAINING}.")


def test_a_method_without_a_licence_says_what_it_lacks():
    found = judged(make_plan(method=BYOL), C_code=0.4)
    assert found.verdict.text == UNCALIBRATED
    assert "byol has not passed the calibration (licensed: simclr, moco)" in found.sentence
    assert found.sentence.endswith(f"What would settle it: {LICENSED}.")


@pytest.mark.parametrize(
    ("values", "gate"),
    [
        ({"kept": 0.2}, "retention"),
        ({"leak": (0.5,) * 20}, "leak"),
        ({"null": 0.9}, "decodable"),
        ({"aa": 0.4}, "noise"),
    ],
)
def test_a_gate_that_takes_a_verdict_away_says_what_it_needs(values, gate):
    found = judged(C_code=0.4, **values)
    assert found.verdict.text.startswith(("invalid", "untestable"))
    assert "What would settle it: " in found.sentence and OF_GATES[gate] in found.sentence


def test_a_jitter_over_which_the_target_stands_still_asks_for_a_larger_dose():
    plan = make_plan(**JITTER)
    found = judged(plan, rho=1.0)
    assert found.verdict.text.startswith("untestable")
    assert "a larger dose, or a target that changes faster" in found.sentence


def test_a_word_that_falls_by_holm_is_explained_where_it_stands():
    blank = judged(**ROWS["tolerated"])
    fallen = replace(blank, verdict=Verdict(INCONCLUSIVE, unadjusted="tolerated"))
    assert remedy(fallen, missing=False) == f" What would settle it: {OF_HOLM}."


def test_missing_runs_ask_for_the_same_run_again():
    plan = make_plan()
    results = planted(plan, C_code=0.4)
    for run in plan.grid:
        if run.arm == "shared":
            results.pop(run.key(), None)
    (found,) = infer(plan, results, {}, REGISTERED).hypotheses
    assert "runs are missing or failed for" in found.sentence
    assert "run the study again, which keeps what is done" in found.sentence


def test_what_is_settled_needs_nothing():
    for word in SETTLED:
        assert remedy(judged(**ROWS[word]), missing=False) == ""


def test_too_few_units_for_a_word_are_said():
    plan = make_plan(hypotheses=[{**BASE, "predicts": "few"}])
    (found,) = infer(plan, planted(plan, code={"units": 19}), {}, REGISTERED).hypotheses
    assert (
        found.verdict.text == INCONCLUSIVE
        and "fewer than 20 units, and there are 19" in found.sentence
    )
