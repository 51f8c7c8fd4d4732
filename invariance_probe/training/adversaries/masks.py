"""Masks of units that are searched for against the loss.

One mask serves all windows of a view, and in the shared arm both views. No mask follows
from the gradient at the mask of ones. Where the first layer acts on kept * x, that
gradient is sum_i W_ij dL/dW_ij for unit j. It is 0 at a trained optimum whatever the
unit carries, and -2 lambda |W_j|^2 under a penalty lambda |W|^2.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from invariance_probe.augmentations.adversarial import smallest
from invariance_probe.augmentations.random_bits import position, uniform
from invariance_probe.encoders.layers import sigmoid
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.adversaries import AscendedMask, LearnedMask, WorstOfMasks
from invariance_probe.training.adversaries.base import SEARCH, StackedAdversary

HALVINGS = 60
"""Number of bisections of the interval that holds a projection's threshold."""

MaskLoss = Callable[[Tensor], Tensor]
"""Computes each run's loss (run,) under a mask.

The mask says how much of every unit is kept (run, view, unit), in [0, 1].
"""


class Search(ABC):
    """A way to choose masks with a given number of hidden units."""

    @abstractmethod
    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Choose what is kept of every unit.

        Parameters
        ----------
        loss
            What the mask is chosen against.
        numbers
            Returns the random numbers of a try, uniform on (0, 1) (run, view, unit).

        Returns
        -------
        kept
            0 or 1 (run, view, unit).
        """


class Masks(StackedAdversary):
    """Hides units of both views at their mean, as a search finds them.

    Parameters
    ----------
    search
        How the hidden units are chosen.
    common
        Which runs have one mask for both views (run,).
    units
        Number of units of a window.
    """

    def __init__(self, search: Search, common: Tensor, units: int) -> None:
        self._search, self._common, self._units = search, common.view(-1, 1, 1), units

    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Search a mask, and compute each run's loss under it.

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

        def under(kept: Tensor) -> Tensor:
            return method.loss(
                replace(
                    batch, views=masked(batch.views, torch.where(self._common, kept[:, :1], kept))
                )
            )

        return under(self._search.kept(under, lambda number: self._numbers(batch, number)))

    def _numbers(self, batch: Batch, number: int) -> Tensor:
        assert batch.keys is not None
        rows = torch.arange(2, device=batch.views.device).expand(len(batch.keys), -1)
        return uniform(position(batch.keys, batch.step, SEARCH, number), rows, self._units)

    def state(self) -> dict[str, Tensor]:
        """Scores of a search that learns; empty for other searches."""
        return {"scores": self._search.scores} if isinstance(self._search, LearnedScores) else {}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the scores."""
        if isinstance(self._search, LearnedScores):
            self._search.scores = state["scores"].clone()


class WorstOf(Search):
    """The worst of several random masks, for each run.

    A single mask is used without computing its loss.

    Parameters
    ----------
    declared
        Declarations of K runs, alike but for the budget.
    budget
        Number of hidden units (run,).
    units
        Not read.
    """

    def __init__(self, declared: list[WorstOfMasks], budget: Tensor, units: int) -> None:
        self._tries, self._budget = declared[0].tries, budget

    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Try each mask on the batch, and take each run's worst.

        Parameters
        ----------
        loss
            What the mask is chosen against.
        numbers
            Returns the random numbers of a try, uniform on (0, 1) (run, view, unit).

        Returns
        -------
        kept
            0 or 1 (run, view, unit).
        """
        tried = [(~smallest(numbers(i), self._budget)).float() for i in range(self._tries)]
        if len(tried) == 1:
            return tried[0]
        with torch.no_grad():
            losses = torch.stack([loss(kept) for kept in tried])
        worst = losses.nan_to_num(nan=-torch.inf).argmax(0)
        return torch.stack(tried)[worst, torch.arange(len(worst), device=worst.device)]


class Ascent(Search):
    """Projected gradient ascent on the mask.

    It starts near the middle of all masks with the budget. In the end the units that
    are kept least are hidden.

    Parameters
    ----------
    declared
        Declarations of K runs, alike but for the budget.
    budget
        Number of hidden units (run,).
    units
        Number of units of a window.
    """

    def __init__(self, declared: list[AscendedMask], budget: Tensor, units: int) -> None:
        self._ascents, self._rate, self._budget, self._units = (
            declared[0].ascents,
            declared[0].rate,
            budget,
            units,
        )

    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Ascend the loss; random numbers break ties between units.

        Parameters
        ----------
        loss
            What the mask is chosen against.
        numbers
            Returns the random numbers of a try, uniform on (0, 1) (run, view, unit).

        Returns
        -------
        kept
            0 or 1 (run, view, unit).
        """
        shaken = 1e-3 * (numbers(0).float() - 0.5)
        kept = onto_budget(1 - self._budget.view(-1, 1, 1) / self._units + shaken, self._budget)
        for _ in range(self._ascents):
            kept = kept.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(loss(kept).sum(), kept)
            kept = onto_budget(
                kept.detach() + self._rate * gradient / largest(gradient), self._budget
            )
        return (~smallest(kept.detach(), self._budget)).float()


class LearnedScores(Search):
    """Scores of units that learn which units to hide.

    The units with the largest scores plus Gumbel noise are hidden. The scores are moved
    by the gradient that training computes anyway. The forward pass sees the hard mask,
    the backward pass the sigmoid of the scores (straight-through). Entropy of the
    sigmoids is rewarded.

    Parameters
    ----------
    declared
        Declarations of K runs, alike but for the budget.
    budget
        Number of hidden units (run,).
    units
        Number of units of a window.
    """

    def __init__(self, declared: list[LearnedMask], budget: Tensor, units: int) -> None:
        self._rate, self._entropy, self._budget = declared[0].rate, declared[0].entropy, budget
        self.scores = torch.zeros(len(declared), 2, units, device=budget.device)

    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Draw a mask, and move the scores once training has its gradient.

        Parameters
        ----------
        loss
            What the mask is chosen against.
        numbers
            Returns the random numbers of a try, uniform on (0, 1) (run, view, unit).

        Returns
        -------
        kept
            0 or 1 (run, view, unit).
        """
        gumbel = -(-numbers(0).log()).log()
        kept = (~smallest(-(self.scores + gumbel), self._budget)).float().requires_grad_()
        kept.register_hook(self._climb)
        return kept

    def _climb(self, gradient: Tensor) -> None:
        """Move the scores up the loss, and towards 0 by the pull of the entropy."""
        hidden = sigmoid(self.scores)
        slope = hidden * (1 - hidden)
        level = (gradient * slope).sum(2, keepdim=True) / slope.sum(2, keepdim=True)
        # What one unit gains another gives up, as the budget is fixed.
        rise = (level - gradient) * slope
        self.scores = self.scores + self._rate * (
            rise / largest(rise) - self._entropy * self.scores * slope
        )


def masked(views: Tensor, kept: Tensor) -> Tensor:
    """Apply a mask to the units of both views.

    Parameters
    ----------
    views
        (run, 2 batch, time, unit); the first half of the rows is view 1.
    kept
        What is kept of every unit (run, 2, unit).

    Returns
    -------
    views
        (run, 2 batch, time, unit).
    """
    halves = views.unflatten(1, (2, -1)) * kept.to(views.dtype)[:, :, None, None, :]
    return halves.flatten(1, 2)


def onto_budget(kept: Tensor, budget: Tensor) -> Tensor:
    """Project rows onto {0 <= kept <= 1, sum(1 - kept) = budget}.

    The projection adds one threshold to each row and clips it; the threshold is found
    by bisection.

    Parameters
    ----------
    kept
        (run, view, unit).
    budget
        Number of hidden units (run,).

    Returns
    -------
    kept
        (run, view, unit).
    """
    wanted = (kept.shape[2] - budget).view(-1, 1)
    low, high = -kept.amax(2), 1 - kept.amin(2)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        short = (kept + middle.unsqueeze(2)).clamp(0, 1).sum(2) < wanted
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return (kept + high.unsqueeze(2)).clamp(0, 1)


def largest(gradient: Tensor) -> Tensor:
    """Largest absolute value of each run's gradient, never 0.

    Parameters
    ----------
    gradient
        (run, view, unit).

    Returns
    -------
    size
        (run, 1, 1), at least 1e-30.
    """
    return gradient.abs().amax((1, 2), keepdim=True).clamp_min(1e-30)
