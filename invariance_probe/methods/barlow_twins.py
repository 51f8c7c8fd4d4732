"""Barlow Twins: make the views' cross-correlation matrix the identity.

Several models (runs) are trained together: the first axis of every tensor is the run.

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

    The loss is sum_i (1 - C_ii)^2 + redundancy / width sum_{i != j} C_ij^2, Eq. (1)-(2)
    of the paper. C_ij is the correlation over the batch between dimension i of the
    first views and dimension j of the second. The weight is divided by the width,
    because the matrix has width - 1 times as many terms off the diagonal as on it.

    Parameters
    ----------
    first, second
        Embeddings of the two views (run, batch, width), windows in the same order.
    redundancy
        Weight of the off-diagonal terms, at least 0: the paper's lambda times the
        width.

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
    """Encoder and projector, trained with `barlow_twins_loss`.

    The projector's output should have at most half as many dimensions as the batch has
    windows. With more dimensions than windows the correlation matrix cannot have full
    rank.

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
        declared: BarlowTwinsDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.redundancy = declared.redundancy
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)

    def loss(self, batch: Batch) -> Tensor:
        """Compute the Barlow Twins loss of each run on a batch of pairs."""
        first, second = self.projector(self.represent(batch)).chunk(2, dim=1)
        return barlow_twins_loss(first, second, self.redundancy)
