"""Sortings of spikeinterface: frames become seconds by a recording, and never without."""

import numpy as np
import pytest

import invariance_probe as ip
from invariance_probe.errors import DataError

si = pytest.importorskip(
    "spikeinterface", reason="pip install spikeinterface (24 packages) to run this file"
)

RATE = 25_000


def ground_truth(durations=(20.0,)):
    return si.generate_ground_truth_recording(durations=list(durations), num_units=4, seed=0)


def registered(recording, sorting):
    copy = si.NumpySorting.from_sorting(sorting)
    copy.register_recording(recording)
    return copy


def made(activity, **given):
    return ip.Recording.from_signals(activity, **{"bin_s": 0.5, "targets": {}, **given})


def counted(sorting, start_s, first, last):
    edges = np.arange(first, last + 0.1, 0.5)
    times = [
        start_s + sorting.get_unit_spike_train(unit, segment_index=0) / RATE
        for unit in sorting.unit_ids
    ]
    return np.stack([np.histogram(one, edges)[0] for one in times], axis=1)


def test_a_sorting_is_observed_as_long_as_its_recording():
    recording, sorting = ground_truth()
    found = made(registered(recording, sorting))
    assert np.array_equal(found.activity, counted(sorting, 0, 0, 20)) and not found.notes
    assert found.unit_ids == tuple(str(unit) for unit in sorting.unit_ids)


def test_a_recording_that_starts_late_and_a_chunk_of_it_keep_their_times():
    recording, sorting = ground_truth()
    recording.shift_times(100.0)
    whole = registered(recording, sorting)
    assert np.array_equal(made(whole).activity, counted(sorting, 100, 100, 120))
    chunk = whole.frame_slice(5 * RATE, 10 * RATE)
    assert np.array_equal(made(chunk).activity, counted(sorting, 100, 105, 110))
    analyzer = si.create_sorting_analyzer(sorting, recording, format="memory", sparse=False)
    assert made(analyzer).fingerprint == made(whole).fingerprint


def test_a_gap_in_the_times_of_the_frames_was_not_observed():
    recording, sorting = ground_truth()
    times = np.arange(20 * RATE) / RATE
    times[10 * RATE :] += 30
    recording.set_times(times)
    found = made(registered(recording, sorting))
    assert np.array_equal(found.activity, counted(sorting, 0, 0, 20))
    assert np.flatnonzero(np.diff(found.segments)).tolist() == [19]
    assert any("has 1 gaps, which were not observed" in note for note in found.notes)


def test_one_segment_of_several_is_chosen_by_the_user():
    recording, sorting = ground_truth((10.0, 12.0))
    with pytest.raises(DataError, match=r"it has 2 segments.*select_segment_sorting"):
        made(registered(recording, sorting))
    second = si.select_segment_sorting(sorting, segment_indices=1)
    found = made(registered(recording.select_segments([1]), second))
    assert np.array_equal(found.activity, counted(second, 0, 0, 12))


def test_frames_without_a_time_base_are_refused_and_the_users_word_is_taken():
    recording, sorting = ground_truth()
    bare = si.NumpySorting.from_sorting(sorting)
    analyzer = si.create_sorting_analyzer(sorting, recording, format="memory", sparse=False)
    analyzer._recording = None
    for given in (bare, bare.frame_slice(5 * RATE, 10 * RATE), analyzer):
        with pytest.raises(DataError, match="no recording that says at which time a frame was"):
            made(given)
    seconds = {
        unit: bare.get_unit_spike_train(unit, segment_index=0, return_times=True)
        for unit in bare.unit_ids
    }
    assert np.array_equal(made(seconds, observed=[[0, 20]]).activity, counted(sorting, 0, 0, 20))


def test_recordings_that_were_joined_end_to_end_have_no_times():
    recording, sorting = ground_truth((10.0, 12.0))
    joined = si.concatenate_recordings([recording])
    sorting.register_recording(recording)
    whole = si.concatenate_sortings([sorting])
    for base in (joined, joined.frame_slice(0, 22 * RATE)):
        with pytest.raises(DataError, match=r"joins several end to end.*split_sorting"):
            made(registered(base, whole))
