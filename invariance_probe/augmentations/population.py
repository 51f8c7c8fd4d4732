"""Transforms of which units, and how many of their spikes, a view shows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.counts import thin
from invariance_probe.augmentations.random_bits import (
    Draws,
    position,
    threshold16,
    uniform,
    uniform16,
)
from invariance_probe.kernels.draws import lose_units
from invariance_probe.study.transforms import (
    ProgressiveUnitLoss,
    SpikeThinning,
    StratifiedDropout,
    UnitDropout,
)

STRATUM = 10
"""Units of a stratum, or a few more."""


@dataclass(frozen=True, eq=False)
class DropUnits:
    """Lose whole units of a view, each with its run's probability; the units that are lost nest over rates.

    The draw is a mask (run, batch or 1, 1, unit), true where a unit is lost. A lost unit becomes 0: silent
    before standardisation, its mean after.
    """

    PURPOSE = 2
    rate: Tensor
    """(run,), probabilities in [0, 1)."""
    standardised: bool
    """Applied after standardisation (`value: mean`)."""
    rate_varies: bool
    """Each window draws its own rate from U(0, rate)."""

    @classmethod
    def of(cls, declared: list[UnitDropout], rates: Tensor) -> "DropUnits":
        """Build from the declarations of K runs, which differ in their rate only; `rates` (run, unit) is the mean activity."""
        rate = torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        return cls(rate, declared[0].value == "mean", declared[0].rate_draw == "uniform")

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.rate.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw the lost units for windows of shape (time, unit)."""
        numbers = uniform16(draws.start(self.PURPOSE), draws.rows, shape[1])
        return (numbers < self._threshold(draws).unsqueeze(-1)).unsqueeze(2)

    def lose(self, windows: Tensor, draws: Draws) -> Tensor:
        """Draw and apply at once by native kernels: int16 windows without the lost units, to the bit what `apply` returns."""
        return lose_units(windows, draws.start(self.PURPOSE), draws.rows, self._threshold(draws))

    def _threshold(self, draws: Draws) -> Tensor:
        """Return below which 16-bit numbers units are lost (run, batch or 1)."""
        rate = self.rate.view(-1, 1)
        if self.rate_varies:
            rate = rate * uniform(draws.start(self.PURPOSE + 100), draws.rows, 1).squeeze(-1)
        return threshold16(rate)

    def apply(self, windows: Tensor, lost: Tensor) -> Tensor:
        """Return windows (run, batch, time, unit) without the lost units."""
        return windows.masked_fill(lost, 0)


@dataclass(frozen=True, eq=False)
class DropEvenly:
    """Lose the same part of the units of every firing rate: within each stratum of units that lie together in rate.

    The draw is a mask (run, batch or 1, 1, unit), true where a unit is lost. The number lost in a stratum is rounded at
    random, so that each unit is lost with its run's probability; the units that are lost nest over rates.
    """

    PURPOSE = 5
    rate: Tensor
    """(run,), probabilities in [0, 1)."""
    stratum: Tensor
    """Stratum of every unit (run, unit)."""
    standardised = False

    @classmethod
    def of(cls, declared: list[StratifiedDropout], rates: Tensor) -> "DropEvenly":
        """Build from the declarations of K runs; units are put into strata of `STRATUM` by their mean activity, `rates` (run, unit)."""
        rate = torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        units = rates.shape[1]
        places = rates.argsort(dim=1, stable=True).argsort(dim=1)
        return cls(rate, places * max(1, units // STRATUM) // units)

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.rate.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw the lost units for windows of shape (time, unit)."""
        strata = int(self.stratum.max()) + 1
        numbers = uniform(draws.start(self.PURPOSE), draws.rows, shape[1])
        rounding = uniform(draws.start(self.PURPOSE + 100), draws.rows, strata)
        members = torch.nn.functional.one_hot(self.stratum, strata).sum(1)
        before = (members.cumsum(1) - members).gather(1, self.stratum).unsqueeze(1)
        rank = (numbers + self.stratum.unsqueeze(1)).argsort(dim=2).argsort(dim=2) - before
        quota = (self.rate.view(-1, 1, 1) * members.unsqueeze(1) + rounding).floor()
        return (rank < quota.gather(2, self.stratum.unsqueeze(1).expand_as(rank))).unsqueeze(2)

    def apply(self, windows: Tensor, lost: Tensor) -> Tensor:
        """Return windows (run, batch, time, unit) with the lost units silent."""
        return windows.masked_fill(lost, 0)


@dataclass(frozen=True, eq=False)
class LoseInOrder:
    """Lose units in one order, which a run keeps at all steps and in all views: those before a random place; the losses nest over rates.

    The draw is a mask (run, batch or 1, 1, unit), true where a unit is lost. A lost unit becomes 0, as in `DropUnits`.
    """

    PURPOSE = 6
    rate: Tensor
    """(run,), the largest part that is lost, in [0, 1)."""
    standardised: bool
    """Applied after standardisation (`value: mean`)."""

    @classmethod
    def of(cls, declared: list[ProgressiveUnitLoss], rates: Tensor) -> "LoseInOrder":
        """Build from the declarations of K runs, which differ in their rate only; `rates` (run, unit) is the mean activity."""
        rate = torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        return cls(rate, declared[0].value == "mean")

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.rate.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw the lost units for windows of shape (time, unit)."""
        always = torch.zeros_like(draws.rows[:, :1])
        numbers = uniform(
            position(draws.keys, 0, self.PURPOSE + 100, 0), always, shape[1]
        )  # at no step and in no view
        place = (numbers.argsort(dim=2).argsort(dim=2) + 0.5) / shape[1]
        reached = self.rate.view(-1, 1, 1) * uniform(draws.start(self.PURPOSE), draws.rows, 1)
        return (place < reached).unsqueeze(2)

    def apply(self, windows: Tensor, lost: Tensor) -> Tensor:
        """Return windows (run, batch, time, unit) without the lost units."""
        return windows.masked_fill(lost, 0)


@dataclass(frozen=True, eq=False)
class ThinSpikes:
    """Delete each spike with its run's probability: Bin(x, 1 - rate); the spikes that remain nest over rates.

    The draw is where to read random bits: start positions and rows.
    """

    PURPOSE = 3
    rate: Tensor
    standardised = False

    @classmethod
    def of(cls, declared: list[SpikeThinning], rates: Tensor) -> "ThinSpikes":
        """Build from the declarations of K runs; `rates` (run, unit) is the mean activity."""
        return cls(
            torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        )

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.rate.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Address the random bits of windows of shape (time, unit): one row for every bin of a window."""
        bins = torch.arange(shape[0], device=draws.rows.device)
        return draws.start(self.PURPOSE), draws.rows.unsqueeze(-1) * shape[0] + bins

    def apply(self, windows: Tensor, address: tuple[Tensor, Tensor]) -> Tensor:
        """Return thinned counts (run, batch, time, unit)."""
        start, rows = address
        return thin(windows, start, rows.expand(windows.shape[:-1]), 1 - self.rate)
