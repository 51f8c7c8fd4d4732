"""Arrays of an archive are recognised by shape, values and name."""

import numpy as np
import pytest

from invariance_probe.data.array_roles import activities, bin_length, epochs_of, sorted_by, targets

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2, (400, 8))
ARRAYS = {
    "velocity": RNG.normal(size=(400, 2)).astype(np.float32),
    "counts": COUNTS.astype(np.uint8),
    "rates_hz": COUNTS * 20.0,
    "lick": RNG.integers(0, 2, (400, 1)).astype(np.uint8),
    "eeg": RNG.integers(-90, 90, (400, 4)).astype(np.int16),
}


def the(name, arrays=ARRAYS):
    return next(one for one in activities(arrays) if one.name == name)


def test_counts_are_the_likeliest_activity_and_a_flag_is_none():
    found = activities(ARRAYS)
    assert found[0].name == "counts" and found[0].kind == "counts"
    assert {one.name for one in found} == {"counts", "rates_hz", "eeg"}


@pytest.mark.parametrize(
    ("name", "said"), [("rates_hz", "multiples of 20"), ("eeg", "whole numbers below 0")]
)
def test_what_looks_like_counts_and_is_none_is_a_signal(name, said):
    assert the(name).kind == "signal" and said in the(name).doubts[0]


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("bin_s", 0.05, 0.05), ("dt", 0.02, 0.02), ("bin_ms", 50, 0.05), ("dt", 20, 0.02),
        ("fs", 1000, 0.001), ("sfreq", 250.0, 0.004), ("rate_hz", 30, 1 / 30),
        ("counts_fs", 20, 0.05), ("song_fs", 20, None), ("gain", 0.5, None),
    ],
)  # fmt: skip
def test_the_length_of_a_bin_is_a_number_with_its_name_or_that_of_a_rate(name, value, seconds):
    found, _ = bin_length({**ARRAYS, name: np.array(value)}, the("counts"))
    assert (found and found.seconds) == (seconds and pytest.approx(seconds))


def test_time_stamps_give_the_length_of_a_bin_and_tell_their_gaps():
    stamps = 7.0 + 0.05 * np.arange(400) + 3.0 * (np.arange(400) > 200)
    found, doubts = bin_length({**ARRAYS, "time_050ms": stamps}, the("counts"))
    assert found.seconds == pytest.approx(0.05) and "has 1 gap," in doubts[0]


TARGETS = {
    "heading": (RNG.uniform(-3, 3, 400), "circular", ""),
    "heading_deg": (RNG.uniform(0, 360, 400), "circular", "np.radians"),
    "target_angle_deg": (45 * RNG.integers(0, 8, 400), "categorical", ""),
    "state": (RNG.integers(0, 3, 400), "categorical", ""),
    "word": (RNG.choice(["a", "b"], 400), "categorical", ""),
    "still": (np.zeros((400, 2)), "continuous", "constant"),
    "lost": (np.where(np.arange(400) < 9, np.nan, 1.0 * np.arange(400)), "continuous", "NaN"),
    "marker": (np.where(np.arange(400) % 99 == 1, 2, 0), "categorical", "by single bins"),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_its_kind_or_a_reason_why_it_is_none(name):
    values, kind, why_not = TARGETS[name]
    found = targets({**ARRAYS, name: values}, the("counts"), {"counts"})
    own = next(one for one in found if one.name == name)
    assert own.kind == kind and why_not in own.why_not and bool(why_not) == bool(own.why_not)


def test_time_and_counters_are_no_targets_and_velocity_is_the_likeliest():
    more = {"state": RNG.integers(0, 3, 400), "time": 0.1 * np.arange(400), "k": np.arange(400)}
    found = targets({**more, **ARRAYS}, the("counts"), {"counts"})
    assert [one.name for one in found] == ["velocity", "state", "lick"]


def test_epochs_have_arrays_of_the_same_names():
    two = {f"{epoch}_{name}": ARRAYS[name] for epoch in ("pre", "post") for name in ARRAYS}
    assert epochs_of(two) == ("pre_", "post_")
    assert epochs_of({"hand_x": ARRAYS["velocity"], "eye_y": ARRAYS["velocity"]}) == ()


def test_bins_that_are_sorted_by_labels_are_noticed():
    epoch = np.repeat([0, 1], 200)
    ordered = np.tile(np.repeat(np.arange(4), 50), 2)
    assert sorted_by({"condition": ordered}, epoch) == "condition"
    assert sorted_by({"condition": np.roll(ordered, 7)}, epoch) is None
