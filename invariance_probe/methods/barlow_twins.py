"""Barlow Twins: make the views' cross-correlation matrix the identity.

References
----------
Zbontar, Jing, Misra, LeCun & Deny 2021, Barlow Twins: self-supervised learning via
redundancy reduction, arXiv:2103.03230.
"""

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.layers import standardised
from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.methods import BarlowTwins as BarlowTwinsDeclaration


def barlow_twins_loss(first: Tensor, second: Tensor, redundancy: float) -> Tensor:
    """Distance of the views' cross-correlation matrix from the identity.

    sum_i (1 - C_ii)^2 + redundancy / width sum_{i != j} C_ij^2; Eq. (1)-(2). C is the
    correlation of the views' columns over the batch. The weight is divided by the
    width, as there are width - 1 times as many terms off the diagonal as on it.

    Parameters
    ----------
    first, second
        Embeddings of the two views (run, batch, width), in the same order.
    redundancy
        At least 0; the paper's lambda times the width.

    Returns
    -------
    loss
        (run,).
    """
    rows, width = first.shape[1:]
    correlation = torch.bmm(standardised(first).transpose(1, 2), standardised(second)) / rows
    diagonal = correlation.diagonal(dim1=1, dim2=2)
    off_diagonal = correlation.square().sum((1, 2)) - diagonal.square().sum(1)
    return (1 - diagonal).square().sum(1) + redundancy / width * off_diagonal


class BarlowTwins(Method):
    """Encoder and projector under the loss of Eq. (1).

    Keep the width at half the batch or less, or C does not have full rank.

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
        declared: BarlowTwinsDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.redundancy = declared.redundancy
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)

    def loss(self, batch: Batch) -> Tensor:
        """Compare the correlation of the two views with the identity."""
        first, second = self.projector(self.encoder(batch.views)).chunk(2, dim=1)
        return barlow_twins_loss(first, second, self.redundancy)
