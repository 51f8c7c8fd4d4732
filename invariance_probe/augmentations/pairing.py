"""Which windows make a pair: partners within a time jitter that never leave a stretch of training windows.

A partner is found by a lag in windows, so a pair can only lie inside one run of successive training windows of
one stretch (one trial, one gap-free segment). A fold, an embargo, a trial or a recording gap ends such a run.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.study.views import TimeJitter


@dataclass(frozen=True, eq=False)
class Partners:
    """The training windows that have a partner, and the lags each may take, as two intervals.

    Attributes
    ----------
    anchors
        Windows (anchor,), ascending.
    first, second
        Lowest lag of each interval (anchor,), in windows.
    first_count, second_count
        How many successive lags each interval holds (anchor,).
    """

    anchors: np.ndarray
    first: np.ndarray
    first_count: np.ndarray
    second: np.ndarray
    second_count: np.ndarray


def find_partners(train: np.ndarray, stretch: np.ndarray, jitter: TimeJitter, bin_s: float) -> Partners:
    """Find the admissible lags of every training window.

    Parameters
    ----------
    train
        Training windows (window,), ascending indices into all windows; neighbours in one stretch are one bin apart.
    stretch
        Stretch of each of all windows.
    jitter
        Its `window_s` is rounded to whole bins. `uniform`: every lag up to it, zero too, as far as the stretch
        reaches; `annulus`: exactly that lag, to either side, and windows without such a partner are left out.
    """
    reach = round(jitter.window_s / bin_s)
    before, after = room_beside(train, stretch)
    none = np.zeros(len(train), dtype=np.int64)
    if jitter.shape == "uniform" or reach == 0:
        low = -np.minimum(before, reach)
        return Partners(train, low, np.minimum(after, reach) - low + 1, none, none)
    has = (before >= reach) | (after >= reach)
    table = (none - reach, (before >= reach).astype(np.int64), none + reach, (after >= reach).astype(np.int64))
    return Partners(train[has], *(column[has] for column in table))


def room_beside(train: np.ndarray, stretch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many training windows come right before and right after each, in an unbroken run inside its stretch (window,)."""
    breaks = np.flatnonzero((np.diff(train) != 1) | (np.diff(stretch[train]) != 0)) + 1
    starts = np.concatenate([[0], breaks])
    lengths = np.diff(np.concatenate([starts, [len(train)]]))
    before = np.arange(len(train)) - np.repeat(starts, lengths)
    return before, np.repeat(lengths, lengths) - 1 - before


@dataclass(frozen=True, eq=False)
class StackedPartners:
    """Partners of stacked runs, padded to the longest: every tensor is (run, anchor), `count` is (run,)."""

    anchors: Tensor
    intervals: Tensor
    """(4, run, anchor): first, first_count, second, second_count."""
    count: Tensor
    jittered: bool

    @classmethod
    def of(cls, partners: list[Partners], device: torch.device) -> "StackedPartners":
        """Stack the partners of K runs."""
        most = max(len(p.anchors) for p in partners)
        padded = np.zeros((5, len(partners), most), dtype=np.int64)
        for i, p in enumerate(partners):
            padded[:, i, : len(p.anchors)] = (p.anchors, p.first, p.first_count, p.second, p.second_count)
        jittered = any(((p.first_count + p.second_count) > 1).any() or p.first.any() for p in partners)
        table = torch.from_numpy(padded).to(device)
        return cls(table[0], table[1:], torch.tensor([len(p.anchors) for p in partners], device=device), jittered)

    def partner_of(self, places: Tensor, number: Tensor) -> Tensor:
        """Return the partners (run, batch) of the anchors at `places` (run, batch), by numbers uniform on (0, 1)."""
        anchors = self.anchors.gather(1, places)
        first, first_count, second, second_count = (column.gather(1, places) for column in self.intervals)
        total = first_count + second_count
        chosen = torch.minimum((number * total).to(torch.int64), total - 1)
        lag = torch.where(chosen < first_count, first + chosen, second + chosen - first_count)
        return anchors + lag
