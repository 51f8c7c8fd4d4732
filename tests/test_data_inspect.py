"""`data inspect` says what a file holds, and its proposed study runs as it is."""

import io
import json
import pickle
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from helpers.program import invoke
from ruamel.yaml import YAML

from invariance_probe.data.readers import read_contents
from invariance_probe.data.readers.formats import kind_of
from invariance_probe.errors import DataError
from invariance_probe.study.study import Study


def nwb(path, units=24, seconds=400.0, table="trials"):
    """Write an NWB file whose first unit fires in the intervals of a table."""
    rng = np.random.default_rng(0)
    start = 2.0 + np.cumsum(rng.uniform(3, 7, 78))  # regular ones would be their own null
    stop = start + rng.uniform(1.5, 2.5, 78)
    times = [np.sort(rng.uniform(0, seconds, 800)) for _ in range(units)]
    more = np.concatenate([rng.uniform(a, b, 30) for a, b in zip(start, stop, strict=True)])
    times[0] = np.sort(np.concatenate([times[0], more]))
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        file["units/id"] = np.arange(units)
        file["units/spike_times"] = np.concatenate(times)
        file["units/spike_times_index"] = np.cumsum([len(one) for one in times])
        file["units"].attrs["neurodata_type"] = "Units"
        file[f"intervals/{table}/id"] = np.arange(len(start))
        file[f"intervals/{table}/start_time"] = start
        file[f"intervals/{table}/stop_time"] = stop
        file[f"intervals/{table}"].attrs["neurodata_type"] = "TimeIntervals"


def proposed(folder, path, *settings):
    """The recording and the rest of the study that is proposed for a file."""
    shown = invoke("data", "inspect", path, "--study", *settings, cwd=folder, check=0).stdout
    study = YAML(typ="safe").load(shown)
    return study["recordings"][0], Study.model_validate(study)


def code_found(folder, path):
    """Run the proposed study of a file with short trainings, and return the code's finding."""
    study = invoke("data", "inspect", path, "--study", cwd=folder, check=0).stdout
    (folder / "s.yaml").write_text(study)
    short = ("--set", "training.steps=20", "--set", "training.seeds=1", "--out", "report")
    invoke("run", "s.yaml", *short, cwd=folder, check=0)
    report = json.loads((folder / "report" / "report.json").read_text())
    return report["hypotheses"][0]["code"]


def test_a_file_is_described_and_its_study_runs_to_the_unit_that_carries_it(tmp_path):
    nwb(tmp_path / "day.nwb")
    said = invoke("data", "inspect", "day.nwb", cwd=tmp_path, check=0)
    assert "'units': spike trains of 24 units" in said.stdout
    assert "'trials': a table of 78 intervals" in said.stdout
    found = code_found(tmp_path, "day.nwb")
    assert found["carriers_word"] == "few" and {one["unit"] for one in found["units"]} == {"0"}


def test_the_human_files_picture_is_carried_by_its_one_unit(tmp_path, public):
    """Unit 28 decodes a picture alone, and nothing does without it.

    What the file's reader told of signals that the study does not use is not repeated.
    """
    found = code_found(tmp_path, public("nwb/sub-4_ses-4_ecephys+image.nwb"))
    page = (tmp_path / "report" / "report.md").read_text()
    assert "rows of 'recognition_table' start before" in page
    assert "timediscrimination" not in page
    assert page.split("## H1")[0].count("**Warning**") == 1  # that it was not calibrated
    assert found["carriers_word"] == "few"
    assert [(one["unit"], one["lost"]) for one in found["units"]] == [("28", 8)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone.nwb", "no such file or folder"),
        ("notes.md", "its format cannot be recognised from its name"),
        (".", "is a folder that contains none of F.npy"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, name, said):
    (tmp_path / "notes.md").write_text("hello, this is text")
    found = invoke("data", "inspect", name, cwd=tmp_path, check=2)
    assert said in found.stderr


def zipped(*names):
    """Bytes of a zip archive with empty files of these names."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "first", "said"),
    [
        (
            "a.dat",
            b"0       X",
            "it is an EDF file, which `kind: mne` reads; state it with --kind mne",
        ),
        ("a.bin", b"MATLAB 5.0 MAT-file", "which `kind: mat` reads; state it with --kind mat"),
        ("block.pkl", pickle.dumps([1]), "it is a Python pickle, which is never loaded; save"),
        ("a.pt", zipped("a/data.pkl"), "an archive with a Python pickle (such as torch.save"),
        (
            "a.xlsx",
            zipped("xl/workbook.xml"),
            "it is a spreadsheet (.xlsx); save the sheet as .csv",
        ),
        ("a.zip", zipped("one.txt"), "it is a zip archive of one.txt; unpack it first"),
        ("a.nc", b"CDF\x02\0\0", "it is a netCDF file; open it with xarray"),
        ("a.feather", b"ARROW1\0\0", "it is a feather file; save the table as .parquet or .csv"),
        ("a.fif.bak", b"\0\0\0d\0\0\0\x1f\0", "averages, transforms and models of the head"),
        ("a.edf", b"t,x\n0,1\n", "no EDF or BDF file: it is text that begins with 't,x"),
        ("a.txt", b"# one\n# two\n1\n", "begins with lines of comments ('# one')"),
    ],
)
def test_files_of_other_tools_are_refused_with_what_they_are(tmp_path, name, first, said):
    (tmp_path / name).write_bytes(first)
    found = invoke("data", "inspect", name, cwd=tmp_path, check=2)
    assert said in " ".join(found.stderr.split())
    assert "np.savez; state it with" not in found.stderr  # there is no kind to state


@pytest.mark.parametrize("name", ["spikeinterface_info.json", "si_folder.json"])
def test_a_folder_of_spikeinterface_is_taken_in_python(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(DataError, match=r"load it with spikeinterface\.load in Python, and give"):
        kind_of(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"type": "TsGroup", "t": [1.0], "index": [0]}, "the TsGroup of pynapple, and no bins"),
        ({"type": "a note", "t": [1.0]}, "has no array that can be the activity"),
        (
            {"spike_indexes_seg0": [3], "spike_labels_seg0": ["a"]},
            "read_npz_sorting in Python, and give the object to Recording.from_signals",
        ),
    ],
)
def test_an_object_that_another_package_saved_is_named(tmp_path, arrays, said):
    np.savez(tmp_path / "a.npz", **arrays)
    assert said in invoke("data", "inspect", "a.npz", cwd=tmp_path, check=0).stdout
    assert said in invoke("data", "inspect", "a.npz", "--study", cwd=tmp_path, check=2).stderr


def test_a_format_needs_what_its_file_does_not_say(tmp_path):
    np.save(tmp_path / "F.npy", np.ones((3, 40), np.float32))
    assert kind_of(tmp_path) == "suite2p"
    with pytest.raises(
        DataError,
        match=r"rate_hz is not known \(Frames per second, .*give it with --set rate_hz=VALUE",
    ):
        read_contents("suite2p", tmp_path, {})
    with pytest.raises(
        DataError, match=r"rate_hz: Input should be .*fields of kind suite2p: .*give one with --set"
    ):
        read_contents("suite2p", tmp_path, {"rate_hz": -1})
    with pytest.raises(DataError, match="files of kind 'npz' hold no signals; known: nwb"):
        read_contents("npz", tmp_path, {})


def archive(path, **more):
    """Write an archive whose first unit says the state."""
    rng = np.random.default_rng(0)
    state = np.repeat(rng.integers(0, 2, 150), rng.integers(3, 9, 150))
    counts = rng.poisson(3, (len(state), 12))
    counts[:, 0] += rng.poisson(6 * state)
    np.savez(path, counts=counts.astype(np.uint8), state=state.astype(np.int8), **more)


def test_an_archive_is_described_and_its_study_runs(tmp_path):
    archive(tmp_path / "day.npz", fs=10.0, names=np.array(list("abcdefghijkl")))
    said = invoke("data", "inspect", "day.npz", cwd=tmp_path, check=0).stdout
    assert "Activity: 'counts'" in said and "Target: 'state' (categorical)" in said
    assert "Bin length: 0.1 s, from 1 / 'fs' (10 per second)." in said
    found = code_found(tmp_path, "day.npz")
    assert {one["unit"] for one in found["units"]} == {"0"}


def test_what_an_archive_does_not_say_is_asked_for_and_can_be_stated(tmp_path):
    archive(tmp_path / "day.npz")
    refused = invoke("data", "inspect", "day.npz", "--study", cwd=tmp_path, check=2)
    assert "the length of its bins is not known" in refused.stderr
    stated = ("--study", "--set", "bin_s=0.1")
    study = invoke("data", "inspect", "day.npz", *stated, cwd=tmp_path, check=0).stdout
    (tmp_path / "s.yaml").write_text(study)
    invoke("validate", "s.yaml", cwd=tmp_path, check=0)


def test_a_likelier_target_that_cannot_run_is_left_with_its_reason(tmp_path):
    """A position that only moves at the end cannot be decoded from four fifths of the time."""
    with np.load(archive(tmp_path / "a.npz") or tmp_path / "a.npz") as file:
        bins = len(file["state"])
    still = np.where(np.arange(bins) < bins - 30, 0.0, np.arange(bins))
    archive(tmp_path / "day.npz", bin_s=0.1, velocity=still)
    study = invoke("data", "inspect", "day.npz", "--study", cwd=tmp_path, check=0).stdout
    assert "# target velocity was tried: " in study and "is constant in the training" in study
    assert "target: {name: state, kind: categorical}" in study


def test_the_reaching_recording_needs_no_line_of_its_user(tmp_path, public):
    name = public("m1_reach/chewie-10032013-bin0.10-velthresh5.00.npz")
    study = invoke("data", "inspect", name, "--study", cwd=tmp_path, check=0).stdout
    (tmp_path / "s.yaml").write_text(study)
    invoke("validate", "s.yaml", cwd=tmp_path, check=0)
    assert "scheme: trials" in study and "name: hand_velocity" in study


def test_a_target_at_another_rate_is_named_with_that_rate(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"neural": rng.normal(size=(300, 9)), "song_power": rng.normal(size=(2000, 5))}
    np.savez(tmp_path / "day.npz", **arrays, neural_fs=30.0, song_fs=200.0)
    refused = invoke("data", "inspect", "day.npz", "--study", cwd=tmp_path, check=2).stderr
    assert "'song_power' has 2,000 samples, 0.005 s apart" in refused


def test_a_proposed_study_takes_any_name_and_what_is_given(tmp_path):
    nwb(tmp_path / "my data #1.nwb", table="a, b: c #1")
    given = ("--set", "bin_s=0.25", "--set", "session=zz")
    recording, _ = proposed(tmp_path, "my data #1.nwb", *given)
    assert (recording["path"], recording["session"]) == ("my data #1.nwb", "zz")
    assert recording["bin_s"] == 0.25
    assert list(recording["targets"].values()) == [{"inside": "a, b: c #1"}]
    for name in ("20230105.nwb", "séance.nwb", "no.nwb"):
        nwb(tmp_path / name)
        assert proposed(tmp_path, name)[0]["path"] == name


def test_a_proposed_study_of_a_signal_has_noise_and_no_splitting(tmp_path):
    nwb(tmp_path / "f.nwb")
    with h5py.File(tmp_path / "f.nwb", "a") as file:
        del file["units"]
        times = np.arange(0, 400, 0.1)
        series = file.create_group("acquisition/lfp")
        series.attrs["neurodata_type"] = "TimeSeries"
        series["data"] = np.random.default_rng(0).standard_normal((len(times), 4))
        series["timestamps"] = times
    recording, study = proposed(tmp_path, "f.nwb")
    assert recording["activity"] == "acquisition/lfp" and study.views.base.kind == "none"


def test_samples_of_trials_are_a_target_and_stated_counts_are_split(tmp_path):
    """One step in sixty is a pause, as between trials; events at random times are no target."""
    rng = np.random.default_rng(0)
    times = np.concatenate([9.0 * trial + np.arange(60) * 0.1 for trial in range(20)])
    speed = np.convolve(rng.standard_normal(len(times) + 9), np.ones(10), "valid")
    counts = rng.poisson(np.exp(0.5 + 0.2 * speed[:, None]), (len(times), 6))
    pd.DataFrame(counts, columns=list("abcdef")).assign(t=times).to_csv(tmp_path / "c.csv")
    pd.DataFrame({"t": times, "speed": speed}).to_csv(tmp_path / "s.csv", index=False)
    licks = np.sort(rng.uniform(0, times[-1], 300))
    pd.DataFrame({"t": licks, "lick": 1.0}).to_csv(tmp_path / "licks.csv", index=False)
    beside = ", ".join(
        f"{name}: {{kind: table, path: {name}.csv, series: {{{name}: {{time: t}}}}}}"
        for name in ("licks", "s")
    )
    stated = (
        "series={c: {time: t}}", "activity=c", "activity_kind=counts", f"beside={{{beside}}}"
    )  # fmt: skip
    settings = [part for one in stated for part in ("--set", one)]
    recording, study = proposed(tmp_path, "c.csv", *settings)
    assert recording["targets"] == {"s": {"series": "s/s"}}
    assert recording["activity_kind"] == "counts" and study.views.base.kind == "count_splitting"
