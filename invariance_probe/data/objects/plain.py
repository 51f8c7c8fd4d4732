"""Signals as plain arrays: spike times by unit, samples with their times, intervals.

In: dicts, tuples and arrays. Out: spike trains, series and tables. Times are seconds.
"""

import numpy as np

from invariance_probe.data.checked import differing, intervals, samples, text_of, trains
from invariance_probe.data.contents import Series, SpikeTrains, Table
from invariance_probe.data.from_python import as_given
from invariance_probe.data.objects.seconds import seconds
from invariance_probe.errors import DataError


def is_trains(given: object) -> bool:
    """Whether an object is a dict, from names of units to spike times."""
    return isinstance(given, dict)


def is_samples(given: object) -> bool:
    """Whether an object is a pair of times and values."""
    return isinstance(given, tuple) and len(given) == 2


def is_rows(given: object) -> bool:
    """Whether an object is an array, or a list."""
    return isinstance(given, np.ndarray | list)


def trains_of_dict(given: dict[object, object], notes: list[str], where: str) -> SpikeTrains:
    """Take spike times in seconds, by the names of the units."""
    if not given:
        raise DataError("it has no units")
    names = differing([text_of(name) for name in given], notes, f"units of {where}")
    times = [
        seconds(values, f"spike times of unit {text_of(name)!r}", notes)
        for name, values in given.items()
    ]
    return trains(names, times, None, notes, where)


def series_of_pair(given: tuple[object, object], notes: list[str], where: str) -> Series:
    """Take times (sample,) in seconds, and values (sample,) or (sample, channel)."""
    times = seconds(given[0], f"times of {where}", notes)
    values = as_given(given[1], f"values of {where}")
    if values.ndim not in (1, 2) or len(values) != len(times):
        turned = values.ndim == 2 and values.shape[1] == len(times)
        raise DataError(
            f"its values have shape {values.shape}, but must have shape ({len(times)},) or "
            f"({len(times)}, channel): one row for each of its times"
            + ("; give their transpose" if turned else "")
        )
    values = values.reshape(len(values), -1)
    names = [str(channel) for channel in range(values.shape[1])]
    return samples(values, times, names, "", notes, where)


def table_of_rows(given: object, notes: list[str], where: str) -> Table:
    """Take start and stop of each interval in seconds (interval, 2)."""
    rows = as_given(given, f"intervals of {where}")
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise DataError(
            f"its intervals have shape {rows.shape}, but must have shape (interval, 2): start and "
            "stop of each"
        )
    start, stop = (seconds(rows[:, at], f"times of {where}", notes) for at in (0, 1))
    return intervals(start, stop, {}, notes, where)
