"""VICReg: pull pairs together, maintain variance, decorrelate dimensions.

Several models (runs) are trained together: the first axis of every tensor is the run.

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
"""Standard deviation below which a dimension is penalised (gamma in Eq. 1)."""
EPSILON = 1e-4
"""Added to the variance before taking its square root (epsilon in Eq. 2)."""


def variance_loss(z: Tensor) -> Tensor:
    """Penalty for embedding dimensions that hardly vary over the batch.

    A hinge on the standard deviation, averaged over the dimensions; Eq. (1)-(2) of the
    paper.

    Parameters
    ----------
    z
        Embeddings (run, batch, width).

    Returns
    -------
    loss
        (run,), at least 0.
    """
    sd = (z.var(dim=1) + EPSILON).sqrt()
    return (FLOOR - sd).clamp_min(0).mean(1)


def covariance_loss(z: Tensor) -> Tensor:
    """Penalty for correlated embedding dimensions.

    The sum of all squared off-diagonal covariances, divided by the width; Eq. (3)-(4)
    of the paper.

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
    """Encoder and projector, trained with the three terms of Eq. (6).

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
        """Sum the weighted invariance, variance and covariance terms of each run."""
        first, second = self.projector(self.represent(batch)).chunk(2, dim=1)
        invariance, variance, covariance = self.weights
        return (
            invariance
            * (first - second).square().mean((1, 2))  # Eq. (5), averaged over the width too
            + variance * (variance_loss(first) + variance_loss(second)) / 2
            + covariance * (covariance_loss(first) + covariance_loss(second))
        )
