"""Relative positioning: classify two windows as near or far in time.

Several models (runs) are trained together: the first axis of every tensor is the run.

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
    """Logistic loss, log(1 + exp(-label logit)), averaged over examples.

    It is computed with `logsigmoid`, because Torch's `softplus` and `sigmoid` round the
    last few numbers of an array differently from the rest, and a run's result would
    then depend on the other runs.

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
    """Fraction of examples that are classified correctly.

    Parameters
    ----------
    logits
        (run, example). An answer is correct if the logit has the sign of the label; a
        logit of 0 counts as half correct.
    labels
        1 or -1 (run, example).

    Returns
    -------
    fraction
        (run,), float64, in [0, 1].
    """
    return ((labels * logits).sign().double().mean(1) + 1) / 2


class Readout(nn.Module):
    """Linear layer with a single output, for each run.

    It is not computed as a matrix product, because a product with a single column is
    rounded differently for one run than for many.

    Parameters
    ----------
    inputs
        Number of inputs.
    generators
        One random-number generator per run, which draws the initial weights.
    """

    def __init__(self, inputs: int, generators: list[np.random.Generator]) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            initial_weight(generators, inputs, 1, gain=1.0).transpose(1, 2).contiguous()
        )
        self.bias = nn.Parameter(self.weight.new_zeros(len(generators), 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map each row to one number: a weighted sum plus a bias.

        Parameters
        ----------
        x
            (run, row, input).

        Returns
        -------
        numbers
            (run, row).
        """
        return (x * self.weight).sum(2) + self.bias


class RelativePositioning(Method, PretextTask):
    """Encoder, and a logistic classifier of whether two windows are near in time.

    With h the encoder and w, w0 the weights of the classifier, the logit for the
    windows x and x' is w . |h(x) - h(x')| + w0.

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
        """Logit of each pair being near in time (run, pair).

        A pair consists of the first view of an anchor and the second view of another
        window.
        """
        anchors, others = self.encoder(batch.views).chunk(2, dim=1)
        return self.readout((anchors - others).abs())

    def loss(self, batch: Batch) -> Tensor:
        """Compute the logistic loss of classifying pairs as near or far."""
        assert batch.labels is not None
        return logistic_loss(self.logits(batch), batch.labels)

    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Fraction of pairs that are correctly classified as near or far (run,).

        Chance level is .5.
        """
        assert batch.labels is not None
        return right_answers(self.logits(batch), batch.labels)
