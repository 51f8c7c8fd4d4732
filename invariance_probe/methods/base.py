"""The interface between the training loop and a self-supervised method.

Several independent models, called runs, are trained together: the first axis of every
tensor is the run. A method receives a `Batch` and returns one loss per run. The loop
computes the gradients and updates the parameters. A method itself updates only what is
not learned by gradient, such as a moving average of the weights.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from invariance_probe.augmentations.random_bits import normal, position, uniform
from invariance_probe.encoders.base import StackedEncoder
from invariance_probe.encoders.layers import StackedLayer
from invariance_probe.kernels.arithmetic import PLAIN, Arithmetic


@dataclass(frozen=True, eq=False)
class Timeline:
    """Where the windows of the recordings lie in time.

    Attributes
    ----------
    starts
        First bin of each window (window,).
    stretches
        Index of the trial or gap-free segment that each window lies in (window,).
    length_bins, bin_s
        Bins per window, and seconds per bin.
    sessions, subjects
        Index of the session and of the subject that each window comes from (window,);
        None if each model is trained on a single session.
    """

    starts: Tensor
    stretches: Tensor
    length_bins: int
    bin_s: float
    sessions: Tensor | None = None
    subjects: Tensor | None = None

    def bins(self, seconds: float) -> int:
        """Convert a duration in seconds to the nearest whole number of bins."""
        return round(seconds / self.bin_s)


@dataclass(frozen=True, eq=False)
class Batch:
    """The input of one training step, for all runs.

    Attributes
    ----------
    views
        Augmented windows (run, row, time, unit). For SSL, the first half of the rows
        holds the first views of all windows and the second half holds their second
        views, in the same order.
    windows
        Index of the window that each row shows (run, row); None for supervised
        networks.
    timeline
        Where the windows lie in time.
    keys, step
        Key of each run's random sequence (run,), and the number of the training step.
        Together they determine the random numbers that a method itself draws.
    labels
        Correct answer of the pretext task for each example (run, example), 1 or -1;
        None for methods without such answers.
    targets
        What is decoded: columns (run, row, column), or classes (run, row); None for
        methods that do not read the target.
    counts
        Activity of the views before transforms and standardisation
        (run, row, time, unit); None for methods that do not need it.
    second
        Second views of all windows, where they show another stream
        (run, window, sample, channel); `views` then holds the first views only. None
        where both show the activity.
    """

    views: Tensor
    windows: Tensor | None = None
    timeline: Timeline | None = None
    keys: Tensor | None = None
    step: int = 0
    labels: Tensor | None = None
    targets: Tensor | None = None
    counts: Tensor | None = None
    second: Tensor | None = None

    def starts(self) -> Tensor:
        """First bin of each row's window (run, row)."""
        assert self.timeline is not None and self.windows is not None
        return self.timeline.starts[self.windows]

    def stretches(self) -> Tensor:
        """Index of the trial or segment that each row's window lies in (run, row)."""
        assert self.timeline is not None and self.windows is not None
        return self.timeline.stretches[self.windows]

    def uniform(self, purpose: int, rows: Tensor, count: int) -> Tensor:
        """Draw random numbers that are uniform on (0, 1).

        The same run, step, purpose and row always give the same numbers.

        Parameters
        ----------
        purpose
            Integer that names the use, so that two uses draw different numbers.
        rows
            Indices of the rows to draw numbers for (run, row).
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
        """Draw standard normal random numbers.

        The same run, step, purpose and row always give the same numbers.

        Parameters
        ----------
        purpose
            Integer that names the use, so that two uses draw different numbers.
        rows
            Indices of the rows to draw numbers for (run, row).
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
    """Base class of methods: independent models (runs) that are trained together."""

    examples: ClassVar[str] = "pairs"
    """How windows form examples: a key of `training.examples.EXAMPLES`."""
    reads: ClassVar[tuple[str, ...]] = ()
    """What a batch must hold besides the views: `target`, `counts`, or both.

    It agrees with `reads_target` and `reads_counts` of the declaration.
    """

    encoder: StackedEncoder
    """Encoder of each run; its output is the representation."""
    stream_encoder: StackedEncoder | None
    """Encoder of each run for second views of another stream; None if there is none."""
    arithmetic: Arithmetic = PLAIN
    """How matrix products are computed; set by `compute_with`."""

    def __init__(self) -> None:
        super().__init__()
        self.stream_encoder = None

    def represent(self, batch: Batch) -> Tensor:
        """Encode both views of each window, each by the encoder of its stream.

        Parameters
        ----------
        batch
            The input of one training step.

        Returns
        -------
        representations
            (run, 2 window, dim): all first views, then all second views.
        """
        if batch.second is None:
            return self.encoder(batch.views)
        assert self.stream_encoder is not None
        return torch.cat([self.encoder(batch.views), self.stream_encoder(batch.second)], dim=1)

    def compute_with(self, arithmetic: Arithmetic) -> None:
        """Set how this method and all its layers compute matrix products."""
        for module in self.modules():
            if isinstance(module, StackedLayer | Method):
                module.arithmetic = arithmetic

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """Compute the loss of each run on a batch.

        The training loop minimises the sum of these losses. A run's loss must depend on
        that run's parameters only, so that the runs stay independent.

        Parameters
        ----------
        batch
            The input of one training step.

        Returns
        -------
        loss
            (run,).
        """

    def after_update(self, step: int, steps: int) -> None:
        """Update what is not learned by gradient, such as a moving average.

        Parameters
        ----------
        step
            Number of updates done so far, 1 ... steps.
        steps
            Number of updates of the whole training.
        """

    def more_state(self) -> dict[str, Tensor]:
        """State to save in a checkpoint besides parameters and buffers.

        Training that is interrupted resumes from parameters, buffers and this state,
        and must then give bit-identical results.

        Returns
        -------
        state
            Tensors by name, each (run, ...) or a single number for all runs.
        """
        return {}

    def set_more_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `more_state` returned."""

    def mined(self) -> tuple[Tensor, Tensor] | None:
        """The most recent pairs of windows that were mined as similar.

        They are used to report how good the mined pairs are.

        Returns
        -------
        anchors, found
            Index of each anchor's window, and of the window mined for it, or -1 if none
            was found (run, pair). None for methods that mine no pairs.
        """
        return None


class PretextTask(ABC):
    """Interface of methods whose pretext task has correct answers.

    Their accuracy can be measured on windows that the models were not trained on.
    """

    @abstractmethod
    def pretext_accuracy(self, batch: Batch) -> Tensor:
        """Fraction of a batch's examples that each run answers correctly.

        Parameters
        ----------
        batch
            Windows that the models were not trained on.

        Returns
        -------
        accuracy
            (run,), in [0, 1].
        """
