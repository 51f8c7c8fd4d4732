"""Times of an object, in seconds.

In: arrays, lists, pandas indices, durations, or quantities with a unit. Out: float64
seconds. Dates, and units that are not converted here, are refused rather than guessed.
"""

from typing import Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd

from invariance_probe.data.checked import text_of
from invariance_probe.errors import DataError

PER_SECOND = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e3),
    **dict.fromkeys(("us", "µs", "usec", "microsecond", "microseconds"), 1e6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e9),
    **dict.fromkeys(("min", "minute", "minutes"), 1 / 60),
    **dict.fromkeys(("h", "hour", "hours"), 1 / 3600),
}
"""How many of a unit of time make a second, by the names of the unit."""


@runtime_checkable
class Quantity(Protocol):
    """An array of the package quantities, which neo uses: numbers with a unit."""

    @property
    def magnitude(self) -> np.ndarray:
        """The numbers, without their unit."""

    @property
    def dimensionality(self) -> object:
        """The unit."""

    def rescale(self, units: str) -> Self:
        """Convert to another unit."""


@runtime_checkable
class _HasUnit(Protocol):
    @property
    def unit(self) -> object:
        """The unit, as arrays of astropy have it."""


@runtime_checkable
class _HasUnits(Protocol):
    @property
    def units(self) -> object:
        """The unit, as arrays of pint have it."""


def seconds(values: object, what: str, notes: list[str]) -> np.ndarray:
    """Convert times to seconds (time,) float64.

    Parameters
    ----------
    values
        Numbers, which are taken for seconds, durations (`timedelta64`), or quantities
        with a unit of time.
    what
        What the times are, for messages.
    notes
        Gets a sentence where another unit is converted.

    Raises
    ------
    DataError
        For dates, text, units that are no time, and other shapes.

    Examples
    --------
    >>> seconds(pd.to_timedelta([0, 250], unit="ms"), "times", [])
    array([0.  , 0.25])
    """
    if isinstance(values, Quantity):
        return _rescaled(values, what, notes)
    array = _array_of(values, what)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise DataError(f"{what} have shape {array.shape}, but must have one axis")
    if array.dtype.kind == "m":
        return np.asarray(array / np.timedelta64(1, "s"), dtype=np.float64)
    if array.dtype.kind == "M":
        raise DataError(f"{what} are dates; subtract the start of the session from them")
    if array.dtype.kind not in "iuf" and array.size:
        raise DataError(
            f"{what} must be numbers in seconds, or durations (timedelta64), but hold "
            f"{array.dtype}, such as {text_of(array.flat[0])!r}"
        )
    return array.astype(np.float64)


def in_unit(values: object, unit: object, what: str, notes: list[str]) -> np.ndarray:
    """Convert times whose unit is named beside them to seconds (time,) float64.

    Parameters
    ----------
    values
        The times.
    unit
        Name of the unit, such as `ms`; None or empty where there is none.
    what
        What the times are, for messages.
    notes
        Gets a sentence where another unit is converted.
    """
    times = seconds(values, what, notes)
    if unit in (None, "") or _array_of(values, what).dtype.kind == "m":
        return times
    if str(unit).lower() not in PER_SECOND:
        raise DataError(f"{what} have the unit {unit!r}, which is not known; convert to seconds")
    per_second = PER_SECOND[str(unit).lower()]
    return times if per_second == 1 else _told(times / per_second, str(unit), what, notes)


def _rescaled(values: Quantity, what: str, notes: list[str]) -> np.ndarray:
    """Convert quantities to seconds (time,) float64."""
    try:
        times = np.asarray(values.rescale("s").magnitude, dtype=np.float64)
    except ValueError:
        raise DataError(f"{what} have the unit {values.dimensionality}, which is no time") from None
    unit = str(values.dimensionality)
    return np.atleast_1d(times if unit == "s" else _told(times, unit, what, notes))


def _told(times: np.ndarray, unit: str, what: str, notes: list[str]) -> np.ndarray:
    """The same times; a note says which unit they had."""
    note = f"{what} are converted from {unit} to seconds"
    if note not in notes:
        notes.append(note)
    return times


def _array_of(values: object, what: str) -> np.ndarray:
    """Convert to an array, without losing a unit, a mask or a time zone."""
    if isinstance(values, pd.Series | pd.Index):
        if isinstance(values.dtype, pd.DatetimeTZDtype):
            return values.to_numpy(dtype="datetime64[ns]")
        return values.to_numpy()
    if isinstance(values, _HasUnit | _HasUnits):
        raise DataError(
            f"{what} are a {type(values).__name__} with a unit, which is not converted; give plain "
            "numbers in seconds"
        )
    if np.ma.is_masked(values):
        raise DataError(f"{what} have masked values; remove them")
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} cannot be converted to an array: {error}") from None
