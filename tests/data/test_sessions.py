from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_study

from invariance_probe.data.catalog import CATALOG
from invariance_probe.data.folds import make_folds, part_of, validation_split
from invariance_probe.data.problems import recording_problems
from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.data.windows import cut_windows
from invariance_probe.errors import DataError
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import (
    CatalogRecording,
    NpzRecording,
    RedundancyRecording,
    SmoothnessRecording,
)
from invariance_probe.study.study import Study


def recording(bins=200, units=4, trials=None, segments=None, **more):
    rng = np.random.default_rng(0)
    base = {
        "session": "s", "subject": "a", "group": "",
        "activity": rng.poisson(2, (bins, units)), "activity_kind": "counts", "bin_s": 0.1,
        "unit_ids": tuple(map(str, range(units))),
        "targets": {"y": rng.standard_normal(bins)}, "trials": trials,
        "segments": np.zeros(bins, dtype=np.int64) if segments is None else segments,
    }  # fmt: skip
    return Recording(**{**base, **more})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"activity": np.full((5, 2), np.nan), "activity_kind": "signal"}, "NaN"),
        ({"activity": np.full((5, 2), 0.5)}, "whole numbers"),
        ({"activity": np.zeros(5)}, "must have shape"),
        ({"bin_s": 0.0}, "bin_s"),
        ({"unit_ids": ("a",)}, "unit_ids"),
    ],
)
def test_a_broken_recording_is_refused(change, said):
    with pytest.raises(DataError, match=said):
        recording(**change)


def test_a_target_is_refused_by_name():
    made = recording(
        targets={"flat": np.ones(200), "nan": np.full(200, np.nan), "one": np.zeros(200, dtype=int)}
    )
    for name, kind, said in (
        ("gone", "continuous", "not in"),
        ("flat", "continuous", "constant"),
        ("nan", "continuous", "NaN"),
        ("one", "categorical", "one class"),
    ):
        with pytest.raises(DataError, match=said):
            made.target(Target(name=name, kind=kind))


def test_the_fingerprint_follows_content_not_names():
    assert recording().fingerprint == recording(session="other", group="g").fingerprint
    assert recording().fingerprint != recording(bin_s=0.2).fingerprint


def test_an_array_that_is_no_target_leaves_the_fingerprint_and_one_over_time_does_not(tmp_path):
    rng = np.random.default_rng(0)
    own = {"x": rng.poisson(3, (300, 5)), "y": rng.standard_normal(300)}
    source = NpzRecording(path="s.npz", session="s", activity="x", bin_s=0.1)

    def fingerprint(**more):
        np.savez(tmp_path / "s.npz", **own, **more)
        return open_recording(source, "s", tmp_path).fingerprint

    known = fingerprint()
    unused = {
        "draws": rng.standard_normal((4, 300)),
        "positions": rng.standard_normal((5, 2)),
        "note": np.array("left hemisphere"),
    }
    assert fingerprint(**unused) == known
    assert fingerprint(z=rng.standard_normal(300)) != known


@pytest.mark.parametrize("scheme", ["blocks", "trials", "sessions"])
@pytest.mark.parametrize("length", [1, 3])
@pytest.mark.parametrize("embargo", [0.0, 0.3])
def test_folds_by_brute_force(scheme, length, embargo):
    trials = np.repeat(np.arange(40), 5)
    segments = np.repeat(np.arange(20), 10)
    made = recording(trials=trials, segments=segments)
    windows = cut_windows(made, Window(length_bins=length))
    folds = make_folds(made, windows, Folds(scheme=scheme, count=4, embargo_s=embargo))
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested) == list(range(len(windows.starts)))
    assert len({int(b) for fold in folds for b in fold.test_blocks}) >= 8
    reach = round(embargo / 0.1)
    for fold in folds:
        test_bins = {int(b) + i for b in windows.starts[fold.test] for i in range(length)}
        for train in fold.train:
            for bin_ in range(windows.starts[train], windows.starts[train] + length):
                assert bin_ not in test_bins
                for other in test_bins:
                    assert abs(other - bin_) > reach or segments[other] != segments[bin_]
    for start in windows.starts:
        assert len({(trials[b], segments[b]) for b in range(start, start + length)}) == 1
    if scheme == "trials":
        for fold in folds:
            assert not set(trials[windows.starts[fold.test]]) & set(
                trials[windows.starts[fold.train]]
            )


def test_an_embargo_longer_than_the_recording_is_refused():
    made = recording()
    with pytest.raises(DataError, match="embargo"):
        make_folds(made, cut_windows(made, Window(length_bins=1)), Folds(count=2, embargo_s=100))


def test_parts_and_validation_keep_order_and_do_not_touch():
    made = recording()
    windows = cut_windows(made, Window(length_bins=2))
    train = make_folds(made, windows, Folds(count=2))[0].train
    third = part_of(train, 1 / 3)
    assert abs(len(third) - len(train) / 3) <= 5 and set(third) <= set(train)
    fitted, held = validation_split(windows, train, 3)
    assert windows.starts[fitted].max() + 2 + 3 <= windows.starts[held].min()


def test_redundancy_has_the_information_and_carriers_it_declares():
    source = RedundancyRecording(
        carriers=5, units=20, information=0.5, bins=60000, nuisances=0, session="a"
    )
    made = open_recording(source, "a", None)
    carriers = made.truth["carriers"]
    assert len(carriers) == 5 and made.truth["n_eff"] == pytest.approx(5)
    correlation = np.array(
        [abs(np.corrcoef(made.activity[:, i], made.targets["label"])[0, 1]) for i in range(20)]
    )
    assert set(np.flatnonzero(correlation > 0.03)) == set(carriers)
    # Per unit, Poisson counts with log-gain g carry g^2 mu of linear information at the mean
    # rate; for small J, R2 = J / (1 + J) up to the rate's own modulation.
    x = made.activity[:, list(carriers)] - made.activity[:, list(carriers)].mean(0)
    y = made.targets["label"] - made.targets["label"].mean()
    beta = np.linalg.lstsq(x, y, rcond=None)[0]
    assert 1 - np.var(y - x @ beta) / np.var(y) == pytest.approx(0.5 / 1.5, abs=0.04)


def test_labels_decay_with_their_time_constant_and_sessions_differ():
    source = SmoothnessRecording(bins=40000, label_tau_s=0.8, bin_s=0.1, session="a", sessions=2)
    first, second = open_recording(source, "a-1", None), open_recording(source, "a-2", None)
    y = first.targets["label"]
    assert (y[8:] * y[:-8]).mean() / (y**2).mean() == pytest.approx(np.exp(-1), abs=0.05)
    assert first.fingerprint != second.fingerprint
    assert first.fingerprint == open_recording(source, "a-1", None).fingerprint


def problems(tmp_path, **changes):
    return recording_problems(Study.model_validate(tiny_study(**changes)), tmp_path)


def test_problems_name_their_place(tmp_path):
    np.savez(tmp_path / "nan.npz", x=np.full((50, 2), np.nan), y=np.arange(50.0))
    file = {"kind": "npz", "path": "nan.npz", "session": "a", "activity": "x", "bin_s": 0.1}
    assert problems(tmp_path) == []
    cases = [
        ({"recordings": [{**file, "path": "gone.npz"}]}, ("recordings", 0, "path"), "no such file"),
        ({"recordings": [file]}, ("recordings", 0, "path"), "NaN"),
        ({"folds": {"count": 2, "embargo_s": 900}}, ("folds", "embargo_s"), "embargo"),
        ({"target": {"name": "lable"}}, ("target", "name"), "not in the recording"),
        ({"training": {"batch_size": 5000}}, ("training", "batch_size"), "training windows"),
        ({"folds": {"scheme": "trials"}}, ("folds", "scheme"), "no trial array"),
    ]
    for change, place, said in cases:
        found = problems(tmp_path, **change)
        assert [p[0] for p in found] == [place], found
        assert said in found[0][2]


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        (
            {"epochs": "gone"},
            "epochs",
            "epochs 'gone' is not in the recording; its arrays are 'epoch', 'label'",
        ),
        ({"epochs": "label"}, "epochs", "'label' has 640 different values"),
        (
            {"epochs": "epoch", "blocks": 100},
            "blocks",
            "has only 320 windows; with 100 blocks, every epoch needs at least 400 windows",
        ),
    ],
)
def test_epochs_that_nothing_can_be_compared_between_are_refused(tmp_path, asked, field, said):
    world = {
        "kind": "simulated",
        "generator": "messenger",
        "session": "a",
        "units": 12,
        "bins": 640,
    }
    found = problems(
        tmp_path, recordings=[world], measurements=[{"kind": "messengers", "budgets": [1], **asked}]
    )
    assert [p[0] for p in found] == [("measurements", 0, field)] and said in found[0][2]


def test_two_recordings_of_one_name_are_refused_after_expansion(tmp_path):
    world = tiny_study()["recordings"][0]
    found = problems(
        tmp_path,
        recordings=[
            {**world, "session": "a", "sessions": 2},
            {**world, "session": "a-2", "sessions": 1},
        ],
    )
    assert found[0][0] == ("recordings", 1, "session") and "'a-2'" in found[0][2]


@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.recording])
def test_catalogued_recordings_open(name):
    source = CatalogRecording(name=name)
    try:
        made = open_recording(source, "any", None)
    except DataError as error:
        pytest.skip(str(error))
    assert made.activity.shape[0] > 500 and made.activity_kind == "counts"
    target = CATALOG[name].target
    assert target is None or len(made.target(target)) == len(made.activity)


def test_sessions_carry_their_sources():
    study = Study.model_validate(tiny_study())
    assert [s.name for s in find_sessions(study, None)] == [
        "spread-1",
        "spread-2",
        "spread-3",
        "spread-4",
    ]


def test_a_batch_that_only_a_swept_method_makes_too_large_is_named_there():
    world = {
        "kind": "simulated",
        "generator": "redundancy",
        "session": "s",
        "units": 12,
        "bins": 640,
    }
    values = [{"kind": "vicreg", "training": {"batch_size": 400}}]
    study = Study.model_validate(
        tiny_study(recordings=[world], sweeps=[{"path": "method", "values": values}])
    )
    [(place, got, reason)] = recording_problems(study, Path())
    assert place == ("sweeps", 0, "values", 0, "training", "batch_size") and got == 400
    assert "use a batch_size of at most" in reason
