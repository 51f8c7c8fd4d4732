"""What every adversary offers the training loop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from invariance_probe.methods.base import Batch, Method

SEARCH = 22
"""Purpose under which adversaries read their random numbers, in the `views` stream; every try has the next one."""


class StackedAdversary(ABC):
    """An adversary of K runs."""

    @abstractmethod
    def loss(self, method: Method, batch: Batch) -> Tensor:
        """Return each run's loss (run,) on corrupted views."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return what the next steps depend on, by name (run, ...)."""

    @abstractmethod
    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned."""
