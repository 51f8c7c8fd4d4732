"""Relative positioning: tell pairs of windows that are near in time from pairs that are far apart.

References
----------
Banville, Chehab, Hyvarinen, Engemann & Gramfort 2021, Uncovering the structure of clinical EEG signals with self-supervised learning,
arXiv:2007.16104.
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
    """Return log(1 + exp(-label logit)), averaged (run,); both are (run, example), labels 1 or -1.

    `softplus` and `sigmoid` round the last few numbers of an array otherwise than the rest, so a run's would depend on the others.
    """
    return -functional.logsigmoid(labels * logits).mean(1)


def right_answers(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the part of logits that have their label's sign (run,), float64; one of 0 is half right."""
    return ((labels * logits).sign().double().mean(1) + 1) / 2


class Readout(nn.Module):
    """One weighted sum of each row and a bias, one a run: (run, row, in) -> (run, row).

    It is no matrix product, since one with a single column is rounded otherwise for one run than for many.
    """

    def __init__(self, inputs: int, generators: list[np.random.Generator]) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            initial_weight(generators, inputs, 1, gain=1.0).transpose(1, 2).contiguous()
        )
        self.bias = nn.Parameter(self.weight.new_zeros(len(generators), 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return one number a row."""
        return (x * self.weight).sum(2) + self.bias


class RelativePositioning(Method, PretextTask):
    """Encoder h, and a logistic readout w . |h(x) - h(x')| + w0 of whether two windows are near."""

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
        """Return the readout of every pair (run, pair): the first view of its anchor and the second view of the other window."""
        anchors, others = self.encoder(batch.views).chunk(2, dim=1)
        return self.readout((anchors - others).abs())

    def loss(self, batch: Batch) -> Tensor:
        """Tell near pairs from far ones."""
        assert batch.labels is not None
        return logistic_loss(self.logits(batch), batch.labels)

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Return the part of pairs that are called rightly near or far (run,); chance is .5."""
        assert batch.labels is not None
        return right_answers(self.logits(batch), batch.labels)
