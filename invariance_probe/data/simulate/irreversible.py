"""Simulate a label that rotates, or is reversible in time.

A recording of the rotating label can be told from the same recording played backwards.
The reversible label has the same autocorrelation, but its recording looks the same in
both directions of time.

In: the declared parameters (`IrreversibleRecording`) and the name of a session. Out: a
`Recording` whose truth says how strong the arrow of time is. This is simulated world
G9.
"""

import numpy as np
from scipy.signal import lfilter

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import (
    baseline_rates,
    ornstein_uhlenbeck,
    simulated_recording,
    spike_counts,
)
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import IrreversibleRecording


def simulate_irreversible(source: IrreversibleRecording, session: str) -> Recording:
    """Simulate one session with a label in the plane that rotates.

    The label and reversible Ornstein-Uhlenbeck (OU) nuisances drive all units
    log-linearly with Gaussian gains. The label is the sum of two processes that rotate
    with the same period and a random amplitude, in opposite directions. Their shares of
    its variance are `forwards` and 1 - forwards. Whatever the share, both coordinates of
    the label are Gaussian with the autocorrelation exp(-w / tau) cos(2 pi w / period) at
    lag w, and independent of each other at any one time.
    Only their covariance across time distinguishes the directions of time: E[x(t) y(t +
    w) - y(t) x(t + w)] = 2 (2 forwards - 1) exp(-w / tau) sin(2 pi w / period). At
    forwards = .5 it is 0: the coordinates are then independent, and a stationary
    Gaussian process of one variable is reversible (Weiss 1975, doi:10.2307/3212735).

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets `label` (time, 2) and `nuisance` (time, nuisance). In the truth, `arrow`
        is 2 forwards - 1, which is 0 for a reversible label.
    """
    rng = generator("simulate", source.seed, session)
    bins, units = source.bins, source.units
    mean_counts = baseline_rates(rng, units) * source.bin_s
    ahead, back = (rotating(rng, source) for _ in range(2))
    label = np.sqrt(source.forwards) * ahead + np.sqrt(1 - source.forwards) * back * [1.0, -1.0]
    nuisance = ornstein_uhlenbeck(rng, bins, source.nuisances, source.nuisance_tau_s, source.bin_s)
    gains = source.label_gain * rng.standard_normal((2, units))
    loadings = (
        source.nuisance_gain
        / np.sqrt(max(1, source.nuisances))
        * rng.standard_normal((source.nuisances, units))
    )
    power = (gains**2).sum(axis=0) + (loadings**2).sum(axis=0)
    counts = spike_counts(rng, source, label @ gains + nuisance @ loadings, power, mean_counts)
    truth = {
        "label_tau_s": source.label_tau_s,
        "period_s": source.period_s,
        "arrow": 2 * source.forwards - 1,
    }
    return simulated_recording(
        source, session, counts, {"label": label, "nuisance": nuisance}, truth
    )


def rotating(rng: np.random.Generator, source: IrreversibleRecording) -> np.ndarray:
    """Draw a stationary process in the plane that rotates about the origin.

    Parameters
    ----------
    rng
        Random generator.
    source
        Declares the number of bins, the period and the time constant.

    Returns
    -------
    plane
        The two coordinates (time, 2), each of unit variance. The rotation is from the
        first axis towards the second.
    """
    decay = np.exp(-source.bin_s / source.label_tau_s)
    turn = decay * np.exp(2j * np.pi * source.bin_s / source.period_s)
    steps = rng.standard_normal((source.bins, 2)) @ [1.0, 1.0j] * np.sqrt(1 - decay**2)
    steps[0] /= np.sqrt(1 - decay**2)
    plane = lfilter([1.0], [1.0, -turn], steps)
    return np.stack([plane.real, plane.imag], axis=1)
