"""PBL: a belief from past windows predicts the latents of later windows.

The encoder turns a window into a latent. A recurrent network turns the latents of past
windows into a belief. The belief predicts later latents, and a latent predicts the
belief at its own time. There is no moving average: gradients are only stopped at the
targets of prediction. Targets are standardised over the batch, so that predicting their
common offset does not help. Nothing else in the loss prevents the representation from
collapsing to a constant, so watch `rank_me`. Several models (runs) are trained
together: the first axis of every tensor is the run.

References
----------
Guo, Pires, Piot, Grill, Altche, Munos & Azar 2020, Bootstrap latent-predictive
representations for multitask reinforcement learning, arXiv:2004.14646. Recordings have
no actions, so the belief is of latents alone.
"""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.layers import standardised
from invariance_probe.encoders.mlp import MLP
from invariance_probe.encoders.recurrent import StackedGRU
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study import methods as declared_methods


def prediction_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Error of predicting standardised targets, averaged over all predictions.

    It is 2 - 2 cos(prediction, standardised target). No gradient flows to the targets.

    Parameters
    ----------
    predictions, targets
        (run, row, ..., width).

    Returns
    -------
    loss
        (run,), in [0, 4].
    """
    return 2 - 2 * functional.cosine_similarity(
        predictions, standardised(targets.detach()), dim=-1
    ).flatten(1).mean(1)


class PBL(Method):
    """Encoder, recurrent network, and a predictor in each direction.

    One predictor maps the belief to later latents, the other maps a latent to the
    belief.

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

    examples: ClassVar[str] = "sequences"

    def __init__(
        self,
        declared: declared_methods.PBL,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.context_windows, self.horizons = declared.context_windows, len(declared.horizons)
        dimensions = declared.encoder.dimensions
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.belief = StackedGRU(dimensions, declared.context_width, generators)
        self.forwards = MLP(
            declared.context_width, (*declared.predictor, self.horizons * dimensions), generators
        )
        self.backwards = MLP(dimensions, (*declared.predictor, declared.context_width), generators)

    def loss(self, batch: Batch) -> Tensor:
        """Sum the errors of predicting later latents and beliefs, for each run.

        The belief of one view predicts the later latents of the other view. The latent
        of the last past window predicts the belief of the other view.
        """
        latents = self.encoder(batch.views).unflatten(1, (-1, self.context_windows + self.horizons))
        beliefs = self.belief(latents[:, :, : self.context_windows])[:, :, -1]
        predicted = self.forwards(beliefs).unflatten(2, (self.horizons, -1))
        forward = prediction_loss(predicted, other_view(latents[:, :, self.context_windows :]))
        reverse = prediction_loss(
            self.backwards(latents[:, :, self.context_windows - 1]), other_view(beliefs)
        )
        return forward + reverse


def other_view(rows: Tensor) -> Tensor:
    """Exchange the first views with the second views.

    Parameters
    ----------
    rows
        First views, then second views (run, 2 batch, ...).

    Returns
    -------
    rows
        Second views, then first views (run, 2 batch, ...).
    """
    return torch.roll(rows, rows.shape[1] // 2, dims=1)
