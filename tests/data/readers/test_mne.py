"""EEG and MEG files keep their clocks, units and rates; what they cannot say is told."""

import datetime
import importlib
import json
import shutil
import subprocess
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.io
from edf_files import channel, write_edf

from invariance_probe.data.files import stamp_of
from invariance_probe.data.readers import read_contents
from invariance_probe.data.readers.formats import kind_of
from invariance_probe.data.readers.mne import read_mne
from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.signals import MneRecording

edfio = pytest.importorskip("edfio", reason="edfio writes the files: install the extra test")
mne = pytest.importorskip("mne", reason="install the extra test")
pytest.importorskip("torch", reason="proposed studies are run")
invoke = importlib.import_module("helpers.program").invoke

RNG = np.random.default_rng(0)
FIXTURES = "eeg_fixtures"
RUNS = (3, 5, 7, 9, 11, 13)


def declaration(**declared):
    return MneRecording(path="x", session="s", **{"bin_s": 0.1, **declared})


def read(path, **declared):
    return read_mne(path, declaration(**declared))


def recording(path, **declared):
    return Recording.from_contents(declaration(**declared), read(path, **declared), str(path))


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


# Trap 12: records that are not contiguous


def paused(path, pause, variant="EDF+D", back=False):
    """50 records of 1 s with a pause after the 20th; text B lies 5 s after the pause."""
    onsets = np.arange(50.0)
    onsets[20:] += pause
    if back:
        onsets[30] = onsets[28]
    texts = [(5, 1, "A"), (18, 4, "across"), (21.5, 1, "inside"), (25 + pause, 1, "B")]
    return write_edf(path, [channel("EEG Cz", noise(50))], onsets + 0.25, texts, variant)


@pytest.mark.parametrize("variant", ["EDF+D", "EDF+C"])
@pytest.mark.parametrize("pause", [5, 60])
def test_a_pause_between_records_stays_a_pause(tmp_path, pause, variant):
    path = paused(tmp_path / "p.edf", pause, variant)
    found = read(path)
    times = found.series["eeg"].times
    np.testing.assert_allclose(times[[0, 1999, 2000, -1]], [0, 19.99, 20 + pause, 49.99 + pause])
    table = {text: (start, lasts) for text, start, lasts in annotated(found)}
    start, _ = table["B"]
    assert np.searchsorted(times, start - 1e-9) == 2475  # counted from the first sample, at .25 s
    (note,) = said(found, "lie where nothing was recorded")
    assert note.startswith("1 of 4") and "'inside' at 21.25 s" in note
    (note,) = said(found, f"paused 1 time, for {pause} s in all")
    assert ("although the header says that it is contiguous" in note) == (variant == "EDF+C")
    whole = recording(path)
    assert len(np.unique(whole.stretches)) == 2 and len(whole.activity) == 500
    assert len(mne.io.read_raw_edf(path, verbose="ERROR").times) == 5000  # it joins them


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda path: paused(path, 5, back=True),
            "record 30 starts at 33.25 s, before record 29 ends at 35.25 s",
        ),
        (
            lambda path: write_edf(path, [channel("EEG Cz", noise(5))], variant="EDF+D"),
            "has no signal of annotations, so the times of its records are unknown",
        ),
    ],
)
def test_records_whose_time_is_unknown_are_refused(tmp_path, write, message):
    assert message in refusal(write(tmp_path / "p.edf"))


def test_the_made_files_with_a_pause_are_read_in_true_time(public):
    for pause, at in ((5, {"B": 2500, "C": 4000}), (60, {"B": 2500, "C": 4450})):
        found = read(public(f"{FIXTURES}/made_edfd_pause{pause}.edf"))
        times = found.series["eeg"].times
        starts = {text: start for text, start, _ in annotated(found)}
        assert {text: int(np.searchsorted(times, starts[text] - 1e-9)) for text in at} == at


# Trap 13: units of measure


def in_units(path, units):
    return write_edf(path, [channel(f"EEG {i}", noise(20), unit=u) for i, u in enumerate(units)])


@pytest.mark.parametrize("unit", ["", ".V", "counts"])
def test_channels_of_unknown_unit_are_left_out_or_have_it_stated(tmp_path, unit):
    path = in_units(tmp_path / "u.edf", ["uV", unit])
    found = read(path)
    assert found.series["eeg"].channels == ("EEG 0",)
    (note,) = said(found, "no unit of electric potential is known of 1 of 2 channels: 'EEG 1'")
    assert note.endswith("they are left out (unit_of_measure states it)")
    stated = read(path, unit_of_measure="mV").series["eeg"]
    assert stated.channels == ("EEG 0", "EEG 1")
    assert stated.values[:, 1].std() > 100 * stated.values[:, 0].std()
    assert "state it with unit_of_measure" in refusal(path, units=("EEG 1",))
    assert "state it with unit_of_measure" in refusal(in_units(tmp_path / "n.edf", [unit]))


@pytest.mark.parametrize(
    ("unit", "told"), [("uV", False), ("µV", False), ("mV", True), ("V", True), ("nV", True)]
)
def test_potentials_are_given_in_microvolts_and_odd_ones_are_told(tmp_path, unit, told):
    """Their SD is 20 in the file's unit."""
    found = read(in_units(tmp_path / "u.edf", [unit]))
    factor = {"uV": 1, "µV": 1, "mV": 1e3, "V": 1e6, "nV": 1e-3}[unit]
    series = found.series["eeg"]
    assert series.unit == "uV" and series.values.std() == pytest.approx(20 * factor, rel=0.1)
    assert bool(said(found, "the SD is outside of 0.1 to 500 uV in 1 of 1 channel")) == told


def test_constant_channels_and_those_with_an_empty_range_are_told(tmp_path):
    channels = [channel("EEG a", noise(9)), channel("EEG b", np.zeros(900, int))]
    channels.append(channel("EEG c", noise(9), limits=(0, 0)))
    found = read(write_edf(tmp_path / "c.edf", channels))
    assert found.series["eeg"].channels == ("EEG a", "EEG b")
    assert said(found, "constant in 1 of 2 channels of 'eeg': EEG b")
    assert said(found, "1 of 3 channels have an empty range in the header")


# Trap 14: names that occur twice, several rates, types


def test_names_that_occur_twice_are_made_different_and_rates_stay_apart(tmp_path):
    fast, slow = noise(10), noise(10, 10)
    found = read(
        write_edf(
            tmp_path / "r.edf",
            [
                channel("EEG A", fast),
                channel("EEG A", fast[::-1]),
                channel("EEG s", slow, rate=10),
                channel("Resp", slow, rate=10, unit="%"),
            ],
        )
    )
    assert {name: s.channels for name, s in found.series.items()} == {
        "eeg": ("EEG A", "EEG A-2"),
        "eeg@10Hz": ("EEG s",),
        "misc": ("Resp",),
    }
    np.testing.assert_allclose(found.series["eeg"].values[:, 1], fast[::-1] * 0.1, atol=0.06)
    assert len(found.series["eeg@10Hz"].times) == 100  # MNE gives it 1000
    assert said(found, "1 of 4 channels have the name of an earlier one: 'EEG A' as 'EEG A-2'")


def test_types_are_taken_from_labels_or_stated(tmp_path, public):
    found = read(public(f"{FIXTURES}/chtypes_edf.edf"))
    assert {name: len(s.channels) for name, s in found.series.items()} == {
        "eeg": 27, "misc": 13, "ecg": 2,
    }  # fmt: skip
    assert said(found, "3 of 8 annotations only repeat their time and are left out")
    path = write_edf(tmp_path / "t.edf", [channel(name, noise(9)) for name in ("Cz", "EX1")])
    assert said(read(path), "labels do not say what channels record, so 2 of 2 are taken for EEG")
    assert set(read(path, types={"EX1": "eog"}).series) == {"eeg", "eog"}
    assert "types names 'EX9', but the channels are 'Cz', 'EX1'" in refusal(
        path, types={"EX9": "eog"}
    )


# Trap 15: annotations that overlap, are short, or reach past the end


def test_a_bin_has_the_label_that_covers_most_of_it(tmp_path):
    texts = [(0, 30, "N2"), (10.2, 1, "arousal"), (30, 29.5, "R"), (59, 30, "W")]
    path = write_edf(
        tmp_path / "l.edf",
        [channel("EEG Cz", noise(60))],
        np.arange(60),
        texts,
        "EDF+C",
        text_size=99,
    )
    found = read(path)
    assert [text for text, *_ in annotated(found)] == ["N2", "arousal", "R", "W"]
    assert said(found, "rows of 'annotations' overlap by at most 1 s")
    target = {"stage": {"table": "annotations", "column": "description"}}
    one = recording(path, targets=target, bin_s=1)
    stages = one.targets["stage"].tolist()
    assert [stages.count(x) for x in ("N2", "R", "W")] == [30, 29, 1] and len(stages) == 60


def test_annotations_rounded_to_four_digits_are_all_kept(public):
    found = read(public(f"{FIXTURES}/test_edf_overlapping_annotations.edf"))
    assert len(found.tables["annotations"].start) == 38
    assert said(found, "16 of 38 rows of 'annotations' start before an earlier one has stopped")
    assert said(found, "overlap by at most 0.025 s")


# Traps 16 and 17: trials around events, and triggers


def triggers(ramp=True):
    stim = np.zeros(5120)
    stim[300:303] = [4, 5, 5] if ramp else 5
    stim[2000:2010] = 2
    stim[5000:5001] = 2
    return stim


def test_events_come_from_the_rate_of_the_file_and_single_samples_are_told(tmp_path):
    fif(tmp_path / "e_raw.fif", first_samp=2560, stim=triggers())
    found = read(tmp_path / "e_raw.fif")
    events = found.tables["events"]
    np.testing.assert_allclose(events.start * 256, [300, 301, 2000, 5000])
    np.testing.assert_allclose(events.stop * 256, [301, 303, 2010, 5001])
    assert events.columns["code"].tolist() == [4, 5, 2, 2]
    assert said(found, "2 of 4 events of 'events' last a single sample (0.00390625 s)")


def test_trials_around_events_are_half_open_and_those_past_the_end_are_counted(tmp_path):
    fif(tmp_path / "e_raw.fif", stim=triggers(ramp=False))
    around = {"window_s": [-0.25, 0.75], "column": "code", "labels": ["2", "5"]}
    found = read(tmp_path / "e_raw.fif", event_trials=around)
    trials = found.tables["trials"]
    np.testing.assert_allclose(trials.start, np.array([300, 2000]) / 256 - 0.25)
    np.testing.assert_allclose(trials.stop - trials.start, 1.0)
    assert said(found, "1 of 3 trials around events reach past the recording and are left out: 2")
    one = recording(
        tmp_path / "e_raw.fif",
        event_trials=around,
        trials="trials",
        bin_s=1 / 64,
        targets={"code": {"table": "trials", "column": "code"}},
    )
    assert len(one.activity) == 128 and np.unique(one.targets["code"]).tolist() == [2, 5]
    assert "never holds '9'" in refusal(
        tmp_path / "e_raw.fif", event_trials={**around, "labels": ["9"]}
    )
    assert "event_trials needs a table 'cues'; the file has 'events'" in refusal(
        tmp_path / "e_raw.fif", event_trials={"table": "cues", "window_s": [0, 1]}
    )


# Trap 18: what times count from


@pytest.mark.parametrize("first_samp", [0, 2560])
@pytest.mark.parametrize("year", [None, 1902, 1955, 2020])
def test_times_count_from_the_first_sample_whatever_the_date(tmp_path, first_samp, year):
    date = None if year is None else datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
    marks = [(4.0, 1.0, "BAD_x"), (6.0, 0.5, "go")]
    path = tmp_path / "d_raw.fif"
    stim = triggers()
    fif(path, first_samp=first_samp, meas_date=date, annotations=marks, stim=stim)
    found = read(path)
    assert annotated(found) == [("BAD_x", 4.0, 1.0), ("go", 6.0, 0.5)]
    np.testing.assert_allclose(found.tables["events"].start[0], 300 / 256)
    cut = mne.io.read_raw_fif(path, verbose="ERROR").crop(1.0, 15.0)
    cut.save(tmp_path / "c_raw.fif", verbose="ERROR")
    found = read(tmp_path / "c_raw.fif")
    assert annotated(found) == [("BAD_x", 3.0, 1.0), ("go", 5.0, 0.5)]
    np.testing.assert_allclose(found.tables["events"].start[0], 44 / 256)
    one = recording(tmp_path / "c_raw.fif")
    assert len(np.unique(one.stretches)) == 2
    assert any("10 of 140 bins are left out: a break in the recording" in n for n in one.notes)


def test_channels_marked_as_bad_are_left_out_unless_named(tmp_path):
    fif(tmp_path / "b_raw.fif", bads=["Pz"])
    found = read(tmp_path / "b_raw.fif")
    assert found.series["eeg"].channels == ("Cz",)
    assert said(found, "1 of 3 channels are marked as bad and left out: Pz")
    assert read(tmp_path / "b_raw.fif", units=("Pz",)).series["eeg"].channels == ("Cz", "Pz")


# Trap 23: tables of BIDS


def bids(folder, events=None, channels=None, duration=None, mark="\ufeff"):
    """A dataset with one run of 20 s of EDF; `events` and `channels` are rows of cells."""
    eeg = folder / "sub-07" / "eeg"
    eeg.mkdir(parents=True)
    (folder / "dataset_description.json").write_text("{}")
    (folder / "participants.tsv").write_text(f"{mark}participant_id\tage\nsub-07\t31\n")
    for name, rows in (("events", events), ("channels", channels)):
        if rows is not None:
            text = "\n".join("\t".join(row) for row in rows)
            (eeg / f"sub-07_task-rest_{name}.tsv").write_text(mark + text + "\n", encoding="utf-8")
    if duration is not None:
        (eeg / "sub-07_task-rest_eeg.json").write_text(json.dumps({"RecordingDuration": duration}))
    names = [("Cz", "uV"), ("Pz", ""), ("VEOG", "uV"), ("Temp", "uV")]
    path = eeg / "sub-07_task-rest_eeg.edf"
    return write_edf(path, [channel(name, noise(20), unit=unit) for name, unit in names])


HEADER = ("onset", "duration", "trial_type", "value", "sample")
BIDS_EVENTS = {
    "everything": (
        [("1.5", "1", "go", "1", "151"), ("4", "0", "stop", "2", "401")],
        [1.5, 4.0], [2.5, 4.0], ["go", "stop"],
        "1 of 2 rows of 'events' has the same start and stop",
    ),
    "no onset": (
        [("n/a", "1", "go", "1", "1"), ("nan", "1", "a", "2", "2"), ("2", "1", "b", "3", "3")],
        [np.nan, np.nan, 2.0], [np.nan, np.nan, 3.0], ["go", "a", "b"],
        "2 of 3 rows of 'events' have no start",
    ),
    "no duration": (
        [("1", "n/a", "go", "1", "1"), ("2", "0.5", "go", "1", "1")],
        [1.0, 2.0], [np.nan, 2.5], ["go", "go"], "1 of 2 rows of 'events' has no stop",
    ),
    "types only in value": (
        [("1", "1", "n/a", "left", "1"), ("3", "1", "n/a", "right", "1")],
        [1.0, 3.0], [2.0, 4.0], ["left", "right"],
        "'trial_type' of 'events' is n/a in all rows: 'value' is taken in its place",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("case", BIDS_EVENTS)
def test_events_of_bids_are_in_seconds_and_what_they_lack_is_told(tmp_path, case, mark):
    rows, start, stop, types, note = BIDS_EVENTS[case]
    found = read(bids(tmp_path, [HEADER, *rows], mark=mark))
    table = found.tables["events"]
    np.testing.assert_array_equal(table.start, start)
    np.testing.assert_array_equal(table.stop, stop)
    assert table.columns["trial_type"].tolist() == types and said(found, note)
    assert found.subject == "sub-07"
    assert said(found, "participants.tsv says of sub-07: age 31")


def test_channels_of_bids_have_its_types_units_and_states(tmp_path):
    rows = [
        ("name", "type", "units", "status"),
        ("Cz", "EEG", "uV", "bad"),
        ("Pz", "EEG", "mV", "good"),
        ("VEOG", "VEOG", "n/a", "good"),
        ("Temp", "TEMP", "oC", "n/a"),
    ]
    found = read(bids(tmp_path, channels=rows))
    assert {name: (s.channels, s.unit) for name, s in found.series.items()} == {
        "eeg": (("Pz",), "uV"), "eog": (("VEOG",), "uV"), "temperature": (("Temp",), "oC"),
    }  # fmt: skip
    assert found.series["eeg"].values.std() > 1e4
    assert said(found, "1 of 4 channels are marked as bad and left out: Cz")
    assert said(found, "types of 2 of 4 channels are those of channels.tsv")
    assert said(found, "units of 1 channel are those of channels.tsv: Temp oC for uV")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("start", "duration"), ("1", "1")], "events.tsv has no column 'onset'"),
        ([HEADER, ("one", "1", "a", "b", "1")], "has the onset 'one', which is no number"),
        ([HEADER, ("1", "1")], "has 5 columns, but 2 cells in line 2"),
    ],
)
def test_a_table_of_bids_that_cannot_be_used_stops_the_study_that_needs_it(tmp_path, rows, message):
    path = bids(tmp_path, rows)
    source = {"go": {"inside": "events"}}
    assert message in refusal(path, targets=source, types={"Pz": "misc"})
    assert read(path, bids=False).subject == ""


def test_a_study_of_a_dataset_takes_its_subject(tmp_path):
    path = bids(tmp_path, [HEADER, ("1", "2", "a", "b", "1")])
    assert recording(path, units=("Cz",)).subject == "sub-07"
    assert recording(path, units=("Cz",), subject="me").subject == "me"
    assert "bids is true, but no channels.tsv" in refusal(bids(tmp_path / "x"), bids=True)


def test_a_file_of_another_duration_than_its_dataset_says_is_refused(tmp_path, public):
    """In the tiny dataset the header declares 16-bit numbers, and the data are 32-bit."""
    path = public(f"{FIXTURES}/tiny_bids") / "sub-01/ses-eeg/eeg/sub-01_ses-eeg_task-rest_eeg.vhdr"
    message = refusal(path)
    assert "holds 2 s by its header, but its dataset states 0.9998 s" in message
    assert len(read(path, bids=False).series["eeg"].times) == 10000
    rows = [HEADER, ("1", "2", "a", "b", "1")]
    assert "states 40 s" in refusal(bids(tmp_path, rows, duration=40))


# Trap 24: EEGLAB


def eeglab_events(*rows):
    fields = [("type", "O"), ("latency", "O"), ("duration", "O")]
    return np.array([tuple(row) for row in rows], fields)


@pytest.mark.parametrize("latency", [251.0, 250.5, 251.4])
def test_latencies_of_eeglab_count_from_one_and_boundaries_are_cuts(tmp_path, latency):
    """The duration of a boundary is that of what was removed, and not of what follows."""
    event = eeglab_events(("boundary", latency, 4000.0), ("go", 2.7952, 50.0))
    values = RNG.standard_normal((2, 1000)) * 20
    path = eeglab(tmp_path / "e.set", **eeglab_fields(values, event=event))
    found = read(path)
    (go,) = [row for row in annotated(found) if row[0] == "go"]
    assert go[1:] == (pytest.approx(0.017952), 0.5)
    np.testing.assert_allclose(found.series["eeg"].values, values.T, rtol=1e-5)
    one = recording(path)
    assert len(one.activity) == 99 and len(np.unique(one.stretches)) == 2
    assert any("1 of 100 bins are left out: a break in the recording" in n for n in one.notes)


def test_the_files_of_eeglab_are_read_by_what_they_hold(public):
    found = read(public(f"{FIXTURES}/test_raw_2021.set"))
    assert found.series["eeg"].values.shape == (1281, 3)
    assert annotated(found)[0][:2] == ("square", pytest.approx(1.000068, abs=1e-6))
    found = read(public(f"{FIXTURES}/test_raw_event_duration.set"))
    assert found.series["eeg"].values.shape == (513, 1)
    assert [lasts for *_, lasts in annotated(found)] == [0.5, 0.5, 0.5]
    found = read(public(f"{FIXTURES}/test_raw_chanloc.set"))
    assert found.series["eeg"].positions.shape == (61, 3) and not len(found.breaks)


# Trap 25: BrainVision


def test_new_segments_and_bad_intervals_are_breaks_that_no_window_crosses(public):
    path = public(f"{FIXTURES}/made_segments.vhdr")
    found = read(path)
    np.testing.assert_allclose(found.breaks, [[10, 10], [14, 16], [20, 20]])
    assert said(
        found, "1 of 10 annotations lie where nothing was recorded: 'Stimulus/S  1' at 30 s"
    )
    one = recording(path)
    assert [int(n) for n in np.bincount(one.stretches)] == [100, 39, 40, 99]
    assert any("22 of 300 bins are left out: a break in the recording" in n for n in one.notes)
    assert len(recording(path, breaks=()).activity) == 300


def test_an_old_brainvision_file_is_read(public):
    found = read(public(f"{FIXTURES}/test_old_layout_latin1_software_filter.vhdr"), bin_s=0.05)
    assert found.series["eeg"].values.shape == (251, 29)
    np.testing.assert_allclose(found.breaks, [[0.004, 0.004]])


# Filters


FILTERS = [
    ({"low_hz": 1.0}, 1.65),
    ({"low_hz": 4.0, "high_hz": 20.0}, 0.825),
    ({"high_hz": 20.0}, 0.33),
    ({"low_hz": 0.5}, 3.3),
]


def impulse(path, at):
    values = np.zeros(3000, int)
    values[at] = 10000
    return write_edf(path, [channel("EEG Cz", values)])


@pytest.mark.parametrize(("filter_", "reach"), FILTERS)
def test_a_filter_is_that_of_mne_and_reaches_as_far_as_it_says(tmp_path, filter_, reach):
    path = impulse(tmp_path / "i.edf", 1500)
    found = read(path, filter=filter_)
    assert declaration(filter=filter_).reach_s == pytest.approx(reach)
    after = found.series["eeg"].values[:, 0]
    moved = np.flatnonzero(np.abs(after - np.median(after)) > 1e-3)
    far = max(abs(moved - 1500)) / 100
    assert 0.9 * reach < far <= reach + 0.01
    before = read(path).series["eeg"].values[:, 0].astype(float)
    assert not np.allclose(before, after)
    low, high = filter_.get("low_hz"), filter_.get("high_hz")
    other = mne.filter.filter_data(before, 100, low, high, verbose="ERROR")
    np.testing.assert_allclose(after[300:-300], other[300:-300], atol=0.02)
    assert said(found, "by MNE without phase shift")


def test_no_filter_reaches_over_a_break_and_short_stretches_are_left_out(tmp_path):
    onsets = np.arange(30.0) + np.repeat([0, 7, 9], [14, 2, 14])
    values = np.zeros(3000, int)
    values[1390] = 10000
    path = write_edf(tmp_path / "b.edf", [channel("EEG Cz", values)], onsets, variant="EDF+D")
    found = read(path, filter={"low_hz": 1.0})
    series = found.series["eeg"]
    late = series.values[series.times > 23, 0]
    assert np.ptp(late) < 1e-3 and np.isnan(series.values[1400:1600]).all()
    assert said(found, "1 of 3 stretches are shorter than the filter (3.3 s) and are left out")
    one = recording(path, filter={"low_hz": 1.0})
    assert len(one.activity) == 280 and len(np.unique(one.stretches)) == 2


@pytest.mark.parametrize(
    ("filter_", "message"),
    [
        ({"high_hz": 45.0}, "needs more than 100 samples per second"),
        ({"low_hz": 0.05}, "no unbroken stretch is longer than the filter (66 s)"),
    ],
)
def test_a_filter_that_cannot_be_used_is_refused(tmp_path, filter_, message):
    assert message in refusal(impulse(tmp_path / "i.edf", 9), filter=filter_)


def test_an_embargo_reaches_over_the_time_between_filtered_trials(tmp_path):
    """Without a filter each trial is a segment, in which alone an embargo counts."""
    texts = [(4 * i, 2, f"T{i % 2}") for i in range(7)]
    values = [channel("EEG Cz", noise(30))]
    path = write_edf(tmp_path / "t.edf", values, np.arange(30), texts, "EDF+C", text_size=99)
    plain = recording(path, trials="annotations")
    after = recording(path, trials="annotations", filter={"low_hz": 2.0})
    assert len(np.unique(plain.segments)) == 7 and len(np.unique(after.segments)) == 1
    np.testing.assert_array_equal(plain.stretches, after.stretches)


# What is needed, and what is refused


def test_mne_is_loaded_only_where_it_is_needed(tmp_path):
    write_edf(tmp_path / "a.edf", [channel("EEG Cz", noise(5))])
    code = (
        "import sys; from pathlib import Path; import invariance_probe.cli\n"
        "from invariance_probe.data.readers import read_contents\n"
        "read_contents('mne', Path('a.edf'), {}).series['eeg']; sys.exit('mne' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0


def test_without_mne_one_sentence_says_how_to_install_it(tmp_path, monkeypatch):
    fif(tmp_path / "a_raw.fif")
    monkeypatch.setitem(sys.modules, "mne", None)
    monkeypatch.delitem(sys.modules, "invariance_probe.data.readers.mne.through_mne", False)
    message = refusal(tmp_path / "a_raw.fif")
    assert message.endswith(
        "needs MNE, which is not installed: pip install 'invariance-probe[eeg]'"
    )


def test_an_mne_that_does_not_fit_the_rest_is_not_called_absent(tmp_path):
    """As version 1.9 with a SciPy that no longer has what it imports."""
    fif(tmp_path / "a_raw.fif")
    (tmp_path / "mne.py").write_text("from scipy.special import no_such_name\n")
    code = (
        "from pathlib import Path; from invariance_probe.data.readers import read_contents\n"
        "read_contents('mne', Path('a_raw.fif'), {})"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert "needs MNE, which cannot be imported here (cannot import name" in found.stderr


def test_inspecting_a_file_does_not_load_it(tmp_path):
    """It has 64 channels of 10 minutes at 250 Hz, which take 77 MB in memory."""
    path = write_edf(
        tmp_path / "a.edf", [channel(f"EEG {i}", noise(1, 250), 250) for i in range(64)]
    )
    record = path.read_bytes()[256 * 65 :]
    head = bytearray(path.read_bytes()[: 256 * 65])
    head[236:244] = b"600     "
    with path.open("wb") as file:
        file.write(head)
        for _ in range(600):
            file.write(record)
    tracemalloc.start()
    found = read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 12e6 and found.series["eeg"].values.nbytes == 64 * 150_000 * 4


def whole(path):
    return write_edf(path, [channel("EEG Cz", noise(5))])


def damaged(path, at, text):
    held = bytearray(whole(path).read_bytes())
    held[at : at + len(text)] = text
    path.write_bytes(held)


WRONG = {
    "text": ("a.edf", lambda p: p.write_text("hello"), "is no EDF or BDF file: it is text that"),
    "empty": ("a.edf", lambda p: p.write_text(""), "is no EDF or BDF file: it is empty"),
    "half a header": (
        "a.edf",
        lambda p: p.write_bytes(whole(p).read_bytes()[:300]),
        "ends inside its header, so the file is incomplete; copy or download it again",
    ),
    "a header of letters": (
        "a.edf",
        lambda p: damaged(p, 236, b"many    "),
        "the number of records in the header is 'many'",
    ),
    "records that last no time": (
        "a.edf", lambda p: damaged(p, 244, b"0       "), "a record lasts 0 s by the header",
    ),
    "no FIF file": ("a_raw.fif", lambda p: p.write_text("hello"), "cannot be read by MNE: "),
    "a header alone": (
        "a.vhdr",
        lambda p: p.write_text(
            "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\n"
            "DataFile=gone.eeg\nMarkerFile=gone.vmrk\nDataFormat=BINARY\n"
            "DataOrientation=MULTIPLEXED\nNumberOfChannels=1\nSamplingInterval=4000\n"
            "[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\nCh1=Cz,,0.1,uV\n"
        ),
        "gone.",
    ),
    "no EEGLAB file": ("a.set", lambda p: p.write_text("hello"), "cannot be read by MNE: "),
    "an unknown ending": ("a.xyz", lambda p: p.write_text("hello"), "cannot be read by MNE: "),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, case):
    name, write, message = WRONG[case]
    write(tmp_path / name)
    assert message in refusal(tmp_path / name)


def test_a_file_that_ends_early_is_read_to_its_end_and_told(tmp_path):
    path = whole(tmp_path / "a.edf")
    path.write_bytes(path.read_bytes()[:-250])
    found = read(path)
    assert len(found.series["eeg"].times) == 300
    assert said(found, "the header declares 5 records, but the file holds 3 complete ones")


def test_a_file_of_annotations_alone_has_no_activity(public):
    path = public("sleep_edf/hypnograms/SC4001EC-Hypnogram.edf")
    assert "has no activity 'eeg'; it has none" in refusal(path)


def test_the_proposed_study_of_a_motor_run_runs_to_a_verdict(tmp_path, public):
    path = public("eeg_motor/S001R03.edf")
    study = invoke("data", "inspect", path, "--study", cwd=tmp_path, check=0).stdout
    assert "description: {table: annotations, column: description}" in study
    assert "in_annotations" not in study  # the three labels leave no time between them
    (tmp_path / "s.yaml").write_text(study)
    short = ("--set", "training.steps=20", "--set", "training.seeds=1", "--out", "report")
    invoke("run", "s.yaml", *short, cwd=tmp_path, check=0)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["hypotheses"][0]["verdict"]


def test_a_filtered_study_needs_an_embargo_as_long_as_the_filter_reaches(tmp_path, public):
    path = public("eeg_motor/S001R03.edf")
    given = ("--set", "filter={low_hz: 1}", "--set", "bin_s=0.2")
    study = invoke("data", "inspect", path, "--study", *given, cwd=tmp_path, check=0).stdout
    study = study.replace("embargo_s: 2}", "embargo_s: 1.6}")
    (tmp_path / "s.yaml").write_text(study)
    found = invoke("validate", "s.yaml", cwd=tmp_path, check=2)
    assert "folds.embargo_s: the filter of session 'S001R03' reaches 1.65 s" in found.stderr
    assert "use an embargo_s of at least 1.8" in found.stderr
    (tmp_path / "s.yaml").write_text(study.replace("embargo_s: 1.6}", "embargo_s: 1.8}"))
    invoke("validate", "s.yaml", cwd=tmp_path, check=0)


@pytest.mark.parametrize("end", ["edf", "BDF", "vhdr", "fif", "fif.gz", "set", "gdf"])
def test_kinds_are_known_by_the_ends_of_names(tmp_path, end):
    (tmp_path / f"a.{end}").touch()
    assert kind_of(tmp_path / f"a.{end}") == "mne"


def test_an_edf_file_of_another_name_is_read_all_the_same(tmp_path):
    """Its records and pauses are those of the file, which MNE would not see."""
    named = read(whole(tmp_path / "a.edf")).series["eeg"]
    other = read((tmp_path / "a.edf").rename(tmp_path / "a.dat")).series["eeg"]
    np.testing.assert_array_equal(named.values, other.values)


def test_settings_are_given_without_a_study(tmp_path):
    found = read_contents("mne", whole(tmp_path / "a.edf"), {"types": {"EEG Cz": "seeg"}})
    assert list(found.series) == ["seeg"]


def test_a_changed_table_beside_a_recording_is_noticed(tmp_path):
    path = bids(tmp_path, [HEADER, ("1", "2", "a", "b", "1")])
    before = stamp_of(path, declaration(), path.parent)
    with (path.parent / "sub-07_task-rest_events.tsv").open("a") as file:
        file.write("3\t1\ta\tb\t3\n")
    assert stamp_of(path, declaration(), path.parent) != before


def test_trials_are_made_of_the_events_of_a_dataset_by_their_codes(tmp_path):
    """Codes such as 1 are numbers in the table, and text in a study."""
    rows = [HEADER, *((f"{2 * i + 1}", "n/a", "n/a", f"{i % 2 + 1}", "1") for i in range(8))]
    around = {"window_s": [0, 1], "column": "value", "labels": ["2"]}
    found = read(bids(tmp_path, rows), event_trials=around)
    assert found.tables["trials"].start.tolist() == [3, 7, 11, 15]
