"""Windows: the examples that SSL sees, cut from one recording.

In: a recording, and the length and stride of a window in bins. Out: where each window
starts. A stretch is a run of bins without a trial border or a recording gap, and no
window crosses the border of a stretch. Windows are only indices here; the activity is
not copied.
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.design import Window


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
        Number of the stretch that each window lies in (window,).
    stride
        Bins from the start of a window to the start of the next one of its stretch.
    """

    starts: np.ndarray
    length: int
    stretch: np.ndarray
    stride: int = 1

    @property
    def centres(self) -> np.ndarray:
        """The bin whose target is decoded from each window (window,)."""
        return self.starts + self.length // 2

    def only(self, kept: np.ndarray) -> "Windows":
        """Some of the windows (window,), whose gaps end stretches like borders do."""
        if kept.all():
            return self
        at = np.flatnonzero(kept)
        broken = (np.diff(at) != 1) | (np.diff(self.stretch[at]) != 0)
        stretch = np.concatenate([[0], np.cumsum(broken)]).astype(np.int64)
        return Windows(self.starts[at], self.length, stretch, self.stride)

    @property
    def steps_apart(self) -> int:
        """Fewest windows to go on from one so that the two share no bin."""
        return self.steps(self.length)

    def steps(self, bins: int) -> int:
        """Fewest windows to go on from one so that the two start some bins apart."""
        return -(-bins // self.stride)


def cut_windows(recording: Recording, window: Window) -> Windows:
    """Cut every window that lies inside one stretch.

    Parameters
    ----------
    recording
        The recording, whose stretches no window crosses.
    window
        Length and stride of a window.

    Returns
    -------
    windows
        The first window of a stretch starts at its first bin, and others follow at the
        stride, as far as a whole window fits into the stretch.

    Raises
    ------
    DataError
        When every stretch is shorter than a window, or a length in seconds is not a
        whole number of bins.
    """
    own = window.in_bins(recording.bin_s)
    length, stretches = own.length_bins, recording.stretches
    starts = np.arange(len(stretches) - length + 1)
    if len(starts):
        starts = starts[stretches[starts] == stretches[starts + length - 1]]
        first_bins = np.searchsorted(stretches, stretches[starts])
        starts = starts[(starts - first_bins) % own.stride_bins == 0]
    if not len(starts):
        longest = int(np.bincount(stretches).max())
        raise DataError(
            f"session {recording.session!r}: a window has {length} bins, but no trial or gap-free "
            f"stretch is longer than {longest} bins; use shorter windows"
        )
    return Windows(starts.astype(np.int64), length, stretches[starts], own.stride_bins)


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
