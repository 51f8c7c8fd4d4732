"""Files of torch_brain give spikes, series and tables on their own clock."""

import h5py
import numpy as np
import pytest

from invariance_probe.data.readers.brainset import read_brainset
from invariance_probe.errors import DataError
from invariance_probe.study.signals import BrainsetRecording


def group(parent, name, kind, arrays, text=(), **attrs):
    made = parent.create_group(name)
    for key, values in arrays.items():
        made[key] = values
    made.attrs.update({"object": kind, **attrs})
    if kind != "RegularTimeSeries":
        made.attrs["_unicode_keys"] = np.array(text, dtype="S")
        made.attrs["timekeys"] = np.array(["start", "end"], dtype="S")
    return made


def domain(parent, *intervals):
    start, end = np.array(intervals, float).T
    group(parent, "domain", "Interval", {"start": start, "end": end})


TIMES = np.array([0.1, 0.2, 0.25, 1.9, 5.0, 5.5])
UNITS = np.array([0, 2, 0, 2, 2, 0])


def spikes(file, *intervals, **more):
    made = group(
        file,
        "spikes",
        "IrregularTimeSeries",
        {"timestamps": TIMES, "unit_index": UNITS, "timestamp_indices_1s": np.arange(6), **more},
    )
    domain(made, *(intervals or [(0, 2), (5, 6)]))


def units(file, ids):
    columns = {"id": np.array(ids, "S"), "region": np.array(["M1"] * len(ids), "S")}
    group(file, "units", "ArrayDict", columns, ["id"])


def series(file, count=4):
    made = group(
        file,
        "cursor",
        "IrregularTimeSeries",
        {
            "timestamps": np.arange(count) * 0.5,
            "pos": np.arange(2.0 * count).reshape(count, 2),
            "speed": np.arange(count),
            "word": np.array(["a"] * count, "S"),
            "cube": np.zeros((count, 2, 2)),
            "short": np.zeros(count - 1),
        },
    )
    domain(made, (0, count * 0.5))


def regular(file, samples, *intervals):
    made = group(file, "lfp", "RegularTimeSeries", {"raw": np.asarray(samples)}, sampling_rate=10.0)
    domain(made, *intervals)


def trials(file):
    group(
        file,
        "trials",
        "Interval",
        {
            "start": np.array([0, 1, np.nan]),
            "end": np.array([1.2, 2, 3]),
            "side": np.array([b"left", b"right", b"left"]),
        },
        ["side"],
    )


@pytest.fixture
def made(tmp_path):
    def make(*parts, **attrs):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.attrs.update({"object": "Data", "absolute_start": 0.0, "subject": "s", **attrs})
            for part in parts:
                part(file)
        return tmp_path / "a.h5"

    return make


def read(path, **declared):
    asked = {"path": "a.h5", "session": "a", "bin_s": 0.1, **declared}
    return read_brainset(path, BrainsetRecording(**asked))


def refusal(path, **declared):
    with pytest.raises(DataError) as error:
        read(path, **declared)
    return str(error.value)


def test_spikes_have_names_and_gaps_of_the_domain_are_not_observed(made):
    found = read(made(spikes, lambda file: units(file, ["u0", "u1", "u2"])))
    trains = found.spikes["spikes"]
    assert trains.names == ("u0", "u1", "u2")
    np.testing.assert_array_equal(trains.times[0], [0.1, 0.25, 5.5])
    assert len(trains.times[1]) == 0  # a unit without spikes is kept
    np.testing.assert_array_equal(trains.observed, [[0, 2], [5, 6]])
    np.testing.assert_array_equal(found.tables["spikes.domain"].stop, [2, 6])
    assert (
        "arrays that are not over time are not used: units.id, units.region"
        in found.sentences()[-1]
    )


SPIKES = {
    "spikes outside": (
        [lambda f: spikes(f, (0, 2)), lambda f: units(f, "abc")],
        "2 of 6 spikes of 'spikes' are outside of the observed intervals",
    ),
    "overlapping intervals": (
        [lambda f: spikes(f, (0, 3), (2, 6)), lambda f: units(f, "abc")],
        "2 intervals of spikes.domain overlap, and are joined to 1",
    ),
    "ids that occur twice": (
        [spikes, lambda f: units(f, ["a", "a", "b"])],
        "1 of 3 units of 'spikes' have the name of an earlier one: 'a' as 'a-2'",
    ),
    "no ids": ([spikes], "units of 'spikes' are called 0 to 2"),
    "waveforms": (
        [lambda f: spikes(f, waveforms=np.zeros((6, 9))), lambda f: units(f, "abc")],
        "spikes.waveforms",
    ),
}


@pytest.mark.parametrize("name", SPIKES)
def test_what_is_odd_about_spikes_is_noted(made, name):
    parts, said = SPIKES[name]
    found = read(made(*parts))
    assert len(found.spikes["spikes"].names) == 3 and said in "\n".join(found.sentences())


def test_fewer_ids_than_units_are_refused(made):
    said = refusal(made(spikes, lambda file: units(file, "ab")))
    assert "its spikes are of 3 units, but 'units.id' has 2" in said


def test_arrays_over_time_stamps_are_series_and_others_are_noted(made):
    found = read(made(series))
    assert set(found.series) == {"cursor.pos", "cursor.speed"}
    np.testing.assert_array_equal(found.series["cursor.pos"].values, np.arange(8.0).reshape(4, 2))
    np.testing.assert_array_equal(found.series["cursor.speed"].times, [0, 0.5, 1, 1.5])
    said = "\n".join(found.sentences())
    assert "'cursor.word' holds no numbers" in said and "'cursor.cube' has shape (4, 2, 2)" in said
    assert "'cursor.short' has 3 samples, but there are 4 times" in said


def test_values_are_read_when_they_are_asked_for(made):
    path = made(series)
    found = read(path)
    with h5py.File(path, "r+") as file:
        file["cursor/speed"][:] = 7
    assert set(found.series["cursor.speed"].values.ravel()) == {7}


def test_regular_samples_start_with_the_domain(made):
    found = read(made(lambda file: regular(file, np.arange(20), (3.0, 5.0))))
    np.testing.assert_allclose(found.series["lfp.raw"].times, 3 + np.arange(20) / 10)
    assert not found.sentences()


def test_samples_that_fill_gaps_of_the_domain_are_left_out(made):
    values = np.r_[np.arange(5), [-1] * 10, np.arange(5)]
    found = read(made(lambda file: regular(file, values, (1.0, 1.5), (2.5, 3.0))))
    raw = found.series["lfp.raw"]
    assert (raw.values >= 0).all()
    np.testing.assert_allclose(raw.times, 1 + np.r_[0:5, 15:20] / 10)
    assert (
        "10 of 20 samples of 'lfp' fill gaps of its domain, and are left out" in found.sentences()
    )
    other = made(lambda file: regular(file, values[:15], (1.0, 1.5), (2.5, 3.0)))
    assert "spans 20 samples at 10 Hz, gaps included, but it holds 15" in refusal(
        other, activity="lfp"
    )


def test_intervals_keep_rows_and_text(made):
    def splits(file):
        nested = file.create_group("splits")
        nested.attrs["object"] = "Data"
        group(nested, "train", "Interval", {"start": np.zeros(1), "end": np.ones(1)})

    found = read(made(trials, splits))
    table = found.tables["trials"]
    assert table.columns["side"].tolist() == ["left", "right", "left"]
    assert "1 of 3 rows of 'trials' has no start: 2" in found.sentences()
    assert (
        "1 of 3 rows of 'trials' start before an earlier one has stopped, by up to 0.2 s: 0|1"
        in found.sentences()
    )
    assert set(found.tables) == {"trials", "splits.train"}


def test_a_file_that_was_cut_from_another_says_so(made):
    found = read(made(trials, absolute_start=100.0))
    assert any("cut from a longer one at 100 s" in said for said in found.sentences_on(["spikes"]))


def wrong(folder, name):
    path = folder / "a.h5"
    if name == "folder":
        return folder
    if name in ("nwb", "plain"):
        with h5py.File(path, "w") as file:
            file.attrs.update({"nwb_version": "2.7"} if name == "nwb" else {"made_by": "hand"})
        return path
    path.write_bytes(
        {"words": b"hello", "empty": b"", "half": b"\x89HDF\r\n\x1a\n" + b"\0" * 40}[name]
    )
    return path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "it is a folder"),
        ("nwb", "say kind: nwb"),
        ("plain", "its attribute 'object' is missing, and must be Data"),
        ("words", "is text that begins with 'hello'"),
        ("empty", "it is empty"),
        ("half", "is damaged"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, name, said):
    message = refusal(wrong(tmp_path, name))
    assert said in message and "\n" not in message


def test_temporaldata_finds_the_same(tmp_path):
    td = pytest.importorskip("temporaldata")
    rng = np.random.default_rng(0)
    stamps = np.sort(rng.uniform(0, 9, 80))
    stamps = stamps[(stamps < 3) | (stamps > 5)]
    data = td.Data(
        spikes=td.IrregularTimeSeries(
            timestamps=stamps,
            unit_index=rng.integers(0, 4, len(stamps)),
            domain=td.Interval(np.array([0.0, 5.0]), np.array([3.0, 9.0])),
        ),
        units=td.ArrayDict(id=np.array(["a", "b", "c", "d"])),
        lfp=td.RegularTimeSeries.from_gappy_timeseries(
            np.r_[0:50, 80:120] / 20, sampling_rate=20.0, raw=rng.standard_normal((90, 3))
        ),
        hand=td.IrregularTimeSeries(
            timestamps=np.arange(30) * 0.3, vel=rng.standard_normal((30, 2)), domain="auto"
        ),
        trials=td.Interval(
            start=np.arange(3.0), end=np.arange(3.0) + 0.5, side=np.array(["l", "r", "l"])
        ),
        domain=td.Interval(0.0, 9.0),
    )
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data.to_hdf5(file)
    mine = read(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        theirs = td.Data.from_hdf5(file, lazy=False)
    for unit, times in enumerate(mine.spikes["spikes"].times):
        wanted = theirs.spikes.timestamps[theirs.spikes.unit_index == unit]
        np.testing.assert_array_equal(times, wanted)
    np.testing.assert_array_equal(mine.spikes["spikes"].observed[:, 0], theirs.spikes.domain.start)
    even = theirs.lfp.to_irregular()
    np.testing.assert_array_equal(mine.series["lfp.raw"].values, even.raw)
    np.testing.assert_allclose(mine.series["lfp.raw"].times, even.timestamps)
    np.testing.assert_array_equal(mine.series["hand.vel"].values, theirs.hand.vel)
    np.testing.assert_array_equal(mine.tables["trials"].stop, theirs.trials.end)
    assert mine.tables["trials"].columns["side"].tolist() == theirs.trials.side.tolist()
    assert len(mine.tables["lfp.domain"].start) == len(theirs.lfp.domain)
