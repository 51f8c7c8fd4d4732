"""What a file holds, on the session's own clock, before anything is binned.

In: arrays and names that a reader took from a file. Out: `Contents`: spike trains,
series and tables of intervals by name, with a `Note` for everything that the reader
dropped, joined, converted or could not know. All times are seconds on one clock. A
format's reader makes `Contents`; `data.assembly` puts them on one grid of bins. Nothing
is read or binned here.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from invariance_probe.errors import DataError

Signal = TypeVar("Signal")


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spike times of the units that were sorted from one recording.

    Attributes
    ----------
    names
        Name of each unit, each once.
    times
        Spike times of each unit in seconds, each (spike,) float64 and ascending.
    observed
        Start and stop of each interval in which all units were observed
        (interval, 2), in seconds, ascending and apart; None where the file does not say.
        A unit that was not observed is not a unit that was silent.

    Raises
    ------
    DataError
        For names that occur twice, times that are not finite or not ascending, and
        intervals that overlap.
    """

    names: tuple[str, ...]
    times: tuple[np.ndarray, ...]
    observed: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.names) != len(self.times):
            raise DataError(f"{len(self.names)} names for {len(self.times)} units")
        if twice := _repeated(self.names):
            raise DataError(f"two units are called {twice!r}; names of units must differ")
        for name, times in zip(self.names, self.times, strict=True):
            _check_ascending(times, f"spike times of unit {name!r}")
        if self.observed is not None:
            _check_ascending(self.observed.ravel(), "borders of observed intervals")

    @property
    def last_s(self) -> float:
        """Time of the last spike of all units, in seconds; 0 if there is no spike."""
        return max((float(times[-1]) for times in self.times if len(times)), default=0.0)


@dataclass(frozen=True, eq=False)
class Series:
    """Samples over time of one or several channels, such as a position or an LFP.

    Attributes
    ----------
    values
        Samples (sample, channel) in the unit of measure, NaN where a sample is missing.
    times
        Time of each sample in seconds (sample,), ascending.
    channels
        Name of each channel.
    unit
        Unit of measure, such as `m` or `V`; empty where the file does not say.
    positions
        Place of each electrode or sensor (channel, 3) in metres, NaN where it is not
        known; None where no place is known.

    Raises
    ------
    DataError
        For shapes that do not fit together, and times that are not finite or not
        ascending.
    """

    values: np.ndarray
    times: np.ndarray
    channels: tuple[str, ...]
    unit: str = ""
    positions: np.ndarray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.times), len(self.channels))
        if self.values.shape != shape:
            raise DataError(
                f"the values have shape {self.values.shape}, but must have shape {shape}: "
                "one row per time, one column per channel"
            )
        if self.positions is not None and self.positions.shape != (len(self.channels), 3):
            raise DataError(
                f"the positions have shape {self.positions.shape}, but must have shape "
                f"{(len(self.channels), 3)}: one row per channel"
            )
        _check_ascending(self.times, "times of samples")

    @property
    def interval_s(self) -> float:
        """Median time between successive samples, in seconds; NaN for one sample."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else float("nan")


@dataclass(frozen=True, eq=False)
class Table:
    """A table of intervals, such as trials: one row per interval.

    Rows keep their order. They may touch or overlap.

    Attributes
    ----------
    start, stop
        Start and stop of each row in seconds (row,). An interval holds its start and
        not its stop. NaN where the file does not say.
    columns
        Other columns by name, each (row,) or (row, ...): numbers or text.

    Raises
    ------
    DataError
        For columns of another length.
    """

    start: np.ndarray
    stop: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in {"stop": self.stop, **self.columns}.items():
            if len(values) != len(self.start):
                raise DataError(
                    f"column {name!r} has {len(values)} rows, but the table has {len(self.start)}"
                )

    @property
    def complete(self) -> np.ndarray:
        """Rows that have a start and a later stop (row,), as booleans."""
        return np.isfinite(self.start) & np.isfinite(self.stop) & (self.stop > self.start)


@dataclass(frozen=True)
class Note:
    """One sentence about what a reader did, or what the author of a study should know.

    Attributes
    ----------
    sentence
        The sentence, without a full stop.
    about
        Name of the signal that it is about; empty if it is about the file as a whole.
    """

    sentence: str
    about: str = ""


@dataclass(frozen=True, eq=False)
class Contents:
    """Everything that a file holds.

    Attributes
    ----------
    spikes, series, tables
        What can be looked up, by the name that a study uses.
    notes
        A note for everything that the reader dropped, joined, converted or could not
        know.
    unread
        One sentence for each kind of thing in the file that cannot be looked up.
    breaks
        Start and stop of each break in seconds (break, 2), where the recording was cut or
        is not to be used. A cut has no length. No bin may touch one.
    subject
        The animal or person, where the file says it; a study that names none takes it.
    """

    spikes: Mapping[str, SpikeTrains] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    unread: tuple[str, ...] = ()
    breaks: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    subject: str = ""

    def sentences(self) -> tuple[str, ...]:
        """Everything that a reader told about the file."""
        return (*(note.sentence for note in self.notes), *self.unread)

    def sentences_on(self, names: Collection[str]) -> tuple[str, ...]:
        """What a reader told about the file as a whole, and about some of its signals.

        Parameters
        ----------
        names
            Names of the signals, full or short ones.
        """
        known = {*names, *map(self._full_name, names)}
        return tuple(
            note.sentence
            for note in self.notes
            if not note.about or any(belongs(name, note.about) for name in known)
        )

    def _full_name(self, name: str) -> str:
        """Full name of a signal, where a file has several names for it."""
        for signals in (self.spikes, self.series, self.tables):
            if isinstance(signals, OnDemand) and name in signals:
                return signals.full_name(name)
        return name


class OnDemand(Mapping[str, Signal]):
    """Signals by name, each read from its file whenever it is looked up.

    What is not looked up is never in memory, and nothing is kept. Iteration gives every
    signal once, by its full name. Other names of a signal can be looked up as well.

    Parameters
    ----------
    readers
        Function that reads a signal, by full name.
    other_names
        Full name of a signal, by another name of it.
    """

    def __init__(
        self,
        readers: Mapping[str, Callable[[], Signal]],
        other_names: Mapping[str, str] | None = None,
    ) -> None:
        self._readers, self.other_names = dict(readers), dict(other_names or {})

    def full_name(self, name: str) -> str:
        """Full name of a signal that may have been asked for by another name."""
        return name if name in self._readers else self.other_names[name]

    def __getitem__(self, name: str) -> Signal:
        return self._readers[self.full_name(name)]()

    def __contains__(self, name: object) -> bool:
        return name in self._readers or name in self.other_names

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


def belongs(name: str, group: str) -> bool:
    """Whether a signal has a given name, or lies in a group or file of that name.

    Examples
    --------
    >>> belongs("cursor.velocity", "cursor"), belongs("cursor2.velocity", "cursor")
    (True, False)
    """
    return name == group or name.startswith((f"{group}.", f"{group}/"))


def _repeated(names: tuple[str, ...]) -> str | None:
    """Return the first name that occurs twice; None if all differ."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def is_ascending(times: np.ndarray) -> bool:
    """Whether all times are finite and none is before the one before it.

    Times that ascend between two finite ones are finite, so they are looked at once.
    """
    return not times.size or bool(
        np.isfinite(times[[0, -1]]).all() and (times[1:] >= times[:-1]).all()
    )


def _check_ascending(times: np.ndarray, what: str) -> None:
    """Raise DataError unless all times are finite and none is before the one before it."""
    if is_ascending(times):
        return
    if not np.isfinite(times).all():
        raise DataError(f"{what}: {int((~np.isfinite(times)).sum())} are not finite")
    at = int(np.flatnonzero(np.diff(times) < 0)[0])
    raise DataError(f"{what} go back from {times[at]:g} s to {times[at + 1]:g} s")
