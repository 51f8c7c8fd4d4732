"""Which windows a training step takes together.

There are four kinds of examples: pairs, sequences, near and far pairs, and triplets.
For each step an example holds the windows of the first views, those of the second
views, and the right answers of the pretext task, if the method has one. Every run (the
first axis of all tensors) draws from its own training windows.

No example leaves the training part of a fold. If windows of an example have to be near
in time, they come from one unbroken series of training windows within one stretch (one
trial, or one gap-free segment), and they share no bin. Far windows may come from
anywhere in the training part. Their distance is counted in recorded bins, so with
pauses between trials the true distance is only longer.

A position is the place of a window in its run's list of training windows. Random
numbers are computed from an address (`augmentations.random_bits`): the run's key, the
step, and a number for the purpose.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.mining import Distant
from invariance_probe.augmentations.pairing import (
    StackedDistant,
    StackedPartners,
    find_partners,
    room_beside,
)
from invariance_probe.augmentations.random_bits import position, uniform
from invariance_probe.data.windows import Windows
from invariance_probe.errors import TrainingError
from invariance_probe.study.views import TimeJitter
from invariance_probe.training.batch_order import ShuffledBatches

EXAMPLE = 3
"""Purpose of the random numbers that draw examples of all kinds but pairs."""
DISTANT = 4
"""Purpose of the random numbers that choose distant partners.

They decide whether a pair is distant, and which partner it gets.
"""


@dataclass(frozen=True, eq=False)
class TrainingWindows:
    """The training windows of stacked runs, and the rules for drawing from them.

    Attributes
    ----------
    windows
        All windows of the session.
    parts
        Training windows of each run, as ascending indices into all windows.
    jitters
        How far in time a pair may lie apart, for each run.
    step_s
        Seconds from one window to the next of its stretch.
    keys
        Key of each run's random numbers (run,).
    batch_size
        Number of windows per batch, in one view.
    repeats
        Whether a window may come twice in a batch. This serves measurements on parts
        with few windows.
    distant
        Partners of each run's training windows that are far away in time; None for a
        run without, and empty if no run has any.
    """

    windows: Windows
    parts: list[np.ndarray]
    jitters: list[TimeJitter]
    step_s: float
    keys: Tensor
    batch_size: int
    repeats: bool = False
    distant: Sequence[Distant | None] = ()

    @property
    def device(self) -> torch.device:
        """The device of the stacked tensors."""
        return self.keys.device

    def shuffled(self, found: list[np.ndarray], size: int) -> ShuffledBatches:
        """Create an object that draws shuffled batches, separately for each run.

        Parameters
        ----------
        found
            For each run, the positions to draw from, such as its anchors.
        size
            Number of entries per batch.

        Returns
        -------
        order
            Gives, for each step, the indices of the batch's entries in these lists.
        """
        counts = torch.tensor([len(one) for one in found], device=self.device)
        return ShuffledBatches(self.keys, counts, size, self.repeats)


@dataclass(frozen=True, eq=False)
class Example:
    """The windows of one training step, and the answers of its pretext task.

    Attributes
    ----------
    first, second
        Windows of the first and of the second views, each (run, row).
    labels
        Right answers of the pretext task (run, example), 1 or -1; None if the method
        has no such task.
    """

    first: Tensor
    second: Tensor
    labels: Tensor | None = None


class Examples(Protocol):
    """Anything that returns the windows of a step; steps must come in order."""

    def at(self, step: int) -> Example:
        """Choose the windows that a training step uses."""


class Pairs:
    """Each window with itself, with a window nearby, or with one far away.

    Which of these is declared by the pairing of the study's views.

    Parameters
    ----------
    declared
        Not read.
    training
        The training windows to draw from.
    """

    def __init__(self, declared: Any, training: TrainingWindows) -> None:
        found = [
            find_partners(part, training.windows.stretch, jitter, training.step_s)
            for part, jitter in zip(training.parts, training.jitters, strict=True)
        ]
        self._partners = StackedPartners.of(found, training.device)
        self._distant = StackedDistant.of(
            training.distant, self._partners.anchors.shape[1], training.device
        )
        self._order = ShuffledBatches(
            training.keys, self._partners.count, training.batch_size, training.repeats
        )
        self._keys = training.keys

    def at(self, step: int) -> Example:
        """Choose the windows that a training step uses."""
        places = self._order.batch(step)
        first = self._partners.anchors.gather(1, places)
        second = (
            self._partners.partner_of(places, self._order.numbers(step))
            if self._partners.jittered
            else first
        )
        if self._distant is not None:
            second = self._distant.instead_of(
                second, places, _numbers(self._keys, step, places, 2, DISTANT)
            )
        return Example(first, second)


class Sequences:
    """Sequences of windows at fixed distances, within one stretch.

    Rows are ordered sequence by sequence, and both views are of the same windows. The
    number of sequences per step is a multiple of 4. Matrix products over them then
    start at whole cache lines and round in the same way in every stack.

    Parameters
    ----------
    declared
        The method, which says how long a sequence is.
    training
        The training windows to draw from.

    Raises
    ------
    TrainingError
        If a fold has too few sequences inside one trial or stretch.
    """

    def __init__(self, declared: Any, training: TrainingWindows) -> None:
        offsets = sequence_offsets(declared, training.windows)
        found = [
            _first_of_sequences(part, training.windows.stretch, offsets[-1])
            for part in training.parts
        ]
        fewest, count = (
            min(len(starts) for starts in found),
            max(4, training.batch_size // len(offsets) // 4 * 4),
        )
        if fewest < (2 if training.repeats else count):
            reach_s = (offsets[-1] + training.windows.steps_apart) * training.step_s
            raise TrainingError(
                f"{declared.kind} needs {count} sequences of {reach_s:g} s per step, but one fold "
                f"has only {fewest} that lie inside a single trial or gap-free stretch; use "
                "shorter sequences, a smaller gap or batch, or a recording with longer trials"
            )
        self._starts = _padded(found, training.device)
        self._order = training.shuffled(found, count)
        self._offsets = torch.tensor(offsets, device=training.device)

    def at(self, step: int) -> Example:
        """Choose the windows that a training step uses."""
        starts = self._starts.gather(1, self._order.batch(step))
        windows = (starts.unsqueeze(2) + self._offsets).flatten(1)
        return Example(windows, windows)


def sequence_offsets(declared: Any, windows: Windows) -> list[int]:
    """Number of each window of a sequence, counted from its first window.

    Windows share no bin. A masked sequence has `sequence_windows` successive windows.
    Other sequences have `context_windows` successive windows and, for each horizon h,
    the h-th window after these. Windows in between that are not predicted are left out.

    Parameters
    ----------
    declared
        The method.
    windows
        The session's windows.

    Returns
    -------
    offsets
        Ascending from 0.
    """
    step = windows.steps(windows.length + int(declared.gap_bins))
    if declared.kind == "masked_sequence":
        places = list(range(declared.sequence_windows))
    else:
        places = [
            *range(declared.context_windows),
            *(declared.context_windows - 1 + horizon for horizon in declared.horizons),
        ]
    return [step * place for place in places]


class Positions:
    """An anchor and another window, which is near or far in time.

    It is near (label 1) in one half of the batch and far (label -1) in the other half.

    Parameters
    ----------
    declared
        The method, with `near_s` and `far_s`.
    training
        The training windows to draw from.
    """

    def __init__(self, declared: Any, training: TrainingWindows) -> None:
        size = training.batch_size // 2 * 2
        self._distances = _Distances(
            declared, training, size, apart=training.windows.steps_apart, asks_far=True
        )
        self._order = training.shuffled(self._distances.anchors, size)
        self._keys = training.keys

    def at(self, step: int) -> Example:
        """Choose the windows that a training step uses."""
        anchors = self._distances.anchor(self._order.batch(step))
        number = _numbers(self._keys, step, anchors, 1)[..., 0]
        labels = _labels(anchors)
        others = torch.where(
            labels > 0,
            self._distances.near(anchors, number),
            self._distances.far(anchors, anchors, number),
        )
        return Example(self._distances.window(anchors), self._distances.window(others), labels)


class Triplets:
    """Three windows in temporal order (label 1), or shuffled (label -1).

    Rows are ordered triplet by triplet. If the method is not `signed`, the middle
    window of a shuffled triplet is far from both others, and half of all triplets are
    reversed in time. If it is `signed`, a shuffled triplet is an ordered one in
    reverse.

    Parameters
    ----------
    declared
        The method, with `near_s`, `far_s` and `signed`.
    training
        The training windows to draw from.
    """

    def __init__(self, declared: Any, training: TrainingWindows) -> None:
        self._signed = declared.signed
        self._apart = training.windows.steps_apart
        size = max(4, training.batch_size // 6 * 2)
        self._distances = _Distances(
            declared, training, size, apart=2 * self._apart, asks_far=not declared.signed
        )
        self._order = training.shuffled(self._distances.anchors, size)
        self._keys = training.keys

    def at(self, step: int) -> Example:
        """Choose the windows that a training step uses."""
        anchors = self._distances.anchor(self._order.batch(step))
        numbers = _numbers(self._keys, step, anchors, 3)
        other = self._distances.near(anchors, numbers[..., 0])
        low, high = torch.minimum(anchors, other), torch.maximum(anchors, other)
        room = high - low - 2 * self._apart + 1
        between = (
            low + self._apart + torch.minimum((numbers[..., 1] * room).to(torch.int64), room - 1)
        )
        labels = _labels(anchors)
        if self._signed:
            turned, middle = labels < 0, between
        else:
            turned = numbers[..., 2] < 0.5
            middle = torch.where(
                labels > 0, between, self._distances.far(low, high, numbers[..., 1])
            )
        first, third = torch.where(turned, high, low), torch.where(turned, low, high)
        windows = self._distances.window(torch.stack([first, middle, third], dim=2).flatten(1))
        return Example(windows, windows, labels)


class _Distances:
    """Choose, for each anchor, training windows near it or far from it in time.

    Windows are given by their positions in the run's list of training windows.

    Parameters
    ----------
    declared
        The method, with the limits `near_s` and `far_s` in seconds.
    training
        The training windows to draw from.
    size
        Number of anchors per step.
    apart
        Fewest windows to go on from one to a near one.
    asks_far
        Whether each anchor also needs a window that is far from it and from all windows
        near it.

    Raises
    ------
    TrainingError
        If a fold has too few windows that can serve as anchors.
    """

    def __init__(
        self, declared: Any, training: TrainingWindows, size: int, apart: int, asks_far: bool
    ) -> None:
        near, far = (
            round(seconds / training.step_s) for seconds in (declared.near_s, declared.far_s)
        )
        self.anchors, tables = [], []
        for part in training.parts:
            starts, place = training.windows.starts[part], np.arange(len(part))
            back, ahead = (
                np.minimum(room, near) for room in room_beside(part, training.windows.stretch)
            )
            earlier, later = (np.maximum(reach - apart + 1, 0) for reach in (back, ahead))
            before, after = (
                np.searchsorted(starts, starts - far * training.windows.stride, "left"),
                np.searchsorted(starts, starts + far * training.windows.stride, "right"),
            )
            first, last = (
                place - np.where(earlier > 0, back, 0),
                place + np.where(later > 0, ahead, 0),
            )
            remote = before[first] + len(part) - after[last]
            self.anchors.append(
                np.flatnonzero((earlier + later > 0) & ((remote > 0) | (not asks_far)))
            )
            tables.append(np.stack([earlier, later, before, after]))
        fewest = min(len(anchors) for anchors in self.anchors)
        if fewest < (1 if training.repeats else size):
            raise TrainingError(
                f"{declared.kind}: a training step needs {size} windows that have both a near and "
                f"a far window, but one fold has only {fewest}. A near window is at least "
                f"{apart * training.step_s:g} s and at most near_s ({declared.near_s:g} s) away, "
                "in the same trial or gap-free stretch; a far one is more than far_s "
                f"({declared.far_s:g} s) away. To get more of them, use a longer near_s, a "
                "shorter far_s, shorter windows, a smaller batch or a longer recording"
            )
        self._apart = apart
        self._tables = torch.stack(
            [_padded([table[i] for table in tables], training.device) for i in range(4)]
        )
        self._windows = _padded(training.parts, training.device)
        self._anchors = _padded(self.anchors, training.device)
        self._count = torch.tensor(
            [len(part) for part in training.parts], device=training.device
        ).unsqueeze(1)

    def anchor(self, numbers: Tensor) -> Tensor:
        """Look up the positions of anchors.

        Parameters
        ----------
        numbers
            Indices into the run's list of anchors (run, batch).

        Returns
        -------
        positions
            Positions in the list of training windows (run, batch).
        """
        return self._anchors.gather(1, numbers)

    def near(self, anchors: Tensor, number: Tensor) -> Tensor:
        """Choose a window near each anchor, before or after it.

        Parameters
        ----------
        anchors
            Positions of the anchors (run, batch).
        number
            Random numbers, uniform on (0, 1) (run, batch).

        Returns
        -------
        positions
            (run, batch).
        """
        earlier, later = (self._tables[i].gather(1, anchors) for i in (0, 1))
        total = earlier + later
        chosen = torch.minimum((number * total).to(torch.int64), total - 1)
        return anchors + torch.where(
            chosen < earlier, -self._apart - chosen, self._apart + chosen - earlier
        )

    def far(self, low: Tensor, high: Tensor, number: Tensor) -> Tensor:
        """Choose a window far before `low` or far after `high`.

        Parameters
        ----------
        low, high
            Positions (run, batch).
        number
            Random numbers, uniform on (0, 1) (run, batch).

        Returns
        -------
        positions
            (run, batch).
        """
        before, after = self._tables[2].gather(1, low), self._tables[3].gather(1, high)
        total = before + self._count - after
        chosen = torch.minimum((number * total).to(torch.int64), total - 1)
        return torch.where(chosen < before, chosen, chosen - before + after)

    def window(self, places: Tensor) -> Tensor:
        """Look up the windows at given positions.

        Parameters
        ----------
        places
            Positions in the list of training windows (run, row).

        Returns
        -------
        windows
            Indices into all windows of the session (run, row).
        """
        return self._windows.gather(1, places)


EXAMPLES: dict[str, Callable[[Any, TrainingWindows], Examples]] = {
    "pairs": Pairs,
    "sequences": Sequences,
    "positions": Positions,
    "triplets": Triplets,
}
"""Kinds of examples, by the name that a method declares."""


def _first_of_sequences(part: np.ndarray, stretch: np.ndarray, reach: int) -> np.ndarray:
    """Training windows with which a sequence can begin.

    At least `reach` further training windows follow them in the same stretch.
    """
    _, after = room_beside(part, stretch)
    return part[after >= reach]


def _labels(anchors: Tensor) -> Tensor:
    """Labels that alternate between 1 and -1 (run, batch)."""
    return torch.where(
        torch.arange(anchors.shape[1], device=anchors.device) % 2 == 0, 1, -1
    ).expand_as(anchors)


def _padded(arrays: list[np.ndarray], device: torch.device) -> Tensor:
    """Stack arrays of different lengths, padded with 0 (run, longest)."""
    return torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(array) for array in arrays], batch_first=True
    ).to(device)


def _numbers(
    keys: Tensor, step: int, anchors: Tensor, count: int, purpose: int = EXAMPLE
) -> Tensor:
    """Draw random numbers, uniform on (0, 1), for each anchor.

    Returns
    -------
    numbers
        (run, anchor, count).
    """
    rows = torch.arange(anchors.shape[1], device=anchors.device).expand(anchors.shape[0], -1)
    return uniform(position(keys, step, purpose), rows, count)
