"""Files beside the main one: behaviour beside a sorting, on the same clock or another."""

import importlib
import json

import numpy as np
import pandas as pd
import pytest
from conftest import tiny_study
from pydantic import ValidationError

from invariance_probe.data.readers import read_signals
from invariance_probe.errors import DataError
from invariance_probe.planning import make_plan
from invariance_probe.results.store import Store
from invariance_probe.study.load import open_study
from invariance_probe.study.signals import PhyRecording, recording_of

RATE = 30_000.0
SECONDS = 300


def sorting(folder, offset_s=0.0, drift=1.0):
    """A folder of phy with eight clusters, whose rates follow a position; and that position."""
    rng = np.random.default_rng(0)
    times = np.arange(0, SECONDS, 0.02)
    position = np.convolve(rng.standard_normal(len(times) + 99), np.ones(100) / 10, "valid")
    spikes, clusters = [], []
    for unit in range(8):
        rate = np.exp(1.5 + 0.8 * np.sin(unit) * position)
        counted = rng.poisson(np.clip(rate, 0, 60) * 0.02)
        spikes.append(np.repeat(times, counted) + rng.uniform(0, 0.02, counted.sum()))
        clusters.append(np.full(counted.sum(), unit))
    stamps = np.concatenate(spikes)
    order = np.argsort(stamps)
    folder.mkdir()
    np.save(folder / "spike_times.npy", (stamps[order] * RATE).astype(np.int64))
    np.save(folder / "spike_clusters.npy", np.concatenate(clusters)[order])
    (folder / "params.py").write_text(f"sample_rate = {RATE}\n")
    pd.DataFrame({"cluster_id": range(8), "group": "good"}).to_csv(
        folder / "cluster_group.tsv", sep="\t", index=False
    )
    own_clock = (times + 0.01 - offset_s) / drift
    return pd.DataFrame({"t": own_clock, "x": position})


def fields_of(**changes):
    """Fields of a recording as a study file has them."""
    table = {"kind": "table", "path": "camera.csv", "series": {"position": {"time": "t"}}}
    return {
        "kind": "phy",
        "path": "sorting",
        "session": "s",
        "bin_s": 0.1,
        "beside": {"camera": {**table, **changes.pop("camera", {})}},
        "targets": {"x": {"series": "camera/position", "channels": ["x"]}},
        **changes,
    }


def declared(**changes):
    return PhyRecording.model_validate(fields_of(**changes))


def test_a_target_may_lie_in_a_second_file(tmp_path):
    camera = sorting(tmp_path / "sorting")
    camera.to_csv(tmp_path / "camera.csv", index=False)
    found = read_signals(declared(), tmp_path)
    assert found.activity.shape[1] == 8 and not found.known
    row = 57  # the sample nearest to the middle of this bin
    nearest = np.abs(camera.t - (row + 0.5) * 0.1).argmin()
    assert found.targets["x"][row] == camera.x[nearest]


@pytest.mark.parametrize(("offset_s", "drift"), [(12.5, 1.0), (-3.0, 1.00002)])
def test_another_clock_is_turned_into_that_of_the_recording_and_this_is_told(
    tmp_path, offset_s, drift
):
    camera = sorting(tmp_path / "sorting", offset_s, drift)
    camera.to_csv(tmp_path / "camera.csv", index=False)
    clock = {"offset_s": offset_s, "seconds_per_s": drift}
    moved = read_signals(declared(camera=clock), tmp_path)
    same = sorting(tmp_path / "again")
    same.to_csv(tmp_path / "camera.csv", index=False)
    np.testing.assert_array_equal(
        moved.targets["x"], read_signals(declared(), tmp_path).targets["x"]
    )
    assert any(f"plus {offset_s:g} s" in note for note in moved.notes)


def test_notes_of_a_file_beside_are_told_where_its_signals_are_used(tmp_path):
    camera = sorting(tmp_path / "sorting")
    camera.loc[10, "x"] = np.nan
    camera.to_csv(tmp_path / "camera.csv", index=False)
    used, unused = (read_signals(declared(**more), tmp_path) for more in ({}, {"targets": {}}))
    said = "camera: 1 of 15000 samples of 'position' have a missing value (NaN)"
    assert said in used.notes and said not in unused.notes


def test_a_file_beside_is_asked_only_for_its_own_signals():
    source = declared(trials="camera/trials", units=["1"])
    own = recording_of(source, "camera")
    assert own.kind == "table" and own.trials == "trials" and own.units == ()
    assert own.targets["x"].series == "position"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"targets": {"x": {"series": "camera/speed"}}}, "no series 'camera/speed'"),
        ({"camera": {"path": "none.csv"}}, "no such file or folder: .*none.csv"),
        ({"camera": {"series": {"position": {"time": "q"}}}}, "'position' cannot be used"),
    ],
)
def test_what_is_missing_beside_is_named(tmp_path, changes, said):
    sorting(tmp_path / "sorting").to_csv(tmp_path / "camera.csv", index=False)
    with pytest.raises(DataError, match=said):
        read_signals(declared(**changes), tmp_path)


def test_a_file_beside_has_no_session_of_its_own():
    with pytest.raises(ValidationError, match=r"beside\.camera\.table\.session"):
        declared(camera={"session": "two"})


def test_a_changed_file_beside_is_inspected_again_and_the_study_runs(tmp_path):
    """The study has a new plan as soon as the second file has other values."""
    pytest.importorskip("torch", reason="the study is run")
    program = importlib.import_module("helpers.program")
    camera = sorting(tmp_path / "sorting")
    camera.to_csv(tmp_path / "camera.csv", index=False)
    study = tiny_study(
        recordings=[fields_of()],
        target={"name": "x"},
        views={
            "base": {"kind": "count_splitting"},
            "transforms": [{"kind": "unit_dropout", "value": "silent"}],
        },
        quick=True,
    )
    path = program.write(tmp_path, study)
    program.invoke("run", path.name, "--out", "report", cwd=tmp_path, check=0)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["runs"]["failed"] == 0 and report["sessions"][0]["decodable"]
    store = Store(tmp_path / "runs")
    before = make_plan(open_study(path), store).sessions[0].content
    camera["x"] = camera["x"].to_numpy()[::-1]
    camera.to_csv(tmp_path / "camera.csv", index=False)
    after = make_plan(open_study(path), store).sessions[0].content
    assert before.recording == after.recording and before.arrays != after.arrays
