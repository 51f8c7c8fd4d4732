"""The worlds of the phase map and of the nulls have the truth that they declare."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from invariance_probe.data.simulate import GENERATORS
from invariance_probe.data.simulate.carriers import draw_population
from invariance_probe.study.recordings import (
    CarriersRecording,
    NothingRecording,
    SimulatedRecording,
)

SOURCES = TypeAdapter(SimulatedRecording)


def declared(generator="carriers", **values):
    return SOURCES.validate_python({"kind": "simulated", "generator": generator, **values})


def world(session="s-1", **values):
    source = declared(**values)
    return GENERATORS[source.generator](source, session)


def decoded_information(recording):
    """Information J = R2 / (1 - R2) of a least-squares decoder.

    It is fitted to square-root counts on one half and scored on the other.
    """
    inputs, label = np.sqrt(recording.activity + 0.25), recording.targets["label"]
    inputs = np.column_stack([inputs, np.ones(len(inputs))])
    half = len(label) // 2
    errors = (
        label[half:] - inputs[half:] @ np.linalg.lstsq(inputs[:half], label[:half], rcond=None)[0]
    )
    r2 = 1 - errors.var() / label[half:].var()
    return r2 / (1 - r2)


@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        ({"carriers": 15}, 0.1),
        ({"carriers": 60}, 0.1),
        ({"carriers": 60, "carrier_counts": 2.0, "information": 2.0}, 0.1),
        (
            {"carriers": 60, "carrier_counts": 5.0, "information": 4.0, "information_log_sd": 1.0},
            0.15,
        ),
        ({"carriers": 60, "information": 24.0, "common_noise": 0.4}, 0.1),
        ({"carriers": 30, "units": 300, "carrier_counts": 5.0, "information": 4.0}, 0.1),
    ],
    ids=lambda value: (
        "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_what_an_unlimited_decoder_reads_is_the_declared_information(settings, tolerance):
    """Without nuisances and with small gains, a linear decoder misses nothing.

    What counts is the gain of each carrier.
    """
    found = world(bins=30_000, nuisances=0, **settings)
    assert decoded_information(found) == pytest.approx(found.truth["information"], rel=tolerance)


def test_common_noise_caps_the_information():
    assert world(carriers=60, information=24.0, common_noise=0.4).truth[
        "information"
    ] == pytest.approx(24 / (1 + 0.16 * 24))


def test_carriers_alone_carry_the_label():
    found = world(carriers=6, bins=30_000, nuisances=0)
    with_label = np.abs(np.corrcoef(found.targets["label"], found.activity.T)[0, 1:])
    carries = np.isin(np.arange(60), found.truth["carriers"])
    assert (
        carries.sum() == 6 and with_label[carries].min() > 0.4 and with_label[~carries].max() < 0.05
    )


def test_weak_units_share_their_information_among_them():
    weak = {"carriers": 1, "copies": 6, "information": 4.0, "weak_information": 0.5}
    population = draw_population(declared(**weak), "s-1")
    np.testing.assert_allclose(population.information, [4.0, *[0.5 / 54] * 54])


def noise_of_one_neuron(found, share, information=2.0, counts=2.0):
    """Noise of the units of the one carrier (time, unit).

    It is their counts less the expected count, which the label alone sets.
    """
    units, label = found.activity[:, list(found.truth["carriers"])], found.targets["label"]
    gain = np.sign(np.corrcoef(label, units.sum(axis=1))[0, 1]) * np.sqrt(information / counts)
    rate = share * counts * np.exp(gain * label - gain**2 / 2)
    return units - rate[:, None]


@pytest.mark.parametrize("kept", [0.95, 0.5])
def test_copies_keep_spikes_of_one_neuron_with_the_declared_probability(kept):
    """Two thinned copies of a Poisson count correlate by the probability of keeping a spike."""
    code = {
        "carriers": 1,
        "copies": 6,
        "copy_probability": kept,
        "carrier_counts": 2.0,
        "information": 2.0,
    }
    found = world(bins=20_000, nuisances=0, **code)
    assert len(found.truth["carriers"]) == 6
    noise = noise_of_one_neuron(found, kept)
    assert abs(noise.mean()) < 0.03
    np.testing.assert_allclose(np.corrcoef(noise.T)[np.triu_indices(6, 1)], kept, atol=0.05)


def test_the_parts_of_a_sorted_neuron_share_its_rate_and_no_noise():
    found = world(
        carriers=1, parts=12, carrier_counts=10.0, information=8.0, bins=20_000, nuisances=0
    )
    assert len(found.truth["carriers"]) == 12
    noise = noise_of_one_neuron(found, 1 / 12, 8.0, 10.0)
    assert abs(noise.mean()) < 0.01
    assert np.abs(np.corrcoef(noise.T)[np.triu_indices(12, 1)]).max() < 0.05


def test_equal_carriers_have_equal_information_and_lognormal_ones_have_not():
    equal = draw_population(declared(carriers=60, carrier_counts=None, information=2.0), "s-1")
    np.testing.assert_allclose(equal.information, 2 / 60)
    assert equal.mean_counts.std() > 0.1
    for log_sd in (1.0, 2.0):
        drawn = [
            np.log(
                draw_population(
                    declared(carriers=60, information_log_sd=log_sd), f"s-{i}"
                ).information
            )
            for i in range(40)
        ]
        assert np.mean([x.std(ddof=1) for x in drawn]) == pytest.approx(log_sd, rel=0.05)
        assert np.exp(drawn[0]).sum() == pytest.approx(8.0)


def test_nuisances_drive_every_neuron_by_the_same_amount():
    population = draw_population(declared(carriers=6), "s-1")
    np.testing.assert_allclose(np.linalg.norm(population.loadings, axis=0), 0.3)


@pytest.mark.parametrize(
    "settings",
    [{"carriers": 15}, {"carriers": 60, "information_log_sd": 2.0}, {"generator": "ring"}],
)
def test_a_longer_recording_is_one_of_the_same_code(settings):
    short, long, other = (
        world(**settings),
        world(bins=30_000, **settings),
        world("s-2", bins=30_000, **settings),
    )
    assert short.truth == long.truth and len(long.activity) == 30_000

    def tuning(recording):
        target = next(iter(recording.targets.values()))
        return np.corrcoef(
            np.cos(target) if "direction" in recording.targets else target, recording.activity.T
        )[0, 1:]

    assert np.corrcoef(tuning(short), tuning(long))[0, 1] > 0.8
    assert np.corrcoef(tuning(short), tuning(other))[0, 1] < 0.6


def test_a_heavy_tailed_target_is_the_fourth_power_of_what_is_coded():
    plain, heavy = world(carriers=60), world(carriers=60, target_power=4.0)
    np.testing.assert_array_equal(plain.activity, heavy.activity)
    label = plain.targets["label"]
    np.testing.assert_allclose(heavy.targets["label"], np.sign(label) * label**4)
    assert stats.kurtosis(heavy.targets["label"]) > 20


def test_fine_bins_carry_the_declared_information_in_a_tenth_of_a_second():
    fine = {
        "carriers": 60,
        "carrier_counts": None,
        "bins": 12_000,
        "bin_s": 0.005,
        "information": 0.1,
    }
    source = declared(**fine)
    assert draw_population(source, "s-1").information.sum() * 0.1 / source.bin_s == pytest.approx(
        2.0
    )
    assert 0.01 < world(**fine).activity.mean() < 0.05


def test_the_ring_has_groups_that_prefer_one_direction_and_a_unit_alone():
    found = world(generator="ring", bins=20_000, nuisances=0)
    heading = np.exp(1j * found.targets["direction"])
    preferred = np.angle((found.activity * heading[:, None]).sum(axis=0))
    near = np.abs(np.angle(np.exp(1j * (preferred[:, None] - preferred)))) < np.pi / 8
    together = near.sum(axis=0)
    assert together[found.truth["alone"]] == 1
    assert (np.delete(together, found.truth["alone"]) == 7).all()
    np.testing.assert_allclose(found.activity.mean(axis=0), 10.0, rtol=0.05)
    assert abs(heading.mean()) < 0.05  # no direction is preferred by the target


@pytest.mark.parametrize(("case", "label_tau_s"), [("drift", 60.0), ("quiet", 10.0)])
def test_drifting_worlds_code_nothing(case, label_tau_s):
    """Chance makes slow processes look alike in one session; over sessions they are unrelated."""
    values = {
        "generator": "nothing",
        "case": case,
        "label_tau_s": label_tau_s,
        "bins": 6000,
        "units": 12,
    }
    sessions = [world(f"s-{i}", **values) for i in range(60)]
    related = [
        np.corrcoef(found.targets["label"], found.activity.sum(axis=1))[0, 1] for found in sessions
    ]
    assert np.std(related) > 0.05
    assert abs(np.mean(related)) < 3 * np.std(related) / np.sqrt(60)


def test_gains_drift_slowly_on_their_own_and_together():
    def correlation(**values):
        found = world(generator="nothing", case="drift", bins=100_000, units=20, **values).activity
        slow = np.log(found.reshape(400, 250, -1).mean(axis=1))
        return np.corrcoef(slow.T)[np.triu_indices(20, 1)].mean(), slow.std(axis=0).mean()

    together, spread = correlation()
    assert 0.3 < together < 0.7 and spread == pytest.approx(0.35 * np.sqrt(2), rel=0.25)
    assert correlation(gain_log_sd=0.0)[1] < 0.2


def test_a_quiet_target_hardly_varies_in_mid_session():
    labels = [
        world(
            f"s-{i}", generator="nothing", case="quiet", label_tau_s=10.0, units=2, bins=6000
        ).targets["label"]
        for i in range(30)
    ]
    spread = np.std(labels, axis=0)
    assert spread[2700:3300].mean() == pytest.approx(0.15, rel=0.25)
    assert spread[[0, -1]].mean() == pytest.approx(0.15 + 3 * 0.55, rel=0.25)


def test_declarations_round_trip_and_old_ones_keep_their_keys():
    for source in (
        declared(carriers=12, parts=5),
        declared("ring"),
        declared("nothing", case="quiet", gain_tau_s=30.0),
    ):
        assert SOURCES.validate_json(source.model_dump_json()) == source
    assert not {"gain_tau_s", "gain_log_sd"} & set(NothingRecording().model_dump())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"carriers": 1, "copies": 6, "parts": 12}, "only one of them can be more than 1"),
        ({"carriers": 30, "copies": 6}, "but the recording has only 60"),
        ({"generator": "ring", "directions": 5}, "but must be 29"),
    ],
)
def test_impossible_worlds_are_refused(values, said):
    with pytest.raises(ValidationError, match=said):
        declared(**values)


def test_defaults_are_those_of_the_phase_map():
    source = CarriersRecording()
    assert (source.units, source.bins, source.bin_s) == (60, 1600, 0.1)
    assert (source.label_tau_s, source.nuisances, source.nuisance_tau_s, source.nuisance_gain) == (
        0.2,
        4,
        2.0,
        0.3,
    )
