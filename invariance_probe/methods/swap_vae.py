"""Swap-VAE: reconstruct a view's counts with the other view's content.

The representation has two parts: content, which the two views of a window share, and
style, which each view has of its own. A view is reconstructed from its own style and
the content of the other view. The representation that the study decodes from is a
window's content followed by the mean of its style.

The reconstructed counts are those before any transform. At a dose above 0 the model
thus also learns to fill in what the transform removed. Under count splitting the counts
are those of one half. Several models (runs) are trained together: the first axis of
every tensor is the run.

References
----------
Liu et al. 2021, Drop, Swap, and Generate: a self-supervised approach for generating
neural activity, arXiv:2111.02338.
"""

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.layers import StackedLinear, softplus
from invariance_probe.encoders.mlp import MLP
from invariance_probe.errors import TrainingError
from invariance_probe.methods.base import Batch, Method
from invariance_probe.methods.byol import regression_loss
from invariance_probe.study.methods import SwapVAE as SwapVAEDeclaration

STYLE = 111
"""Integer that keeps the random draws of style apart from other draws."""
SMALLEST_RATE = 1e-6
"""Added to every rate, so that its logarithm is finite."""


def poisson_loss(rates: Tensor, counts: Tensor) -> Tensor:
    """Poisson loss, rate - count log rate, in nats per window.

    It is summed over the bins and units of a window and averaged over windows. The
    constant log(count!) is omitted.

    Parameters
    ----------
    rates
        Predicted counts, positive (run, row, feature), with one feature for each bin
        and unit of a window.
    counts
        Observed counts (run, row, feature).

    Returns
    -------
    loss
        (run,).
    """
    return (rates - counts * rates.log()).sum(2).mean(1)


def divergence_from_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of a diagonal Gaussian from the standard normal distribution.

    It is averaged over rows.

    Parameters
    ----------
    mean, log_variance
        (run, row, dim).

    Returns
    -------
    divergence
        (run,), in nats.
    """
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(2).mean(1)


class SwapVAE(Method):
    """Encoder, a linear head for the style's log-variance, and a decoder.

    The decoder predicts the count of each bin and unit of a window.

    The loss is in nats per window. It sums the reconstruction errors over bins and
    units, and the KL divergence over the dimensions of the style; with
    `style_divergence` 1 these two terms are the negative evidence lower bound. The
    third term, the distance of the two views' contents, always lies between 0 and 4.
    Its weight `alignment` should therefore grow in proportion to the number of units
    and bins; the default is for about 60 units.

    Parameters
    ----------
    declared
        The method's settings, as the study declares them.
    shape
        Number of bins and number of units of a window.
    generators
        One random-number generator per run, which draws the initial weights of its
        model.
    """

    reads = ("counts",)

    def __init__(
        self,
        declared: SwapVAEDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.style, self.weights = (
            declared.style_dimensions,
            (declared.style_divergence, declared.alignment),
        )
        dimensions = declared.encoder.dimensions
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.log_variance = StackedLinear(
            torch.zeros(len(generators), dimensions, self.style, dtype=torch.float64)
        )
        self.decoder = MLP(dimensions, (*declared.decoder, shape[0] * shape[1]), generators)

    def loss(self, batch: Batch) -> Tensor:
        """Sum reconstruction errors, style divergence and content distance.

        Each view is reconstructed twice: with the other view's content, and with its
        own.

        Raises
        ------
        TrainingError
            If the recording holds a continuous signal instead of counts.
        """
        representation = self.encoder(batch.views)
        content, mean = representation.split(
            [representation.shape[2] - self.style, self.style], dim=2
        )
        log_variance = self.log_variance(representation)
        style = mean + (log_variance / 2).exp() * self._noise(batch, mean)
        first, second = content.chunk(2, dim=1)
        swapped = torch.cat([torch.cat([second, first], dim=1), style], dim=2)
        plain = torch.cat([content, style], dim=2)
        rates = softplus(self.decoder(torch.cat([swapped, plain], dim=1))) + SMALLEST_RATE
        counts = self._counts(batch).to(rates.dtype).flatten(2)
        divergence, alignment = self.weights
        # `poisson_loss` averages over the four reconstructions of a pair. Twice that mean is the
        # sum over its two views of each view's mean over two reconstructions.
        return (
            2 * poisson_loss(rates, torch.cat([counts, counts], dim=1))
            + divergence * divergence_from_normal(mean, log_variance)
            + alignment * regression_loss(first, second)
        )

    def _noise(self, batch: Batch, like: Tensor) -> Tensor:
        rows = torch.arange(like.shape[1], device=like.device).expand(like.shape[0], -1)
        return batch.normal(STYLE, rows, like.shape[2]).to(like.dtype)

    @staticmethod
    def _counts(batch: Batch) -> Tensor:
        assert batch.counts is not None
        if batch.counts.is_floating_point():
            raise TrainingError(
                "swap_vae reconstructs spike counts with a Poisson likelihood, but this "
                "recording holds a continuous signal; use another method, or a recording of "
                "spike counts"
            )
        return batch.counts
