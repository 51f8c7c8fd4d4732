"""Scores beside the decoding loss, against hand-worked cases and scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from invariance_probe.plan.figures.decoded import Scores
from invariance_probe.probing.decoders.scores import class_scores, column_scores, direction_scores


def test_directions_count_within_half_and_three_quarters_of_a_sector():
    angles = np.array([0.0, 1.0, np.pi - 0.01, 2.0])
    errors = np.array(
        [0.39, 0.4, 0.1, 0.6]
    )  # pi / 8 = .3927, 3 pi / 16 = .5890; the third crosses pi
    actual = np.stack([np.cos(angles), np.sin(angles)], 1)
    predicted = 3.0 * np.stack([np.cos(angles + errors), np.sin(angles + errors)], 1)
    assert direction_scores(predicted, actual) == Scores(accuracy=0.5, accuracy_wide=0.75)


def test_class_scores_are_scikit_learns_where_every_class_is_tested():
    gen = np.random.default_rng(0)
    actual, predicted = gen.integers(0, 3, 200), gen.integers(0, 3, 200)
    found = class_scores(predicted, actual)
    assert found.balanced_accuracy == pytest.approx(
        metrics.balanced_accuracy_score(actual, predicted)
    )
    assert found.f1_macro == pytest.approx(metrics.f1_score(actual, predicted, average="macro"))
    assert found.f1_weighted == pytest.approx(
        metrics.f1_score(actual, predicted, average="weighted")
    )


def test_a_class_that_is_not_tested_weighs_nothing():
    found = class_scores(np.array([0, 1, 2]), np.array([0, 1, 1]))
    assert found.balanced_accuracy == 0.75 and found.f1_macro == pytest.approx((1 + 2 / 3) / 2)


def test_columns_weigh_by_their_variance_and_a_constant_target_has_no_score():
    actual = np.array([[0.0, 0.0], [2.0, 0.2], [4.0, 0.0]])
    predicted = actual + np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    expected = 1 - 1.0 / (8 + 2 * 0.2**2 / 3)
    assert column_scores(predicted, actual).r2 == pytest.approx(expected)
    assert column_scores(predicted, np.zeros((3, 2))) == Scores()
