"""Temporal shuffling: tell triplets of windows in order from shuffled ones.

As published, absolute differences of the representations are read and triplets are
mirrored. The task then asks whether the middle window lies between the outer ones, and
running the recording backwards changes nothing. The signed form tells triplets from
their own reverse: it asks for the arrow of time, which a stationary reversible process
does not have.

References
----------
Banville, Chehab, Hyvarinen, Engemann & Gramfort 2021, Uncovering the structure of
clinical EEG signals with self-supervised learning, arXiv:2007.16104; the signed form is
this package's own.
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
    """Absolute differences |h - h'| and |h' - h''|, side by side.

    Parameters
    ----------
    triplets
        Representations (run, triplet, 3, dim).

    Returns
    -------
    steps
        (run, triplet, 2 dim).
    """
    return triplets.diff(dim=2).abs().flatten(2)


def signed_steps(triplets: Tensor) -> tuple[Tensor, Tensor]:
    """Differences h' - h and h'' - h' of every triplet and of its reverse.

    The two differences stand side by side.

    Parameters
    ----------
    triplets
        Representations (run, triplet, 3, dim).

    Returns
    -------
    forwards, backwards
        Each (run, triplet, 2 dim).
    """
    return triplets.diff(dim=2).flatten(2), triplets.flip(2).diff(dim=2).flatten(2)


class UnsignedReadout(nn.Module):
    """A linear readout of the absolute steps, for each run.

    Parameters
    ----------
    dimensions
        Dimensions of the representation.
    generators
        The `init` stream of every run.
    """

    def __init__(self, dimensions: int, generators: list[np.random.Generator]) -> None:
        super().__init__()
        self.linear = Readout(2 * dimensions, generators)

    def forward(self, triplets: Tensor) -> Tensor:
        """Logits of being in order in time.

        Parameters
        ----------
        triplets
            Representations (run, triplet, 3, dim).

        Returns
        -------
        logits
            (run, triplet).
        """
        return self.linear(unsigned_steps(triplets))


class SignedReadout(nn.Module):
    """A network of the signed steps, minus the same network of the reverse.

    So a reversed triplet has the opposite logit.

    Parameters
    ----------
    dimensions
        Dimensions of the representation.
    widths
        Hidden widths of the network.
    generators
        The `init` stream of every run.
    """

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
        """Logits of running forwards in time.

        Parameters
        ----------
        triplets
            Representations (run, triplet, 3, dim).

        Returns
        -------
        logits
            (run, triplet).
        """
        forwards, backwards = self.last(
            self.hidden(torch.cat(signed_steps(triplets), dim=1))
        ).chunk(2, dim=1)
        return forwards - backwards


class TemporalShuffling(Method, PretextTask):
    """Encoder, and a readout of the steps between a triplet's representations.

    The loss is averaged over both views.

    Parameters
    ----------
    declared
        Settings of the method.
    shape
        Bins and units of a window.
    generators
        The `init` stream of every run; there is one model per generator.
    """

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
        """Logits and labels of the triplets of both views.

        Returns
        -------
        logits, labels
            First views, then second views, each (run, 2 triplets).
        """
        assert batch.labels is not None
        triplets = self.encoder(batch.views).unflatten(1, (-1, 3))
        return self.readout(triplets), batch.labels.repeat(1, 2)

    def loss(self, batch: Batch) -> Tensor:
        """Loss of classifying triplets of windows as in temporal order or shuffled."""
        return logistic_loss(*self.answers(batch))

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Part of the triplets that are correctly called ordered or shuffled (run,).

        Chance is .5.
        """
        return right_answers(*self.answers(batch))
