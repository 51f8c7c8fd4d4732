"""Random draws of views by the native kernels.

In: spike counts, and start positions in streams of random numbers. Out: thinned, silenced
or standardised counts. They equal those that `augmentations/` computes with torch, bit
for bit.
"""

import torch
from torch import Tensor

from invariance_probe.kernels.library import native


def fair_halves(ones: Tensor, start: Tensor, bins: Tensor, units: int) -> Tensor:
    """Draw one binomial half, Bin(x, 1/2), of every spike count x in given bins.

    Parameters
    ----------
    ones
        Counts of a recording (chunk, time, word), int64, as `augmentations.counts` packs
        them: four units per word, and up to sixteen spikes of each unit per chunk.
    start
        Start of each run's random bits (run,).
    bins
        Indices of the bins (run, ...). They also select the random bits, so that a bin has
        the same half wherever it occurs.
    units
        Number of units.

    Returns
    -------
    halves
        Thinned counts (run, ..., unit), int16.
    """
    half = torch.empty(*bins.shape, units, dtype=torch.int16)
    native().call(
        "fair_halves",
        ones,
        *ones.shape,
        start,
        bins.contiguous(),
        half,
        len(bins),
        bins[0].numel(),
        units,
    )
    return half


def lose_units(windows: Tensor, start: Tensor, rows: Tensor, threshold: Tensor) -> Tensor:
    """Silence the units whose 16-bit random number is below a threshold.

    Parameters
    ----------
    windows
        Counts (run, batch, time, unit), int16.
    start
        Start of each run's random numbers (run,).
    rows
        Row of random numbers, one per unit, that each window uses (run, batch or 1).
    threshold
        Threshold of each window, or of each run (run, batch or 1), int16.

    Returns
    -------
    windows
        Counts without the lost units (run, batch, time, unit), int16.
    """
    lost = windows.clone()
    runs, batch, times, units = windows.shape
    address = rows.expand(runs, batch).contiguous()
    native().call(
        "lose_units",
        lost,
        start,
        address,
        threshold,
        threshold.shape[1] > 1,
        runs,
        batch,
        times,
        units,
    )
    return lost


def standardise(windows: Tensor, scale: float, mean: Tensor, inverse_sd: Tensor) -> Tensor:
    """Standardise counts: (windows * scale - mean) * inverse_sd, in float32.

    Parameters
    ----------
    windows
        Counts (run, batch, time, unit), int16.
    scale
        Factor by which the counts are multiplied first.
    mean, inverse_sd
        Mean and inverse standard deviation of each unit (run, 1, 1, unit), float32.

    Returns
    -------
    windows
        Standardised activity (run, batch, time, unit), float32.
    """
    out = torch.empty(windows.shape, dtype=torch.float32)
    runs, batch, times, units = windows.shape
    native().call(
        "standardise",
        windows.contiguous(),
        scale,
        mean,
        inverse_sd,
        out,
        runs,
        batch * times,
        units,
    )
    return out
