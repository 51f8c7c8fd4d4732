"""Which windows make a pair: an anchor and a partner nearby in time.

A partner is found by a lag, counted in windows. A pair can only lie inside one run of
successive training windows of one stretch (one trial, or one gap-free segment). A fold,
an embargo, a trial border or a recording gap ends such a run. Distant partners, found
by `augmentations.mining`, may lie in other stretches, but always among the training
windows.

In: training windows, their stretches and the declared jitter. Out: for each anchor the
lags that its partner may take. Nothing here reads activity or targets.
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
    """The windows that have a partner, and the lags the partner may take.

    The lags of an anchor are two intervals: one before it and one after it (`annulus`),
    or a single one (`uniform`).

    Attributes
    ----------
    anchors
        Windows (anchor,), ascending.
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
        """The partners of the chosen anchors alone.

        Parameters
        ----------
        chosen
            Boolean mask or places of the anchors (anchor,).
        """
        columns = (self.anchors, self.first, self.first_count, self.second, self.second_count)
        return Partners(*(column[chosen] for column in columns))


def find_partners(
    train: np.ndarray, stretch: np.ndarray, jitter: TimeJitter, bin_s: float
) -> Partners:
    """Find the admissible lags of every training window.

    Parameters
    ----------
    train
        Training windows (window,), ascending indices into all windows; neighbours in
        one stretch are one bin apart.
    stretch
        Stretch of each of all windows (all windows,).
    jitter
        Its `window_s` is rounded to whole bins. `uniform`: every lag up to it, zero
        too, as far as the stretch reaches; `annulus`: exactly that lag, to either side,
        and windows without such a partner are left out.
    bin_s
        Seconds per bin.

    Returns
    -------
    partners
        Anchors with their lags.
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
    """Count the training windows right before and right after each one.

    Only windows in an unbroken run inside the same stretch count.

    Parameters
    ----------
    train
        Training windows (window,), ascending indices into all windows.
    stretch
        Stretch of each of all windows (all windows,).

    Returns
    -------
    before, after
        Each (window,).
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
        Windows (run, anchor).
    intervals
        `first`, `first_count`, `second` and `second_count` of `Partners` (4, run,
        anchor).
    count
        Number of anchors of each run (run,).
    jittered
        Whether any window of any run has another partner than itself.
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
            One for each run.
        device
            Where the tensors live.
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
        """Choose a partner for each anchor, uniformly over its admissible lags.

        Parameters
        ----------
        places
            Places of the anchors in the run's list (run, batch).
        number
            Uniform on (0, 1) (run, batch).

        Returns
        -------
        partners
            Windows (run, batch).
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
    """Distant partners of stacked runs, for a part of the pairs.

    They replace the local partners of that part of the pairs.

    Attributes
    ----------
    partners
        Windows (run, anchor, partner).
    count
        Number of partners of each anchor (run, anchor); an anchor without any keeps its
        local partner.
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
            One for each run; None for a run without distant partners.
        anchors
            Number of anchors that the tensors are padded to.
        device
            Where the tensors live.

        Returns
        -------
        distant
            None where no run has distant partners.
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
            Local partners (run, batch).
        places
            Places of the anchors in the run's list (run, batch).
        numbers
            Uniform on (0, 1) (run, batch, 2): a pair is distant where the first is
            below the share, and the second chooses the partner.

        Returns
        -------
        partners
            Windows (run, batch).
        """
        count = self.count.gather(1, places)
        chosen = torch.minimum((numbers[..., 1] * count).to(torch.int64), (count - 1).clamp_min(0))
        run = torch.arange(len(places), device=places.device).unsqueeze(1)
        distant = self.partners[run, places, chosen]
        return torch.where((numbers[..., 0] < self.share) & (count > 0), distant, local)
