"""Temporal shuffling: classify triplets of windows as ordered or shuffled.

In the published (unsigned) form the classifier reads absolute differences between the
representations of successive windows. The task is then whether the middle window lies
between the outer two in time, and playing the recording backwards changes nothing. In
the signed form the classifier must distinguish a triplet from its own reverse. That
requires an arrow of time, which a stationary reversible process does not have. Several
models (runs) are trained together: the first axis of every tensor is the run.

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
    """Absolute differences between successive representations of a triplet.

    Parameters
    ----------
    triplets
        Representations h, h', h'' (run, triplet, 3, dim).

    Returns
    -------
    steps
        |h - h'| and |h' - h''|, concatenated (run, triplet, 2 dim).
    """
    return triplets.diff(dim=2).abs().flatten(2)


def signed_steps(triplets: Tensor) -> tuple[Tensor, Tensor]:
    """Differences between successive representations, forwards and backwards.

    Parameters
    ----------
    triplets
        Representations h, h', h'' (run, triplet, 3, dim).

    Returns
    -------
    forwards, backwards
        h' - h and h'' - h', concatenated; and the same for the reversed triplet. Each
        (run, triplet, 2 dim).
    """
    return triplets.diff(dim=2).flatten(2), triplets.flip(2).diff(dim=2).flatten(2)


class UnsignedReadout(nn.Module):
    """Linear classifier of triplets from their absolute differences.

    Parameters
    ----------
    dimensions
        Dimensions of the representation.
    generators
        One random-number generator per run, which draws the initial weights.
    """

    def __init__(self, dimensions: int, generators: list[np.random.Generator]) -> None:
        super().__init__()
        self.linear = Readout(2 * dimensions, generators)

    def forward(self, triplets: Tensor) -> Tensor:
        """Logit of each triplet being in temporal order.

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
    """Classifier of whether triplets run forwards or backwards in time.

    The logit is the output of a network for the signed differences of the triplet,
    minus its output for those of the reversed triplet. Reversing a triplet thus flips
    the sign of its logit.

    Parameters
    ----------
    dimensions
        Dimensions of the representation.
    widths
        Widths of the network's hidden layers.
    generators
        One random-number generator per run, which draws the initial weights.
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
        """Logit of each triplet running forwards in time.

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
    """Encoder, and a classifier of triplets of windows.

    The classifier is an `UnsignedReadout` or, if the study declares `signed`, a
    `SignedReadout`. The loss is averaged over both views.

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
        """Logits and correct labels of all triplets.

        Returns
        -------
        logits, labels
            Triplets of first views, then those of second views (run, 2 triplets). A
            label is 1 or -1.
        """
        assert batch.labels is not None
        triplets = self.encoder(batch.views).unflatten(1, (-1, 3))
        return self.readout(triplets), batch.labels.repeat(1, 2)

    def loss(self, batch: Batch) -> Tensor:
        """Compute the logistic loss of classifying triplets, for each run."""
        return logistic_loss(*self.answers(batch))

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Fraction of triplets that are classified correctly (run,).

        Chance level is .5.
        """
        return right_answers(*self.answers(batch))
