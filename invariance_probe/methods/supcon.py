"""Supervised contrast: the positives of a view are all views of its class. It reads labels, so it is a ceiling and not SSL.

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
    """Return -sum_p w_ip log(exp(s_ip / T) / sum_{a != i} exp(s_ia / T)), averaged over anchors i (run,).

    Parameters
    ----------
    embeddings
        (run, row, width); s is the cosine similarity.
    weights
        How far each row is a positive of each anchor (run, anchor, row): 0 for itself, and a sum of 1 for each anchor, or of 0 for one
        without positives, whose term is then 0.
    temperature
        Positive.
    """
    z = functional.normalize(embeddings, dim=2)
    logits = torch.bmm(z / temperature, z.transpose(1, 2))
    itself = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    log_sum = logits.masked_fill(itself, -torch.inf).logsumexp(2)
    return (weights.sum(2) * log_sum - (weights * logits).sum(2)).mean(1)


def class_weights(classes: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 1 / |P(i)| for each of the other rows P(i) of an anchor's class, and 0 elsewhere (run, anchor, row); classes (run, row)."""
    same = (classes.unsqueeze(2) == classes.unsqueeze(1)).to(dtype)
    same = same - torch.diag_embed(torch.ones_like(same[:, 0]))
    return same / same.sum(2, keepdim=True).clamp_min(1)


def supervised_contrast(embeddings: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """Return L_out of each run (run,), averaged over anchors; Eq. (2). Embeddings are (run, row, width), classes (run, row)."""
    return weighted_contrast(embeddings, class_weights(classes, embeddings.dtype), temperature)


class SupCon(Method):
    """Encoder and projector under L_out, over both views of the batch; a view's class is that of its own window."""

    reads_target = True

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
        """Contrast the classes of each run."""
        assert batch.targets is not None
        if batch.targets.dtype != torch.int64:
            raise TrainingError(
                "supcon contrasts classes, but the target is continuous or circular; use "
                "method.kind 'y_aware', which weighs "
                "positives by how near their targets are, or a categorical target"
            )
        return supervised_contrast(
            self.projector(self.encoder(batch.views)), batch.targets, self.temperature
        )
