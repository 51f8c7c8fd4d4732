"""Which windows a training step takes together: pairs, sequences, near and far pairs, triplets.

Every kind draws from each run's own training windows and returns, for a step, the windows of the first views, those of the second
views, and what a pretext task asks of them. No example leaves a fold's training part.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.pairing import StackedPartners, find_partners
from invariance_probe.augmentations.random_bits import position, uniform
from invariance_probe.data.windows import Windows
from invariance_probe.errors import TrainingError
from invariance_probe.study.views import TimeJitter
from invariance_probe.training.order import Order

EXAMPLE = 3
"""Purpose under which examples beyond pairs read their random numbers, in the `order` stream."""


@dataclass(frozen=True, eq=False)
class Material:
    """What the examples of stacked runs are drawn from.

    Attributes
    ----------
    windows
        All windows of the session.
    parts
        Training windows of each run, ascending.
    jitters
        Pairing of each run.
    bin_s
        Seconds of a bin.
    keys
        The `order` stream key of each run (run,).
    batch_size
        Windows a batch, in one view.
    """

    windows: Windows
    parts: list[np.ndarray]
    jitters: list[TimeJitter]
    bin_s: float
    keys: Tensor
    batch_size: int

    @property
    def device(self) -> torch.device:
        """Where stacks live."""
        return self.keys.device


@dataclass(frozen=True, eq=False)
class Example:
    """The windows of one step (run, row), and its labels (run, example) where there are any."""

    first: Tensor
    second: Tensor
    labels: Tensor | None = None


class Examples(Protocol):
    """Examples by step; steps come in order."""

    def at(self, step: int) -> Example:
        """Return the windows of a step."""


class Pairs:
    """Each window with itself, or with a partner that its pairing admits."""

    def __init__(self, declared: Any, material: Material) -> None:
        found = [
            find_partners(part, material.windows.stretch, jitter, material.bin_s)
            for part, jitter in zip(material.parts, material.jitters, strict=True)
        ]
        self._partners = StackedPartners.of(found, material.device)
        self._order = Order(material.keys, self._partners.count, material.batch_size)

    def at(self, step: int) -> Example:
        """Return the windows of a step."""
        places = self._order.batch(step)
        first = self._partners.anchors.gather(1, places)
        second = self._partners.partner_of(places, self._order.numbers(step)) if self._partners.jittered else first
        return Example(first, second)


class Sequences:
    """Successive windows of one stretch, `stride_bins` apart; rows are sequence by sequence, and both views are of the same windows."""

    def __init__(self, declared: Any, material: Material) -> None:
        length, stride = sequence_length(declared), declared.stride_bins
        found = [_first_of_sequences(part, material.windows.stretch, stride * (length - 1)) for part in material.parts]
        fewest, count = min(len(starts) for starts in found), max(2, material.batch_size // length)
        if fewest < count:
            raise TrainingError(
                f"{declared.kind} trains on {count} sequences of {length} windows {stride} bins apart, but a fold has only {fewest} of "
                "them inside one trial or stretch; use shorter sequences, a smaller stride, or a recording with longer trials"
            )
        self._starts = _padded(found, material.device)
        self._order = Order(material.keys, torch.tensor([len(starts) for starts in found], device=material.device), count)
        self._steps = stride * torch.arange(length, device=material.device)

    def at(self, step: int) -> Example:
        """Return the windows of a step."""
        starts = self._starts.gather(1, self._order.batch(step))
        windows = (starts.unsqueeze(2) + self._steps).flatten(1)
        return Example(windows, windows)


def sequence_length(declared: Any) -> int:
    """Return how many windows a sequence of a method has."""
    if declared.kind == "masked_sequence":
        return int(declared.sequence_windows)
    return int(declared.context_windows + max(declared.horizons))


class Positions:
    """An anchor and another window, near (label 1) for one half of the batch and far (label -1) for the other."""

    def __init__(self, declared: Any, material: Material) -> None:
        self._distances = _Distances(declared, material)
        self._order = Order(material.keys, self._distances.count, material.batch_size)
        self._keys = material.keys

    def at(self, step: int) -> Example:
        """Return the windows of a step."""
        anchors = self._order.batch(step)
        number = _numbers(self._keys, step, anchors, 1)[..., 0]
        labels = torch.where(torch.arange(anchors.shape[1], device=anchors.device) % 2 == 0, 1, -1).expand_as(anchors)
        others = torch.where(labels > 0, self._distances.near(anchors, number), self._distances.far(anchors, number))
        return Example(self._distances.window(anchors), self._distances.window(others), labels)


class Triplets:
    """Three windows a row of labels: in order in time (label 1), or shuffled (label -1); rows are triplet by triplet.

    Unsigned, the middle of a shuffled triplet is far from both others, and half of all triplets are mirrored. Signed, a shuffled triplet
    is an ordered one in reverse.
    """

    def __init__(self, declared: Any, material: Material) -> None:
        self._signed = declared.signed
        self._distances = _Distances(declared, material)
        count = max(4, material.batch_size // 3)
        self._order = Order(material.keys, self._distances.count, count)
        self._keys = material.keys

    def at(self, step: int) -> Example:
        """Return the windows of a step."""
        anchors = self._order.batch(step)
        numbers = _numbers(self._keys, step, anchors, 3)
        last = self._distances.near(anchors, numbers[..., 0])
        low, high = torch.minimum(anchors, last), torch.maximum(anchors, last)
        between = low + ((high - low + 1) * numbers[..., 1]).to(torch.int64).clamp(max=high - low)
        labels = torch.where(torch.arange(anchors.shape[1], device=anchors.device) % 2 == 0, 1, -1).expand_as(anchors)
        if self._signed:
            turned, middle = labels < 0, between
        else:
            turned = numbers[..., 2] < 0.5
            middle = torch.where(labels > 0, between, self._distances.far(anchors, numbers[..., 1]))
        first, third = torch.where(turned, high, low), torch.where(turned, low, high)
        windows = self._distances.window(torch.stack([first, middle, third], dim=2).flatten(1))
        return Example(windows, windows, labels)


class _Distances:
    """Training windows of each run by their distance in time from an anchor; a place is a position in the run's list of windows."""

    def __init__(self, declared: Any, material: Material) -> None:
        near, far = (round(seconds / material.bin_s) for seconds in (declared.near_s, declared.far_s))
        tables = []
        for part in material.parts:
            starts = material.windows.starts[part]
            low, high = np.searchsorted(starts, starts - near, "left"), np.searchsorted(starts, starts + near, "right")
            before, after = np.searchsorted(starts, starts - far, "left"), np.searchsorted(starts, starts + far, "right")
            if near < 1 or (high - low < 2).all() or not (before + len(starts) - after > 0).all():
                raise TrainingError(
                    f"{declared.kind}: near_s {declared.near_s:g} and far_s {declared.far_s:g} leave an anchor without a near or a far "
                    f"window in a fold of {len(starts)} training windows of {material.bin_s:g} s; use a longer near_s or a shorter far_s"
                )
            tables.append(np.stack([low, high, before, after]))
        self._tables = torch.stack([_padded([table[i] for table in tables], material.device) for i in range(4)])
        self._windows = _padded(material.parts, material.device)
        self.count = torch.tensor([len(part) for part in material.parts], device=material.device)

    def near(self, anchors: Tensor, number: Tensor) -> Tensor:
        """Return a place near each anchor (run, batch), the anchor's own left out, by numbers uniform on (0, 1)."""
        low, high = (self._tables[i].gather(1, anchors) for i in (0, 1))
        others = (high - low - 1).clamp_min(1)
        chosen = low + torch.minimum((number * others).to(torch.int64), others - 1)
        chosen = chosen + (chosen >= anchors).to(torch.int64)
        return torch.where(high - low > 1, chosen, anchors)

    def far(self, anchors: Tensor, number: Tensor) -> Tensor:
        """Return a place far from each anchor (run, batch)."""
        before, after = (self._tables[i].gather(1, anchors) for i in (2, 3))
        total = before + self.count.unsqueeze(1) - after
        chosen = torch.minimum((number * total).to(torch.int64), total - 1)
        return torch.where(chosen < before, chosen, chosen - before + after)

    def window(self, places: Tensor) -> Tensor:
        """Return the windows at places (run, row)."""
        return self._windows.gather(1, places)


EXAMPLES: dict[str, Callable[[Any, Material], Examples]] = {
    "pairs": Pairs,
    "sequences": Sequences,
    "positions": Positions,
    "triplets": Triplets,
}
"""Kinds of examples by the name that a method asks for."""


def _first_of_sequences(part: np.ndarray, stretch: np.ndarray, reach: int) -> np.ndarray:
    """Return the training windows after which `reach` more follow in the same stretch, all of them training windows."""
    if len(part) <= reach:
        return part[:0]
    first, last = part[: len(part) - reach], part[reach:]
    return first[(last - first == reach) & (stretch[first] == stretch[last])]


def _padded(arrays: list[np.ndarray], device: torch.device) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(array) for array in arrays], batch_first=True).to(device)


def _numbers(keys: Tensor, step: int, anchors: Tensor, count: int) -> Tensor:
    rows = torch.arange(anchors.shape[1], device=anchors.device).expand(anchors.shape[0], -1)
    return uniform(position(keys, step, EXAMPLE), rows, count)
