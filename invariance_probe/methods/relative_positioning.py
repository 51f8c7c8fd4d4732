"""Relative positioning: tell near pairs of windows from far pairs.

References
----------
Banville, Chehab, Hyvarinen, Engemann & Gramfort 2021, Uncovering the structure of
clinical EEG signals with self-supervised learning, arXiv:2007.16104.
"""

from typing import ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.encoders.layers import initial_weight
from invariance_probe.methods.base import Batch, Method, PretextTask
from invariance_probe.study.methods import RelativePositioning as RelativePositioningDeclaration


def logistic_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """log(1 + exp(-label logit)), averaged over examples.

    Torch's `softplus` and `sigmoid` round the last few numbers of an array differently
    from the rest, so a run's result would depend on the other runs.

    Parameters
    ----------
    logits
        (run, example).
    labels
        1 or -1 (run, example).

    Returns
    -------
    loss
        (run,), in nats.
    """
    return -functional.logsigmoid(labels * logits).mean(1)


def right_answers(logits: Tensor, labels: Tensor) -> Tensor:
    """Part of the logits that have their label's sign.

    Parameters
    ----------
    logits
        (run, example); a logit of 0 counts as half right.
    labels
        1 or -1 (run, example).

    Returns
    -------
    part
        (run,), float64, in [0, 1].
    """
    return ((labels * logits).sign().double().mean(1) + 1) / 2


class Readout(nn.Module):
    """One weighted sum of each row plus a bias, for each run.

    It maps (run, row, in) to (run, row). It is no matrix product, since one with a
    single column is rounded differently for one run than for many.

    Parameters
    ----------
    inputs
        Width of the rows.
    generators
        The `init` stream of every run.
    """

    def __init__(self, inputs: int, generators: list[np.random.Generator]) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            initial_weight(generators, inputs, 1, gain=1.0).transpose(1, 2).contiguous()
        )
        self.bias = nn.Parameter(self.weight.new_zeros(len(generators), 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map each row to one number.

        Parameters
        ----------
        x
            (run, row, in).

        Returns
        -------
        numbers
            (run, row).
        """
        return (x * self.weight).sum(2) + self.bias


class RelativePositioning(Method, PretextTask):
    """Encoder h, and a logistic readout of whether two windows are near.

    The logit is w . |h(x) - h(x')| + w0.

    Parameters
    ----------
    declared
        Settings of the method.
    shape
        Bins and units of a window.
    generators
        The `init` stream of every run; there is one model per generator.
    """

    examples: ClassVar[str] = "positions"

    def __init__(
        self,
        declared: RelativePositioningDeclaration,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(declared.encoder, shape, generators)
        self.readout = Readout(declared.encoder.dimensions, generators)

    def logits(self, batch: Batch) -> Tensor:
        """Logit of every pair (run, pair).

        A pair is the first view of the anchor and the second view of the other window.
        """
        anchors, others = self.encoder(batch.views).chunk(2, dim=1)
        return self.readout((anchors - others).abs())

    def loss(self, batch: Batch) -> Tensor:
        """Tell near pairs from far ones."""
        assert batch.labels is not None
        return logistic_loss(self.logits(batch), batch.labels)

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Part of the pairs that are correctly called near or far (run,).

        Chance is .5.
        """
        assert batch.labels is not None
        return right_answers(self.logits(batch), batch.labels)
