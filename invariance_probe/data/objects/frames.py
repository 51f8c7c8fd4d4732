"""Data frames and series of pandas, and dicts of columns.

In: a frame whose index is time, or one with a row per interval. Out: a series, or a
table of intervals. An index of row numbers is no clock and is refused.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from invariance_probe.data.checked import differing, intervals, samples, some
from invariance_probe.data.contents import Series, Table
from invariance_probe.data.objects.seconds import seconds
from invariance_probe.errors import DataError

STARTS = ("start", "start_s", "start_time", "onset")
"""Names of the column that holds the start of each interval."""
STOPS = ("stop", "end", "stop_s", "end_s", "stop_time", "end_time")
"""Names of the column that holds the stop of each interval."""
DURATIONS = ("duration", "duration_s")
"""Names of the column that holds the duration, where there is no stop."""


def is_frame(given: object) -> bool:
    """Whether an object is a DataFrame."""
    return isinstance(given, pd.DataFrame)


def is_frame_or_column(given: object) -> bool:
    """Whether an object is a DataFrame or a Series of pandas."""
    return isinstance(given, pd.DataFrame | pd.Series)


def is_columns(given: object) -> bool:
    """Whether an object is a dict from names to columns."""
    return isinstance(given, dict)


def series_of_frame(given: pd.DataFrame | pd.Series, notes: list[str], where: str) -> Series:
    """Take the columns of numbers as channels, and the index as time.

    Parameters
    ----------
    given
        One row per sample.
    notes
        Gets a sentence for everything that was left out, converted or looks wrong.
    where
        The signal's name, for notes.
    """
    frame = given.to_frame() if isinstance(given, pd.Series) else given
    index = frame.index
    if isinstance(index, pd.MultiIndex | pd.RangeIndex):
        kind = "several levels" if isinstance(index, pd.MultiIndex) else "row numbers"
        raise DataError(
            f"its index holds {kind}, not times; make the column of times its index, such as by "
            "frame.set_index('time')"
        )
    times = seconds(index, f"times (index) of {where}", notes)
    columns = [frame.iloc[:, at] for at in range(frame.shape[1])]
    numbers = [column for column in columns if _is_number(column)]
    if not numbers:
        raise DataError(f"none of its columns holds numbers: {_names(columns)}")
    if others := [column for column in columns if not _is_number(column)]:
        notes.append(f"columns of {where} that hold no numbers are not used: {_names(others)}")
    values = np.stack([_numbers(column) for column in numbers], axis=1)
    names = differing([str(column.name) for column in numbers], notes, f"columns of {where}")
    return samples(values, times, names, "", notes, where)


def table_of_frame(given: pd.DataFrame, notes: list[str], where: str) -> Table:
    """Take one row per interval, with the columns start and stop (or duration).

    Parameters
    ----------
    given
        One row per interval, with times in seconds or as durations since the start of
        the session.
    notes
        Gets a sentence for everything that was left out, converted or looks wrong.
    where
        The table's name, for notes.
    """
    names = [str(name) for name in given.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"it has {names.count(twice)} columns with the name {twice!r}")
    frame = given.set_axis(names, axis=1)
    first = _only(frame, STARTS, "start")
    start = seconds(frame[first], f"times in column {first!r} of {where}", notes)
    stops = [name for name in STOPS if name in frame]
    last = _only(frame, STOPS if stops else DURATIONS, "stop or duration")
    stop = seconds(frame[last], f"times in column {last!r} of {where}", notes)
    columns = {}
    for name in names:
        if name in (first, last):
            continue
        values = column_of(frame[name], name, notes, where)
        if values is None:
            notes.append(
                f"column {name!r} of {where} holds {frame[name].dtype}, neither numbers nor text, "
                "and is not used"
            )
        else:
            columns[name] = values
    return intervals(start, stop if stops else start + stop, columns, notes, where)


def table_of_columns(given: dict[object, object], notes: list[str], where: str) -> Table:
    """Take a dict from names to columns for a table, as `table_of_frame` does."""
    try:
        frame = pd.DataFrame({str(name): np.asarray(values) for name, values in given.items()})
    except ValueError as error:
        raise DataError(f"its columns make no table: {error}") from None
    return table_of_frame(frame, notes, where)


def column_of(column: pd.Series, name: str, notes: list[str], where: str) -> np.ndarray | None:
    """Values of a column of labels (row,): numbers, or text; None if it holds others.

    Missing numbers are NaN, and missing text is empty; both are told.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    missing = column.isna().to_numpy()
    if missing.any():
        notes.append(
            f"{int(missing.sum())} of {len(column)} values in column {name!r} of {where} are "
            f"missing: rows {some(np.flatnonzero(missing))}"
        )
    if _is_number(column):
        return _numbers(column)
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        return column.astype(float).to_numpy()
    present = column[~missing]
    if not all(isinstance(value, str) for value in present):
        return None
    return column.astype(object).where(~missing, "").to_numpy().astype(str)


def _only(frame: pd.DataFrame, names: Sequence[str], what: str) -> str:
    """The one column of a frame that has one of some names."""
    found = [name for name in names if name in frame]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"it has several columns for the {what}: {', '.join(found)}; keep one")
    allowed = [*STOPS, *DURATIONS] if names is DURATIONS else names
    raise DataError(
        f"it has no column for the {what} of its intervals ({', '.join(allowed)}); its columns are "
        f"{', '.join(frame.columns) or 'none'}"
    )


def _is_number(column: pd.Series) -> bool:
    """Whether a column holds real numbers or booleans."""
    kind = column.dtype
    real = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind)
    return real or pd.api.types.is_bool_dtype(kind)


def _numbers(column: pd.Series) -> np.ndarray:
    """Values of a column of numbers (row,), NaN where one is missing."""
    if column.isna().any():
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    name = column.dtype.name.lower()
    return column.to_numpy(dtype=np.dtype("bool" if name == "boolean" else name))


def _names(columns: Sequence[pd.Series]) -> str:
    return some(repr(str(column.name)) for column in columns) or "it has none"
