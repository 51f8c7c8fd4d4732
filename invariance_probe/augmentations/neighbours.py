"""Transforms of which unit is which: activity moves between neighbours.

Neighbours are units that stand together in the recording's order. In: windows
(run, batch, time, unit). Out: windows of the same shape, with the same total activity
in every bin.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.counts import thin
from invariance_probe.augmentations.random_bits import Draws, uniform
from invariance_probe.study.transforms import UnitPermutation, WaveformDrift


@dataclass(frozen=True, eq=False)
class SwapNeighbours:
    """Swap random pairs of units within a neighbourhood.

    Each pair swaps with its run's probability. Swaps nest over rates: a higher rate
    swaps the same pairs and more. The draw is the unit whose activity each unit shows
    (run, batch or 1, 1, unit), a permutation of the units.
    """

    PURPOSE = 7
    rate: Tensor
    """Probability that a pair swaps (run,), in [0, 1]."""
    neighbourhood: int
    """Number of successive units among which pairs are drawn."""
    standardised = False

    @classmethod
    def of(cls, declared: list[UnitPermutation], rates: Tensor) -> "SwapNeighbours":
        """Build the transform for K stacked runs, which differ only in their rate.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit).
        """
        rate = torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        return cls(rate, declared[0].neighbourhood)

    @property
    def idle(self) -> bool:
        """Whether every run has the identity dose."""
        return not bool(self.rate.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw whose activity each unit shows.

        Parameters
        ----------
        draws
            Addresses of the random numbers of one step and view.
        shape
            Bins and units of a window.

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
        # Places 0 and 1 of a neighbourhood are partners, 2 and 3, and so on. The last
        # place of an odd neighbourhood has no partner and keeps its own activity.
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
            (run, batch, time, unit).
        shown
            What `draw` returned (run, batch or 1, 1, unit).

        Returns
        -------
        windows
            (run, batch, time, unit).
        """
        return windows.gather(3, shown.expand(windows.shape))


@dataclass(frozen=True, eq=False)
class MixNeighbours:
    """Give a part of each unit's activity to the unit before it.

    Counts are divided binomially, spike by spike; signals are mixed in proportion. The
    draw is the address of random bits: start positions and rows. The spikes that stay
    with their unit nest over doses.
    """

    PURPOSE = 8
    mix: Tensor
    """Part that a unit gives away (run,), in [0, 1]."""
    standardised = False

    @classmethod
    def of(cls, declared: list[WaveformDrift], rates: Tensor) -> "MixNeighbours":
        """Build the transform for K stacked runs.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit).
        """
        return cls(
            torch.tensor([d.mix for d in declared], device=rates.device, dtype=torch.float64)
        )

    @property
    def idle(self) -> bool:
        """Whether every run has the identity dose."""
        return not bool(self.mix.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Address the random bits: one row for every bin of a window.

        Parameters
        ----------
        draws
            Addresses of the random numbers of one step and view.
        shape
            Bins and units of a window.

        Returns
        -------
        start
            Start positions (run,).
        rows
            (run, batch or 1, time).
        """
        bins = torch.arange(shape[0], device=draws.rows.device)
        return draws.start(self.PURPOSE), draws.rows.unsqueeze(-1) * shape[0] + bins

    def apply(self, windows: Tensor, address: tuple[Tensor, Tensor]) -> Tensor:
        """Mix the activity of neighbours; counts stay counts.

        The unit before the first one is the last one.

        Parameters
        ----------
        windows
            Counts or signals (run, batch, time, unit).
        address
            What `draw` returned.

        Returns
        -------
        windows
            (run, batch, time, unit).
        """
        start, rows = address
        if windows.is_floating_point():
            part = self.mix.to(windows.dtype).view(-1, 1, 1, 1)
            return (1 - part) * windows + part * windows.roll(-1, dims=3)
        stays = thin(windows, start, rows.expand(windows.shape[:-1]), 1 - self.mix)
        return stays + (windows - stays).roll(-1, dims=3)
