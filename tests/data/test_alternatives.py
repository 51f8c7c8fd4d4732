"""Targets that the activity cannot have caused, by hand."""

import numpy as np
import pytest
from conftest import tiny_study

from invariance_probe.data.alternatives import (
    alternative_courses,
    columns_of,
    cut_sessions,
    exchange_trials,
)
from invariance_probe.data.folds import make_folds
from invariance_probe.data.problems import recording_problems
from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.data.windows import cut_windows
from invariance_probe.errors import DataError
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import NpzRecording
from invariance_probe.study.study import Study


def test_whole_trials_exchange_their_courses_cut_or_with_the_last_window_repeated():
    stretch = np.array([4, 4, 4, 7, 7, 9])
    expected = {
        0: [0, 1, 2],
        1: [3, 4, 4],
        2: [5, 5, 5],
    }  # what the first trial of three windows takes from each trial
    seen = set()
    for seed in range(60):
        given = exchange_trials(stretch, np.random.default_rng(seed))
        starts = [given[0], given[3], given[5]]
        assert sorted(starts) == [0, 3, 5]  # a permutation of the trials
        assert given[:3].tolist() == expected[[0, 3, 5].index(given[0])]
        seen.add(tuple(starts))
    assert len(seen) == 6


def test_classes_and_constants_per_trial_exchange_exactly():
    stretch = np.repeat(np.arange(30), np.random.default_rng(0).integers(1, 9, 30))
    label = np.random.default_rng(1).integers(0, 4, 30)[stretch]
    drawn = label[exchange_trials(stretch, np.random.default_rng(2))]
    for trial in range(30):
        assert len(set(drawn[stretch == trial])) == 1
    first = np.unique(stretch, return_index=True)[1]
    assert sorted(drawn[first]) == sorted(label[first])


def test_sessions_are_cut_to_one_length():
    assert cut_sessions(100, [120, 90], 1) == (90, 5, [(0, 15), (1, 0)])
    length, start, places = cut_sessions(100, [120, 80], 3)
    assert (length, start) == (60, 20)
    assert places == [(0, 0), (0, 30), (0, 60), (1, 0), (1, 10), (1, 20)]


def test_classes_have_the_same_columns_in_every_session():
    own, other = columns_of("categorical", [np.array(["b", "a"]), np.array(["c", "c"])])
    assert own.tolist() == [[0, 1, 0], [1, 0, 0]] and other.tolist() == [[0, 0, 1], [0, 0, 1]]
    [circle] = columns_of("circular", [np.array([0, np.pi / 2])])
    np.testing.assert_allclose(circle, [[1, 0], [0, 1]], atol=1e-12)
    assert [c.shape for c in columns_of("continuous", [np.zeros(3), np.zeros((3, 2))])] == [
        (3, 1),
        (3, 2),
    ]


def archive(folder, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.poisson(3, (400, 6)),
        "y": rng.standard_normal((400, 2)),
        "drawn": rng.standard_normal((50, 400, 2)),
        **changes,
    }
    np.savez(folder / "s.npz", **arrays)
    return NpzRecording(path="s.npz", session="s", activity="x", bin_s=0.1)


def test_arrays_of_alternative_targets_are_read_and_leave_the_fingerprint_alone(tmp_path):
    made = open_recording(archive(tmp_path), "s", tmp_path)
    assert "drawn" not in made.targets and alternative_courses(
        made, "drawn", Target(name="y")
    ).shape == (50, 400, 2)
    assert (
        open_recording(archive(tmp_path, drawn=np.zeros(3)), "s", tmp_path).fingerprint
        == made.fingerprint
    )


@pytest.mark.parametrize(("drawn", "said"), [
    (np.zeros((20, 400, 2)), "has only 20 draws, but at least 39 are needed"),
    (np.zeros((50, 400)), "each draw has shape"),
    (np.full((50, 400, 2), np.nan), "NaN or infinite value, first in draw 0"),
    (np.zeros((50, 300, 2)), "is not an array of alternative targets"),
])  # fmt: skip
def test_an_array_that_cannot_be_used_is_refused_at_its_place(tmp_path, drawn, said):
    source = archive(tmp_path, drawn=drawn)
    with pytest.raises(DataError, match=said):
        alternative_courses(open_recording(source, "s", tmp_path), "drawn", Target(name="y"))
    study = {
        "recordings": [source.model_dump()],
        "target": {"name": "y"},
        "null": {"kind": "pseudo_session", "array": "drawn"},
    }
    [(place, got, reason)] = recording_problems(Study.model_validate(tiny_study(**study)), tmp_path)
    assert (place, got) == (("null", "array"), "drawn") and said in reason


def test_a_session_carries_the_hash_of_the_array_that_its_null_reads(tmp_path):
    def hashed(null, **changes):
        study = {
            "recordings": [archive(tmp_path, **changes).model_dump()],
            "target": {"name": "y"},
            **null,
        }
        return find_sessions(Study.model_validate(tiny_study(**study)), tmp_path)[0].alternatives

    declared = {"null": {"kind": "pseudo_session", "array": "drawn"}}
    assert hashed({}) == "" and len(hashed(declared)) == 64
    assert hashed(declared) != hashed(declared, drawn=np.zeros((50, 400, 2)))


@pytest.mark.parametrize(
    ("null", "place", "said"),
    [
        (
            {"kind": "other_sessions"},
            ("null", "kind"),
            "there are only 3 other sessions, but the null 'other_sessions' needs at least 5",
        ),
        ({"kind": "pseudo_session", "by": "trial"}, ("null", "by"), "has no trial array"),
    ],
)
def test_a_null_that_cannot_be_drawn_is_refused_at_its_place(tmp_path, null, place, said):
    [problem] = recording_problems(Study.model_validate(tiny_study(null=null)), tmp_path)
    assert problem[0] == place and said in problem[2]


def test_shuffled_folds_deal_every_window_once_and_at_random(tmp_path):
    made = open_recording(archive(tmp_path), "s", tmp_path)
    windows = cut_windows(made, Window(length_bins=1))
    folds = make_folds(made, windows, Folds(scheme="shuffled", count=4))
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(400))
    assert len({int(b) for fold in folds for b in fold.test_blocks}) == 8 and {
        len(fold.test) for fold in folds
    } == {100}
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(400))
        assert (np.diff(fold.test) == 1).mean() == pytest.approx(
            0.25, abs=0.12
        )  # as many neighbours as chance brings together
    again = make_folds(made, windows, Folds(scheme="shuffled", count=4))
    assert all((a.test == b.test).all() for a, b in zip(folds, again, strict=True))
    with pytest.raises(DataError, match=r"overlaps a test window, .*; use windows of one bin"):
        make_folds(
            made, cut_windows(made, Window(length_bins=60)), Folds(scheme="shuffled", count=4)
        )
