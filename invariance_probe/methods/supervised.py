"""The supervised baseline: a network trained on the target itself.

It has the study's architecture and shows what such an encoder can decode at best.
Training stops early by a validation part of the training windows: the weights that did
best there are kept.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from invariance_probe.encoders import build_encoder
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.baselines import Supervised as SupervisedDeclaration


def target_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Loss of each row: squared error over all columns, or nats for classes.

    Parameters
    ----------
    outputs
        (run, row, column), or logits (run, row, class).
    targets
        (run, row, column) floats, or classes (run, row) integers.

    Returns
    -------
    loss
        (run, row).
    """
    if targets.dtype == torch.int64:
        return functional.cross_entropy(outputs.transpose(1, 2), targets, reduction="none")
    return (outputs - targets).square().sum(2)


class Supervised(Method):
    """One network from windows to the target.

    Its representation is the last layer but one.

    Parameters
    ----------
    declared
        Settings of the baseline.
    shape
        Bins and units of a window.
    outputs
        Number of target columns or classes.
    generators
        The `init` stream of every run; there is one network per generator.
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
        """Average the target's loss over each run's rows."""
        assert batch.targets is not None
        return target_loss(self.encoder(batch.views), batch.targets).mean(1)
