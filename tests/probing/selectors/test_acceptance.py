"""The acceptance rule for sets of units.

What only one of the two decoders shows is not accepted, and carriers are.
"""

import numpy as np
import populations
import pytest

from invariance_probe.probing.selectors import SELECTORS
from invariance_probe.probing.selectors.acceptance import judge
from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.damage import decodable_range, losses_without
from invariance_probe.probing.selectors.moments import BlockMoments

RATES = np.random.default_rng(0).random(20)


def judged(parts, chosen, seed=0, others=None):
    return judge(parts, chosen, RATES, 200, np.random.default_rng(seed), others)


def test_the_exploit_of_a_decoder_without_ridge_is_a_disaster_for_it_and_is_not_accepted():
    chosen = SELECTORS["greedy_swaps"](
        Attack(populations.useless_copies(0, 1e-12), "fixed", 2), np.random.default_rng(0)
    )
    found = judged(populations.useless_copies(1, 1e-12), chosen)
    assert set(chosen) <= {0, 1, 2, 3}  # copies that know nothing
    assert found.fixed.chosen > 1.0 and found.fixed.exceeds
    assert abs(found.refit.chosen) < 0.02 and not found.refit.exceeds
    assert not found.accepted


def test_with_a_ridge_the_same_adversary_finds_carriers_that_are_accepted():
    chosen = SELECTORS["greedy_swaps"](
        Attack(populations.useless_copies(0, 1.0), "fixed", 3), np.random.default_rng(0)
    )
    assert set(chosen) <= set(range(4, 10))
    assert judged(populations.useless_copies(1, 1.0), chosen).accepted


def test_one_of_two_twins_is_not_accepted_and_both_are():
    scoring = populations.twins(1, 1.0)
    one = judged(scoring, (0,), others=range(6, 20))  # against units that carry nothing
    assert one.fixed.exceeds and one.refit.chosen < 0.02
    assert judged(scoring, (0, 1)).accepted


def test_a_set_that_was_drawn_is_accepted_no_more_often_than_the_bands_say():
    found = []
    for seed in range(60):
        rng = np.random.default_rng([7, seed])
        x = rng.standard_normal((400, 20))
        parts = populations.moments(
            x, x.sum(axis=1, keepdims=True) + rng.standard_normal((400, 1)), 1.0
        )
        found.append(judged(parts, tuple(rng.choice(20, 3, replace=False)), seed).accepted)
    assert np.mean(found) <= 0.1


def test_damages_are_losses_over_the_range_and_the_gain_is_against_random_sets():
    parts = populations.twins(1, 1.0)
    found = judged(parts, (0, 1, 2))
    scale = decodable_range(parts).mean()
    for mode, damage in (("refit", found.refit), ("fixed", found.fixed)):
        alone = (
            losses_without(parts, (0, 1, 2), mode).mean() - losses_without(parts, (), mode).mean()
        )
        assert damage.chosen == pytest.approx(alone / scale)
        assert damage.gain == pytest.approx(damage.chosen - damage.random, abs=1e-9)
        assert (
            damage.gain_low < damage.gain < damage.gain_high
            and damage.low <= damage.random <= damage.high
        )
    assert found.refit.p_value == pytest.approx(1 / 201)


def test_a_band_of_too_few_sets_is_refused():
    with pytest.raises(ValueError, match="at least 200"):
        judge(populations.twins(0, 1.0), (0,), RATES, 199, np.random.default_rng(0))


def test_of_noise_no_set_is_accepted():
    """Where nothing can be decoded, removing units helps.

    A negative range would turn that into damage.
    """
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x, y, block = (
            rng.standard_normal((480, 20)),
            rng.standard_normal((480, 1)),
            np.arange(480) // 40,
        )
        found = judged(BlockMoments.of(x, y, block).parts(1.0), (0, 1, 2), seed)
        assert not found.decodable and not found.accepted
