"""Objects of MNE: channels, annotations and epochs, on a clock that is told."""

import numpy as np
import pandas as pd
import pytest

import invariance_probe as ip
from invariance_probe.errors import DataError

mne = pytest.importorskip("mne", reason="pip install 'invariance-probe[eeg]' to run this file")

RNG = np.random.default_rng(0)
VALUES = RNG.standard_normal((4, 6000)) * 1e-5
EVENTS = np.stack([500 + np.arange(10) * 500, np.zeros(10), np.arange(10) % 2 + 1], 1).astype(int)


def info():
    return mne.create_info(["E1", "E2", "EOG", "STI"], 100.0, ["eeg", "eeg", "eog", "stim"])


def raw(*annotations):
    found = mne.io.RawArray(VALUES, info(), first_samp=500, verbose="ERROR")
    if annotations:
        onsets, durations, words = zip(*annotations, strict=True)
        found.set_annotations(mne.Annotations(onsets, durations, words))
    return found


def epochs(events=EVENTS, **given):
    return mne.Epochs(
        raw(), events, {"left": 1, "right": 2}, tmin=0, tmax=1.99, baseline=None, preload=True,
        verbose="ERROR", **given,
    )  # fmt: skip


def made(activity, **given):
    return ip.Recording.from_signals(activity, **{"bin_s": 0.5, "targets": {}, **given})


def told(recording, words):
    return any(words in note for note in recording.notes)


def means(values):
    return values.reshape(len(values), -1, 50).mean(axis=2).T


def test_neural_channels_are_averaged_and_the_others_are_targets():
    found = made(raw(), targets={"eye": {"series": raw(), "channels": ["EOG"]}})
    assert np.allclose(found.activity, means(VALUES[:2]), rtol=1e-5)
    assert found.unit_ids == ("E1", "E2") and told(found, "are left out: EOG, STI")
    assert np.array_equal(found.targets["eye"], VALUES[2, 25::50])
    bad = raw()
    bad.info["bads"] = ["E2"]
    assert made(bad).unit_ids == ("E1",) and told(made(bad), "marked as bad are left out: E2")


@pytest.mark.parametrize("crop", [0, 10])
def test_annotations_are_on_the_clock_of_the_samples(crop):
    given = raw((20, 5, "rest"), (30, 5, "move")).crop(crop)
    found = made(given, targets={"state": {"table": given, "column": "description"}})
    first = (20 - crop) * 2
    bins = np.r_[first : first + 10, first + 20 : first + 30]
    assert np.flatnonzero(found.known["state"]).tolist() == bins.tolist()
    assert found.targets["state"][bins].tolist() == ["rest"] * 10 + ["move"] * 10
    assert np.allclose(found.activity, means(VALUES[:2])[crop * 2 :], rtol=1e-5)


def test_samples_marked_as_bad_are_left_out_and_a_join_is_told():
    found = made(raw((30, 2, "BAD_blink"), (40, 0, "EDGE boundary")))
    assert len(found.activity) == 116 and len(np.unique(found.segments)) == 2
    assert told(found, "that begin with 'bad' are left out, 2 s")
    assert told(found, "was interrupted or joined at 40 s")


def test_epochs_are_trials_at_the_times_of_their_events():
    given = epochs(metadata=pd.DataFrame({"block": np.arange(10) // 5}))
    found = made(
        given,
        trials=given,
        targets={
            "side": {"table": given, "column": "event"},
            "block": {"table": given, "column": "block"},
        },
    )
    bins = (np.arange(10)[:, None] * 10 + np.arange(4)).reshape(-1)
    assert np.allclose(found.activity, means(VALUES[:2])[bins], rtol=1e-5)
    assert found.trials.tolist() == np.repeat(np.arange(10), 4).tolist()
    assert found.targets["side"].tolist() == (["left"] * 4 + ["right"] * 4) * 5
    assert found.targets["block"].tolist() == [0] * 20 + [1] * 20
    assert told(found, "count from sample 0 of the amplifier")


def test_epochs_without_times_are_put_apart():
    given = mne.EpochsArray(VALUES.reshape(4, 30, 200).transpose(1, 0, 2), info(), verbose="ERROR")
    found = made(given, trials=given)
    assert np.allclose(found.activity, means(VALUES[:2]), rtol=1e-5)
    assert len(np.unique(found.stretches)) == 30 and told(found, "have no times")
    assert len(np.unique(made(given).stretches)) == 30


def overlapping():
    events = EVENTS.copy()
    events[:, 0] = 500 + np.arange(10) * 100
    return epochs(events)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: {"activity": overlapping()}, "9 of its 10 epochs start before.*share samples"),
        (
            lambda: {"activity": raw(), "trials": raw((1, 2, "a")).annotations},
            "give the Raw object whose annotations they are",
        ),
        (
            lambda: {
                "activity": mne.io.RawArray(VALUES, mne.create_info(4, 100.0), verbose="ERROR")
            },
            "of type misc, and none records neural activity",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(given, said):
    with pytest.raises(DataError, match=said):
        made(**given())
