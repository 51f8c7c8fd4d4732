"""MATLAB files of both kinds give the same arrays, and every trap ends in a sentence."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from scipy.sparse import csc_matrix

from invariance_probe.data.catalog import search_path
from invariance_probe.data.readers.mat import read_mat
from invariance_probe.data.readers.matlab import opened
from invariance_probe.errors import DataError
from invariance_probe.study.signals import MatRecording

SCIPY = Path(scipy.io.__file__).parent / "matlab/tests/data"
RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2, (5, 40)).astype(np.uint8)
POSITION = RNG.standard_normal((40, 2))
TRAINS = [np.sort(RNG.uniform(0, 4, n)) for n in (9, 0, 14)]


def cells(values, shape=None):
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made.reshape(shape or (1, -1))


def structs(rows):
    made = np.empty((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    for i, row in enumerate(rows):
        made[0, i] = tuple(row.values())
    return made


def content():
    return {
        "counts": COUNTS,
        "row": np.arange(1.0, 6.0)[None],
        "session": {
            "pos": POSITION,
            "t": np.arange(40)[:, None] * 100.0,
            "spikes": {"times": cells([t[:, None] for t in TRAINS])},
            "labels": cells(["x", "y"], (2, 1)),
        },
        "trial": structs(
            [
                {"on": float(k), "off": k + 0.8, "side": "left" if k % 2 else "right"}
                for k in range(4)
            ]
        ),
        "sparse": csc_matrix(COUNTS * (COUNTS > 3).astype(float)),
        "cube": RNG.standard_normal((2, 10, 4)),
        "fs": np.array([[10.0]]),
        "word": "a word",
    }


TRIAL_TABLE = {"start": "trial.on", "stop": "trial.off", "columns": {"side": "trial.side"}}


def v5(path, values):
    scipy.io.savemat(path, values)


def v73(path, values):
    """Write the layout of version 7.3: reversed axes, references, MATLAB_class."""
    with h5py.File(path, "w", userblock_size=512) as file:
        pool = file.create_group("#refs#")
        for name, value in values.items():
            put(file, pool, name, value)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")


def put(group, pool, name, value):
    if isinstance(value, dict):
        made = group.create_group(name)
        made.attrs["MATLAB_class"] = np.bytes_("struct")
        for key, field in value.items():
            put(made, pool, key, field)
    elif isinstance(value, csc_matrix):
        made = group.create_group(name)
        made.attrs.update(
            {"MATLAB_class": np.bytes_("double"), "MATLAB_sparse": np.uint64(value.shape[0])}
        )
        for key, part in {"data": value.data, "ir": value.indices, "jc": value.indptr}.items():
            made[key] = part
    elif isinstance(value, str) and not value:
        group[name] = np.zeros(2, np.uint64)
        group[name].attrs.update({"MATLAB_class": np.bytes_("char"), "MATLAB_empty": np.uint8(1)})
    elif isinstance(value, str):
        group[name] = np.array([[ord(c)] for c in value], np.uint16)
        group[name].attrs["MATLAB_class"] = np.bytes_("char")
    elif value.dtype.names:
        made = group.create_group(name)
        made.attrs["MATLAB_class"] = np.bytes_("struct")
        for key in value.dtype.names:
            made[key] = refs(pool, value[key])
    elif value.dtype == object:
        group[name] = refs(pool, value)
        group[name].attrs["MATLAB_class"] = np.bytes_("cell")
    elif value.size == 0:
        group[name] = np.array(value.shape, np.uint64)
        group[name].attrs.update({"MATLAB_class": np.bytes_("double"), "MATLAB_empty": np.uint8(1)})
    else:
        group[name] = value.T
        kind = {"float64": "double", "float32": "single"}.get(str(value.dtype), str(value.dtype))
        group[name].attrs["MATLAB_class"] = np.bytes_(kind)


def refs(pool, value):
    made = np.empty(value.T.shape, dtype=h5py.ref_dtype)
    for at in np.ndindex(*value.shape):
        name = f"r{len(pool)}"
        one = value[at]
        put(pool, pool, name, one if isinstance(one, str | dict) else np.atleast_2d(one))
        made[at[::-1]] = pool[name].ref
    return made


@pytest.fixture(params=[v5, v73], ids=["v5", "v7.3"])
def file(request, tmp_path):
    def write(values=None):
        request.param(tmp_path / "a.mat", content() if values is None else values)
        return tmp_path / "a.mat"

    return write


def read(path, **declared):
    return read_mat(
        path, MatRecording(**{"path": "a.mat", "session": "a", "bin_s": 0.1, **declared})
    )


def one(path, **series):
    return read(path, activity="s", series={"s": {"rate_hz": 10, **series}}).series["s"]


def refusal(path, **declared):
    with pytest.raises(DataError) as error:
        read(path, **declared)
    return str(error.value)


def test_a_binned_matrix_is_a_series_whose_samples_are_the_bins(file):
    found = one(file(), values="counts", axes=["channel", "time"])
    np.testing.assert_array_equal(found.values, COUNTS.T)
    np.testing.assert_allclose(found.times, np.arange(40) * 0.1, atol=1e-12)
    assert found.channels == ("1", "2", "3", "4", "5")


def test_nested_structs_with_times_in_milliseconds_and_names(file):
    found = read(
        file(),
        series={
            "pos": {"values": "session.pos", "axes": ["time", "channel"], "times": "session.t",
                    "ticks_per_s": 1000, "channels": "session.labels", "unit": "cm"}
        },
    )  # fmt: skip
    series = found.series["pos"]
    np.testing.assert_array_equal(series.values, POSITION)
    np.testing.assert_allclose(series.times, np.arange(40) * 0.1)
    assert series.channels == ("x", "y") and series.unit == "cm"
    assert "times in 'session.t' are divided by 1000, to give seconds" in found.sentences()
    assert found.sentences()[-1].startswith(
        "10 other variables of the file are not used: counts (5 x 40"
    )


def test_a_cell_array_of_spike_times_and_a_struct_array_of_trials(file):
    found = read(
        file(),
        spikes={"units": {"times": "session.spikes.times"}},
        tables={"trials": TRIAL_TABLE},
    )
    assert found.spikes["units"].names == ("1", "2", "3")
    for got, wanted in zip(found.spikes["units"].times, TRAINS, strict=True):
        np.testing.assert_array_equal(got, wanted)
    table = found.tables["trials"]
    np.testing.assert_array_equal(table.start, [0, 1, 2, 3])
    np.testing.assert_allclose(table.stop, [0.8, 1.8, 2.8, 3.8])
    assert table.columns["side"].tolist() == ["right", "left", "right", "left"]


def test_times_and_units_in_two_vectors(file):
    times, units = np.array([[5, 3, 9, 1.0]]), np.array([[2, 7, 2, 7.0]])
    found = read(file({"t": times, "u": units}), spikes={"units": {"times": "t", "units": "u"}})
    assert found.spikes["units"].names == ("2", "7")
    np.testing.assert_array_equal(found.spikes["units"].times[1], [1, 3])
    assert (
        "1 of 2 units of 'units' were not in order, by up to 2 s, and are sorted: 7"
        in found.sentences()[0]
    )


AXES = {
    "a row": ("row", ["time"], (5, 1)),
    "a row whose axes are both named": ("row", ["channel", "time"], (5, 1)),
    "a row of channels at one time": ("row", ["time", "channel"], (1, 5)),
    "sparse": ("sparse", ["channel", "time"], (40, 5)),
    "a number": ("fs", ["time"], (1, 1)),
}


@pytest.mark.parametrize("name", AXES)
def test_squeezed_vectors_follow_the_declared_axes(file, name):
    values, axes, shape = AXES[name]
    assert one(file(), values=values, axes=axes).values.shape == shape


def test_a_last_axis_of_length_one_that_matlab_drops_is_put_back(file):
    path = file({"x": COUNTS})
    found = read(
        path, series={"s": {"values": "x", "axes": ["channel", "time", "trial"], "rate_hz": 10}}
    )
    assert found.series["s"].values.shape == (40, 5) and len(found.tables["trials"].start) == 1


def trial_series(**more):
    return {"s": {"values": "cube", "axes": ["channel", "time", "trial"], "rate_hz": 10, **more}}


def test_trials_without_a_start_are_put_one_after_another_with_a_note(file):
    values = content()
    found = read(
        file(values), series=trial_series(), tables={"trials": {"columns": {"side": "trial.side"}}}
    )
    series, table = found.series["s"], found.tables["trials"]
    np.testing.assert_array_equal(
        series.values, np.concatenate(list(values["cube"].transpose(2, 1, 0)))
    )
    np.testing.assert_allclose(table.start, [0, 1.1, 2.2, 3.3])
    np.testing.assert_allclose(table.stop, table.start + 1)
    np.testing.assert_allclose(series.times.reshape(4, 10)[:, 0], table.start)
    assert table.columns["side"][1] == "left"
    assert "when the 4 trials of s took place" in found.sentences()[0]


def test_trials_with_a_start_are_put_there(file):
    found = read(file(), series=trial_series(), tables={"trials": {"start": "trial.on"}})
    np.testing.assert_allclose(found.series["s"].times.reshape(4, 10)[:, 0], [0, 1, 2, 3])
    path = file(content() | {"on": np.array([[0, 1, 1.5, 9.0]])})
    said = refusal(path, activity="s", series=trial_series(), tables={"trials": {"start": "on"}})
    assert "trial 2 starts at 1.5 s, before the one before it ends at 1.9 s" in said


def test_spikes_by_unit_and_trial_count_from_the_start_of_the_trial(file):
    grid = cells(
        [np.array([[0.1, 0.2]]), np.array([[0.3]]), np.zeros((0, 0)), np.array([[0.5]])], (2, 2)
    )
    path = file({"spk": grid, "on": np.array([[10.0, 20]]), "off": np.array([[11.0, 21]])})
    asked = {"units": {"times": "spk", "axes": ["unit", "trial"]}}
    found = read(path, spikes=asked, tables={"trials": {"start": "on", "stop": "off"}}).spikes[
        "units"
    ]
    np.testing.assert_allclose(found.times[0], [10.1, 10.2, 20.3])
    np.testing.assert_allclose(found.times[1], [20.5])
    np.testing.assert_array_equal(found.observed, [[10, 11], [20, 21]])
    assert "must say when trials start and stop" in refusal(path, spikes=asked)


COLUMNS = {
    "numbers in cells, one empty": (
        cells([np.ones((1, 1)), np.zeros((0, 0)), np.ones((1, 1))]),
        [1, np.nan, 1],
    ),
    "words, one empty": (cells(["a", "", "b"]), ["a", "", "b"]),
    "a matrix with one row per row": (np.arange(6.0).reshape(3, 2), [[0, 1], [2, 3], [4, 5]]),
    "logical": (np.array([[True, False, True]]).astype(np.uint8), [1, 0, 1]),
}
NO_COLUMNS = {
    "words and numbers": (cells(["a", np.array([[1.0]]), "b"]), "hold text and numbers"),
    "one too few": (np.ones((1, 2)), "it has 2 rows, and the table has 3"),
    "transposed": (np.ones((2, 3)), "it has 2 rows, and the table has 3"),
    "several values in a cell": (cells([np.ones((1, 4))] * 3), "hold up to 4 values"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_cells_and_matrices_are_columns(file, name):
    values, wanted = COLUMNS[name]
    path = file({"on": np.array([[0, 1, 2.0]]), "c": values})
    table = read(path, tables={"trials": {"start": "on", "columns": {"c": "c"}}}).tables["trials"]
    np.testing.assert_array_equal(table.columns["c"], np.array(wanted))


@pytest.mark.parametrize("name", NO_COLUMNS)
def test_a_column_that_cannot_be_used_is_noted_and_its_table_kept(file, name):
    values, said = NO_COLUMNS[name]
    path = file({"on": np.array([[0, 1, 2.0]]), "c": values})
    found = read(path, trials="trials", tables={"trials": {"start": "on", "columns": {"c": "c"}}})
    assert not found.tables["trials"].columns
    assert any("column 'c' of 'trials'" in note and said in note for note in found.sentences())


def test_trials_without_a_stop_or_overlapping_are_kept_with_their_numbers(file):
    path = file({"on": np.array([[0, 1, np.nan, 3]]), "off": np.array([[1.5, np.nan, 3, 2]])})
    found = read(path, tables={"t": {"start": "on", "stop": "off"}})
    assert len(found.tables["t"].start) == 4
    said = "\n".join(found.sentences())
    assert "1 of 4 rows of 't' has no start: 2" in said
    assert "1 of 4 rows of 't' has a stop before the start: 3" in said


SAID = {
    "a word for a path": ({"values": "conts", "axes": ["time"]}, "Did you mean 'counts'?"),
    "a field that is not there": (
        {"values": "session.poss", "axes": ["time"]},
        "struct 'session' has no 'poss'",
    ),
    "a whole struct": (
        {"values": "session", "axes": ["time"]},
        "is a struct; name one of its fields: 'session.",
    ),
    "a field of a matrix": (
        {"values": "counts.x", "axes": ["time"]},
        "is no struct, so it has no 'x'",
    ),
    "too few axes": (
        {"values": "counts", "axes": ["time"]},
        "shape (5, 40) in MATLAB, but 1 axis is declared",
    ),
    "text": ({"values": "word", "axes": ["time"]}, "numbers are needed"),
    "cells with no axis": (
        {"values": "session.spikes.times", "axes": ["time"]},
        "whose own axis must be declared first",
    ),
    "swapped axes": (
        {"values": "counts", "axes": ["time", "channel"], "times": "session.t", "rate_hz": None},
        "has 5 samples along its axis 'time', but 'session.t' has 40 times",
    ),
    "names of something else": (
        {"values": "counts", "axes": ["channel", "time"], "channels": "session.labels"},
        "names 2 channels of 's', but there are 5",
    ),
    "a rate that is none": (
        {"values": "row", "axes": ["time"], "rate_hz": "row"},
        "must be one number above 0",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_declaration_that_does_not_fit_is_told_and_needed_signals_alone_are_refused(file, name):
    series, said = SAID[name]
    path, declared = file(), {"s": {"rate_hz": 10, **series}}
    assert said in refusal(path, activity="s", series=declared)
    found = read(path, activity="other", series=declared)
    assert not found.series and any(said in note for note in found.sentences())


def test_times_that_go_back_are_not_sorted_for_a_series(file):
    path = file({"x": np.ones((1, 3)), "t": np.array([[0, 2, 1.0]])})
    series = {"s": {"values": "x", "axes": ["time"], "times": "t"}}
    assert "its times go back 1 times, by up to 1 s, first from 2 s to 1 s" in refusal(
        path, activity="s", series=series
    )


def test_objects_of_matlab_are_noted_and_not_read_as_numbers(tmp_path):
    v73(tmp_path / "a.mat", {"when": np.arange(6, dtype=np.uint32)[None], "x": np.ones((1, 4))})
    with h5py.File(tmp_path / "a.mat", "r+") as file:
        file["when"].attrs["MATLAB_class"] = np.bytes_("datetime")
        file["when"].attrs["MATLAB_object_decode"] = np.int32(3)
    assert "object of MATLAB's class datetime" in refusal(
        tmp_path / "a.mat",
        activity="s",
        series={"s": {"values": "when", "axes": ["time"], "rate_hz": 1}},
    )
    assert "when (object of class datetime)" in read(tmp_path / "a.mat").sentences()[0]


def test_without_a_declaration_all_variables_are_listed(file):
    note = read(file()).sentences()[0]
    for said in (
        "counts (5 x 40 uint8)",
        "session.spikes.times (1 x 3 cell)",
        "trial.side (1 x 4 struct)",
    ):
        assert said in note


def test_files_that_matlab_itself_wrote_are_read():
    def value(file, name):
        return opened(SCIPY / file).value(name)

    if not SCIPY.exists():
        pytest.skip("SciPy was installed without its test files")
    wanted = np.arange(9) * np.pi / 4
    np.testing.assert_allclose(value("testhdf5_7.4_GLNX86.mat", "testdouble"), wanted[None])
    np.testing.assert_allclose(value("testdouble_7.4_GLNX86.mat", "testdouble"), wanted[None])
    assert value("teststringarray_7.4_GLNX86.mat", "teststringarray").tolist() == [
        "one  ",
        "two  ",
        "three",
    ]
    assert value("teststructarr_7.4_GLNX86.mat", "teststructarr.one").shape == (1, 2)
    assert value("testsparse_7.4_GLNX86.mat", "testsparse").shape == (3, 5)
    assert value("test_mat4_le_floats.mat", "a").shape == (1, 2)
    for name in ("testfunc", "testobject"):
        with pytest.raises(DataError, match=f"variable '{name}' is a"):
            value(f"{name}_7.4_GLNX86.mat", name)


def test_an_independent_reader_finds_the_same_in_version_7_3(tmp_path):
    pymatreader = pytest.importorskip("pymatreader")
    v73(tmp_path / "a.mat", content())
    other, mine = pymatreader.read_mat(str(tmp_path / "a.mat")), opened(tmp_path / "a.mat")
    for path in ("counts", "cube"):
        np.testing.assert_array_equal(other[path], mine.value(path))
    np.testing.assert_array_equal(other["session"]["pos"], mine.value("session.pos"))
    for got, wanted in zip(other["session"]["spikes"]["times"], TRAINS, strict=True):
        np.testing.assert_array_equal(np.ravel(got), wanted)


def published(name):
    for folder in search_path():
        if (path := folder / name).is_file():
            return path
    pytest.skip(f"{name} is in none of the data folders; set INVARIANCE_PROBE_DATA")


def test_a_real_file_gives_the_arrays_that_others_took_from_it():
    path = published("m1_bci/exampleData.mat")
    wanted = np.load(path.parent / "golub_monkeyJ_20120305.npz")
    names = {
        "spikes": "spike_count",
        "factorActivity": "factor_activity",
        "cursorToTargetDirection": "cursor_to_target",
        "vraw_perturbed": "v_perturbed",
    }
    for phase in ("before", "after"):
        at = f"{phase}Learning.clouds."
        asked = {
            "axes": ["trial", "channel", "time"],
            "interval_s": "expParams.intuitiveMapping.dt",
        }
        found = read(
            path,
            bin_s=0.045,
            activity="spikes",
            series={name: {"values": at + name, **asked} for name in names},
            tables={"trials": {"columns": {"angle": f"{at}angles"}}},
        )
        for name, theirs in names.items():
            np.testing.assert_array_equal(found.series[name].values, wanted[f"{phase}_{theirs}"])
        angles = np.repeat(found.tables["trials"].columns["angle"], 69)
        np.testing.assert_array_equal(angles, wanted[f"{phase}_target_angle_deg"])


def wrong(folder, name):
    path = folder / "a.mat"
    if name == "hdf5 of another program":
        with h5py.File(path, "w") as file:
            file["x"] = np.ones((3, 4))
    elif name == "nwb":
        with h5py.File(path, "w") as file:
            file.attrs["nwb_version"] = "2.7.0"
    elif name == "cut off":
        scipy.io.savemat(folder / "b.mat", {"x": np.ones((300, 300))})
        path.write_bytes((folder / "b.mat").read_bytes()[:150])
    else:
        path.write_bytes({"empty": b"", "words": b"hello, this is no MATLAB file" * 20,
                          "npz": b"PK\3\4" + b"\0" * 200}[name])  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("empty", "it is empty"),
        ("words", "it is damaged"),
        ("cut off", "it is damaged"),
        ("npz", "the archive"),
        ("hdf5 of another program", "MATLAB did not write it"),
        ("nwb", "say kind: nwb"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, name, said):
    message = refusal(wrong(tmp_path, name))
    assert said in message and "a.mat" in message and "\n" not in message
