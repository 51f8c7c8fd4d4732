"""Mined pairs of each source, their moments, and what oracle pairs drop.

Pairs are those that their source names, moments are taken over all pairs, and oracle
pairs drop what drifts.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from invariance_probe.augmentations.pairing import find_partners
from invariance_probe.data.sessions import open_recording
from invariance_probe.errors import DataError, TrainingError
from invariance_probe.methods.linear_ssl import (
    matched_moments,
    mixed_moments,
    pair_moments,
    standardised_directions,
)
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.mined_pairs import Pairs, drawn_pairs, nearest_pairs
from invariance_probe.study.baselines import MinedPairs
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.probes import LogisticProbe, Target
from invariance_probe.study.recordings import RecurringRecording
from invariance_probe.study.views import TimeJitter


def test_matched_moments_are_the_covariances_of_all_pairs_in_both_orders():
    rng = np.random.default_rng(0)
    x = rng.poisson(2.0, (50, 4))
    first, second = rng.integers(0, 25, 70), rng.integers(25, 50, 70)
    found = matched_moments(x, first, second, split=False)
    a, b = np.concatenate([x[first], x[second]]), np.concatenate([x[second], x[first]])
    both = np.cov(a.T, b.T, bias=True)
    np.testing.assert_allclose(found.mean, a.mean(axis=0))
    np.testing.assert_allclose(found.within, both[:4, :4])
    np.testing.assert_allclose(found.across, both[:4, 4:])
    split = matched_moments(x, first, second, split=True)
    np.testing.assert_allclose(split.within - found.within, np.diag(found.mean))
    np.testing.assert_allclose(split.across, found.across)


def test_matched_moments_of_a_lag_are_those_of_the_jitter_that_makes_it():
    """In a long recording the pairs one bin apart are the annulus of one bin.

    The ends of a long recording have no weight.
    """
    x = np.random.default_rng(1).poisson(3.0, (4000, 3))
    partners = find_partners(
        np.arange(4000), np.zeros(4000), TimeJitter(window_s=1, shape="annulus"), 1.0
    )
    one, other = (
        pair_moments(x, partners, True),
        matched_moments(x, np.arange(3999), np.arange(1, 4000), True),
    )
    for name in ("mean", "within", "across"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=0.01)


def test_a_mixture_of_pairs_has_the_moments_of_the_pooled_pairs():
    rng = np.random.default_rng(2)
    x = rng.poisson(2.0, (60, 3))
    first, second = rng.integers(0, 30, 40), rng.integers(30, 60, 40)
    mixed = mixed_moments(
        matched_moments(x, first[:10], second[:10], True),
        matched_moments(x, first[10:], second[10:], True),
        0.75,
    )
    whole = matched_moments(x, first, second, True)
    for name in ("mean", "within", "across"):
        np.testing.assert_allclose(getattr(mixed, name), getattr(whole, name))


def test_drawn_pairs_keep_the_gap_and_the_group_and_reach_every_partner():
    times = np.concatenate([np.arange(10.0), np.arange(40.0, 50.0)])
    groups = np.arange(20) % 2
    pairs = drawn_pairs(times, groups, 5.0, 400, np.random.default_rng(0))
    assert (np.abs(times[pairs.first] - times[pairs.second]) >= 5).all()
    assert (groups[pairs.first] == groups[pairs.second]).all()
    allowed = {
        (i, j)
        for i in range(20)
        for j in range(20)
        if groups[i] == groups[j] and abs(times[i] - times[j]) >= 5
    }
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == allowed
    assert np.bincount(pairs.first).tolist() == [400] * 20


def test_a_window_without_a_distant_partner_is_left_out_and_none_at_all_is_refused():
    pairs = drawn_pairs(np.array([0.0, 1.0, 9.0]), np.zeros(3), 8.5, 2, np.random.default_rng(0))
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == {(0, 2), (2, 0)}
    with pytest.raises(TrainingError, match="se a shorter gap"):
        drawn_pairs(np.array([0.0, 1.0]), np.zeros(2), 8.5, 2, np.random.default_rng(0))


def test_nearest_pairs_are_scikit_learns_neighbours_beyond_the_gap():
    rng = np.random.default_rng(3)
    features, times = rng.standard_normal((120, 3)), np.arange(120.0)
    pairs = nearest_pairs(features, times, 20.0, 4)
    for i in (0, 17, 60, 119):
        far = np.flatnonzero(np.abs(times - i) >= 20)
        expected = far[
            NearestNeighbors(n_neighbors=4).fit(features[far]).kneighbors(features[[i]])[1][0]
        ]
        assert set(pairs.second[pairs.first == i]) == set(expected)


def test_nuisance_distance_is_1_for_strangers_and_0_for_twins():
    rng = np.random.default_rng(4)
    values = rng.standard_normal((20_000, 2))
    i = np.arange(20_000)
    assert Pairs(i, rng.permutation(i)).distance(values) == pytest.approx(1, abs=0.03)
    assert Pairs(i, i).distance(values) == 0
    assert Pairs(i[:4], i[[0, 2, 3, 1]]).same(np.array([5, 1, 1, 2])) == 0.5


def test_oracle_pairs_keep_behaviours_and_drop_the_drift_of_a_noiseless_world():
    """Local pairs follow the drift, and oracle pairs follow the behaviour.

    The world has one behaviour direction and one drift direction.
    """
    rng = np.random.default_rng(5)
    rows = 3000
    behaviour = np.repeat(rng.integers(0, 2, rows // 10), 10)
    drift = np.sin(np.arange(rows) / 300)
    x = (
        np.stack([behaviour * 2.0 - 1, 3 * drift], axis=1)
        @ np.linalg.qr(rng.standard_normal((2, 2)))[0]
    )
    x = x + 1e-3 * rng.standard_normal(x.shape)
    pairs = {
        "local": Pairs(np.arange(rows - 3), np.arange(3, rows)),
        "oracle": drawn_pairs(np.arange(rows) * 1.0, behaviour, 200.0, 3, rng),
    }
    found = {}
    for kind, chosen in pairs.items():
        moments = matched_moments(x, chosen.first, chosen.second, False)
        z = x @ (standardised_directions(moments, x.std(axis=0), 1, 1e-9) / x.std(axis=0)[:, None])
        found[kind] = [abs(np.corrcoef(z[:, 0], truth)[0, 1]) for truth in (behaviour, drift)]
    assert found["local"][1] > 0.99 > 0.2 > found["local"][0]
    assert found["oracle"][0] > 0.99 > 0.2 > found["oracle"][1]


def measured(target="behaviour", kind="categorical", nuisance="drift", **method):
    declared = {
        "units": 30,
        "bins": 1600,
        "bin_s": 0.25,
        "behaviours": 3,
        "bout_s": 2.0,
        "drift_tau_s": 60.0,
        "seed": 6,
    }
    recording = open_recording(RecurringRecording(session="r", **declared), "r", Path())
    run = SessionMeasurement(
        fingerprint="x", session="r", window=Window(), folds=Folds(count=4, embargo_s=5),
        seed=0, study_seed=1,
        method=MinedPairs(dimensions=2, nuisance=nuisance, fractions=(0.9,), **method),
        target=Target(name=target, kind=kind), probe=LogisticProbe(penalties=(1.0,)),
    )  # fmt: skip
    bench = Workbench.of(recording, run, torch.device("cpu"))
    return MEASURES["mined_pairs"](bench, [run], lambda steps: None)[0].result.figures


def test_oracle_pairs_decode_better_later_and_only_they_are_pure_and_far_apart():
    found = measured()
    random, mined, oracle = (found.of(kind, 0.9) for kind in ("random", "mined", "oracle"))
    assert oracle.accuracy > found.local_accuracy + 0.1
    assert oracle.loss < found.local_loss < found.floor
    assert found.m_loc(0.9) == pytest.approx(found.local_loss - mined.loss)
    assert found.m_rand(0.9) == pytest.approx(random.loss - mined.loss)
    pairs = {one.pairs: one for one in found.found}
    assert pairs["oracle"].purity == 1 > pairs["mined"].purity > pairs["random"].purity
    assert pairs["mined"].nuisance_distance < 0.6 < pairs["random"].nuisance_distance
    assert found == measured()


def test_what_mined_pairs_cannot_read_is_refused_with_its_name():
    with pytest.raises(TrainingError, match="needs a categorical target"):
        measured(target="drift", kind="continuous")
    with pytest.raises(DataError, match="'speed' is not in the recording"):
        measured(nuisance="speed")
    with pytest.raises(TrainingError, match="use a larger `labelled`"):
        measured(labelled=0.003)
