"""What the one training loop needs to know of a method."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from invariance_probe.encoders.mlp import MLP


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's input for stacked runs.

    Attributes
    ----------
    views
        (run, row, feature). For a pair, the first views and then the second views.
    targets
        What supervised runs learn (run, row, column), or classes (run, row); None for SSL.
    """

    views: Tensor
    targets: Tensor | None = None


class Method(nn.Module, ABC):
    """K stacked models that learn together and do not see each other."""

    encoder: MLP

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """Return each run's loss (run,); the loop sums it, so that no gradient crosses runs."""

    def after_update(self, step: int, steps: int) -> None:
        """Move what is not learned by gradient, after update `step` of `steps`."""
