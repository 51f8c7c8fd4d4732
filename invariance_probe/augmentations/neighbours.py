"""Transforms that move activity from a unit to its neighbour.

Neighbours are units that follow each other in the order of the recording. In: windows
of stacked runs, which are trained together (run, batch, time, unit). Out: windows of the
same shape, with the same total activity in each bin. Where an axis is given as "batch
or 1", length 1 means that all windows of the batch share one draw.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.counts import thin
from invariance_probe.augmentations.random_bits import Draws, uniform
from invariance_probe.study.transforms import UnitPermutation, WaveformDrift


@dataclass(frozen=True, eq=False)
class SwapNeighbours:
    """Swap the activity of random pairs of units within a neighbourhood.

    Each pair swaps with the probability (rate) of its run. Swaps nest over rates: a
    higher rate swaps the same pairs and more. `draw` returns the unit whose activity
    each unit shows, a permutation of the units (run, batch or 1, 1, unit).
    """

    PURPOSE = 7
    """Number that keeps its random numbers apart from those of other transforms."""
    rate: Tensor
    """Probability that a pair swaps (run,), in [0, 1]."""
    neighbourhood: int
    """Number of successive units among which pairs are drawn."""
    standardised = False
    """It acts on activity that is not standardised yet."""

    @classmethod
    def of(cls, declared: list[UnitPermutation], rates: Tensor) -> "SwapNeighbours":
        """Build the transform for K stacked runs, which differ only in their rate.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit). Only its device is used.
        """
        rate = torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        return cls(rate, declared[0].neighbourhood)

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.rate.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw the unit whose activity each unit shows.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        shown
            A permutation of the units (run, batch or 1, 1, unit).
        """
        units = shape[1]
        numbers = uniform(draws.start(self.PURPOSE), draws.rows, 2 * units)
        places = torch.arange(units, device=numbers.device)
        block = places // self.neighbourhood
        # Random order within each neighbourhood; neighbourhoods follow one another.
        order = (numbers[..., :units] + block).argsort(dim=-1)
        begin = block * self.neighbourhood
        # Places 0 and 1 of a neighbourhood are partners, then 2 and 3, and so on. In a
        # neighbourhood of odd size the last place has no partner and keeps its activity.
        partner = begin + ((places - begin) ^ 1)
        partner = torch.where(
            (partner < begin + self.neighbourhood) & (partner < units), partner, places
        )
        swaps = numbers[..., units:][..., torch.minimum(places, partner)] < self.rate.view(-1, 1, 1)
        shown = torch.where(swaps, order[..., partner], order)
        return torch.empty_like(order).scatter_(-1, order, shown).unsqueeze(2)

    def apply(self, windows: Tensor, shown: Tensor) -> Tensor:
        """Show the drawn unit's activity in each unit.

        Parameters
        ----------
        windows
            Activity in the windows (run, batch, time, unit).
        shown
            Output of `draw` (run, batch or 1, 1, unit).

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit).
        """
        return windows.gather(3, shown.expand(windows.shape))


@dataclass(frozen=True, eq=False)
class MixNeighbours:
    """Give a part of each unit's activity to the unit before it.

    Each spike is given away with a probability; of signals, a fixed part is given away.
    `draw` returns where `apply` finds its random bits: start positions and row numbers.
    Spikes nest over doses: a higher dose gives away the same spikes and more.
    """

    PURPOSE = 8
    """Number that keeps its random numbers apart from those of other transforms."""
    mix: Tensor
    """Part of its activity that a unit gives away (run,), in [0, 1]."""
    standardised = False
    """It acts on activity that is not standardised yet."""

    @classmethod
    def of(cls, declared: list[WaveformDrift], rates: Tensor) -> "MixNeighbours":
        """Build the transform for K stacked runs.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit). Only its device is used.
        """
        return cls(
            torch.tensor([d.mix for d in declared], device=rates.device, dtype=torch.float64)
        )

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.mix.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Find the random bits: one row of bits for each bin of a window.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        start
            Start position of each run's bits (run,).
        rows
            Row of bits that each bin reads (run, batch or 1, time).
        """
        bins = torch.arange(shape[0], device=draws.rows.device)
        return draws.start(self.PURPOSE), draws.rows.unsqueeze(-1) * shape[0] + bins

    def apply(self, windows: Tensor, address: tuple[Tensor, Tensor]) -> Tensor:
        """Mix the activity of neighbours; counts remain counts.

        The first unit gives to the last one.

        Parameters
        ----------
        windows
            Counts or signals (run, batch, time, unit).
        address
            Output of `draw`.

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit).
        """
        start, rows = address
        if windows.is_floating_point():
            part = self.mix.to(windows.dtype).view(-1, 1, 1, 1)
            return (1 - part) * windows + part * windows.roll(-1, dims=3)
        stays = thin(windows, start, rows.expand(windows.shape[:-1]), 1 - self.mix)
        return stays + (windows - stays).roll(-1, dims=3)
