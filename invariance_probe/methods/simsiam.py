"""SimSiam: predict the other view's projection, whose gradient is stopped.

There are no negatives and no moving copy.

References
----------
Chen & He 2021, Exploring simple Siamese representation learning, arXiv:2011.10566.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.layers import standardised
from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.methods import SimSiam as SimSiamDeclaration


def negative_cosine(predictions: Tensor, projections: Tensor) -> Tensor:
    """-cos(prediction, the other view's projection); Eq. (1)-(2).

    It is averaged over rows and both directions. No gradient goes to the projections
    (Eq. 3). Without a predictor, or with that gradient, a constant is the best
    solution.

    Parameters
    ----------
    predictions, projections
        (run, 2 batch, width): the first views of all pairs, then the second views in
        the same order.

    Returns
    -------
    loss
        (run,), in [-1, 1].
    """
    other = torch.roll(projections.detach(), projections.shape[1] // 2, dims=1)
    return -functional.cosine_similarity(predictions, other, dim=2).mean(1)


class SimSiam(Method):
    """Encoder, projector, and a predictor that is a bottleneck.

    The projector ends in batch norm without scale and shift.

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
        declared: SimSiamDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)
        self.predictor = MLP(
            declared.projector[-1], (*declared.predictor, declared.projector[-1]), generators
        )

    def loss(self, batch: Batch) -> Tensor:
        """Predict the projection of each view from the other."""
        projections = standardised(self.projector(self.encoder(batch.views)))
        return negative_cosine(self.predictor(projections), projections)
