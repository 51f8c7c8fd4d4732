"""What the one training loop needs to know of a method."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from invariance_probe.augmentations.random_bits import normal, position, uniform
from invariance_probe.encoders.base import StackedEncoder
from invariance_probe.encoders.layers import StackedLayer
from invariance_probe.kernels.arithmetic import PLAIN, Arithmetic


@dataclass(frozen=True, eq=False)
class Timeline:
    """Where the windows of a session lie.

    Attributes
    ----------
    starts
        First bin of every window (window,).
    stretches
        Trial or gap-free stretch of every window (window,).
    length_bins, bin_s
        Bins of a window, and seconds of a bin.
    sessions, subjects
        Numbers of every window's session and subject (window,); None where a model sees one session.
    """

    starts: Tensor
    stretches: Tensor
    length_bins: int
    bin_s: float
    sessions: Tensor | None = None
    subjects: Tensor | None = None

    def bins(self, seconds: float) -> int:
        """Return a duration in whole bins."""
        return round(seconds / self.bin_s)


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's input for stacked runs.

    Attributes
    ----------
    views
        (run, row, time, unit). For SSL the first views of all windows, and then the second views.
    windows
        Index of each row's window (run, row); None for supervised networks.
    timeline
        Where windows lie.
    keys, step
        Where a method reads random numbers of its own (run,).
    labels
        What pretext tasks ask of each example (run, example), 1 or -1; None for others.
    targets
        What is decoded (run, row, column), or classes (run, row); None for SSL.
    counts
        The views' activity before any transform and standardisation (run, row, time, unit), where a method asks for it.
    """

    views: Tensor
    windows: Tensor | None = None
    timeline: Timeline | None = None
    keys: Tensor | None = None
    step: int = 0
    labels: Tensor | None = None
    targets: Tensor | None = None
    counts: Tensor | None = None

    def starts(self) -> Tensor:
        """Return the first bin of each row's window (run, row)."""
        assert self.timeline is not None and self.windows is not None
        return self.timeline.starts[self.windows]

    def stretches(self) -> Tensor:
        """Return the stretch of each row's window (run, row)."""
        assert self.timeline is not None and self.windows is not None
        return self.timeline.stretches[self.windows]

    def uniform(self, purpose: int, rows: Tensor, count: int) -> Tensor:
        """Return `count` numbers, uniform on (0, 1), for each of `rows` (run, row): (run, row, count), float64."""
        assert self.keys is not None
        return uniform(position(self.keys, self.step, purpose), rows, count)

    def normal(self, purpose: int, rows: Tensor, count: int) -> Tensor:
        """Return `count` standard normal numbers for each of `rows` (run, row): (run, row, count), float32."""
        assert self.keys is not None
        return normal(position(self.keys, self.step, purpose), rows, count)


class Method(nn.Module, ABC):
    """K stacked models that learn together and do not see each other."""

    examples: ClassVar[str] = "pairs"
    """Which windows a step takes together: a name in `training.examples.EXAMPLES`."""

    encoder: StackedEncoder
    arithmetic: Arithmetic = PLAIN

    def compute_with(self, arithmetic: Arithmetic) -> None:
        """Let this method and all its layers compute their products so."""
        for module in self.modules():
            if isinstance(module, StackedLayer | Method):
                module.arithmetic = arithmetic

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """Return each run's loss (run,); the loop sums it, so that no gradient crosses runs."""

    def after_update(self, step: int, steps: int) -> None:
        """Move what is not learned by gradient, after update `step` of `steps`."""

    def more_state(self) -> dict[str, Tensor]:
        """Return what the next steps depend on beside parameters and buffers, by name: (run, ...), or one number for all runs.

        A training that is cut off goes on from parameters, buffers and this, and must then end at the same bits.
        """
        return {}

    def set_more_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `more_state` returned."""

    def mined(self) -> tuple[Tensor, Tensor] | None:
        """Return the windows that were last taken for similar, anchors and what was found for them (run, pair), -1 where nothing was.

        None for methods that mine nothing; from these pairs a run's diagnostics say what mining found.
        """
        return None


class PretextTask(ABC):
    """What a method offers whose task has right answers: how many of them it finds on data that it was not trained on."""

    @abstractmethod
    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Return the part of a batch's questions that each run answers rightly (run,)."""
