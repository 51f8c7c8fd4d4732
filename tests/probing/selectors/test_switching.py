"""The permutation test of switching.

Reliance is what the module says it is. p is uniform where nothing changes, and small
where the units switch.
"""

import numpy as np
import pytest

from invariance_probe.probing.decoders.ridge import UNIT
from invariance_probe.probing.selectors.moments import BlockMoments
from invariance_probe.probing.selectors.switching import (
    blocks_of,
    mean_overlap,
    memory_bins,
    reliance,
    switching,
)

UNITS, EPOCHS, BLOCKS = 8, 3, 8


def session(seed, sets, rows=60):
    """Independent units; in each epoch the units of its set carry the target."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((EPOCHS * BLOCKS * rows, UNITS))
    y = np.concatenate(
        [part[:, own].sum(axis=1) for part, own in zip(np.split(x, EPOCHS), sets, strict=True)]
    )
    y = (y + rng.standard_normal(len(y)))[:, None]
    return x, y, np.arange(len(x)) // rows


def outcome(seed, sets):
    epoch = np.repeat(np.arange(EPOCHS), BLOCKS)
    return switching(
        BlockMoments.of(*session(seed, sets)), epoch, 1.0, 99, np.random.default_rng(seed)
    )


def test_reliance_is_the_rise_of_the_error_without_a_unit():
    x, y, block = session(0, [[0, 1], [0, 1], [0, 1]])
    member = (np.arange(EPOCHS * BLOCKS) // BLOCKS == 1)[None].astype(float)
    found = reliance(BlockMoments.of(x, y, block), member, 2.0)
    own = block // BLOCKS == 1
    a, b = x[own] - x[own].mean(axis=0), y[own] - y[own].mean(axis=0)
    covariance = a.T @ a / len(a)
    ridge = UNIT * 2.0 * np.diag(covariance)
    inverse = np.linalg.inv(covariance + np.diag(ridge))
    w = inverse @ a.T @ b / len(a)

    def error(decoder, penalised):
        return ((a @ decoder - b) ** 2).mean() + penalised * (ridge[:, None] * decoder**2).sum()

    rises = {"fixed": [], "refit": []}
    for unit in range(UNITS):
        held, kept = w.copy(), [u for u in range(UNITS) if u != unit]
        held[unit] = 0
        again = np.zeros_like(w)
        again[kept] = np.linalg.solve(
            (covariance + np.diag(ridge))[np.ix_(kept, kept)], (a.T @ b / len(a))[kept]
        )
        rises["fixed"].append(error(held, 0) - error(w, 0))
        rises["refit"].append(error(again, 1) - error(w, 1))
    for mode, rise in rises.items():
        np.testing.assert_allclose(found[mode][0], np.array(rise) / sum(rise), rtol=1e-9)


def test_the_overlap_is_1_for_one_code_and_0_for_codes_without_a_common_unit():
    same, apart = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0]]), np.array([[1.0, 0, 0], [0, 0.3, 0.7]])
    np.testing.assert_allclose(mean_overlap(np.stack([same, apart])), [1, 0], atol=1e-12)


@pytest.mark.parametrize("tau", [1, 10, 40])
def test_memory_is_the_time_constant_of_what_units_share_whatever_their_noise(tau):
    rng = np.random.default_rng(tau)
    latent = np.zeros((20_000, 2))
    for t in range(1, len(latent)):
        latent[t] = np.exp(-1 / tau) * latent[t - 1] + np.sqrt(
            1 - np.exp(-2 / tau)
        ) * rng.standard_normal(2)
    x = latent @ rng.standard_normal((2, 12)) + 2 * rng.standard_normal((len(latent), 12))
    assert memory_bins(x) == pytest.approx(tau, rel=0.4, abs=1)
    assert memory_bins(rng.standard_normal((4000, 12))) <= 2


def test_blocks_are_several_memories_long_or_there_is_no_test():
    assert [blocks_of(1000, memory, 12) for memory in (20, 30, 100, 130)] == [12, 8, 4, 0]


@pytest.mark.parametrize("sets", [[[0, 1]] * 3, [range(UNITS)] * 3], ids=["few", "all"])
def test_p_is_rarely_small_where_the_code_stays(sets):
    p = np.array([[one.p_value for one in outcome(seed, sets).values()] for seed in range(100)])
    assert (
        (p <= 0.05).mean() <= 0.1 and 0.4 < p.mean() < 0.6
    )  # .05 expected, sd .02; page: reports/messengers/switching.md


@pytest.mark.parametrize(
    "sets", [[[0, 1], [2, 3], [4, 5]], [range(4), range(4, 8), range(4)]], ids=["few", "half"]
)
def test_p_is_small_where_units_switch_and_the_overlap_is_below_what_noise_leaves(sets):
    for seed in range(10):
        for one in outcome(seed, sets).values():
            assert one.p_value == 0.01 and one.overlap < one.expected
