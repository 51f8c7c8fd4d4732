"""NWB files as labs write them: everything is found, and nothing is changed untold.

Files are written by pynwb, or by h5py where pynwb refuses to write what labs have.
"""

import io
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest

from invariance_probe.data.readers.nwb import read_nwb
from invariance_probe.errors import DataError
from invariance_probe.study.signals import NwbRecording

pynwb = pytest.importorskip("pynwb", reason="pynwb writes the files: install the extra test")
pytestmark = [
    pytest.mark.filterwarnings("error::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),  # of pynwb on what labs wrote
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

T0 = datetime(2000, 1, 1, tzinfo=UTC)


def read(path, **declared):
    return read_nwb(path, NwbRecording(path="a.nwb", session="a", bin_s=0.1, **declared))


def said(contents, *words):
    """The one note that holds all of some words."""
    found = [note for note in contents.sentences() if all(word in note for word in words)]
    assert len(found) == 1, (words, contents.sentences())
    return found[0]


def written(folder, fill):
    """Path of a file that pynwb wrote, after `fill` has put things in it."""
    file = pynwb.NWBFile("a session", "identifier", T0)
    fill(file)
    path = folder / "a.nwb"
    with pynwb.NWBHDF5IO(path, "w") as out:
        out.write(file)
    return path


def raw(folder, fill):
    """Path of a file that h5py wrote: an NWB file with next to nothing in it."""
    path = folder / "a.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        file.attrs["neurodata_type"] = "NWBFile"
        fill(file)
    return path


def units_in(file, spikes, ids=None, index_type="uint8", where="units", **columns):
    group = file.create_group(where)
    group.attrs["neurodata_type"] = "Units"
    lengths = [len(part) for part in spikes]
    group["id"] = np.arange(len(spikes)) if ids is None else ids
    group["spike_times"] = np.concatenate(spikes) if spikes else np.zeros(0)
    group["spike_times_index"] = np.cumsum(lengths).astype(index_type)
    for name, values in columns.items():
        group[name] = values
    return group


def table_in(file, start, stop, name="trials", **columns):
    group = file.create_group(f"intervals/{name}")
    group.attrs["neurodata_type"] = "TimeIntervals"
    group.attrs["colnames"] = ["start_time", "stop_time", *columns]
    group["id"] = np.arange(len(start))
    for title, values in {"start_time": start, "stop_time": stop, **columns}.items():
        if values is not None:
            group[title] = values
    return group


def series_in(file, data, where="acquisition/s", times=None, rate=None, start=0.0, **attrs):
    group = file.create_group(where)
    group.attrs["neurodata_type"] = "TimeSeries"
    if data is not None:
        group["data"] = data
        group["data"].attrs.update(attrs)
    if times is not None:
        group["timestamps"] = times
    if rate is not None:
        group["starting_time"] = start
        group["starting_time"].attrs["rate"] = rate
    return group


# what is found, and under which names


def everything(file):
    file.add_unit_column("unit_name", "the lab's own names")
    for name, times in {"a1": [0.1, 0.2], "b": [], "a2": [0.15]}.items():
        file.add_unit(spike_times=times, unit_name=name, obs_intervals=[[0.0, 9.0]])
    file.add_trial_column("choice", "what was chosen")
    file.add_trial(start_time=0.0, stop_time=1.0, choice="left")
    file.add_trial(start_time=1.0, stop_time=2.0, choice="right")
    blocks = pynwb.epoch.TimeIntervals(name="blocks", description="blocks")
    blocks.add_row(start_time=0.0, stop_time=2.0)
    file.add_time_intervals(blocks)
    behavior = file.create_processing_module("behavior", "behaviour")
    position = pynwb.behavior.Position(name="Position")
    position.create_spatial_series("path", np.ones((20, 2)), reference_frame="door", rate=10.0)
    behavior.add(position)
    licks = pynwb.behavior.BehavioralTimeSeries(name="BehavioralTimeSeries")
    licks.create_timeseries("speed", np.arange(5.0), unit="m/s", timestamps=np.arange(5.0))
    behavior.add(licks)
    sleep = pynwb.behavior.BehavioralEpochs(name="BehavioralEpochs")
    sleep.create_interval_series("sleep", np.array([1, -1, 1, -1]), timestamps=[0.0, 1.0, 3.0, 4.0])
    behavior.add(sleep)
    file.add_stimulus(
        pynwb.TimeSeries(name="light", data=[0, 1], unit="lux", rate=1.0, starting_time=5.0)
    )
    device = file.create_device("probe")
    shank = file.create_electrode_group("shank", "one", "CA1", device)
    for _ in range(4):
        file.add_electrode(group=shank, location="CA1")
    lfp = pynwb.ecephys.LFP(name="LFP")
    lfp.create_electrical_series(
        "ElectricalSeries",
        np.arange(12, dtype=np.int16).reshape(4, 3),
        file.create_electrode_table_region([3, 1, 0], "three"),
        rate=1000.0,
        conversion=1e-6,
        channel_conversion=[1.0, 2.0, 3.0],
        offset=0.5,
    )
    file.create_processing_module("ecephys", "electrodes").add(lfp)


def test_everything_is_found_by_its_path_and_by_its_last_name(tmp_path):
    found = read(written(tmp_path, everything))
    assert set(found.spikes) == {"units"}
    assert set(found.tables) == {"trials", "blocks", "processing/behavior/BehavioralEpochs/sleep"}
    assert set(found.series) == {
        "processing/behavior/Position/path",
        "processing/behavior/BehavioralTimeSeries/speed",
        "stimulus/presentation/light",
        "processing/ecephys/LFP/ElectricalSeries",
    }
    for name in ("path", "Position/path", "processing/behavior/Position/path"):
        assert name in found.series and found.series[name].channels == ("x", "y")
    assert found.tables["intervals/trials"] is found.tables["trials"]
    assert "nothing" not in found.series and "h" not in found.series


def test_values_names_and_units_of_measure_are_those_of_the_file(tmp_path):
    found = read(written(tmp_path, everything))
    units = found.spikes["units"]
    assert units.names == ("a1", "b", "a2")
    np.testing.assert_equal([list(times) for times in units.times], [[0.1, 0.2], [], [0.15]])
    np.testing.assert_array_equal(units.observed, [[0.0, 9.0]])
    assert found.tables["trials"].columns["choice"].tolist() == ["left", "right"]
    assert found.series["path"].channels == ("x", "y")
    np.testing.assert_allclose(found.series["path"].times, np.arange(20) / 10)
    lfp = found.series["ElectricalSeries"]
    assert lfp.channels == ("3", "1", "0") and lfp.unit == "volts"
    raw_values = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(lfp.values, raw_values * (1e-6 * np.array([1, 2, 3])) + 0.5)
    said(found, "ElectricalSeries", "conversion 1e-06", "offset 0.5", "a conversion per channel")
    light = found.series["light"]
    assert light.unit == "lux" and light.times.tolist() == [5.0, 6.0]
    sleep = found.tables["sleep"]
    assert (sleep.start.tolist(), sleep.stop.tolist()) == ([0.0, 3.0], [1.0, 4.0])
    assert sleep.columns["value"].tolist() == [1, 1]


def test_a_last_name_that_two_series_have_means_neither(tmp_path):
    def fill(file):
        series_in(file, np.ones(3), "processing/a/speed", rate=1.0)
        series_in(file, np.zeros(3), "processing/b/speed", rate=1.0)

    found = read(raw(tmp_path, fill))
    assert "speed" not in found.series
    assert found.series["b/speed"].values.tolist() == [[0.0]] * 3


def test_events_with_durations_are_a_table(tmp_path):
    def fill(file):
        group = file.create_group("events/licks")
        group.attrs["neurodata_type"] = "EventsTable"
        group.attrs["colnames"] = ["timestamp", "duration", "side"]
        group["id"], group["timestamp"] = [0, 1], [1.0, 2.0]
        group["duration"], group["side"] = [0.5, np.nan], ["l", "r"]

    found = read(raw(tmp_path, fill))
    table = found.tables["licks"]
    np.testing.assert_array_equal(table.stop, [1.5, np.nan])
    assert set(table.columns) == {"id", "duration", "side"}


def test_samples_are_read_when_they_are_used(tmp_path):
    path = raw(tmp_path, lambda file: series_in(file, np.ones((50, 2)), rate=10.0))
    found = read(path)
    moved = path.rename(tmp_path / "b.nwb")
    with pytest.raises(DataError, match="no such file"):
        found.series["s"]
    moved.rename(path)
    assert found.series["s"].values.shape == (50, 2)


def test_samples_that_are_not_used_are_not_read(tmp_path):
    def fill(file):
        series = series_in(file, None, rate=30_000.0)
        series.create_dataset("data", (10**12, 384), np.int16, chunks=(30_000, 384))
        units_in(file, [np.array([0.1, 0.2])])

    found = read(raw(tmp_path, fill))
    assert list(found.series) == ["acquisition/s"] and len(found.series) == 1
    assert found.spikes["units"].times[0].tolist() == [0.1, 0.2]


def test_units_that_are_not_the_activity_can_be_read_as_well(tmp_path):
    found = read(written(tmp_path, everything), activity="ElectricalSeries")
    assert found.spikes["units"].names == ("a1", "b", "a2")


def test_an_object_that_reads_a_file_is_read_like_the_file(tmp_path):
    path = written(tmp_path, everything)
    found = read(io.BytesIO(path.read_bytes()))
    assert found.sentences() == read(path).sentences()
    assert found.series["speed"].values[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_links_are_other_names_and_broken_ones_are_told(tmp_path):
    def fill(file):
        series_in(file, np.ones(3), "processing/a/speed", times=[0.0, 1.0, 2.0])
        file["acquisition/velocity"] = h5py.SoftLink("/processing/a/speed")
        shared = series_in(file, np.zeros(3), "processing/a/turn")
        shared["timestamps"] = h5py.SoftLink("/processing/a/speed/timestamps")
        file["acquisition/gone"] = h5py.SoftLink("/processing/b")
        file["acquisition/raw"] = h5py.ExternalLink("raw.nwb", "/acquisition/raw")
        lost = series_in(file, None, "processing/a/lost", rate=1.0)
        lost["data"] = h5py.ExternalLink("raw.nwb", "/acquisition/raw/data")

    found = read(raw(tmp_path, fill))
    assert set(found.series) == {"processing/a/speed", "processing/a/turn"}
    np.testing.assert_array_equal(found.series["velocity"].values, found.series["speed"].values)
    assert found.series["turn"].times.tolist() == [0, 1, 2]
    said(found, "'acquisition/gone' is a link to '/processing/b'")
    said(found, "'acquisition/raw'", "'raw.nwb'", "missing")
    said(found, "'processing/a/lost' cannot be used", "in another file")


# traps: units


def test_small_unsigned_indices_do_not_wrap(tmp_path):  # trap 7
    spikes = [np.arange(200) / 10, np.zeros(0), np.arange(50) / 10]
    for kind in ("uint8", "uint16", "uint32", "int64"):
        path = raw(tmp_path, lambda file, kind=kind: units_in(file, spikes, index_type=kind))
        found = read(path)
        assert [len(times) for times in found.spikes["units"].times] == [200, 0, 50]
        said(found, "units of 'units' without spikes: 1 of 3: 1")


@pytest.mark.parametrize(
    ("ids", "columns", "names", "note"),
    [
        ([6, 191, 206], {}, ("6", "191", "206"), None),
        ([7, 7, 206], {}, ("7 (row 0)", "7 (row 1)", "206"), "occur several times: 7"),
        ([0, 1, 2], {"unit_name": ["c", "b", "a"]}, ("c", "b", "a"), None),
        ([4, 5, 6], {"unit_name": ["c", "c", "a"]}, ("4", "5", "6"), "several times"),
        ([4, 5, 6], {"unit_name": ["c", "", "a"]}, ("4", "5", "6"), "are empty"),
    ],
)
def test_rows_are_the_units_and_ids_only_their_names(tmp_path, ids, columns, names, note):
    spikes = [np.array([0.1]), np.array([0.2]), np.array([0.3])]  # trap 6
    found = read(raw(tmp_path, lambda file: units_in(file, spikes, ids, **columns)))
    assert found.spikes["units"].names == names
    assert [times[0] for times in found.spikes["units"].times] == [0.1, 0.2, 0.3]
    assert bool(found.sentences()) == (note is not None)
    if note:
        said(found, note)


UNUSUAL = {
    "unordered": ([0.1, 0.3, 0.2], [0.1, 0.2, 0.3], "of 1 unit of 'units' go back by up to 0.1 s"),
    "missing": (
        [0.1, np.nan, 0.3],
        [0.1, 0.3],
        "spike times of 'units' that are no numbers: 1, left out, in 1 unit: 0",
    ),
    "negative": ([-0.5, 0.3], [-0.5, 0.3], "spikes of 'units' before 0 s: 1 of 3"),
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_spike_times_are_told(tmp_path, case):  # trap 11
    stored, times, note = UNUSUAL[case]
    found = read(raw(tmp_path, lambda file: units_in(file, [np.array(stored), np.array([0.5])])))
    assert found.spikes["units"].times[0].tolist() == times
    said(found, note)


def test_a_unit_whose_clock_started_again_is_left_out(tmp_path):  # trap 11
    twice = np.concatenate([np.arange(100.0), np.arange(100.0)]) + 0.5
    found = read(raw(tmp_path, lambda file: units_in(file, [twice, np.array([0.1])], [3, 4])))
    assert found.spikes["units"].names == ("4",)
    said(found, "1 unit of 'units' left out", "go back by up to 99 s", ": 3")
    found = read(raw(tmp_path, lambda file: units_in(file, [twice])))
    assert not found.spikes
    said(found, "'units' cannot be used", "the clock had started again")


def test_times_that_may_be_numbers_of_samples_are_told(tmp_path):  # trap 11
    def fill(file):
        units_in(file, [np.arange(150) * 300])

    found = read(raw(tmp_path, fill))
    said(found, "whole numbers", "read as seconds")

    def short(file):
        units_in(file, [np.linspace(0.1, 7.3, 200)])
        table_in(file, [0.0, 900.0], [1.0, 901.0])

    said(read(raw(tmp_path, short)), "the last spike is at 7.3 s", "'trials' go on to 901 s")


def observed_in(file):
    group = units_in(file, [np.array([0.5, 1.5, 6.5, 9.9]), np.array([2.5]), np.array([0.7])])
    group["obs_intervals"] = [[0, 1], [1, 2], [6, 8], [0.5, 3], [2.5, 7], [0.0, 9.0], [5.0, 4.0]]
    group["obs_intervals_index"] = np.array([3, 5, 7], np.uint8)


def test_units_are_observed_where_all_of_them_are(tmp_path):  # trap 11
    found = read(raw(tmp_path, observed_in))
    np.testing.assert_array_equal(found.spikes["units"].observed, [[0.5, 2], [6, 7]])
    said(found, "spikes of 'units' outside the observed intervals", "1 of 6, in 1 unit: 0")
    said(found, "that touch or overlap another one of their unit: 2, joined")
    said(found, "observed intervals of 'units' without a later stop: 1, left out")
    said(found, "only the 2.5 s that all 3 share are used, of 9 s")


def test_only_the_units_that_are_used_have_to_be_observed(tmp_path):
    found = read(raw(tmp_path, observed_in), units=("1", "2"))
    np.testing.assert_array_equal(found.spikes["units"].observed, [[0.5, 7]])


def test_without_observed_intervals_the_file_does_not_say(tmp_path):  # trap 1
    found = read(raw(tmp_path, lambda file: units_in(file, [np.array([0.0079, 5.0])])))
    assert found.spikes["units"].observed is None
    assert found.spikes["units"].times[0][0] == 0.0079


def test_units_that_lie_elsewhere_are_found(tmp_path):
    path = raw(tmp_path, lambda file: units_in(file, [np.ones(1)], where="processing/a/Sorted"))
    found = read(path)
    assert list(found.spikes) == ["processing/a/Sorted"] and "Sorted" in found.spikes
    assert found.spikes["Sorted"].times[0].tolist() == [1.0]


def test_damaged_tables_of_units_are_told(tmp_path):
    def without(file):
        group = units_in(file, [np.ones(2)])
        del group["spike_times"]

    def beyond(file):
        group = units_in(file, [np.ones(2)])
        group["spike_times_index"][...] = 3

    said(read(raw(tmp_path, without)), "'units' cannot be used: it has no 'spike_times'")
    said(
        read(raw(tmp_path, beyond)),
        "'spike_times_index' must not decrease and must lie between 0 and 2",
    )


# traps: tables of intervals


def test_rows_that_overlap_or_touch_are_kept(tmp_path):  # traps 2 and 3
    start, stop = np.array([0.0, 1.0, 1.8, 2.8]), np.array([1.0, 2.0, 2.8, 3.0])
    kind = np.array(["a", "b", "a", "c"], dtype=object)
    found = read(raw(tmp_path, lambda file: table_in(file, start, stop, kind=kind)))
    table = found.tables["trials"]
    np.testing.assert_array_equal(table.start, start)
    np.testing.assert_array_equal(table.stop, stop)
    assert table.columns["kind"].tolist() == ["a", "b", "a", "c"]
    said(found, "1 of 4 rows", "by up to 0.2 s: 1|2")


ROWS = {
    "nan": ([0.0, np.nan, 2.0], [1.0, 2.0, np.nan], ["no start", "no stop"]),
    "reversed": ([0.0, 3.0], [1.0, 2.0], ["1 of 2 rows of 'trials' has a stop before the start"]),
    "empty": ([0.0, 3.0], [1.0, 3.0], ["the same start and stop"]),
    "unordered": ([3.0, 0.0], [4.0, 1.0], ["starts of 'trials' go back 1 time"]),
    "zeros": ([0.0, 0.0], [0.0, 0.0], ["all starts of 'trials' are 0 s", "same start and stop"]),
    "negative": ([-1.0, 0.0], [0.0, 1.0], ["a start before 0 s"]),
    "no stops": ([0.0, 1.0], None, ["neither stops nor durations", "2 of 2 rows"]),
    "none": ([], [], ["'trials' has no rows"]),
}


@pytest.mark.parametrize("case", ROWS)
def test_rows_without_usable_times_are_kept_and_told(tmp_path, case):  # trap 4
    start, stop, notes = ROWS[case]
    path = raw(tmp_path, lambda file: table_in(file, np.array(start), stop, label=start))
    found = read(path)
    table = found.tables["trials"]
    np.testing.assert_array_equal(table.start, start)
    np.testing.assert_array_equal(table.stop, [np.nan] * len(start) if stop is None else stop)
    for note in notes:
        said(found, note)


def test_every_table_of_intervals_is_found_and_none_is_guessed(tmp_path):  # trap 27
    def fill(file):
        table_in(file, [0.0], [1.0], "encoding_table")
        table_in(file, [2.0], [3.0], "recognition_table")

    assert list(read(raw(tmp_path, fill)).tables) == ["encoding_table", "recognition_table"]


def ragged(file):
    group = table_in(file, [0.0, 1.0, 2.0], [1.0, 2.0, 3.0], good=np.array([True, False, True]))
    group["tags"], group["tags_index"] = ["a", "b", "c"], np.array([0, 2, 3], np.uint8)
    group["one"], group["one_index"] = [5, 6, 7], np.array([1, 2, 3], np.uint8)
    group["two"], group["two_index"] = np.arange(6), np.array([2, 4, 6], np.uint8)
    group["few"], group["few_index"] = [1.0, 2.0], np.array([1, 1, 2], np.uint8)
    group["deep"], group["deep_index"] = [1.0, 2.0, 3.0], [1, 2, 3]
    group["deep_index_index"] = [1, 2, 3]
    group["state"], group["state_elements"] = np.array([1, 0, 1]), ["rem", "awake"]
    group["wide"] = np.zeros((3, 4))
    group["short"] = np.zeros(2)
    group["at"] = np.array([group.ref] * 3, dtype=h5py.ref_dtype)


def test_lists_in_rows_become_text_or_numbers_for_each_row(tmp_path):
    found = read(raw(tmp_path, ragged))
    columns = found.tables["trials"].columns
    assert columns["good"].tolist() == [True, False, True]
    assert columns["tags"].tolist() == ["", "a, b", "c"]
    assert columns["one"].tolist() == [5, 6, 7]
    assert columns["two"].tolist() == [[0, 1], [2, 3], [4, 5]]
    np.testing.assert_array_equal(columns["few"], [[1.0], [np.nan], [2.0]])
    assert columns["state"].tolist() == ["awake", "rem", "awake"]
    assert columns["wide"].shape == (3, 4)
    assert not {"deep", "short", "at"} & set(columns)
    said(found, "'tags' of 'trials' has 0 to 2 values per row, joined by commas")
    said(found, "'few' of 'trials' has 0 to 1 values per row, filled up with NaN")
    said(found, "'deep'", "not read", "lists of lists")
    said(found, "'short'", "not read", "shape (2,)")
    said(found, "'at'", "not read", "references")


# traps: series


def test_stored_integers_become_values_in_their_unit(tmp_path):  # trap 5
    def fill(file):
        whole = np.array([0, 1, 2], dtype=np.int16)
        series_in(file, whole, rate=1.0, conversion=0.01, offset=1.0, unit="V")
        electrodes = file.create_group("general/extracellular_ephys/electrodes")
        electrodes["id"], electrodes["offset"] = [10, 11, 12], [0.5, 0.25, 0.0]
        lfp = series_in(file, np.ones((2, 2), np.int16), "acquisition/lfp", rate=1.0, unit="V")
        lfp["electrodes"] = [2, 0]
        lfp["electrodes"].attrs["table"] = electrodes.ref

    found = read(raw(tmp_path, fill))
    np.testing.assert_allclose(found.series["s"].values[:, 0], [1.0, 1.01, 1.02], rtol=1e-15)
    assert found.series["lfp"].channels == ("12", "10")
    np.testing.assert_array_equal(found.series["lfp"].values, [[1.0, 1.5]] * 2)
    said(found, "'acquisition/s' is put in V by conversion 0.01, offset 1")
    said(found, "'acquisition/lfp'", "the offsets of its electrodes")


def test_axes_are_matched_to_times_and_channels_never_guessed(tmp_path):  # trap 20
    data = np.arange(12.0).reshape(2, 6)

    def rois(file, where, rate=None, times=None, rows=2):
        plane = file.require_group("processing/ophys/PlaneSegmentation")
        plane.attrs["colnames"] = ["iscell"]
        if "id" not in plane:
            plane["id"], plane["iscell"] = [40, 41, 42], [[1.0, 0.9], [0.0, 0.2], [1.0, 0.8]]
        group = series_in(file, data, where, rate=rate, times=times)
        group["rois"] = np.arange(rows)
        group["rois"].attrs["table"] = plane.ref

    def fill(file):
        rois(file, "processing/ophys/times", times=np.arange(6.0))
        rois(file, "processing/ophys/regions", rate=2.0)
        series_in(file, data, "acquisition/wide", rate=1.0)
        series_in(file, data, "acquisition/neither", times=np.arange(5.0))
        series_in(file, data, "acquisition/right", times=np.arange(2.0))

    found = read(raw(tmp_path, fill))
    for name in ("times", "regions"):
        np.testing.assert_array_equal(found.series[name].values, data.T)
        assert found.series[name].channels == ("40", "41")
        said(found, f"{name}' is stored as (channel, time) and is read as (time, channel)")
        said(found, f"1 of 2 channels of 'processing/ophys/{name}' are no cells")
    np.testing.assert_array_equal(found.series["right"].values, data)
    np.testing.assert_array_equal(found.series["wide"].values, data)
    said(found, "'acquisition/wide' has more channels (6) than samples (2)")
    said(found, "'acquisition/neither' cannot be used", "shape (2, 6)", "5 time stamps")
    said(found, "PlaneSegmentation", "not read")


def test_gaps_missing_times_and_disorder_are_told(tmp_path):  # traps 21 and 26
    times = np.concatenate([np.arange(100) / 10, 20 + np.arange(100) / 10])

    def fill(file):
        values = np.arange(200.0)
        values[3] = np.nan
        series_in(file, values, "acquisition/gap", times=times)
        nan = times.copy()
        nan[5] = np.nan
        series_in(file, values, "acquisition/nan", times=nan)
        swapped = times.copy()
        swapped[[7, 8]] = times[[8, 7]]
        series_in(file, values, "acquisition/swapped", times=swapped)
        series_in(file, values, "acquisition/twice", times=np.tile(times[:100] * 3, 2))

    found = read(raw(tmp_path, fill))
    gap = found.series["gap"]
    np.testing.assert_array_equal(gap.times, times)
    assert np.isnan(gap.values[3, 0]) and len(gap.values) == 200
    said(found, "'acquisition/gap' has 1 gap", "the longest, 10.1 s, ends at 20 s")
    assert len(found.series["nan"].times) == 199
    said(found, "samples of 'acquisition/nan' without a time (NaN): 1 of 200, left out")
    assert found.series["swapped"].values[[7, 8], 0].tolist() == [8.0, 7.0]
    said(found, "times of 'acquisition/swapped' go back 1 time by up to 0.1 s")
    said(found, "'acquisition/twice' cannot be used", "the clock had started again")


def test_times_come_from_stamps_or_a_rate(tmp_path):  # trap 26
    def fill(file):
        series_in(file, np.ones(3), "acquisition/both", times=[0.0, 1.0, 5.0], rate=1.0)
        series_in(file, np.ones(3), "acquisition/neither")
        series_in(file, np.ones(3), "acquisition/still", rate=0.0)
        series_in(file, np.ones(3), "acquisition/early", rate=2.0, start=-1.0)
        ms = series_in(file, np.ones(3), "acquisition/ms", times=[0.0, 1.0, 2.0])
        ms["timestamps"].attrs["unit"] = "milliseconds"
        fine = series_in(file, np.ones(3), "acquisition/single")
        fine["timestamps"] = np.array([9000.0, 9000.1, 9000.2], np.float32)

    found = read(raw(tmp_path, fill))
    assert found.series["both"].times.tolist() == [0.0, 1.0, 5.0]
    assert found.series["early"].times.tolist() == [-1.0, -0.5, 0.0]
    said(found, "'acquisition/both' has both time stamps and a rate")
    said(found, "'acquisition/neither' cannot be used", "neither time stamps nor a rate")
    said(found, "'acquisition/still' cannot be used", "its rate is 0 per second")
    said(found, "'acquisition/early' starts at -1 s")
    said(found, "'acquisition/ms' cannot be used", "'milliseconds'")
    said(found, "'acquisition/single' is stored as float32", "rounded to 0.001 s")


def test_times_are_checked_over_the_borders_of_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("invariance_probe.data.readers.nwb.clocks.PART", 4)
    times = np.array([0.0, 1, 2, 3, 2.5, 5, 6, np.nan, 8, 9, 10, 11])

    found = read(raw(tmp_path, lambda file: series_in(file, np.arange(12.0), times=times)))
    said(found, "go back 1 time by up to 0.5 s")
    assert found.series["s"].values[:, 0].tolist() == [0, 1, 2, 4, 3, 5, 6, 8, 9, 10, 11]


def test_what_cannot_be_used_is_told_with_its_reason(tmp_path):
    def fill(file):
        series_in(file, np.ones((3, 2, 2)), "acquisition/movie", rate=1.0)
        series_in(file, ["a", "b"], "acquisition/words", times=[0.0, 1.0])
        series_in(file, None, "acquisition/none", rate=1.0)
        series_in(file, np.zeros((0, 2)), "acquisition/empty", rate=1.0)
        series_in(file, np.ones(2), "acquisition/flat", rate=1.0, conversion=np.nan)
        waves = series_in(file, np.ones((3, 30)), "acquisition/waves", times=[0.0, 1.0, 2.0])
        waves.attrs["neurodata_type"] = "SpikeEventSeries"
        films = series_in(file, np.zeros((0, 0, 0)), "acquisition/films", rate=1.0)
        films["external_file"] = ["a.avi"]
        shown = series_in(file, np.ones((2, 2)), "stimulus/templates/shown", rate=1.0)
        shown.attrs["neurodata_type"] = "TimeSeries"
        file["scratch/notes"] = [1, 2]

    found = read(raw(tmp_path, fill))
    assert not found.series
    for name, why in {
        "movie": "(3, 2, 2)",
        "words": "no numbers",
        "none": "no 'data'",
        "empty": "no samples",
        "flat": "conversion is nan",
        "waves": "waveforms",
        "films": "other files",
    }.items():
        said(found, f"'acquisition/{name}' cannot be used", why)
    said(found, "stimulus/templates/shown", "not on the clock")
    said(found, "scratch/notes", "not read")
    said(found, "no units, no tables of intervals and no series")


def test_a_filter_that_is_not_installed_is_named(tmp_path):
    def fill(file):
        group = units_in(file, [np.arange(20.0)])
        packed = series_in(file, None, rate=1.0)
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((4,))
        creation.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
        space = h5py.h5s.create_simple((20,))
        h5py.h5d.create(packed.id, b"data", h5py.h5t.IEEE_F64LE, space, creation)
        del group["spike_times"]
        made = h5py.h5d.create(group.id, b"spike_times", h5py.h5t.IEEE_F64LE, space, creation)
        made.write_direct_chunk((0,), b"packed" * 6)

    if h5py.h5z.filter_avail(32015):
        pytest.skip("the filter zstd is installed")
    said(read(raw(tmp_path, fill)), "'units' cannot be used", "filter 32015", "repack")


def test_a_date_in_1900_changes_no_time(tmp_path):  # trap 18
    def fill(file):
        file["session_start_time"] = "1900-01-01T00:00:00-08:00"
        file["timestamps_reference_time"] = "1900-01-01T00:00:00-08:00"
        units_in(file, [np.array([0.1])])

    found = read(raw(tmp_path, fill))
    assert found.spikes["units"].times[0].tolist() == [0.1] and not found.sentences()


# files that are no NWB files


def truncated(path):
    written(path.parent, everything)
    path.write_bytes(path.read_bytes()[:3000])


def not_nwb(path):
    with h5py.File(path, "w") as file:
        file["counts"] = [1, 2]


def version_1(path):
    with h5py.File(path, "w") as file:
        file["nwb_version"] = "NWB-1.0.6"


WRONG = {
    "missing": (lambda path: None, "there is no such file"),
    "empty": (lambda path: path.touch(), "it is empty"),
    "text": (lambda path: path.write_text("version https://git-lfs"), "a pointer of Git LFS"),
    "zipped": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(50)), "archive"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "truncated": (truncated, "damaged or incomplete"),
    "not nwb": (not_nwb, "no NWB file: it does not say its nwb_version. It holds counts"),
    "version 1": (version_1, "version 1.0.6"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_no_nwb_file_is_refused_in_one_line(tmp_path, case):
    make, words = WRONG[case]
    path = tmp_path / "a.nwb"
    make(path)
    with pytest.raises(DataError) as error:
        read(path)
    message = str(error.value)
    assert message.startswith(str(path)) and words in message and "\n" not in message


# damage to one dataset


DAMAGE = {
    "one number": 3.0,
    "text": "x",
    "nothing": np.zeros(0),
    "too long": np.arange(1000.0),
    "negative": np.full(3, -5),
    "missing": np.full(3, np.nan),
    "more axes": np.zeros((2, 2, 2)),
    "too large": np.full(3, 2**64 - 1, np.uint64),
    "empty": h5py.Empty("f"),
    "records": np.zeros(3, [("a", "i4")]),
    "truth values": np.ones(3, bool),
    "no utf-8": np.array([b"\xff\xfe", b"q"]),
    "broken link": h5py.SoftLink("/nowhere"),
    "another file": h5py.ExternalLink("nowhere.h5", "/x"),
    "a group": h5py.SoftLink("/acquisition"),
    "itself": None,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_to_one_dataset_never_stops_the_others(tmp_path, damage):
    def fill(file):
        ragged(file)
        observed_in(file)
        series_in(file, np.arange(3.0), "acquisition/whole", rate=1.0)
        electrodes = file.create_group("general/extracellular_ephys/electrodes")
        electrodes["id"], electrodes["offset"] = [10, 11, 12], [0.5, 0.25, 0.0]
        lfp = series_in(file, np.ones((2, 2)), "processing/lfp", times=[0.0, 1.0])
        lfp["electrodes"], lfp["channel_conversion"] = [2, 0], [1.0, 2.0]
        lfp["electrodes"].attrs["table"] = electrodes.ref
        marks = series_in(file, np.array([1, -1]), "processing/sleep", times=[0.0, 1.0])
        marks.attrs["neurodata_type"] = "IntervalSeries"

    whole = raw(tmp_path, fill).read_bytes()
    names = []
    with h5py.File(io.BytesIO(whole)) as file:
        file.visititems(
            lambda name, thing: names.append(name) if isinstance(thing, h5py.Dataset) else None
        )
    assert len(names) == 35
    for name in names:
        changed = io.BytesIO(whole)
        with h5py.File(changed, "r+") as file:
            del file[name]
            file[name] = h5py.SoftLink(f"/{name}") if damage == "itself" else DAMAGE[damage]
        found = read(changed)
        for signals in (found.spikes, found.tables, found.series):
            assert all(signal is not None for signal in signals.values())
        assert name.startswith("acquisition/whole") or "whole" in found.series


# published files, compared with pynwb


def same_as_pynwb(path, contents, units="units"):
    """Compare all signals with what pynwb reads; count them."""
    compared = 0
    with pynwb.NWBHDF5IO(path, "r") as opened:
        file = opened.read()
        tables = {table.name: table for table in (file.intervals or {}).values()}
        for thing in file.objects.values():
            if isinstance(thing, pynwb.misc.Units) and units in contents.spikes:
                spikes = contents.spikes[units]
                assert spikes.names == tuple(map(str, thing.id[:]))
                for row, times in enumerate(spikes.times):
                    np.testing.assert_array_equal(times, thing.get_unit_spike_times(row))
                    compared += 1
            if isinstance(thing, pynwb.epoch.TimeIntervals):
                tables[thing.name] = thing
        for name, table in tables.items():
            ours, frame = contents.tables[name], table.to_dataframe()
            np.testing.assert_array_equal(ours.start, frame["start_time"])
            np.testing.assert_array_equal(ours.stop, frame["stop_time"])
            for column in ours.columns.keys() & set(frame.columns) - {"tags"}:
                theirs = [v.decode() if isinstance(v, bytes) else v for v in frame[column]]
                np.testing.assert_array_equal(ours.columns[column], theirs)
                compared += 1
            if "tags" in ours.columns:
                assert ours.columns["tags"].tolist() == [", ".join(tags) for tags in frame["tags"]]
            assert ours.columns["id"].tolist() == frame.index.tolist()
        for name, series in contents.series.items():
            (thing,) = [
                thing for thing in file.objects.values() if thing.name == name.split("/")[-1]
            ]
            times = np.asarray(thing.get_timestamps())
            order = np.argsort(times, kind="stable")
            np.testing.assert_array_equal(series.times, times[order])
            values = np.asarray(thing.get_data_in_units())[order]
            np.testing.assert_array_equal(series.values[:, 0], values)
            assert series.unit == thing.unit
            compared += 1
    return compared


def test_human_units_and_tables_are_those_that_pynwb_reads(public):
    path = public("nwb/sub-4_ses-4_ecephys+image.nwb")
    found = read(path)
    assert list(found.tables) == ["encoding_table", "recognition_table", "timediscrimination_table"]
    assert [len(table.start) for table in found.tables.values()] == [90, 180, 180]
    units = found.spikes["units"]
    assert len(units.names) == 35 and sum(map(len, units.times)) == 214_278
    assert min(times[0] for times in units.times) == pytest.approx(0.007858, abs=1e-6)
    assert units.observed is None and round(units.last_s, 2) == 2821.07
    assert len(found.tables["recognition_table"].columns) == 13
    assert same_as_pynwb(path, found) == 35 + 7 + 11 + 11 + 2


def test_a_column_that_the_table_does_not_list_is_read(public):
    found = read(public("nwb/sub-4_ses-4_ecephys+image.nwb"))  # pynwb leaves it out
    for name in ("recognition_table", "timediscrimination_table"):
        table = found.tables[name]
        answered = table.columns["RT"] != 0
        latency = (table.columns["response_time"] - table.stop)[answered]
        np.testing.assert_allclose(table.columns["RT"][answered], latency, atol=1e-6)


def test_quirks_of_the_human_file_are_told(public):
    found = read(public("nwb/sub-4_ses-4_ecephys+image.nwb"))
    said(found, "'recognition_table'", "3 of 180", "by up to 0.318 s: 4|5, 49|50, 73|74")
    said(found, "'timediscrimination_table'", "by up to 0.43 s: 16|17, 77|78, 125|126")
    for name in ("events", "experiment_ids"):
        said(found, f"'acquisition/{name}' go back 12 times by up to 1.07 s")
        said(found, f"'acquisition/{name}' before 0 s: 1 of 1717, the first at -1542900540.7")
        assert found.series[name].times[0] < -1.5e9 and found.series[name].times[1] == 0
    said(found, "StimulusPresentation_encoding' cannot be used: its images are in other files")
    said(found, "columns of 'units' that are not read: electrodes")
    assert len(found.sentences()) == 8


def test_neuropixels_units_are_those_that_pynwb_reads(public):
    path = public("nwb/A8604-211122.nwb")
    found = read(path)
    units = found.spikes["units"]
    assert units.names == ("6", "191", "206")
    assert [len(times) for times in units.times] == [11020, 4690, 5644]
    assert found.tables["epochs"].columns["tags"].tolist() == ["wake"]
    assert same_as_pynwb(path, found) == 3
    said(found, "not read: electrode_group, group, location")


OLD = {
    "1.0.2_str_experimenter": ([], [], [], ["no units, no tables of intervals and no series"]),
    "1.5.1_timeseries_no_data": ([], [], [], ["test_timeseries' cannot be used: it has no 'data'"]),
    "2.1.0_nwbfile_with_extension": ([], [], ["acquisition/test_ts"], []),
    "test_Units": (["acquisition/UnitsTest"], [], [], ["the 1 s that all 2 share are used"]),
    "test_TimeIntervals": (
        [],
        ["epochs"],
        ["acquisition/a", "acquisition/b"],
        ["'tags' of 'epochs' has 0 to 2 values", "'timeseries' of 'epochs' is not read", "2|3"],
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_files_of_old_schemas_are_read_as_pynwb_reads_them(public, name):
    path = public(f"nwb/old_schema/{name}.nwb")
    spikes, tables, series, notes = OLD[name]
    found = read(path)
    assert (list(found.spikes), list(found.tables), list(found.series)) == (spikes, tables, series)
    for note in notes:
        said(found, note)
    same_as_pynwb(path, found, "UnitsTest")
