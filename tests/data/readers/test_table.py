"""Tables of samples, spikes and intervals are read as they are written."""

import gzip

import numpy as np
import pandas as pd
import pytest

from invariance_probe.data.catalog import search_path
from invariance_probe.data.readers.table import read_table
from invariance_probe.errors import DataError
from invariance_probe.study.signals import TableRecording

SPIKES = "unit,time,depth\n007,0.5,1\n12,0.1,2\n007,0.25,1\n"
TRIALS = "start,stop,choice,id\n0,1,left,001\n1,2,n/a,002\n2,,right,003\n1.5,3,NA,004\n"
SAMPLES = "t,x,y,state\n0.0,1,5,run\n0.1,2,6,run\n0.2,3,,rest\n0.3,4,8,rest\n"


def read(folder, text=None, name="a.csv", **declared):
    if text is not None:
        (folder / name).write_text(text)
    return read_table(
        folder / name if name else folder,
        TableRecording(**{"path": "a", "session": "a", "bin_s": 0.1, **declared}),
    )


def refusal(folder, text=None, **declared):
    with pytest.raises(DataError) as error:
        read(folder, text, **declared)
    return str(error.value)


def test_one_row_per_spike_and_ids_keep_their_zeros(tmp_path):
    found = read(tmp_path, SPIKES, spikes={"units": {}})
    spikes = found.spikes["units"]
    assert spikes.names == ("007", "12") and spikes.observed is None
    np.testing.assert_array_equal(spikes.times[0], [0.25, 0.5])
    assert "columns of a.csv that no signal uses: depth" in found.sentences()
    assert "not in order, by up to 0.25 s, and are sorted: 007" in found.sentences()[0]


def test_one_row_per_interval_keeps_all_rows_and_columns(tmp_path):
    found = read(tmp_path, TRIALS, tables={"trials": {}})
    table = found.tables["trials"]
    np.testing.assert_array_equal(table.start, [0, 1, 2, 1.5])
    np.testing.assert_array_equal(table.stop, [1, 2, np.nan, 3])
    assert table.columns["choice"].tolist() == ["left", "", "right", "NA"]
    assert table.columns["id"].tolist() == ["001", "002", "003", "004"]
    said = "\n".join(found.sentences())
    assert "1 of 4 rows of 'trials' has no stop: 2" in said
    assert "1 of 4 values in column 'choice' of 'trials' are missing: rows 1" in said
    assert "1 of 4 rows of 'trials' start before an earlier one has stopped, by up to" in said


def test_one_row_per_sample_gives_a_series_and_runs_of_labels(tmp_path):
    found = read(tmp_path, SAMPLES, series={"s": {"time": "t"}})
    series, table = found.series["s"], found.tables["s.state"]
    assert series.channels == ("x", "y")
    np.testing.assert_array_equal(series.values, [[1, 5], [2, 6], [3, np.nan], [4, 8]])
    np.testing.assert_allclose([table.start, table.stop], [[0, 0.2], [0.2, 0.4]])
    assert table.columns["state"].tolist() == ["run", "rest"]
    assert "1 of 4 samples of 's' have a missing value (NaN)" in found.sentences()


def test_a_matrix_of_counts_at_a_rate_has_its_rows_as_bins(tmp_path):
    counts = np.random.default_rng(0).poisson(3, (600, 4))
    pd.DataFrame(counts, columns=list("abcd")).to_csv(tmp_path / "a.csv", index=False)
    series = read(tmp_path, series={"s": {"rate_hz": 10, "start_s": 2}}).series["s"]
    assert series.values.dtype == np.int64 and series.channels == ("a", "b", "c", "d")
    np.testing.assert_array_equal(series.values, counts)
    np.testing.assert_allclose(series.times, 2 + np.arange(600) * 0.1)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"start": "onset", "duration": "duration"}, "onset\tduration\n0\t500\n1000\tn/a\n"),
        ({"start": "on", "stop": "off"}, "on\toff\n0\t500\n1000\tnan\n"),
    ],
)
def test_stops_or_durations_in_milliseconds(tmp_path, columns, text):
    found = read(tmp_path, text, name="a.tsv", tables={"t": {"ticks_per_s": 1000, **columns}})
    np.testing.assert_array_equal(found.tables["t"].stop, [0.5, np.nan])
    assert any("divided by 1000" in note for note in found.sentences())


def test_a_folder_of_tables_is_one_session(tmp_path):
    (tmp_path / "spk.csv").write_text(SPIKES)
    (tmp_path / "pos.tsv").write_text(SAMPLES.replace(",", "\t"))
    with gzip.open(tmp_path / "trials.csv.gz", "wt") as file:
        file.write(TRIALS)
    found = read(
        tmp_path,
        name="",
        spikes={"units": {"file": "spk.csv"}},
        series={"pos": {"file": "pos.tsv", "time": "t", "columns": ["y", "x"]}},
        tables={"trials": {"file": "trials.csv.gz"}},
    )
    assert found.series["pos"].channels == ("y", "x") and len(found.tables["trials"].start) == 4
    assert "columns of pos.tsv that no signal uses: state" in found.sentences()
    listed = read(tmp_path, name="").sentences()
    assert len(listed) == 3 and "spk.csv has the columns unit, time, depth" in listed[1]
    said = refusal(tmp_path, name="", activity="units", spikes={"units": {"file": "spikes.csv"}})
    assert "no file 'spikes.csv'; name one of: pos.tsv, spk.csv, trials.csv.gz" in said


@pytest.mark.parametrize(
    ("text", "declared", "said"),
    [
        (SAMPLES.replace(",", ";"), {}, "separated by ';', not by ','"),
        ("x;t\n1,5;0,0\n2,5;0,1\n", {"separator": ";", "decimal": ","}, ""),
        ("\ufeff" + SAMPLES, {}, ""),
        ("t,x,x\n0,1,2\n0.1,3,4\n", {}, "1 names of columns of a.csv occur twice"),
        ("t,x,\n0,1,\n0.1,2,\n", {}, ""),
        (",t,x\n0,0,1\n1,0.1,2\n", {}, "columns of a.csv without a name (1) are not used"),
        ("t,x\n0,1\nnan,2\n0.2,3\n", {}, "1 of 3 samples of 's' have no time and are left out: 1"),
        ("t,x\n0,1\n1,2\n2,3\n9,4\n", {}, "1 of 3 intervals differ from the median of 1 s"),
        ("t,x\n700000,1\n700001,2\n", {}, "if that is not in seconds, convert the times"),
    ],
)
def test_tables_as_programs_write_them(tmp_path, text, declared, said):
    found = read(tmp_path, text, series={"s": {"time": "t"}}, **declared)
    assert "x" in found.series["s"].channels and np.isfinite(found.series["s"].times).all()
    assert said in "\n".join(found.sentences())
    assert "no signal uses" not in "\n".join(found.sentences())  # a column without a name has none
    assert set(found.series["s"].values[:, 0].tolist()) <= {1, 1.5, 2, 2.5, 3, 4}


SAID = {
    "no such column": ({"time": "time"}, SAMPLES, "has no column 'time'; it has 't', 'x', 'y'"),
    "times of words": ({"time": "t"}, "t,x\n0,1\nsoon,2\n", "holds text such as 'soon'"),
    "dates": ({"time": "t"}, "t,x\n2024-01-01 10:00,1\n", "must be numbers on one clock"),
    "times go back": ({"time": "t"}, "t,x\n0,1\n1,1\n0.5,1\n", "its times go back 1 times"),
    "a channel of words": (
        {"time": "t", "columns": ["x"]},
        "t,x\n0,1\n1,left\n",
        "column 'x' of a.csv must hold numbers, but holds text such as 'left'",
    ),
    "decimal commas": (
        {"time": "t", "columns": ["x"]},
        "t;x\n0;1,5\n1;2,5\n",
        "must hold numbers, but holds text such as '1,5'",
    ),
    "another rate": (
        {"time": "t", "rate_hz": 5},
        "t,x\n0,1\n0.1,1\n0.2,2\n",
        "differ by up to 0.2 s, more than half a bin, from even samples at 5 Hz",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_series_that_the_study_needs_is_refused_and_another_is_noted(tmp_path, name):
    series, text, said = SAID[name]
    message = refusal(tmp_path, text, activity="s", series={"s": series})
    assert said in message and "'s' cannot be used" in message and "\n" not in message
    found = read(tmp_path, series={"s": series})
    assert not found.series and any(said in note for note in found.sentences())


def test_jittered_time_stamps_are_replaced_by_a_declared_rate_with_a_note(tmp_path):
    rng = np.random.default_rng(0)
    stamps = (np.arange(200) / 250 + rng.uniform(-0.006, 0.006, 200)).round(3)
    pd.DataFrame({"t": stamps, "x": rng.standard_normal(200)}).to_csv(tmp_path / "a.csv")
    found = read(tmp_path, series={"s": {"time": "t", "rate_hz": 250}})
    np.testing.assert_allclose(np.diff(found.series["s"].times), 0.004)
    assert any("are replaced by even ones at 250 Hz" in note for note in found.sentences())


UNITS = {
    "numbers": ("3,0\n11,1\n3,2\n", ("3", "11")),
    "words": ("b,0\na,1\nb,2\n", ("a", "b")),
    "whole numbers written as floats": ("3.0,0\n11.0,1\n3.0,2\n", ("3", "11")),
    "one missing": ("3,0\n,1\n11,2\n", ("3", "11")),
    "a unit called NA": ("NA,0\nb,1\n", ("NA", "b")),
}


@pytest.mark.parametrize("name", UNITS)
def test_names_of_units_are_text(tmp_path, name):
    rows, names = UNITS[name]
    found = read(tmp_path, f"unit,time\n{rows}", spikes={"units": {}})
    assert found.spikes["units"].names == names
    assert any("no unit" in note for note in found.sentences()) == (name == "one missing")


def test_spikes_in_samples_negative_twice_or_without_a_time(tmp_path):
    text = "unit,time\na,-300\na,300\na,300\na,\nb,600\n"
    found = read(tmp_path, text, spikes={"units": {"ticks_per_s": 30000}})
    np.testing.assert_allclose(found.spikes["units"].times[0], [-0.01, 0.01, 0.01])
    said = "\n".join(found.sentences())
    for words in ("1 of 5 spikes of 'units' have no time", "1 of 5 spikes of 'units' are before 0",
                  "1 of 5 spikes of 'units' have the time", "divided by 30000"):  # fmt: skip
        assert words in said


def test_parquet_gives_what_csv_gives(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "t": np.arange(4) * 0.1,
            "x": pd.array([1, None, 3, 4], dtype="Int64"),
            "state": pd.Categorical(["a", "a", "b", "b"]),
            "when": pd.to_datetime(["2024-01-01"] * 4),
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    found = read(tmp_path, name="a.parquet", series={"s": {"time": "t"}})
    np.testing.assert_array_equal(found.series["s"].values[:, 0], [1, np.nan, 3, 4])
    assert found.tables["s.state"].columns["state"].tolist() == ["a", "b"]
    assert "column 'when' of 's' holds datetime64" in "\n".join(found.sentences())
    frame.set_index("t")[["x"]].to_parquet(tmp_path / "b.parquet")
    other = read(tmp_path, name="b.parquet", series={"s": {"time": "t"}})
    np.testing.assert_array_equal(other.series["s"].times, found.series["s"].times)


def test_parquet_without_its_extra_is_told(tmp_path, monkeypatch):
    def missing(*_):
        raise ImportError

    monkeypatch.setattr(pd, "read_parquet", missing)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    said = refusal(tmp_path, name="a.parquet", series={"s": {"rate_hz": 1}}, activity="s")
    assert "pip install 'invariance-probe[parquet]'" in said


WRONG = {
    "empty": (b"", "it is empty"),
    "a spreadsheet": (b"PK\3\4 xl", "save the sheet as .csv"),
    "binary": (b"\x89HDF\r\n\x1a\n\0\0", "HDF5"),
    "no header": (b"1,2,3\n4,5,6\n", "its first line must give the names of the columns"),
    "long rows": (b"a,b\n1,2,3\n", "2 names of columns, but its first row has 3 values"),
    "a long row later": (b"a,b\n1,2\n1,2,3\n", "not a readable table"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_one_sentence(tmp_path, name):
    content, said = WRONG[name]
    (tmp_path / "a.csv").write_bytes(content)
    message = refusal(tmp_path, activity="s", series={"s": {"rate_hz": 1}})
    assert said in message and "a.csv" in message and "\n" not in message.strip()


def test_latin_1_is_read_with_a_note(tmp_path):
    (tmp_path / "a.csv").write_bytes("start,stop,wo\n0,1,Käfig\n".encode("latin-1"))
    found = read(tmp_path, tables={"t": {}})
    assert found.tables["t"].columns["wo"].tolist() == ["Käfig"]
    assert "a.csv is not in UTF-8, and is read as Latin-1" in found.sentences()


def published(name):
    for folder in search_path():
        if (path := folder / name).is_file():
            return path
    pytest.skip(f"{name} is in none of the data folders; set INVARIANCE_PROBE_DATA")


def test_a_real_table_of_eeg_whose_stamps_go_back_needs_a_rate():
    path = published("eeg_muse/example_N170_subject1_session1.csv")
    rows = path.read_text().splitlines()[1:]
    plain = np.array([[float(value) for value in row.split(",")] for row in rows])

    def eeg(**clock):
        declared = {"eeg": {"time": "timestamps", "labels": ["Marker0"], **clock}}
        return read(path.parent, name=path.name, activity="eeg", series=declared)

    with pytest.raises(
        DataError, match=r"go back 47 times, by up to 0.016 s.*make their times from the rate"
    ):
        eeg()
    found = eeg(rate_hz=256)
    series, markers = found.series["eeg"], found.tables["eeg.Marker0"]
    assert series.channels == ("TP9", "AF7", "AF8", "TP10", "Right AUX")
    np.testing.assert_array_equal(series.values, plain[:, 1:6])
    assert np.abs(series.times - plain[:, 0]).max() < 0.026
    onsets = np.flatnonzero(np.diff(plain[:, 6], prepend=0) > 0)
    shown = markers.columns["Marker0"] > 0
    np.testing.assert_allclose(markers.start[shown], series.times[onsets])
    np.testing.assert_array_equal(markers.columns["Marker0"][shown], plain[onsets, 6])
