"""Transforms of the size of activity: noise, a common gain, and pepper.

In: windows of stacked runs, which are trained together (run, batch, time, unit). Out:
windows of the same shape. No activity moves from one unit or bin to another. Where an
axis is given as "batch or 1", length 1 means that all windows of the batch share one
draw.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import (
    Draws,
    normal,
    position,
    threshold16,
    uniform16,
)
from invariance_probe.study.transforms import GainModulation, GaussianNoise, Pepper


@dataclass(frozen=True, eq=False)
class AddNoise:
    """Add white noise, in standard deviations of each unit's training activity.

    `draw` returns noise of standard deviation 1 (run, batch or 1, time, unit), which is
    the same at all doses; only the factor on it differs.
    """

    PURPOSE = 4
    """Number that keeps its random numbers apart from those of other transforms."""
    sigma: Tensor
    """Standard deviation of the noise (run,), in standard deviations of each unit."""
    standardised = True
    """It acts on standardised activity."""

    @classmethod
    def of(cls, declared: list[GaussianNoise], rates: Tensor) -> "AddNoise":
        """Build the transform for K stacked runs.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit). Only its device is used.
        """
        return cls(torch.tensor([d.sigma for d in declared], device=rates.device))

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.sigma.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw white noise of standard deviation 1.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        noise
            (run, batch or 1, time, unit).
        """
        numbers = normal(draws.start(self.PURPOSE), draws.rows, shape[0] * shape[1])
        return numbers.view(*draws.rows.shape, *shape)

    def apply(self, windows: Tensor, noise: Tensor) -> Tensor:
        """Add the noise, scaled by each run's sigma.

        Parameters
        ----------
        windows
            Standardised activity (run, batch, time, unit).
        noise
            Output of `draw` (run, batch or 1, time, unit).

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit).
        """
        return windows + noise.to(windows.dtype) * self.sigma.to(windows.dtype).view(-1, 1, 1, 1)


@dataclass(frozen=True, eq=False)
class ModulateGain:
    """Multiply each window by a random gain that all its units share.

    The gain is exp(sigma c u - (sigma c)^2 / 2), which has mean 1. Here u is a standard
    normal number of the window, the same at all doses, and c the coupling of the unit,
    which a run keeps at all steps and in all views. `draw` returns u
    (run, batch or 1, 1, 1) and c (run, 1, 1, unit or 1).

    Counts become floating-point numbers, so this transform comes after every transform
    that needs counts.

    References
    ----------
    Goris, Movshon & Simoncelli 2014, doi:10.1038/nn.3711 (a common random gain);
    Rabinowitz et al. 2015, doi:10.7554/eLife.08998 (units couple to it differently, and
    attention changes it).
    """

    PURPOSE = 9
    """Number that keeps its random numbers apart from those of other transforms."""
    sigma: Tensor
    """Standard deviation of the log-gain (run,)."""
    varied: bool
    """Whether each unit has its own random coupling; otherwise all couplings are 1."""
    dtype: torch.dtype
    """Floating type that counts are converted to."""
    standardised = False
    """It acts on activity that is not standardised yet."""

    @classmethod
    def of(cls, declared: list[GainModulation], rates: Tensor) -> "ModulateGain":
        """Build the transform for K stacked runs, which differ only in sigma.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit). Only its device and
            dtype are used.
        """
        sigma = torch.tensor([d.sigma for d in declared], device=rates.device, dtype=torch.float64)
        return cls(sigma, declared[0].coupling == "varied", rates.dtype)

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.sigma.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Draw u for each window, and the couplings of each run's units.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        u
            Standard normal (run, batch or 1, 1, 1).
        c
            Couplings: standard normal (run, 1, 1, unit), or ones (run, 1, 1, 1).
        """
        u = normal(draws.start(self.PURPOSE), draws.rows, 1).unsqueeze(3)
        always = torch.zeros_like(draws.rows[:, :1])
        # Step and view are always 0 here, so that a run keeps its couplings.
        c = normal(position(draws.keys, 0, self.PURPOSE + 100, 0), always, shape[1]).unsqueeze(2)
        return u, c if self.varied else torch.ones_like(c[..., :1])

    def apply(self, windows: Tensor, draw: tuple[Tensor, Tensor]) -> Tensor:
        """Multiply windows by their gain; counts become floating-point numbers.

        Parameters
        ----------
        windows
            Counts or signals before standardisation (run, batch, time, unit).
        draw
            Output of `draw`.

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit), floating point.
        """
        u, c = draw
        strength = self.sigma.view(-1, 1, 1, 1) * c
        gain = (strength * u - strength.square() / 2).exp()
        windows = windows if windows.is_floating_point() else windows.to(self.dtype)
        return windows * gain.to(windows.dtype)


@dataclass(frozen=True, eq=False)
class AddPepper:
    """Add a constant to random values, like grains of pepper.

    The constant is in standard deviations of each unit's training activity. `draw`
    returns a mask (run, batch or 1, time, unit), true where the constant is added. Masks
    nest over rates: a higher rate adds the constant to the same values and more.
    """

    PURPOSE = 13
    """Number that keeps its random numbers apart from those of other transforms."""
    rate: Tensor
    """Probability that a value gets the constant (run,), in [0, 1)."""
    amplitude: float
    """The constant, in standard deviations of each unit."""
    standardised = True
    """It acts on standardised activity."""

    @classmethod
    def of(cls, declared: list[Pepper], rates: Tensor) -> "AddPepper":
        """Build the transform for K stacked runs, which differ only in their rate.

        Parameters
        ----------
        declared
            Declarations of the K runs.
        rates
            Mean training activity of each unit (run, unit). Only its device is used.
        """
        return cls(
            torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64),
            declared[0].amplitude,
        )

    @property
    def idle(self) -> bool:
        """Whether the dose is 0 in every run, so that nothing changes."""
        return not bool(self.rate.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw where the constant is added.

        Parameters
        ----------
        draws
            Where this step and view read their random numbers.
        shape
            Number of bins and number of units of a window.

        Returns
        -------
        peppered
            Mask (run, batch or 1, time, unit).
        """
        numbers = uniform16(draws.start(self.PURPOSE), draws.rows, shape[0] * shape[1])
        return (numbers < threshold16(self.rate).view(-1, 1, 1)).view(*draws.rows.shape, *shape)

    def apply(self, windows: Tensor, peppered: Tensor) -> Tensor:
        """Add the constant where the mask is true.

        Parameters
        ----------
        windows
            Standardised activity (run, batch, time, unit).
        peppered
            Output of `draw` (run, batch or 1, time, unit).

        Returns
        -------
        windows
            The corrupted windows (run, batch, time, unit).
        """
        return torch.where(peppered, windows + self.amplitude, windows)
