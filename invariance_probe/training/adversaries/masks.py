"""Masks of units that are searched for so that the loss rises.

A mask hides a given number of units (the budget) by setting them to 0, their mean. One
mask serves all windows of a view, and in the arm `shared` both views.

No mask is read off the gradient at the point where all units are kept. If the first
layer acts on kept * x, the gradient for unit j there is sum_i W_ij dL/dW_ij. It is 0 at
a trained optimum whatever the unit carries, and -2 lambda |W_j|^2 under a penalty
lambda |W|^2.
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
"""Number of bisection steps that find the threshold of a projection."""

MaskLoss = Callable[[Tensor], Tensor]
"""Function that computes each run's loss (run,) under a mask.

Its argument says how much of each unit is kept (run, view, unit), in [0, 1].
"""


class Search(ABC):
    """A way to choose masks with a given number of hidden units."""

    @abstractmethod
    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Choose which units are kept.

        Parameters
        ----------
        loss
            Computes the loss that the mask should raise.
        numbers
            Returns random numbers for try number i, uniform on (0, 1) (run, view,
            unit).

        Returns
        -------
        kept
            1 for units that are kept and 0 for hidden ones (run, view, unit).
        """


class Masks(StackedAdversary):
    """An adversary that hides the units which a search finds.

    Hidden units are set to their mean.

    Parameters
    ----------
    search
        How the hidden units are chosen.
    common
        In which runs both views have the same mask (run,).
    units
        Number of units of a window.
    """

    def __init__(self, search: Search, common: Tensor, units: int) -> None:
        self._search, self._common, self._units = search, common.view(-1, 1, 1), units

    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Search for a mask, and compute each run's loss under it.

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

        def under(kept: Tensor) -> Tensor:
            return method.loss(
                replace(
                    batch, views=masked(batch.views, torch.where(self._common, kept[:, :1], kept))
                )
            )

        return under(self._search.kept(under, lambda number: self._numbers(batch, number)))

    def _numbers(self, batch: Batch, number: int) -> Tensor:
        """Random numbers of one try, uniform on (0, 1) (run, view, unit)."""
        assert batch.keys is not None
        rows = torch.arange(2, device=batch.views.device).expand(len(batch.keys), -1)
        return uniform(position(batch.keys, batch.step, SEARCH, number), rows, self._units)

    def state(self) -> dict[str, Tensor]:
        """Each unit's score, by which a learned search hides units; empty for other searches."""
        return {"scores": self._search.scores} if isinstance(self._search, LearnedScores) else {}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore each unit's score, by which a learned search hides units."""
        if isinstance(self._search, LearnedScores):
            self._search.scores = state["scores"].clone()


class WorstOf(Search):
    """A search that takes, for each run, the worst of several random masks.

    A single random mask is used without computing its loss.

    Parameters
    ----------
    declared
        Declarations of K runs, which differ only in the budget.
    budget
        Number of hidden units (run,).
    units
        Not read.
    """

    def __init__(self, declared: list[WorstOfMasks], budget: Tensor, units: int) -> None:
        self._tries, self._budget = declared[0].tries, budget

    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Try random masks on the batch, and take the one with the largest loss.

        Parameters
        ----------
        loss
            Computes the loss that the mask should raise.
        numbers
            Returns random numbers for try number i, uniform on (0, 1) (run, view,
            unit).

        Returns
        -------
        kept
            1 for units that are kept and 0 for hidden ones (run, view, unit).
        """
        tried = [(~smallest(numbers(i), self._budget)).float() for i in range(self._tries)]
        if len(tried) == 1:
            return tried[0]
        with torch.no_grad():
            losses = torch.stack([loss(kept) for kept in tried])
        worst = losses.nan_to_num(nan=-torch.inf).argmax(0)
        return torch.stack(tried)[worst, torch.arange(len(worst), device=worst.device)]


class Ascent(Search):
    """A search by projected gradient ascent on the mask.

    It starts near the mean of all masks with the budget, where every unit is kept in
    part. In the end the units that are kept least are hidden.

    Parameters
    ----------
    declared
        Declarations of K runs, which differ only in the budget.
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
        """Ascend the loss from a start that is shaken a little to break ties.

        Parameters
        ----------
        loss
            Computes the loss that the mask should raise.
        numbers
            Returns random numbers for try number i, uniform on (0, 1) (run, view,
            unit).

        Returns
        -------
        kept
            1 for units that are kept and 0 for hidden ones (run, view, unit).
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
    """A search with one score per unit that learns which units to hide.

    The units with the largest scores plus Gumbel noise are hidden. Scores move up the
    gradient that training computes anyway: the forward pass uses the mask of zeros and
    ones, and the backward pass the sigmoid of the scores (straight-through estimator).
    The entropy of the sigmoids is rewarded, so that the choice does not freeze.

    Parameters
    ----------
    declared
        Declarations of K runs, which differ only in the budget.
    budget
        Number of hidden units (run,).
    units
        Number of units of a window.
    """

    def __init__(self, declared: list[LearnedMask], budget: Tensor, units: int) -> None:
        self._rate, self._entropy, self._budget = declared[0].rate, declared[0].entropy, budget
        self.scores = torch.zeros(len(declared), 2, units, device=budget.device)

    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Draw a mask from the scores.

        The scores move once training has computed the gradient of the mask.

        Parameters
        ----------
        loss
            Not called.
        numbers
            Returns random numbers for try number i, uniform on (0, 1) (run, view,
            unit).

        Returns
        -------
        kept
            1 for units that are kept and 0 for hidden ones (run, view, unit).
        """
        gumbel = -(-numbers(0).log()).log()
        kept = (~smallest(-(self.scores + gumbel), self._budget)).float().requires_grad_()
        kept.register_hook(self._climb)
        return kept

    def _climb(self, gradient: Tensor) -> None:
        """Move the scores to raise the loss, and towards 0 to raise their entropy.

        Parameters
        ----------
        gradient
            Gradient of the loss with respect to the mask (run, view, unit).
        """
        hidden = sigmoid(self.scores)
        slope = hidden * (1 - hidden)
        level = (gradient * slope).sum(2, keepdim=True) / slope.sum(2, keepdim=True)
        # The budget is fixed: what one unit gains, the others lose.
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
        How much of each unit is kept, in [0, 1] (run, 2, unit).

    Returns
    -------
    views
        (run, 2 batch, time, unit).
    """
    halves = views.unflatten(1, (2, -1)) * kept.to(views.dtype)[:, :, None, None, :]
    return halves.flatten(1, 2)


def onto_budget(kept: Tensor, budget: Tensor) -> Tensor:
    """Project masks onto {0 <= kept <= 1, sum(1 - kept) = budget}.

    The projection adds one number to all units of a mask and clips the result to [0,
    1]. The number is found by bisection.

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
    """Largest absolute value of each run's gradient, at least 1e-30.

    Parameters
    ----------
    gradient
        (run, view, unit).

    Returns
    -------
    size
        (run, 1, 1).
    """
    return gradient.abs().amax((1, 2), keepdim=True).clamp_min(1e-30)
