"""The native kernels' draws of views; to the bit what `augmentations/` draws by torch."""

import torch
from torch import Tensor

from invariance_probe.kernels.library import native


def fair_halves(ones: Tensor, start: Tensor, bins: Tensor, units: int) -> Tensor:
    """Draw Bin(x, 1/2) for the packed counts at the given bins: int16 (run, ..., unit).

    Parameters
    ----------
    ones
        Packed counts of a recording (chunk, time, word), int64.
    start
        Start positions of the runs' random bits (run,).
    bins
        Bins (run, ...), which also address the bits.
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
    """Return int16 windows (run, batch, time, unit) without the units whose 16-bit number is below the threshold (run, batch or 1)."""
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
    """Return (windows scale - mean) inverse_sd in float32: int16 windows (run, batch, time, unit), statistics (run, 1, 1, unit)."""
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
