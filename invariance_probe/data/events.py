"""Intervals around events, such as trials around stimuli.

In: a table of events, and the times around each. Out: a table with one row per event
whose interval lies inside the recording.
"""

import numpy as np

from invariance_probe.data.checked import intervals, some, text_of
from invariance_probe.data.contents import Table
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted
from invariance_probe.study.formats import EventTrials


def trials_around(
    table: Table,
    declared: EventTrials,
    times: np.ndarray,
    notes: list[str],
    name: str = "trials",
) -> Table:
    """Make one interval around each event.

    Parameters
    ----------
    table
        The events.
    declared
        Which of them are taken, and the times around each.
    times
        Times of the samples of the recording (sample,).
    notes
        Gets a sentence for everything that was left out.
    name
        Name of the table that is made, for notes.

    Raises
    ------
    DataError
        When the table lacks the column, or no event is left.
    """
    rows = np.flatnonzero(np.isfinite(table.start))
    if len(rows) < len(table.start):
        notes.append(f"{len(table.start) - len(rows)} events have no start and make no trial")
    if declared.column is not None:
        if declared.column not in table.columns:
            raise DataError(
                f"table {declared.table!r} has no column {declared.column!r}; it has "
                f"{some(map(repr, table.columns))}"
            )
        values = np.asarray(table.columns[declared.column])
        labels = np.array([text_of(value) for value in values.tolist()], dtype=np.str_)
        if missing := [one for one in declared.labels if one not in labels]:
            raise DataError(
                f"column {declared.column!r} of {declared.table!r} never holds {missing[0]!r}; it "
                f"holds {some(map(repr, np.unique(labels)))}"
            )
        rows = rows[np.isin(labels[rows], declared.labels)]
    start, stop = (table.start[rows] + edge for edge in declared.window_s)
    interval = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    begins, ends = (float(times[0]), float(times[-1]) + interval) if len(times) else (0.0, 0.0)
    inside = (start >= begins - interval / 2) & (stop <= ends + interval / 2)
    if not inside.all():
        notes.append(
            f"{int((~inside).sum())} of {counted(len(rows), 'trial')} around events reach past the "
            f"recording and are left out: {some(np.flatnonzero(~inside))}"
        )
    if not inside.any():
        raise DataError(f"no event of {declared.table!r} is left to make a trial of")
    chosen = rows[inside]
    columns = {name: np.asarray(values)[chosen] for name, values in table.columns.items()}
    return intervals(start[inside], stop[inside], columns, notes, repr(name))
