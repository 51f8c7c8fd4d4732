"""Transforms of a block of successive bins or units of a window.

The block is lost (`CutTime`, `CutUnits`) or replaced by the same block of another window
(`MixWindows`). In: windows of stacked runs, which are trained together
(run, batch, time, unit). Out: windows of the same shape. Where an axis is given as
"batch or 1", length 1 means that all windows of the batch share one draw.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import Draws, uniform
from invariance_probe.study.transforms import CutMix, TimeCutout, UnitCutout


def block_mask(fraction: Tensor, numbers: Tensor, length: int) -> Tensor:
    """Mark one block of successive bins or units (places) in each window.

    The block has n = floor(fraction * length + u) places, but at most length - 1, and
    starts at place floor(v (length - n + 1)). A larger n extends the block at one of
    its ends, so blocks nest over fractions.

    Parameters
    ----------
    fraction
        Expected part of the places that is marked (run,). At least one place stays
        unmarked.
    numbers
        Uniform on (0, 1), (run, batch, 2 or more): the first is u, the second is v.
    length
        Number of places, which are the bins or the units of a window.

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

    `draw` returns a mask (run, batch or 1, time, 1), true for a lost bin. A lost bin is
    set to 0, which means silence before standardisation, and the mean after it. Blocks
    nest: a larger fraction loses the same bins and more.
    """

    PURPOSE = 10
    """Number that keeps its random numbers apart from those of other transforms."""
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
            Mean training activity of each unit (run, unit). Only its device is used.
        """
        return cls(_fractions(declared, rates), declared[0].value == "mean")

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.fraction.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw the lost bins.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        lost
            Mask (run, batch or 1, time, 1), true for a lost bin.
        """
        return block_mask(
            self.fraction, uniform(draws.start(self.PURPOSE), draws.rows, 2), shape[0]
        ).unsqueeze(3)

    def apply(self, windows: Tensor, lost: Tensor) -> Tensor:
        """Set the lost bins to 0.

        Parameters
        ----------
        windows
            Activity in the windows (run, batch, time, unit).
        lost
            Output of `draw` (run, batch or 1, time, 1).

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit).
        """
        return windows.masked_fill(lost, 0)


@dataclass(frozen=True, eq=False)
class CutUnits:
    """Lose a block of successive units of each window.

    `draw` returns a mask (run, batch or 1, 1, unit), true for a lost unit. A lost unit
    is set to 0, which means silence before standardisation, and the mean after it.
    Blocks nest: a larger fraction loses the same units and more.
    """

    PURPOSE = 11
    """Number that keeps its random numbers apart from those of other transforms."""
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
            Mean training activity of each unit (run, unit). Only its device is used.
        """
        return cls(_fractions(declared, rates), declared[0].value == "mean")

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.fraction.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw the lost units.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        lost
            Mask (run, batch or 1, 1, unit), true for a lost unit.
        """
        return block_mask(
            self.fraction, uniform(draws.start(self.PURPOSE), draws.rows, 2), shape[1]
        ).unsqueeze(2)

    def apply(self, windows: Tensor, lost: Tensor) -> Tensor:
        """Set the lost units to 0.

        Parameters
        ----------
        windows
            Activity in the windows (run, batch, time, unit).
        lost
            Output of `draw` (run, batch or 1, 1, unit).

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit).
        """
        return windows.masked_fill(lost, 0)


@dataclass(frozen=True, eq=False)
class MixWindows:
    """Replace a block of units or bins by the same block of another window.

    The other window is a random training window of the run. `draw` returns a mask of the
    block, and one number on (0, 1) per window, by which `views.ViewMaker` chooses the
    other window. Blocks nest over fractions: a larger fraction replaces the same places
    and more, from the same other window.
    """

    PURPOSE = 12
    """Number that keeps its random numbers apart from those of other transforms."""
    fraction: Tensor
    """Expected part of the units or bins that is replaced (run,), in [0, 1)."""
    of_bins: bool
    """Whether a block consists of bins; otherwise it consists of units."""
    standardised = False
    """It acts on activity that is not standardised yet."""

    @classmethod
    def of(cls, declared: list[CutMix], rates: Tensor) -> "MixWindows":
        """Build the transform for K stacked runs, which differ only in fraction.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit). Only its device is used.
        """
        return cls(_fractions(declared, rates), declared[0].along == "bins")

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.fraction.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Draw the blocks, and the numbers that choose the other windows.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

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
            Activity in the windows (run, batch, time, unit).
        replaced
            Mask of the block (from `draw`), and the other windows
            (run, batch, time, unit).

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit).
        """
        block, others = replaced
        return torch.where(block, others.to(windows.dtype), windows)


def _fractions(
    declared: list[TimeCutout] | list[UnitCutout] | list[CutMix], rates: Tensor
) -> Tensor:
    """The declared fractions (run,), on the device of the rates."""
    return torch.tensor([d.fraction for d in declared], device=rates.device, dtype=torch.float64)
