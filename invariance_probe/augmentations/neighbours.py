"""Transforms of which unit is which: activity moves between units that lie together in the recording's order."""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.counts import thin
from invariance_probe.augmentations.random_bits import Draws, uniform
from invariance_probe.study.transforms import UnitPermutation, WaveformDrift


@dataclass(frozen=True, eq=False)
class SwapNeighbours:
    """Swap random pairs of units of a neighbourhood, each pair with its run's probability; the swaps nest over rates.

    The draw is whose activity each unit shows (run, batch or 1, 1, unit), a permutation of the units.
    """

    PURPOSE = 7
    rate: Tensor
    """(run,), probabilities in [0, 1]."""
    neighbourhood: int
    """Successive units among which pairs are drawn."""
    standardised = False

    @classmethod
    def of(cls, declared: list[UnitPermutation], rates: Tensor) -> "SwapNeighbours":
        """Build from the declarations of K runs, which differ in their rate only; `rates` (run, unit) is the mean activity."""
        rate = torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        return cls(rate, declared[0].neighbourhood)

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.rate.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw whose activity the units show, for windows of shape (time, unit)."""
        units = shape[1]
        numbers = uniform(draws.start(self.PURPOSE), draws.rows, 2 * units)
        places = torch.arange(units, device=numbers.device)
        block = places // self.neighbourhood
        order = (numbers[..., :units] + block).argsort(
            dim=-1
        )  # at random within each neighbourhood, one after the other
        begin = block * self.neighbourhood
        partner = begin + ((places - begin) ^ 1)
        partner = torch.where(
            (partner < begin + self.neighbourhood) & (partner < units), partner, places
        )
        swaps = numbers[..., units:][..., torch.minimum(places, partner)] < self.rate.view(-1, 1, 1)
        shown = torch.where(swaps, order[..., partner], order)
        return torch.empty_like(order).scatter_(-1, order, shown).unsqueeze(2)

    def apply(self, windows: Tensor, shown: Tensor) -> Tensor:
        """Return windows (run, batch, time, unit) in which every unit shows the activity of the drawn one."""
        return windows.gather(3, shown.expand(windows.shape))


@dataclass(frozen=True, eq=False)
class MixNeighbours:
    """Give a part of each unit's activity to the unit before it: binomially of counts, in proportion of signals.

    The draw is where to read random bits: start positions and rows. The spikes that stay nest over doses.
    """

    PURPOSE = 8
    mix: Tensor
    """(run,), parts in [0, 1]."""
    standardised = False

    @classmethod
    def of(cls, declared: list[WaveformDrift], rates: Tensor) -> "MixNeighbours":
        """Build from the declarations of K runs; `rates` (run, unit) is the mean activity."""
        return cls(
            torch.tensor([d.mix for d in declared], device=rates.device, dtype=torch.float64)
        )

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.mix.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Address the random bits of windows of shape (time, unit): one row for every bin of a window."""
        bins = torch.arange(shape[0], device=draws.rows.device)
        return draws.start(self.PURPOSE), draws.rows.unsqueeze(-1) * shape[0] + bins

    def apply(self, windows: Tensor, address: tuple[Tensor, Tensor]) -> Tensor:
        """Return mixed activity (run, batch, time, unit); counts stay counts."""
        start, rows = address
        if windows.is_floating_point():
            part = self.mix.to(windows.dtype).view(-1, 1, 1, 1)
            return (1 - part) * windows + part * windows.roll(-1, dims=3)
        stays = thin(windows, start, rows.expand(windows.shape[:-1]), 1 - self.mix)
        return stays + (windows - stays).roll(-1, dims=3)
