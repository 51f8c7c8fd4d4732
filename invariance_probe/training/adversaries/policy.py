"""A policy over augmentations that learns beside the encoders what raises their loss (Adversarial AutoAugment), for stacked runs.

Every step each run draws several operations a view by its policy and trains on the mean of their losses; the policy climbs the loss by
REINFORCE (Williams 1992, doi:10.1007/BF00992696), the rewards of a step centred and scaled over its draws, with a bonus for its entropy.
How far it can go is capped by its strength, the dose. It sees the SSL loss and no target, and a run sees no other.

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
        Of K runs, alike but for the strength.
    shared
        In which runs all windows of both views get one operation, with the same numbers (run,).
    """

    def __init__(self, declared: list[LearnedPolicy], shared: Tensor) -> None:
        first, device = declared[0], shared.device
        self._draws, self._rate, self._entropy = first.draws, first.rate, first.entropy
        self._shared = shared.view(-1, 1)
        self._strength = torch.tensor([one.strength for one in declared], device=device)
        last = (torch.arange(self._draws, device=device) == self._draws - 1).float().unsqueeze(1)
        self._weights = torch.where(
            self._strength > 0, 1 / self._draws, last
        )  # at strength 0 one pass is all, to the bit
        self.scores = torch.zeros(len(declared), CHOICES, dtype=torch.float64, device=device)

    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Return the mean loss over the draws, and move the policy."""
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
        """Return views as a draw shows them, and which operation each view got (run, view)."""
        assert batch.keys is not None
        runs, rows = batch.views.shape[:2]
        at = torch.arange(rows, device=batch.views.device).expand(runs, -1)
        view = (at >= rows // 2).to(torch.int64)
        start = position(batch.keys, batch.step, SEARCH, draw)
        number = uniform(
            position(start, 0), torch.arange(2, device=at.device).expand(runs, -1), 1
        ).squeeze(2)
        choices = drawn(torch.where(self._shared, number[:, :1], number), probabilities)
        read = torch.where(
            self._shared, 0, at
        )  # numbers of a window's own would tell its pair from all others
        return operate(
            batch.views, choices.gather(1, view), self._strength, position(start, 1), read
        ), choices

    def _climb(self, probabilities: Tensor, chosen: Tensor, losses: Tensor) -> None:
        """Move the scores up the expected loss and the entropy, given choices (draw, run, view) and losses (draw, run)."""
        known = losses.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        reward = (known - known.mean(0)) / known.std(0, correction=0).clamp_min(1e-12)
        taken = torch.nn.functional.one_hot(chosen, CHOICES).to(torch.float64)
        slope = (reward[..., None, None] * (taken - probabilities[:, None])).mean((0, 2))
        log = probabilities.clamp_min(1e-300).log()
        entropy = -probabilities * (log - (probabilities * log).sum(1, keepdim=True))
        self.scores = self.scores + self._rate * (slope + self._entropy * entropy)

    def state(self) -> dict[str, Tensor]:
        """Return the scores."""
        return {"scores": self.scores}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self.scores = state["scores"].clone()
