"""Windows: the examples that SSL sees, never across a trial border or a recording gap."""

from dataclasses import dataclass

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError


@dataclass(frozen=True, eq=False)
class Windows:
    """All windows of a recording, in time.

    Attributes
    ----------
    starts
        First bin of each window (window,).
    length
        Bins a window.
    stretch
        Stretch that each window lies in (window,); successive windows of one stretch are one bin apart.
    """

    starts: np.ndarray
    length: int
    stretch: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """The bin whose target is decoded from each window (window,)."""
        return self.starts + self.length // 2


def cut_windows(recording: Recording, length_bins: int) -> Windows:
    """Return every window that lies inside one stretch.

    Raises
    ------
    DataError
        When no stretch is as long as a window.
    """
    stretches = recording.stretches
    starts = np.arange(len(stretches) - length_bins + 1)
    if len(starts):
        starts = starts[stretches[starts] == stretches[starts + length_bins - 1]]
    if not len(starts):
        longest = int(np.bincount(stretches).max())
        raise DataError(
            f"session {recording.session!r}: window.length_bins is {length_bins}, but no trial or gap-free stretch is longer than {longest} bins"
        )
    return Windows(starts.astype(np.int64), length_bins, stretches[starts])
