"""Selectors of units keep what they declare.

Every loss equals that of a plain removal, budgets and limits hold exactly, and the
known blindness of each selector is shown.
"""

from itertools import combinations

import numpy as np
import populations
import pytest

from invariance_probe.plan.figures.units import MODES
from invariance_probe.probing.selectors import BASELINES, SELECTORS
from invariance_probe.probing.selectors.attack import GRADIENT, Attack
from invariance_probe.probing.selectors.damage import losses_if_kept, losses_without, set_losses
from invariance_probe.probing.selectors.greedy import backward_path, forward_path
from invariance_probe.probing.selectors.learned import removal
from invariance_probe.probing.selectors.relaxation import onto_budget, relaxed_loss

SEARCHES = [name for name in SELECTORS if name not in BASELINES]


def chosen_by(name, parts, mode, budget, limit=None, seed=0):
    attack = Attack(parts, mode, budget, limit)
    return SELECTORS[name](attack, np.random.default_rng(seed)), attack


@pytest.mark.parametrize("mode", MODES)
def test_losses_of_many_sets_are_those_of_each_alone(mode):
    parts = populations.correlated()
    sets = np.array(list(combinations(range(9), 3)))
    alone = [losses_without(parts, removed, mode).mean() for removed in sets]
    np.testing.assert_allclose(set_losses(parts, mode)(sets), alone, rtol=1e-8)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kept", [(), (4,), (0, 2, 7)])
def test_relief_is_the_loss_with_one_more_unit_kept(mode, kept):
    parts = populations.correlated(1)
    found = losses_if_kept(parts, mode)(kept)
    for unit in set(range(9)) - set(kept):
        gone = [u for u in range(9) if u not in {*kept, unit}]
        assert found[unit] == pytest.approx(losses_without(parts, gone, mode).mean(), rel=1e-8)


@pytest.mark.parametrize("mode", MODES)
def test_the_relaxed_loss_at_a_set_is_the_loss_of_its_removal(mode):
    parts = populations.correlated(2)
    shares = np.ones(9)
    shares[[1, 5]] = 0.0
    assert relaxed_loss(parts, mode)(shares)[0] == pytest.approx(
        losses_without(parts, (1, 5), mode).mean(), rel=1e-9
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("removed", [(), (3, 6)])
def test_the_relaxed_gradient_is_that_of_finite_differences(mode, removed):
    slope = relaxed_loss(populations.correlated(3), mode)
    shares = np.random.default_rng(0).uniform(0.2, 0.9, 9)
    shares[list(removed)] = (
        1e-6  # next to removed, where the gradient in the square root of a share would vanish
    )
    step = 1e-7
    by_hand = [
        (slope(shares + step * unit)[0] - slope(shares - step * unit)[0]) / (2 * step)
        for unit in np.eye(9)
    ]
    np.testing.assert_allclose(slope(shares)[1], by_hand, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("penalty", [1e-9, 1.0, 30.0])
def test_the_gradient_where_all_units_are_kept_reads_the_ridge_times_the_weights_and_nothing_else(
    penalty,
):
    """dL/dm_j = sum_c W_jc dL/dW_jc = -2 lambda_j |W_j|^2 at a trained optimum: 0 without ridge."""
    part = populations.tested_where_it_was_fitted(penalty=penalty)
    weights = (part.decoder(np.ones(9, dtype=bool)) ** 2).sum(axis=1)
    gradient = relaxed_loss([part], "fixed")(np.ones(9))[1]
    np.testing.assert_allclose(gradient, -2 * part.ridge * weights, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SELECTORS)
def test_no_selector_takes_a_gradient_where_all_units_are_kept(name, mode, monkeypatch):
    kept = []

    def watched(attack, shares):
        kept.append(shares.sum())
        return relaxed_loss(attack.parts, mode)(shares)

    monkeypatch.setattr(Attack, "slope", watched)
    chosen_by(name, populations.correlated(), mode, 3, limit=60)  # some twenty gradients
    np.testing.assert_allclose(kept, 6.0, rtol=1e-6)
    assert bool(kept) == (name in ("projected_gradient", "learned_mask"))


def test_shares_are_projected_onto_the_budget_exactly():
    values = np.random.default_rng(1).normal(0.5, 2.0, 30)
    found = onto_budget(values, 7)
    assert found.sum() == pytest.approx(23, abs=1e-9) and found.min() >= 0 and found.max() <= 1
    other = onto_budget(
        np.random.default_rng(2).random(30), 7
    )  # the nearest point: no other admissible one is on this side
    assert (values - found) @ (other - found) <= 1e-9
    assert removal(values, 7).sum() == pytest.approx(7, abs=1e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limit", [0, 5, 60, 400])
@pytest.mark.parametrize("name", SELECTORS)
def test_every_selector_keeps_its_budget_and_its_limit(name, limit, mode):
    found, attack = chosen_by(name, populations.correlated(), mode, 3, limit)
    assert found == tuple(sorted(set(found))) and len(found) == 3 and set(found) <= set(range(9))
    assert attack.passes <= limit
    if attack.best:
        assert attack.best_loss == pytest.approx(
            losses_without(attack.parts, attack.best, mode).mean(), rel=1e-8
        )


def test_passes_are_those_of_a_decoder_without_closed_form():
    parts = populations.correlated()
    assert chosen_by("greedy", parts, "refit", 3)[1].passes == 9 + 8 + 7
    assert chosen_by("best_of_random", parts, "refit", 3, limit=37)[1].passes == 37
    attack = Attack(parts, "fixed", 3)
    attack.slope(np.full(9, 6 / 9))
    assert attack.passes == GRADIENT


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_finds_one_of_the_two_worst_sets_of_a_small_population_in_most_of_them(
    name, mode
):
    ranks = []
    for seed in range(7):
        parts = populations.correlated(seed)
        losses = set_losses(parts, mode)(np.array(list(combinations(range(9), 3))))
        _, attack = chosen_by(name, parts, mode, 3, seed=1)
        ranks.append((losses > losses_without(parts, attack.best, mode).mean() * (1 + 1e-9)).sum())
    assert np.median(ranks) <= 1


@pytest.mark.parametrize("name", ["greedy", "greedy_swaps"])
def test_forward_choice_with_a_refitted_decoder_is_blind_to_twins(name):
    both = []
    for seed in range(10):
        chosen, _ = chosen_by(name, populations.twins(seed, 1e-6, copy_sd=1e-3), "refit", 2)
        both.append(len({u // 2 for u in chosen if u < 6}) == 1 and set(chosen) <= set(range(6)))
    assert np.mean(both) <= 0.5  # it takes luck: any of 20 units may come first


@pytest.mark.parametrize(
    "name", ["greedy_backward", "greedy_pairs", "projected_gradient", "learned_mask"]
)
@pytest.mark.parametrize(("budget", "penalty"), [(2, 1e-6), (6, 1e-6), (6, 1.0)])
def test_backward_steps_exchanges_of_pairs_and_gradients_through_dropout_see_twins(
    name, budget, penalty
):
    for seed in range(10):
        chosen, _ = chosen_by(name, populations.twins(seed, penalty, copy_sd=1e-3), "refit", budget)
        assert set(chosen) <= set(range(6)) and len({u // 2 for u in chosen}) == budget // 2


def test_paths_of_twins_differ_forward_and_agree_backward():
    attack = Attack(populations.twins(0, 1e-6), "refit", 6)
    assert set(backward_path(attack)[:6]) == set(range(6))
    assert sorted([*forward_path(attack)]) != list(range(20))  # one unit stays
    assert sorted(backward_path(attack)) == list(range(20))


@pytest.mark.parametrize("name", SELECTORS)
def test_a_selector_is_a_function_of_its_generator_and_leaves_the_global_one_alone(name):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    parts = populations.correlated(4)
    assert (
        chosen_by(name, parts, "refit", 3, 150, seed=5)[0]
        == chosen_by(name, parts, "refit", 3, 150, seed=5)[0]
    )
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
