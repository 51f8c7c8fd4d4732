"""Samples of one series, which are read in chunks when they are used.

In: a `SignalFile` and channels of one type and rate. Out: a `Series` in the unit in which
the channels are given, and sentences about amplitudes that are not plausible.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from invariance_probe.data.checked import some
from invariance_probe.data.contents import Series
from invariance_probe.data.readers.mne.channels import (
    PLAUSIBLE_ELSE_UV,
    PLAUSIBLE_UV,
    POTENTIALS,
    Channel,
)
from invariance_probe.data.readers.mne.signal_file import SignalFile
from invariance_probe.study.counting import counted

CHUNK = 1 << 22
"""Values that are read at once."""
GLANCES = 20
"""Stretches of a recording by which its amplitudes are judged."""
GLANCE_S = 5.0
"""Length of such a stretch in seconds."""


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of a series that are used.

    Attributes
    ----------
    file, channels
        Where they are.
    times
        Times of the samples in seconds (sample,).
    runs
        Unbroken runs of samples: first, and one after the last.
    change
        What is done to each run (sample, channel), or None. Samples outside of the runs
        are then unknown.
    """

    file: SignalFile
    channels: tuple[Channel, ...]
    times: np.ndarray
    runs: tuple[tuple[int, int], ...]
    change: Callable[[np.ndarray], np.ndarray] | None

    def series(self) -> Series:
        """Read them, in chunks."""
        values = np.empty((len(self.times), len(self.channels)), np.float32)
        step = max(1, CHUNK // len(self.channels))
        factors = np.array([one.factor for one in self.channels])
        for first in range(0, len(values), step):
            last = min(first + step, len(values))
            values[first:last] = self.file.values(self.channels, first, last) * factors
        if self.change is not None:
            outside = np.ones(len(values), dtype=bool)
            for first, last in self.runs:
                values[first:last] = self.change(values[first:last])
                outside[first:last] = False
            values[outside] = np.nan
        positions = np.array(
            [one.position or (np.nan, np.nan, np.nan) for one in self.channels], dtype=np.float64
        )
        units = {one.unit for one in self.channels}
        return Series(
            values,
            self.times,
            tuple(one.name for one in self.channels),
            units.pop() if len(units) == 1 else "",
            positions if np.isfinite(positions).any() else None,
        )

    def implausible(self, name: str) -> list[str]:
        """Say which amplitudes are not plausible, from short stretches of the recording.

        Parameters
        ----------
        name
            Name of the series, for the sentences.
        """
        channels, each = self.channels, max(2, round(GLANCE_S * self.channels[0].rate_hz))
        starts = [a for first, last in self.runs for a in range(first, last - each + 1, each)]
        chosen = starts[:: max(1, len(starts) // GLANCES)][:GLANCES]
        chosen = chosen or [first for first, _ in self.runs[:1]]
        ends = {a: min(a + each, b) for a in chosen for first, b in self.runs if first <= a < b}
        if not chosen:
            return []
        sds = [self.file.values(channels, a, ends[a]).std(axis=0) for a in chosen]
        flat = [one.name for one, sd in zip(channels, np.max(sds, axis=0), strict=True) if sd == 0]
        of = f"{counted(len(channels), 'channel')} of {name!r}"
        notes = []
        if flat:
            notes.append(
                f"wherever it was looked at, the signal is constant in {len(flat)} of {of}: "
                f"{some(flat)}"
            )
        if channels[0].type not in POTENTIALS:
            return notes
        low, high = PLAUSIBLE_UV.get(channels[0].type, PLAUSIBLE_ELSE_UV)
        typical = np.median(sds, axis=0) * np.array([one.factor for one in channels])
        odd = [
            f"{one.name} ({sd:.3g} uV)"
            for one, sd in zip(channels, typical, strict=True)
            if one.name not in flat and not low <= sd <= high
        ]
        if odd:
            notes.append(
                f"the SD is outside of {low:g} to {high:g} uV in {len(odd)} of {of}, so the unit "
                f"in the file may be wrong: {some(odd)}"
            )
        return notes
