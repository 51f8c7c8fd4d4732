"""Transforms that remove units or spikes from a view.

In: windows of stacked runs, which are trained together (run, batch, time, unit). Out:
windows of the same shape, with whole units lost (`DropUnits`, `DropEvenly`,
`LoseInOrder`) or single spikes removed (`ThinSpikes`). Where an axis is given as "batch
or 1", length 1 means that all windows of the batch share one draw.
"""

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
"""Units per stratum of `DropEvenly`; a stratum may hold a few more."""


@dataclass(frozen=True, eq=False)
class DropUnits:
    """Lose each unit of a view with the probability (rate) of its run.

    `draw` returns a mask (run, batch or 1, 1, unit), true for a lost unit. A lost unit
    is set to 0, which means silence before standardisation, and the mean after it. Lost
    units nest over rates: a higher rate loses the same units and more.
    """

    PURPOSE = 2
    """Number that keeps its random numbers apart from those of other transforms."""
    rate: Tensor
    """Probability that a unit is lost (run,), in [0, 1)."""
    standardised: bool
    """Whether it acts after standardisation (`value: mean`)."""
    rate_varies: bool
    """Whether each window draws its own rate from U(0, rate)."""

    @classmethod
    def of(cls, declared: list[UnitDropout], rates: Tensor) -> "DropUnits":
        """Build the transform for K stacked runs, which differ only in their rate.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit). Only its device is used.
        """
        rate = torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        return cls(rate, declared[0].value == "mean", declared[0].rate_draw == "uniform")

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.rate.any())

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
        numbers = uniform16(draws.start(self.PURPOSE), draws.rows, shape[1])
        return (numbers < self._threshold(draws).unsqueeze(-1)).unsqueeze(2)

    def lose(self, windows: Tensor, draws: Draws) -> Tensor:
        """Draw and apply in one pass of the native kernels.

        The result is bit for bit that of `draw` and `apply`.

        Parameters
        ----------
        windows
            Counts (run, batch, time, unit), int16.
        draws
            Where this step and view read their random numbers.

        Returns
        -------
        windows
            With lost units set to 0 (run, batch, time, unit), int16.
        """
        return lose_units(windows, draws.start(self.PURPOSE), draws.rows, self._threshold(draws))

    def _threshold(self, draws: Draws) -> Tensor:
        """Threshold of a unit's random 16-bit number, below which it is lost.

        Its shape is (run, batch or 1).
        """
        rate = self.rate.view(-1, 1)
        if self.rate_varies:
            rate = rate * uniform(draws.start(self.PURPOSE + 100), draws.rows, 1).squeeze(-1)
        return threshold16(rate)

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
class DropEvenly:
    """Lose the same part of the units at every firing rate.

    Units of similar firing rate form a stratum, and the same part of each stratum is
    lost. The number lost in a stratum is rounded up or down at random, so that each unit
    is lost with the probability (`rate`) of its run. `draw` returns a mask
    (run, batch or 1, 1, unit), true for a lost unit. Lost units nest: a higher
    probability loses the same units and more.
    """

    PURPOSE = 5
    """Number that keeps its random numbers apart from those of other transforms."""
    rate: Tensor
    """Probability that a unit is lost (run,), in [0, 1)."""
    stratum: Tensor
    """Stratum of each unit (run, unit), from 0."""
    standardised = False
    """It acts on activity that is not standardised yet."""

    @classmethod
    def of(cls, declared: list[StratifiedDropout], rates: Tensor) -> "DropEvenly":
        """Build the transform for K runs, and sort the units into strata.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit), which decides the strata.
        """
        rate = torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        units = rates.shape[1]
        places = rates.argsort(dim=1, stable=True).argsort(dim=1)
        return cls(rate, places * max(1, units // STRATUM) // units)

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.rate.any())

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
        strata = int(self.stratum.max()) + 1
        numbers = uniform(draws.start(self.PURPOSE), draws.rows, shape[1])
        rounding = uniform(draws.start(self.PURPOSE + 100), draws.rows, strata)
        members = torch.nn.functional.one_hot(self.stratum, strata).sum(1)
        before = (members.cumsum(1) - members).gather(1, self.stratum).unsqueeze(1)
        # The numbers are below 1, so adding the stratum sorts units within strata only.
        rank = (numbers + self.stratum.unsqueeze(1)).argsort(dim=2).argsort(dim=2) - before
        quota = (self.rate.view(-1, 1, 1) * members.unsqueeze(1) + rounding).floor()
        return (rank < quota.gather(2, self.stratum.unsqueeze(1).expand_as(rank))).unsqueeze(2)

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
class LoseInOrder:
    """Lose units in a fixed order, as if they died one after another.

    A run has one random order of its units, the same at all steps and in all views. A
    view loses all units before a random position in this order. `draw` returns a mask
    (run, batch or 1, 1, unit), true for a lost unit, which is set to 0 as in
    `DropUnits`. Losses nest over rates: a higher rate loses the same units and more.
    """

    PURPOSE = 6
    """Number that keeps its random numbers apart from those of other transforms."""
    rate: Tensor
    """Largest part of the units that is lost (run,), in [0, 1)."""
    standardised: bool
    """Whether it acts after standardisation (`value: mean`)."""

    @classmethod
    def of(cls, declared: list[ProgressiveUnitLoss], rates: Tensor) -> "LoseInOrder":
        """Build the transform for K stacked runs, which differ only in their rate.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit). Only its device is used.
        """
        rate = torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        return cls(rate, declared[0].value == "mean")

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.rate.any())

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
        always = torch.zeros_like(draws.rows[:, :1])
        # Step and view are always 0 here, so that a run keeps its order.
        numbers = uniform(position(draws.keys, 0, self.PURPOSE + 100, 0), always, shape[1])
        place = (numbers.argsort(dim=2).argsort(dim=2) + 0.5) / shape[1]
        reached = self.rate.view(-1, 1, 1) * uniform(draws.start(self.PURPOSE), draws.rows, 1)
        return (place < reached).unsqueeze(2)

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
class ThinSpikes:
    """Delete each spike with its run's probability: x becomes Bin(x, 1 - rate).

    Deleted spikes nest over rates: a higher rate deletes the same spikes and more.
    `draw` returns where `apply` finds its random bits: start positions and row numbers.
    """

    PURPOSE = 3
    """Number that keeps its random numbers apart from those of other transforms."""
    rate: Tensor
    """Probability that a spike is deleted (run,), in [0, 1)."""
    standardised = False
    """It acts on activity that is not standardised yet."""

    @classmethod
    def of(cls, declared: list[SpikeThinning], rates: Tensor) -> "ThinSpikes":
        """Build the transform for K stacked runs.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit). Only its device is used.
        """
        return cls(
            torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64)
        )

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.rate.any())

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
        """Delete spikes from the counts.

        Parameters
        ----------
        windows
            Counts (run, batch, time, unit).
        address
            Output of `draw`.

        Returns
        -------
        windows
            Counts (run, batch, time, unit).
        """
        start, rows = address
        return thin(windows, start, rows.expand(windows.shape[:-1]), 1 - self.rate)
