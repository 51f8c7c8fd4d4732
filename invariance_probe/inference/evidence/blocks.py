"""Test blocks that are long enough to count as independent.

In: the number of planned test blocks of a session and what was measured of its code.
Out: how many merged blocks there are, and values averaged over them. Nothing is tested
here.

Errors of neighbouring blocks are alike where target or errors change slowly, and a
variance over such blocks is too small. So successive blocks are merged until each lasts
five autocorrelation times. A session with fewer than eight such blocks is too short for
its target.
"""

import math
from dataclasses import dataclass

import numpy as np

from invariance_probe.plan.figures.code import CodeFigures

AUTOCORRELATION_TIMES = 5.0
"""A block lasts at least this many autocorrelation times of target and errors."""
FEWEST_BLOCKS = 8
"""Fewest blocks that a variance over blocks may rest on."""


@dataclass(frozen=True)
class Blocks:
    """The test blocks of a session in time order, and how they are merged.

    Attributes
    ----------
    planned
        Number of near-equal blocks by which the losses of the session are stored.
    duration_s
        Length of all blocks together in seconds, without gaps.
    autocorrelation_s
        Autocorrelation time in seconds of target or errors, whichever is longer. None
        where it was not measured, and for blocks that are not stretches of time; then
        nothing is merged.
    """

    planned: int
    duration_s: float = math.inf
    autocorrelation_s: float | None = None

    @classmethod
    def of(cls, planned: int, code: CodeFigures | None, in_time: bool = True) -> "Blocks":
        """Build the blocks of a session from what was measured of its code.

        Parameters
        ----------
        planned
            Number of planned blocks.
        code
            Figures of the session's code; None where they were not measured.
        in_time
            Whether each block is a stretch of time. If not, no blocks are merged.
        """
        if code is None or not in_time:
            return cls(planned)
        return cls(planned, code.window_count * code.bin_s, code.autocorrelation_s)

    @property
    def count(self) -> int:
        """Number of merged blocks: the most that are all long enough.

        Where fewer than 8 are long enough, it is the number of planned blocks.
        """
        found = self._long_enough
        return found if found >= FEWEST_BLOCKS else self.planned

    def merge(self, values: np.ndarray) -> np.ndarray:
        """Average the planned blocks within each merged one.

        Parameters
        ----------
        values
            (..., planned) one value per planned block.

        Returns
        -------
        (..., count)
            One mean per merged block.
        """
        return merged(values, self.count)

    @property
    def too_short(self) -> str:
        """Why the session cannot be tested, and what to do about it.

        Empty where it has enough blocks.
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

        Each merged block is made of whole planned blocks.
        """
        if self.autocorrelation_s is None:
            return self.planned
        each_s = self.duration_s / self.planned
        # the tolerance keeps rounding from adding a block to an exact multiple
        together = math.ceil(AUTOCORRELATION_TIMES * self.autocorrelation_s / each_s - 1e-9)
        return self.planned // max(1, together)


def merged(values: np.ndarray, count: int) -> np.ndarray:
    """Mean of successive blocks within near-equal parts.

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
