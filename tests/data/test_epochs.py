"""Files that keep epochs apart or sort time by condition become one sequence.

Nothing is changed but the order.
"""

from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_study

from invariance_probe.data.catalog import resolve
from invariance_probe.data.folds import make_folds
from invariance_probe.data.problems import recording_problems
from invariance_probe.data.readers.npz import read_npz
from invariance_probe.data.sessions import open_recording
from invariance_probe.data.windows import cut_windows
from invariance_probe.errors import DataError
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.recordings import CatalogRecording, Dealt, NpzRecording
from invariance_probe.study.study import Study

PER_RUN, CONDITIONS, UNITS = 24, 3, 5
STEPS = PER_RUN * CONDITIONS


def file(folder, **changed):
    rng = np.random.default_rng(0)
    condition = np.repeat(np.arange(CONDITIONS) * 45, PER_RUN)
    arrays = {"bin_s": np.array(0.1)}
    for i, epoch in enumerate(("before_", "after_")):
        arrays |= {f"{epoch}count": rng.poisson(3, (STEPS, UNITS)), f"{epoch}condition": condition}
        arrays |= {f"{epoch}place": 1000 * i + np.arange(STEPS, dtype=float)}
    np.savez(folder / "f.npz", **(arrays | changed))
    return arrays


def read(folder, **declared):
    asked = {
        "path": "f.npz",
        "session": "s",
        "activity": "count",
        "bin_s": "bin_s",
        "epochs": ["before_", "after_"],
        **declared,
    }
    return read_npz(NpzRecording(**asked), folder)


def test_epochs_are_one_recording_of_the_same_units_and_an_array_says_which(tmp_path):
    arrays = file(tmp_path)
    found = read(tmp_path)
    np.testing.assert_array_equal(
        found.activity, np.concatenate([arrays["before_count"], arrays["after_count"]])
    )
    np.testing.assert_array_equal(found.targets["epoch"], np.repeat([0, 1], STEPS))
    np.testing.assert_array_equal(found.segments, np.repeat([0, 1], STEPS))
    assert set(found.targets) == {"epoch", "condition", "place"} and found.bin_s == 0.1


def test_epochs_of_other_units_or_without_activity_are_refused(tmp_path):
    file(tmp_path, after_count=np.ones((STEPS, UNITS + 1), dtype=int))
    with pytest.raises(DataError, match="must have the same units"):
        read(tmp_path)
    with pytest.raises(
        DataError, match="no array 'later_count', which should hold the activity of epoch 'later_'"
    ):
        read(tmp_path, epochs=["before_", "later_"])


@pytest.mark.parametrize("gap", [0, 1])
def test_dealt_steps_are_the_same_steps_and_every_round_has_every_condition(tmp_path, gap):
    arrays = file(tmp_path)
    found = read(tmp_path, dealt=Dealt(by="condition", rounds=8, gap_bins=gap))
    place = found.targets["place"].reshape(-1).astype(int)
    assert len(set(place)) == len(place) == 2 * CONDITIONS * 8 * (3 - gap)
    for epoch, name in ((0, "before_"), (1, "after_")):
        own = found.targets["epoch"] == epoch
        np.testing.assert_array_equal(
            found.activity[own], arrays[f"{name}count"][place[own] - 1000 * epoch]
        )
        rounds = found.targets["condition"][own].reshape(8, -1)
        assert all(set(one) == {0, 45, 90} for one in rounds)
    inside = np.diff(found.segments) == 0
    assert (np.diff(place)[inside] == 1).all() and (not gap or (np.diff(place)[~inside] != 1).all())
    assert len(np.unique(found.segments)) == 2 * CONDITIONS * 8


def test_no_shift_of_time_brings_dealt_conditions_into_line_again(tmp_path):
    file(tmp_path)
    found = read(tmp_path, dealt=Dealt(by="condition", rounds=8)).targets["condition"]
    same = [np.mean(found[shift:] == found[:-shift]) for shift in range(9, 100, 9)]
    assert max(same) < 0.75


def test_runs_that_are_too_short_for_the_rounds_are_refused(tmp_path):
    file(tmp_path)
    with pytest.raises(DataError, match=r"has only 24 time steps\. With .* 1, at most 12 rounds"):
        read(tmp_path, dealt=Dealt(by="condition", rounds=13, gap_bins=1))


@pytest.mark.parametrize(
    ("gap", "embargo_s", "refused"),
    [(0, 0.1, True), (1, 0.1, False), (1, 0.2, True), (0, 0.0, False)],
)
def test_an_embargo_that_dealt_parts_do_not_keep_is_refused(tmp_path, gap, embargo_s, refused):
    file(tmp_path)
    source = {
        "kind": "npz",
        "path": "f.npz",
        "session": "s",
        "activity": "count",
        "bin_s": "bin_s",
        "epochs": ["before_", "after_"],
        "dealt": {"by": "condition", "rounds": 4, "gap_bins": gap},
    }
    folds, target = (
        {"scheme": "blocks", "count": 2, "embargo_s": embargo_s},
        {"name": "condition", "kind": "categorical"},
    )
    training = {"steps": 10, "batch_size": 16, "seeds": 2}
    study = Study.model_validate(
        tiny_study(recordings=[source], folds=folds, target=target, training=training)
    )
    said = [
        reason
        for place, _, reason in recording_problems(study, tmp_path)
        if place == ("folds", "embargo_s")
    ]
    assert bool(said) == refused and all("dealt.gap_bins" in reason for reason in said)


def test_monkey_j_has_the_same_units_before_and_after_and_every_direction_in_every_fold():
    source = CatalogRecording(name="m1-bci/monkey-j")
    try:
        resolve(source)
    except DataError as error:
        pytest.skip(str(error))
    found = open_recording(source, "monkey-j", Path())
    assert found.activity.shape[1] == 86 and set(found.targets["epoch"]) == {0, 1}
    for fold in make_folds(
        found, cut_windows(found, Window(length_bins=1)), Folds(count=5, embargo_s=0.1)
    ):
        for part in (fold.train, fold.test):
            assert len(set(found.targets["target_angle_deg"][part])) == 8
