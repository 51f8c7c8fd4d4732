"""BYOL: predict a slowly moving copy's projection of the other view.

There are no negatives.

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
    """2 - 2 cos(prediction, target), averaged over rows; Eq. (2).

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
    """Both views as the online and the target networks see them.

    Nothing of the target networks carries a gradient.

    Attributes
    ----------
    representation, target_representation
        Encoder outputs (run, 2 batch, dim).
    projection, target_projection
        Projector outputs (run, 2 batch, width).
    """

    representation: Tensor
    projection: Tensor
    target_representation: Tensor
    target_projection: Tensor


class BYOL(Method):
    """Online encoder, projector and predictor; the target follows slowly.

    The target's encoder and projector are moving averages of the online ones.

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
            (run, 2 batch, time, unit).
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
            Both views, as `forward` returned them.

        Returns
        -------
        error
            Averaged over rows and both directions (run,).
        """
        first, second = seen.target_projection.chunk(2, dim=1)
        return regression_loss(self.predictor(seen.projection), torch.cat([second, first], dim=1))

    def loss(self, batch: Batch) -> Tensor:
        """Sum the errors of both directions (section 3.1 of the paper)."""
        return 2 * self.prediction_error(self(batch.views))

    def after_update(self, step: int, steps: int) -> None:
        """Move the target towards the online networks.

        The decay rises to 1 by a cosine (section 3.2 of the paper).

        Parameters
        ----------
        step, steps
            Updates done, and updates of the whole training.
        """
        follow(
            self.target.parameters(),
            [*self.encoder.parameters(), *self.projector.parameters()],
            risen_decay(self.decay, step, steps),
        )


def risen_decay(start: float, step: int, steps: int) -> float:
    """Decay of a moving average, which rises to 1 by half a cosine.

    Parameters
    ----------
    start
        Decay before the first update, in [0, 1).
    step, steps
        Updates done, and updates of the whole training.

    Returns
    -------
    decay
        In [start, 1].
    """
    return 1 - (1 - start) * (math.cos(math.pi * step / steps) + 1) / 2
