"""Whitened MSE: an example of a method of one's own, in one file.

Whitened mean squared error (Ermolov et al. 2021, arXiv:2007.06346) in its plainest
form: the embeddings of a batch are whitened by their own covariance, so that each
dimension keeps its own variance and no other's, and partners are pulled together.
tests/methods/test_a_method_of_ones_own.py runs it through the contract.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.encoders import Widths
from invariance_probe.study.methods import TrainedMethod


class WhitenedMSE(TrainedMethod):
    """The fields that a study can declare for this method.

    In the package the class stands in study/methods.py, and its name in the union
    `Method` is the first line to add.
    """

    kind: Literal["whitened_mse"] = "whitened_mse"
    projector: Widths = (64, 16)


def whitened(z: Tensor) -> Tensor:
    """Whiten embeddings (run, row, width) over each run's rows.

    The result has mean 0 and identity covariance, by Cholesky factors.
    """
    centred = z - z.mean(1, keepdim=True)
    covariance = torch.bmm(centred.transpose(1, 2), centred) / (z.shape[1] - 1)
    ridge = 1e-3 * torch.eye(z.shape[2], dtype=z.dtype, device=z.device)
    factor = torch.linalg.cholesky(covariance + ridge)
    return torch.linalg.solve_triangular(factor, centred.transpose(1, 2), upper=False).transpose(
        1, 2
    )


class StackedWhitenedMSE(Method):
    """What the training loop runs. Its line in `methods.METHODS` is the second."""

    def __init__(
        self, declared: WhitenedMSE, shape: tuple[int, int], generators: list[np.random.Generator]
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean squared distance of whitened partners (run,)."""
        first, second = whitened(self.projector(self.encoder(batch.views))).chunk(2, dim=1)
        return (first - second).square().sum(2).mean(1)
