"""G7: a waking label, and sleep that replays it in part."""

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import baseline_rates, ornstein_uhlenbeck, simulated_recording, spike_counts
from invariance_probe.streams import generator
from invariance_probe.study.recordings import ReplayRecording

SLEEP_NOISE = 2.0
"""Variance of the shared slow noise in sleep, of that in waking."""
NOISE_GAIN = 0.3
NOISE_TAU_S = 2.0


def simulate_replay(source: ReplayRecording, session: str) -> Recording:
    """Simulate one session: waking (segment 0) and sleep (segment 1), each half of the bins.

    In a replaying bout the drive is a stretch of the waking label, `compression` times as fast; in the other bouts it
    is an independent process of the same law. The target `label` is what drives activity, `state` is 0 awake and 1 asleep.
    """
    rng = generator("simulate", source.seed, session)
    units, awake = source.units, source.bins // 2
    asleep = source.bins - awake
    mean_counts = baseline_rates(rng, units) * source.bin_s
    gains = source.label_gain * rng.standard_normal((source.label_dimensions, units))
    loadings = NOISE_GAIN * rng.standard_normal(units)
    wake = ornstein_uhlenbeck(rng, awake, source.label_dimensions, source.label_tau_s, source.bin_s)
    sleep = ornstein_uhlenbeck(rng, asleep, source.label_dimensions, source.label_tau_s / source.compression, source.bin_s)
    replaying = np.zeros(source.bins, dtype=np.int64)
    length = max(1, round(source.bout_s / source.bin_s))
    for start in range(0, asleep, length):
        bout = slice(start, min(start + length, asleep))
        steps = (np.arange(bout.stop - bout.start) * source.compression).astype(np.int64)
        if rng.random() < source.fraction and steps[-1] < awake:
            sleep[bout] = wake[rng.integers(0, awake - steps[-1]) + steps]
            replaying[awake + start : awake + bout.stop] = 1
    state = (np.arange(source.bins) >= awake).astype(np.int64)
    label = np.concatenate([wake, sleep])
    gain = np.where(state, source.sleep_gain, 1.0)[:, None]
    noise = (
        ornstein_uhlenbeck(rng, source.bins, 1, NOISE_TAU_S, source.bin_s) * np.sqrt(np.where(state, SLEEP_NOISE, 1.0))[:, None]
    )
    power = gain**2 * (gains**2).sum(axis=0) + np.where(state, SLEEP_NOISE, 1.0)[:, None] * loadings**2
    counts = spike_counts(rng, source, gain * (label @ gains) + noise * loadings, power, mean_counts)
    truth = {"fraction": float(replaying[awake:].mean()), "compression": source.compression}
    targets = {"label": label, "state": state, "replaying": replaying}
    return simulated_recording(source, session, counts, targets, truth, segments=state)
