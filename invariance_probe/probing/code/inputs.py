"""Inputs of the decoders of the code: the activity in all bins of a window.

In: activity (time, unit) and the windows' first bins. Out: tables of inputs with one
row per window and one column per unit and bin, gathered in chunks that fit in memory.
Counts x enter as sqrt(x + 1/4), whose variance hardly depends on the rate of a Poisson
count; signals enter as they are.

References
----------
Anscombe 1948, doi:10.1093/biomet/35.3-4.246 (square roots of counts).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from invariance_probe.plan.memory import CODE_CHUNK_VALUES


def rooted(activity: np.ndarray, counts: bool) -> np.ndarray:
    """Take sqrt(x + 1/4) of counts, and return signals unchanged.

    Parameters
    ----------
    activity
        Counts or signals (time, unit).
    counts
        Whether the activity is counts.

    Returns
    -------
    (time, unit) float64.
    """
    if not counts:
        return activity.astype(np.float64)
    values = activity + 0.25
    return np.sqrt(values, out=values)


def mean_square(values: np.ndarray) -> np.ndarray:
    """Mean over time of the squared values of each unit (unit,).

    The squares are summed without a second array of the size of the values.

    Parameters
    ----------
    values
        (time, unit).
    """
    return np.asarray(np.einsum("tu,tu->u", values, values) / len(values))


@dataclass(frozen=True, eq=False)
class Inputs:
    """Windows of activity, gathered on demand.

    Attributes
    ----------
    activity
        Standardised activity (time, unit) float64.
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
        """Number of input columns: units times bins of a window."""
        return self.activity.shape[1] * self.length

    def rows(self, windows: np.ndarray) -> np.ndarray:
        """Gather the inputs of chosen windows.

        Parameters
        ----------
        windows
            Numbers of the windows (window,).

        Returns
        -------
        Inputs (window, unit x bin). The columns of one unit are side by side.
        """
        if self.length == 1:
            return self.activity[self.starts[windows]]
        bins = self.activity[self.starts[windows, None] + np.arange(self.length)]
        return bins.transpose(0, 2, 1).reshape(len(windows), -1)

    def parts(self, windows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Gather the inputs of chosen windows, in chunks that fit in memory.

        Parameters
        ----------
        windows
            Numbers of the windows (window,).

        Yields
        ------
        Inputs (row, feature), and the window of each row (row,).
        """
        for part in chunks(windows, self.features):
            yield self.rows(part), part


def chunks(windows: np.ndarray, features: int) -> Iterator[np.ndarray]:
    """Cut windows into chunks whose inputs fit in memory together.

    Parameters
    ----------
    windows
        Numbers of the windows (window,).
    features
        Columns per window. A chunk holds at most `CODE_CHUNK_VALUES` values, or one window.
    """
    at_once = max(1, CODE_CHUNK_VALUES // features)
    for first in range(0, len(windows), at_once):
        yield windows[first : first + at_once]
