"""Objects of MNE: Raw and Epochs.

In: such an object. Out: its channels as a series, or its annotations or epochs as a
table. Objects are recognised by what they have; MNE is not imported.

The clock of a Raw object starts at its first sample, as its `times` do. That of Epochs
counts from sample 0 of the amplifier, because Epochs do not know at which sample the
recording began (`first_samp`).
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from invariance_probe.data.checked import differing, intervals, samples, some
from invariance_probe.data.contents import Series, Table
from invariance_probe.data.objects.frames import column_of
from invariance_probe.errors import DataError

NEURAL = (
    "eeg", "mag", "grad", "seeg", "ecog", "dbs", "csd", "hbo", "hbr", "fnirs_od",
    "fnirs_cw_amplitude", "fnirs_fd_ac_amplitude", "fnirs_fd_phase",
)  # fmt: skip
"""Types of the channels that record neural activity."""
APART = 2
"""Distance of successive epochs without a time of their own, in lengths of an epoch."""
PER_EVENT = 3
"""Columns of an array of events: sample, code before, code."""


@runtime_checkable
class Annotations(Protocol):
    """Intervals with a description."""

    @property
    def onset(self) -> np.ndarray:
        """Starts in seconds (annotation,)."""

    @property
    def duration(self) -> np.ndarray:
        """Durations in seconds (annotation,)."""

    @property
    def description(self) -> np.ndarray:
        """Descriptions (annotation,)."""


class _Channels(Protocol):
    """What Raw and Epochs have in common."""

    @property
    def ch_names(self) -> list[str]:
        """Names of all channels."""

    @property
    def info(self) -> Mapping[str, object]:
        """The measurement's settings, such as bad channels."""

    @property
    def times(self) -> np.ndarray:
        """Time of each sample, in seconds."""

    def get_channel_types(self) -> list[str]:
        """Type of each channel."""


@runtime_checkable
class Raw(_Channels, Protocol):
    """A continuous recording."""

    @property
    def first_time(self) -> float:
        """Time of the first sample on the clock of the annotations."""

    @property
    def annotations(self) -> Annotations:
        """The annotations."""

    def get_data(self, picks: object, *, reject_by_annotation: str | None) -> np.ndarray:
        """Values (channel, sample)."""


@runtime_checkable
class Epochs(_Channels, Protocol):
    """Parts of a recording around events."""

    @property
    def events(self) -> np.ndarray:
        """Sample and code of each event (epoch, 3)."""

    @property
    def event_id(self) -> Mapping[str, int]:
        """Codes by name."""

    @property
    def metadata(self) -> pd.DataFrame | None:
        """One row per epoch."""

    def get_data(self, picks: object) -> np.ndarray:
        """Values (epoch, channel, sample)."""


def is_mne(given: object) -> bool:
    """Whether an object is a Raw or an Epochs object."""
    return isinstance(given, Raw | Epochs)


def is_annotations(given: object) -> bool:
    """Whether an object is a set of annotations, without the Raw object that has them."""
    return isinstance(given, Annotations)


def neural_series(given: Raw | Epochs, notes: list[str], where: str) -> Series:
    """Take the channels that record neural activity, without those marked as bad."""
    types = given.get_channel_types()
    neural = [name for name, kind in zip(given.ch_names, types, strict=True) if kind in NEURAL]
    if not neural:
        raise DataError(
            f"its channels are of type {', '.join(sorted(set(types)))}, and none records neural "
            f"activity ({', '.join(NEURAL)}); see set_channel_types"
        )
    if len(neural) < len(types):
        others = [name for name in given.ch_names if name not in neural]
        notes.append(
            f"channels of {where} that do not record neural activity are left out: {some(others)}"
        )
    return _series(given, neural, notes, where)


def series_of_mne(given: Raw | Epochs, notes: list[str], where: str) -> Series:
    """Take all channels that are not marked as bad."""
    return _series(given, given.ch_names, notes, where)


def table_of_mne(given: Raw | Epochs, notes: list[str], where: str) -> Table:
    """Take one row per annotation of a Raw object, or one per epoch.

    Columns are `description`, or `event` (the name of the event) and the metadata.
    """
    if isinstance(given, Raw):
        known = given.annotations
        start = np.asarray(known.onset, dtype=np.float64) - given.first_time
        columns = {"description": _descriptions(known)}
        return intervals(start, start + np.asarray(known.duration), columns, notes, where)
    start = _starts(given, notes, where)
    names = {code: name for name, code in given.event_id.items()}
    events = np.array([names.get(int(code), str(code)) for code in given.events[:, -1]])
    columns = {"event": events}
    if given.metadata is not None:
        for name in given.metadata:
            values = column_of(given.metadata[name], str(name), notes, where)
            if values is not None:
                columns[str(name)] = values
    return intervals(start, start + _length_s(given), columns, notes, where)


def _series(given: Raw | Epochs, wanted: Sequence[str], notes: list[str], where: str) -> Series:
    """Some channels as a series, without those marked as bad."""
    bad = given.info["bads"]
    assert isinstance(bad, list)
    if marked := [name for name in wanted if name in bad]:
        notes.append(f"channels of {where} that are marked as bad are left out: {some(marked)}")
    used = [at for at, name in enumerate(given.ch_names) if name in wanted and name not in bad]
    if not used:
        raise DataError("all of its channels are marked as bad")
    names = differing([given.ch_names[at] for at in used], notes, f"channels of {where}")
    if isinstance(given, Raw):
        _tell_breaks(given, notes, where)
        values, times = given.get_data(used, reject_by_annotation="NaN").T, given.times
    else:
        cube = given.get_data(used)
        values = cube.transpose(0, 2, 1).reshape(-1, len(used))
        start = _starts(given, notes, where)
        times = (start[:, None] + np.asarray(given.times) - given.times[0]).reshape(-1)
    return samples(values, np.asarray(times), names, "", notes, where, isinstance(given, Epochs))


def _tell_breaks(given: Raw, notes: list[str], where: str) -> None:
    """Note annotations that mark bad samples, or places where recordings were joined."""
    known = given.annotations
    names = np.char.lower(_descriptions(known))
    bad = np.char.startswith(names, "bad")
    if bad.any():
        notes.append(
            f"samples of {where} in annotations that begin with 'bad' are left out, "
            f"{float(np.asarray(known.duration)[bad].sum()):g} s"
        )
    joined = np.char.find(names, "boundary") >= 0
    joined |= np.char.find(names, "new segment") >= 0
    if joined.any():
        at = np.unique(np.asarray(known.onset)[joined] - given.first_time)
        notes.append(
            f"{where} was interrupted or joined at {some(f'{time:g} s' for time in at)}, and "
            "windows may cross these times; exclude them by during"
        )


def _descriptions(known: Annotations) -> np.ndarray:
    """Descriptions as NumPy's text of fixed width (annotation,)."""
    return np.array([str(words) for words in known.description], dtype=np.str_)


def _starts(given: Epochs, notes: list[str], where: str) -> np.ndarray:
    """Start of each epoch in seconds (epoch,)."""
    rate, length = _rate(given), _length_s(given)
    events = np.asarray(given.events).reshape(-1, PER_EVENT)
    if len(events) > 1 and np.array_equal(events[:, 0], np.arange(len(events))):
        note = (
            f"the epochs of {where} have no times (their events are at samples 0, 1, 2 ...), and "
            f"are put one after another, {(APART - 1) * length:g} s apart"
        )
        notes += [] if note in notes else [note]
        return np.arange(len(events)) * APART * length
    start = events[:, 0] / rate + given.times[0]
    late = np.flatnonzero(np.diff(start) < length - 0.5 / rate)
    if len(late):
        raise DataError(
            f"{len(late)} of its {len(events)} epochs start before the one before them has "
            "stopped, so that they share samples; use shorter epochs, or give the Raw object and a "
            "table of trials"
        )
    note = (
        f"times of {where} count from sample 0 of the amplifier, because Epochs do not know at "
        "which sample the recording began (first_samp)"
    )
    notes += [] if note in notes else [note]
    return start


def _length_s(given: Epochs) -> float:
    """Length of an epoch, in seconds."""
    return len(given.times) / _rate(given)


def _rate(given: Epochs) -> float:
    """Samples per second."""
    rate = given.info["sfreq"]
    assert isinstance(rate, float | int)
    return float(rate)
