"""Copies and sums are named by the spikes that they share, and synchrony through rates is not."""

import numpy as np
import pytest
from codes import common_noise, copies, equal_carriers, figures, latents, poisson

from invariance_probe.probing.code.copies import agreement, find_repeated


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (0.95, 0.95), (0.95, 0.6), (0.5, 0.5)])
@pytest.mark.parametrize("rate", [0.05, 2.0])
def test_agreement_is_the_part_of_their_spikes_that_two_units_share(first, second, rate):
    rng = np.random.default_rng(0)
    neuron = rng.poisson(rate * np.exp(rng.standard_normal(40_000) - 0.5))
    heard = np.stack([rng.binomial(neuron, first), rng.binomial(neuron, second)], axis=1)
    assert agreement(heard.astype(float))[0, 1] == pytest.approx(
        min(first, second), abs=0.05
    )  # of max(first, second) spikes


@pytest.mark.parametrize("rate", [0.05, 2.0, 20.0])
def test_neurons_with_the_same_rate_however_modulated_do_not_agree(rate):
    rng = np.random.default_rng(1)
    modulated = rate * np.exp(rng.standard_normal(20_000) - 0.5)
    both = rng.poisson(modulated[:, None], (20_000, 2)).astype(float)
    assert np.corrcoef(both.T)[0, 1] > 0.5 or rate < 1
    assert abs(agreement(both)[0, 1]) < 0.1


def test_regular_firing_makes_no_copies():
    """Renewal trains of a quarter of the Poisson variance, driven alike."""
    rng = np.random.default_rng(2)
    _, nuisance = latents(rng, 8000)
    events = rng.poisson(4 * 3 * np.exp(0.3 * nuisance[:, :1].repeat(2, axis=1)))
    counts = np.diff(np.cumsum(events, axis=0) // 4, axis=0).astype(float)
    assert counts.var() < counts.mean() * 1.3 and agreement(counts)[0, 1] < 0.5
    assert agreement(np.stack([counts[:, 0], counts[:, 0]], axis=1))[0, 1] == 1


def test_six_electrodes_of_one_neuron_are_named_and_one_of_them_stays():
    found = find_repeated(copies(0).activity, counts=True)
    assert set(found.copies) == {(i, j) for i in range(6) for j in range(i + 1, 6)}
    assert len(set(found.removed) & set(range(6))) == 5 == len(found.removed) and found.sums == ()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "world", [lambda s: equal_carriers(s, 3, 8), lambda s: equal_carriers(s, 60, 8), common_noise]
)
def test_codes_without_copies_have_none(world, seed):
    found = find_repeated(world(seed).activity, counts=True)
    assert found.copies == found.sums == found.removed == ()


def test_a_unit_that_is_the_sum_of_others_is_named_with_them():
    rng = np.random.default_rng(0)
    label, nuisance = latents(rng, 3000)
    counts = poisson(rng, label, nuisance, np.r_[0.8, 0.5, -0.5, np.zeros(9)], np.full(12, 1.5))
    whole = counts[:, [2, 5, 7]].sum(axis=1)
    missing = rng.binomial(counts[:, 0] + counts[:, 4] + counts[:, 9], 0.9)
    found = find_repeated(np.column_stack([counts, whole, missing]), counts=True)
    assert (
        found.sums == ((12, 2, 5, 7), (13, 0, 4, 9))
        and found.copies == ()
        and found.removed == (12, 13)
    )


def test_a_few_coincidences_of_rare_spikes_make_no_copies():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.5, (900, 4))
    counts[:, :2] = 0
    counts[[5, 80, 300, 555], :2] = 1
    assert (
        agreement(counts.astype(float))[0, 1] == 1
        and find_repeated(counts, counts=True).copies == ()
    )


def test_equal_signals_are_copies_and_correlated_ones_are_not():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 3))
    near = x[:, 0] + 0.2 * rng.standard_normal(500)
    found = find_repeated(np.column_stack([x, x[:, 1] * 2, near]).astype(np.float32), counts=False)
    assert found.copies == ((1, 3),) and found.removed == (1,)


def test_the_figures_are_given_without_what_repeats_others():
    found = figures(copies(2))
    assert ("u0", "u5") in found.copies and found.distinct is not None
    assert len(found.units) == 60 and len(found.distinct.units) == 55
    assert found.carriers == pytest.approx(6, abs=0.3) and found.distinct.carriers == pytest.approx(
        1, abs=0.1
    )
    assert found.distinct.distinct is None and found.distinct.whole.corruptions == ()
    assert figures(equal_carriers(0, 3, 8)).distinct is None
