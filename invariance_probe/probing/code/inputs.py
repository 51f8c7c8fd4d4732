"""What the decoders of the code read: activity of all bins of a window, one column per unit and bin, and the target.

Counts x enter as sqrt(x + 1/4), whose variance hardly depends on the rate of a Poisson count; signals enter as they are.

References
----------
Anscombe 1948, doi:10.1093/biomet/35.3-4.246 (square roots of counts).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CHUNK_VALUES = 4_000_000
"""Values of inputs that are gathered together."""


def rooted(activity: np.ndarray, counts: bool) -> np.ndarray:
    """Activity as decoders read it: sqrt(x + 1/4) of counts, signals unchanged, float64."""
    return np.sqrt(activity + 0.25) if counts else activity.astype(np.float64)


def mean_square(values: np.ndarray) -> np.ndarray:
    """Mean over time of squares of values (time, unit), without a second table as large as they."""
    return np.asarray(np.einsum("tu,tu->u", values, values) / len(values))


@dataclass(frozen=True, eq=False)
class Inputs:
    """Windows of activity, gathered on demand.

    Attributes
    ----------
    activity
        (time, unit) float64, standardised.
    starts
        First bin of each window (window,).
    length
        Bins per window.
    """

    activity: np.ndarray
    starts: np.ndarray
    length: int

    @property
    def features(self) -> int:
        """Columns of a window."""
        return self.activity.shape[1] * self.length

    def rows(self, windows: np.ndarray) -> np.ndarray:
        """Inputs of chosen windows (window, unit x bin): the columns of one unit are side by side."""
        if self.length == 1:
            return self.activity[self.starts[windows]]
        bins = self.activity[self.starts[windows, None] + np.arange(self.length)]
        return bins.transpose(0, 2, 1).reshape(len(windows), -1)

    def parts(self, windows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs of windows (row, feature) in parts that fit in memory, with the window of each row (row,)."""
        for part in chunks(windows, self.features):
            yield self.rows(part), part


def chunks(windows: np.ndarray, features: int) -> Iterator[np.ndarray]:
    """Cut windows into parts whose inputs are gathered together."""
    at_once = max(1, CHUNK_VALUES // features)
    for first in range(0, len(windows), at_once):
        yield windows[first : first + at_once]
