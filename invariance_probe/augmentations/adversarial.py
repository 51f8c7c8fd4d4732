"""Random corruptions that replace an adversary where no model is trained.

An adversary corrupts inputs so as to increase a training loss. Where nothing is trained
there is no such loss, and a random corruption of the same strength replaces it: as many
hidden units, the same bound on the noise, or the same limit on the operations.

In: standardised windows of stacked runs, which are evaluated together
(run, batch, time, unit). Out: corrupted windows of the same shape. Where an axis is
given as "batch or 1", length 1 means that all windows of the batch share one draw. The
adversaries that act in training are in `training.adversaries`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.operations import CHOICES, operate
from invariance_probe.augmentations.random_bits import Draws, position, uniform
from invariance_probe.study.adversaries import AdversarialNoise, Adversary, LearnedPolicy


@dataclass(frozen=True, eq=False)
class HideUnits:
    """Hide a fixed number of random units of each window at their mean.

    `draw` returns one number per unit (run, batch or 1, unit), and the `budget` units
    with the smallest numbers are hidden. Hidden units nest: a larger budget hides the
    same units and more.
    """

    PURPOSE = 20
    """Number that keeps its random numbers apart from those of other transforms."""
    budget: Tensor
    """Number of hidden units per window (run,), whole numbers."""

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw one number per unit, uniform on (0, 1).

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        numbers
            (run, batch or 1, unit).
        """
        return uniform(draws.start(self.PURPOSE), draws.rows, shape[1])

    def apply(self, windows: Tensor, numbers: Tensor) -> Tensor:
        """Set the hidden units to 0, which is their mean.

        Parameters
        ----------
        windows
            Standardised activity (run, batch, time, unit).
        numbers
            Output of `draw` (run, batch or 1, unit).

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit).
        """
        return windows.masked_fill(smallest(numbers, self.budget).unsqueeze(2), 0)


@dataclass(frozen=True, eq=False)
class SignNoise:
    """Move every value of a window up or down by epsilon, at random.

    Epsilon is in standard deviations of the unit. `draw` returns the signs
    (run, batch or 1, time, unit).
    """

    PURPOSE = 21
    """Number that keeps its random numbers apart from those of other transforms."""
    epsilon: Tensor
    """Size of the noise of each run (run,), in standard deviations of the unit."""

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw a sign for each bin and unit.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        signs
            -1 or 1 (run, batch or 1, time, unit).
        """
        numbers = uniform(draws.start(self.PURPOSE), draws.rows, shape[0] * shape[1])
        return torch.where(numbers < 0.5, -1.0, 1.0).view(*draws.rows.shape, *shape)

    def apply(self, windows: Tensor, signs: Tensor) -> Tensor:
        """Add `epsilon` times the signs to the windows.

        Parameters
        ----------
        windows
            Standardised activity (run, batch, time, unit).
        signs
            Signs from `draw` (run, batch or 1, time, unit).

        Returns
        -------
        windows
            The perturbed windows (run, batch, time, unit).
        """
        return windows + (signs * self.epsilon.view(-1, 1, 1, 1)).to(windows.dtype)


@dataclass(frozen=True, eq=False)
class AnyOperation:
    """Corrupt each window by an operation chosen uniformly at random.

    This is an augmentation policy that has learned nothing: all operations, at all
    levels of strength, are equally likely (`augmentations.operations`).
    """

    PURPOSE = 23
    """Number that keeps its random numbers apart from those of other transforms."""
    strength: Tensor
    """Strength that scales the magnitude of each operation (run,), in [0, 1]."""

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """Draw the operation for each window, and find its random numbers.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        start
            Start position of each run's numbers (run,).
        rows
            Row of numbers that each window reads (run, batch or 1).
        choice
            Code of operation and level for each window (run, batch or 1), as
            `operations.operate` takes it.
        """
        start = draws.start(self.PURPOSE)
        number = uniform(position(start, 0), draws.rows, 1).squeeze(2)
        return (
            position(start, 1),
            draws.rows,
            (number * CHOICES).to(torch.int64).clamp_max(CHOICES - 1),
        )

    def apply(self, windows: Tensor, draw: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Apply the chosen operation to each window.

        Parameters
        ----------
        windows
            Standardised activity (run, batch, time, unit).
        draw
            Output of `draw`.

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit).
        """
        start, rows, choice = draw
        return operate(windows, choice, self.strength, start, rows)


def smallest(numbers: Tensor, count: Tensor) -> Tensor:
    """Mark the `count` smallest numbers of each row.

    Parameters
    ----------
    numbers
        (run, row, unit).
    count
        How many to mark, per run (run,).

    Returns
    -------
    mask
        Boolean (run, row, unit).
    """
    return numbers.argsort(dim=2, stable=True).argsort(dim=2) < count.view(-1, 1, 1)


def random_counterpart(
    adversaries: list[Adversary], device: torch.device
) -> HideUnits | SignNoise | AnyOperation:
    """Build the random corruption that is as strong as the declared adversaries.

    Parameters
    ----------
    adversaries
        Adversaries of K runs, all of one kind.
    device
        Device of the doses.

    Returns
    -------
    corruption
        `AnyOperation` for a learned policy, `SignNoise` for adversarial noise, and
        `HideUnits` for adversaries that hide units.
    """
    if isinstance(adversaries[0], LearnedPolicy):
        return AnyOperation(torch.tensor([a.strength for a in adversaries], device=device))  # type: ignore[union-attr]
    if isinstance(adversaries[0], AdversarialNoise):
        return SignNoise(torch.tensor([a.epsilon for a in adversaries], device=device))  # type: ignore[union-attr]
    return HideUnits(torch.tensor([a.budget for a in adversaries], device=device))  # type: ignore[union-attr]
