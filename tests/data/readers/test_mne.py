"""EEG and MEG files keep their clocks, units and rates; what they cannot say is told."""

import datetime
import json
import shutil
import subprocess
import sys
import tracemalloc

import edfio
import mne
import numpy as np
import pandas as pd
import pytest
import scipy.io
from edf_files import channel, write_edf
from helpers.program import invoke

from invariance_probe.data.assembly import assembled
from invariance_probe.data.readers import read_contents
from invariance_probe.data.readers.mne import read_mne
from invariance_probe.errors import DataError
from invariance_probe.study.signals import MneRecording

RNG = np.random.default_rng(0)
FIXTURES = "eeg_fixtures"
RUNS = (3, 5, 7, 9, 11, 13)


def declaration(**declared):
    return MneRecording(path="x", session="s", **{"bin_s": 0.1, **declared})


def read(path, **declared):
    return read_mne(path, declaration(**declared))


def recording(path, **declared):
    return assembled(declaration(**declared), read(path, **declared), str(path))


def refusal(path, **declared):
    with pytest.raises(DataError) as error:
        recording(path, **declared)
    assert "\n" not in str(error.value)
    return str(error.value)


def said(contents, part):
    return [sentence for sentence in contents.sentences() if part in sentence]


def noise(seconds, rate=100, sd=200):
    return np.round(RNG.standard_normal(seconds * rate) * sd).astype(int)


def annotated(contents):
    table = contents.tables["annotations"]
    return list(
        zip(
            table.columns["description"].tolist(),
            table.start.tolist(),
            (table.stop - table.start).round(9).tolist(),
            strict=True,
        )
    )


# EDF and BDF against independent readers


def test_values_times_and_texts_of_edf_are_those_of_edfio(tmp_path):
    path = write_edf(
        tmp_path / "a.edf",
        [
            channel("EEG Cz", noise(12)),
            channel("EOG left", noise(12), limits=(100, -150), unit="mV"),
            channel("Resp nose", noise(12, 10), rate=10, unit="%"),
        ],
        onsets=np.arange(12),
        texts=[(2.5, 1, "é"), (4, 0.5, "go")],
        variant="EDF+C",
    )
    found, other = read(path), edfio.read_edf(path)
    for name, signal, factor in zip(
        ("eeg", "eog", "misc"), other.signals, (1, 1000, 1), strict=True
    ):
        np.testing.assert_allclose(
            found.series[name].values[:, 0], signal.data * factor, rtol=1e-6, atol=1e-4
        )
        np.testing.assert_allclose(
            found.series[name].times, np.arange(len(signal.data)) / signal.sampling_frequency
        )
        assert found.series[name].channels == (signal.label,)
    assert [s.unit for s in found.series.values()] == ["uV", "uV", "%"]
    assert annotated(found) == [(a.text, a.onset, a.duration) for a in other.annotations]


@pytest.mark.parametrize("number", RUNS)
def test_the_motor_runs_are_those_of_edfio(public, number):
    path = public(f"eeg_motor/S001R{number:02}.edf")
    found, other = read(path), edfio.read_edf(path)
    eeg = found.series["eeg"]
    assert eeg.channels == tuple(s.label for s in other.signals) and len(eeg.channels) == 64
    np.testing.assert_allclose(
        eeg.values, np.stack([s.data for s in other.signals], axis=1), rtol=1e-6, atol=1e-4
    )
    np.testing.assert_array_equal(eeg.times, np.arange(len(eeg.times)) / 160)
    assert annotated(found) == [(a.text, a.onset, a.duration) for a in other.annotations]


def test_hypnograms_hold_all_their_annotations(public):
    """MNE keeps the first of 154 annotations of the first file."""
    total = 0
    for path in sorted(public("sleep_edf/hypnograms").glob("*.edf")):
        found, other = annotated(read(path)), edfio.read_edf(path).annotations
        assert found == [(a.text, a.onset, a.duration) for a in other]
        total += len(found)
    assert total == 2827


def test_values_and_triggers_of_bdf_are_those_of_mne(tmp_path):
    ends = (-8388608, 8388607)
    status = np.repeat([0, 0, 65536 + 4, 65536 + 5, 65536 + 5, 0, 7, 0, 0, 0], 100)
    path = write_edf(
        tmp_path / "a.bdf",
        [
            channel("Fp1", noise(10) * 99, limits=(-262144, 262143), numbers=ends),
            channel("Status", status, unit="", limits=ends, numbers=ends),
        ],
        variant="24BIT",
        bdf=True,
    )
    found, raw = read(path), mne.io.read_raw_bdf(path, verbose="ERROR")
    np.testing.assert_allclose(
        found.series["eeg"].values[:, 0], raw.get_data([0])[0] * 1e6, rtol=1e-6
    )
    events = found.tables["events"]
    assert events.start.tolist() == [2, 3, 6] and events.stop.tolist() == [3, 5, 7]
    assert events.columns["code"].tolist() == [4, 5, 7]
    others = mne.find_events(raw, mask=0xFFFF, mask_type="and", consecutive=True, verbose="ERROR")
    np.testing.assert_array_equal(events.start * 100, others[:, 0])


# Files read through MNE


def test_a_fif_file_is_read_as_mne_reads_it(public):
    path = public("hypnogram/data_resting_EO_200Hz_raw.fif")
    found, raw = read(path), mne.io.read_raw_fif(path, verbose="ERROR")
    np.testing.assert_allclose(found.series["eeg"].values, raw.get_data().T * 1e6, rtol=1e-6)
    assert found.series["eeg"].times[-1] == 359.995 and said(found, "is number 2000 of its")


def test_a_brainvision_file_of_bids_has_the_numbers_that_were_published_apart(tmp_path, public):
    folder = public("ecog_grip")
    name = "sub-testsub_ses-EphysMedOff_task-gripforce_run-0_ieeg"
    for ending in ("ieeg.vhdr", "ieeg.eeg", "ieeg.json", "channels.tsv"):
        start = name.removesuffix("ieeg")
        shutil.copyfile(folder / f"task-gripforce_run-0_{ending}", tmp_path / f"{start}{ending}")
    (tmp_path / f"{name}.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\n"
        f"DataFile={name}.eeg\n[Marker Infos]\n"
    )
    found = read(tmp_path / f"{name}.vhdr", activity="ecog")
    with np.load(folder / "ecog_stn_gripforce.npz") as arrays:
        for series, array in (("ecog", "ecog"), ("dbs", "stn_lfp")):
            np.testing.assert_allclose(found.series[series].values, arrays[array], rtol=1e-6)
        grip = found.series["misc"]
        np.testing.assert_allclose(grip.values[:, 0] * 1e6, arrays["grip_force"], rtol=1e-5)
    assert found.subject == "sub-testsub" and said(found, "the unit in the file may be wrong")


def fif(path, first_samp=0, meas_date=None, stim=None, annotations=(), bads=()):
    """Write 20 s of two channels of EEG at 256 Hz, with triggers."""
    values = RNG.standard_normal((3, 5120)) * 1e-5
    values[2] = 0 if stim is None else stim
    info = mne.create_info(["Cz", "Pz", "STI 014"], 256, ["eeg", "eeg", "stim"])
    raw = mne.io.RawArray(values, info, first_samp=first_samp, verbose="ERROR")
    raw.set_meas_date(meas_date)
    if annotations:
        raw.set_annotations(mne.Annotations(*zip(*annotations, strict=True)))
    raw.info["bads"] = list(bads)
    raw.set_montage("standard_1020", verbose="ERROR")
    raw.save(path, overwrite=True, verbose="ERROR")
    return raw


def test_places_of_electrodes_are_kept_when_channels_are_chosen(tmp_path):
    raw = fif(tmp_path / "a_raw.fif")
    places = read(tmp_path / "a_raw.fif").series["eeg"].positions
    np.testing.assert_allclose(places, [one["loc"][:3] for one in raw.info["chs"][:2]], rtol=1e-6)


EVENTS = np.array([[300, 0, 1], [1000, 0, 2], [2000, 0, 1], [5000, 0, 2]])


def epochs_fif(path, raw):
    made = mne.Epochs(
        raw,
        EVENTS,
        {"left": 1, "right": 2},
        tmin=-0.25,
        tmax=0.75,
        baseline=None,
        picks="eeg",
        preload=True,
        metadata=pd.DataFrame({"side": list("abcd"), "level": [1.5, 2, np.nan, 4]}),
        verbose="ERROR",
    )
    made.save(path, overwrite=True, verbose="ERROR")
    return made


def test_epochs_become_trials_that_no_window_crosses(tmp_path):
    """The last epoch would reach past the end, so that MNE drops it when it is made."""
    made = epochs_fif(tmp_path / "a-epo.fif", fif(tmp_path / "a_raw.fif"))
    found = read(tmp_path / "a-epo.fif")
    assert len(made) == 3 and len(made.times) == 257
    values = found.series["eeg"].values.reshape(3, 257, 2)
    np.testing.assert_allclose(values, made.get_data(copy=True).transpose(0, 2, 1) * 1e6, rtol=1e-5)
    trials = found.tables["trials"]
    assert trials.columns["event"].tolist() == ["left", "right", "left"]
    assert trials.columns["side"].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(trials.stop - trials.start, 257 / 256)
    assert said(found, "time 0 of an epoch is 0.25 s after its start")
    source = {"targets": {"event": {"table": "trials", "column": "event"}}, "trials": "trials"}
    one = recording(tmp_path / "a-epo.fif", **source)
    assert len(np.unique(one.stretches)) == 3 and len(one.activity) == 30


def eeglab(path, **fields):
    scipy.io.savemat(path, {"EEG": fields}, appendmat=False, oned_as="row")
    return path


def eeglab_fields(values, **fields):
    names = np.array([(f"E{i}", "") for i in range(len(values))], [("labels", "O"), ("type", "O")])
    shape = np.shape(values)
    return {
        "data": values,
        "nbchan": shape[0],
        "pnts": shape[1],
        "trials": shape[2] if len(shape) > 2 else 1,
        "srate": 100.0,
        "xmin": 0.0,
        "xmax": (shape[1] - 1) / 100,
        "chanlocs": names,
        "icawinv": [],
        "icaweights": [],
        "icasphere": [],
        "epoch": [],
        "event": [],
        **fields,
    }


def test_epochs_of_eeglab_become_trials(tmp_path):
    values = RNG.standard_normal((2, 50, 6)) * 20
    kinds = np.array([f"s{i % 2}" for i in range(6)], dtype=object)
    latencies = [i * 50 + 11.0 for i in range(6)]
    event = np.array(
        list(zip(kinds, latencies, range(1, 7), strict=True)),
        [("type", "O"), ("latency", "O"), ("epoch", "O")],
    )
    epoch = np.array(
        [(i + 1, kind, 0.0) for i, kind in enumerate(kinds)],
        [("event", "O"), ("eventtype", "O"), ("eventlatency", "O")],
    )
    path = eeglab(tmp_path / "e.set", **eeglab_fields(values, event=event, epoch=epoch))
    found = read(path)
    np.testing.assert_allclose(
        found.series["eeg"].values.reshape(6, 50, 2), values.transpose(2, 1, 0), rtol=1e-5
    )
    assert found.tables["trials"].columns["event"].tolist() == list(kinds)
