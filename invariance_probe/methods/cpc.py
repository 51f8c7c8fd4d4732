"""CPC: from a context of successive windows, identify those that follow it.

They are told from the windows that follow other contexts.

References
----------
van den Oord, Li & Vinyals 2018, Representation learning with contrastive predictive
coding, arXiv:1807.03748.
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
    """Cross entropy of telling each row's own candidate from its negatives.

    Eq. (4) of the paper, averaged over rows and tasks.

    Parameters
    ----------
    scores
        (run, task, row, candidate); a row's own candidate is on the diagonal.
    negatives
        Which candidates are negatives of a row (run, row, candidate); the diagonal is
        not read. Rows without any are left out.

    Returns
    -------
    loss
        (run,), in nats.
    """
    entropy = -_held_against(scores, negatives).log_softmax(3).diagonal(dim1=2, dim2=3)
    counted = negatives.any(2).unsqueeze(1).to(scores.dtype)
    return (entropy * counted).sum(2).mean(1) / counted.sum((1, 2)).clamp_min(1)


def ranked_first(scores: Tensor, negatives: Tensor) -> Tensor:
    """Part of the rows whose own candidate has the highest score.

    Parameters
    ----------
    scores, negatives
        As in `info_nce`.

    Returns
    -------
    part
        (run,), float64, in [0, 1].
    """
    held = _held_against(scores, negatives)
    first = (held.argmax(3) == torch.arange(held.shape[2], device=held.device)).double()
    counted = negatives.any(2).unsqueeze(1).double()
    return (first * counted).sum(2).mean(1) / counted.sum((1, 2)).clamp_min(1)


def _held_against(scores: Tensor, negatives: Tensor) -> Tensor:
    """Scores of each row's own candidate and its negatives; -inf elsewhere."""
    own = torch.eye(scores.shape[2], dtype=torch.bool, device=scores.device)
    return scores.masked_fill(~(negatives | own).unsqueeze(1), -torch.inf)


class CPC(Method, PretextTask):
    """Encoder, recurrent context, and a bilinear score z' W_k c per horizon.

    Eq. (3) of the paper. The context is a recurrent network over the latents of
    successive windows.

    Parameters
    ----------
    declared
        Settings of the method.
    shape
        Bins and units of a window.
    generators
        The `init` stream of every run; there is one model per generator.
    """

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
        """Score the candidates of every context.

        The contexts of one view are scored against the candidates of the other view, in
        both directions.

        Returns
        -------
        scores
            (run, direction and horizon, sequence, candidate).
        """
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
        """Which other sequences are negatives of each (run, sequence, sequence)."""
        assert batch.timeline is not None and batch.windows is not None
        rows = batch.windows.shape[1] // 2
        # The first windows of two sequences are as far apart as all their later ones.
        first = batch.windows[:, : rows : self.context_windows + self.horizons]
        return admissible(self.negatives, batch.timeline, first, first)

    def loss(self, batch: Batch) -> Tensor:
        """Tell each context's future windows from those of other contexts.

        The loss is averaged over horizons and over both directions between the views.
        """
        return info_nce(self.scores(batch), self.admissible(batch))

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Part of contexts whose own future scores highest (run,).

        Chance is one over the number of candidates.
        """
        return ranked_first(self.scores(batch), self.admissible(batch))
