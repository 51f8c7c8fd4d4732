"""Sortings and analyzers of spikeinterface.

In: a sorting with the recording that it belongs to, or an analyzer. Out: spike trains,
observed for as long as the recording lasts. Objects are recognised by what they have;
spikeinterface is not imported.

A sorting holds frames. Only its recording says at which time a frame was, so a sorting
without one (also one of a chunk) is refused, and so are joined recordings.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from invariance_probe.data.checked import differing, text_of, trains
from invariance_probe.data.contents import SpikeTrains
from invariance_probe.errors import DataError

GAP_FRAMES = 1.5
"""Frames between two times of a recording beyond which it has a gap."""
JOINED = "ConcatenateSegmentRecording"
"""Class of a recording that joins others end to end, whatever lay between them."""


@runtime_checkable
class _Timed(Protocol):
    """What a sorting and a recording of spikeinterface have in common."""

    def get_num_segments(self) -> int:
        """Number of segments."""

    def get_sampling_frequency(self) -> float:
        """Frames per second."""

    def get_start_time(self, segment_index: int, /) -> float:
        """Time of the first frame."""

    def get_end_time(self, segment_index: int, /) -> float:
        """Time of the last frame."""

    def has_time_vector(self, segment_index: int, /) -> bool:
        """Whether every frame has a time of its own."""

    def get_times(self, segment_index: int, /) -> np.ndarray:
        """Time of each frame."""

    def sample_index_to_time(self, frames: np.ndarray, segment_index: int, /) -> np.ndarray:
        """Times of some frames."""

    def get_parent(self) -> object:
        """What it was made from."""


@runtime_checkable
class Sorting(_Timed, Protocol):
    """The part of a sorting that is read here."""

    @property
    def unit_ids(self) -> Sequence[object]:
        """Name of each unit."""

    def get_unit_spike_train(self, unit_id: object, segment_index: int, /) -> np.ndarray:
        """Frames of a unit's spikes."""

    def has_recording(self) -> bool:
        """Whether a recording is registered, which gives the times."""


@runtime_checkable
class Analyzer(Protocol):
    """The part of a SortingAnalyzer that is read here."""

    @property
    def sorting(self) -> Sorting:
        """The sorting."""

    def has_recording(self) -> bool:
        """Whether it has its recording, which gives the times."""

    def has_temporary_recording(self) -> bool:
        """Whether it has a recording for the time being."""


@runtime_checkable
class _Recorded(Protocol):
    @property
    def recording(self) -> _Timed:
        """The recording of an analyzer, which raises an error if it has none."""


@runtime_checkable
class _Registered(Protocol):
    @property
    def _recording(self) -> object:
        """The recording that is registered with a sorting."""


def is_sorting(given: object) -> bool:
    """Whether an object is a sorting or an analyzer."""
    return isinstance(given, Sorting | Analyzer)


def trains_of_sorting(given: Sorting | Analyzer, notes: list[str], where: str) -> SpikeTrains:
    """Take the spikes of each unit at the times of the recording.

    Parameters
    ----------
    given
        A sorting with a registered recording, or an analyzer with its recording, of one
        segment.
    notes
        Gets a sentence for everything that was left out or looks wrong.
    where
        The signal's name, for notes.
    """
    sorting = given.sorting if isinstance(given, Analyzer) else given
    if (count := sorting.get_num_segments()) != 1:
        raise DataError(
            f"it has {count} segments, but a session has one clock; choose one of them "
            "(spikeinterface.select_segment_sorting), and register its recording"
        )
    clock = _clock(given)
    _check_not_joined(clock)
    ids = list(sorting.unit_ids)
    names = differing([text_of(unit) for unit in ids], notes, f"units of {where}")
    if not names:
        raise DataError("it has no units")
    times = [
        np.asarray(clock.sample_index_to_time(sorting.get_unit_spike_train(unit, 0), 0))
        for unit in ids
    ]
    return trains(names, times, _observed(clock, notes, where), notes, where)


def _clock(given: Sorting | Analyzer) -> _Timed:
    """The object that says at which time each frame was."""
    known = given.has_recording()
    if isinstance(given, Analyzer):
        known = known or given.has_temporary_recording()
    if not known:
        raise DataError(
            "it holds frames, and no recording that says at which time a frame was; register the "
            "recording (sorting.register_recording(recording)), or, if you know that they are "
            "seconds of the session, give {unit: sorting.get_unit_spike_train(unit, "
            "segment_index=0, return_times=True) for unit in sorting.unit_ids}"
        )
    if isinstance(given, Sorting):
        return given
    assert isinstance(given, _Recorded)
    return given.recording


def _observed(clock: _Timed, notes: list[str], where: str) -> np.ndarray:
    """Start and stop of the recorded intervals (interval, 2), in seconds."""
    frame_s = 1 / clock.get_sampling_frequency()
    found = np.array([[clock.get_start_time(0), clock.get_end_time(0) + frame_s]])
    if not clock.has_time_vector(0):
        return found
    times = np.asarray(clock.get_times(0))
    gaps = np.flatnonzero(np.diff(times) > GAP_FRAMES * frame_s)
    if len(gaps):
        notes.append(f"the recording of {where} has {len(gaps)} gaps, which were not observed")
    starts = np.concatenate([found[:, 0], times[gaps + 1]])
    stops = np.concatenate([times[gaps] + frame_s, found[:, 1]])
    return np.column_stack([starts, stops])


def _check_not_joined(clock: _Timed) -> None:
    """Refuse a recording that joins others, whose frames have no times of their own."""
    recording = clock._recording if isinstance(clock, _Registered) else clock
    if any(type(one).__name__ == JOINED for one in _sources(recording)):
        raise DataError(
            "its recording joins several end to end, so the times of later ones are not known; "
            "split the sorting (spikeinterface.split_sorting), and give one session of each part"
        )


def _sources(clock: object) -> Iterator[object]:
    """The object, what it was made from, and so on."""
    while isinstance(clock, _Timed):
        yield clock
        clock = clock.get_parent()
