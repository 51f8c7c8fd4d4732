"""Simulate labels that jump instead of moving smoothly.

Their autocorrelation is that of smooth labels with the same time constant, so a curve
of losses over lags cannot distinguish the two.

In: the declared parameters (`SwitchingRecording`) and the name of a session. Out: a
`Recording` whose truth gives the bins at which the label jumps. This is simulated world
G1b.
"""

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import (
    baseline_rates,
    jumping,
    ornstein_uhlenbeck,
    simulated_recording,
    spike_counts,
)
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import SwitchingRecording


def simulate_switching(source: SwitchingRecording, session: str) -> Recording:
    """Simulate one session with a label that jumps, and smooth nuisances.

    Either the label is drawn anew at each jump, or it switches among K states, each of
    which has a fixed value of the label. A state lasts for an exponentially distributed
    time with mean d, and any other state may follow with equal probability. The
    autocorrelation at lag w is then exp(-w K / ((K - 1) d)), and d is chosen so that
    this equals exp(-w / label_tau_s). The nuisances are Ornstein-Uhlenbeck processes.

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets `label` (time, dimension), `nuisance` (time, nuisance) and, if the label
        switches among states, `state` (time,). In the truth, `change_points` are the
        bins at which the label jumps.
    """
    rng = generator("simulate", source.seed, session)
    units, bins = source.units, source.bins
    mean_counts = baseline_rates(rng, units) * source.bin_s
    gains = source.label_gain * rng.standard_normal((source.label_dimensions, units))
    loadings = (
        source.nuisance_gain
        / np.sqrt(max(1, source.nuisances))
        * rng.standard_normal((source.nuisances, units))
    )
    targets: dict[str, np.ndarray] = {}
    if source.process == "redraw":
        label, jumps = jumping(rng, bins, source.label_dimensions, source.label_tau_s, source.bin_s)
    else:
        state, jumps = _states(rng, source)
        codes = rng.standard_normal((source.states, source.label_dimensions))
        label = ((codes - codes.mean(axis=0)) / codes.std(axis=0))[state]
        targets["state"] = state
    nuisance = ornstein_uhlenbeck(rng, bins, source.nuisances, source.nuisance_tau_s, source.bin_s)
    power = (gains**2).sum(axis=0) + (loadings**2).sum(axis=0)
    counts = spike_counts(rng, source, label @ gains + nuisance @ loadings, power, mean_counts)
    truth = {"label_tau_s": source.label_tau_s, "change_points": tuple(int(i) for i in jumps)}
    return simulated_recording(
        source, session, counts, {"label": label, "nuisance": nuisance, **targets}, truth
    )


def _states(rng: np.random.Generator, source: SwitchingRecording) -> tuple[np.ndarray, np.ndarray]:
    """Draw the state of each bin (time,), and the bins at which it changes."""
    dwell_s = source.label_tau_s * source.states / (source.states - 1)
    changes = rng.random(source.bins) < 1 - np.exp(-source.bin_s / dwell_s)
    steps = np.where(changes, rng.integers(1, source.states, source.bins), 0)
    return (rng.integers(source.states) + np.cumsum(steps)) % source.states, np.flatnonzero(changes)
