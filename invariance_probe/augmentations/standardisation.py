"""Standardisation of activity by the mean and SD of each unit in each run's training part.

In: activity (time, unit), and the training bins of stacked runs. Out: a `Scaling`, which
turns windows of counts or signals into standardised activity.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.data.arrays import varies
from invariance_probe.kernels import draws

GATHERED_VALUES = 1 << 24
"""Largest number of values of activity that are gathered at once for statistics."""
LANES = 8
"""Groups of units are multiples of this many."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Standardisation by mean and SD of each run's training part.

    Both are computed from whole counts, even if a view shows halves.

    Attributes
    ----------
    mean
        Mean of each unit (run, 1, 1, unit).
    inverse_sd
        1 / SD of each unit (run, 1, 1, unit). It is 0 for a unit that is constant in the
        training part, so that the standardised unit is 0 everywhere.
    square_roots
        Whether sqrt(x + 1/4) is standardised instead of x.
    """

    mean: Tensor
    inverse_sd: Tensor
    square_roots: bool = False

    @classmethod
    def of(
        cls,
        activity: np.ndarray,
        bins: list[np.ndarray],
        dtype: torch.dtype,
        device: torch.device,
        square_roots: bool = False,
    ) -> "Scaling":
        """Measure mean and standard deviation over each run's training bins.

        Parameters
        ----------
        activity
            (time, unit).
        bins
            Training bins of each run, each (bin,).
        dtype, device
            Floating type and device of the statistics.
        square_roots
            Whether sqrt(x + 1/4) is standardised instead of x.
        """
        means, sds = (
            np.stack(found)
            for found in zip(*(_mean_sd(activity, b, square_roots) for b in bins), strict=True)
        )
        inverse = np.divide(1.0, sds, out=np.zeros_like(sds), where=varies(means, sds))
        shape = (len(bins), 1, 1, -1)
        mean, inverse_sd = (
            torch.from_numpy(x).to(device, dtype).view(shape) for x in (means, inverse)
        )
        return cls(mean, inverse_sd, square_roots)

    def apply(self, windows: Tensor, scale: float = 1.0, native: bool = False) -> Tensor:
        """Standardise windows.

        Parameters
        ----------
        windows
            Counts or signals (run, batch, time, unit).
        scale
            Factor on the activity before standardisation.
        native
            Whether compiled (native) kernels may compute the same result faster.

        Returns
        -------
        windows
            Standardised activity (run, batch, time, unit).
        """
        counts = windows.dtype == torch.int16 and self.mean.dtype == torch.float32
        if native and counts and not self.square_roots:
            return draws.standardise(windows, scale, self.mean, self.inverse_sd)
        values = windows.to(self.mean.dtype)
        if scale != 1.0:
            values = values * scale
        if self.square_roots:
            values = (values + 0.25).sqrt()
        # Windows may be large, so the difference is not copied again.
        return (values - self.mean).mul_(self.inverse_sd)


def _mean_sd(
    activity: np.ndarray, bins: np.ndarray, square_roots: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each unit over some bins, each (unit,).

    Large recordings are read in groups of units, whose numbers do not depend on each
    other.
    """
    at_once = max(LANES, GATHERED_VALUES // max(1, len(bins)) // LANES * LANES)
    found = []
    for first in range(0, activity.shape[1], at_once):
        whole = at_once >= activity.shape[1]
        values = activity[bins] if whole else activity[bins, first : first + at_once]
        if square_roots:
            values = np.sqrt(values + 0.25)
        found.append((values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)))
    if len(found) == 1:
        return found[0]
    means, sds = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return means, sds
