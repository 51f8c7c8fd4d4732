"""Which windows make a pair: an anchor and a partner nearby in time.

A partner lies at a lag from its anchor, counted in windows. Both must lie in one
unbroken sequence of training windows inside one stretch (a trial, or a gap-free
segment). A fold, an embargo, a trial border or a recording gap ends such a sequence.
Distant partners, found by `augmentations.mining`, may lie in other stretches, but always
among the training windows.

In: training windows, their stretches and the declared jitter. Out: for each anchor, the
lags that its partner may have; and, for a stack of runs that are trained together,
random partners. Neither activity nor targets are read here.
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
    """The windows that have a partner (anchors), and the lags of the partner.

    The lags of an anchor are two intervals, one before it and one after it (for the
    jitter shape `annulus`), or a single interval (`uniform`).

    Attributes
    ----------
    anchors
        Indices of the anchors among all windows (anchor,), ascending.
    first, second
        Lowest lag of each interval (anchor,), in windows.
    first_count, second_count
        Number of successive lags in each interval (anchor,).
    """

    anchors: np.ndarray
    first: np.ndarray
    first_count: np.ndarray
    second: np.ndarray
    second_count: np.ndarray

    def of(self, chosen: np.ndarray) -> "Partners":
        """Select some anchors, with the lags of their partners.

        Parameters
        ----------
        chosen
            Boolean mask of the anchors (anchor,), or their positions in `anchors`.
        """
        columns = (self.anchors, self.first, self.first_count, self.second, self.second_count)
        return Partners(*(column[chosen] for column in columns))


def find_partners(
    train: np.ndarray, stretch: np.ndarray, jitter: TimeJitter, step_s: float
) -> Partners:
    """Find the lags at which each training window may have a partner.

    Parameters
    ----------
    train
        Training windows (window,), ascending indices into all windows; neighbours in
        one stretch are one bin apart.
    stretch
        Stretch of each window, training or not (all windows,).
    jitter
        The declared jitter. Its `window_s` is rounded to whole bins. `uniform`: all
        lags up to that, zero included, as far as the stretch reaches. `annulus`: only
        exactly that lag, before or after; windows without such a partner are omitted.
    step_s
        Seconds from one window to the next of its stretch.

    Returns
    -------
    partners
        Anchors with the lags of their partners.
    """
    reach = round(jitter.window_s / step_s)
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
    """Count the training windows that directly precede and follow each one.

    The count ends at the first gap between training windows, or border of a stretch.

    Parameters
    ----------
    train
        Training windows (window,), ascending indices into all windows.
    stretch
        Stretch of each window, training or not (all windows,).

    Returns
    -------
    before, after
        Number of preceding and of following windows, each (window,).
    """
    breaks = np.flatnonzero((np.diff(train) != 1) | (np.diff(stretch[train]) != 0)) + 1
    starts = np.concatenate([[0], breaks])
    lengths = np.diff(np.concatenate([starts, [len(train)]]))
    before = np.arange(len(train)) - np.repeat(starts, lengths)
    return before, np.repeat(lengths, lengths) - 1 - before


@dataclass(frozen=True, eq=False)
class StackedPartners:
    """Partners of stacked runs, padded to the run with the most anchors.

    Attributes
    ----------
    anchors
        Indices of the anchors among all windows (run, anchor).
    intervals
        `first`, `first_count`, `second` and `second_count` of `Partners`
        (4, run, anchor).
    count
        Number of anchors of each run (run,).
    jittered
        Whether any anchor can have a partner other than itself.
    """

    anchors: Tensor
    intervals: Tensor
    count: Tensor
    jittered: bool

    @classmethod
    def of(cls, partners: list[Partners], device: torch.device) -> "StackedPartners":
        """Stack the partners of K runs.

        Parameters
        ----------
        partners
            Anchors and lags of each run.
        device
            Device of the tensors.
        """
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
        """Choose a partner for each anchor, uniformly over its lags.

        Parameters
        ----------
        places
            Positions of the anchors in the run's list of anchors (run, batch).
        number
            Random numbers, uniform on (0, 1) (run, batch).

        Returns
        -------
        partners
            Indices of the partners among all windows (run, batch).
        """
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
    """Distant partners of stacked runs, which replace a part of the local ones.

    Attributes
    ----------
    partners
        Indices of the distant partners among all windows (run, anchor, partner).
    count
        Number of distant partners of each anchor (run, anchor). An anchor without any
        keeps its local partner.
    share
        Part of the pairs that are distant (run, 1), in [0, 1].
    """

    partners: Tensor
    count: Tensor
    share: Tensor

    @classmethod
    def of(
        cls, found: Sequence[Distant | None], anchors: int, device: torch.device
    ) -> "StackedDistant | None":
        """Stack the distant partners of K runs.

        Parameters
        ----------
        found
            Distant partners of each run; None for a run without any.
        anchors
            Number of anchors to which the tensors are padded.
        device
            Device of the tensors.

        Returns
        -------
        distant
            None if no run has distant partners.
        """
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
        """Replace a random part of the local partners by distant ones.

        Parameters
        ----------
        local
            Indices of the local partners among all windows (run, batch).
        places
            Positions of the anchors in the run's list of anchors (run, batch).
        numbers
            Random numbers, uniform on (0, 1) (run, batch, 2). A pair is distant if the
            first is below the share; the second chooses the distant partner.

        Returns
        -------
        partners
            Indices of the partners among all windows (run, batch).
        """
        count = self.count.gather(1, places)
        chosen = torch.minimum((numbers[..., 1] * count).to(torch.int64), (count - 1).clamp_min(0))
        run = torch.arange(len(places), device=places.device).unsqueeze(1)
        distant = self.partners[run, places, chosen]
        return torch.where((numbers[..., 0] < self.share) & (count > 0), distant, local)
