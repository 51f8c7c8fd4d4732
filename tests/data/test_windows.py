"""Windows are cut at a stride, in bins or in seconds, and cross no border."""

import numpy as np
import pytest
from conftest import tiny_study
from pydantic import ValidationError

from invariance_probe.data.folds import make_folds
from invariance_probe.data.problems import recording_problems
from invariance_probe.data.recording import Recording
from invariance_probe.data.sessions import find_sessions
from invariance_probe.data.windows import cut_windows
from invariance_probe.errors import DataError
from invariance_probe.plan.plan import Plan
from invariance_probe.study.design import Folds, Window
from invariance_probe.study.study import Study


def recording(lengths, bin_s=0.1):
    """A recording whose segments have given lengths in bins."""
    bins = sum(lengths)
    return Recording.from_arrays(
        np.random.default_rng(0).poisson(1.0, (bins, 3)),
        bin_s=bin_s,
        targets={"y": np.random.default_rng(1).standard_normal(bins)},
        segments=np.repeat(np.arange(len(lengths)), lengths),
    )


@pytest.mark.parametrize("length", [1, 3, 8])
@pytest.mark.parametrize("stride", [1, 2, 5])
def test_windows_and_folds_by_brute_force(length, stride):
    made = recording([20, 7, 2, 33, 41, 5, 60])
    window = Window(length_bins=length, stride_bins=stride)
    windows = cut_windows(made, window)
    expected = [
        first + i
        for segment in np.unique(made.segments)
        for first, size in [np.unique(np.flatnonzero(made.segments == segment))[[0, -1]]]
        for i in range(0, size - first + 1 - length + 1, stride)
    ]
    assert windows.starts.tolist() == expected
    for one, other in zip(windows.starts, windows.starts[1:], strict=False):
        same = made.segments[one] == made.segments[other]
        assert not same or other - one == stride
    for fold in make_folds(made, windows, Folds(count=2, embargo_s=0.4)):
        tested = {int(b) + i for b in windows.starts[fold.test] for i in range(length)}
        for train in windows.starts[fold.train]:
            for bin_ in range(train, train + length):
                near = {b for b in range(bin_ - 4, bin_ + 5) if 0 <= b < len(made.segments)}
                assert not {b for b in near & tested if made.segments[b] == made.segments[bin_]}


def test_seconds_and_bins_cut_the_same_windows_and_give_the_same_keys():
    def runs(window):
        study = Study.model_validate(tiny_study(window=window))
        return [run.key() for run in Plan(study, find_sessions(study, ".")).runs]

    bin_s = 0.1  # of the tiny study's recording
    assert runs({"length_s": 3 * bin_s}) == runs({"length_bins": 3, "stride_bins": 3})
    assert runs({"length_s": 3 * bin_s, "stride_s": bin_s}) == runs({"length_bins": 3})
    assert runs({"length_bins": 3}) != runs({"length_bins": 3, "stride_bins": 3})


def test_a_length_that_is_no_whole_number_of_bins_is_refused_with_its_place():
    with pytest.raises(DataError, match=r"length_s is 0.25 s.* use 0.2 s"):
        cut_windows(recording([100]), Window(length_s=0.25))
    study = Study.model_validate(tiny_study(window={"length_s": 0.25}))
    (place, got, said), *_ = recording_problems(study, ".")
    assert (place, got) == (("window", "length_s"), 0.25) and "not a whole number of bins" in said


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ({"length_s": 0.2, "length_bins": 2}, "without length_bins"),
        ({"length_bins": 2, "stride_s": 0.2}, "stride_s needs length_s"),
        ({"length_s": 0.0}, "greater than 0"),
    ],
)
def test_bins_and_seconds_are_not_mixed(window, said):
    with pytest.raises(ValidationError, match=said):
        Window.model_validate(window)


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        (
            {"method": {"kind": "cpc", "gap_bins": 1}},
            ("method", "gap_bins"),
            "use a length and a gap whose sum is a multiple of the stride",
        ),
        (
            {
                "views": {
                    "pairing": {"kind": "time_jitter", "window_s": 0.1},
                    "transforms": [{"kind": "unit_dropout"}],
                }
            },
            ("views", "pairing", "window_s"),
            "not a multiple of the time from one window to the next, 0.2 s",
        ),
    ],
)
def test_what_does_not_fit_a_stride_is_refused(changes, place, said):
    study = Study.model_validate(tiny_study(window={"length_bins": 2, "stride_bins": 2}, **changes))
    found = {where: reason for where, _, reason in recording_problems(study, ".")}
    assert said in found[place]
