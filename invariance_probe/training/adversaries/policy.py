"""A policy over augmentations that learns to raise the encoders' loss.

This is Adversarial AutoAugment, for stacked runs. Every step each run draws several
operations per view by its policy, and trains on the mean of their losses. The policy
climbs the loss by REINFORCE (Williams 1992, doi:10.1007/BF00992696): the rewards of a
step are centred and scaled over its draws, with a bonus for the policy's entropy. How
far it can go is capped by its strength, the dose. It sees the SSL loss and no target,
and a run sees no other run.

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
        Declarations of K runs, alike but for the strength.
    shared
        In which runs all windows of both views get one operation, with the same numbers
        (run,).
    """

    def __init__(self, declared: list[LearnedPolicy], shared: Tensor) -> None:
        first, device = declared[0], shared.device
        self._draws, self._rate, self._entropy = first.draws, first.rate, first.entropy
        self._shared = shared.view(-1, 1)
        self._strength = torch.tensor([one.strength for one in declared], device=device)
        last = (torch.arange(self._draws, device=device) == self._draws - 1).float().unsqueeze(1)
        # At strength 0 the last pass alone counts: it is the loss of the views, to the bit.
        self._weights = torch.where(self._strength > 0, 1 / self._draws, last)
        self.scores = torch.zeros(len(declared), CHOICES, dtype=torch.float64, device=device)

    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Mean loss over the draws; the policy is moved on the way.

        Parameters
        ----------
        method
            The models that are attacked.
        batch
            The step's batch, before corruption.

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
        """Corrupt the views of one draw.

        Returns the views, and the operation of each view (run, view).
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
        # In shared runs, numbers of a window's own would tell its pair from all others.
        read = torch.where(self._shared, 0, at)
        return operate(
            batch.views, choices.gather(1, view), self._strength, position(start, 1), read
        ), choices

    def _climb(self, probabilities: Tensor, chosen: Tensor, losses: Tensor) -> None:
        """Move the scores up the expected loss and the entropy.

        Parameters
        ----------
        probabilities
            Of the policy (run, choice).
        chosen
            (draw, run, view).
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
        """The scores."""
        return {"scores": self.scores}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the scores."""
        self.scores = state["scores"].clone()
