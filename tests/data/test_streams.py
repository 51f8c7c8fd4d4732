"""Streams: further signals at rates of their own, and the windows of them that pairs show."""

import numpy as np
import pytest

from invariance_probe.data.binning import Grid
from invariance_probe.data.contents import Contents, Series, SpikeTrains, Table
from invariance_probe.data.readers.arrays import read_arrays, write_arrays
from invariance_probe.data.readers.npz import read_npz
from invariance_probe.data.recording import Recording
from invariance_probe.data.streams import Stream, stream_on
from invariance_probe.errors import DataError
from invariance_probe.study.recordings import NpzRecording
from invariance_probe.study.session import as_stream
from invariance_probe.study.signals import NwbRecording

BIN_S = 0.05


def series(rate_hz, hole, seed, offset=0.0, channels=2):
    """Half a minute of samples at a rate, without those in a hole."""
    times = offset + np.arange(round(30 * rate_hz)) / rate_hz
    times = times[(times < hole[0]) | (times >= hole[1])]
    values = np.random.default_rng(seed).standard_normal((len(times), channels))
    return Series(values, times, tuple(f"c{i}" for i in range(channels)), "V")


@pytest.mark.parametrize("rate_hz", [10.0, 20.0, 33.3, 250.0, 1000 / 3])
@pytest.mark.parametrize("offset", [0.0, 0.0137, 2.0])
@pytest.mark.parametrize("length", [1, 4, 7])
def test_windows_of_observed_bins_hold_their_own_samples_only(rate_hz, offset, length):
    hole = (11.02, 13.57)
    found = series(rate_hz, hole, 0, offset)
    grid = Grid(0.0, BIN_S, np.arange(640))
    stream, observed = stream_on(found, grid)
    count, checked = stream.samples(length * BIN_S), 0
    for start in range(len(grid.bins) - length + 1):
        if not observed[start : start + length].all():
            continue
        own = np.arange(stream.first[start], stream.first[start] + count)
        times = found.times[own]
        assert (times >= grid.starts[start] - 1e-6).all()
        assert (times < grid.starts[start] + length * BIN_S + 1e-6).all()
        assert (np.diff(times) < 1.5 / rate_hz).all()
        checked += 1
    assert checked > 400
    # only bins at the ends and at the hole are left out
    centres = grid.starts + BIN_S / 2
    well_inside = (centres > offset + 0.2) & (centres < offset + 29.7)
    well_inside &= (centres < hole[0] - 0.2) | (centres > hole[1] + 0.2)
    assert observed[well_inside].all()
    assert not observed[(centres > hole[0] + 0.2) & (centres < hole[1] - 0.2)].any()


def test_a_missing_sample_of_one_channel_is_a_gap():
    found = series(100.0, (40, 41), 0)
    found.values[700:705, 1] = np.nan
    stream, observed = stream_on(found, Grid(0.0, BIN_S, np.arange(600)))
    assert np.flatnonzero(~observed).tolist() == [140]
    assert len(stream.values) == 3000 - 5


STAMPS = {
    "Unix clock": (1000.0, lambda t: t + 1.7e9),
    "microseconds": (1017.25, lambda t: np.round(t, 6)),
    "milliseconds of a camera": (30.0, lambda t: np.round(t, 3)),
    "float32": (500.0, lambda t: t.astype(np.float32).astype(np.float64)),
    "jitter": (1000.0, lambda t: t + np.random.default_rng(0).uniform(-2e-4, 2e-4, len(t))),
}


@pytest.mark.parametrize("name", STAMPS)
def test_rounded_time_stamps_of_an_even_signal_are_even(name):
    rate_hz, stamped = STAMPS[name]
    ideal = np.arange(round(1800 * rate_hz)) / rate_hz
    ideal = ideal[(ideal < 700.3) | (ideal > 901.2)]
    times = stamped(ideal)
    values = np.random.default_rng(1).standard_normal((len(times), 1))
    origin = round(float(times[0] - ideal[0]))
    grid = Grid(float(origin), BIN_S, np.arange(36000))
    stream, observed = stream_on(Series(values, times, ("c",)), grid)
    assert stream.rate_hz == pytest.approx(rate_hz, rel=1e-5)
    assert 31970 < observed.sum() < 31990
    first = ideal[stream.first[observed]]
    begin = (grid.starts - origin)[observed]
    assert (np.abs(first - begin - 0.5 / rate_hz) <= 0.5 / rate_hz + 1e-3).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, v: (t, np.where([True, False], np.nan, v)), r"1 channel never hold.*\(c0\)"),
        (lambda t, v: (t, v + 1e9), "the signal of channel 0 has mean 1e"),
        (lambda t, v: (t, v * 1e39), "which single precision cannot hold"),
        (lambda t, v: (np.sort(t + 0.02 * np.sin(t * 40)), v), "not evenly spaced"),
        (lambda t, v: (t, v * np.nan), "2 channels never hold a number"),
        (
            lambda t, v: (t, np.where(np.arange(len(v))[:, None] % 2 == [0, 1], v, np.nan)),
            "fewer than two samples",
        ),
        (lambda t, v: (t, v * 0 + 3.0), "no channel ever varies"),
    ],
)
def test_signals_that_cannot_be_streams_are_refused(change, message):
    found = series(100.0, (40, 41), 0)
    times, values = change(found.times, found.values)
    with pytest.raises(DataError, match=message):
        stream_on(Series(values, times, found.channels), Grid(0.0, BIN_S, np.arange(600)))


def assembled(**streams):
    spikes = [np.sort(np.random.default_rng(u).uniform(0, 30, 400)) for u in range(4)]
    held = Contents(
        {
            "units": SpikeTrains(tuple("abcd"), tuple(spikes), np.array([[0.0, 8.0], [9.0, 30.0]])),
            "other area": SpikeTrains(("e",), (spikes[0],), np.array([[0.0, 22.0]])),
        },
        {
            "lfp": series(250.0, (15.1, 16.3), 1, channels=3),
            "emg": series(97.0, (20.0, 21.0), 2, offset=1.0),
            "position": series(30.0, (40, 41), 3),
        },
        {"trials": Table(np.array([0.0, 16.0]), np.array([15.97, 30.0]))},
    )
    declared = NwbRecording(
        path="f.nwb", session="s", bin_s=BIN_S, trials="trials", streams=streams,
        targets={"position": {"series": "position"}},
    )  # fmt: skip
    return Recording.from_contents(declared, held, "f.nwb")


def test_bins_in_which_a_stream_was_not_observed_are_left_out_and_told():
    alone, both = (
        assembled(),
        assembled(lfp={"signal": "lfp", "channels": ["c2", "c0"]}, emg={"signal": "emg"}),
    )
    assert both.streams["lfp"].channels == ("c2", "c0")
    assert both.streams["lfp"].rate_hz == pytest.approx(250.0)
    lost = len(alone.activity) - len(both.activity)
    # holes of 1.2 s and 1 s, and the EMG's first second, in bins of 50 ms
    assert 58 <= lost <= 66
    told = [note for note in both.notes if "stream" in note]
    assert any("the stream 'lfp' was not observed" in note for note in told)
    assert any("the stream 'emg' was not observed" in note for note in told)
    assert all(one.first.shape == (len(both.activity),) for one in both.streams.values())


def test_spikes_of_another_area_are_counted_in_the_same_bins():
    made = assembled(area={"signal": "other area"})
    stream = made.streams["area"]
    assert stream.samples(3 * BIN_S) == 3
    np.testing.assert_array_equal(stream.values[stream.first, 0], made.activity[:, 0])
    assert len(made.activity) < len(assembled().activity)


def test_units_of_a_stream_are_observed_up_to_their_last_spike_where_nothing_says_until_when():
    held = Contents(
        {"units": SpikeTrains(("a",), (np.arange(0, 30, 0.1),), np.array([[0.0, 30.0]])),
         "probe": SpikeTrains(("b",), (np.arange(1, 20, 0.2),))},
        {"x": series(30.0, (40, 41), 0, channels=1)},
    )  # fmt: skip
    declared = NwbRecording(
        path="f.nwb", session="s", bin_s=BIN_S, streams={"probe": {"signal": "probe"}},
        targets={"x": {"series": "x"}},
    )  # fmt: skip
    made = Recording.from_contents(declared, held, "f.nwb")
    assert len(made.activity) == round(19.8 / BIN_S)
    assert any("nothing says when the units of 'probe' were observed" in one for one in made.notes)


@pytest.mark.parametrize(
    ("streams", "units", "message"),
    [
        ({"a": {"signal": "units"}}, (), "the stream 'a' is the activity itself"),
        ({"a": {"signal": "units", "channels": ("a",)}}, ("a", "b"), "is the activity itself"),
        ({"a": {"signal": "position"}}, (), "the stream 'a' is the target 'position'"),
    ],
)
def test_the_activity_and_the_target_are_no_streams(streams, units, message):
    declared = {
        "path": "f.nwb", "session": "s", "bin_s": BIN_S, "units": units,
        "targets": {"position": {"series": "position"}},
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        NwbRecording(**declared, streams=streams)
    if units:  # two areas in one table of units
        apart = {"a": {"signal": "units", "channels": ("c", "d")}}
        assert NwbRecording(**declared, streams=apart).streams["a"].channels == ("c", "d")


def test_arrays_of_the_activity_and_the_target_are_no_streams():
    counts = np.random.default_rng(0).poisson(1.0, (60, 3))
    with pytest.raises(DataError, match="stream 'lfp' holds the same numbers as 'activity'"):
        given(activity=counts, streams={"lfp": counts})
    speed = np.random.default_rng(1).standard_normal(60)
    with pytest.raises(DataError, match="stream 'lfp' holds the same numbers as 'x'"):
        given(targets={"x": speed}, streams={"lfp": speed})
    with pytest.raises(DataError, match="streams must be a dict from names to arrays"):
        given(streams=[speed])


def test_a_stream_that_the_file_lacks_is_named_with_those_that_it_has():
    with pytest.raises(DataError, match="no signal of the stream 'lfp' 'LFP'; it has 'units'"):
        assembled(lfp={"signal": "LFP"})
    with pytest.raises(DataError, match="stream 'lfp': there is no 'c9'; there are 'c0'"):
        assembled(lfp={"signal": "lfp", "channels": ["c9"]})


def given(samples=4, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "activity": rng.poisson(1.0, (60, 3)),
        "targets": {"x": rng.standard_normal(60), "lfp": rng.standard_normal(60)},
        "streams": {"lfp": rng.standard_normal((60 * samples, 2))},
        **changes,
    }
    return Recording.from_arrays(arrays.pop("activity"), bin_s=0.1, session="s", **arrays)


def test_arrays_become_streams_with_the_same_number_of_samples_in_each_bin():
    made = given()
    assert made.stream("lfp").rate_hz == pytest.approx(40.0)
    assert made.stream("lfp").first[:3].tolist() == [0, 4, 8]
    with pytest.raises(DataError, match=r"'lfp': the samples have shape \(61, 2\).*60 bins"):
        given(streams={"lfp": np.zeros((61, 2))})
    with pytest.raises(DataError, match="sample 2 of channel '1' is NaN"):
        given(streams={"lfp": np.where(np.arange(120).reshape(60, 2) == 5, np.nan, 1.0)})
    with pytest.raises(DataError, match="has no stream 'emg'; its streams are 'lfp'"):
        made.stream("emg")


def test_a_stream_is_in_the_fingerprint_and_is_read_under_its_own_name():
    made, other = given(), given(streams={"lfp": np.ones((60, 2)).cumsum(axis=0)})
    assert made.fingerprint != other.fingerprint
    assert made.content.recording == other.content.recording
    changed = set(made.content.arrays) ^ set(other.content.arrays)
    assert {name for name, _ in changed} == {as_stream("lfp")}
    assert set(made.reading({"lfp"}).streams) == set()
    assert set(made.reading({as_stream("lfp")}).streams) == {"lfp"}
    assert set(made.reading({as_stream("lfp")}).targets) == set()


def test_streams_survive_the_file_for_worker_processes(tmp_path):
    made = given()
    declared = made.declared()
    with (tmp_path / f"{declared.fingerprint}.npz").open("wb") as file:
        write_arrays(made, file)
    elsewhere = type(declared).model_validate(
        declared.model_dump(), context={"arrays": str(tmp_path)}
    )
    read = read_arrays(elsewhere, tmp_path)
    assert read.fingerprint == made.fingerprint
    np.testing.assert_array_equal(read.streams["lfp"].values, made.streams["lfp"].values)


def test_an_archive_holds_streams_beside_its_targets(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "s.npz",
        spikes=rng.poisson(1.0, (50, 3)), x=rng.standard_normal(50),
        lfp=rng.standard_normal((500, 2)), short=rng.standard_normal((333, 2)),
    )  # fmt: skip
    source = {"path": "s.npz", "session": "s", "activity": "spikes", "bin_s": 0.1}
    read = read_npz(NpzRecording(**source, streams={"lfp": "lfp"}), tmp_path)
    assert read.stream("lfp").rate_hz == pytest.approx(100.0)
    assert set(read.targets) == {"x"}
    with pytest.raises(DataError, match=r"array 'short': the samples have shape \(333, 2\)"):
        read_npz(NpzRecording(**source, streams={"lfp": "short"}), tmp_path)
    with pytest.raises(ValueError, match="streams cannot be combined with epochs"):
        NpzRecording(**source, streams={"lfp": "lfp"}, epochs=("a_", "b_"))


def test_lengths_that_are_no_whole_number_of_samples_take_the_samples_that_every_window_holds():
    stream = Stream(np.arange(10.0)[:, None], 30.0, ("x",), np.zeros(3, dtype=np.int64))
    assert [stream.samples(length) for length in (0.02, 0.1, 0.25, 1 / 3)] == [0, 3, 7, 10]
