"""Which windows make a pair: partners within a time jitter that never leave a stretch of training windows.

A partner is found by a lag in windows, so a pair can only lie inside one run of successive training windows of
one stretch (one trial, one gap-free segment). A fold, an embargo, a trial or a recording gap ends such a run. Distant partners
(`augmentations.mining`) may lie in other stretches, but always among the training windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.mining import Distant
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

    def of(self, chosen: np.ndarray) -> "Partners":
        """Return the partners of some anchors (anchor,) alone."""
        columns = (self.anchors, self.first, self.first_count, self.second, self.second_count)
        return Partners(*(column[chosen] for column in columns))


def find_partners(
    train: np.ndarray, stretch: np.ndarray, jitter: TimeJitter, bin_s: float
) -> Partners:
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
    table = (
        none - reach,
        (before >= reach).astype(np.int64),
        none + reach,
        (after >= reach).astype(np.int64),
    )
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
            padded[:, i, : len(p.anchors)] = (
                p.anchors,
                p.first,
                p.first_count,
                p.second,
                p.second_count,
            )
        jittered = any(
            ((p.first_count + p.second_count) > 1).any() or p.first.any() for p in partners
        )
        table = torch.from_numpy(padded).to(device)
        return cls(
            table[0],
            table[1:],
            torch.tensor([len(p.anchors) for p in partners], device=device),
            jittered,
        )

    def partner_of(self, places: Tensor, number: Tensor) -> Tensor:
        """Return the partners (run, batch) of the anchors at `places` (run, batch), by numbers uniform on (0, 1)."""
        anchors = self.anchors.gather(1, places)
        first, first_count, second, second_count = (
            column.gather(1, places) for column in self.intervals
        )
        total = first_count + second_count
        chosen = torch.minimum((number * total).to(torch.int64), total - 1)
        lag = torch.where(chosen < first_count, first + chosen, second + chosen - first_count)
        return anchors + lag


@dataclass(frozen=True, eq=False)
class StackedDistant:
    """Distant partners of stacked runs, which stand in place of the local ones for a part of the pairs.

    Attributes
    ----------
    partners
        Windows (run, anchor, partner).
    count
        How many partners each anchor has (run, anchor); one without any keeps its local partner.
    share
        Part of the pairs that are distant (run, 1).
    """

    partners: Tensor
    count: Tensor
    share: Tensor

    @classmethod
    def of(
        cls, found: Sequence[Distant | None], anchors: int, device: torch.device
    ) -> "StackedDistant | None":
        """Stack the distant partners of K runs with at most so many anchors, None for a run without; None where no run has any."""
        known = [one for one in found if one is not None]
        if not known:
            return None
        most = max(one.partners.shape[1] for one in known)
        partners, count = (
            np.zeros((len(found), anchors, most), dtype=np.int64),
            np.zeros((len(found), anchors), dtype=np.int64),
        )
        for i, one in enumerate(found):
            if one is not None:
                partners[i, : one.partners.shape[0], : one.partners.shape[1]] = one.partners
                count[i, : len(one.count)] = one.count
        share = torch.tensor(
            [0.0 if one is None else one.share for one in found], dtype=torch.float64, device=device
        )
        return cls(
            torch.from_numpy(partners).to(device),
            torch.from_numpy(count).to(device),
            share.unsqueeze(1),
        )

    def instead_of(self, local: Tensor, places: Tensor, numbers: Tensor) -> Tensor:
        """Return partners (run, batch): distant where the first of two numbers (run, batch, 2) is below the share, else the local ones."""
        count = self.count.gather(1, places)
        chosen = torch.minimum((numbers[..., 1] * count).to(torch.int64), (count - 1).clamp_min(0))
        run = torch.arange(len(places), device=places.device).unsqueeze(1)
        distant = self.partners[run, places, chosen]
        return torch.where((numbers[..., 0] < self.share) & (count > 0), distant, local)
