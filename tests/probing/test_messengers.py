"""Messenger units: moments, greedy choice and transfer.

The moments are right, greedy choice finds what brute force finds, and T is 1 or 0 where
it should be.
"""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from invariance_probe.data.sessions import open_recording
from invariance_probe.errors import TrainingError
from invariance_probe.plan.figures.units import MODES
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.ridge import UNIT
from invariance_probe.probing.measurements.messengers import ratio_interval
from invariance_probe.probing.selectors.damage import (
    decodable_range,
    losses_if_removed,
    losses_without,
)
from invariance_probe.probing.selectors.greedy import choose
from invariance_probe.probing.selectors.moments import FOLDS, BlockMoments
from invariance_probe.probing.selectors.random_sets import matched_sets
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.recordings import MessengerRecording

UNITS, BLOCKS = 7, 8


def population(seed=0, rows=400):
    """Correlated units of a two-column target, with outlying means, in eight blocks."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((rows, 2))
    x = (
        3
        + y @ rng.standard_normal((2, UNITS))
        + rng.standard_normal((rows, UNITS)) @ rng.standard_normal((UNITS, UNITS))
    )
    return x, y, np.arange(rows) * BLOCKS // rows


def losses_by_hand(x, y, block, removed, mode, penalty=1.0):
    """Held-out squared error a row of every block, by ordinary fits and predictions."""
    kept = [u for u in range(UNITS) if u not in removed]
    fold = np.arange(BLOCKS) * FOLDS // BLOCKS
    losses = []
    for f in range(FOLDS):
        train = fold[block] != f
        a, b = x[train] - x[train].mean(axis=0), y[train] - y[train].mean(axis=0)
        used = kept if mode == "refit" else list(range(UNITS))
        covariance = a[:, used].T @ a[:, used] / len(a)
        w = np.linalg.solve(
            covariance + UNIT * penalty * np.diag(np.diag(covariance)), a[:, used].T @ b / len(a)
        )
        for k in np.flatnonzero(fold == f):
            t = x[block == k] - x[train].mean(axis=0)
            t[:, list(removed)] = 0
            losses.append(
                (((t[:, used] @ w) + y[train].mean(axis=0) - y[block == k]) ** 2).sum(axis=1).mean()
            )
    return np.array(losses)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("removed", [(), (2,), (0, 5, 6)])
def test_losses_from_moments_are_those_of_plain_fits_and_predictions(mode, removed):
    x, y, block = population()
    parts = BlockMoments.of(x, y, block).parts(1.0)
    np.testing.assert_allclose(
        losses_without(parts, removed, mode), losses_by_hand(x, y, block, removed, mode), rtol=1e-9
    )


def test_the_range_is_the_loss_of_the_training_means_less_that_of_all_units():
    x, y, block = population()
    means = [y[block // 2 != k // 2].mean(axis=0) for k in range(BLOCKS)]
    floor = np.array([((y[block == k] - means[k]) ** 2).sum(axis=1).mean() for k in range(BLOCKS)])
    found = decodable_range(BlockMoments.of(x, y, block).parts(1.0))
    np.testing.assert_allclose(found, floor - losses_by_hand(x, y, block, (), "refit"), rtol=1e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("removed", [(), (1,), (3, 4)])
def test_harm_is_the_mean_loss_without_each_further_unit(mode, removed):
    x, y, block = population(1)
    parts = BlockMoments.of(x, y, block).parts(1.0)
    found = losses_if_removed(parts, mode)(removed)
    for unit in set(range(UNITS)) - set(removed):
        assert found[unit] == pytest.approx(
            losses_without(parts, (*removed, unit), mode).mean(), rel=1e-9
        )


def test_block_weights_weigh_training_and_test():
    """A block of weight 2 is as good as the same block twice in one fold."""
    x, y, block = population(2)
    weights = np.ones(BLOCKS)
    weights[3] = 2.0
    weighted = BlockMoments.of(x, y, block).parts(1.0, weights)
    twice = np.concatenate([np.arange(len(x)), np.flatnonzero(block == 3)])
    train = block[twice] // 2 != 0  # the first fold tests blocks 0 and 1
    a, b = x[twice][train], y[twice][train]
    np.testing.assert_allclose(
        weighted[0].with_target, (a - a.mean(axis=0)).T @ (b - b.mean(axis=0)) / len(a), rtol=1e-9
    )
    np.testing.assert_allclose(weighted[1].weights, [1 / 3, 2 / 3])


@pytest.mark.parametrize("mode", MODES)
def test_greedy_choice_with_swaps_is_the_best_of_all_sets_in_small_populations(mode):
    found = []
    for seed in range(10):
        x, y, block = population(seed)
        parts = BlockMoments.of(x, y, block).parts(1.0)
        chosen = choose(losses_if_removed(parts, mode), UNITS, 3)
        best = max(
            combinations(range(UNITS), 3),
            key=lambda removed: losses_without(parts, removed, mode).mean(),
        )
        found.append(chosen == best)
    assert sum(found) >= 9  # no exchange of one unit helps, which is not always the best set


def test_swaps_mend_a_greedy_mistake():
    """Unit 0 looks best alone, but the pair of 1 and 2 is worth more than any pair with it."""
    worth = {(): 0, (0,): 2, (1,): 1.9, (2,): 1, (0, 1): 3, (0, 2): 2.5, (1, 2): 5}

    def toy(removed):
        return np.array([worth.get(tuple(sorted({*removed, u})), -1.0) for u in range(3)])

    assert choose(toy, 3, 2) == (1, 2)


def test_random_sets_match_rates_and_leave_out_what_was_chosen():
    rates = np.arange(30.0)
    others = [u for u in range(30) if u not in (0, 1, 29)]
    sets = matched_sets((0, 1, 29), others, rates, 200, np.random.default_rng(0))
    assert all(
        sum(u < 10 for u in s) == 2 and sum(u >= 20 for u in s) == 1 and not {0, 1, 29} & set(s)
        for s in sets
    )
    assert {u for s in sets for u in s} == set(others) - set(range(10, 20))
    short = matched_sets((0, 1, 2), [3, 15, 16, 17], rates, 5, np.random.default_rng(0))
    assert all(3 in s and len(set(s)) == 3 for s in short)


def test_fiellers_interval_holds_the_ratios_that_a_t_test_does_not_reject():
    rng = np.random.default_rng(3)
    d = 1 + 0.3 * rng.standard_normal(12)
    n = 0.5 * d + 0.2 * rng.standard_normal(12)
    low, high = ratio_interval(n, d, 0.95)
    for end in (low, high):
        assert stats.ttest_1samp(n - end * d, 0).pvalue == pytest.approx(0.05, abs=1e-9)
    assert ratio_interval(d, d, 0.95) == (1.0, 1.0)
    assert ratio_interval(n, d - d.mean() + 0.01, 0.95) == (-np.inf, np.inf)
    wider = ratio_interval(n, d, 0.95, 0.01 * np.eye(2))
    assert wider[0] < low and high < wider[1]


def test_fiellers_interval_covers_the_ratio():
    rng = np.random.default_rng(4)
    noise = rng.standard_normal((2000, 2, 12)) * 0.4
    intervals = [ratio_interval(0.7 + n, 1 + d, 0.95) for n, d in noise]
    assert np.mean([low <= 0.7 <= high for low, high in intervals]) == pytest.approx(
        0.95, abs=0.015
    )


def measured(budget=4, asked=None, **world):
    recording = open_recording(
        MessengerRecording(session="m", carriers=4, units=24, bins=3000, seed=5, **world),
        "m",
        Path(),
    )
    return recording, measured_in(recording, asked or Messengers(budget=budget, resamples=10))


def measured_in(recording, asked):
    run = SessionMeasurement(
        fingerprint="x",
        session="m",
        window=Window(),
        folds=Folds(embargo_s=1),
        seed=0,
        study_seed=1,
        method=asked,
        target=Target(name="label"),
        probe=RidgeProbe(),
    )
    bench = Workbench.of(recording, run, torch.device("cpu"))
    return MEASURES["messengers"](bench, [run], lambda steps: None)[0].result.figures


@pytest.mark.parametrize("switches", [False, True])
def test_planted_messengers_are_found_and_transferred_only_where_they_stay(switches):
    recording, found = measured(switches=switches)
    for mode in MODES:
        own = found.transfer(mode, 4)
        assert [set(own.set_a), set(own.set_b)] == [set(c) for c in recording.truth["carriers"]]
        assert own.gain_b > 0.9
        assert own.transfer.estimate == pytest.approx(0.0 if switches else 1.0, abs=0.05)
        assert own.jaccard == (0.0 if switches else 1.0)


@pytest.mark.parametrize("switches", [False, True])
def test_sets_are_transferred_both_ways_between_named_epochs(switches):
    """G5's array `epoch` is its halves, so that naming it changes nothing but what is read."""
    _, halves = measured(switches=switches)
    _, found = measured(switches=switches, asked=Messengers(budget=4, resamples=10, epochs="epoch"))
    assert found == halves
    for mode in MODES:
        back = found.transfer(mode, 4).transfer_back
        assert back.estimate == pytest.approx(0.0 if switches else 1.0, abs=0.05)
        assert back.low <= back.estimate <= back.high


def test_switching_between_more_than_two_epochs_is_tested():
    asked = Messengers(budget=4, resamples=10, switching={"parts": 4, "permutations": 199})
    for switches, least, most in ((False, 0.06, 1.0), (True, 0.005, 0.005)):
        _, found = measured(switches=switches, asked=asked)
        assert found.switching.epochs == 4
        assert [test.mode for test in found.switching.tests] == list(MODES)
        assert all(least <= test.p_value <= most for test in found.switching.tests)


def test_a_shift_of_mean_activity_between_named_epochs_is_neither_memory_nor_switching():
    recording = open_recording(
        MessengerRecording(session="m", carriers=4, units=24, bins=3000, seed=5), "m", Path()
    )
    later = recording.targets["epoch"][:, None] == 1
    moved = replace(recording, activity=recording.activity + later * (np.arange(24) % 5))
    asked = Messengers(budget=4, resamples=10, epochs="epoch", switching={"permutations": 199})
    found, shifted = (measured_in(one, asked).switching for one in (recording, moved))
    assert shifted.memory_s < 2 * found.memory_s < 8
    assert len(shifted.tests) == 2 and all(test.p_value > 0.05 for test in shifted.tests)
    assert shifted.blocks >= 8


def test_a_budget_that_leaves_too_few_others_is_refused():
    with pytest.raises(TrainingError, match="use at most 8"):
        measured(budget=9)
