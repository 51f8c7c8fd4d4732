"""Discriminants from moments equal discriminants computed directly.

Their temperature is the best one.
"""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from test_code_sweeps import blocks_with_embargo, training_windows

from invariance_probe.probing.code.classes import Discriminants, inverse_temperature, log_losses
from invariance_probe.probing.code.inputs import Inputs
from invariance_probe.probing.code.moments import Moments, forbidden_by
from invariance_probe.probing.code.penalties import choose_penalties
from invariance_probe.probing.decoders.ridge import UNIT

CLASSES, UNITS, WINDOWS = 3, 8, 480
NONE = np.zeros((0, UNITS), dtype=bool)


@pytest.fixture
def world():
    rng = np.random.default_rng(5)
    labels = rng.choice(CLASSES, WINDOWS, p=[0.5, 0.3, 0.2])
    mixed = rng.standard_normal((WINDOWS, UNITS)) @ (
        np.eye(UNITS) + 0.3 * rng.standard_normal((UNITS, UNITS))
    )
    x = mixed + 0.7 * rng.standard_normal((CLASSES, UNITS))[labels]
    inputs = Inputs(x, np.arange(WINDOWS), 1)
    folds = blocks_with_embargo(WINDOWS, 8, 4)
    return inputs, labels, folds, Moments.of(inputs.parts, UNITS, np.eye(CLASSES)[labels], folds)


def direct(x, labels, train, penalty, kept=slice(None)):
    """Log frequencies and evidence (window, class) of a discriminant, by sums over windows."""
    z = ((x - x[train].mean(axis=0)) / x[train].std(axis=0))[:, kept]
    means = np.array([z[train][labels[train] == k].mean(axis=0) for k in range(CLASSES)])
    centred = z[train] - means[labels[train]]
    within = centred.T @ centred / len(train) + UNIT * penalty * np.eye(z.shape[1])
    weights = np.linalg.solve(within, means.T)
    return np.log(np.bincount(labels[train]) / len(train)), z @ weights - (means.T * weights).sum(
        axis=0
    ) / 2


def test_without_shrinkage_it_is_the_classical_discriminant(world):
    inputs, labels, folds, moments = world
    fold = folds[2]
    one = Discriminants.of(moments.training([2]), UNITS, 1e-9, NONE)
    scores = one.prior + one.evidence(inputs.activity[fold.test])[:, 0]
    known = LinearDiscriminantAnalysis(solver="lsqr").fit(
        inputs.activity[fold.train], labels[fold.train]
    )
    np.testing.assert_allclose(
        log_softmax(scores, axis=1), known.predict_log_proba(inputs.activity[fold.test]), atol=1e-6
    )


def test_refits_on_masks_equal_discriminants_of_these_inputs_alone(world):
    inputs, labels, folds, moments = world
    masks = np.array(
        [[1, 0, 1, 1, 0, 1, 0, 1], [0, 0, 0, 1, 0, 0, 0, 0], [0] * 8, [1] * 8], dtype=bool
    )
    one = Discriminants.of(moments.training([2, 6]), UNITS, 0.5, masks)
    train = training_windows(folds, [2, 6])
    found = one.evidence(inputs.activity)
    for place, mask in enumerate([np.ones(8, dtype=bool), *masks]):
        prior, expected = direct(inputs.activity, labels, train, 0.5, mask)
        np.testing.assert_allclose(found[:, place], expected, atol=1e-9)
    np.testing.assert_allclose(one.prior, prior)


@pytest.mark.parametrize("left_out", [1, 2])
def test_log_losses_are_those_of_direct_computation_with_a_temperature_fitted_inside(
    world, left_out
):
    inputs, labels, folds, moments = world
    x, forbidden = inputs.activity, forbidden_by(folds, WINDOWS)
    masks = np.array([[1, 0, 1, 1, 0, 1, 0, 1]], dtype=bool)
    penalties = choose_penalties(moments, left_out, (0.1, 1.0, 10.0))
    found = log_losses(inputs.parts, moments, labels, folds, penalties, masks)
    part = min(penalties, key=sorted)
    inner = []
    for block in set(range(8)) - part:
        prior, evidence = direct(
            x, labels, training_windows(folds, [*part, block]), penalties[part]
        )
        clear = [w for w in folds[block].test if not forbidden[w, sorted(part)].any()]
        inner.append((prior, evidence[clear], labels[clear]))

    def loss(scale):
        return sum(
            -log_softmax(p + scale * e, axis=1)[np.arange(len(k)), k].sum() for p, e, k in inner
        )

    scale = minimize_scalar(loss, bounds=(0, 20), method="bounded", options={"xatol": 1e-10}).x
    assert inverse_temperature(inner) == pytest.approx(scale, abs=1e-5)
    test = folds[min(part)].test
    losses = found[part, min(part)]
    for kept, value in ((slice(None), losses.everything), (masks[0], losses.masked[0])):
        prior, evidence = direct(
            x, labels, training_windows(folds, sorted(part)), penalties[part], kept
        )
        direct_loss = -log_softmax(prior + scale * evidence, axis=1)[test, labels[test]].sum()
        assert value == pytest.approx(direct_loss, rel=1e-6)
    assert losses.floor == pytest.approx(-prior[labels[test]].sum(), rel=1e-12)
    assert losses.everything < losses.masked[0] < losses.floor


def test_evidence_that_says_nothing_is_scaled_to_the_class_frequencies():
    rng = np.random.default_rng(0)
    known = rng.choice(3, 4000, p=[0.6, 0.3, 0.1])
    prior = np.log(np.bincount(known) / 4000)
    wrong = rng.standard_normal((4000, 3))
    assert inverse_temperature([(prior, wrong, known)]) < 0.1
    assert inverse_temperature([(prior, -np.eye(3)[known], known)]) == 0


def test_a_class_that_a_training_part_lacks_costs_much_and_not_infinitely_much():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, WINDOWS)
    labels[[10, 70]] = 2  # in the first two blocks of sixty windows only
    inputs = Inputs(rng.standard_normal((WINDOWS, UNITS)) + labels[:, None], np.arange(WINDOWS), 1)
    folds = blocks_with_embargo(WINDOWS, 8, 4)
    moments = Moments.of(inputs.parts, UNITS, np.eye(3)[labels], folds)
    found = log_losses(
        inputs.parts, moments, labels, folds, choose_penalties(moments, 2, (1.0,)), NONE
    )
    lacking = found[frozenset({0, 1}), 0]
    assert np.isfinite([[one.floor, one.everything] for one in found.values()]).all()
    assert lacking.floor == pytest.approx(
        -np.log(0.5 / len(training_windows(folds, [0, 1]))) + 59 * np.log(2), rel=0.02
    )
