"""Tables of intervals of an NWB file.

In: a `TimeIntervals`, an `EventsTable` or an `IntervalSeries`, open in its file. Out: a
`Table` with all rows and columns, and notes on what a study should know about them.
Rows are never dropped, joined or sorted.
"""

import h5py
import numpy as np

from invariance_probe.data.contents import Table
from invariance_probe.data.readers.nwb.columns import (
    array,
    child,
    column,
    dataset,
    numbers,
    rounded,
    seconds,
    text,
)
from invariance_probe.data.readers.nwb.errors import UnusableError
from invariance_probe.data.rows import unusual_rows
from invariance_probe.study.counting import counted


def read_table(group: h5py.Group, name: str) -> tuple[Table, list[str]]:
    """Read a table of intervals, or of events with a duration.

    Parameters
    ----------
    group
        The table in its file.
    name
        Its name, for notes.

    Returns
    -------
    table
        All rows and columns.
    notes
        One sentence for everything unusual.

    Raises
    ------
    UnusableError
        When the table has no usable times.
    """
    first = "start_time" if "start_time" in group else "timestamp"
    start_in = seconds(dataset(group, first))
    start = numbers(start_in)
    stop, notes = _stops(group, name, start)
    columns: dict[str, np.ndarray] = {}
    for other in _columns(group):
        try:
            columns[other], note = column(group, other, len(start))
        except UnusableError as error:
            note = f"is not read: {error}"
        notes += [f"column {other!r} of {name!r} {note}"] if note else []
    notes += rounded(start_in, start, name)
    ids = columns.get("id", np.arange(len(start)))
    return Table(start, stop, columns), notes + unusual_rows(start, stop, ids, repr(name))


def read_interval_series(group: h5py.Group, name: str) -> tuple[Table, list[str]]:
    """Read a series of starts (positive numbers) and stops (their negatives).

    Parameters and results are those of `read_table`. The column `value` holds the
    number that marked a start.
    """
    times = numbers(seconds(dataset(group, "timestamps")))
    marks = array(dataset(group, "data"))
    if marks.dtype.kind not in "iu" or marks.shape != times.shape:
        raise UnusableError(
            f"'data' has type {marks.dtype} and shape {marks.shape}; one whole number for each of "
            f"{counted(len(times), 'time')} is needed"
        )
    marks = marks.astype(np.int64)
    rows: list[tuple[float, float, int]] = []
    begun: dict[int, int] = {}
    for time, mark in zip(times, marks, strict=True):
        if mark > 0:
            begun[mark] = len(rows)
            rows.append((time, np.nan, mark))
        elif mark < 0 and -mark in begun:
            at = begun.pop(-mark)
            rows[at] = (rows[at][0], time, -mark)
        elif mark < 0:
            rows.append((np.nan, time, -mark))
    start, stop, value = (np.array([row[part] for row in rows]) for part in range(3))
    notes = [f"{name!r} marks starts and stops, and is read as a table of {len(rows)} rows"]
    if zeros := int((marks == 0).sum()):
        notes.append(f"{zeros} of {len(marks)} marks of {name!r} are 0 and mean nothing")
    table = Table(start, stop, {"value": value.astype(np.int64)})
    return table, notes + unusual_rows(start, stop, np.arange(len(rows)), repr(name))


def _stops(group: h5py.Group, name: str, start: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Stops of rows, stored or from their durations; NaN where there is neither."""
    for stored in ("stop_time", "duration"):
        if stored in group:
            source = seconds(dataset(group, stored))
            values = numbers(source)
            if values.shape != start.shape:
                raise UnusableError(
                    f"it has {counted(len(start), 'start')}, but {len(values)} in {stored!r}"
                )
            return (values if stored == "stop_time" else start + values), []
    without = [f"{name!r} has neither stops nor durations"] if len(start) else []
    return np.full(start.shape, np.nan), without


def _columns(group: h5py.Group) -> list[str]:
    """Names of the columns beside the times, in the table's order."""
    times = {"start_time", "stop_time"} if "start_time" in group else {"timestamp"}
    members = list(group)
    told = [text(name) for name in np.ravel(group.attrs.get("colnames", []))]
    parts = {f"{name}{end}" for name in members for end in ("_index", "_index_index", "_elements")}
    found = [name for name in members if isinstance(child(group, name), h5py.Dataset)]
    return [
        name
        for name in dict.fromkeys(["id", *told, *found])
        if name in members and name not in times and name not in parts
    ]
