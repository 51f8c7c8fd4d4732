"""A policy over augmentations that learns to raise the encoders' loss.

This is Adversarial AutoAugment, for stacked runs. An operation hides units, adds noise,
scales a window or sets individual values far out (`augmentations.operations`), at one of
several levels. In every step each run draws several sets of operations from its policy,
one operation per view, and trains on the mean of their losses. The policy learns by
REINFORCE (Williams 1992, doi:10.1007/BF00992696) to raise the loss: the losses of a
step are standardised over the draws and serve as rewards, with a bonus for the policy's
entropy. The dose, the policy's strength, limits how large any operation can be. The
policy sees the SSL loss and no target, and no run sees another.

References
----------
Zhang et al. 2020, arXiv:1912.11188 (Adversarial AutoAugment).
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from invariance_probe.augmentations.operations import CHOICES, drawn, operate
from invariance_probe.augmentations.random_bits import position, uniform
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.adversaries import LearnedPolicy
from invariance_probe.training.adversaries.base import SEARCH, StackedAdversary


class Policy(StackedAdversary):
    """Policies of K runs over operations and their levels.

    Parameters
    ----------
    declared
        Declarations of K runs, which differ only in the strength.
    shared
        In which runs all windows of both views get the same operation with the same
        random numbers (run,).
    """

    def __init__(self, declared: list[LearnedPolicy], shared: Tensor) -> None:
        first, device = declared[0], shared.device
        self._draws, self._rate, self._entropy = first.draws, first.rate, first.entropy
        self._shared = shared.view(-1, 1)
        self._strength = torch.tensor([one.strength for one in declared], device=device)
        last = (torch.arange(self._draws, device=device) == self._draws - 1).float().unsqueeze(1)
        # At strength 0 only the last pass counts: bit for bit the loss of uncorrupted views.
        self._weights = torch.where(self._strength > 0, 1 / self._draws, last)
        self.scores = torch.zeros(len(declared), CHOICES, dtype=torch.float64, device=device)

    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Compute the mean loss over the draws, and let the policies learn.

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
        probabilities = self.scores.softmax(1)
        total, chosen, losses = torch.zeros((), device=batch.views.device), [], []
        for draw in range(self._draws):
            views, choices = self._shown(batch, probabilities, draw)
            loss = method.loss(replace(batch, views=views))
            total = total + loss * self._weights[draw].to(loss.dtype)
            chosen.append(choices)
            losses.append(loss.detach().to(torch.float64))
        self._climb(probabilities, torch.stack(chosen), torch.stack(losses))
        return total

    def _shown(self, batch: Batch, probabilities: Tensor, draw: int) -> tuple[Tensor, Tensor]:
        """Corrupt the views for one draw.

        Returns
        -------
        views, choices
            The corrupted views (run, row, time, unit), and the operation of each view
            (run, view).
        """
        assert batch.keys is not None
        runs, rows = batch.views.shape[:2]
        at = torch.arange(rows, device=batch.views.device).expand(runs, -1)
        view = (at >= rows // 2).to(torch.int64)
        start = position(batch.keys, batch.step, SEARCH, draw)
        number = uniform(
            position(start, 0), torch.arange(2, device=at.device).expand(runs, -1), 1
        ).squeeze(2)
        choices = drawn(torch.where(self._shared, number[:, :1], number), probabilities)
        # In shared runs all windows read the same numbers; otherwise a window's own numbers
        # would give away which views belong together.
        read = torch.where(self._shared, 0, at)
        return operate(
            batch.views, choices.gather(1, view), self._strength, position(start, 1), read
        ), choices

    def _climb(self, probabilities: Tensor, chosen: Tensor, losses: Tensor) -> None:
        """Move the scores to raise the expected loss and the entropy (REINFORCE).

        Parameters
        ----------
        probabilities
            Probability of each operation and level (run, choice).
        chosen
            What was chosen for each view (draw, run, view).
        losses
            (draw, run).
        """
        known = losses.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        reward = (known - known.mean(0)) / known.std(0, correction=0).clamp_min(1e-12)
        taken = torch.nn.functional.one_hot(chosen, CHOICES).to(torch.float64)
        slope = (reward[..., None, None] * (taken - probabilities[:, None])).mean((0, 2))
        log = probabilities.clamp_min(1e-300).log()
        entropy = -probabilities * (log - (probabilities * log).sum(1, keepdim=True))
        self.scores = self.scores + self._rate * (slope + self._entropy * entropy)

    def state(self) -> dict[str, Tensor]:
        """The scores, whose softmax is the policy."""
        return {"scores": self.scores}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the scores."""
        self.scores = state["scores"].clone()
