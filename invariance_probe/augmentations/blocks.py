"""Transforms of a block of successive bins or units of a window.

The block is lost (`CutTime`, `CutUnits`) or replaced by that of another window
(`MixWindows`). In: windows (run, batch, time, unit). Out: windows of the same shape.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import Draws, uniform
from invariance_probe.study.transforms import CutMix, TimeCutout, UnitCutout


def block_mask(fraction: Tensor, numbers: Tensor, length: int) -> Tensor:
    """Mark one block of successive places in each row.

    The block has n = floor(fraction length + u) places, and at most length - 1. It
    starts at floor(v (length - n + 1)). One place more extends it on one side, so
    blocks nest over fractions.

    Parameters
    ----------
    fraction
        Expected part of the places that is marked (run,); at least one place is left.
    numbers
        Uniform on (0, 1), (run, batch, 2 or more): the first is u, the second is v.
    length
        Number of places.

    Returns
    -------
    mask
        Boolean (run, batch, length).
    """
    size = (fraction.view(-1, 1) * length + numbers[..., 0]).floor().clamp_max(length - 1)
    first = (numbers[..., 1] * (length - size + 1)).floor()
    places = torch.arange(length, device=numbers.device)
    return (places >= first.unsqueeze(-1)) & (places < (first + size).unsqueeze(-1))


@dataclass(frozen=True, eq=False)
class CutTime:
    """Lose a block of successive bins of each window.

    The draw is a mask (run, batch or 1, time, 1), true where a bin is lost. A lost bin
    becomes 0: silent before standardisation, the mean after. Blocks nest over
    fractions.
    """

    PURPOSE = 10
    fraction: Tensor
    """Expected part of the bins that is lost (run,), in [0, 1)."""
    standardised: bool
    """Whether it acts after standardisation (`value: mean`)."""

    @classmethod
    def of(cls, declared: list[TimeCutout], rates: Tensor) -> "CutTime":
        """Build the transform for K stacked runs, which differ only in fraction.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit).
        """
        return cls(_fractions(declared, rates), declared[0].value == "mean")

    @property
    def idle(self) -> bool:
        """Whether every run has the identity dose."""
        return not bool(self.fraction.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw the lost bins.

        Parameters
        ----------
        draws
            Addresses of the random numbers of one step and view.
        shape
            Bins and units of a window.

        Returns
        -------
        lost
            Mask (run, batch or 1, time, 1).
        """
        return block_mask(
            self.fraction, uniform(draws.start(self.PURPOSE), draws.rows, 2), shape[0]
        ).unsqueeze(3)

    def apply(self, windows: Tensor, lost: Tensor) -> Tensor:
        """Set the lost bins to 0.

        Parameters
        ----------
        windows
            (run, batch, time, unit).
        lost
            What `draw` returned (run, batch or 1, time, 1).

        Returns
        -------
        windows
            (run, batch, time, unit).
        """
        return windows.masked_fill(lost, 0)


@dataclass(frozen=True, eq=False)
class CutUnits:
    """Lose a block of successive units of each window.

    The draw is a mask (run, batch or 1, 1, unit), true where a unit is lost. A lost
    unit becomes 0: silent before standardisation, the mean after. Blocks nest over
    fractions.
    """

    PURPOSE = 11
    fraction: Tensor
    """Expected part of the units that is lost (run,), in [0, 1)."""
    standardised: bool
    """Whether it acts after standardisation (`value: mean`)."""

    @classmethod
    def of(cls, declared: list[UnitCutout], rates: Tensor) -> "CutUnits":
        """Build the transform for K stacked runs, which differ only in fraction.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit).
        """
        return cls(_fractions(declared, rates), declared[0].value == "mean")

    @property
    def idle(self) -> bool:
        """Whether every run has the identity dose."""
        return not bool(self.fraction.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw the lost units.

        Parameters
        ----------
        draws
            Addresses of the random numbers of one step and view.
        shape
            Bins and units of a window.

        Returns
        -------
        lost
            Mask (run, batch or 1, 1, unit).
        """
        return block_mask(
            self.fraction, uniform(draws.start(self.PURPOSE), draws.rows, 2), shape[1]
        ).unsqueeze(2)

    def apply(self, windows: Tensor, lost: Tensor) -> Tensor:
        """Set the lost units to 0.

        Parameters
        ----------
        windows
            (run, batch, time, unit).
        lost
            What `draw` returned (run, batch or 1, 1, unit).

        Returns
        -------
        windows
            (run, batch, time, unit).
        """
        return windows.masked_fill(lost, 0)


@dataclass(frozen=True, eq=False)
class MixWindows:
    """Replace a block of units or bins by that of another training window.

    The draw is a mask of the block and one number on (0, 1) per row. The number says
    which of the run's training windows is the other one, and `views.ViewMaker` fetches
    that window. Blocks nest over fractions, and the other window stays the same.
    """

    PURPOSE = 12
    fraction: Tensor
    """Expected part of the places that is replaced (run,), in [0, 1)."""
    of_bins: bool
    """Whether a block is of bins; otherwise it is of units."""
    standardised = False

    @classmethod
    def of(cls, declared: list[CutMix], rates: Tensor) -> "MixWindows":
        """Build the transform for K stacked runs, which differ only in fraction.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit).
        """
        return cls(_fractions(declared, rates), declared[0].along == "bins")

    @property
    def idle(self) -> bool:
        """Whether every run has the identity dose."""
        return not bool(self.fraction.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Draw the blocks, and which window is the other one.

        Parameters
        ----------
        draws
            Addresses of the random numbers of one step and view.
        shape
            Bins and units of a window.

        Returns
        -------
        block
            Mask (run, batch or 1, time, 1) of bins, or (run, batch or 1, 1, unit) of
            units.
        number
            Uniform on (0, 1) (run, batch or 1).
        """
        numbers = uniform(draws.start(self.PURPOSE), draws.rows, 3)
        block = block_mask(self.fraction, numbers, shape[0] if self.of_bins else shape[1])
        return block.unsqueeze(3 if self.of_bins else 2), numbers[..., 2]

    def apply(self, windows: Tensor, replaced: tuple[Tensor, Tensor]) -> Tensor:
        """Show the other windows inside the block.

        Parameters
        ----------
        windows
            (run, batch, time, unit).
        replaced
            Mask of the block, and the other windows (run, batch, time, unit).

        Returns
        -------
        windows
            (run, batch, time, unit).
        """
        block, others = replaced
        return torch.where(block, others.to(windows.dtype), windows)


def _fractions(
    declared: list[TimeCutout] | list[UnitCutout] | list[CutMix], rates: Tensor
) -> Tensor:
    return torch.tensor([d.fraction for d in declared], device=rates.device, dtype=torch.float64)
