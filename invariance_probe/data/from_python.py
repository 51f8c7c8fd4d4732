"""Convert arrays and tables given in Python to the arrays of a `Recording`.

In: arrays, lists, or columns of a data frame. Out: NumPy arrays of numbers or text, or
one `DataError` that says what is wrong. Checks that apply to files as well are in
`data.arrays`. Nothing is filtered, sorted or resampled.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from invariance_probe.data.arrays import as_labels, axes_advice
from invariance_probe.data.streams import Stream
from invariance_probe.errors import DataError


def as_given(values: Any, where: str) -> np.ndarray:
    """Copy values into an array of numbers or text.

    Parameters
    ----------
    values
        An array, or anything that NumPy can convert to one.
    where
        Which array of which session, for the message.

    Returns
    -------
    array
        Numbers, or strings of NumPy's text type (not objects).

    Raises
    ------
    DataError
        For ragged lists, objects other than strings, complex numbers, dates and masked
        values.
    """
    if np.ma.is_masked(values):
        raise DataError(f"{where} has masked values; remove or interpolate them")
    try:
        array = np.array(values)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{where} cannot be converted to a NumPy array: {error}; give an array of numbers or "
            "text"
        ) from None
    if array.dtype == object and array.size:
        foreign = [item for item in array.flat if not isinstance(item, str)]
        if foreign:
            raise DataError(
                f"{where} holds Python objects, such as {foreign[0]!r}; convert it to numbers by "
                ".astype(float), or to text by .astype(str)"
            )
        array = array.astype(str)
    if array.dtype.kind not in "biufUS":
        raise DataError(
            f"{where} holds values of type {array.dtype}, but must hold real numbers or text"
        )
    return array


def as_row(values: Any, where: str) -> np.ndarray:
    """Copy values into an array, and flatten a matrix of a single row or column."""
    array = as_given(values, where)
    return array.reshape(-1) if array.ndim == 2 and 1 in array.shape else array


def labels_given(values: Any, where: str) -> np.ndarray:
    """Convert one label per bin, numbers or text, to int64 (time,)."""
    return as_labels(as_row(values, where), where)


def targets_given(
    targets: Mapping[str, Any], activity: np.ndarray, session: str
) -> dict[str, np.ndarray]:
    """Convert targets to arrays, and check that each has one row per bin.

    Parameters
    ----------
    targets
        Numbers or text, (time,) or (time, column), by name.
    activity
        The activity (time, unit).
    session
        Name of the session, for messages.

    Returns
    -------
    targets
        Arrays of the same shapes, by name.

    Raises
    ------
    DataError
        When a target does not fit the activity.
    """
    bins, found = len(activity) if activity.ndim else 0, {}
    for name, values in targets.items():
        where = f"session {session!r}: target {name!r}"
        array = as_given(values, where)
        if array.ndim not in (1, 2) or len(array) != bins:
            raise DataError(
                f"{where} has shape {array.shape}, but must have shape (time,) or (time, column), "
                f"and the activity has {bins} bins{axes_advice(array.shape, activity.shape)}"
            )
        found[str(name)] = array
    return found


def streams_given(
    streams: Mapping[str, Any], bins: int, bin_s: float, session: str
) -> dict[str, Stream]:
    """Convert streams to samples with the same number in each bin.

    Parameters
    ----------
    streams
        Samples (sample,) or (sample, channel), by name.
    bins, bin_s
        Number of bins of the activity, and their length in seconds.
    session
        Name of the session, for messages.

    Raises
    ------
    DataError
        When samples are not numbers, or bins would differ in their number of samples.
    """
    if not isinstance(streams, Mapping):
        raise DataError(
            f"session {session!r}: streams must be a dict from names to arrays, but it is of type "
            f"{type(streams).__name__}"
        )
    found = {}
    for name, values in streams.items():
        where = f"session {session!r}: stream {name!r}"
        try:
            found[str(name)] = Stream.per_bin(as_given(values, where), bins, bin_s)
        except DataError as error:
            raise DataError(f"{where}: {str(error).removeprefix(f'{where} ')}") from None
    return found


def known_given(
    known: Mapping[str, Any], targets: Mapping[str, np.ndarray], session: str
) -> dict[str, np.ndarray]:
    """Convert masks of the bins in which targets are known.

    Parameters
    ----------
    known
        Masks (time,) by the name of the target.
    targets
        The targets (time, ...) by name.
    session
        Name of the session, for messages.

    Returns
    -------
    known
        Masks as booleans, of the targets that are not known in all bins.

    Raises
    ------
    DataError
        When a mask does not fit its target, or leaves nothing of it.
    """
    found = {}
    for name, given in known.items():
        where = f"session {session!r}: known {name!r}"
        if name not in targets:
            raise DataError(
                f"{where} is no target; the targets are {', '.join(map(repr, sorted(targets)))}"
            )
        mask = as_row(given, where)
        bins = len(targets[name])
        if mask.shape != (bins,) or mask.dtype.kind != "b":
            raise DataError(
                f"{where} has shape {mask.shape} and type {mask.dtype}, but must hold one boolean "
                f"for each of the {bins} bins, such as ~np.isnan(values)"
            )
        if not mask.any():
            raise DataError(f"{where} is False in all bins, so there is nothing to decode")
        if not mask.all():
            found[name] = mask
    return found


def alternatives_given(
    alternatives: Mapping[str, Any], activity: np.ndarray, session: str
) -> dict[str, np.ndarray]:
    """Convert alternative targets to arrays, and check their number of bins.

    Parameters
    ----------
    alternatives
        Target sequences (draws), (draw, time) or (draw, time, column), by name.
    activity
        The activity (time, unit).
    session
        Name of the session, for messages.

    Returns
    -------
    alternatives
        Arrays of the same shapes, by name.

    Raises
    ------
    DataError
        When an array does not fit the activity.
    """
    bins, found = len(activity) if activity.ndim else 0, {}
    for name, values in alternatives.items():
        where = f"session {session!r}: alternatives {name!r}"
        array = as_given(values, where)
        if array.ndim not in (2, 3) or array.shape[1] != bins:
            raise DataError(
                f"{where} has shape {array.shape}, but alternative targets must have shape (draw, "
                "time) or (draw, time, column), where time is the number of bins of the activity, "
                f"{bins}"
            )
        found[str(name)] = array
    return found


def check_columns(frame: pd.DataFrame, names: Iterable[Any], session: str) -> None:
    """Refuse names of columns that are missing in a data frame, or occur twice.

    Parameters
    ----------
    frame
        One row per bin.
    names
        Names of columns.
    session
        Name of the session, for messages.

    Raises
    ------
    DataError
        The message names the first such column.
    """
    for name in names:
        count = int((frame.columns == name).sum())
        if count > 1:
            raise DataError(
                f"session {session!r}: the data frame has {count} columns with the name {name!r}; "
                "keep only one of them"
            )
        if not count:
            close = get_close_matches(str(name), [str(column) for column in frame.columns], n=1)
            has = f"it has {list(frame.columns)[:20]!r}"
            raise DataError(
                f"session {session!r}: the data frame has no column {name!r}; "
                f"{f'did you mean {close[0]!r}?' if close else has}"
            )


def columns_given(frame: pd.DataFrame, names: Sequence[Any], session: str) -> np.ndarray:
    """Convert columns of a data frame to one array.

    Parameters
    ----------
    frame
        One row per bin.
    names
        Names of the columns, each of which occurs once.
    session
        Name of the session, for messages.

    Returns
    -------
    array
        (time,) for a single column, otherwise (time, column). Missing numbers become
        NaN.

    Raises
    ------
    DataError
        When text is missing in a row, or when some columns hold text and others numbers.
    """
    arrays = [_column(frame[name], f"session {session!r}: column {name!r}") for name in names]
    if len(arrays) == 1:
        return arrays[0]
    words = [array.dtype.kind in "US" for array in arrays]
    if any(words) and not all(words):
        raise DataError(
            f"session {session!r}: column {names[words.index(True)]!r} holds text, but column "
            f"{names[words.index(False)]!r} holds numbers; choose columns that all "
            "hold text or all hold numbers"
        )
    return np.stack(arrays, axis=1) if arrays else np.zeros((len(frame), 0))


def refusal(error: ValidationError) -> str:
    """Say what is wrong with the first wrong field of a declaration."""
    item = error.errors()[0]
    place = [str(part) for part in item["loc"]]
    if place[:1] in (["session"], ["subject"]):
        return (
            f"{place[0]} {item['input']!r} cannot be used as a name; a name must begin with a "
            "letter or digit and may contain only letters, digits, '.', '_' and '-'"
        )
    said = item["msg"].removeprefix("Value error, ")
    scalar = isinstance(item["input"], str | int | float)
    return f"{'.'.join(place)}{': ' if place else ''}{said}" + (
        f"; got {item['input']!r}" if scalar else ""
    )


def _column(column: pd.Series, where: str) -> np.ndarray:
    """Convert one column of a data frame to numbers or text (time,)."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    missing = column.isna().to_numpy()
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        if missing.any():
            raise DataError(
                f"{where}: the value is missing in {missing.sum()} of {len(missing)} rows (first: "
                f"row {missing.argmax()}); give these rows a label of their own, such as "
                "'unknown', or drop them"
            )
        return as_given(column.to_numpy(), where)
    return column.to_numpy(dtype=float) if missing.any() else as_given(column.to_numpy(), where)
