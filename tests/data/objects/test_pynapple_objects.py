"""Objects of pynapple, where pynapple itself is installed."""

import numpy as np
import pytest

import invariance_probe as ip
from invariance_probe.errors import DataError

nap = pytest.importorskip(
    "pynapple", reason="pynapple brings numba (250 MB); pip install pynapple to run this file"
)

RNG = np.random.default_rng(0)
SPIKES = {unit: np.sort(RNG.uniform(0.0079, 60, n)) for unit, n in ((7, 400), (206, 90))}
SPIKES[7][0] = 0.0079
GROUP = nap.TsGroup({unit: nap.Ts(times) for unit, times in SPIKES.items()})
TIMES = np.arange(6000) / 100
EDGES = np.arange(0, 59.6, 0.5)
COUNTED = np.stack([np.histogram(SPIKES[u], EDGES)[0] for u in SPIKES], axis=1)


def made(activity=GROUP, **given):
    return ip.Recording.from_signals(activity, **{"bin_s": 0.5, "targets": {}, **given})


def told(recording, words):
    return any(words in note for note in recording.notes)


def test_the_time_support_is_not_observed_time_and_moves_no_bin():
    found = made()
    assert GROUP.time_support.start[0] == 0.0079 and GROUP.count(0.5).t[0] == 0.2579
    assert np.array_equal(found.activity, COUNTED) and found.unit_ids == ("7", "206")
    assert told(found, "the time support of 'activity', 0.0079 s to 59.8")
    assert told(found, "taken from 0 s to the last spike")


def test_the_time_support_is_observed_time_where_the_user_says_so():
    known = nap.TsGroup(
        {unit: nap.Ts(times) for unit, times in SPIKES.items()},
        time_support=nap.IntervalSet([0, 30], [20, 60]),
    )
    found = made(known, observed=known.time_support)
    assert len(found.activity) == 100 and len(np.unique(found.segments)) == 2
    assert not told(found, "nothing says when units were observed")


def test_counts_that_pynapple_made_are_on_its_own_grid():
    counts = GROUP.count(0.5)
    found = made(counts, activity_kind="counts", origin_s=0.0079)
    assert np.array_equal(found.activity, counts.d[: len(found.activity)])
    assert told(found, "taken for the middle of the bins") and told(
        made(counts, activity_kind="counts"), "on another grid"
    )


def test_series_and_intervals_are_those_of_the_arrays_within():
    values = np.stack([np.sin(TIMES), np.cos(TIMES)], axis=1)
    rows = nap.IntervalSet([0, 30], [10, 40], metadata={"go": ["left", "right"]})
    found = made(
        trials=rows,
        targets={
            "x": nap.Tsd(t=TIMES, d=values[:, 0]),
            "xy": {
                "series": nap.TsdFrame(t=TIMES, d=values, columns=["a", "b"]),
                "channels": ["b", "a"],
            },
            "go": {"table": rows, "column": "go"},
            "in": {"inside": nap.IntervalSet([35], [40])},
        },
    )
    bins = np.r_[0:20, 60:80]
    assert np.array_equal(found.activity, COUNTED[bins])
    assert np.array_equal(found.targets["x"], values[25::50, 0][bins])
    assert np.array_equal(found.targets["xy"], values[25::50, ::-1][bins])
    assert found.targets["go"].tolist() == ["left"] * 20 + ["right"] * 20
    assert found.targets["in"].tolist() == [0] * 30 + [1] * 10


def test_one_unit_a_dict_of_units_and_a_series_with_a_gap():
    assert np.array_equal(made(GROUP[7]).activity, COUNTED[: len(made(GROUP[7]).activity), :1])
    assert np.array_equal(made({"a": GROUP[7], "b": GROUP[206]}).activity, COUNTED)
    gap = nap.Tsd(t=TIMES, d=TIMES).restrict(nap.IntervalSet([0, 20], [9.99, 29.99]))
    found = made(gap)
    assert len(found.activity) == 40 and len(np.unique(found.segments)) == 2


def test_intervals_are_no_series():
    with pytest.raises(DataError, match="IntervalSet; a table of intervals is a target by"):
        made(targets={"in": nap.IntervalSet([0], [10])})
