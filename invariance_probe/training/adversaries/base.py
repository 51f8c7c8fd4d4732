"""What every adversary offers the training loop.

An adversary returns the loss under its corruption, and its state for checkpoints.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from invariance_probe.methods.base import Batch, Method

SEARCH = 22
"""Purpose of the random numbers of adversaries, in the `views` stream.

Every try reads at an address of its own under it.
"""


class StackedAdversary(ABC):
    """An adversary of K stacked runs."""

    @abstractmethod
    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Each run's loss on corrupted views.

        Parameters
        ----------
        method
            The models that are attacked.
        batch
            The step's batch, before corruption.

        Returns
        -------
        loss
            (run,).
        """

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What the next steps depend on, by name (run, ...)."""

    @abstractmethod
    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
