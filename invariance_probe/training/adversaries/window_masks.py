"""Masks of units that a network chooses for each window to raise the loss.

The network sees the uncorrupted, standardised activity of a window, averaged over its
bins, and gives each unit a score. The units with the largest scores plus Gumbel noise
are hidden; their number (the budget) is fixed. The network climbs the loss that the
encoder descends. It uses the gradient that training computes anyway: the forward pass
has the mask of zeros and ones, and the backward pass the sigmoid of the scores
(straight-through estimator). The network sees no target, and no run sees another.

References
----------
Shi et al. 2022, arXiv:2201.13100 (ADIOS: a masking network against an SSL encoder);
Kingma & Ba 2015, arXiv:1412.6980 (Adam).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import normal, position, uniform
from invariance_probe.encoders.layers import shifted_product, sigmoid
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.adversaries import LearnedMask
from invariance_probe.training.adversaries.base import SEARCH, StackedAdversary

NETWORK = 24
"""Purpose of the random numbers that initialise the networks; see `SEARCH`."""
DECAYS = (0.9, 0.999)
"""Decay rates of Adam's means of the gradient and of its square."""


class MaskNetworks:
    """K networks that map a window's mean activity to a score per unit and view.

    A network has an affine layer, a ReLU and a second affine layer, and is trained by
    Adam. The first layer is drawn for each run (He et al. 2015, arXiv:1502.01852, Eq.
    10). The second layer starts at 0, so that the first masks are random. The learning
    rate of a layer is `rate` divided by its number of inputs. One step then moves a
    score by about `rate`, whatever the size of the layers.

    Parameters
    ----------
    keys
        Key of each run's random numbers (run,).
    units
        Number of units of a window.
    width
        Width of the hidden layer.
    rate
        How far one step moves a score, about.
    """

    def __init__(self, keys: Tensor, units: int, width: int, rate: float) -> None:
        runs, device = len(keys), keys.device
        rows = torch.arange(units, device=device).expand(runs, -1)
        self._units = units
        self._steps = {
            "weight0": rate / units,
            "bias0": rate,
            "weight1": rate / width,
            "bias1": rate,
        }
        self._parameters = {
            "weight0": normal(position(keys, 0, NETWORK), rows, width) * (2 / units) ** 0.5,
            "bias0": torch.zeros(runs, 1, width, device=device),
            "weight1": torch.zeros(runs, width, 2 * units, device=device),
            "bias1": torch.zeros(runs, 1, 2 * units, device=device),
        }
        self._mean = {name: torch.zeros_like(value) for name, value in self._parameters.items()}
        self._square = {name: torch.zeros_like(value) for name, value in self._parameters.items()}
        self._climbed = torch.zeros((), dtype=torch.int64)

    def scores(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Score the units of each window.

        Parameters
        ----------
        seen
            Mean activity of each window (run, 2 window, unit): first the windows of
            view 1, then those of view 2.

        Returns
        -------
        scores
            (run, view, window, unit).
        hidden
            Activity of the hidden layer (run, 2 window, width).
        """
        hidden = shifted_product(
            self._parameters["bias0"], seen, self._parameters["weight0"]
        ).relu_()
        both = shifted_product(self._parameters["bias1"], hidden, self._parameters["weight1"])
        # The network scores units for both views; a window gets the scores for its own view.
        first, second = both.chunk(2, dim=1)
        return torch.stack([first[..., : self._units], second[..., self._units :]], dim=1), hidden

    def climb(self, seen: Tensor, hidden: Tensor, rise: Tensor) -> None:
        """Change the weights by one Adam step, so that scores move as wanted.

        Parameters
        ----------
        seen
            Mean activity of each window (run, 2 window, unit).
        hidden
            Activity of the hidden layer, from `scores` (run, 2 window, width).
        rise
            Direction in which the scores should move (run, view, window, unit).
        """
        nothing = torch.zeros_like(rise[:, 0])
        above = torch.cat(
            [torch.cat([rise[:, 0], nothing], dim=2), torch.cat([nothing, rise[:, 1]], dim=2)],
            dim=1,
        )
        above = above / above.shape[1]
        below = torch.bmm(above, self._parameters["weight1"].transpose(1, 2)) * (hidden > 0)
        gradients = {
            "weight0": torch.bmm(seen.transpose(1, 2), below),
            "bias0": below.sum(1, keepdim=True),
            "weight1": torch.bmm(hidden.transpose(1, 2), above),
            "bias1": above.sum(1, keepdim=True),
        }
        self._climbed = self._climbed + 1
        seen_of_mean, seen_of_square = (1 - decay ** int(self._climbed) for decay in DECAYS)
        for name, gradient in gradients.items():
            self._mean[name] = self._mean[name] * DECAYS[0] + gradient * (1 - DECAYS[0])
            self._square[name] = self._square[name] * DECAYS[1] + gradient.square() * (
                1 - DECAYS[1]
            )
            up = (self._mean[name] / seen_of_mean) / (
                (self._square[name] / seen_of_square).sqrt() + 1e-8
            )
            self._parameters[name] = self._parameters[name] + self._steps[name] * up

    def state(self) -> dict[str, Tensor]:
        """Weights and Adam's means (run, ...), and the number of steps, by name."""
        kinds = {"": self._parameters, "mean_": self._mean, "square_": self._square}
        return {
            f"{kind}{name}": value for kind, part in kinds.items() for name, value in part.items()
        } | {"climbed": self._climbed}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        for kind, part in {
            "": self._parameters,
            "mean_": self._mean,
            "square_": self._square,
        }.items():
            for name in part:
                part[name] = state[f"{kind}{name}"].clone()
        self._climbed = state["climbed"].cpu().clone()


class WindowMasks(StackedAdversary):
    """An adversary whose networks choose hidden units for each window.

    Hidden units are set to their mean.

    Parameters
    ----------
    declared
        Declarations of K runs, which differ only in the budget.
    budget
        Number of hidden units (run,).
    common
        In which runs all windows of both views get the same mask, from the mean of
        their scores (run,). If each pair of windows had its own mask here, the mask
        would give away which views belong together.
    networks
        The networks of the K runs.
    clean
        Returns the uncorrupted, standardised activity (run, row, time, unit) of given
        windows (run, row).
    """

    def __init__(
        self,
        declared: list[LearnedMask],
        budget: Tensor,
        common: Tensor,
        networks: MaskNetworks,
        clean: Callable[[Tensor], Tensor],
    ) -> None:
        self._budget, self._common, self._entropy = (
            budget,
            common.view(-1, 1, 1, 1),
            declared[0].entropy,
        )
        self._networks, self._clean = networks, clean

    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Mask the views, and compute each run's loss.

        The networks learn once training has computed the gradient of the masks.

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
        assert batch.windows is not None and batch.keys is not None
        with torch.no_grad():
            seen = self._clean(batch.windows).mean(2).to(torch.float32)
            scores, hidden = self._networks.scores(seen)
            rows = torch.arange(seen.shape[1], device=seen.device).expand(len(seen), -1)
            numbers = uniform(
                position(batch.keys, batch.step, SEARCH, 0), rows, scores.shape[3]
            ).unflatten(1, (2, -1))
            together = scores.mean((1, 2), keepdim=True)
            ranked = (
                torch.where(self._common, together, scores)
                - (-torch.where(self._common, numbers[:, :1, :1], numbers).log()).log()
            )
            kept = without_largest(ranked, self._budget)
        kept.requires_grad_()
        kept.register_hook(
            lambda gradient: self._networks.climb(
                seen, hidden, self._rise(scores, self._spread(gradient))
            )
        )
        shown = kept.flatten(1, 2).unsqueeze(2)
        return method.loss(replace(batch, views=batch.views * shown.to(batch.views.dtype)))

    def _spread(self, gradient: Tensor) -> Tensor:
        """Give each window its own gradient, or an equal share of the common one.

        All windows have equal shares if they have one common mask.

        Parameters
        ----------
        gradient
            Gradient of the loss with respect to the masks (run, view, window, unit).
        """
        return torch.where(self._common, gradient.mean((1, 2), keepdim=True), gradient)

    def _rise(self, scores: Tensor, gradient: Tensor) -> Tensor:
        """Direction in which the scores should move (run, view, window, unit).

        It raises the loss, and it moves scores towards 0 to raise their entropy.
        """
        hidden = sigmoid(scores)
        slope = hidden * (1 - hidden)
        level = (gradient * slope).sum(3, keepdim=True) / slope.sum(3, keepdim=True).clamp_min(
            1e-30
        )
        # The budget is fixed: what one unit gains, the others lose.
        rise = level - gradient
        # Scaled by the mean over windows, because gradients of single windows are mostly noise.
        largest = rise.mean(2).abs().amax((1, 2)).clamp_min(1e-30).view(-1, 1, 1, 1)
        # The derivative of the entropy with respect to a score is -score * slope.
        return (rise / largest - self._entropy * scores) * slope

    def state(self) -> dict[str, Tensor]:
        """State of the networks."""
        return self._networks.state()

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state of the networks."""
        self._networks.set_state(state)


def without_largest(scores: Tensor, budget: Tensor) -> Tensor:
    """Mask that hides, in each window, the units with the largest scores.

    Parameters
    ----------
    scores
        (run, view, window, unit).
    budget
        Number of hidden units (run,).

    Returns
    -------
    kept
        0 for hidden units, 1 for others (run, view, window, unit).
    """
    most = int(budget.max())
    kept = (torch.arange(most, device=budget.device) >= budget.view(-1, 1, 1, 1)).float()
    largest = scores.topk(most, dim=3).indices
    return torch.ones(scores.shape, device=scores.device).scatter_(
        3, largest, kept.expand(largest.shape)
    )
