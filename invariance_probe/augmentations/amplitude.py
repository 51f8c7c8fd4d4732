"""Transforms of how large activity is."""

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

    The draw is unit noise (run, batch or 1, time, unit); doses scale the same noise.
    """

    PURPOSE = 4
    sigma: Tensor
    standardised = True

    @classmethod
    def of(cls, declared: list[GaussianNoise], rates: Tensor) -> "AddNoise":
        """Build from the declarations of K runs; `rates` (run, unit) is each unit's mean training activity."""
        return cls(torch.tensor([d.sigma for d in declared], device=rates.device))

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.sigma.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw unit noise for windows of shape (time, unit)."""
        numbers = normal(draws.start(self.PURPOSE), draws.rows, shape[0] * shape[1])
        return numbers.view(*draws.rows.shape, *shape)

    def apply(self, windows: Tensor, noise: Tensor) -> Tensor:
        """Return windows (run, batch, time, unit) with noise added."""
        return windows + noise.to(windows.dtype) * self.sigma.to(windows.dtype).view(-1, 1, 1, 1)


@dataclass(frozen=True, eq=False)
class ModulateGain:
    """Multiply each window's activity with exp(sigma c u - (sigma c)^2 / 2), which has mean 1; doses scale the same u.

    The draw is u (run, batch or 1, 1, 1) and the units' couplings c (run, 1, 1, unit or 1), which a run keeps at all steps and in all
    views. Counts become floating-point numbers, so that this comes after all that reads counts.

    References
    ----------
    Goris, Movshon & Simoncelli 2014, doi:10.1038/nn.3711 (a common random gain); Rabinowitz et al. 2015, doi:10.7554/eLife.08998 (units
    couple to it differently, and attention changes it).
    """

    PURPOSE = 9
    sigma: Tensor
    """(run,), standard deviation of the log-gain."""
    varied: bool
    """Whether units have couplings of their own; 1 otherwise."""
    dtype: torch.dtype
    """What counts become."""
    standardised = False

    @classmethod
    def of(cls, declared: list[GainModulation], rates: Tensor) -> "ModulateGain":
        """Build from the declarations of K runs, which differ in sigma only; `rates` (run, unit) is the mean activity."""
        sigma = torch.tensor([d.sigma for d in declared], device=rates.device, dtype=torch.float64)
        return cls(sigma, declared[0].coupling == "varied", rates.dtype)

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.sigma.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Draw u, and the couplings, for windows of shape (time, unit)."""
        u = normal(draws.start(self.PURPOSE), draws.rows, 1).unsqueeze(3)
        always = torch.zeros_like(draws.rows[:, :1])
        c = normal(position(draws.keys, 0, self.PURPOSE + 100, 0), always, shape[1]).unsqueeze(
            2
        )  # at no step and in no view
        return u, c if self.varied else torch.ones_like(c[..., :1])

    def apply(self, windows: Tensor, draw: tuple[Tensor, Tensor]) -> Tensor:
        """Return windows (run, batch, time, unit) with their gain; counts become floating-point numbers."""
        u, c = draw
        strength = self.sigma.view(-1, 1, 1, 1) * c
        gain = (strength * u - strength.square() / 2).exp()
        windows = windows if windows.is_floating_point() else windows.to(self.dtype)
        return windows * gain.to(windows.dtype)


@dataclass(frozen=True, eq=False)
class AddPepper:
    """Add a constant to values at random, in standard deviations of each unit's training activity.

    The draw is a mask (run, batch or 1, time, unit), true where the constant is added; masks nest over rates.
    """

    PURPOSE = 13
    rate: Tensor
    """(run,), probabilities in [0, 1)."""
    amplitude: float
    standardised = True

    @classmethod
    def of(cls, declared: list[Pepper], rates: Tensor) -> "AddPepper":
        """Build from the declarations of K runs, which differ in their rate only; `rates` (run, unit) is the mean activity."""
        return cls(
            torch.tensor([d.rate for d in declared], device=rates.device, dtype=torch.float64),
            declared[0].amplitude,
        )

    @property
    def idle(self) -> bool:
        """Whether no run is at another dose than the identity."""
        return not bool(self.rate.any())

    def draw(self, draws: Draws, shape: tuple[int, int]) -> Tensor:
        """Draw where the constant is added, for windows of shape (time, unit)."""
        numbers = uniform16(draws.start(self.PURPOSE), draws.rows, shape[0] * shape[1])
        return (numbers < threshold16(self.rate).view(-1, 1, 1)).view(*draws.rows.shape, *shape)

    def apply(self, windows: Tensor, peppered: Tensor) -> Tensor:
        """Return windows (run, batch, time, unit) with the constant added."""
        return torch.where(peppered, windows + self.amplitude, windows)
