"""Transforms of how large the standardised activity is."""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import Draws, normal
from invariance_probe.study.transforms import GaussianNoise


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
