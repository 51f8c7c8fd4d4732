"""Simulate behaviours that recur in bouts, under a slow drift.

The drift is similar at nearby times and different at distant ones.

In: the declared parameters (`RecurringRecording`) and the name of a session. Out: a
`Recording` with the behaviour and the drift as targets. This is simulated world G3.
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
from invariance_probe.study.recordings import RecurringRecording

WITHIN_SD = 0.3
"""SD of the variation within a behaviour, relative to that between behaviours."""
WITHIN_TAU_S = 1.0
"""Time constant of the variation within a behaviour (seconds)."""


def simulate_recurring(source: RecurringRecording, session: str) -> Recording:
    """Simulate one session of recurring behaviours.

    Bouts have geometrically distributed lengths, each behaviour has its own pattern of
    activity over units, and the drifts are Ornstein-Uhlenbeck processes.

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets `behaviour` (time,), classes counted from 0, and `drift` (time, drift).
    """
    rng = generator("simulate", source.seed, session)
    units, bins = source.units, source.bins
    mean_counts = baseline_rates(rng, units) * source.bin_s
    patterns = source.behaviour_gain * rng.standard_normal((source.behaviours, units))
    loadings = (
        source.drift_gain / np.sqrt(source.drifts) * rng.standard_normal((source.drifts, units))
    )
    ends = rng.random(bins) < source.bin_s / max(source.bout_s, source.bin_s)
    steps = np.where(ends, rng.integers(1, source.behaviours, bins), 0)
    behaviour = (rng.integers(source.behaviours) + np.cumsum(steps)) % source.behaviours
    drift = ornstein_uhlenbeck(rng, bins, source.drifts, source.drift_tau_s, source.bin_s)
    within = (
        WITHIN_SD
        * source.behaviour_gain
        * ornstein_uhlenbeck(rng, bins, units, WITHIN_TAU_S, source.bin_s)
    )
    centred = patterns - patterns.mean(axis=0)
    power = (
        (centred**2).mean(axis=0)
        + (loadings**2).sum(axis=0)
        + (WITHIN_SD * source.behaviour_gain) ** 2
    )
    counts = spike_counts(
        rng, source, centred[behaviour] + drift @ loadings + within, power, mean_counts
    )
    truth = {
        "behaviours": source.behaviours,
        "bout_s": source.bout_s,
        "drift_tau_s": source.drift_tau_s,
    }
    return simulated_recording(
        source, session, counts, {"behaviour": behaviour, "drift": drift}, truth
    )
