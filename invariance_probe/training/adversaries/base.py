"""The interface between an adversary and the training loop.

An adversary returns the loss of the models under its corruption, and its state for
checkpoints.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from invariance_probe.methods.base import Batch, Method

SEARCH = 22
"""Purpose of the random numbers of adversaries.

A random number is computed from an address (`augmentations.random_bits`): the run's
key, the step, this purpose, and the number of the try.
"""


class StackedAdversary(ABC):
    """An adversary of K stacked runs."""

    @abstractmethod
    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Corrupt the views of a batch, and compute each run's loss on them.

        Parameters
        ----------
        method
            The models that are attacked.
        batch
            The batch of the step, before the adversary's corruption.

        Returns
        -------
        loss
            (run,).
        """

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """State that the next steps depend on, by name: tensors (run, ...)."""

    @abstractmethod
    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
