"""Noise of bounded size that moves up the loss.

This is FLAG (Kong et al. 2020, arXiv:2010.09891), for stacked runs.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import position, uniform
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.adversaries import AdversarialNoise
from invariance_probe.training.adversaries.base import SEARCH, StackedAdversary


class Noise(StackedAdversary):
    """An adversary that adds bounded noise which moves up the loss.

    As in FLAG, the noise starts at random, no larger than one step. Every forward pass
    but the last also moves the noise one step in the direction of the gradient's signs.
    The encoders learn from the mean loss over all passes. If a basis or a number of
    slow cosines is declared, every step is projected onto them and rescaled, so that no
    value moves by more than epsilon.

    Parameters
    ----------
    declared
        Declarations of K runs, which differ only in epsilon.
    shared
        In which runs all windows of both views get the same noise (run,).
    basis
        Orthonormal directions in the space of units (run, unit, mode); None for all
        directions.
    """

    def __init__(
        self, declared: list[AdversarialNoise], shared: Tensor, basis: Tensor | None
    ) -> None:
        epsilon = torch.tensor([one.epsilon for one in declared], device=shared.device)
        self._passes, self._step = (
            declared[0].ascents,
            (epsilon / declared[0].ascents).view(-1, 1, 1, 1),
        )
        self._shared, self._basis, self._slow = shared.view(-1, 1, 1, 1), basis, declared[0].slow
        last = (
            (torch.arange(self._passes, device=shared.device) == self._passes - 1)
            .float()
            .unsqueeze(1)
        )
        # Without noise only the last pass counts: bit for bit the loss of uncorrupted views.
        self._weights = torch.where(epsilon > 0, 1 / self._passes, last)

    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Compute the mean loss over the forward passes.

        Parameters
        ----------
        method
            The models that are attacked.
        batch
            The batch of the step, before the adversary's corruption.

        Returns
        -------
        loss
            (run,).
        """
        views, total = batch.views, torch.zeros((), device=batch.views.device)
        noise = self._bounded(self._start(batch), 1)
        for done in range(1, self._passes + 1):
            noise = noise.detach().requires_grad_(done < self._passes)
            loss = method.loss(replace(batch, views=views + noise.to(views.dtype)))
            total = total + loss * self._weights[done - 1].to(loss.dtype)
            if done < self._passes:
                (gradient,) = torch.autograd.grad(loss.sum(), noise, retain_graph=True)
                noise = self._bounded(
                    noise.detach() + self._step * self._direction(gradient), done + 1
                )
        return total

    def state(self) -> dict[str, Tensor]:
        """Empty, because every training step starts with new noise."""
        return {}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Do nothing, because there is no state."""

    def _start(self, batch: Batch) -> Tensor:
        """Random noise of at most one step; in shared runs the same for all windows."""
        assert batch.keys is not None
        runs, rows, time, units = batch.views.shape
        at = torch.arange(rows, device=batch.views.device).expand(runs, -1)
        numbers = uniform(position(batch.keys, batch.step, SEARCH), at, time * units)
        start = self._step * self._projected(
            (2 * numbers - 1).float().view(runs, rows, time, units)
        )
        return torch.where(self._shared, start[:, :1], start)

    def _direction(self, gradient: Tensor) -> Tensor:
        """Signs of the gradient, projected; in shared runs one for all windows."""
        together = torch.where(self._shared, gradient.sum(1, keepdim=True), gradient)
        return self._projected(together.sign())

    def _projected(self, noise: Tensor) -> Tensor:
        """Project noise onto the slow cosines and the basis, if declared."""
        if self._slow is not None:
            slow = cosines(noise.shape[2], self._slow).to(noise)
            noise = torch.einsum("ts,krsu->krtu", slow @ slow.T, noise)
        if self._basis is None:
            return noise
        runs, rows, time, units = noise.shape
        flat = noise.reshape(runs, rows * time, units)
        return torch.bmm(torch.bmm(flat, self._basis), self._basis.transpose(1, 2)).view(
            noise.shape
        )

    def _bounded(self, noise: Tensor, steps: int) -> Tensor:
        """Limit the noise to what a number of steps can reach.

        Projected noise is scaled down as a whole, so that it keeps its direction.
        """
        most = self._step * steps
        if self._basis is None and self._slow is None:
            return noise.clamp(-most, most)
        size = noise.abs().amax((2, 3), keepdim=True)
        return noise * (most / size.clamp_min(1e-30)).clamp_max(1)


def cosines(bins: int, count: int) -> Tensor:
    """The slowest orthonormal cosines over bins (discrete cosine transform II).

    Parameters
    ----------
    bins
        Number of bins.
    count
        Number of cosines, at most `bins`; the first is constant.

    Returns
    -------
    waves
        (bin, cosine), float64.

    Examples
    --------
    >>> cosines(4, 2)[:, 0].tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    at = torch.arange(bins, dtype=torch.float64).unsqueeze(1) + 0.5
    waves = (torch.pi / bins * at * torch.arange(min(count, bins))).cos()
    return waves / waves.square().sum(0).sqrt()
