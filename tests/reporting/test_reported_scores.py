"""Scores in known units: 0 for the best constant, larger for a better decoder."""

import math

import numpy as np
import pandas as pd
import pytest
from inference.builder import make_plan, planted

from invariance_probe.inference import infer
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
