"""Debiased CKA and shape distance against other computations.

Also shown: where the biased CKA goes wrong.
"""

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes
from scipy.stats import ortho_group

from invariance_probe.probing.representation.similarity import (
    debiased_cka,
    shape_distance,
    unbiased_hsic,
)


def rows(count, dim, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dim))


def cka(x, y):
    return debiased_cka(torch.from_numpy(x), torch.from_numpy(y))


def distance(x, y):
    return shape_distance(torch.from_numpy(x), torch.from_numpy(y))


def biased_cka(x, y):
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    return ((a.T @ b) ** 2).sum() / np.sqrt(((a.T @ a) ** 2).sum() * ((b.T @ b) ** 2).sum())


def hsic_from_grams(x, y):
    """The estimator as it is written with Gram matrices."""
    k, grams, n = x @ x.T, y @ y.T, len(x)
    np.fill_diagonal(k, 0)
    np.fill_diagonal(grams, 0)
    one = np.ones(n)
    middle = (one @ k @ one) * (one @ grams @ one) / ((n - 1) * (n - 2))
    return (np.trace(k @ grams) + middle - 2 / (n - 2) * one @ k @ grams @ one) / (n * (n - 3))


def test_hsic_by_moments_is_hsic_by_gram_matrices():
    x, y = rows(40, 5), rows(40, 3, 1) + 2.0
    y[:, 0] += x[:, 0]
    assert unbiased_hsic(torch.from_numpy(x), torch.from_numpy(y)) == pytest.approx(
        hsic_from_grams(x, y), rel=1e-10
    )


def test_cka_is_one_for_equal_and_does_not_see_rotation_scale_or_shift():
    x, y = rows(60, 6), rows(60, 6, 1)
    y[:, :3] += 2 * x[:, :3]
    turn = ortho_group.rvs(6, random_state=np.random.default_rng(3))
    assert cka(x, x) == pytest.approx(1)
    assert cka(x, 3.0 * x @ turn + 5) == pytest.approx(1)
    assert cka(x @ turn, 0.2 * y - 1) == pytest.approx(cka(x, y))
    assert cka(x, y) == pytest.approx(cka(y, x))


def test_cka_of_independent_data_is_zero_in_the_mean_where_the_biased_one_is_not():
    pairs = [(rows(30, 40, 2 * i), rows(30, 40, 2 * i + 1)) for i in range(200)]
    fair, biased = (np.array([f(x, y) for x, y in pairs]) for f in (cka, biased_cka))
    assert abs(fair.mean()) < 3 * fair.std() / np.sqrt(len(fair)) and fair.min() < 0
    assert biased.mean() > 0.4


@pytest.mark.parametrize("dims", [(5, 5), (5, 3)])
def test_shape_distance_is_the_angle_of_scipys_procrustes(dims):
    x, y = rows(50, dims[0]), rows(50, dims[1], 1)
    y[:, 0] += x[:, 0]
    padded = np.pad(y, ((0, 0), (0, dims[0] - dims[1])))
    disparity = procrustes(x, padded)[2]
    assert np.cos(distance(x, y)) ** 2 == pytest.approx(1 - disparity)


def test_shape_distance_is_zero_under_rotation_and_obeys_the_triangle():
    x, y, z = (rows(50, 4, i) for i in range(3))
    turn = ortho_group.rvs(4, random_state=np.random.default_rng(3))
    assert distance(x, 2 * x @ turn - 3) == pytest.approx(0, abs=1e-6)
    assert distance(x, y) == pytest.approx(distance(y, x))
    assert 0 < distance(x, z) <= distance(x, y) + distance(y, z) <= np.pi


def test_a_representation_that_does_not_vary_has_no_similarity():
    still = np.ones((20, 3))
    assert np.isnan(cka(still, rows(20, 3))) and np.isnan(distance(rows(20, 3), still))
