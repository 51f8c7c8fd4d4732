"""BYOL: predict what a slowly moving copy makes of the other view.

There are no negatives. The trained networks are called online, their copy the target.
Several models (runs) are trained together: the first axis of every tensor is the run.

References
----------
Grill et al. 2020, Bootstrap your own latent, arXiv:2006.07733.
"""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method
from invariance_probe.methods.moving_average import follow
from invariance_probe.study import methods as declared_methods


def regression_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Squared distance of unit vectors, averaged over rows; Eq. (2) of the paper.

    It equals 2 - 2 cos(prediction, target).

    Parameters
    ----------
    predictions, targets
        (run, row, width).

    Returns
    -------
    loss
        (run,), in [0, 4].
    """
    return 2 - 2 * functional.cosine_similarity(predictions, targets, dim=2).mean(1)


@dataclass(frozen=True, eq=False)
class Seen:
    """Outputs of the online and the target networks for both views.

    The first half of the rows holds the first views, the second half the second views.
    No gradient passes through the outputs of the target networks.

    Attributes
    ----------
    representation, target_representation
        Outputs of the online and of the target encoder (run, 2 batch, dim).
    projection, target_projection
        Outputs of the online and of the target projector (run, 2 batch, width).
    """

    representation: Tensor
    projection: Tensor
    target_representation: Tensor
    target_projection: Tensor


class BYOL(Method):
    """Online encoder, projector and predictor, and a slowly moving target.

    The target's encoder and projector are moving averages of the online ones.

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
        declared: declared_methods.BYOL | declared_methods.MYOW,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.decay = declared.target_decay
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)
        self.predictor = MLP(
            declared.projector[-1], (*declared.predictor, declared.projector[-1]), generators
        )
        self.target = nn.Sequential(
            copy.deepcopy(self.encoder), copy.deepcopy(self.projector)
        ).requires_grad_(False)

    def forward(self, views: Tensor) -> Seen:
        """Pass both views through the online and the target networks.

        Parameters
        ----------
        views
            First views, then second views (run, 2 batch, time, unit).
        """
        representation = self.encoder(views)
        with torch.no_grad():
            target = self.target[0](views)
            target_projection = self.target[1](target)
        return Seen(representation, self.projector(representation), target, target_projection)

    def prediction_error(self, seen: Seen) -> Tensor:
        """Error of predicting each view's target projection from the other view.

        Parameters
        ----------
        seen
            Outputs of the networks, as `forward` returned them.

        Returns
        -------
        error
            Mean over windows and both directions (run,), in [0, 4].
        """
        first, second = seen.target_projection.chunk(2, dim=1)
        return regression_loss(self.predictor(seen.projection), torch.cat([second, first], dim=1))

    def loss(self, batch: Batch) -> Tensor:
        """Sum the prediction errors of both directions (section 3.1 of the paper)."""
        return 2 * self.prediction_error(self(batch.views))

    def after_update(self, step: int, steps: int) -> None:
        """Move the target networks towards the online networks.

        The decay rises to 1 along a cosine (section 3.2 of the paper).

        Parameters
        ----------
        step, steps
            Number of updates done so far, and of the whole training.
        """
        follow(
            self.target.parameters(),
            [*self.encoder.parameters(), *self.projector.parameters()],
            risen_decay(self.decay, step, steps),
        )


def risen_decay(start: float, step: int, steps: int) -> float:
    """Decay of a moving average, which rises to 1 along half a cosine period.

    Parameters
    ----------
    start
        Decay before the first update, in [0, 1).
    step, steps
        Number of updates done so far, and of the whole training.

    Returns
    -------
    decay
        In [start, 1].
    """
    return 1 - (1 - start) * (math.cos(math.pi * step / steps) + 1) / 2
