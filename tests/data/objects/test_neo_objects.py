"""Objects of neo, with units of time and of measure."""

import numpy as np
import pytest

import invariance_probe as ip
from invariance_probe.errors import DataError

neo = pytest.importorskip("neo")
pq = pytest.importorskip("quantities")

RNG = np.random.default_rng(0)
SPIKES = {unit: np.sort(RNG.uniform(2, 58, n)) for unit, n in (("a", 400), ("b", 90))}
SINE = np.sin(np.arange(6000) / 100)


def trains(stops=(60, 60)):
    return [
        neo.SpikeTrain(times * 1000 * pq.ms, t_start=1 * pq.s, t_stop=stop * pq.s, name=name)
        for (name, times), stop in zip(SPIKES.items(), stops, strict=True)
    ]


def segment():
    found = neo.Segment()
    found.spiketrains.extend(trains())
    found.analogsignals.append(
        neo.AnalogSignal(
            np.stack([SINE, -SINE], axis=1),
            units="mV",
            sampling_rate=100 * pq.Hz,
            t_start=0 * pq.ms,
            array_annotations={"channel_names": np.array(["left", "right"])},
        )
    )
    found.epochs.append(
        neo.Epoch(
            times=[5000, 30000] * pq.ms,
            durations=[10, 10] * pq.s,
            labels=np.array(["go", "stop"]),
            array_annotations={"level": np.array([1, 2])},
        )
    )
    return found


def made(activity, **given):
    return ip.Recording.from_signals(activity, **{"bin_s": 0.5, "targets": {}, **given})


def counted(first, last):
    edges = np.arange(first, last + 0.1, 0.5)
    return np.stack([np.histogram(times, edges)[0] for times in SPIKES.values()], axis=1)


@pytest.mark.parametrize(
    "form",
    [
        trains,
        lambda: segment().spiketrains,
        segment,
        lambda: dict(zip("ab", trains(), strict=True)),
        lambda: {name: times * 1e3 * pq.ms for name, times in SPIKES.items()},
    ],
)
def test_spike_times_in_ms_are_counted_in_bins_of_seconds(form):
    found = made(form(), between_s=(1, 57))
    assert np.array_equal(found.activity, counted(1, 57)) and found.unit_ids == ("a", "b")
    assert any("are converted from ms to seconds" in note for note in found.notes)


def test_units_are_observed_from_their_start_to_their_stop():
    found = made(trains(stops=(60, 58)))
    assert np.array_equal(found.activity, counted(1, 58))
    assert any("the time common to all, 1 s to 58 s, is used" in note for note in found.notes)
    assert not any("nothing says when units were observed" in note for note in found.notes)


def test_signals_and_epochs_of_a_segment():
    block = neo.Block()
    block.segments.append(segment())
    found = made(
        block,
        trials=block,
        targets={
            "v": {"series": block, "channels": ["right"]},
            "go": {"table": block.segments[0].epochs[0], "column": "label"},
            "level": {"table": block, "column": "level"},
        },
    )
    bins = np.r_[10:30, 60:80]
    assert np.array_equal(found.activity, counted(0, 60)[bins])
    assert np.array_equal(found.targets["v"], -SINE[25::50][bins])
    assert found.targets["go"].tolist() == ["go"] * 20 + ["stop"] * 20
    assert found.targets["level"].tolist() == [1] * 20 + [2] * 20


def test_signals_without_spikes_are_the_activity_whether_even_or_not():
    signal = segment().analogsignals[0]
    even = made(signal)
    assert even.unit_ids == ("left", "right") and even.activity_kind == "signal"
    uneven = neo.IrregularlySampledSignal(
        signal.times.rescale("ms"), signal.magnitude, units="mV", time_units="ms"
    )
    assert np.allclose(made(uneven).activity, even.activity[:, :], atol=1e-6)
    alone = neo.Segment()
    alone.analogsignals.append(signal)
    assert made(alone).fingerprint == even.fingerprint


def two_segments():
    block = neo.Block()
    block.segments.extend([segment(), segment()])
    return block


def two_signals():
    found = segment()
    found.analogsignals.append(neo.AnalogSignal([1, 2], units="mV", sampling_rate=1 * pq.Hz))
    return found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: {"activity": two_segments()}, r"2 segments, and one is needed.*segments\[0\]"),
        (
            lambda: {"activity": trains(), "targets": {"v": two_signals()}},
            r"2 signals, and one is needed.*analogsignals\[0\]",
        ),
        (lambda: {"activity": {"a": [1, 2] * pq.mV}}, "have the unit mV, which is no time"),
        (
            lambda: {
                "activity": [
                    neo.SpikeTrain([1] * pq.s, t_stop=2 * pq.s),
                    neo.SpikeTrain([3] * pq.s, t_start=3 * pq.s, t_stop=4 * pq.s),
                ]
            },
            "no time at which all 2 spike trains were recorded",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(given, said):
    with pytest.raises(DataError, match=said):
        made(**given())


def test_what_is_not_loaded_is_refused_and_what_is_loaded_is_used(tmp_path):
    (tmp_path / "example.fake").write_bytes(b"")
    io = neo.io.ExampleIO(str(tmp_path / "example.fake"))
    lazy = io.read_block(lazy=True).segments[0]
    with pytest.raises(DataError, match="such as a SpikeTrainProxy, which is not loaded"):
        made(lazy)
    with pytest.raises(DataError, match=r"AnalogSignalProxy; .* give what its load\(\) returns"):
        made(lazy.analogsignals[0])
    with pytest.raises(DataError, match=r"EpochProxy; .* give what its load\(\) returns"):
        made({"a": [1.0, 2.0]}, trials=lazy.epochs[0])
    whole = io.read_block(lazy=False).segments[0]
    epochs = lazy.epochs[0].load()
    found = made(whole, bin_s=0.05, trials=epochs, targets={"v": lazy.analogsignals[0].load()})
    assert found.activity.shape == (50, 3) and found.targets["v"].shape == (50, 8)
