"""Supervised contrast: all views of a view's class are its positives.

It reads labels, so it is a ceiling and not SSL.

References
----------
Khosla et al. 2020, Supervised contrastive learning, arXiv:2004.11362.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.mlp import MLP
from invariance_probe.errors import TrainingError
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.methods import SupCon as SupConDeclaration


def weighted_contrast(embeddings: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """Contrastive loss with weighted positives.

    -sum_p w_ip log(exp(s_ip / T) / sum_{a != i} exp(s_ia / T)), averaged over anchors
    i.

    Parameters
    ----------
    embeddings
        (run, row, width); s is the cosine similarity.
    weights
        Weight of each row as a positive of each anchor (run, anchor, row). The weight
        of the anchor itself is 0. An anchor's weights sum to 1, or to 0 for an anchor
        without positives, whose term is then 0.
    temperature
        Positive.

    Returns
    -------
    loss
        (run,), in nats.
    """
    z = functional.normalize(embeddings, dim=2)
    logits = torch.bmm(z / temperature, z.transpose(1, 2))
    itself = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    log_sum = logits.masked_fill(itself, -torch.inf).logsumexp(2)
    return (weights.sum(2) * log_sum - (weights * logits).sum(2)).mean(1)


def class_weights(classes: Tensor, dtype: torch.dtype) -> Tensor:
    """Equal weights for the other rows of each anchor's class.

    The weight is 1 / |P(i)| for each of the other rows P(i) of the class of anchor i,
    and 0 elsewhere.

    Parameters
    ----------
    classes
        (run, row).
    dtype
        Of the weights.

    Returns
    -------
    weights
        (run, anchor, row).
    """
    same = (classes.unsqueeze(2) == classes.unsqueeze(1)).to(dtype)
    same = same - torch.diag_embed(torch.ones_like(same[:, 0]))
    return same / same.sum(2, keepdim=True).clamp_min(1)


def supervised_contrast(embeddings: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss L_out; Eq. (2), averaged over anchors.

    Parameters
    ----------
    embeddings
        (run, row, width).
    classes
        (run, row).
    temperature
        Positive.

    Returns
    -------
    loss
        (run,), in nats.
    """
    return weighted_contrast(embeddings, class_weights(classes, embeddings.dtype), temperature)


class SupCon(Method):
    """Encoder and projector under L_out, over both views of the batch.

    A view's class is that of its own window.

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
        declared: SupConDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.temperature = declared.temperature
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)

    def loss(self, batch: Batch) -> Tensor:
        """Contrast the classes of each run.

        Raises
        ------
        TrainingError
            When the target is not categorical.
        """
        assert batch.targets is not None
        if batch.targets.dtype != torch.int64:
            raise TrainingError(
                "supcon contrasts classes, but the target is continuous or circular; use "
                "method.kind 'y_aware', which weighs positives by how near their targets are, or a "
                "categorical target"
            )
        return supervised_contrast(
            self.projector(self.encoder(batch.views)), batch.targets, self.temperature
        )
