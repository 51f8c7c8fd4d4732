"""S against its definition over all pairs.

Also tested: what the probe's row space and the classes change.
"""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from invariance_probe.probing.representation.detection import detectability
from invariance_probe.probing.representation.invariance import invariance, moved, row_space


def by_pairs(clean, corrupted, pairs):
    strangers = np.mean([((clean[i] - clean[j]) ** 2).sum() for i, j in pairs])
    return 1 - ((clean - corrupted) ** 2).sum(axis=1).mean() / strangers


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    clean = rng.standard_normal((30, 4)) + 3
    return clean, clean + 0.5 * rng.standard_normal((30, 4))


def measured(clean, corrupted, weights, classes=None):
    x, change = torch.from_numpy(clean), torch.from_numpy(corrupted - clean).unsqueeze(0)
    rows = row_space(torch.from_numpy(weights).unsqueeze(0))
    raw, projected = moved(change, rows)
    return invariance(
        x, rows[0], (raw[0], projected[0]), None if classes is None else torch.from_numpy(classes)
    )


def test_s_is_its_definition_over_all_pairs_raw_and_in_the_row_space(pair):
    weights = np.random.default_rng(1).standard_normal((4, 2))
    found = measured(*pair, weights)
    pairs = list(itertools.combinations(range(30), 2))
    basis = np.linalg.qr(weights)[0]
    assert found.invariance == pytest.approx(by_pairs(*pair, pairs))
    assert found.invariance_row_space == pytest.approx(
        by_pairs(pair[0] @ basis, pair[1] @ basis, pairs)
    )
    assert found.invariance_within_class is None


def test_within_a_class_strangers_are_of_the_same_class(pair):
    classes = np.repeat([0, 1], 15)
    clean, corrupted = (x + 10 * classes[:, None] for x in pair)
    found = measured(clean, corrupted, np.eye(4), classes)
    pairs = [(i, j) for i, j in itertools.combinations(range(30), 2) if classes[i] == classes[j]]
    assert found.invariance_within_class == pytest.approx(by_pairs(clean, corrupted, pairs))
    assert found.invariance > found.invariance_within_class


def test_nothing_moves_and_strangers_swap_places():
    clean = np.random.default_rng(2).standard_normal((5000, 3))
    assert measured(clean, clean, np.eye(3)).invariance == 1
    assert measured(clean, clean[::-1].copy(), np.eye(3)).invariance == pytest.approx(0, abs=0.05)


def test_a_move_that_the_probe_does_not_read_leaves_the_row_space_alone(pair):
    clean, _ = pair
    aside = clean + np.array([0, 0, 5.0, 0])
    weights = np.array([[1.0, 2], [0.5, 1], [0, 0], [0, 0]])  # two columns, rank one
    found = measured(clean, aside, weights)
    assert found.invariance_row_space == 1 and found.invariance < 0


def test_a_representation_that_does_not_vary_has_no_s():
    assert np.isnan(measured(np.ones((10, 2)), np.ones((10, 2)), np.eye(2)).invariance)


def noise(seed, count=800):
    return np.random.default_rng(seed).standard_normal((count, 5))


@pytest.mark.parametrize(
    ("corrupt", "low", "high"),
    [
        (lambda z, n: z, 0.5, 0.5),
        (lambda z, n: z + 3 * np.eye(5)[0] + n, 0.95, 1.0),
        (lambda z, n: 0.5 * z, 0.95, 1.0),  # shrinkage has no mean shift
        # The same distribution, and no square differs: invisible to this classifier.
        (lambda z, n: -z, 0.45, 0.55),
    ],
)
def test_corruption_is_told_where_it_shows(corrupt, low, high):
    train, test = ((noise(s), corrupt(noise(s), noise(s + 1))) for s in (0, 2))
    assert low <= detectability(train, test) <= high


def test_added_noise_is_told_as_often_as_a_longer_vector_is():
    """The expected rate is that at which noise lengthens a vector.

    |z + n| > |z| has the probability Phi(|n| / 2) given n, and |n| is chi with 5
    degrees of freedom.
    """
    train, test = ((noise(s, 4000), noise(s, 4000) + noise(s + 1, 4000)) for s in (0, 2))
    expected = stats.norm.cdf(stats.chi(5).ppf((np.arange(10_000) + 0.5) / 10_000) / 2).mean()
    assert detectability(train, test) == pytest.approx(expected, abs=0.02)


def test_independent_copies_are_told_at_chance():
    train, test = ((noise(s), noise(s + 1)) for s in (0, 2))
    assert detectability(train, test) == pytest.approx(0.5, abs=0.06)
