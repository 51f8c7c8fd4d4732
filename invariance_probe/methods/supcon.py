"""Supervised contrast: all views of a view's class are its positives.

It reads the labels, so it is not SSL; it shows what contrastive training can reach at
best. Several models (runs) are trained together: the first axis of every tensor is the
run.

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

    Anchor i contributes -sum_p w_ip log(exp(s_ip / T) / sum_{a != i} exp(s_ia / T)),
    where s is the cosine similarity, T the temperature, and p and a run over the rows.
    The loss is the mean over anchors; every row is an anchor once.

    Parameters
    ----------
    embeddings
        (run, row, width).
    weights
        Weight w of each row as a positive of each anchor (run, anchor, row). The weight
        of the anchor itself is 0. An anchor's weights sum to 1, or to 0 for an anchor
        without positives, whose term is then 0.
    temperature
        Positive; divides the cosine similarities.

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
    """Equal positive weights for all other rows of each anchor's class.

    If the class of anchor i has n other rows, each of them has the weight 1 / n; all
    other weights are 0.

    Parameters
    ----------
    classes
        Integer class of each row (run, row).
    dtype
        Number type of the weights.

    Returns
    -------
    weights
        (run, anchor, row).
    """
    same = (classes.unsqueeze(2) == classes.unsqueeze(1)).to(dtype)
    same = same - torch.diag_embed(torch.ones_like(same[:, 0]))
    return same / same.sum(2, keepdim=True).clamp_min(1)


def supervised_contrast(embeddings: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss L_out, Eq. (2) of the paper.

    Parameters
    ----------
    embeddings
        (run, row, width).
    classes
        Integer class of each row (run, row).
    temperature
        Positive; divides the cosine similarities.

    Returns
    -------
    loss
        Mean over anchors (run,), in nats.
    """
    return weighted_contrast(embeddings, class_weights(classes, embeddings.dtype), temperature)


class SupCon(Method):
    """Encoder and projector, trained with L_out on both views of each window.

    The class of a view is the class of its window.

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

    reads = ("target",)

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
        """Compute the supervised contrastive loss of each run on a batch.

        Raises
        ------
        TrainingError
            If the target is not categorical.
        """
        assert batch.targets is not None
        if batch.targets.dtype != torch.int64:
            raise TrainingError(
                "supcon needs classes, but the target is continuous or circular. Use a "
                "categorical target, or method.kind 'y_aware', which weighs positives by how "
                "near their targets are"
            )
        return supervised_contrast(
            self.projector(self.encoder(batch.views)), batch.targets, self.temperature
        )
