"""VICReg: pull pairs together, keep the variance, decorrelate embeddings.

References
----------
Bardes, Ponce & LeCun 2022, VICReg: variance-invariance-covariance regularization for
self-supervised learning, arXiv:2105.04906.
"""

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.methods import VICReg as VICRegDeclaration

FLOOR = 1.0
"""Standard deviation that the variance term asks for (gamma in Eq. 1)."""
EPSILON = 1e-4
"""Added to the variance before its root is taken (epsilon in Eq. 2)."""


def variance_loss(z: Tensor) -> Tensor:
    """Hinge on the standard deviation of each embedding dimension; Eq. (1)-(2).

    Parameters
    ----------
    z
        Embeddings (run, batch, width).

    Returns
    -------
    loss
        Averaged over the width (run,).
    """
    sd = (z.var(dim=1) + EPSILON).sqrt()
    return (FLOOR - sd).clamp_min(0).mean(1)


def covariance_loss(z: Tensor) -> Tensor:
    """Sum of squared off-diagonal covariances over the width; Eq. (3)-(4).

    Parameters
    ----------
    z
        Embeddings (run, batch, width).

    Returns
    -------
    loss
        (run,).
    """
    centred = z - z.mean(1, keepdim=True)
    covariance = torch.bmm(centred.transpose(1, 2), centred) / (z.shape[1] - 1)
    diagonal = covariance.diagonal(dim1=1, dim2=2)
    return (covariance.square().sum((1, 2)) - diagonal.square().sum(1)) / z.shape[2]


class VICReg(Method):
    """Encoder and expander under the three terms of Eq. (6).

    Parameters
    ----------
    declared
        Settings of the method.
    shape
        Bins and units of a window.
    generators
        The `init` stream of every run; there is one model per generator.
    """

    def __init__(
        self,
        declared: VICRegDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.weights = (declared.invariance, declared.variance, declared.covariance)
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)

    def loss(self, batch: Batch) -> Tensor:
        """Weigh invariance, variance and covariance of each run."""
        first, second = self.projector(self.encoder(batch.views)).chunk(2, dim=1)
        invariance, variance, covariance = self.weights
        return (
            invariance
            * (first - second).square().mean((1, 2))  # Eq. (5), averaged over the width too
            + variance * (variance_loss(first) + variance_loss(second)) / 2
            + covariance * (covariance_loss(first) + covariance_loss(second))
        )
