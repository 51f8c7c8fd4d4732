"""Adversaries that corrupt the views of a step against the models that train on them, for stacked runs.

In go the method and the batch of a step; out comes the loss (run,) that the encoders descend, on views that were chosen to raise it.
A mask is one for all windows of a view, and both views have the same one in the shared arm. Nothing here sees a target, and no run sees
another: its masks follow from its own loss and from random numbers read by address.

No mask follows from the gradient at the mask of ones: where the first layer acts on kept * x, that gradient is sum_i W_ij dL/dW_ij for
unit j, which is 0 at a trained optimum whatever the unit carries, and -2 lambda |W_j|^2 under a penalty lambda |W|^2.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from invariance_probe.augmentations.adversarial import smallest
from invariance_probe.augmentations.random_bits import position, uniform
from invariance_probe.errors import TrainingError
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.adversaries import AdversarialNoise, Adversary, AscendedMask, LearnedMask, WorstOfMasks
from invariance_probe.study.transforms import is_idle

SEARCH = 22
"""Purpose under which adversaries read their random numbers, in the `views` stream; every try has the next one."""
HALVINGS = 60
"""Of the interval that holds a projection's threshold."""

MaskLoss = Callable[[Tensor], Tensor]
"""From how much of every unit is kept (run, view, unit), in [0, 1], to each run's loss (run,)."""


class StackedAdversary(ABC):
    """An adversary of K runs."""

    @abstractmethod
    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Return each run's loss (run,) on corrupted views."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return what the next steps depend on, by name (run, ...)."""

    @abstractmethod
    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned."""


class Search(ABC):
    """A way to choose masks with given numbers of hidden units."""

    @abstractmethod
    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Return what is kept of every unit, 0 or 1 (run, view, unit).

        Parameters
        ----------
        loss
            What the mask is chosen against.
        numbers
            Numbers uniform on (0, 1), (run, view, unit), of a try.
        """


class Masks(StackedAdversary):
    """Hides units of both views at their mean, as a search finds them."""

    def __init__(self, search: Search, common: Tensor, units: int) -> None:
        self._search, self._common, self._units = search, common.view(-1, 1, 1), units

    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Search, and return the loss under what was found."""

        def under(kept: Tensor) -> Tensor:
            return method.loss(replace(batch, views=masked(batch.views, torch.where(self._common, kept[:, :1], kept))))

        return under(self._search.kept(under, lambda number: self._numbers(batch, number)))

    def _numbers(self, batch: Batch, number: int) -> Tensor:
        assert batch.keys is not None
        rows = torch.arange(2, device=batch.views.device).expand(len(batch.keys), -1)
        return uniform(position(batch.keys, batch.step, SEARCH, number), rows, self._units)

    def state(self) -> dict[str, Tensor]:
        """Return the scores of a search that learns."""
        return {"scores": self._search.scores} if isinstance(self._search, LearnedScores) else {}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        if isinstance(self._search, LearnedScores):
            self._search.scores = state["scores"].clone()


class WorstOf(Search):
    """The worst of several random masks for each run; one is taken without a look."""

    def __init__(self, declared: list[WorstOfMasks], budget: Tensor, units: int) -> None:
        self._tries, self._budget = declared[0].tries, budget

    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Try each mask on the batch."""
        tried = [(~smallest(numbers(i), self._budget)).float() for i in range(self._tries)]
        if len(tried) == 1:
            return tried[0]
        with torch.no_grad():
            losses = torch.stack([loss(kept) for kept in tried])
        worst = losses.nan_to_num(nan=-torch.inf).argmax(0)
        return torch.stack(tried)[worst, torch.arange(len(worst), device=worst.device)]


class Ascent(Search):
    """Projected gradient ascent from the middle of the masks with a budget, then the units that are kept least are hidden."""

    def __init__(self, declared: list[AscendedMask], budget: Tensor, units: int) -> None:
        self._ascents, self._rate, self._budget, self._units = declared[0].ascents, declared[0].rate, budget, units

    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Ascend; equal units are told apart by random numbers."""
        shaken = 1e-3 * (numbers(0).float() - 0.5)
        kept = onto_budget(1 - self._budget.view(-1, 1, 1) / self._units + shaken, self._budget)
        for _ in range(self._ascents):
            kept = kept.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(loss(kept).sum(), kept)
            kept = onto_budget(kept.detach() + self._rate * gradient / largest(gradient), self._budget)
        return (~smallest(kept.detach(), self._budget)).float()


class LearnedScores(Search):
    """Units are hidden by the largest scores plus Gumbel noise; the gradient that training computes anyway moves the scores.

    The forward pass sees the hard mask, the backward pass the sigmoid of the scores (straight-through). Entropy of the sigmoids is rewarded.
    """

    def __init__(self, declared: list[LearnedMask], budget: Tensor, units: int) -> None:
        self._rate, self._entropy, self._budget = declared[0].rate, declared[0].entropy, budget
        self.scores = torch.zeros(len(declared), 2, units, device=budget.device)

    def kept(self, loss: MaskLoss, numbers: Callable[[int], Tensor]) -> Tensor:
        """Draw a mask, and climb its gradient once training has computed it."""
        gumbel = -(-numbers(0).log()).log()
        kept = (~smallest(-(self.scores + gumbel), self._budget)).float().requires_grad_()
        kept.register_hook(self._climb)
        return kept

    def _climb(self, gradient: Tensor) -> None:
        hidden = self.scores.sigmoid()
        slope = hidden * (1 - hidden)
        level = (gradient * slope).sum(2, keepdim=True) / slope.sum(2, keepdim=True)
        rise = (level - gradient) * slope  # what one unit gains another gives up, as the budget is fixed
        self.scores = self.scores + self._rate * (rise / largest(rise) - self._entropy * self.scores * slope)


class Noise(StackedAdversary):
    """Noise of bounded size that climbs the loss in sign steps; the encoders learn from the mean loss over all of them.

    As FLAG: from a random start within one step, every forward pass but the last also moves the noise one step up. With a basis, every step
    is projected onto it and rescaled, so that no value moves by more than epsilon.

    Parameters
    ----------
    declared
        Of K runs.
    shared
        Which runs have one noise for all windows and both views (run,).
    basis
        Orthonormal directions in the space of units (run, unit, mode), or None for all.
    """

    def __init__(self, declared: list[AdversarialNoise], shared: Tensor, basis: Tensor | None) -> None:
        epsilon = torch.tensor([one.epsilon for one in declared], device=shared.device)
        self._passes, self._step = declared[0].ascents, (epsilon / declared[0].ascents).view(-1, 1, 1, 1)
        self._shared, self._basis = shared.view(-1, 1, 1, 1), basis
        last = (torch.arange(self._passes, device=shared.device) == self._passes - 1).float().unsqueeze(1)
        self._weights = torch.where(epsilon > 0, 1 / self._passes, last)  # without noise one pass is all, to the bit

    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Return the mean loss over the passes."""
        views, total = batch.views, torch.zeros((), device=batch.views.device)
        noise = self._bounded(self._start(batch), 1)
        for done in range(1, self._passes + 1):
            noise = noise.detach().requires_grad_(done < self._passes)
            loss = method.loss(replace(batch, views=views + noise.to(views.dtype)))
            total = total + loss * self._weights[done - 1].to(loss.dtype)
            if done < self._passes:
                (gradient,) = torch.autograd.grad(loss.sum(), noise, retain_graph=True)
                noise = self._bounded(noise.detach() + self._step * self._direction(gradient), done + 1)
        return total

    def state(self) -> dict[str, Tensor]:
        """Return nothing: every step starts anew."""
        return {}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Take nothing back."""

    def _start(self, batch: Batch) -> Tensor:
        assert batch.keys is not None
        runs, rows, time, units = batch.views.shape
        at = torch.arange(rows, device=batch.views.device).expand(runs, -1)
        numbers = uniform(position(batch.keys, batch.step, SEARCH), at, time * units)
        start = self._step * self._projected((2 * numbers - 1).float().view(runs, rows, time, units))
        return torch.where(self._shared, start[:, :1], start)

    def _direction(self, gradient: Tensor) -> Tensor:
        together = torch.where(self._shared, gradient.sum(1, keepdim=True), gradient)
        return self._projected(together.sign())

    def _projected(self, noise: Tensor) -> Tensor:
        if self._basis is None:
            return noise
        runs, rows, time, units = noise.shape
        flat = noise.reshape(runs, rows * time, units)
        return torch.bmm(torch.bmm(flat, self._basis), self._basis.transpose(1, 2)).view(noise.shape)

    def _bounded(self, noise: Tensor, steps: int) -> Tensor:
        """Shrink noise whose largest value is over what `steps` steps may reach."""
        most = self._step * steps
        if self._basis is None:
            return noise.clamp(-most, most)
        size = noise.abs().amax((2, 3), keepdim=True)
        return noise * (most / size.clamp_min(1e-30)).clamp_max(1)


def masked(views: Tensor, kept: Tensor) -> Tensor:
    """Return views (run, 2 batch, time, unit) with what is kept (run, 2, unit) of every unit; the first half of the rows is view 1."""
    halves = views.unflatten(1, (2, -1)) * kept.to(views.dtype)[:, :, None, None, :]
    return halves.flatten(1, 2)


def onto_budget(kept: Tensor, budget: Tensor) -> Tensor:
    """Project rows of `kept` (run, view, unit) onto {0 <= kept <= 1, sum(1 - kept) = budget (run,)}: one threshold, by bisection."""
    wanted = (kept.shape[2] - budget).view(-1, 1)
    low, high = -kept.amax(2), 1 - kept.amin(2)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        short = (kept + middle.unsqueeze(2)).clamp(0, 1).sum(2) < wanted
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return (kept + high.unsqueeze(2)).clamp(0, 1)


def largest(gradient: Tensor) -> Tensor:
    """Return the largest size of each run's gradient (run, 1, 1), never 0."""
    return gradient.abs().amax((1, 2), keepdim=True).clamp_min(1e-30)


SEARCHES: dict[str, Callable[..., Search]] = {"worst_of_masks": WorstOf, "ascended_mask": Ascent, "learned_mask": LearnedScores}
"""How each declared mask is searched for."""


def make_adversary(
    declared: list[Adversary], arms: Sequence[str], units: int, basis: Callable[[int], Tensor], device: torch.device
) -> StackedAdversary | None:
    """Return the adversary of K runs, or None where all have the dose that changes nothing.

    Parameters
    ----------
    declared
        Of K runs, alike but for the dose; empty where there is none.
    arms
        Of K runs, on the adversary's own axis; `shared` gives both views one corruption.
    units
        In a window.
    basis
        Returns so many leading principal components of each run's training activity (run, unit, mode).

    Raises
    ------
    TrainingError
        When a mask would hide all units, or there are fewer units than modes.
    """
    if all(is_idle(one) for one in declared):
        return None
    shared = torch.tensor([arm == "shared" for arm in arms], device=device)
    first = declared[0]
    if isinstance(first, AdversarialNoise):
        if first.modes is not None and first.modes > units:
            raise TrainingError(
                f"adversarial_noise.modes is {first.modes}, but there are only {units} units; use at most {units}"
            )
        return Noise(declared, shared, None if first.modes is None else basis(first.modes))  # type: ignore[arg-type]
    most = max(one.budget for one in declared)  # type: ignore[union-attr]
    if most >= units:
        raise TrainingError(f"{first.kind}.budget is {most}, but there are only {units} units; hide at most {units - 1}")
    budget = torch.tensor([one.budget for one in declared], device=device)  # type: ignore[union-attr]
    return Masks(SEARCHES[first.kind](declared, budget, units), shared, units)
