"""What is unusual about the rows of a table of intervals, in sentences.

In: starts and stops as a file holds them. Out: notes with the rows' ids. Nothing is
changed: rows keep their order, and may touch or overlap.
"""

from functools import partial

import numpy as np

from invariance_probe.study import counting
from invariance_probe.study.counting import counted

some = partial(counting.some, most=5)
"""Name the first few rows in a note, and how many more there are."""
TOUCHING_S = 1e-6
"""Largest overlap of two rows that is taken for rounding, in seconds."""


def unusual_rows(start: np.ndarray, stop: np.ndarray, ids: np.ndarray, where: str) -> list[str]:
    """Note rows without times, rows out of order, and rows that overlap.

    Parameters
    ----------
    start, stop
        Start and stop of each row in seconds (row,).
    ids
        Identifier of each row (row,).
    where
        The table, for notes.

    Returns
    -------
    One sentence for each thing that is unusual.

    Examples
    --------
    >>> start, stop = np.array([0.0, 1.0, 3.0]), np.array([2.0, 2.5, np.nan])
    >>> unusual_rows(start, stop, np.arange(3), "'trials'")[0]
    "1 of 3 rows of 'trials' has no stop: 2"
    """
    if not len(start):
        return [f"{where} has no rows"]
    backward = np.flatnonzero(np.diff(start[np.isfinite(start)]) < 0).size
    notes = [
        _rows(~np.isfinite(start), ids, where, "no start"),
        _rows(~np.isfinite(stop), ids, where, "no stop"),
        _rows(stop < start, ids, where, "a stop before the start"),
        _rows(stop == start, ids, where, "the same start and stop"),
        _rows(start < 0, ids, where, "a start before 0 s"),
        f"starts of {where} go back {counted(backward, 'time')}; rows keep their order"
        if backward
        else "",
        f"all starts of {where} are 0 s" if len(start) > 1 and not start.any() else "",
        _overlaps(start, stop, ids, where),
    ]
    return [note for note in notes if note]


def _rows(which: np.ndarray, ids: np.ndarray, where: str, what: str) -> str:
    """One sentence on some rows of a table; empty if there are none."""
    few = int(which.sum())
    verb = "has" if few == 1 else "have"
    return f"{few} of {len(which)} rows of {where} {verb} {what}: {some(ids[which])}" * bool(few)


def _overlaps(start: np.ndarray, stop: np.ndarray, ids: np.ndarray, where: str) -> str:
    """Note rows that start before an earlier row has stopped."""
    rows = np.flatnonzero(np.isfinite(start) & (stop > start))
    rows = rows[np.argsort(start[rows], kind="stable")]
    pairs, lengths = [], []
    longest = -1
    for row in rows.tolist():
        if longest >= 0 and (common := stop[longest] - start[row]) > TOUCHING_S:
            pairs.append(f"{ids[longest]}|{ids[row]}")
            lengths.append(min(common, stop[row] - start[row]))
        if longest < 0 or stop[row] > stop[longest]:
            longest = row
    if not pairs:
        return ""
    return (
        f"{len(pairs)} of {len(start)} rows of {where} start before an earlier one has stopped, by "
        f"up to {max(lengths):.3g} s: {some(pairs)}"
    )
