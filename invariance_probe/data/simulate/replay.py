"""Simulate a waking label, parts of which are replayed in sleep.

Optionally, a second state of sleep follows in which nothing is replayed.

In: the declared parameters (`ReplayRecording`) and the name of a session. Out: a
`Recording` whose segments are the states, and whose targets say in which bins activity
is replayed. This is simulated world G7.
"""

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import (
    baseline_rates,
    ornstein_uhlenbeck,
    simulated_recording,
    spike_counts,
)
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import ReplayRecording

SLEEP_NOISE = 2.0
"""Variance of the shared slow noise asleep, relative to awake."""
NOISE_GAIN = 0.3
"""Standard deviation over units of the log-rate gain for the shared noise."""
NOISE_TAU_S = 2.0
"""Time constant of the shared noise (seconds)."""


def simulate_replay(source: ReplayRecording, session: str) -> Recording:
    """Simulate one session of waking, and of sleep with replay.

    Waking (segment 0) and sleep (segment 1) have half of the bins each. Sleep is divided
    into bouts. In a replaying bout, activity is driven by a stretch of the waking label,
    `compression` times as fast; in the other bouts, by an independent process with the
    same statistics. With `control_sleep`, there are three parts of equal length, and the
    last (segment and state 2) is sleep without replay.

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets `label` (time, dimension), which drives activity; `state` (time,), 0
        awake and 1 or 2 asleep; and `replaying` (time,), 1 in replaying bouts. In the
        truth, `fraction` is the part of the first sleep state that is replay.
    """
    rng = generator("simulate", source.seed, session)
    units, awake = source.units, source.bins // (3 if source.control_sleep else 2)
    rest = source.bins - awake
    asleep = rest - awake if source.control_sleep else rest
    mean_counts = baseline_rates(rng, units) * source.bin_s
    gains = source.label_gain * rng.standard_normal((source.label_dimensions, units))
    loadings = NOISE_GAIN * rng.standard_normal(units)
    wake = ornstein_uhlenbeck(rng, awake, source.label_dimensions, source.label_tau_s, source.bin_s)
    sleep = ornstein_uhlenbeck(
        rng, rest, source.label_dimensions, source.label_tau_s / source.compression, source.bin_s
    )
    replaying = np.zeros(source.bins, dtype=np.int64)
    length = max(1, round(source.bout_s / source.bin_s))
    for start in range(0, asleep, length):
        bout = slice(start, min(start + length, asleep))
        steps = (np.arange(bout.stop - bout.start) * source.compression).astype(np.int64)
        if rng.random() < source.fraction and steps[-1] < awake:
            sleep[bout] = wake[rng.integers(0, awake - steps[-1]) + steps]
            replaying[awake + start : awake + bout.stop] = 1
    place = np.arange(source.bins)
    state = (place >= awake).astype(np.int64) + (place >= awake + asleep)
    label, slept = np.concatenate([wake, sleep]), np.minimum(state, 1)
    gain = np.where(slept, source.sleep_gain, 1.0)[:, None]
    noise = (
        ornstein_uhlenbeck(rng, source.bins, 1, NOISE_TAU_S, source.bin_s)
        * np.sqrt(np.where(slept, SLEEP_NOISE, 1.0))[:, None]
    )
    power = (
        gain**2 * (gains**2).sum(axis=0) + np.where(slept, SLEEP_NOISE, 1.0)[:, None] * loadings**2
    )
    counts = spike_counts(
        rng, source, gain * (label @ gains) + noise * loadings, power, mean_counts
    )
    truth = {
        "fraction": float(replaying[awake : awake + asleep].mean()),
        "compression": source.compression,
    }
    targets = {"label": label, "state": state, "replaying": replaying}
    return simulated_recording(source, session, counts, targets, truth, segments=state)
