"""G1b: labels that jump instead of moving smoothly.

No lag curve tells them from smooth labels of the same time constant.

In: a `SwitchingRecording` and the name of a session. Out: a `Recording` whose truth
names the bins at which the label jumps.
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
    """Simulate one session with a label that jumps, beside OU nuisances.

    The label is drawn anew at each jump, or it is a chain of states with a code each.
    With K states that are left for any other at random after exponential dwells of mean
    D, the autocorrelation of the code is exp(-w K / ((K - 1) D)); D is set so that this
    is exp(-w / label_tau_s).

    Parameters
    ----------
    source
        The declared world.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets `label` (time, dimension), `nuisance` (time, nuisance) and, for a chain,
        `state` (time,). In the truth, `change_points` are the bins at which the label
        jumps.
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
    """State of every bin (time,), and the bins where it changes."""
    dwell_s = source.label_tau_s * source.states / (source.states - 1)
    changes = rng.random(source.bins) < 1 - np.exp(-source.bin_s / dwell_s)
    steps = np.where(changes, rng.integers(1, source.states, source.bins), 0)
    return (rng.integers(source.states) + np.cumsum(steps)) % source.states, np.flatnonzero(changes)
