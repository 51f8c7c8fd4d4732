"""From arrays to checked spike trains, series and tables of intervals.

In: arrays of a file, or of an object in Python, in seconds. Out: the types of
`data.contents`, with a note for everything that was left out, put in order or looks
wrong. Nothing is read here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np

from invariance_probe.data.contents import (
    Contents,
    Note,
    Series,
    SpikeTrains,
    Table,
    belongs,
)
from invariance_probe.data.intervals import union
from invariance_probe.data.rows import unusual_rows
from invariance_probe.errors import DataError
from invariance_probe.study import counting
from invariance_probe.study.signals import SignalsRecording

MOST_NAMED = 5
"""Most rows, units or columns that a note names one by one."""
some = partial(counting.some, most=MOST_NAMED)
"""Name the first rows, units or columns in a note, and how many more there are."""
LONGEST_S = 7 * 24 * 3600.0
"""Time in seconds beyond which it is suspected to be in another unit."""
UNEVEN = 0.01
"""Part of the median interval by which intervals between samples may differ."""


class Parts:
    """The signals that were found in a file so far, with notes.

    Parameters
    ----------
    declared
        Says which signals the study needs.
    where
        The file, for messages.
    """

    def __init__(self, declared: SignalsRecording, where: str) -> None:
        self.where = where
        self.spikes: dict[str, SpikeTrains] = {}
        self.series: dict[str, Series] = {}
        self.tables: dict[str, Table] = {}
        self.notes: list[str] = []
        """Sentences about the signal that is being read, or about the whole file."""
        self.unread: list[str] = []
        self._noted: list[Note] = []
        self._needed = declared.signals_used()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Read one signal, or a group of them: what is noted meanwhile is about it.

        If it cannot be used, the reason is noted, or raised as DataError if the study
        needs it.
        """
        outer, self.notes = self.notes, []
        try:
            yield
        except DataError as error:
            said = f"{name!r} cannot be used: {error}"
            if any(belongs(needed, name) for needed in self._needed):
                raise DataError(f"{self.where}: {said}") from error
            self.notes.append(said)
        finally:
            self._noted += [Note(sentence, name) for sentence in self.notes]
            self.notes = outer

    def contents(self) -> Contents:
        """Everything that was found."""
        notes = (*self._noted, *map(Note, self.notes))
        return Contents(self.spikes, self.series, self.tables, notes, tuple(self.unread))


def text_of(value: object) -> str:
    """Name of a unit or channel, from a number or text; 7.0 is called 7."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def differing(names: Sequence[str], notes: list[str], where: str) -> list[str]:
    """Names of which none occurs twice: the second `a` is called `a-2`, with a note."""
    taken = set(names)
    seen: set[str] = set()
    changed = []
    made = []
    for name in names:
        unique, number = name, 2
        while unique in seen or (unique != name and unique in taken):
            unique, number = f"{name}-{number}", number + 1
        if unique != name:
            changed.append(f"{name!r} as {unique!r}")
        seen.add(unique)
        made.append(unique)
    if changed:
        notes.append(
            f"{len(changed)} of {len(names)} {where} have the name of an earlier one: "
            f"{some(changed)}"
        )
    return made


def in_seconds(times: np.ndarray, ticks_per_s: float, notes: list[str], where: str) -> np.ndarray:
    """Convert times to seconds (any shape) float64, with a note if they are in ticks."""
    if times.dtype.kind not in "biuf":
        got = f", such as {text_of(times.flat[0])!r}" if times.size else ""
        raise DataError(f"{where} must be numbers in seconds, but hold {times.dtype}{got}")
    if ticks_per_s == 1:
        return times.astype(np.float64)
    notes.append(f"{where} are divided by {ticks_per_s:g}, to give seconds")
    return times / ticks_per_s


def grouped(times: np.ndarray, units: np.ndarray, where: str) -> dict[str, np.ndarray]:
    """Share out spike times among units.

    Parameters
    ----------
    times, units
        Time and unit of each spike (spike,).
    where
        What the units are, for messages.

    Returns
    -------
    trains
        Spike times by the name of the unit, in sorted order of the units.
    """
    if times.shape != units.shape or times.ndim != 1:
        raise DataError(f"{where}: {times.shape} times and {units.shape} units; need one each")
    order = np.argsort(units, kind="stable")
    ids, first = np.unique(units[order], return_index=True)
    parts = np.split(times[order], first[1:]) if len(ids) else []
    return {text_of(unit): part for unit, part in zip(ids.tolist(), parts, strict=True)}


def trains(
    names: Sequence[str],
    times: Sequence[np.ndarray],
    observed: np.ndarray | None,
    notes: list[str],
    where: str,
) -> SpikeTrains:
    """Make spike trains, in order of time, without missing times.

    Parameters
    ----------
    names, times
        Name and spike times of each unit, in seconds.
    observed
        Start and stop of the observed intervals (interval, 2), or None.
    notes
        Gets a sentence for everything that was done or looks wrong.
    where
        The spike trains' name, for notes.
    """
    missing, back, kept = 0, [], []
    largest = 0.0
    for name, train in zip(names, times, strict=True):
        finite = train[np.isfinite(train)]
        missing += len(train) - len(finite)
        steps = np.diff(finite)
        if (steps < 0).any():
            back.append(name)
            largest = max(largest, float(-steps.min()))
            finite = np.sort(finite, kind="stable")
        kept.append(finite.astype(np.float64))
    total = sum(map(len, times))
    if missing:
        notes.append(f"{missing} of {total} spikes of {where} have no time and are left out")
    if back:
        notes.append(
            f"spike times of {len(back)} of {len(names)} units of {where} were not in order, by "
            f"up to {largest:g} s, and are sorted: {some(back)}. If the clock was restarted, "
            "these times are wrong"
        )
    spikes = np.concatenate([np.zeros(0), *kept])
    if before := int((spikes < 0).sum()):
        notes.append(f"{before} of {total} spikes of {where} are before 0 s, and are kept")
    if len(spikes) and spikes.max() > LONGEST_S:
        notes.append(
            f"the last spike of {where} is at {spikes.max():g} s; if that is not in seconds, "
            "convert the times (ticks_per_s)"
        )
    twice = sum(int((np.diff(train) == 0).sum()) for train in kept)
    if twice:
        notes.append(
            f"{twice} of {total} spikes of {where} have the time of the same unit's spike before "
            "them, and are kept"
        )
    if observed is not None:
        at = np.searchsorted(observed.ravel(), spikes, side="right")
        if outside := int((at % 2 == 0).sum()):
            notes.append(
                f"{outside} of {total} spikes of {where} are outside of the observed intervals"
            )
    return SpikeTrains(tuple(names), tuple(kept), observed)


def apart(start: np.ndarray, stop: np.ndarray, notes: list[str], where: str) -> np.ndarray:
    """Order intervals and join those that overlap, with a note (interval, 2)."""
    right = np.isfinite(start) & np.isfinite(stop) & (stop >= start)
    if not right.all():
        notes.append(f"{int((~right).sum())} of {len(start)} {where} have no end after the start")
    rows = np.column_stack([start, stop])[right]
    joined = union(rows, touching=False)
    if len(joined) < len(rows):
        notes.append(f"{len(rows)} {where} overlap, and are joined to {len(joined)}")
    return joined


def samples(
    values: np.ndarray,
    times: np.ndarray,
    channels: Sequence[str],
    unit: str,
    notes: list[str],
    where: str,
    in_trials: bool = False,
) -> Series:
    """Make a series, without samples that have no time.

    Parameters
    ----------
    values, times
        Samples (sample, channel), and their times in seconds (sample,).
    channels, unit
        Names of the channels, and the unit of measure.
    notes
        Gets a sentence for everything that was done or looks wrong.
    where
        The series' name, for notes.
    in_trials
        Whether samples between trials are known to be absent.
    """
    if values.dtype.kind not in "biuf":
        raise DataError(f"it holds {values.dtype}; numbers are needed")
    timed = np.isfinite(times)
    if not timed.all():
        rows = np.flatnonzero(~timed)
        notes.append(
            f"{len(rows)} of {len(times)} samples of {where} have no time and are left out: "
            f"{some(rows)}"
        )
        values, times = values[timed], times[timed]
    clock(times, [] if in_trials else notes, where)
    if missing := int((~np.isfinite(values)).any(axis=1).sum()):
        notes.append(f"{missing} of {len(values)} samples of {where} have a missing value (NaN)")
    return Series(values, times, tuple(channels), unit)


def clock(times: np.ndarray, notes: list[str], where: str) -> None:
    """Note whether samples are evenly spaced; raise DataError if their times go back."""
    steps = np.diff(times)
    back = np.flatnonzero(steps < 0)
    if len(back):
        at = int(back[0])
        raise DataError(
            f"its times go back {len(back)} times, by up to {-steps.min():g} s, first from "
            f"{times[at]:.9g} s to {times[at + 1]:.9g} s (sample {at + 1}); if samples are evenly "
            "spaced, make their times from the rate (rate_hz)"
        )
    if len(times) and times[-1] > LONGEST_S:
        notes.append(
            f"the last sample of {where} is at {times[-1]:.9g} s; if that is not in seconds, "
            "convert the times (ticks_per_s)"
        )
    if len(steps) and (typical := float(np.median(steps))) > 0:
        uneven = np.abs(steps - typical) > UNEVEN * typical
        if uneven.any():
            notes.append(
                f"samples of {where} are not evenly spaced: {int(uneven.sum())} of {len(steps)} "
                f"intervals differ from the median of {typical:.6g} s, the longest is "
                f"{steps.max():.6g} s, and the mean gives {1 / steps.mean():.6g} samples per s"
            )


def intervals(
    start: np.ndarray,
    stop: np.ndarray,
    columns: Mapping[str, np.ndarray],
    notes: list[str],
    where: str,
) -> Table:
    """Make a table of intervals, keeping all its rows.

    Parameters
    ----------
    start, stop
        Start and stop of each row in seconds (row,), NaN where there is none.
    columns
        The other columns by name.
    notes
        Gets a sentence for everything that looks wrong.
    where
        The table's name, for notes.
    """
    notes += unusual_rows(start, stop, np.arange(len(start)), where)
    return Table(start, stop, columns)
