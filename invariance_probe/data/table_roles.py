"""Guess what the columns of a table of samples are, for `data inspect`.

In: a file with one row per sample. Out: the fields that a study would declare, and a
sentence that says what was guessed from which names and values. A study states them, so
nothing is guessed where a recording is read.
"""

from pathlib import Path

import numpy as np

from invariance_probe.data.readers.table import numbers_of, whole_table
from invariance_probe.errors import DataError
from invariance_probe.study.counting import some

SECONDS = {"t", "time", "times", "timestamp", "timestamps", "time_s", "t_s", "seconds", "sec"}
"""Names of columns of times in seconds, in lower case."""
FEWEST_ROWS = 50
"""Fewest rows of a table of samples."""
FEWEST_MARKS = 10
"""Fewest samples that a column of marks marks."""
MOST_MARKED = 0.05
"""Largest fraction of the samples that a column of marks marks."""
AROUND_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Lengths of the interval after a mark that are tried, in seconds."""
LONGEST_WAIT_S = 60.0
"""Longest median interval of a clock in seconds; beyond, times are in another unit."""
OFF_S = 0.04
"""Largest distance of a rounded or jittered stamp from even ones, in seconds."""


def guessed_columns(path: Path) -> tuple[dict[str, object], str]:
    """Guess the columns of a file with one row per sample.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    fields
        `series` as a study declares it; empty where no column of times was found.
    sentence
        What was guessed.
    """
    if not path.is_file():
        return {}, ""
    try:
        frame = whole_table(path)
    except DataError:
        return {}, ""
    columns = {
        str(name): values
        for name in frame.columns
        if str(name) and (values := numbers_of(frame[name])) is not None
    }
    clock = next((name for name in columns if name.lower() in SECONDS), None)
    if clock is None or len(frame) < FEWEST_ROWS or len(columns) < 2:
        return {}, ""
    times = columns.pop(clock)
    steps = np.diff(times)
    if not np.isfinite(times).all() or not 0 < float(np.median(steps)) < LONGEST_WAIT_S:
        return {}, ""
    fields: dict[str, object] = {"time": clock}
    said = f"{clock!r} are times in seconds"
    if rate_hz := _rate_of(times):
        fields["rate_hz"] = rate_hz
        said += f", rounded or jittered ones of even samples at {rate_hz:g} Hz"
    marks = {name: around for name, values in columns.items() if (around := _around(values, times))}
    if marks:
        fields["markers"] = marks
        said += f", and {some(map(repr, marks))} marks events in single samples"
    if len(marks) == len(columns):
        return {}, ""
    return {"series": {"samples": fields}}, f"guessed from names and values: {said}"


def _rate_of(times: np.ndarray) -> float | None:
    """Samples per second of stamps that are even but for rounding; None if they are even."""
    steps = np.diff(times)
    usual = float(np.median(steps))
    if usual <= 0 or (np.abs(steps - usual) <= 0.01 * usual).all():
        return None
    rate = round(float((len(times) - 1) / (times[-1] - times[0])))
    if rate < 1:
        return None
    even = times[0] + np.arange(len(times)) / rate
    return float(rate) if float(np.abs(times - even).max()) <= OFF_S else None


def _around(values: np.ndarray, times: np.ndarray) -> list[float]:
    """Interval after each mark, if a column marks events in single samples; else empty."""
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        return []
    marked = np.flatnonzero(values)
    if not FEWEST_MARKS <= len(marked) <= MOST_MARKED * len(values) or (np.diff(marked) == 1).any():
        return []
    apart = float(np.quantile(np.diff(times[marked]), 0.05))
    fitting = [length for length in AROUND_S if length <= apart]
    return [0.0, fitting[-1]] if fitting else []
