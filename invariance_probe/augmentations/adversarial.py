"""What an adversary's doses are on inputs that no model is trained on: random, at the same budget, bound or cap."""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.operations import CHOICES, operate
from invariance_probe.augmentations.random_bits import Draws, position, uniform
from invariance_probe.study.adversaries import AdversarialNoise, Adversary, LearnedPolicy


@dataclass(frozen=True, eq=False)
class LoseBudget:
    """Hide exactly so many random units of every window at their mean; the units that are hidden nest over budgets.

    The draw is a number for every unit (run, batch or 1, unit); the smallest are hidden.
    """

    PURPOSE = 20
    budget: Tensor
    """(run,), whole numbers."""

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw numbers for windows of shape (time, unit)."""
        return uniform(draws.start(self.PURPOSE), draws.rows, shape[1])

    def apply(self, windows: Tensor, numbers: Tensor) -> Tensor:
        """Return standardised windows (run, batch, time, unit) with the hidden units at 0."""
        return windows.masked_fill(smallest(numbers, self.budget).unsqueeze(2), 0)


@dataclass(frozen=True, eq=False)
class SignNoise:
    """Move every value of a window up or down by its run's epsilon, in standard deviations of the unit."""

    PURPOSE = 21
    epsilon: Tensor
    """(run,)."""

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw a sign for every bin and unit of windows of shape (time, unit)."""
        numbers = uniform(draws.start(self.PURPOSE), draws.rows, shape[0] * shape[1])
        return torch.where(numbers < 0.5, -1.0, 1.0).view(*draws.rows.shape, *shape)

    def apply(self, windows: Tensor, signs: Tensor) -> Tensor:
        """Return standardised windows (run, batch, time, unit) with the noise added."""
        return windows + (signs * self.epsilon.view(-1, 1, 1, 1)).to(windows.dtype)


@dataclass(frozen=True, eq=False)
class AnyOperation:
    """Corrupt every window by an operation of a policy that knows nothing: all operations and levels alike.

    The draw is where the operations' numbers start (run,), the rows that read them, and the choice of every window (run, batch or 1).
    """

    PURPOSE = 23
    strength: Tensor
    """(run,), in [0, 1]."""

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """Draw for windows of shape (time, unit)."""
        start = draws.start(self.PURPOSE)
        number = uniform(position(start, 0), draws.rows, 1).squeeze(2)
        return (
            position(start, 1),
            draws.rows,
            (number * CHOICES).to(torch.int64).clamp_max(CHOICES - 1),
        )

    def apply(self, windows: Tensor, draw: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Return standardised windows (run, batch, time, unit), each with its operation done to it."""
        start, rows, choice = draw
        return operate(windows, choice, self.strength, start, rows)


def smallest(numbers: Tensor, count: Tensor) -> Tensor:
    """Return which numbers (run, row, unit) are among the `count` (run,) smallest of their row, boolean."""
    return numbers.argsort(dim=2, stable=True).argsort(dim=2) < count.view(-1, 1, 1)


def random_counterpart(
    adversaries: list[Adversary], device: torch.device
) -> LoseBudget | SignNoise | AnyOperation:
    """Return the random corruption that is as strong as the adversaries of K runs."""
    if isinstance(adversaries[0], LearnedPolicy):
        return AnyOperation(torch.tensor([a.strength for a in adversaries], device=device))  # type: ignore[union-attr]
    if isinstance(adversaries[0], AdversarialNoise):
        return SignNoise(torch.tensor([a.epsilon for a in adversaries], device=device))  # type: ignore[union-attr]
    return LoseBudget(torch.tensor([a.budget for a in adversaries], device=device))  # type: ignore[union-attr]
