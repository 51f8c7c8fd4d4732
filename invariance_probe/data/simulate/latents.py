"""Latent processes, firing rates and spike counts for all simulations.

In: a random generator, the declared parameters of a simulation, and time constants.
Out: latents (time, latent), mean rates, counts (time, unit), and the `Recording` that
is made of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.signal import lfilter

from invariance_probe.data.recording import Recording
from invariance_probe.study.recordings import SimulatedRecording

GAIN_TAU_S = 1.0
"""Time constant of the gain that all units share (seconds)."""


def ornstein_uhlenbeck(
    rng: np.random.Generator, bins: int, count: int, tau_s: float, bin_s: float
) -> np.ndarray:
    """Draw stationary Ornstein-Uhlenbeck (OU) processes of unit variance.

    Their autocorrelation is exp(-lag / tau).

    Parameters
    ----------
    rng
        Random generator.
    bins
        Length in bins, at least 1.
    count
        Number of independent processes.
    tau_s
        Time constant in seconds.
    bin_s
        Seconds per bin.

    Returns
    -------
    processes
        (time, process).
    """
    decay = np.exp(-bin_s / tau_s)
    steps = rng.standard_normal((bins, count)) * np.sqrt(1 - decay**2)
    steps[0] /= np.sqrt(1 - decay**2)
    return lfilter([1.0], [1.0, -decay], steps, axis=0)


def baseline_rates(rng: np.random.Generator, units: int) -> np.ndarray:
    """Draw the mean rates of units: log-normal about 5 Hz with log-SD .6.

    Parameters
    ----------
    rng
        Random generator.
    units
        Number of units.

    Returns
    -------
    rates
        In Hz (unit,), clipped to [1, 20].
    """
    return np.clip(np.exp(np.log(5.0) + 0.6 * rng.standard_normal(units)), 1.0, 20.0)


def jumping(
    rng: np.random.Generator, bins: int, count: int, tau_s: float, bin_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw processes of unit variance that jump together at Poisson times.

    Between jumps they are constant; at a jump all of them are drawn anew. Their
    autocorrelation is exp(-lag / tau), like that of an OU process.

    Parameters
    ----------
    rng
        Random generator.
    bins
        Length in bins, at least 1.
    count
        Number of processes.
    tau_s
        Time constant, the mean time between jumps, in seconds.
    bin_s
        Seconds per bin.

    Returns
    -------
    processes
        (time, process).
    jumps
        Bins at which the processes jump (jump,).
    """
    jumps = rng.random(bins) < 1 - np.exp(-bin_s / tau_s)
    epoch = np.cumsum(jumps)
    return rng.standard_normal((int(epoch[-1]) + 1, count))[epoch], np.flatnonzero(jumps)


def spike_counts(
    rng: np.random.Generator,
    source: SimulatedRecording,
    drive: np.ndarray,
    power: np.ndarray,
    mean_counts: np.ndarray,
) -> np.ndarray:
    """Draw spike counts with log-linear rates and the declared count noise.

    The modulation of the rate has mean 1, so the mean counts are as given. A gamma
    renewal process of shape k consists of every k-th event of a Poisson process that is
    k times as fast.

    Parameters
    ----------
    rng
        Random generator.
    source
        Declares how counts vary about their rate: `overdispersion`, `renewal_shape` and
        `shared_gain`.
    drive
        Modulation of the log-rate (time, unit), Gaussian of mean 0.
    power
        Variance of the drive (unit,) or (time, unit), so that
        E exp(drive - power / 2) = 1.
    mean_counts
        Mean count per bin (unit,).

    Returns
    -------
    counts
        (time, unit) int32.
    """
    rates = mean_counts * np.exp(drive - power / 2)
    if source.shared_gain:
        gain = ornstein_uhlenbeck(rng, len(rates), 1, GAIN_TAU_S, source.bin_s)
        rates = rates * np.exp(source.shared_gain * gain - source.shared_gain**2 / 2)
    if source.overdispersion:
        rates = rates * rng.gamma(1 / source.overdispersion, source.overdispersion, rates.shape)
    if source.renewal_shape == 1:
        return rng.poisson(rates).astype(np.int32)
    events = np.cumsum(rng.poisson(source.renewal_shape * rates), axis=0) // source.renewal_shape
    return np.diff(events, axis=0, prepend=0).astype(np.int32)


def simulated_recording(
    source: SimulatedRecording,
    session: str,
    counts: np.ndarray,
    targets: Mapping[str, np.ndarray],
    truth: Mapping[str, Any],
    segments: np.ndarray | None = None,
    trials: np.ndarray | None = None,
    unit_ids: Sequence[str] | None = None,
) -> Recording:
    """Build a recording from simulated counts and targets.

    Parameters
    ----------
    source
        Declared parameters of the simulation: subject, group and bin length are used.
    session
        Name of the session.
    counts
        Spike counts (time, unit).
    targets
        What can be decoded, by name; time is the first axis.
    truth
        What is known because the recording was simulated, by name.
    segments
        Gap-free segment of each bin (time,); one segment if omitted.
    trials
        Trial of each bin (time,); no trials if omitted.
    unit_ids
        Names of the units (unit,); 0, 1, 2 ... if omitted.

    Returns
    -------
    recording
        The simulated session.
    """
    return Recording(
        session=session, subject=source.subject, group=source.group,
        activity=counts, activity_kind="counts", bin_s=source.bin_s,
        unit_ids=tuple(unit_ids or map(str, range(counts.shape[1]))),
        targets=targets, trials=trials,
        segments=np.zeros(len(counts), dtype=np.int64) if segments is None else segments,
        truth=truth,
    )  # fmt: skip
