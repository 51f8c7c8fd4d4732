"""Agreeing pairs: an example of a method of one's own, in one file.

Whitened mean squared error (Ermolov et al. 2021, arXiv:2007.06346) in its plainest
form: the embeddings of a batch are whitened by their own covariance, so that each
dimension keeps its own variance and no other's, and partners are pulled together.
agreeing_pairs.yaml, beside this file, is a study that trains it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.methods import OwnMethod


class AgreeingPairs(Method):
    """Pull the two views of every window together, after whitening.

    Parameters
    ----------
    declared
        The declaration in the study. Its encoder is the one to be trained.
    shape
        Number of bins and number of units of a window.
    generators
        One random-number generator per run, which draws its initial weights.
    projector
        Widths of the layers between the representation and the loss.
    ridge
        Added to the covariance before it is inverted.
    """

    def __init__(
        self,
        declared: OwnMethod,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
        *,
        projector: Sequence[int] = (64, 16),
        ridge: float = 1e-3,
    ) -> None:
        super().__init__()
        if not ridge > 0:
            raise ValueError(f"ridge is {ridge:g}; it must be above 0")
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, tuple(projector), generators)
        self.ridge = ridge

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean squared distance of whitened partners (run,)."""
        z = whitened(self.projector(self.encoder(batch.views)), self.ridge)
        first, second = z.chunk(2, dim=1)
        return (first - second).square().sum(2).mean(1)


def whitened(z: Tensor, ridge: float = 1e-3) -> Tensor:
    """Whiten embeddings (run, row, width) over each run's rows.

    The result has mean 0 and identity covariance, by Cholesky factors.
    """
    centred = z - z.mean(1, keepdim=True)
    covariance = torch.bmm(centred.transpose(1, 2), centred) / (z.shape[1] - 1)
    covariance = covariance + ridge * torch.eye(z.shape[2], dtype=z.dtype, device=z.device)
    factor = torch.linalg.cholesky(covariance)
    return torch.linalg.solve_triangular(factor, centred.transpose(1, 2), upper=False).transpose(
        1, 2
    )
