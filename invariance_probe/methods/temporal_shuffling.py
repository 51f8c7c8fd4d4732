"""Temporal shuffling: tell triplets of windows in order from shuffled ones; signed, tell them from their own reverse.

As published, absolute differences of the representations are read and triplets are mirrored, so the task asks whether the middle window
lies between the outer ones, and running the recording backwards changes nothing. The signed form asks for the arrow of time, which a
stationary reversible process does not have.

References
----------
Banville, Chehab, Hyvarinen, Engemann & Gramfort 2021, Uncovering the structure of clinical EEG signals with self-supervised learning,
arXiv:2007.16104; the signed form is this package's own.
"""

from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.layers import LinearBatchNormReLU, initial_weight
from invariance_probe.methods.base import Batch, Method, PretextTask
from invariance_probe.methods.relative_positioning import Readout, logistic_loss, right_answers
from invariance_probe.study.methods import TemporalShuffling as TemporalShufflingDeclaration


def unsigned_steps(triplets: Tensor) -> Tensor:
    """Return |h - h'| and |h' - h''| side by side: (run, triplet, 3, dim) -> (run, triplet, 2 dim)."""
    return triplets.diff(dim=2).abs().flatten(2)


def signed_steps(triplets: Tensor) -> tuple[Tensor, Tensor]:
    """Return h' - h and h'' - h' side by side, of every triplet and of its reverse: each (run, triplet, 2 dim)."""
    return triplets.diff(dim=2).flatten(2), triplets.flip(2).diff(dim=2).flatten(2)


class UnsignedReadout(nn.Module):
    """A linear readout of the absolute steps, one a run: (run, triplet, 3, dim) -> (run, triplet)."""

    def __init__(self, dimensions: int, generators: list[np.random.Generator]) -> None:
        super().__init__()
        self.linear = Readout(2 * dimensions, generators)

    def forward(self, triplets: Tensor) -> Tensor:
        """Return logits of being in order."""
        return self.linear(unsigned_steps(triplets))


class SignedReadout(nn.Module):
    """A network of the signed steps less the same network of the reverse's steps, so that a reversed triplet has the opposite logit."""

    def __init__(
        self, dimensions: int, widths: tuple[int, ...], generators: list[np.random.Generator]
    ) -> None:
        super().__init__()
        sizes = (2 * dimensions, *widths)
        self.hidden = nn.Sequential(
            *(LinearBatchNormReLU(initial_weight(generators, a, b)) for a, b in pairwise(sizes))
        )
        self.last = Readout(widths[-1], generators)

    def forward(self, triplets: Tensor) -> Tensor:
        """Return logits of running forwards in time."""
        forwards, backwards = self.last(
            self.hidden(torch.cat(signed_steps(triplets), dim=1))
        ).chunk(2, dim=1)
        return forwards - backwards


class TemporalShuffling(Method, PretextTask):
    """Encoder, and a readout of the steps between a triplet's representations; the loss is averaged over both views."""

    examples: ClassVar[str] = "triplets"

    def __init__(
        self,
        declared: TemporalShufflingDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(declared.encoder, shape, generators)
        dimensions = declared.encoder.dimensions
        self.readout: nn.Module = (
            SignedReadout(dimensions, declared.head, generators)
            if declared.signed
            else UnsignedReadout(dimensions, generators)
        )

    def answers(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return logits and labels of the first views' triplets and then of the second views' (run, 2 triplets)."""
        assert batch.labels is not None
        triplets = self.encoder(batch.views).unflatten(1, (-1, 3))
        return self.readout(triplets), batch.labels.repeat(1, 2)

    def loss(self, batch: Batch) -> Tensor:
        """Tell triplets in order from shuffled ones."""
        return logistic_loss(*self.answers(batch))

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Return the part of triplets that are called rightly ordered or shuffled (run,); chance is .5."""
        return right_answers(*self.answers(batch))
