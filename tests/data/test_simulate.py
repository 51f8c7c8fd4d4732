"""Simulated worlds have the truth that they declare."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from invariance_probe.data.simulate import GENERATORS
from invariance_probe.data.simulate.latents import jumping, ornstein_uhlenbeck
from invariance_probe.study.recordings import SimulatedRecording


def world(generator, session="s-1", **values):
    source = TypeAdapter(SimulatedRecording).validate_python(
        {"kind": "simulated", "generator": generator, **values}
    )
    return GENERATORS[generator](source, session)


def autocorrelation(x, lag):
    x = x - x.mean(axis=0)
    return float((x[:-lag] * x[lag:]).sum() / (x**2).sum())


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_world_is_the_same_twice_and_another_for_another_session_or_seed(generator):
    first, again = world(generator), world(generator)
    assert first.fingerprint == again.fingerprint
    assert (
        len(
            {
                first.fingerprint,
                world(generator, "s-2").fingerprint,
                world(generator, seed=1).fingerprint,
            }
        )
        == 3
    )
    assert first.truth


@pytest.mark.parametrize("noise", [{}, {"overdispersion": 0.5}])
def test_count_noise_has_the_declared_variance(noise):
    counts = world("nothing", case="constant_rates", bins=20000, **noise).activity
    expected = 1 + noise.get("overdispersion", 0) * counts.mean(axis=0)
    np.testing.assert_allclose(counts.var(axis=0) / counts.mean(axis=0), expected, rtol=0.08)


def test_a_renewal_process_of_shape_four_has_a_fano_factor_of_a_quarter_over_long_windows():
    counts = (
        world("nothing", case="constant_rates", bins=100_000, renewal_shape=4)
        .activity.reshape(1000, 100, -1)
        .sum(axis=1)
    )
    assert np.median(counts.var(axis=0) / counts.mean(axis=0)) == pytest.approx(0.25, abs=0.03)


def test_a_shared_gain_correlates_units_and_keeps_their_mean_rates():
    plain, gained = (
        world("nothing", case="constant_rates", bins=40000, shared_gain=g).activity
        for g in (0.0, 0.5)
    )

    def correlation(counts):
        return np.corrcoef(counts.T)[np.triu_indices(counts.shape[1], 1)].mean()

    assert abs(correlation(plain)) < 0.005 < 0.05 < correlation(gained)
    assert gained.mean() == pytest.approx(plain.mean(), rel=0.03)


def test_smooth_and_jumping_processes_have_one_autocorrelation():
    rng = np.random.default_rng(0)
    smooth = ornstein_uhlenbeck(rng, 200_000, 2, 0.8, 0.1)
    jumpy, jumps = jumping(rng, 200_000, 2, 0.8, 0.1)
    for lag in (1, 4, 8, 16):
        assert autocorrelation(smooth, lag) == pytest.approx(np.exp(-lag * 0.1 / 0.8), abs=0.02)
        assert autocorrelation(jumpy, lag) == pytest.approx(np.exp(-lag * 0.1 / 0.8), abs=0.02)
    assert len(jumps) == pytest.approx(200_000 * (1 - np.exp(-0.1 / 0.8)), rel=0.02)


def test_a_chain_of_states_has_the_declared_time_constant():
    found = world("switching", process="states", states=4, bins=100_000, units=4, label_tau_s=0.8)
    assert autocorrelation(found.targets["label"], 8) == pytest.approx(np.exp(-1), abs=0.03)
    changed = np.flatnonzero(np.diff(found.targets["state"])) + 1
    assert set(changed) == set(found.truth["change_points"]) - {0}


def test_behaviours_recur_in_bouts_of_the_declared_length():
    found = world("recurring", bins=60_000, units=5, bout_s=4.0)
    changes = (np.diff(found.targets["behaviour"]) != 0).sum()
    assert 60_000 * 0.1 / changes == pytest.approx(4.0, rel=0.1)
    assert len(np.unique(found.targets["behaviour"])) == 6


def test_the_second_modality_follows_by_the_declared_lag():
    found = world("multimodal", bins=20_000, lag_bins=5, units=5, private=1, snr=3.0)
    latent, modality = found.targets["common"], found.targets["modality"]
    lags = range(-12, 13)
    fits = [
        np.abs(np.corrcoef(np.roll(latent[:, 0], lag), modality.T)[0, 1:]).max() for lag in lags
    ]
    assert lags[int(np.argmax(fits))] == 5
    assert "common" not in world("multimodal", common=0).targets


@pytest.mark.parametrize("switches", [False, True])
def test_messengers_stay_or_change_at_half_time(switches):
    found = world("messenger", bins=20_000, switches=switches)
    first, second = found.truth["carriers"]
    assert len(first) == len(second) == 6 and (first == second) is not switches
    assert not switches or not set(first) & set(second)
    half = found.targets["epoch"] == 0
    with_label = [
        abs(np.corrcoef(found.activity[half, i], found.targets["label"][half])[0, 1])
        for i in range(60)
    ]
    assert set(np.argsort(with_label)[-6:]) == set(first)


def test_units_survive_between_sessions_at_the_declared_rate():
    days = [
        world("turnover", f"s-{i}", sessions=30, days_between=10.0, units=400, bins=60)
        for i in (1, 2, 3)
    ]
    kept = [len(set(days[0].unit_ids) & set(day.unit_ids)) / 400 for day in days]
    np.testing.assert_allclose(kept, [1, np.exp(-0.5), np.exp(-1)], atol=0.07)


def test_replay_is_in_the_declared_part_of_sleep_only():
    found = world("replay", bins=20_000, fraction=0.5)
    asleep = found.targets["state"] == 1
    assert not found.targets["replaying"][~asleep].any()
    assert found.targets["replaying"][asleep].mean() == pytest.approx(0.5, abs=0.1)
    assert world("replay", fraction=0.0).truth["fraction"] == 0


def test_null_worlds_carry_nothing_but_the_trial_constant_one():
    def best(null):
        found = world("nothing", case=null, bins=20_000, label_tau_s=0.5)
        return np.abs(np.corrcoef(found.targets["label"], found.activity.T)[0, 1:]).max()

    assert best("independent") < 0.05 and best("constant_rates") < 0.03
    assert best("common_trend") > 0.1 and best("trial_constant") > 0.1
    found = world("nothing", case="trial_constant")
    assert all(
        len(np.unique(found.targets["label"][found.trials == t])) == 1
        for t in np.unique(found.trials)
    )


@pytest.mark.parametrize("forwards", [0.0, 0.5, 0.8, 1.0])
def test_an_irreversible_label_has_the_declared_arrow_of_time_and_its_twin_the_same_autocorrelation(
    forwards,
):
    found = world(
        "irreversible", bins=400_000, units=2, forwards=forwards, period_s=2.0, label_tau_s=0.8
    )
    label = found.targets["label"]
    x, y = label.T
    np.testing.assert_allclose(np.cov(label.T), np.eye(2), atol=0.02)
    for lag in (1, 4, 8):
        decay, angle = np.exp(-lag * 0.1 / 0.8), 2 * np.pi * lag * 0.1 / 2.0
        assert autocorrelation(label, lag) == pytest.approx(decay * np.cos(angle), abs=0.02)
        arrow = (x[:-lag] * y[lag:] - y[:-lag] * x[lag:]).mean()
        assert arrow == pytest.approx(2 * found.truth["arrow"] * decay * np.sin(angle), abs=0.02)


def test_a_turn_of_two_bins_has_no_arrow_of_time_and_is_refused():
    """Half a turn per bin lands on the same points in both directions: sin(pi w) = 0."""
    with pytest.raises(ValidationError, match=r"period_s is 0.2, but must be more than two bins"):
        world("irreversible", bins=1000, units=2, period_s=0.2)
    longer = world("irreversible", bins=200_000, units=2, period_s=0.25, label_tau_s=0.8)
    x, y = longer.targets["label"].T
    arrow = 2 * np.exp(-1 / 8) * np.sin(2 * np.pi * 0.1 / 0.25)
    assert (x[:-1] * y[1:] - y[:-1] * x[1:]).mean() == pytest.approx(arrow, abs=0.02)


def test_control_sleep_replays_nothing_and_leaves_old_worlds_as_they_were():
    found = world("replay", bins=3000, fraction=1.0, control_sleep=True)
    assert np.array_equal(np.unique(found.targets["state"]), [0, 1, 2])
    assert (
        not found.targets["replaying"][found.targets["state"] == 2].any()
        and found.targets["replaying"].any()
    )
    assert (
        world("replay", bins=3000).fingerprint
        == world("replay", bins=3000, control_sleep=False).fingerprint
    )


@pytest.mark.parametrize("compression", [1.0, 4.0])
def test_the_ring_drifts_asleep_at_the_declared_compression_and_is_tuned_in_every_state(
    compression,
):
    found = world(
        "head_direction",
        bins=60_000,
        units=12,
        compression=compression,
        nrem_compression=2.0,
        bin_s=0.02,
        nuisances=0,
    )
    state, direction = found.targets["state"], found.targets["direction"]
    assert (
        np.isnan(found.targets["head_direction"][state != 0]).all()
        and np.isfinite(found.targets["head_direction"][state == 0]).all()
    )
    speed = [np.angle(np.exp(1j * np.diff(direction[state == one]))).std() for one in range(3)]
    assert speed[2] / speed[0] == pytest.approx(compression, rel=0.15) and speed[1] / speed[
        0
    ] == pytest.approx(2.0, rel=0.15)
    peaks = np.stack(
        [
            np.angle(
                (found.activity[state == one] * np.exp(1j * direction[state == one])[:, None]).sum(
                    axis=0
                )
            )
            for one in range(3)
        ]
    )
    assert np.abs(np.angle(np.exp(1j * (peaks - peaks[0])))).max() < 0.4
