"""CPC: from a context of successive windows, identify those that follow it.

The negatives are the windows that follow other contexts. Several models (runs) are
trained together: the first axis of every tensor is the run.

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
    """Cross-entropy of identifying each row's own candidate among its negatives.

    Eq. (4) of the paper, averaged over rows and tasks. In CPC a row is a context, its
    own candidate is a window that follows it, and a task is a combination of horizon
    and view.

    Parameters
    ----------
    scores
        (run, task, row, candidate); a row's own candidate is on the diagonal.
    negatives
        Boolean (run, row, candidate): which candidates are negatives of a row. The
        diagonal is ignored. Rows without any negative are not counted.

    Returns
    -------
    loss
        (run,), in nats.
    """
    entropy = -_held_against(scores, negatives).log_softmax(3).diagonal(dim1=2, dim2=3)
    counted = negatives.any(2).unsqueeze(1).to(scores.dtype)
    return (entropy * counted).sum(2).mean(1) / counted.sum((1, 2)).clamp_min(1)


def ranked_first(scores: Tensor, negatives: Tensor) -> Tensor:
    """Fraction of rows whose own candidate has the highest score.

    Parameters
    ----------
    scores, negatives
        As in `info_nce`.

    Returns
    -------
    fraction
        Mean over tasks (run,), float64, in [0, 1].
    """
    held = _held_against(scores, negatives)
    first = (held.argmax(3) == torch.arange(held.shape[2], device=held.device)).double()
    counted = negatives.any(2).unsqueeze(1).double()
    return (first * counted).sum(2).mean(1) / counted.sum((1, 2)).clamp_min(1)


def _held_against(scores: Tensor, negatives: Tensor) -> Tensor:
    """Set scores to -inf except those of a row's own candidate and negatives."""
    own = torch.eye(scores.shape[2], dtype=torch.bool, device=scores.device)
    return scores.masked_fill(~(negatives | own).unsqueeze(1), -torch.inf)


class CPC(Method, PretextTask):
    """Encoder, recurrent context, and a bilinear score for each horizon.

    The encoder turns every window into a latent z. A recurrent network summarises the
    latents of successive windows in a context c. The score of a candidate k windows
    later is z' W_k c (Eq. 3 of the paper, without the exponential).

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
        """Score every candidate window for each context.

        The contexts of one view are scored against the candidates of the other view, in
        both directions.

        Returns
        -------
        scores
            (run, task, sequence, candidate), with one task per direction and horizon.
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
        """Which sequences supply negatives for which (run, sequence, sequence)."""
        assert batch.timeline is not None and batch.windows is not None
        rows = batch.windows.shape[1] // 2
        # Two sequences are as far apart in time as their first windows are.
        first = batch.windows[:, : rows : self.context_windows + self.horizons]
        return admissible(self.negatives, batch.timeline, first, first)

    def loss(self, batch: Batch) -> Tensor:
        """Compute the InfoNCE loss of each run on a batch of sequences.

        The loss is averaged over horizons and over both directions between the views.
        """
        return info_nce(self.scores(batch), self.admissible(batch))

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Fraction of contexts whose own future window scores highest (run,).

        Chance level is one over the number of candidates.
        """
        return ranked_first(self.scores(batch), self.admissible(batch))
