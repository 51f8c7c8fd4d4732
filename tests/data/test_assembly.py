"""What a file holds becomes a recording, and what is left out on the way is told."""

import numpy as np
import pytest
from pydantic import ValidationError

from invariance_probe.data.contents import Contents, Note, Series, SpikeTrains, Table
from invariance_probe.data.description import sentences, study_of
from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.signals import NwbRecording

RNG = np.random.default_rng(0)
SPIKES = SpikeTrains(
    ("a", "b"), tuple(np.sort(RNG.uniform(0, 60, n)) for n in (400, 90)), np.array([[0.0, 60.0]])
)
POSITION = Series(
    RNG.standard_normal((500, 2)),
    np.concatenate([np.arange(250) * 0.1, 30 + np.arange(250) * 0.1]) + 0.003,
    ("x", "y"),
    "m",
)
TRIALS = Table(
    np.array([1.0, 6.0, 12.0, np.nan, 40.0]),
    np.array([5.0, 10.0, 20.0, 25.0, 50.0]),
    {"go": np.array(["left", "right", "left", "left", "right"]), "n": np.arange(5)},
)
TWELVE = Table(np.arange(12.0), np.arange(12.0) + 0.7)
HELD = Contents(
    {"units": SPIKES},
    {"position": POSITION},
    {"trials": TRIALS},
    (Note("a note"), Note("on another", "lfp")),
)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([0.0, np.nan, 2.0], "1 are not finite"),
        ([0.0, 1.0, np.inf], "1 are not finite"),
        ([0.0, np.inf, 2.0], "1 are not finite"),
        ([-np.inf, 0.0], "1 are not finite"),
        ([0.0, 3.0, 2.5, 4.0], "go back from 3 s to 2.5 s"),
    ],
)
def test_spike_times_are_finite_and_ascending(times, said):
    with pytest.raises(DataError, match=f"unit 'a'.* {said}"):
        SpikeTrains(("a",), (np.array(times),))
    assert SpikeTrains(("a", "b"), (np.array([0.0, 1.0, 1.0]), np.zeros(0))).last_s == 1


def made(contents=HELD, **declared):
    source = NwbRecording(path="f.nwb", session="s", **{"bin_s": 0.5, **declared})
    return Recording.from_contents(source, contents, "f.nwb")


def test_every_bin_holds_its_spikes_and_the_readers_notes_come_along():
    found = made()
    assert found.activity.shape == (120, 2) and found.activity.sum() == 490
    assert found.activity_kind == "counts" and found.unit_ids == ("a", "b")
    assert found.trials is None and not found.segments.any() and found.notes == ("a note",)
    for k in (0, 7, 119):
        inside = (SPIKES.times[0] >= k * 0.5) & (SPIKES.times[0] < (k + 1) * 0.5)
        assert found.activity[k, 0] == inside.sum()


def test_bins_without_a_target_are_kept_with_a_mask():
    found = made(targets={"where": {"series": "position"}})
    assert found.targets["where"].shape == (120, 2) and found.known["where"].sum() == 100
    assert not found.stretches.any() and not found.segments.any()
    assert "the target 'where' is unknown in 20 of 120 bins" in found.notes
    one = made(targets={"x": {"series": "position", "channels": ["x"], "max_gap_s": 20.0}})
    assert one.targets["x"].shape == (120,) and not one.known


def test_trials_part_bins_and_a_border_is_in_none():
    found = made(trials="trials", bin_s=0.4, targets={"go": {"table": "trials", "column": "go"}})
    assert set(found.trials) == {0, 1, 2, 4}
    assert set(found.targets["go"][found.trials == 1]) == {"right"}
    assert any("1 of 5 rows of 'trials' have no start" in n for n in found.notes)
    assert any("a border of a row of 'trials' falls inside" in n for n in found.notes)
    assert any("they lie between the rows of 'trials'" in n for n in found.notes)


def test_an_unknown_target_leaves_its_trial_whole():
    position = Series(POSITION.values.copy(), np.arange(500) * 0.1 + 0.003, ("x", "y"))
    position.values[130:140] = np.nan
    held = Contents({"units": SPIKES}, {"position": position}, {"trials": TRIALS})
    found = made(held, trials="trials", targets={"x": {"series": "position", "channels": ["x"]}})
    assert len(np.unique(found.whole_trials)) == len(np.unique(found.stretches)) == 4
    assert (~found.known["x"]).sum() == 2


def test_what_is_asked_for_changes_no_observed_time():
    late = SpikeTrains(("a", "b"), (np.array([1.0, 49.9]), np.array([2.0, 99.9])))
    held = Contents({"units": late}, {}, {"plan": Table(np.array([0.0]), np.array([500.0]))})
    assert len(made(held).activity) == len(made(held, units=["a"]).activity) == 199
    cut = made(held, between_s=[0.0, 600.0])
    assert len(cut.activity) == 199 and any("nothing says when" in note for note in cut.notes)


def test_a_bin_that_an_interval_fills_is_inside():
    table = Table(np.arange(99) + 0.1, np.arange(99) + 0.4)
    spikes = SpikeTrains(("a",), (np.arange(100.0),), np.array([[0.0, 100.0]]))
    held = Contents({"units": spikes}, {}, {"t": table})
    found = made(held, bin_s=0.1, targets={"t": {"inside": "t", "cover": 1.0}})
    assert found.targets["t"].sum() == 297


def test_a_bin_is_inside_or_outside_of_a_tables_intervals():
    found = made(targets={"in_trial": {"inside": "trials"}})
    expected = np.zeros(120, dtype=int)
    for start, stop in ((1, 5), (6, 10), (12, 20), (40, 50)):
        expected[2 * start : 2 * stop] = 1
    np.testing.assert_array_equal(found.targets["in_trial"], expected)


def test_a_study_asks_for_some_of_the_time_and_some_of_the_units():
    found = made(units=["b"], between_s=[10.0, 30.0], during="trials")
    assert found.unit_ids == ("b",) and len(found.activity) == 16
    assert any("spikes lie in no bin" in note for note in found.notes)


def test_a_series_is_averaged_or_summed_and_its_holes_are_left_out():
    found = made(activity="position", bin_s=1.0)
    assert found.activity_kind == "signal" and found.unit_ids == ("x", "y")
    # The first bin has all of its samples, although the first of them is at .003 s.
    assert len(found.activity) == 50 and len(np.unique(found.segments)) == 2
    first = (POSITION.times < 1.0).nonzero()[0]
    np.testing.assert_allclose(found.activity[0], POSITION.values[first].mean(axis=0), rtol=1e-6)
    counted = Contents({}, {"c": Series(np.ones((100, 3)), np.arange(100) * 0.1, ("u", "v", "w"))})
    whole = made(counted, activity="c", activity_kind="counts")
    assert whole.activity_kind == "counts" and (whole.activity == 5).all()
    with pytest.raises(DataError, match=r"must be a multiple of that, such as 0.2"):
        made(counted, activity="c", activity_kind="counts", bin_s=0.15)
    held = Series(np.ones((90, 1)), np.delete(np.arange(100), range(40, 50)) * 0.1, ("u",))
    holed = made(Contents({}, {"c": held}), activity="c", activity_kind="counts", bin_s=0.4)
    assert (holed.activity == 4).all() and any("do not hold 4 samples" in n for n in holed.notes)


def test_rows_without_a_label_say_nothing():
    table = Table(TRIALS.start, TRIALS.stop, {"go": np.array(["left", "", "left", "", "right"])})
    found = made(
        Contents({"units": SPIKES}, {}, {"trials": table}),
        targets={"go": {"table": "trials", "column": "go"}},
    )
    assert set(found.targets["go"]) == {"left", "right"} and found.known["go"].sum() == 44


@pytest.mark.parametrize("phase", [0.0, 0.5])
def test_one_sample_per_bin_fills_it_from_its_start_or_around_its_middle(phase):
    samples = Series(np.arange(20.0)[:, None], (np.arange(20) + phase) * 0.5, ("x",))
    found = made(Contents({}, {"lfp": samples}), activity="lfp")
    assert found.activity[:, 0].tolist() == list(range(20))


def test_without_observed_intervals_their_extent_is_taken_and_told():
    unknown = Contents({"units": SpikeTrains(("a",), (np.array([0.008, 3.2]),))})
    found = made(unknown)
    assert len(found.activity) == 6 and found.activity[0, 0] == 1
    assert any("nothing says when units were observed" in note for note in found.notes)
    assert any("1 of 2 spikes lie in no bin" in note for note in found.notes)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"activity": "lfp"}, r"f.nwb has no activity 'lfp'; it has 'units', 'position'"),
        ({"units": ["c"]}, "there is no 'c'; there are 'a', 'b'"),
        ({"trials": "epochs"}, r"no table 'epochs' \(trials\); the file has 'trials'"),
        ({"targets": {"v": {"series": "speed"}}}, "target 'v': no series 'speed'"),
        ({"targets": {"v": {"table": "trials", "column": "k"}}}, "has no column 'k'; it has 'go'"),
        ({"between_s": [70.0, 80.0]}, "no whole bin of 0.5 s lies where"),
        ({"activity_kind": "signal"}, "'units' are spike trains, which are counted"),
        ({"units": ["a", "a"]}, "'a', 'a' holds a name twice"),
        ({"trials": "trials", "bin_s": 15.0}, "no bin of 15 s lies wholly in a row of 'trials'"),
        ({"activity": "position", "bin_s": 0.01}, "are 0.1 s apart, and bin_s is 0.01"),
        (
            {"activity": "position", "activity_kind": "counts"},
            "does not hold whole numbers, so it cannot be counts",
        ),
        (
            {"targets": {"v": {"series": "position", "max_gap_s": 1e-6}}},
            "target 'v' is unknown in all bins",
        ),
    ],
)
def test_what_is_not_there_is_named_with_what_is(declared, said):
    with pytest.raises(DataError, match=said):
        made(**declared)


def test_a_file_is_described_in_sentences():
    text = "\n".join(sentences(HELD))
    assert "'units': spike trains of 2 units, 490 spikes" in text
    assert "'position': a series of 500 samples of 2 channels (x, y) in m" in text
    assert (
        "with 1 gap" in text
        and "'trials': a table of 5 rows, 4 of them with a start and a later stop" in text
    )
    assert "'go' of 'trials': left (3), right (2)" in text and "Note: a note." in text


def test_a_file_without_a_target_or_activity_says_so():
    with pytest.raises(DataError, match="nothing that could be decoded"):
        study_of(Contents({"units": SPIKES}), "nwb", "f.nwb", {})
    with pytest.raises(DataError, match="no activity to study"):
        study_of(Contents(tables={"trials": TRIALS}), "nwb", "f.nwb", {})


@pytest.mark.parametrize("source", ["position", None, 3, ["position"]])
def test_a_target_without_a_field_is_told_which_there_are(source):
    with pytest.raises(ValidationError, match="a target comes from a series"):
        NwbRecording(path="f.nwb", session="s", bin_s=0.5, targets={"v": source})


def test_the_activity_in_another_form_is_no_target():
    forms = {"corrected": POSITION, "F": Series(POSITION.values + 1, POSITION.times, ("x", "y"))}
    with pytest.raises(DataError, match="nothing that could be decoded"):
        study_of(Contents({}, forms), "suite2p", "plane0", {"rate_hz": 10})
