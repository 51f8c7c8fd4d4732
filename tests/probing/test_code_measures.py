"""Tau and the test for jumps recover what simulated codes were made with."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_study
from scipy.signal import lfilter

from invariance_probe.data.sessions import find_sessions, open_recording
from invariance_probe.plan.plan import Plan
from invariance_probe.probing import MEASURES
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.measurements.lag_curve import crossing, increment_kurtosis, lag_curve
from invariance_probe.study.study import Study


@cache
def measured(kind, sessions=5, stride_bins=1, **world):
    """Figures of every session of a world; tests that ask for the same world share them."""
    data = tiny_study(
        recordings=[{"kind": "simulated", "session": "x", "sessions": sessions, **world}],
        folds={"count": 5, "embargo_s": 1},
        window={"length_bins": 1, "stride_bins": stride_bins},
    )
    plan = Plan(study := Study.model_validate(data), find_sessions(study, Path()))
    found = []
    for session in plan.sessions:
        runs = [
            run for run in plan.baselines if run.session == session.name and run.method.kind == kind
        ]
        bench = Workbench.of(
            open_recording(session.source, session.name, Path()), runs[0], torch.device("cpu")
        )
        found.append(MEASURES[kind](bench, runs, lambda steps: None)[0].result.figures)
    return found


@pytest.mark.parametrize(("tau", "stride_bins"), [(0.2, 1), (0.8, 1), (0.8, 3)])
def test_the_test_lag_gives_the_time_constant_of_the_label(tau, stride_bins):
    """Lags are times, whatever the time between windows."""
    world = {"generator": "smoothness", "label_tau_s": tau, "bins": 6000}
    found = measured("test_lag", stride_bins=stride_bins, **world)
    assert np.median([one.tau_s for one in found]) / tau == pytest.approx(1, abs=0.1)
    assert all(one.tau_low_s < one.tau_s < one.tau_high_s for one in found)


def test_times_of_the_code_and_its_null_do_not_depend_on_the_stride():
    world = {"generator": "smoothness", "label_tau_s": 0.8, "bins": 6000}
    every, third = (measured("code", sessions=2, stride_bins=n, **world) for n in (1, 3))
    for one, other in zip(every, third, strict=True):
        assert other.autocorrelation_s / one.autocorrelation_s == pytest.approx(1, abs=0.25)
        assert other.window_count * other.stride_bins == pytest.approx(one.window_count, abs=3)
    every, third = (measured("shift_null", sessions=2, stride_bins=n, **world) for n in (1, 3))
    for one, other in zip(every, third, strict=True):
        assert other.shift_s / one.shift_s == pytest.approx(1, abs=0.05)
        assert other.target_time_s / one.target_time_s == pytest.approx(1, abs=0.25)


def test_jumps_are_found_where_the_label_jumps_and_not_where_it_flows():
    jumpy = measured("test_lag", generator="switching", label_tau_s=0.8, bins=3000)
    smooth = measured("test_lag", generator="smoothness", label_tau_s=0.8, bins=6000)
    jumpy, smooth = ([one.jumps.p_value for one in found] for found in (jumpy, smooth))
    assert max(jumpy) < 0.05 < np.median(smooth)


def test_the_lag_curve_is_the_ratio_of_covariances_inside_stretches():
    rng = np.random.default_rng(1)
    y, z = rng.standard_normal((2, 120, 2))
    stretch = np.repeat([0, 1, 2], 40)
    curve = lag_curve(y, z, stretch)
    lag = int(curve.lags[3])
    y, z = y - y.mean(axis=0), z - z.mean(axis=0)
    pairs = [(t, t + lag) for t in range(120 - lag) if stretch[t] == stretch[t + lag]]
    expected = np.mean([y[a] @ z[b] for a, b in pairs]) / np.mean((y * z).sum(axis=1))
    if expected == expected and (y * z).sum() > 0:
        assert curve.r()[3] == pytest.approx(expected)
    np.testing.assert_allclose(curve.counts.sum(axis=0)[3], len(pairs))


def test_the_crossing_of_an_exponential_is_its_time_constant():
    lags = np.linspace(0, 5, 40)
    assert crossing(lags, np.exp(-lags / 1.3)) == pytest.approx(1.3)
    assert crossing(lags, np.ones(40)) == float("inf")


def test_gaussian_surrogates_have_gaussian_increments():
    rng = np.random.default_rng(2)
    value, surrogates = increment_kurtosis(
        rng.standard_normal((4000, 2)), np.zeros(4000), 3, 100, rng
    )
    assert abs(surrogates.mean()) < 0.05 and abs(value) < 0.15


def test_steps_from_trial_to_trial_are_no_jumps():
    rng = np.random.default_rng(2)
    trial = np.arange(4000) // 40
    decoded = 0.2 * rng.standard_normal((4000, 1)) + rng.standard_normal(100)[trial][:, None]
    value, _ = increment_kurtosis(decoded, trial, 3, 20, rng)
    everywhere, _ = increment_kurtosis(decoded, np.zeros(4000), 3, 20, rng)
    assert value < 2 < 5 < everywhere  # ranks stretch trials far out, so that some kurtosis remains
    assert np.isnan(increment_kurtosis(decoded, trial, 40, 20, rng)[0])


def test_a_slow_gaussian_series_is_not_said_to_jump():
    rng = np.random.default_rng(3)
    claimed = []
    for _ in range(60):
        noise = rng.standard_normal((4000, 1))
        slow = lfilter([1.0], [1.0, -0.98], noise, axis=0)
        value, surrogates = increment_kurtosis(slow, np.zeros(4000), 25, 39, rng)
        claimed.append((surrogates >= value).sum() == 0)
    assert np.mean(claimed) <= 0.1  # .025 if exact
