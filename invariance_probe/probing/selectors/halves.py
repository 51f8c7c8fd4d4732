"""Two halves of a stretch of a session: blocks that choose, and that score.

In: a session and the windows of a stretch of it, such as an epoch. Out: the moments of
each half and the ridge penalty of each half's decoder. Choosing and scoring blocks
alternate, so that both halves sample the whole stretch. Sets of units are chosen on one
half and scored on the other, so neither a set nor a decoder profits from how it was
chosen.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.errors import TrainingError
from invariance_probe.probing.bench.workbench import Workbench, inner_folds
from invariance_probe.probing.decoders.ridge import fit_ridge
from invariance_probe.probing.selectors.moments import BlockMoments
from invariance_probe.study.probes import RidgeProbe


@dataclass(frozen=True, eq=False)
class Halves:
    """Moments of the two halves of a stretch, and their decoders' penalties.

    Attributes
    ----------
    choosing, scoring
        Moments of the blocks on which units are chosen, and of those on which the
        choice is scored.
    choosing_penalty, scoring_penalty
        Ridge penalty of each half's decoder.
    """

    choosing: BlockMoments
    scoring: BlockMoments
    choosing_penalty: float
    scoring_penalty: float

    @classmethod
    def of(cls, bench: Workbench, rows: np.ndarray, blocks: int, embargo: int) -> "Halves":
        """Cut successive windows into blocks that choose and blocks that score.

        Scoring windows near a choosing block are left out, which also keeps the blocks
        of one half apart.

        Parameters
        ----------
        bench
            The session with its windows and folds.
        rows
            Numbers of successive windows (row,).
        blocks
            Number of blocks of each half.
        embargo
            Scoring windows within this many bins of a choosing block are left out.

        Raises
        ------
        TrainingError
            When the embargo leaves a scoring block empty.
        """
        place = np.arange(len(rows)) * 2 * blocks // len(rows)
        choosing, scoring = (np.where(place % 2 == kind, place // 2, -1) for kind in (0, 1))
        edges = bench.windows.starts[rows[np.flatnonzero(np.diff(place) != 0)]] + 0.5
        scoring[np.abs(bench.windows.starts[rows][:, None] - edges).min(axis=1) < embargo] = -1
        if (
            min(
                np.bincount(part[part >= 0], minlength=blocks).min() for part in (choosing, scoring)
            )
            < 1
        ):
            raise TrainingError(
                f"session {bench.recording.session!r}: with this folds.embargo_s, a block has no "
                "windows left to score on; use an embargo shorter than half a block, which lasts "
                f"{len(rows) / blocks / 4 * bench.step_s:g} s here"
            )
        (first, one), (second, two) = (
            moments_of(bench, rows[part >= 0], part[part >= 0]) for part in (choosing, scoring)
        )
        return cls(first, second, one, two)


def features_of(bench: Workbench, rows: np.ndarray, apart: np.ndarray | None = None) -> Tensor:
    """Features of one-bin windows: square roots of counts, or signals.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    rows
        Numbers of the windows (row,).
    apart
        Group of each window (row,), 0, 1 ... If given, features are centred within each
        group.

    Returns
    -------
    (row, unit) float64.
    """
    activity = bench.activity[bench.starts[torch.from_numpy(rows)]].to(torch.float64)
    x = activity.sqrt() if bench.recording.activity_kind == "counts" else activity
    if apart is None:
        return x
    part = torch.from_numpy(apart)
    means = torch.stack([x[part == k].mean(0) for k in range(int(part.max()) + 1)])
    return x - means[part]


def columns_of(bench: Workbench, rows: np.ndarray) -> Tensor:
    """Target of windows in units of its standard deviation (row, column).

    Parameters
    ----------
    bench
        The session with its windows and folds.
    rows
        Numbers of the windows (row,).
    """
    return bench.target.columns()[torch.from_numpy(rows)] / math.sqrt(bench.target.scale)


def moments_of(
    bench: Workbench, rows: np.ndarray, block: np.ndarray, apart: np.ndarray | None = None
) -> tuple[BlockMoments, float]:
    """Moments of windows by block, with the ridge penalty chosen on all of them.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    rows
        Numbers of the windows (row,).
    block
        Block of each window (row,), 0, 1 ...
    apart
        Group of each window (row,) within which features are centred; if omitted, they
        are not centred.

    Returns
    -------
    Moments, in units of the target's variance, and the penalty.
    """
    x, y = features_of(bench, rows, apart), columns_of(bench, rows)
    probe = RidgeProbe()
    inner = inner_folds([np.arange(len(rows))], len(rows), probe.inner_folds, bench.device)
    penalty = float(fit_ridge(x[None], y[None], inner, probe.penalties).penalties[0, 0])
    return BlockMoments.of(x.cpu().numpy(), y.cpu().numpy(), block), penalty
