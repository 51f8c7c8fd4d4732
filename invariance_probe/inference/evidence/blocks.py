"""Test blocks that are long enough to count as independent.

Errors of neighbouring blocks are alike where target or errors change slowly, and a variance over such blocks is too
small. So successive blocks are merged until each lasts five autocorrelation times; a session without eight of them is
too short for its target.
"""

import math
from dataclasses import dataclass

import numpy as np

from invariance_probe.plan.code_figures import CodeFigures

AUTOCORRELATION_TIMES = 5.0
"""A block lasts at least this many autocorrelation times of target and errors."""
FEWEST_BLOCKS = 8
"""A variance over blocks rests on at least so many."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of a session, in time order, and how they are merged.

    Attributes
    ----------
    planned
        How many near-equal blocks the losses of the session are kept by.
    duration_s
        Length of all blocks together, without gaps.
    autocorrelation_s
        Autocorrelation time of target and errors, the longer one; None where it was not measured, and for blocks that
        are no stretches of time: then nothing is merged.
    """

    planned: int
    duration_s: float = math.inf
    autocorrelation_s: float | None = None

    @classmethod
    def of(cls, planned: int, code: CodeFigures | None, in_time: bool = True) -> "Blocks":
        """Blocks of a session, by what was measured of its code; `in_time` where each is a stretch of time."""
        if code is None or not in_time:
            return cls(planned)
        return cls(planned, code.window_count * code.bin_s, code.autocorrelation_s)

    @property
    def count(self) -> int:
        """The largest number of merged blocks that last long enough; that of the planned ones where fewer than 8 do."""
        found = self._long_enough
        return found if found >= FEWEST_BLOCKS else self.planned

    def merge(self, values: np.ndarray) -> np.ndarray:
        """Mean of the planned blocks in each merged one: (..., planned) to (..., count)."""
        return merged(values, self.count)

    @property
    def too_short(self) -> str:
        """Why the session cannot be tested, and what to do; empty where it has enough blocks."""
        found = self._long_enough
        if found >= FEWEST_BLOCKS:
            return ""
        assert self.autocorrelation_s is not None
        least_s = AUTOCORRELATION_TIMES * self.autocorrelation_s
        if FEWEST_BLOCKS * least_s <= self.duration_s:
            remedy = f"set folds.count to 2, 4 or 8, which cuts it into {FEWEST_BLOCKS} longer ones"
        else:
            remedy = f"use a recording of {math.ceil(FEWEST_BLOCKS * least_s):d} s or more, or a target that changes faster"
        return (
            f"too short for so slow a target: its {self.duration_s:.3g} s hold {found} test blocks of "
            f"{AUTOCORRELATION_TIMES:g} autocorrelation times ({self.autocorrelation_s:.3g} s each), and {FEWEST_BLOCKS} are needed; {remedy}"
        )

    @property
    def _long_enough(self) -> int:
        """How many merged blocks of whole planned ones last five autocorrelation times."""
        if self.autocorrelation_s is None:
            return self.planned
        each_s = self.duration_s / self.planned
        together = math.ceil(AUTOCORRELATION_TIMES * self.autocorrelation_s / each_s - 1e-9)
        return self.planned // max(1, together)


def merged(values: np.ndarray, count: int) -> np.ndarray:
    """Mean of successive blocks (..., block) in `count` near-equal parts (..., count).

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
