"""Windows: the examples that SSL sees, cut from one recording.

In: a recording and the length of a window in bins. Out: where each window starts. A
stretch is a run of bins without a trial border or a recording gap, and no window
crosses the border of a stretch. Windows are only indices here; the activity is not
copied.
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError


@dataclass(frozen=True, eq=False)
class Windows:
    """All windows of a recording, in order of time.

    Attributes
    ----------
    starts
        First bin of each window (window,).
    length
        Bins per window.
    stretch
        Number of the stretch that each window lies in (window,). Successive windows of
        one stretch start one bin apart.
    """

    starts: np.ndarray
    length: int
    stretch: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """The bin whose target is decoded from each window (window,)."""
        return self.starts + self.length // 2


def cut_windows(recording: Recording, length_bins: int) -> Windows:
    """Cut every window that lies inside one stretch.

    Parameters
    ----------
    recording
        The recording, whose stretches no window crosses.
    length_bins
        Bins per window, at least 1.

    Returns
    -------
    windows
        One window from each bin at which a whole window fits into the stretch.

    Raises
    ------
    DataError
        When every stretch is shorter than a window.
    """
    stretches = recording.stretches
    starts = np.arange(len(stretches) - length_bins + 1)
    if len(starts):
        starts = starts[stretches[starts] == stretches[starts + length_bins - 1]]
    if not len(starts):
        longest = int(np.bincount(stretches).max())
        raise DataError(
            f"session {recording.session!r}: window.length_bins is {length_bins}, but no trial or "
            f"gap-free stretch is longer than {longest} bins; use shorter windows"
        )
    return Windows(starts.astype(np.int64), length_bins, stretches[starts])


def covered_bins(starts: np.ndarray, length: int) -> np.ndarray:
    """Bins that windows cover, ascending and each once (bin,).

    Parameters
    ----------
    starts
        First bin of each window (window,).
    length
        Bins per window.

    Examples
    --------
    >>> covered_bins(np.array([1, 2, 7]), 3)
    array([1, 2, 3, 4, 7, 8, 9])
    """
    last = int(starts.max(initial=0)) + length
    # Windows that begin, less windows that have ended: the overlap of each bin.
    overlap = np.bincount(starts, minlength=last + 1) - np.bincount(
        starts + length, minlength=last + 1
    )
    return np.flatnonzero(np.cumsum(overlap) > 0)
