"""Scores in known units: 0 for the best constant, larger for a better decoder."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from inference.builder import make_plan, planted

from invariance_probe.inference import infer
from invariance_probe.plan.figures.decoded import DecodedFigures, Scores
from invariance_probe.reporting.model import report_model
from invariance_probe.reporting.scores import score_of, scored_results, scores_in_words
from invariance_probe.results.tables import tidy


@pytest.fixture(scope="module")
def study():
    plan = make_plan(sessions=1)
    return plan, planted(plan, R=0.6, kept=0.9)


def test_the_best_constant_scores_nothing_and_bits_are_nats_over_the_log_of_two():
    assert score_of(0.8, 0.8, "continuous") == score_of(0.8, 0.8, "categorical") == 0
    assert score_of(0.4, 1.0, "circular") == pytest.approx(0.6)
    assert score_of(0.0, math.log(4), "categorical") == pytest.approx(2)  # four equal classes


def test_a_report_says_what_the_ceiling_and_ssl_reach(study):
    """Floor 1, ceiling .4: R2 .6, of which SSL keeps .9."""
    plan, results = study
    report = report_model(plan, infer(plan, results, {}), {})
    said = scores_in_words(report)
    assert said.startswith("Decoding, in R2 (0 is the best constant; larger is better)")
    assert "the best decoder without SSL 0.60; SSL at dose 0 0.54." in said
    score = {one["name"]: one["score"] for one in report["baselines"]}
    assert score["floor"] == 0 and score["ssl at dose 0"] == pytest.approx(0.54, abs=0.01)


def test_every_block_of_results_is_scored_against_its_own_floor(study):
    plan, results = study
    table = scored_results(tidy(plan.runs, results), "continuous")
    measured = table[table.loss.notna()]
    assert np.allclose(measured.score.astype(float), 1 - measured.loss.astype(float), atol=1e-9)
    classes = scored_results(pd.DataFrame(table), "categorical")
    assert classes[classes.session.str.contains("+", regex=False)].score.isna().all()


def test_classes_have_balanced_accuracy_in_words_baselines_and_results():
    plan = make_plan(sessions=1, target={"name": "t", "kind": "categorical"})
    results = planted(plan, R=0.6, kept=0.9)
    for key, result in results.items():
        decoded = result.measured(DecodedFigures)
        if decoded is not None:
            scores = Scores(accuracy=0.9, balanced_accuracy=0.8 if result.floor_losses else 0.7)
            results[key] = replace(result, figures=replace(decoded, scores=scores))
    report = report_model(plan, infer(plan, results, {}), {})
    accuracy = {b["name"]: b["balanced_accuracy"] for b in report["baselines"]}
    assert accuracy["floor"] is None and accuracy["raw"] == pytest.approx(0.8)
    assert accuracy["ssl at dose 0"] == pytest.approx(0.7)
    assert "Balanced accuracy: the best decoder without SSL 0." in scores_in_words(report)
    assert scores_in_words(report).endswith("; SSL at dose 0 0.70.")
    table = tidy(plan.runs, results)
    assert (table[table.method == "raw"].balanced_accuracy == 0.8).all()


def test_a_continuous_target_has_no_accuracy(study):
    plan, results = study
    report = report_model(plan, infer(plan, results, {}), {})
    assert {b["balanced_accuracy"] for b in report["baselines"]} == {None}
    assert "accuracy" not in scores_in_words(report)
