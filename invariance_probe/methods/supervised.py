"""The supervised baseline: a network trained on the target itself.

It has the architecture of the study's encoder and shows how well such an encoder can
decode at best. Part of the training windows serves for validation, and the weights with
the lowest validation loss are used. Several networks (runs) are trained together: the
first axis of every tensor is the run.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.baselines import Supervised as SupervisedDeclaration


def target_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Loss of each row: squared error, or cross-entropy in nats for classes.

    The squared error is summed over the target's columns.

    Parameters
    ----------
    outputs
        Predictions (run, row, column), or logits (run, row, class).
    targets
        Target values (run, row, column), or integer classes (run, row).

    Returns
    -------
    loss
        (run, row).
    """
    if targets.dtype == torch.int64:
        return functional.cross_entropy(outputs.transpose(1, 2), targets, reduction="none")
    return (outputs - targets).square().sum(2)


class Supervised(Method):
    """A network that predicts the target of a window.

    Its representation is the output of the last layer but one.

    Parameters
    ----------
    declared
        The baseline's settings, as the study declares them.
    shape
        Number of bins and number of units of a window.
    outputs
        Number of target columns or classes.
    generators
        One random-number generator per run, which draws the initial weights of its
        network.
    """

    def __init__(
        self,
        declared: SupervisedDeclaration,
        shape: tuple[int, int],
        outputs: int,
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.encoder = build_encoder(declared.encoder.before(outputs), shape, generators)

    def loss(self, batch: Batch) -> Tensor:
        """Average the prediction loss over the rows of each run."""
        assert batch.targets is not None
        return target_loss(self.encoder(batch.views), batch.targets).mean(1)
