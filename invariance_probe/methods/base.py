"""What the one training loop needs to know of a method.

A method is given a `Batch` and returns a loss for each run. The loop takes the gradient
and makes the update; a method moves by itself only what is not learned by gradient.
"""

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
    """Where the windows of a session lie in time.

    Attributes
    ----------
    starts
        First bin of every window (window,).
    stretches
        Trial or gap-free stretch of every window (window,).
    length_bins, bin_s
        Bins per window, and seconds per bin.
    sessions, subjects
        Numbers of every window's session and subject (window,); None where a model sees
        one session.
    """

    starts: Tensor
    stretches: Tensor
    length_bins: int
    bin_s: float
    sessions: Tensor | None = None
    subjects: Tensor | None = None

    def bins(self, seconds: float) -> int:
        """Convert a duration in seconds to whole bins."""
        return round(seconds / self.bin_s)


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's input for stacked runs.

    Attributes
    ----------
    views
        (run, row, time, unit). For SSL the first views of all windows come first, and
        then the second views.
    windows
        Index of each row's window (run, row); None for supervised networks.
    timeline
        Where windows lie.
    keys, step
        Stream key of each run (run,), and the step: the address of a method's own
        random numbers.
    labels
        The right answer of a pretext task for each example (run, example), 1 or -1;
        None for methods without one.
    targets
        What is decoded: columns (run, row, column), or classes (run, row); None for
        SSL.
    counts
        The views' activity before any transform and standardisation
        (run, row, time, unit), for methods that ask for it.
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
        """First bin of each row's window (run, row)."""
        assert self.timeline is not None and self.windows is not None
        return self.timeline.starts[self.windows]

    def stretches(self) -> Tensor:
        """Trial or gap-free stretch of each row's window (run, row)."""
        assert self.timeline is not None and self.windows is not None
        return self.timeline.stretches[self.windows]

    def uniform(self, purpose: int, rows: Tensor, count: int) -> Tensor:
        """Draw numbers uniform on (0, 1).

        Parameters
        ----------
        purpose
            Part of the address, so that two uses read different numbers.
        rows
            Rows that read numbers (run, row).
        count
            Numbers per row.

        Returns
        -------
        numbers
            (run, row, count), float64.
        """
        assert self.keys is not None
        return uniform(position(self.keys, self.step, purpose), rows, count)

    def normal(self, purpose: int, rows: Tensor, count: int) -> Tensor:
        """Draw standard normal numbers.

        Parameters
        ----------
        purpose
            Part of the address, so that two uses read different numbers.
        rows
            Rows that read numbers (run, row).
        count
            Numbers per row.

        Returns
        -------
        numbers
            (run, row, count), float32.
        """
        assert self.keys is not None
        return normal(position(self.keys, self.step, purpose), rows, count)


class Method(nn.Module, ABC):
    """K stacked models that learn together and do not see each other."""

    examples: ClassVar[str] = "pairs"
    """Which windows a step takes together: a key of `training.examples.EXAMPLES`."""

    encoder: StackedEncoder
    """The encoders whose output is the representation."""
    arithmetic: Arithmetic = PLAIN
    """How products are computed; see `compute_with`."""

    def compute_with(self, arithmetic: Arithmetic) -> None:
        """Set how this method and all its layers compute their products."""
        for module in self.modules():
            if isinstance(module, StackedLayer | Method):
                module.arithmetic = arithmetic

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """Compute each run's loss on a batch.

        The loop sums the losses, so that no gradient crosses runs.

        Parameters
        ----------
        batch
            The input of one step.

        Returns
        -------
        loss
            (run,).
        """

    def after_update(self, step: int, steps: int) -> None:
        """Move what is not learned by gradient, such as a moving average.

        Parameters
        ----------
        step
            Number of updates done, 1 ... steps.
        steps
            Number of updates of the whole training.
        """

    def more_state(self) -> dict[str, Tensor]:
        """State that the next steps depend on, beside parameters and buffers.

        A training that is cut off goes on from parameters, buffers and this, and must
        then end at the same bits.

        Returns
        -------
        state
            By name: (run, ...), or one number for all runs.
        """
        return {}

    def set_more_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `more_state` returned."""

    def mined(self) -> tuple[Tensor, Tensor] | None:
        """The pairs of windows that were last mined as similar.

        From these pairs a run's figures say what mining found.

        Returns
        -------
        anchors, found
            Windows (run, pair) and those mined for them, -1 where nothing was. None for
            methods that mine nothing.
        """
        return None


class PretextTask(ABC):
    """A method whose pretext task has right answers.

    It can tell how many of them it finds on data that it was not trained on.
    """

    @abstractmethod
    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Part of a batch's questions that each run answers correctly.

        Parameters
        ----------
        batch
            Windows that the models were not trained on.

        Returns
        -------
        accuracy
            (run,), in [0, 1].
        """
