"""Simulate smooth labels that all units encode.

Nuisances drive the same units. The time constants of both are known.

In: the declared parameters (`SmoothnessRecording`) and the name of a session. Out: a
`Recording` whose truth holds both time constants. This is simulated world G1.
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
from invariance_probe.study.recordings import SmoothnessRecording


def simulate_smoothness(source: SmoothnessRecording, session: str) -> Recording:
    """Simulate one session with a smooth label.

    Labels and nuisances are Ornstein-Uhlenbeck processes, and drive all units
    log-linearly with Gaussian gains. The label's autocorrelation is
    exp(-lag / label_tau_s), so the labels of two training windows at a distance w in
    time correlate by exp(-w / label_tau_s).

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets `label` (time, dimension) and `nuisance` (time, nuisance).
    """
    rng = generator("simulate", source.seed, session)
    bins, units = source.bins, source.units
    mean_counts = baseline_rates(rng, units) * source.bin_s
    label = ornstein_uhlenbeck(rng, bins, source.label_dimensions, source.label_tau_s, source.bin_s)
    nuisance = ornstein_uhlenbeck(rng, bins, source.nuisances, source.nuisance_tau_s, source.bin_s)
    gains = source.label_gain * rng.standard_normal((source.label_dimensions, units))
    loadings = (
        source.nuisance_gain
        / np.sqrt(max(1, source.nuisances))
        * rng.standard_normal((source.nuisances, units))
    )
    power = (gains**2).sum(axis=0) + (loadings**2).sum(axis=0)
    counts = spike_counts(rng, source, label @ gains + nuisance @ loadings, power, mean_counts)
    truth = {"label_tau_s": source.label_tau_s, "nuisance_tau_s": source.nuisance_tau_s}
    return simulated_recording(
        source, session, counts, {"label": label, "nuisance": nuisance}, truth
    )
