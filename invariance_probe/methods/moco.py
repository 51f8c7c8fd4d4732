"""MoCo: contrast the views with a queue of embeddings from earlier batches.

The networks embed one view of a window (the query). A copy of the networks, whose
weights are a moving average, embeds the other view (the key). The task is to identify
the query's own key among keys from earlier batches, which a queue stores. Several
models (runs) are trained together: the first axis of every tensor is the run.

References
----------
He, Fan, Wu, Xie & Girshick 2020, Momentum contrast for unsupervised visual
representation learning, arXiv:1911.05722.
"""

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.mlp import MLP
from invariance_probe.methods.base import Batch, Method
from invariance_probe.methods.moving_average import follow
from invariance_probe.methods.negatives import admissible
from invariance_probe.study.methods import MoCo as MoCoDeclaration

EMPTY = -1
"""Stored instead of a window's index while a position of the queue is empty."""


def info_nce(
    queries: Tensor, positives: Tensor, negatives: Tensor, allowed: Tensor, temperature: float
) -> Tensor:
    """Cross-entropy of identifying each query's positive among its negatives.

    Eq. (1) of the paper, averaged over queries. A query without any negative
    contributes 0.

    Parameters
    ----------
    queries, positives
        Unit vectors (run, row, width).
    negatives
        Unit vectors (run, key, width), the same for all queries of a run.
    allowed
        Boolean (run, row, key): whether the key may be a negative of the query.
    temperature
        Positive; divides the cosine similarities.

    Returns
    -------
    loss
        (run,), in nats.
    """
    positive = (queries * positives).sum(2, keepdim=True) / temperature
    against = torch.bmm(queries / temperature, negatives.transpose(1, 2)).masked_fill(
        ~allowed, -torch.inf
    )
    return (torch.cat([positive, against], dim=2).logsumexp(2) - positive.squeeze(2)).mean(1)


class MoCo(Method):
    """Encoder and projector, their moving averages, and a queue of keys.

    The encoder and projector compute queries; their moving averages compute keys. Each
    view serves once as the query and once as the key. After each update the keys of the
    second views enter the queue, with the indices of their windows, so that each window
    of a batch enters once. Batch norm is computed over all queries of a batch, and
    separately over all its keys. Unlike in the paper, batches are not shuffled between
    devices, because there is only one.

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

    queue: Tensor
    """Keys in the queue, the latest first (run, position, width)."""
    queued: Tensor
    """Index of each key's window, or `EMPTY` (run, position)."""

    def __init__(
        self,
        declared: MoCoDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.temperature, self.decay, self.negatives = (
            declared.temperature,
            declared.key_decay,
            declared.negatives,
        )
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.projector = MLP(declared.encoder.dimensions, declared.projector, generators)
        self.keys = nn.Sequential(
            copy.deepcopy(self.encoder), copy.deepcopy(self.projector)
        ).requires_grad_(False)
        places = (len(generators), declared.queue)
        self.register_buffer(
            "queue", torch.zeros(*places, declared.projector[-1], dtype=torch.float64)
        )
        self.register_buffer("queued", torch.full(places, EMPTY))
        self._fresh: tuple[Tensor, Tensor] | None = None

    def loss(self, batch: Batch) -> Tensor:
        """Compute the loss of identifying the other view's key among queued keys."""
        assert batch.timeline is not None and batch.windows is not None
        queries = functional.normalize(self.projector(self.encoder(batch.views)), dim=2)
        with torch.no_grad():
            first, second = functional.normalize(self.keys(batch.views), dim=2).chunk(2, dim=1)
        known = admissible(self.negatives, batch.timeline, batch.windows, self.queued.clamp_min(0))
        self._fresh = (second, batch.windows.chunk(2, dim=1)[1])
        keys = torch.cat([second, first], dim=1)
        return info_nce(
            queries, keys, self.queue, known & (self.queued != EMPTY).unsqueeze(1), self.temperature
        )

    @torch.no_grad()
    def after_update(self, step: int, steps: int) -> None:
        """Move the key networks towards the query networks (Eq. 2 of the paper).

        Then the keys of this step replace the oldest keys in the queue.

        Parameters
        ----------
        step, steps
            Ignored, because the decay is constant.
        """
        follow(
            self.keys.parameters(),
            [*self.encoder.parameters(), *self.projector.parameters()],
            self.decay,
        )
        assert self._fresh is not None
        keys, windows = self._fresh
        size = self.queue.shape[1]
        self.queue = torch.cat([keys, self.queue], dim=1)[:, :size].contiguous()
        self.queued = torch.cat([windows, self.queued], dim=1)[:, :size].contiguous()
