"""Latent processes and the rates of a simulated population, shared by the generators."""

import numpy as np
from scipy.signal import lfilter


def ornstein_uhlenbeck(rng: np.random.Generator, bins: int, count: int, tau_s: float, bin_s: float) -> np.ndarray:
    """Return stationary, unit-variance OU processes (bins, count) whose autocorrelation is exp(-lag / tau)."""
    decay = np.exp(-bin_s / tau_s)
    steps = rng.standard_normal((bins, count)) * np.sqrt(1 - decay**2)
    steps[0] /= np.sqrt(1 - decay**2)
    return lfilter([1.0], [1.0, -decay], steps, axis=0)


def baseline_rates(rng: np.random.Generator, units: int) -> np.ndarray:
    """Return mean rates in Hz (unit,): log-normal about 5 Hz with log-SD .6, clipped to [1, 20]."""
    return np.clip(np.exp(np.log(5.0) + 0.6 * rng.standard_normal(units)), 1.0, 20.0)


def poisson_counts(rng: np.random.Generator, drive: np.ndarray, power: np.ndarray, mean_counts: np.ndarray) -> np.ndarray:
    """Return counts (time, unit) with log-linear rates that keep the mean.

    Parameters
    ----------
    drive
        Log-rate modulation (time, unit), zero-mean Gaussian.
    power
        Its variance (unit,), so that E exp(drive - power / 2) = 1.
    mean_counts
        Mean count a bin (unit,).
    """
    return rng.poisson(mean_counts * np.exp(drive - power / 2)).astype(np.int32)
