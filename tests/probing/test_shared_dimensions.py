"""Shared dimensions between populations.

The correlations are those of CCA, false ones are not counted, and lags are found.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA

from invariance_probe.data.folds import Fold
from invariance_probe.data.sessions import open_recording
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.shared_dimensions import (
    Whitened,
    drawn_shifts,
    held_out_correlations,
    step_down,
)
from invariance_probe.study.baselines import SharedDimensions
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.recordings import MultimodalRecording


def correlated(rows, seed=0):
    """Two sides of five features that share two latents."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((rows, 2)) * [1.0, 0.7]
    first = shared @ rng.standard_normal((2, 5)) + rng.standard_normal((rows, 5))
    second = shared @ rng.standard_normal((2, 5)) + rng.standard_normal((rows, 5))
    return first, second


def fold_of(rows, train):
    return Fold(np.arange(train), np.arange(train, rows), np.zeros(rows - train, dtype=int))


def test_with_all_components_the_held_out_correlations_are_those_of_scikit_learns_cca():
    first, second = correlated(600)
    fold = fold_of(600, 400)
    ours = held_out_correlations([Whitened.of(first, fold, 5)], second, [fold], 5)
    peer = CCA(5, max_iter=5000, tol=1e-12).fit(first[:400], second[:400])
    u, v = peer.transform(first[400:], second[400:])
    expected = [np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(5)]
    np.testing.assert_allclose(ours, expected, atol=2e-4)


def test_correlations_do_not_change_when_features_are_rescaled():
    first, second = correlated(400)
    fold = fold_of(400, 300)
    one = held_out_correlations([Whitened.of(first, fold, 3)], second, [fold], 3)
    other = held_out_correlations(
        [Whitened.of(first * [1, 5, 0.1, 2, 30], fold, 3)], second * 7 + 3, [fold], 3
    )
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_a_constant_feature_takes_no_part():
    first, second = correlated(300)
    fold = fold_of(300, 200)
    with_constant = np.concatenate([first, np.full((300, 1), 4.0)], axis=1)
    np.testing.assert_allclose(
        held_out_correlations([Whitened.of(with_constant, fold, 6)], second, [fold], 5),
        held_out_correlations([Whitened.of(first, fold, 5)], second, [fold], 5),
        atol=1e-9,
    )


def test_p_values_hold_every_dimension_against_the_largest_of_a_shift_and_never_fall():
    null = np.array([[0.1, 0.3], [0.2, -0.1], [-0.2, 0.0]])  # largest: .3, .2, 0
    np.testing.assert_allclose(step_down(np.array([0.25, 0.35]), null), [2 / 4, 2 / 4])
    np.testing.assert_allclose(
        step_down(np.array([0.5, 0.1, -1.0]), np.c_[null, null[:, 0]]), [1 / 4, 3 / 4, 1.0]
    )


def test_shifts_are_different_and_never_short():
    shifts = drawn_shifts(500, 99, np.random.default_rng(0))
    assert len(set(shifts)) == 99 and shifts.min() >= 50 and shifts.max() < 450
    assert len(drawn_shifts(20, 99, np.random.default_rng(0))) == 16


@pytest.mark.parametrize(("common", "lag"), [(0, 0), (2, -4), (3, 3)])
def test_shared_dimensions_and_their_lag_are_found(common, lag):
    declared = {"common": common, "lag_bins": lag, "bins": 1500, "seed": 3}
    recording = open_recording(MultimodalRecording(session="m", **declared), "m", Path())
    run = SessionMeasurement(
        fingerprint="x",
        session="m",
        window=Window(),
        folds=Folds(embargo_s=3),
        seed=0,
        study_seed=1,
        method=SharedDimensions(shifts=99, longest_lag_s=0.8),
        target=Target(name="modality"),
        probe=RidgeProbe(),
    )
    bench = Workbench.of(recording, run, torch.device("cpu"))
    found = MEASURES["shared_dimensions"](bench, [run], lambda steps: None)[0].result.figures
    assert found.dimensions == common
    assert not common or found.lag_s == pytest.approx(lag * 0.1)
    if common:  # the profile falls off on both sides of the lag
        agreement = dict(zip(found.lags_s, found.agreement, strict=True))
        assert agreement[lag / 10] > max(agreement[(lag - 3) / 10], agreement[(lag + 3) / 10])
