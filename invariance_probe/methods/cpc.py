"""CPC: from a context of successive windows, tell the windows that follow it from those that follow other contexts.

References
----------
van den Oord, Li & Vinyals 2018, Representation learning with contrastive predictive coding, arXiv:1807.03748.
"""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.layers import initial_weight
from invariance_probe.encoders.recurrent import StackedGRU
from invariance_probe.methods.base import Batch, Method, PretextTask
from invariance_probe.methods.negatives import admissible
from invariance_probe.study import methods as declared_methods


def info_nce(scores: Tensor, negatives: Tensor) -> Tensor:
    """Return the cross entropy of telling each row's own candidate from its negatives, averaged (run,); Eq. (4) of the paper.

    Parameters
    ----------
    scores
        (run, task, row, candidate); a row's own candidate is on the diagonal.
    negatives
        Which candidates a row is held against (run, row, candidate); the diagonal is not read. Rows without any are left out.
    """
    entropy = -_held_against(scores, negatives).log_softmax(3).diagonal(dim1=2, dim2=3)
    counted = negatives.any(2).unsqueeze(1).to(scores.dtype)
    return (entropy * counted).sum(2).mean(1) / counted.sum((1, 2)).clamp_min(1)


def ranked_first(scores: Tensor, negatives: Tensor) -> Tensor:
    """Return the part of rows whose own candidate scores highest (run,), float64; shapes as in `info_nce`."""
    held = _held_against(scores, negatives)
    first = (held.argmax(3) == torch.arange(held.shape[2], device=held.device)).double()
    counted = negatives.any(2).unsqueeze(1).double()
    return (first * counted).sum(2).mean(1) / counted.sum((1, 2)).clamp_min(1)


def _held_against(scores: Tensor, negatives: Tensor) -> Tensor:
    own = torch.eye(scores.shape[2], dtype=torch.bool, device=scores.device)
    return scores.masked_fill(~(negatives | own).unsqueeze(1), -torch.inf)


class CPC(Method, PretextTask):
    """Encoder, a recurrent context of its latents, and one bilinear score for every horizon, z' W_k c; Eq. (3) of the paper."""

    examples: ClassVar[str] = "sequences"

    def __init__(
        self,
        declared: declared_methods.CPC,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.context_windows, self.negatives = declared.context_windows, declared.negatives
        self.horizons, self.dimensions = len(declared.horizons), declared.encoder.dimensions
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.context = StackedGRU(self.dimensions, declared.context_width, generators)
        self.horizon_weight = nn.Parameter(
            initial_weight(
                generators, declared.context_width, self.horizons * self.dimensions, gain=1.0
            )
        )

    def scores(self, batch: Batch) -> Tensor:
        """Return scores (run, direction and horizon, sequence, candidate): contexts of one view, candidates of the other, and back."""
        latents = self.encoder(batch.views).unflatten(1, (-1, self.context_windows + self.horizons))
        contexts = self.context(latents[:, :, : self.context_windows])[:, :, -1]
        predicted = (
            torch.bmm(contexts, self.horizon_weight)
            .unflatten(2, (self.horizons, -1))
            .unflatten(1, (2, -1))
        )
        futures = latents[:, :, self.context_windows :].unflatten(1, (2, -1)).flip(1)
        scores = torch.matmul(predicted.transpose(2, 3), futures.permute(0, 1, 3, 4, 2))
        return scores.flatten(1, 2)

    def admissible(self, batch: Batch) -> Tensor:
        """Return which other sequences each is held against (run, sequence, sequence)."""
        assert batch.timeline is not None and batch.windows is not None
        rows = batch.windows.shape[1] // 2
        first = batch.windows[
            :, : rows : self.context_windows + self.horizons
        ]  # as far apart as all later windows of two sequences
        return admissible(self.negatives, batch.timeline, first, first)

    def loss(self, batch: Batch) -> Tensor:
        """Tell each context's futures from those of other contexts, averaged over horizons and both directions between the views."""
        return info_nce(self.scores(batch), self.admissible(batch))

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Return the part of contexts whose own future scores highest (run,); chance is one over the candidates."""
        return ranked_first(self.scores(batch), self.admissible(batch))
