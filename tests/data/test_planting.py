"""Planted targets hold what they say: one is in one unit and nowhere else, the other is in many."""

import numpy as np
import pytest

from invariance_probe.data.planting import carrier, leading_component, plant
from invariance_probe.data.sessions import open_recording
from invariance_probe.errors import DataError
from invariance_probe.study.recordings import Planted, RedundancyRecording

WORLD = RedundancyRecording(carriers=40, units=40, bins=4000, information=6, nuisance_gain=0.5)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return open_recording(WORLD, "simulated", tmp_path_factory.mktemp("base"))


def planted(recording, kind):
    made = plant(recording, Planted(of=WORLD, plant=kind), "simulated+" + kind)
    return made, np.asarray(made.targets["planted"], dtype=float)


def correlations(activity, values):
    return np.array([np.corrcoef(activity[:, i], values)[0, 1] for i in range(activity.shape[1])])


def test_the_carrier_is_the_unit_of_high_rate_whose_halves_agree_best(recording):
    counts = recording.activity
    unit = carrier(counts)
    gen = np.random.default_rng(0)
    first = gen.binomial(counts, 0.5)
    agree = np.array([np.corrcoef(first[:, i], (counts - first)[:, i])[0, 1] for i in range(40)])
    often = counts.mean(axis=0) >= np.quantile(counts.mean(axis=0), 0.75)
    assert often[unit] and agree[unit] > np.where(often, agree, -1).max() - 0.05
    mean, variance = counts[:, unit].mean(), counts[:, unit].var()
    assert agree[unit] == pytest.approx((variance - mean) / (variance + mean), abs=0.05)


def test_one_unit_alone_carries_its_halves(recording):
    made, values = planted(recording, "one_unit")
    found = np.abs(correlations(made.activity, values))
    unit = carrier(recording.activity)
    assert found.argmax() == unit and found[unit] > 0.2
    assert np.delete(found, unit).max() < 0.1  # where the unit was, the others predict it
    unmoved = np.abs(correlations(recording.activity, np.roll(values, -(len(values) // 2))))
    assert np.delete(unmoved, unit).max() > 0.2


def test_the_projection_is_carried_by_many(recording):
    made, values = planted(recording, "projection")
    found = correlations(made.activity, values) ** 2
    assert found.sum() ** 2 / (found**2).sum() > 10
    assert np.abs(values).std() > 0 and values == pytest.approx(
        leading_component(plant_first(recording))
    )


def plant_first(recording):
    made, _ = planted(recording, "projection")
    return recording.activity - made.activity


def test_halves_add_up_and_signals_are_refused(recording):
    made, values = planted(recording, "one_unit")
    unit, half = carrier(recording.activity), len(values) // 2
    assert (np.roll(made.activity[:, unit] + values, -half) == recording.activity[:, unit]).all()
    signal = open_recording(WORLD, "simulated", None)
    object.__setattr__(signal, "activity_kind", "signal")
    with pytest.raises(DataError, match="spike counts"):
        plant(signal, Planted(of=WORLD, plant="one_unit"), "x")
