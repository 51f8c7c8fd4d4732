"""Activity and target at two rates, with a gap each: all that is cut, by brute force."""

import numpy as np
import pytest
import torch
from conftest import tiny_study

from invariance_probe.augmentations.pairing import StackedPartners
from invariance_probe.data.contents import Contents, Series, Table
from invariance_probe.data.recording import Recording
from invariance_probe.plan.plan import Plan
from invariance_probe.probing.bench.training import training_bench
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.session import Session
from invariance_probe.study.signals import NwbRecording
from invariance_probe.study.study import Study

BIN_S, LENGTH_S, STRIDE_S, EMBARGO_S = 0.1, 0.5, 0.2, 0.6
HOLE_OF_ACTIVITY, HOLE_OF_TARGET = (41.03, 44.57), (70.2, 77.9)
TRIALS = Table(np.arange(0, 120, 6.0), np.arange(0, 120, 6.0) + 5.5)


def series(rate_hz, channels, hole, seed):
    """Samples over two minutes at a rate, without those in a hole."""
    times = np.arange(0, 120, 1 / rate_hz) + 0.0013
    times = times[(times < hole[0]) | (times >= hole[1])]
    values = np.random.default_rng(seed).standard_normal((len(times), channels)).cumsum(axis=0)
    return Series(values, times, tuple(map(str, range(channels))), "V")


@pytest.fixture(scope="module")
def made():
    """The recording of such a file, a run on it, and the two benches of that run."""
    activity = series(100.0, 6, HOLE_OF_ACTIVITY, 0)
    target = series(30.0, 2, HOLE_OF_TARGET, 1)
    declared = NwbRecording(
        path="f.nwb",
        session="s",
        bin_s=BIN_S,
        activity="lfp",
        trials="trials",
        targets={"position": {"series": "position"}},
    )
    held = Contents({}, {"lfp": activity, "position": target}, {"trials": TRIALS})
    recording = Recording.from_contents(declared, held, "f.nwb")
    study = Study.model_validate(
        tiny_study(
            recordings=[declared],
            target={"name": "position"},
            window={"length_s": LENGTH_S, "stride_s": STRIDE_S},
            folds={"scheme": "trials", "count": 4, "embargo_s": EMBARGO_S},
            views={
                "base": {"kind": "none"},
                "pairing": {"kind": "time_jitter", "window_s": 0.6},
                "transforms": [
                    {"kind": "gaussian_noise", "sigma": 0.3},
                    {"kind": "unit_dropout", "value": "mean"},
                ],
            },
        )
    )
    session = Session(
        "s", "subject", "", recording.fingerprint, declared, units=6,
        bins=len(recording.activity), activity_kind="signal", bin_s=BIN_S,
        parts=recording.content,
    )  # fmt: skip
    run = next(run for run in Plan(study, (session,)).grid if run.method.kind == "simclr")
    bench = Workbench.of(recording, run, torch.device("cpu"))
    return recording, activity, target, run, bench, training_bench(bench, run)


def bins_by_hand(activity):
    """Start of every bin in a trial that has samples, from the first sample to the last."""
    starts = []
    first, end = activity.times[0] - 0.005, activity.times[-1] + 0.01
    for start in np.arange(1200) * BIN_S:
        stop = start + BIN_S
        in_trial = any(
            one - 1e-9 <= start and stop <= other + 1e-9
            for one, other in zip(TRIALS.start, TRIALS.stop, strict=True)
        )
        samples = (activity.times >= start - 1e-9) & (activity.times < stop - 1e-9)
        if in_trial and samples.any() and first <= start and stop <= end:
            starts.append(start)
    return np.array(starts)


def test_bins_are_those_in_which_the_activity_was_observed(made):
    recording, activity, *_ = made
    starts = bins_by_hand(activity)
    assert len(recording.activity) == len(starts)
    for row in range(0, len(starts), 7):
        inside = (activity.times >= starts[row] - 1e-9) & (
            activity.times < starts[row] + BIN_S - 1e-9
        )
        np.testing.assert_allclose(
            recording.activity[row], activity.values[inside].mean(axis=0), rtol=1e-5, atol=1e-5
        )


def test_windows_touch_no_hole_and_no_border_and_their_targets_are_the_nearest_samples(made):
    _, activity, target, _, bench, training = made
    starts = bins_by_hand(activity)
    length, stride = round(LENGTH_S / BIN_S), round(STRIDE_S / BIN_S)
    trial = np.searchsorted(TRIALS.start, starts + 1e-6) - 1
    expected, first = [], 0
    for bin_ in range(len(starts)):
        if bin_ == 0 or trial[bin_] != trial[bin_ - 1] or starts[bin_] - starts[bin_ - 1] > 0.15:
            first = bin_
        last = bin_ + length - 1
        whole = (
            last < len(starts)
            and trial[last] == trial[bin_]
            and starts[last] - starts[bin_] < (length - 0.5) * BIN_S
        )
        if whole and (bin_ - first) % stride == 0:
            expected.append(bin_)
    assert training.windows.starts.tolist() == expected
    decoded = []
    for window in expected:
        centre = starts[window + length // 2] + BIN_S / 2
        nearest = np.abs(target.times - centre).argmin()
        if abs(target.times[nearest] - centre) <= BIN_S / 2:
            decoded.append((window, target.values[nearest]))
    assert bench.windows.starts.tolist() == [window for window, _ in decoded]
    assert len(decoded) < len(expected)
    values = np.array([value for _, value in decoded])
    found = bench.target.values.numpy()
    np.testing.assert_allclose(found - found[0], values - values[0], atol=1e-9)


def test_folds_keep_whole_trials_and_the_embargo_and_windows_without_a_target_keep_them_too(made):
    recording, activity, _, _, _, training = made
    starts = bins_by_hand(activity)
    length = round(LENGTH_S / BIN_S)
    tested = np.concatenate([fold.test for fold in training.folds])
    assert sorted(tested) == training.decoded_windows.tolist()
    for fold in training.folds:
        test = training.windows.starts[fold.test]
        test_bins = np.unique(test[:, None] + np.arange(length))
        trials = set(recording.trials[test])
        for window in range(len(training.windows.starts)):
            own = training.windows.starts[window] + np.arange(length)
            apart = np.abs(starts[own][:, None] - starts[test_bins]).min()
            if window in fold.train:
                assert not set(recording.trials[own]) & trials
                same = recording.segments[own[0]] == recording.segments[test_bins]
                near = np.abs(starts[own][:, None] - starts[test_bins[same]])
                assert not same.any() or near.min() > EMBARGO_S + BIN_S / 2
            elif window not in fold.test:
                among = test[0] < own[0] < test[-1]
                assert apart <= EMBARGO_S + BIN_S / 2 or among


def test_pairs_lie_in_one_trial_and_no_farther_apart_than_asked(made):
    recording, activity, _, run, _, training = made
    starts = bins_by_hand(activity)
    train = training.train_windows(run)
    partners = training.partners(run, train)
    place = torch.arange(len(partners.anchors))
    rng = np.random.default_rng(0)
    stacked = StackedPartners.of([partners], torch.device("cpu"))
    for _ in range(20):
        numbers = torch.from_numpy(rng.random((1, len(place))))
        others = stacked.partner_of(place[None], numbers)[0].numpy()
        for one, other in zip(partners.anchors, others, strict=True):
            assert other in train
            first, second = training.windows.starts[one], training.windows.starts[other]
            assert recording.stretches[first] == recording.stretches[second]
            assert abs(starts[first] - starts[second]) <= 0.6 + 1e-9
