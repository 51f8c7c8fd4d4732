"""SimSiam: predict the other view's projection.

No gradient flows through the projection that is predicted. There are no negatives and
no moving-average copy of the networks. Several models (runs) are trained together: the
first axis of every tensor is the run.

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
    """Minus the cosine between predictions and the other views' projections.

    It is averaged over windows and both directions, Eq. (1)-(2) of the paper. No
    gradient flows to the projections (Eq. 3). With that gradient, or without a
    predictor, training would collapse to a constant representation.

    Parameters
    ----------
    predictions, projections
        (run, 2 batch, width): the first views of all windows, then their second views
        in the same order.

    Returns
    -------
    loss
        (run,), in [-1, 1].
    """
    other = torch.roll(projections.detach(), projections.shape[1] // 2, dims=1)
    return -functional.cosine_similarity(predictions, other, dim=2).mean(1)


class SimSiam(Method):
    """Encoder, projector, and a predictor with a narrow hidden layer.

    The projector's output is standardised over the batch.

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
        """Compute the loss of predicting each view's projection from the other."""
        projections = standardised(self.projector(self.represent(batch)))
        return negative_cosine(self.predictor(projections), projections)
