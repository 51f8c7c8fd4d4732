"""Latent processes and the rates of a simulated population, shared by the generators."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.signal import lfilter

from invariance_probe.data.recording import Recording
from invariance_probe.study.recordings import SimulatedRecording

GAIN_TAU_S = 1.0
"""Time constant of the gain that all units share."""


def ornstein_uhlenbeck(
    rng: np.random.Generator, bins: int, count: int, tau_s: float, bin_s: float
) -> np.ndarray:
    """Return stationary, unit-variance OU processes (bins, count) whose autocorrelation is exp(-lag / tau)."""
    decay = np.exp(-bin_s / tau_s)
    steps = rng.standard_normal((bins, count)) * np.sqrt(1 - decay**2)
    steps[0] /= np.sqrt(1 - decay**2)
    return lfilter([1.0], [1.0, -decay], steps, axis=0)


def baseline_rates(rng: np.random.Generator, units: int) -> np.ndarray:
    """Return mean rates in Hz (unit,): log-normal about 5 Hz with log-SD .6, clipped to [1, 20]."""
    return np.clip(np.exp(np.log(5.0) + 0.6 * rng.standard_normal(units)), 1.0, 20.0)


def jumping(
    rng: np.random.Generator, bins: int, count: int, tau_s: float, bin_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return unit-variance processes (bins, count) that are drawn anew together at Poisson times, and the bins of the jumps.

    Their autocorrelation is exp(-lag / tau), as that of an OU process.
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
    """Return counts (time, unit) with log-linear rates that keep the mean, of the source's count noise.

    A gamma renewal process of shape k is every k-th event of a Poisson process k times as fast.

    Parameters
    ----------
    source
        Says how the counts vary about their rate: `overdispersion`, `renewal_shape`, `shared_gain`.
    drive
        Log-rate modulation (time, unit), zero-mean Gaussian.
    power
        Its variance (unit,), so that E exp(drive - power / 2) = 1.
    mean_counts
        Mean count a bin (unit,).
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
    """Return counts and targets as a recording, one gap-free segment unless said otherwise."""
    return Recording(
        session=session, subject=source.subject, group=source.group, activity=counts, activity_kind="counts", bin_s=source.bin_s,
        unit_ids=tuple(unit_ids or map(str, range(counts.shape[1]))), targets=targets, trials=trials,
        segments=np.zeros(len(counts), dtype=np.int64) if segments is None else segments, truth=truth,
    )  # fmt: skip
