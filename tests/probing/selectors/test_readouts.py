"""Readouts of selected units: stability, localisation and curves.

Stability is tested against worked cases and simulation, localisation on codes of known
extent, and the curve on a planted session.
"""

from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import populations
import pytest
import torch

from invariance_probe.data.sessions import open_recording
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.selectors import REFERENCE, SELECTORS
from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.localisation import first_at, localisation
from invariance_probe.probing.selectors.random_sets import OF_A_BAND, matched_sets
from invariance_probe.probing.selectors.stability import chosen_table, mean_jaccard, stability
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.probes import RidgeProbe, Target
from invariance_probe.study.recordings import MessengerRecording


def test_stability_at_equal_sizes_is_the_mean_of_kunchevas_index():
    rng = np.random.default_rng(0)
    sets = [tuple(rng.choice(12, 4, replace=False, p=np.arange(1, 13) / 78)) for _ in range(9)]
    pairs = [(len(set(a) & set(b)) * 12 - 16) / (4 * 8) for a, b in combinations(sets, 2)]
    assert stability(chosen_table(sets, 12)).estimate == pytest.approx(np.mean(pairs))


def test_stability_is_1_for_the_same_set_and_0_on_average_by_chance():
    assert stability(chosen_table([(1, 3)] * 4, 6)).estimate == 1.0
    rng = np.random.default_rng(1)
    tables = [rng.random((10, 40)) < rng.uniform(0.1, 0.4, (10, 1)) for _ in range(400)]
    assert np.mean([stability(t).estimate for t in tables]) == pytest.approx(0.0, abs=0.01)
    assert mean_jaccard(chosen_table([(1, 3)] * 4, 6)) == 1.0
    assert mean_jaccard(chosen_table([(0, 1), (1, 2)], 6)) == pytest.approx(1 / 3)


def test_the_interval_of_stability_covers_that_of_many_choices():
    rng = np.random.default_rng(2)
    chances = np.where(np.arange(30) < 5, 0.7, 0.05)
    truth = stability(rng.random((40_000, 30)) < chances).estimate
    found = [stability(rng.random((60, 30)) < chances) for _ in range(600)]
    assert np.mean([f.low <= truth <= f.high for f in found]) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    "table", [np.ones((3, 4), dtype=bool), np.zeros((3, 4), dtype=bool), np.eye(1, 4, dtype=bool)]
)
def test_stability_of_nothing_to_compare_is_refused(table):
    with pytest.raises(ValueError, match="two or more choices"):
        stability(table)


def test_choices_of_one_search_on_the_same_blocks_are_not_counted_as_agreement():
    rng = np.random.default_rng(5)
    blocks = rng.random((2000, 30)) < np.where(np.arange(30) < 5, 0.7, 0.05)
    table = np.repeat(blocks, 3, axis=0)
    noisy = np.where(rng.random(table.shape) < 0.1, rng.random(table.shape) < 0.2, table)
    apart = stability(noisy[::3])  # one seed of each
    both = stability(noisy, seeds=3)
    assert (
        both.estimate == pytest.approx(apart.estimate, abs=0.01)
        and both.high - both.low < apart.high - apart.low
    )
    few = blocks[:10]
    assert (
        stability(np.repeat(few, 3, axis=0)).estimate > stability(few).estimate + 0.02
    )  # with each seed as a choice of its own
    assert stability(table, seeds=3) == stability(blocks)


def test_the_interval_over_blocks_covers_where_a_search_is_repeated():
    rng = np.random.default_rng(6)

    def drawn(count):
        blocks = np.repeat(
            rng.random((count, 30)) < np.where(np.arange(30) < 5, 0.7, 0.05), 4, axis=0
        )
        return np.where(rng.random(blocks.shape) < 0.3, rng.random(blocks.shape) < 0.2, blocks)

    truth = stability(drawn(20_000), seeds=4).estimate
    found = [stability(drawn(60), seeds=4) for _ in range(400)]
    assert np.mean([f.low <= truth <= f.high for f in found]) == pytest.approx(0.95, abs=0.035)


def test_half_is_reached_in_between_linearly():
    assert first_at(np.array([0, 1, 3, 9]), np.array([0.0, 0.2, 0.8, 1.0]), 0.5) == pytest.approx(
        2.0
    )


def test_below_the_true_number_of_like_carriers_every_pick_is_right_and_stability_is_low():
    chosen: dict[int, list[tuple[int, ...]]] = {2: [], 4: []}
    for seed in range(12):
        rng = np.random.default_rng([6, seed])
        x = rng.standard_normal((400, 20))
        parts = populations.moments(
            x, x[:, :4].sum(axis=1, keepdims=True) + rng.standard_normal((400, 1)), 1.0
        )
        for budget, sets in chosen.items():
            sets.append(SELECTORS[REFERENCE](Attack(parts, "refit", budget), rng))
    assert all(set(one) <= set(range(4)) for sets in chosen.values() for one in sets)
    assert stability(chosen_table(chosen[4], 20)).estimate == 1.0
    assert stability(chosen_table(chosen[2], 20)).high < 0.8


@pytest.mark.parametrize("mode", ["refit", "fixed"])
def test_a_localised_code_needs_many_more_random_units_than_an_even_one(mode):
    rng = np.random.default_rng(3)
    found = {}
    for carriers in (2, 30):
        x = rng.standard_normal((3000, 30))
        y = x[:, :carriers].sum(axis=1, keepdims=True) / np.sqrt(
            carriers
        ) + 0.1 * rng.standard_normal((3000, 1))
        a, b = (
            populations.moments(x[:1500], y[:1500], 1.0),
            populations.moments(x[1500:], y[1500:], 1.0),
        )
        found[carriers] = localisation(a, b, mode, np.random.default_rng(4))
    assert found[2].chosen == pytest.approx(1.0, abs=0.4) and found[2].index > 6
    assert found[30].index < 1.5


def curve_of(asked=Messengers(budgets=(2, 4), resamples=10), **world):
    recording = open_recording(
        MessengerRecording(session="m", carriers=4, units=30, bins=2400, seed=5, **world),
        "m",
        Path(),
    )
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
    return recording, MEASURES["messengers"](bench, [run], lambda steps: None)[0].result.figures


def worst_of(found, mode):
    return next(one for one in found.worst if (one.mode, one.budget) == (mode, 4))


def test_the_curve_of_planted_messengers_finds_accepts_and_repeats_them():
    recording, found = curve_of()
    carriers = set(recording.truth["carriers"][0])
    for mode in ("refit", "fixed"):
        worst = worst_of(found, mode)
        own = worst.scored_by(mode)
        assert set(worst.units) == carriers and worst.accepted
        assert own.gain_low > 0.6 > own.high
        assert worst.stability.estimate > 0.9
        assert found.transfer(mode, 4).transfer.estimate == pytest.approx(1.0, abs=0.1)
        assert found.localisation(mode).index > 4
    assert curve_of()[1] == found


def test_a_random_search_has_stability_over_blocks_and_seeds_and_over_seeds_alone():
    asked = Messengers(budgets=(4,), resamples=10, selector="best_of_random", passes=60, seeds=4)
    _, found = curve_of(asked)
    assert set(Messengers.model_fields["selector"].annotation.__args__) <= set(SELECTORS)
    for mode in ("refit", "fixed"):
        worst = worst_of(found, mode)
        # 60 random sets of 30 units do not settle on four carriers
        assert worst.seed_stability.estimate < 0.8
        assert worst.stability.estimate < worst.seed_stability.estimate + 0.1
        assert sum(worst.selected) == pytest.approx(4)
    assert worst_of(curve_of()[1], "refit").seed_stability is None


def test_scores_of_single_units_are_their_own_damages_and_name_the_carriers():
    recording, found = curve_of()
    carriers = set(recording.truth["carriers"][0])
    units = pd.DataFrame([asdict(unit) for unit in found.units])
    assert len(units) == 30
    for name in ("alone_refit", "alone_fixed", "weight"):
        assert set(np.argsort(units[name].to_numpy())[-4:]) == carriers
    variances = np.sqrt(recording.activity).var(axis=0)
    assert np.corrcoef(units.variance, variances)[0, 1] > 0.98


def test_the_curve_of_a_set_that_switches_is_accepted_and_not_transferred():
    recording, found = curve_of(switches=True)
    both = {*recording.truth["carriers"][0], *recording.truth["carriers"][1]}
    assert set(worst_of(found, "refit").units) <= both
    assert found.transfer("refit", 4).transfer.high < 0.5


def test_rates_are_not_matched_where_that_leaves_one_random_set_again_and_again():
    rates = np.arange(48.0)
    chosen = tuple(range(8))  # of 16 in their third: the other 8 would be the only set
    others = [u for u in range(48) if u not in chosen]
    sets = matched_sets(chosen, others, rates, 200, np.random.default_rng(0), OF_A_BAND)
    assert (
        len(set(sets)) > 150
        and not set(chosen) & {u for own in sets for u in own}
        and all(len(set(own)) == 8 for own in sets)
    )
    matched = matched_sets(chosen[:4], others, rates, 50, np.random.default_rng(0), OF_A_BAND)
    assert all(max(own) < 16 for own in matched)
    assert (
        len(set(matched_sets(chosen, others, rates, 50, np.random.default_rng(0)))) == 1
    )  # where no band is asked for
