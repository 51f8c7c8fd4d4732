"""The operations that a policy over augmentations chooses from, each at a level of its strength, on standardised windows.

An operation is chosen for every window: units are hidden at their mean, noise is added, a window is scaled, or single values are set
far out. At level l of `LEVELS` and strength s in [0, 1] its magnitude is s l / LEVELS of its cap; at strength 0 nothing changes, to the bit.
"""

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import normal, position, uniform

CAPS = {"hide": 0.8, "noise": 1.0, "gain": 0.5, "pepper": 0.2}
"""The largest magnitudes: probability that a unit is hidden, SD of the noise in SDs of a unit, SD of a window's log-gain, and probability
that a value is set to `FAR`."""
LEVELS = 4
CHOICES = LEVELS * len(CAPS)
FAR = 3.0
"""Where pepper sets a value, in SDs of its unit above its mean."""
HIDE, NOISE, GAIN, PEPPER = range(len(CAPS))


def operate(
    windows: Tensor, choice: Tensor, strength: Tensor, start: Tensor, rows: Tensor
) -> Tensor:
    """Return windows (run, row, time, unit) with each one's chosen operation done to it.

    Parameters
    ----------
    choice
        Operation x `LEVELS` + level, from 0 (run, row).
    strength
        In [0, 1] (run,).
    start
        Where each run's numbers are read (run,).
    rows
        Which of them each window reads (run, row).
    """
    _, _, time, units = windows.shape
    operation, level = choice // LEVELS, (choice % LEVELS + 1) / LEVELS
    magnitude = strength.view(-1, 1) * level

    def size(which: int, cap: float) -> Tensor:
        return torch.where(operation == which, cap * magnitude, 0.0)[..., None, None].to(
            windows.dtype
        )

    hide, noise, gain, pepper = (size(which, cap) for which, cap in enumerate(CAPS.values()))
    starts = [position(start, which) for which in range(len(CAPS))]
    hidden = uniform(starts[HIDE], rows, units).unsqueeze(2) < hide
    scaled = (
        windows.masked_fill(hidden, 0)
        * (gain * normal(starts[GAIN], rows, 1).unsqueeze(3).to(windows.dtype)).exp()
    )
    shape = (*rows.shape, time, units)
    moved = scaled + noise * normal(starts[NOISE], rows, time * units).view(shape).to(windows.dtype)
    return moved.masked_fill(uniform(starts[PEPPER], rows, time * units).view(shape) < pepper, FAR)


def drawn(number: Tensor, probabilities: Tensor) -> Tensor:
    """Return the choices (run, row) that numbers uniform on (0, 1) make under probabilities (run, choice)."""
    edges = probabilities.to(torch.float64).cumsum(1)[:, :-1].contiguous()
    return torch.searchsorted(edges, number.to(torch.float64), right=True)
