"""VICReg: pull pairs together, keep every embedding's variance up, decorrelate the embeddings.

References
----------
Bardes, Ponce & LeCun 2022, VICReg: variance-invariance-covariance regularization for self-supervised learning,
arXiv:2105.04906.
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


def variance_loss(z: Tensor) -> Tensor:
    """Return the hinge on each embedding's standard deviation, averaged (run,); Eq. (1)-(2). `z` is (run, batch, width)."""
    sd = (z.var(dim=1) + EPSILON).sqrt()
    return (FLOOR - sd).clamp_min(0).mean(1)


def covariance_loss(z: Tensor) -> Tensor:
    """Return the squared off-diagonal covariances over the width (run,); Eq. (3)-(4). `z` is (run, batch, width)."""
    centred = z - z.mean(1, keepdim=True)
    covariance = torch.bmm(centred.transpose(1, 2), centred) / (z.shape[1] - 1)
    diagonal = covariance.diagonal(dim1=1, dim2=2)
    return (covariance.square().sum((1, 2)) - diagonal.square().sum(1)) / z.shape[2]


class VICReg(Method):
    """Encoder and expander under the three terms of Eq. (6)."""

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
        """Weigh the three terms of each run."""
        first, second = self.projector(self.encoder(batch.views)).chunk(2, dim=1)
        invariance, variance, covariance = self.weights
        return (
            invariance
            * (first - second).square().mean((1, 2))  # Eq. (5), averaged over the width too
            + variance * (variance_loss(first) + variance_loss(second)) / 2
            + covariance * (covariance_loss(first) + covariance_loss(second))
        )
