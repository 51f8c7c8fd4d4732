"""The native kernels' draws of views.

They equal what `augmentations/` draws by torch, to the bit.
"""

import torch
from torch import Tensor

from invariance_probe.kernels.library import native


def fair_halves(ones: Tensor, start: Tensor, bins: Tensor, units: int) -> Tensor:
    """Draw Bin(x, 1/2) for the packed counts at given bins.

    Parameters
    ----------
    ones
        Packed counts of a recording (chunk, time, word), int64.
    start
        Start positions of the runs' random bits (run,).
    bins
        Bins (run, ...), which also address the bits.
    units
        Number of units.

    Returns
    -------
    halves
        (run, ..., unit), int16.
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
        Start positions of the runs' random numbers (run,).
    rows
        Row of the numbers that each window reads (run, batch or 1).
    threshold
        (run, batch or 1), int16.

    Returns
    -------
    windows
        (run, batch, time, unit), int16.
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
    """Compute (windows scale - mean) inverse_sd in float32.

    Parameters
    ----------
    windows
        Counts (run, batch, time, unit), int16.
    scale
        Factor on the counts.
    mean, inverse_sd
        (run, 1, 1, unit), float32.

    Returns
    -------
    windows
        (run, batch, time, unit), float32.
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
