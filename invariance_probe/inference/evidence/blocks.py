"""Test blocks that are long enough to count as independent.

A test block is a part of the held-out windows; each session's losses are stored as one
mean per block. Neighbouring blocks have similar errors if the target or the errors
change slowly, and a variance over such blocks is too small. So successive blocks are
merged until each lasts five autocorrelation times. A session with fewer than eight such
blocks is too short for its target.

In: the number of blocks in which a session's losses are stored, and the autocorrelation
time measured with its code. Out: the number of merged blocks, and values averaged
within them. Nothing is tested here.
"""

import math
from dataclasses import dataclass

import numpy as np

from invariance_probe.plan.figures.code import CodeFigures

AUTOCORRELATION_TIMES = 5.0
"""A merged block lasts at least this many autocorrelation times."""
FEWEST_BLOCKS = 8
"""Fewest merged blocks from which a variance over blocks is estimated."""


@dataclass(frozen=True)
class Blocks:
    """The test blocks of a session in time order, and how they are merged.

    Attributes
    ----------
    planned
        Number of blocks of near-equal length in which the session's losses are stored.
    duration_s
        Length of all blocks together in seconds, without the gaps between them.
    autocorrelation_s
        Autocorrelation time in seconds of the target or of the errors, whichever is
        longer. None if it was not measured or if a block is not contiguous in time;
        blocks are then not merged.
    """

    planned: int
    duration_s: float = math.inf
    autocorrelation_s: float | None = None

    @classmethod
    def of(cls, planned: int, code: CodeFigures | None, in_time: bool = True) -> "Blocks":
        """Build the blocks of a session from the results about its code.

        Parameters
        ----------
        planned
            Number of blocks in which the session's losses are stored.
        code
            Results about the session's code, which hold its duration and its
            autocorrelation time; None if they were not measured.
        in_time
            Whether each block is contiguous in time. If not, blocks are not merged.
        """
        if code is None or not in_time:
            return cls(planned)
        return cls(
            planned, code.window_count * code.stride_bins * code.bin_s, code.autocorrelation_s
        )

    @property
    def count(self) -> int:
        """Number of merged blocks: the most that are all long enough.

        If fewer than 8 would be long enough, nothing is merged and `planned` is
        returned; `too_short` then gives the reason.
        """
        found = self._long_enough
        return found if found >= FEWEST_BLOCKS else self.planned

    def merge(self, values: np.ndarray) -> np.ndarray:
        """Average stored values within each merged block.

        Parameters
        ----------
        values
            (..., planned) one value per stored block, in time order.

        Returns
        -------
        (..., count)
            One mean per merged block.
        """
        return merged(values, self.count)

    @property
    def too_short(self) -> str:
        """Why the session cannot be tested, and what to do about it.

        Empty if it has enough blocks.
        """
        found = self._long_enough
        if found >= FEWEST_BLOCKS:
            return ""
        assert self.autocorrelation_s is not None
        least_s = AUTOCORRELATION_TIMES * self.autocorrelation_s
        if FEWEST_BLOCKS * least_s <= self.duration_s:
            remedy = f"set folds.count to 2, 4 or 8, which cuts it into {FEWEST_BLOCKS} longer ones"
        else:
            remedy = (
                f"use a recording of {math.ceil(FEWEST_BLOCKS * least_s):d} s or more, "
                f"or a target that changes faster"
            )
        return (
            f"too short for so slow a target: its {self.duration_s:.3g} s hold {found} test "
            f"blocks of {AUTOCORRELATION_TIMES:g} autocorrelation times "
            f"({self.autocorrelation_s:.3g} s each), and {FEWEST_BLOCKS} are needed; {remedy}"
        )

    @property
    def _long_enough(self) -> int:
        """Number of merged blocks if each lasts at least five autocorrelation times.

        Each merged block consists of whole stored blocks.
        """
        if self.autocorrelation_s is None:
            return self.planned
        each_s = self.duration_s / self.planned
        # the tolerance keeps rounding from adding a block to an exact multiple
        together = math.ceil(AUTOCORRELATION_TIMES * self.autocorrelation_s / each_s - 1e-9)
        return self.planned // max(1, together)


def merged(values: np.ndarray, count: int) -> np.ndarray:
    """Average successive values within parts of near-equal length.

    Parameters
    ----------
    values
        (..., block) one value per block, in time order.
    count
        Number of parts.

    Returns
    -------
    (..., count)
        Mean of each part.

    Examples
    --------
    >>> merged(np.array([1.0, 3.0, 5.0, 7.0]), 2)
    array([2., 6.])
    """
    if count == values.shape[-1]:
        return values
    return np.stack(
        [part.mean(axis=-1) for part in np.array_split(values, count, axis=-1)], axis=-1
    )
