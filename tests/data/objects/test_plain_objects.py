"""Arrays, dicts and frames become one recording, and what is left out is told."""

import subprocess
import sys
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from conftest import tiny_study

import invariance_probe as ip
from invariance_probe.data.readers.arrays import read_arrays, write_arrays
from invariance_probe.errors import DataError
from invariance_probe.study.recordings import ArraysRecording

xr = pytest.importorskip("xarray")

RNG = np.random.default_rng(0)
SPIKES = {unit: np.sort(RNG.uniform(0.0079, 60, n)) for unit, n in ((7, 400), (206, 90))}
TIMES = np.arange(6000) / 100 + 0.003
POSITION = RNG.standard_normal((6000, 2))
TRIALS = pd.DataFrame(
    {
        "start_time": [0.0, 10, 20, 40],
        "stop_time": [8.0, np.nan, 28, 48],
        "choice": ["left", "left", "right", None],
    }
)
COUNTED = np.stack([np.histogram(SPIKES[u], np.arange(0, 60.1, 0.5))[0] for u in SPIKES], axis=1)


def made(activity=SPIKES, **given):
    return ip.Recording.from_signals(activity, **{"bin_s": 0.5, "targets": {}, **given})


def told(recording, words):
    return any(words in note for note in recording.notes)


def test_bins_start_at_the_origin_and_not_at_the_first_spike():
    found = made()
    assert np.array_equal(found.activity, COUNTED[: len(found.activity)])
    assert found.unit_ids == ("7", "206") and found.activity_kind == "counts"
    assert told(found, "nothing says when units were observed: taken from 0 s to the last spike")
    shifted = made(origin_s=0.25)
    edges = np.arange(0.25, 60, 0.5)[: len(shifted.activity) + 1]
    assert np.array_equal(shifted.activity[:, 0], np.histogram(SPIKES[7], edges)[0])


def test_notes_are_shown_by_the_recording_and_reach_the_plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = made(bin_s=0.1, targets={"x": (TIMES, POSITION[:, 0])}, observed=[[0, 60], [100, 130]])
    assert repr(found).splitlines()[1:] == [f"    Note: {note}" for note in found.notes]
    assert told(found, "observed in 2 parts") and told(found, "the target 'x' is unknown")
    study = ip.Study(
        **tiny_study(
            recordings=[found], target={"name": "x"}, folds={"scheme": "blocks", "count": 2}
        )
    )
    assert set(found.notes) < set(ip.plan_of(study).sessions[0].notes)


def test_another_process_reads_the_masks_and_notes_of_a_recording(tmp_path):
    gap = np.where((TIMES > 20) & (TIMES < 25), np.nan, POSITION[:, 0])
    found = made(targets={"x": (TIMES, gap)}, observed=[[0, 60]])
    assert found.known["x"].sum() == 110 and not found.stretches.any()
    file = BytesIO()
    write_arrays(found, file)
    (tmp_path / f"{found.fingerprint}.npz").write_bytes(file.getvalue())
    source = ArraysRecording.model_validate(
        found.declared().model_dump(), context={"arrays": tmp_path}
    )
    again = read_arrays(source, tmp_path)
    assert again.fingerprint == found.fingerprint and again.notes == found.notes
    assert np.array_equal(again.known["x"], found.known["x"])


def test_counts_of_ones_own_bins_are_kept_and_another_grid_is_told():
    edges = 0.0079 + np.arange(118) * 0.5
    counts = np.stack([np.histogram(SPIKES[u], edges)[0] for u in SPIKES], axis=1)
    centres = edges[:-1] + 0.25
    found = made((centres, counts), activity_kind="counts", origin_s=0.0079)
    assert np.array_equal(found.activity, counts)
    assert found.notes == (
        "times of the counts are taken for the middle of the bins that they count",
    )
    starts = made((edges[:-1], counts), activity_kind="counts", origin_s=0.0079)
    assert np.array_equal(starts.activity, counts) and told(starts, "taken for the start")
    assert told(made((centres, counts), activity_kind="counts"), "made on another grid")


def test_tables_keep_their_rows_and_one_object_is_one_table():
    found = made(
        trials=TRIALS,
        observed=[[0, 60]],
        targets={
            "choice": {"table": TRIALS, "column": "choice"},
            "late": {"inside": np.array([[15, 60]])},
        },
    )
    assert np.array_equal(found.trials, np.repeat([0, 2, 3], 16))
    assert np.array_equal(found.known["choice"], np.repeat([True, True, False], 16))
    assert found.targets["choice"][:32].tolist() == ["left"] * 16 + ["right"] * 16
    assert found.targets["late"].tolist() == [0] * 16 + [1] * 32
    assert told(found, "1 of 4 rows of 'trials' have no start or no later stop and are not used: 1")
    assert told(found, "1 of 4 values in column 'choice' of 'trials' are missing: rows 3")
    assert sum("no later stop" in note for note in found.notes) == 1


@pytest.mark.parametrize(
    "table",
    [
        {"start": [0.0, 20], "stop": [8.0, 28], "go": [True, False]},
        pd.DataFrame({"onset": [0.0, 20], "duration": [8.0, 8], "go": ["y", "n"]}),
        pd.DataFrame({"start": pd.to_timedelta([0, 20], unit="s"), "end": [8.0, 28], "go": [1, 0]}),
        pd.DataFrame({"start": [0.0, 20], "end": [8.0, 28], "go": pd.Categorical(["a", "b"])}),
        pd.DataFrame({"start": [0.0, 20], "end": [8.0, 28], "go": pd.array([1, None])}),
    ],
)
def test_tables_have_a_start_and_a_stop_by_any_usual_name(table):
    found = made(trials=table, observed=[[0, 60]], targets={"go": {"table": table, "column": "go"}})
    assert found.trials.tolist() == [0] * 16 + [1] * 16
    assert (found.targets["go"][:16] == found.targets["go"][0]).all()
    assert "go" in found.known or len(set(found.targets["go"].tolist())) == 2


@pytest.mark.parametrize(
    "series",
    [
        (TIMES, POSITION),
        pd.DataFrame(POSITION, index=TIMES, columns=["x", "y"]),
        pd.DataFrame(POSITION, index=pd.to_timedelta(TIMES, unit="s")),
        pd.DataFrame(POSITION, index=TIMES).assign(state="run"),
        xr.DataArray(POSITION, dims=("time", "axis"), coords={"time": TIMES, "axis": ["x", "y"]}),
        xr.DataArray(POSITION.T, dims=("axis", "t"), coords={"t": TIMES}),
        xr.DataArray(
            POSITION, dims=("time", "axis"), coords={"time": ("time", TIMES * 1e3, {"units": "ms"})}
        ),
        xr.DataArray(
            POSITION,
            dims=("time", "axis"),
            coords={"time": pd.to_timedelta(TIMES, unit="s").to_numpy()},
        ),
    ],
)
def test_every_form_of_a_series_gives_the_sample_nearest_to_the_centre(series):
    found = made(targets={"where": series}, observed=[[0, 60]])
    centres = np.arange(120) * 0.5 + 0.25
    nearest = np.abs(TIMES[:, None] - centres).argmin(axis=0)
    assert np.allclose(found.targets["where"], POSITION[nearest], atol=1e-12)


def test_a_part_of_the_channels_and_a_unit_of_time_are_chosen_and_told():
    array = xr.DataArray(
        POSITION,
        dims=("time", "axis"),
        coords={"time": ("time", TIMES * 1e3, {"units": "ms"}), "axis": ["x", "y"]},
    )
    found = made(
        targets={"y": {"series": array, "channels": ["y"], "max_gap_s": 0.1}},
        units=[206],
        between_s=(10, 50),
        during=[[20, 60]],
        observed=[[0, 60]],
    )
    assert found.targets["y"].shape == (60,) and found.unit_ids == ("206",)
    assert np.array_equal(found.activity[:, 0], COUNTED[40:100, 1])
    assert told(found, "times of 'y' are converted from ms to seconds")


def test_a_series_is_averaged_or_its_counts_are_summed():
    frame = pd.DataFrame(np.arange(40).reshape(20, 2), index=np.arange(20) / 10, columns=["a", "b"])
    assert made(frame).activity[:, 0].tolist() == [4, 14, 24, 34]
    summed = made(frame, activity_kind="counts", units=["b"]).activity
    assert summed.dtype == np.int32 and summed[:, 0].tolist() == [25, 75, 125, 175]


class Thing:
    """An object of no kind that is known."""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"activity": Thing()}, "Thing; activity must be one of: a pandas Series .*pynapple TsG"),
        ({"activity": COUNTED}, "an array has no times: give a tuple .times, values."),
        ({"activity": list(SPIKES.values())}, r"dict\(enumerate\(trains\)\)"),
        ({"activity": "units.nwb"}, "list a file in the study instead"),
        ({"activity": {}}, "'activity' cannot be used: it has no units"),
        ({"activity": {"a": ["x"]}}, "spike times of unit 'a' must be numbers in seconds"),
        ({"activity": {"a": [[1, 2], [3, 4]]}}, r"shape \(2, 2\), but must have one axis"),
        ({"activity": {"a": [[1], [3, 4]]}}, "cannot be converted to an array"),
        ({"activity": xr.Dataset({"a": ("time", TIMES)})}, r"such as dataset\['name'\]"),
        ({"activity": xr.DataArray(TIMES, dims=["time"])}, "'time' has no coordinate"),
        ({"activity": xr.DataArray(np.ones((2, 3)), dims=["a", "b"])}, "must be called 'time'"),
        (
            {
                "activity": xr.DataArray(
                    np.ones((2, 3, 4)), dims=["a", "b", "time"], coords={"time": range(4)}
                )
            },
            "at most one other; stack the others",
        ),
        (
            {"activity": xr.DataArray(TIMES, coords={"time": ("time", TIMES, {"units": "frame"})})},
            "have the unit 'frame', which is not known",
        ),
        ({"activity": (TIMES, TIMES), "observed": [[0, 1]]}, "observed is for spike trains"),
        ({"observed": [[1, 0]]}, "observed holds no interval"),
        ({"units": ["7", "8"]}, "units: there is no '8'; there are '7', '206'"),
        ({"bin_s": "fast"}, "bin_s is 'fast'; it must be a number of seconds"),
        ({"bin_s": -1.0}, "bin_s: Input should be greater than 0; got -1.0"),
        ({"between_s": (3, 1)}, "the first time must be before the last"),
        ({"session": "day 1"}, "session 'day 1' cannot be used as a name"),
        ({"trials": pd.DataFrame({"a": [1]})}, "'trials' cannot be used: it has no column for the"),
        ({"trials": {"start": [0], "stop": [1], "end": [1]}}, "several columns for the stop"),
        ({"trials": {"start": [0], "stop": [1, 2]}}, "its columns make no table"),
        ({"trials": np.ones((2, 5))}, r"shape \(2, 5\), but must have shape \(interval, 2\)"),
        ({"trials": Thing()}, "a table of intervals must be one of: a pandas DataFrame"),
        ({"during": pd.DataFrame({"start": pd.to_datetime(["2020"]), "stop": 1})}, "are dates"),
        ({"targets": [TIMES]}, "targets must be a dict from names to objects"),
        ({"targets": {"x": TIMES}}, "'x' cannot be used: .* an array has no times"),
        ({"targets": {"x": (TIMES, TIMES[1:])}}, r"shape \(5999,\), but must have shape \(6000,\)"),
        ({"targets": {"x": (TIMES, POSITION.T)}}, "give their transpose"),
        ({"targets": {"x": (TIMES[::-1], TIMES)}}, "its times go back 5999 times"),
        ({"targets": {"x": pd.Series(TIMES)}}, "holds row numbers, not times"),
        ({"targets": {"x": pd.Series(TIMES)[5:]}}, "holds row numbers, not times"),
        ({"targets": {"x": pd.Series("a", index=TIMES)}}, "none of its columns holds numbers"),
        (
            {"targets": {"x": pd.Series(1.0, index=pd.date_range("2020", periods=9, tz="UTC"))}},
            "are dates; subtract the start of the session",
        ),
        ({"targets": {"x": {"column": "a"}}}, "a target comes from a series"),
        ({"targets": {"x": {"table": TRIALS}}}, "targets.x.table.column: Field required"),
        ({"targets": {"x": {"table": TRIALS, "column": "go"}}}, "has no column 'go'; it has"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(given, said):
    with pytest.raises(DataError, match=said) as error:
        made(**given)
    assert str(error.value).startswith("session ") and "\n" not in str(error.value)


def test_no_package_whose_objects_are_recognised_is_imported():
    code = """
import sys
for name in ("pynapple", "neo", "quantities", "spikeinterface", "xarray", "mne"):
    sys.modules[name] = None
import invariance_probe as ip
print(ip.Recording.from_signals({"a": [0.1, 0.9]}, bin_s=0.5, targets={}, observed=[[0, 1]]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("Recording(session='session': 2 bins of 0.5 s"), done.stderr
