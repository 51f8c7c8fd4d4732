"""Signals on one grid of bins, held against plain loops over bins and samples."""

import numpy as np
import pytest

from invariance_probe.data.binning import (
    NO_TRIAL,
    Grid,
    at_centres,
    counts,
    covered,
    labelled,
    summed,
    trials_of,
)
from invariance_probe.data.contents import Series, SpikeTrains, Table
from invariance_probe.errors import DataError

BIN = 0.1


def grid(start=0.0, stop=10.0, origin=0.0):
    return Grid.within(origin, BIN, np.array([[start, stop]]))


def test_bins_lie_at_multiples_from_the_origin_and_wholly_inside_intervals():
    observed = np.array([[0.079, 1.0], [1.55, 1.65], [2.0, 2.35]])
    found = Grid.within(0.0, BIN, observed)
    assert found.bins.tolist() == [*range(1, 10), *range(20, 23)]
    assert found.stretches.tolist() == [0] * 9 + [1] * 3
    np.testing.assert_allclose(found.starts[:2], [0.1, 0.2])
    shifted = Grid.within(0.05, BIN, observed[:1])
    np.testing.assert_allclose(shifted.starts[0], 0.15)


@pytest.mark.parametrize("bin_s", [0.1, 0.05, 0.3, 1 / 3, 0.025])
def test_a_time_on_a_border_is_in_the_bin_that_starts_there(bin_s):
    found = Grid.within(0.0, bin_s, np.array([[0.0, 1000 * bin_s]]))
    assert len(found.bins) == 1000
    numbers = np.arange(1000)
    assert (found.positions(numbers * bin_s) == numbers).all()
    assert (found.positions(np.cumsum(np.full(1000, bin_s)) - bin_s) == numbers).all()
    assert found.positions(np.array([-1e-3, 1000 * bin_s])).tolist() == [-1, -1]


def test_counts_are_those_of_a_loop_and_spikes_outside_are_told():
    rng = np.random.default_rng(0)
    used = Grid.within(0.0, BIN, np.array([[0.5, 3.0], [5.0, 9.0]]))
    times = tuple(np.sort(rng.uniform(-1, 11, size)) for size in (300, 0, 50))
    table, outside = counts(SpikeTrains(("a", "b", "c"), times), used)
    plain = [[int(((t >= s) & (t < s + BIN)).sum()) for t in times] for s in used.starts]
    np.testing.assert_array_equal(table, plain)
    assert outside == 350 - table.sum() and table.dtype == np.int32


def test_samples_are_summed_and_missing_ones_count_as_none():
    times = np.arange(0, 10, 0.013)
    values = np.stack([np.sin(times), times], axis=1)
    values[10:40, 0] = np.nan
    used = grid(1, 8)
    sums, samples = summed(Series(values, times, ("x", "y")), used)
    for row, start in enumerate(used.starts):
        inside = (times >= start - 1e-9) & (times < start + BIN - 1e-9)
        np.testing.assert_allclose(sums[row], np.nansum(values[inside], axis=0), atol=1e-12)
        np.testing.assert_array_equal(samples[row], np.isfinite(values[inside]).sum(axis=0))


@pytest.mark.parametrize("max_gap_s", [None, 0.02, 0.4])
def test_a_bin_takes_its_nearest_sample_and_none_from_too_far(max_gap_s):
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0, 10, 60))
    values = rng.standard_normal((60, 2))
    values[5, 1] = np.nan
    used = grid()
    found = at_centres(Series(values, times, ("x", "y")), used, max_gap_s)
    whole = np.isfinite(values).all(axis=1)
    for row, centre in enumerate(used.centres):
        distance = np.abs(times[whole] - centre)
        near = distance.min() <= (BIN / 2 if max_gap_s is None else max_gap_s)
        expected = values[whole][distance.argmin()] if near else [np.nan, np.nan]
        np.testing.assert_array_equal(found[row], expected)


def test_without_a_sample_every_bin_is_unknown():
    empty = Series(np.zeros((0, 1)), np.zeros(0), ("x",))
    assert np.isnan(at_centres(empty, grid(), None)).all()


def test_covers_are_those_of_fine_steps_also_where_intervals_overlap():
    rng = np.random.default_rng(2)
    start = rng.uniform(-1, 10, 40)
    stop = start + rng.uniform(0, 0.5, 40)
    used = Grid.within(0.0, BIN, np.array([[0.0, 4.0], [6.0, 10.0]]))
    steps = (np.arange(2000) + 0.5) / 2000 * BIN
    inside = [
        ((s + steps[:, None] >= start) & (s + steps[:, None] < stop)).any(axis=1).mean()
        for s in used.starts
    ]
    np.testing.assert_allclose(covered(start, stop, used), inside, atol=2e-3)


def test_a_bin_takes_the_label_that_covers_most_of_it():
    table = Table(
        np.array([0.0, 0.14, 0.33, np.nan, 0.62]),
        np.array([0.14, 0.30, 0.36, 1.0, 0.62]),
        {"stage": np.array(["wake", "sleep", "wake", "wake", "sleep"])},
    )
    found = labelled(table, "stage", grid(0, 0.7), 0.5)
    assert found.known.tolist() == [True, True, True, False, False, False, False]
    assert found.values[found.known].tolist() == ["wake", "sleep", "sleep"]
    assert labelled(table, "stage", grid(0, 0.7), 0.3).known[3] and not found.contested


def test_a_bin_that_two_labels_cover_equally_has_neither():
    table = Table(np.array([0.0, 0.3, 0.8]), np.array([0.55, 0.8, 1.0]), {"s": np.array([*"aba"])})
    found = labelled(table, "s", grid(0, 1.0), 0.5)
    assert found.contested == 2 and not found.known[3:5].any()  # .3 to .5, which both cover
    assert found.values[found.known].tolist() == ["a"] * 3 + ["b"] * 3 + ["a"] * 2


def test_many_labels_are_those_of_a_loop():
    rng = np.random.default_rng(3)
    start = rng.uniform(0, 9, 200)
    table = Table(start, start + rng.uniform(0, 0.4, 200), {"s": rng.integers(0, 30, 200)})
    used, share = grid(), np.zeros((30, 100))
    for label in range(30):
        rows = table.columns["s"] == label
        share[label] = covered(table.start[rows], table.stop[rows], used)
    found = labelled(table, "s", used, 0.3)
    ordered = np.sort(share, axis=0)
    known = (ordered[-1] >= 0.3) & (ordered[-1] - ordered[-2] > 1e-6)
    np.testing.assert_array_equal(found.known, known)
    np.testing.assert_array_equal(found.values[known], share.argmax(axis=0)[known])


@pytest.mark.parametrize("rate", [10.0, 50.0, 30.0, 3.0])
def test_one_sample_per_bin_gives_each_bin_its_own(rate):
    """Every centre then lies between two samples; the earlier one is taken."""
    times = np.arange(1000) / rate
    used = Grid.within(0.0, 1 / rate, np.array([[0.0, 1000 / rate]]))
    found = at_centres(Series(np.arange(1000.0)[:, None], times, ("x",)), used, None)
    np.testing.assert_array_equal(found[:, 0], np.arange(1000))


def test_times_that_are_not_in_seconds_make_no_endless_grid():
    with pytest.raises(DataError, match=r"there would be 1\.1e\+09 bins .* in seconds"):
        Grid.within(0.0, 0.1, np.array([[0.0, 1.1e8]]))


def test_bins_lie_wholly_in_a_trial_or_between_trials():
    table = Table(np.array([0.2, 0.55, 0.7, 1.2]), np.array([0.5, 0.9, 1.0, np.nan]))
    trials, clear, shared = trials_of(table, grid(0, 1.3))
    assert trials.tolist() == [NO_TRIAL] * 2 + [0] * 3 + [NO_TRIAL] + [1] + [2] * 3 + [NO_TRIAL] * 3
    assert np.flatnonzero(~clear).tolist() == [5] and shared == 2


def test_touching_trials_stay_two():
    trials, clear, shared = trials_of(
        Table(np.array([0.0, 0.5]), np.array([0.5, 1.0])), grid(0, 1.0)
    )
    assert trials.tolist() == [0] * 5 + [1] * 5 and clear.all() and not shared


def test_a_clock_that_counts_from_1970_gives_the_same_bins():
    """Times near 1.6e9 s have steps of 2.4e-7 s, which is more of a bin than other rounding."""
    rng = np.random.default_rng(0)
    start = np.arange(40) * 0.25
    table = Table(start, start + 0.25, {"x": np.arange(40) % 3})
    series = Series(rng.standard_normal((1000, 1)), np.arange(1000) / 100, ("0",))
    spikes = SpikeTrains(("a",), (np.arange(2000) / 200,))
    found = []
    for origin in (0.0, 1_606_780_800.0):
        moved = Table(table.start + origin, table.stop + origin, table.columns)
        later = Series(series.values, series.times + origin, series.channels)
        grid = Grid.within(origin, 0.05, np.array([[origin, origin + 10.0]]))
        labels = labelled(moved, "x", grid, 1.0)
        found.append(
            (
                counts(SpikeTrains(("a",), (spikes.times[0] + origin,)), grid)[0].tolist(),
                summed(later, grid)[1].tolist(),
                at_centres(later, grid, None).tolist(),
                labels.known.tolist(),
                labels.values.tolist(),
                trials_of(moved, grid)[0].tolist(),
            )
        )
    assert found[0] == found[1] and all(found[0][3])
