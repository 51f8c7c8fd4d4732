"""Checks of a recording's arrays: complete numbers, labels and angles.

In: arrays as a file holds them. Out: float64 numbers or int64 labels, or one
`DataError` that says what is wrong with the array, which value it has and what to do.
Nothing here depends on a study.
"""

import math

import numpy as np

from invariance_probe.errors import DataError

MISSING_LABELS = ("", "nan", "NaN", "NaT", "<NA>")
"""What an empty cell of a table becomes when it is converted to text."""
SMALLEST_RANGE = 1e-12
"""Largest range at which values count as constant, relative to their maximum.

The maximum is that of their absolute values. Smaller differences are rounding errors of
double precision.
"""
SMALLEST_SD = 1e-9
"""Largest SD at which values count as constant, relative to their mean.

It is larger than `SMALLEST_RANGE` because rounding accumulates over many bins.
"""
TURN = 2 * math.pi
"""One full turn in radians."""
TURN_TOLERANCE = 0.01
"""How much more than one turn angles may span, in radians.

Angles from rounded degrees, or made with 3.14 for pi, need this tolerance.
"""
MOST_LOST = 1e-3
"""Largest rounding error of a signal in single precision (RMS, in SDs of its unit)."""
FAR_OFFSET = 1e3
"""Mean, in SDs, beyond which squares of values are too coarse to give a variance."""


UNKNOWN = (
    ", remove these bins, or say in which bins the target is known (known= of "
    "Recording.from_arrays)"
)
"""What to do about a target that is not known in all bins."""


def check_complete(
    values: np.ndarray, where: str, otherwise: str = ", or remove these bins"
) -> None:
    """Refuse NaN, infinities and labels that stand for a missing value.

    Parameters
    ----------
    values
        Numbers or text (time, ...).
    where
        Which array of which session, for the message.
    otherwise
        What else can be done than to replace the values, for the message.

    Raises
    ------
    DataError
        The message names the first such bin and how many there are.
    """
    if values.dtype.kind == "f":
        wrong, what = ~np.isfinite(values), "a NaN or infinite value"
        remedy = "replace these values by interpolation"
    elif values.dtype.kind in "US":
        wrong, what = np.isin(values.astype(str), MISSING_LABELS), "a missing label"
        remedy = "give these bins a label of their own, such as 'unknown'"
    else:
        return
    bins = np.flatnonzero(wrong.reshape(len(values), -1).any(axis=1))
    if len(bins):
        raise DataError(
            f"{where} has {what} in {len(bins)} of {len(values)} bins (first: bin {bins[0]}); "
            f"{remedy}{otherwise}"
        )


def as_numbers(
    values: np.ndarray, where: str, otherwise: str = ", or remove these bins"
) -> np.ndarray:
    """Convert an array to float64, refusing text and missing values.

    Parameters
    ----------
    values
        Array of any shape, time first.
    where
        Which array of which session, for the message.
    otherwise
        What can be done about missing values than to replace them, for the message.

    Returns
    -------
    numbers
        float64, in the same shape.

    Raises
    ------
    DataError
        For text, NaN and infinities.
    """
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"{where} holds text, such as {str(values.flat[0])!r}, but must hold numbers; save "
            "numbers, or declare a target of kind 'categorical'"
        )
    check_complete(values, where, otherwise)
    return values.astype(np.float64)


def unknown_note(name: str, known: np.ndarray) -> str:
    """Say in how many bins a target is unknown (bin,)."""
    return f"the target {name!r} is unknown in {int((~known).sum())} of {len(known)} bins"


def filled(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The same values (bin, ...), with the first known one wherever a value is unknown."""
    complete = values.copy()
    complete[~known] = values[known][0]
    return complete


def as_labels(values: np.ndarray, where: str) -> np.ndarray:
    """Convert labels of bins to whole numbers, one for each distinct label.

    Whole numbers keep their value. Other labels (text, or numbers with fractions) are
    replaced by their position in sorted order.

    Parameters
    ----------
    values
        Numbers or text (time,).
    where
        Which array of which session, for the message.

    Returns
    -------
    labels
        (time,) int64.

    Raises
    ------
    DataError
        For NaN, infinities and missing labels.
    """
    check_complete(values, where)
    if values.dtype.kind in "biu" or (values.dtype.kind == "f" and (values % 1 == 0).all()):
        return values.astype(np.int64)
    return np.unique(values, return_inverse=True)[1].reshape(values.shape).astype(np.int64)


def check_radians(values: np.ndarray, where: str) -> None:
    """Refuse angles that span more than one turn.

    Such angles are degrees, hours, or unwrapped radians.

    Parameters
    ----------
    values
        Angles in radians, of any shape.
    where
        Which array of which session, for the message.

    Raises
    ------
    DataError
        The message gives the range that was found and the range that is allowed.
    """
    if np.ptp(values) > TURN + TURN_TOLERANCE:
        raise DataError(
            f"{where} runs from {values.min():g} to {values.max():g}, but a circular target must "
            "be in radians and within one turn, such as [-pi, pi] or [0, 2 pi]. Convert degrees "
            "by np.radians(x), and an unwrapped angle by np.angle(np.exp(1j * x))"
        )


def constant_columns(columns: np.ndarray) -> np.ndarray:
    """Find the columns that are constant except for rounding errors.

    Parameters
    ----------
    columns
        Finite numbers (time, column), at least one row.

    Returns
    -------
    constant
        True for a constant column (column,).
    """
    return np.asarray(np.ptp(columns, axis=0) <= SMALLEST_RANGE * np.abs(columns).max(axis=0))


def varies(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Whether values vary by more than rounding, given their mean and SD.

    The threshold is relative to the mean, so that volts and microvolts are treated
    alike.

    Parameters
    ----------
    mean
        Means, of any shape and in any unit of measurement.
    sd
        Standard deviations of the same values, in the same shape and unit.

    Returns
    -------
    varies
        Boolean, in the same shape.

    Examples
    --------
    >>> varies(np.array([0.0, 4e-13, 1e8]), np.array([0.0, 1e-13, 1e-3])).tolist()
    [False, True, False]
    """
    return np.asarray(sd > SMALLEST_SD * np.abs(mean))


def without_offset(columns: np.ndarray) -> np.ndarray:
    """Subtract the mean of columns that lie far from zero.

    Clock times in seconds since 1970 are an example: the square of 1.7e9 s leaves no
    digits for a variance of 1 s. Columns whose mean lies within `FAR_OFFSET` standard
    deviations of zero are returned unchanged, to the bit.

    Parameters
    ----------
    columns
        Numbers (time, column).

    Returns
    -------
    columns
        (time, column).
    """
    mean = columns.mean(axis=0)
    far = np.abs(mean) > FAR_OFFSET * columns.std(axis=0)
    return np.where(far, columns - mean, columns) if far.any() else columns


def axes_advice(shape: tuple[int, ...], activity: tuple[int, ...]) -> str:
    """Say which axes of an array seem to be swapped.

    Parameters
    ----------
    shape
        Shape of an array that does not fit the activity.
    activity
        Shape of the activity, (time, unit).

    Returns
    -------
    str
        Text to append to a message, beginning with a semicolon; empty if no axes seem to
        be swapped.
    """
    if shape and len(activity) == 2 and shape[0] == activity[1]:
        return (
            f"; the activity has shape {activity} and must be (time, unit): if its units come "
            "first, save its transpose"
        )
    if len(shape) > 1 and activity and activity[0] in shape[1:]:
        return "; time must be its first axis: save its transpose"
    return ""


def as_single(signals: np.ndarray, where: str, column: str = "unit") -> np.ndarray:
    """Convert signals to single precision, unless rounding would distort them.

    They would be distorted if, for any unit, the root mean square of the rounding
    errors exceeded `MOST_LOST` times the unit's SD.

    Parameters
    ----------
    signals
        Finite signals (time, unit) or (time, channel).
    where
        Which array of which session, for the message.
    column
        What a column is, `unit` or `channel`, for the message.

    Returns
    -------
    signals
        (time, unit) float32.

    Raises
    ------
    DataError
        When values are too large for single precision, or rounding would distort them.
    """
    with np.errstate(over="ignore"):
        kept = signals.astype(np.float32)
    if not np.isfinite(kept).all():
        raise DataError(
            f"{where} has values up to {np.abs(signals).max():g}, which single precision cannot "
            "hold; save it in a larger unit of measurement"
        )
    if signals.dtype.itemsize <= kept.dtype.itemsize and signals.dtype.kind == "f":
        return kept
    mean, sd = signals.mean(axis=0, dtype=np.float64), signals.std(axis=0, dtype=np.float64)
    lost = np.sqrt(np.mean((signals - kept.astype(np.float64)) ** 2, axis=0))
    part = np.divide(lost, sd, out=np.zeros_like(sd), where=varies(mean, sd))
    unit = int(part.argmax())
    if part[unit] > MOST_LOST:
        raise DataError(
            f"{where} of {column} {unit} has mean {mean[unit]:g} and SD {sd[unit]:g}. Models are "
            "trained in single precision, in which rounding would destroy so small a variation "
            f"around so large a mean. Subtract each {column}'s mean, or choose a unit of "
            "measurement in which SDs are near 1"
        )
    return kept
