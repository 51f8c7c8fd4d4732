"""BYOL: predict a slowly moving copy's projection of the other view; no negatives.

References
----------
Grill et al. 2020, Bootstrap your own latent, arXiv:2006.07733.
"""

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study import methods as declared_methods


def regression_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return 2 - 2 cos(prediction, target), averaged over the rows (run,); Eq. (2). Both are (run, row, width)."""
    return 2 - 2 * functional.cosine_similarity(predictions, targets, dim=2).mean(1)


class BYOL(Method):
    """Online encoder, projector and predictor; target encoder and projector follow by a moving average."""

    def __init__(self, declared: declared_methods.BYOL, shape: tuple[int, int], generators: list[np.random.Generator]) -> None:
        super().__init__()
        self.decay = declared.target_decay
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)
        self.predictor = MLP(declared.projector[-1], (*declared.predictor, declared.projector[-1]), generators)
        self.target = nn.Sequential(copy.deepcopy(self.encoder), copy.deepcopy(self.projector)).requires_grad_(False)

    def loss(self, batch: Batch) -> Tensor:
        """Predict the target's projection of each view from the other view."""
        predictions = self.predictor(self.projector(self.encoder(batch.views)))
        with torch.no_grad():
            first, second = self.target(batch.views).chunk(2, dim=1)
        return 2 * regression_loss(predictions, torch.cat([second, first], dim=1))

    @torch.no_grad()
    def after_update(self, step: int, steps: int) -> None:
        """Move the target towards the online networks; the decay rises to 1 by a cosine (section 3.2 of the paper)."""
        decay = 1 - (1 - self.decay) * (math.cos(math.pi * step / steps) + 1) / 2
        online: list[Tensor] = [*self.encoder.parameters(), *self.projector.parameters()]
        following: list[Tensor] = list(self.target.parameters())
        torch._foreach_lerp_(following, online, 1 - decay)
