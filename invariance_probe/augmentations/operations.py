"""The operations that an augmentation policy chooses from.

One operation is chosen per window: units are hidden (set to their mean), noise is added,
the whole window is scaled, or individual values are set far from the mean. The magnitude is
cap * s * l / `LEVELS`, with the operation's largest magnitude (cap), the strength s in
[0, 1], and the level l = 1 ... `LEVELS`. At strength 0 the window is returned bit for
bit.

In: standardised windows of stacked runs, which are trained together
(run, row, time, unit), and a choice per window. Out: windows of the same shape. The
policy is learned in `training.adversaries.policy`.
"""

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import normal, position, uniform

CAPS = {"hide": 0.8, "noise": 1.0, "gain": 0.5, "pepper": 0.2}
"""Largest magnitude (cap) of each operation.

`hide`: probability that a unit is hidden; `noise`: SD of the noise, in SDs of a unit;
`gain`: SD of a window's log-gain; `pepper`: probability that a value is set to `FAR`.
"""
LEVELS = 4
"""Number of levels of magnitude of each operation."""
CHOICES = LEVELS * len(CAPS)
"""Number of choices: every operation at every level."""
FAR = 3.0
"""Value that pepper sets, in SDs of the unit above its mean."""
HIDE, NOISE, GAIN, PEPPER = range(len(CAPS))
"""Numbers of the operations, in the order of `CAPS`."""


def operate(
    windows: Tensor, choice: Tensor, strength: Tensor, start: Tensor, rows: Tensor
) -> Tensor:
    """Apply the chosen operation to each window.

    Parameters
    ----------
    windows
        Standardised activity (run, row, time, unit).
    choice
        Number of the operation * `LEVELS` + level, with levels counted from 0
        (run, row).
    strength
        Factor on all magnitudes (run,), in [0, 1].
    start
        Start position of each run's random numbers (run,).
    rows
        Row of random numbers that each window reads (run, row).

    Returns
    -------
    windows
        (run, row, time, unit).
    """
    _, _, time, units = windows.shape
    operation, level = choice // LEVELS, (choice % LEVELS + 1) / LEVELS
    magnitude = strength.view(-1, 1) * level

    def size(which: int, cap: float) -> Tensor:
        """Magnitude of one operation in each window; 0 if another was chosen."""
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
    """Turn uniform numbers into choices with given probabilities.

    Parameters
    ----------
    number
        Uniform on (0, 1) (run, row).
    probabilities
        Probability of each choice (run, choice); they sum to 1.

    Returns
    -------
    choices
        Index of the choice in each row (run, row).
    """
    edges = probabilities.to(torch.float64).cumsum(1)[:, :-1].contiguous()
    return torch.searchsorted(edges, number.to(torch.float64), right=True)
