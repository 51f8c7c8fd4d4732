"""Transforms of a block: successive bins or successive units of a window are lost, or are another window's."""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import Draws, uniform
from invariance_probe.study.transforms import CutMix, TimeCutout, UnitCutout


def block_mask(fraction: Tensor, numbers: Tensor, length: int) -> Tensor:
    """Mark one block of successive places for each row: (run, batch, length).

    A block of n places starts at floor(v (length - n + 1)); one place more extends it on one side, so blocks nest over fractions.

    Parameters
    ----------
    fraction
        Expected part of the places that is marked (run,); at least one place is left.
    numbers
        Uniform on (0, 1), (run, batch, 2): the first rounds n, the second is v.
    length
        How many places there are.
    """
    size = (fraction.view(-1, 1) * length + numbers[..., 0]).floor().clamp_max(length - 1)
    first = (numbers[..., 1] * (length - size + 1)).floor()
    places = torch.arange(length, device=numbers.device)
    return (places >= first.unsqueeze(-1)) & (places < (first + size).unsqueeze(-1))


@dataclass(frozen=True, eq=False)
class CutTime:
    """Lose a block of successive bins; the draw is a mask (run, batch or 1, time, 1). Blocks nest over fractions."""

    PURPOSE = 10
    fraction: Tensor
    """(run,), parts in [0, 1)."""
    standardised: bool
    """Applied after standardisation (`value: mean`)."""

    @classmethod
    def of(cls, declared: list[TimeCutout], rates: Tensor) -> "CutTime":
        """Build from the declarations of K runs, which differ in their fraction only; `rates` (run, unit) is the mean activity."""
        return cls(_fractions(declared, rates), declared[0].value == "mean")

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.fraction.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw the lost bins of windows of shape (time, unit)."""
        return block_mask(
            self.fraction, uniform(draws.start(self.PURPOSE), draws.rows, 2), shape[0]
        ).unsqueeze(3)

    def apply(self, windows: Tensor, lost: Tensor) -> Tensor:
        """Return windows (run, batch, time, unit) without the lost bins."""
        return windows.masked_fill(lost, 0)


@dataclass(frozen=True, eq=False)
class CutUnits:
    """Lose a block of successive units; the draw is a mask (run, batch or 1, 1, unit). Blocks nest over fractions."""

    PURPOSE = 11
    fraction: Tensor
    """(run,), parts in [0, 1)."""
    standardised: bool
    """Applied after standardisation (`value: mean`)."""

    @classmethod
    def of(cls, declared: list[UnitCutout], rates: Tensor) -> "CutUnits":
        """Build from the declarations of K runs, which differ in their fraction only; `rates` (run, unit) is the mean activity."""
        return cls(_fractions(declared, rates), declared[0].value == "mean")

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.fraction.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw the lost units of windows of shape (time, unit)."""
        return block_mask(
            self.fraction, uniform(draws.start(self.PURPOSE), draws.rows, 2), shape[1]
        ).unsqueeze(2)

    def apply(self, windows: Tensor, lost: Tensor) -> Tensor:
        """Return windows (run, batch, time, unit) without the lost units."""
        return windows.masked_fill(lost, 0)


@dataclass(frozen=True, eq=False)
class MixWindows:
    """Replace a block of successive units or bins by another window's; blocks nest over fractions and keep their other window.

    The draw is a mask of the block, and a number on (0, 1) for each row that says which of the run's training windows is the other
    one: `views.ViewMaker` fetches it.
    """

    PURPOSE = 12
    fraction: Tensor
    """(run,), parts in [0, 1)."""
    of_bins: bool
    """Whether a block is of bins; of units otherwise."""
    standardised = False

    @classmethod
    def of(cls, declared: list[CutMix], rates: Tensor) -> "MixWindows":
        """Build from the declarations of K runs, which differ in their fraction only; `rates` (run, unit) is the mean activity."""
        return cls(_fractions(declared, rates), declared[0].along == "bins")

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.fraction.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Draw blocks of windows of shape (time, unit), and which window is the other one (run, batch or 1)."""
        numbers = uniform(draws.start(self.PURPOSE), draws.rows, 3)
        block = block_mask(self.fraction, numbers, shape[0] if self.of_bins else shape[1])
        return block.unsqueeze(3 if self.of_bins else 2), numbers[..., 2]

    def apply(self, windows: Tensor, replaced: tuple[Tensor, Tensor]) -> Tensor:
        """Return windows (run, batch, time, unit) that show the other windows, of the same shape, in the block."""
        block, others = replaced
        return torch.where(block, others.to(windows.dtype), windows)


def _fractions(
    declared: list[TimeCutout] | list[UnitCutout] | list[CutMix], rates: Tensor
) -> Tensor:
    return torch.tensor([d.fraction for d in declared], device=rates.device, dtype=torch.float64)
