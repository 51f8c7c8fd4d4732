"""Datasets of an NWB file as arrays: text, numbers, and columns with lists in their rows.

In: datasets of an open file. Out: NumPy arrays. A dataset that is no array of text or
numbers raises `UnusableError` with the reason.
"""

import h5py
import numpy as np

from invariance_probe.data.readers.nwb.errors import UnusableError
from invariance_probe.study.counting import counted

MOST_FILLED = 10_000_000
"""Most numbers that rows of different lengths may take when filled up with NaN."""
SECONDS = {"", "s", "sec", "second", "seconds"}
"""How files spell the unit of their times."""
ROUNDED_S = 1e-4
"""Rounding of stored times that is noted, in seconds."""


def text(value: object) -> str:
    """Text of an attribute or a scalar; empty for anything else."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.size == 1:
        return text(value.ravel()[0])
    return value if isinstance(value, str) else ""


def number(value: object, default: float) -> float:
    """Return an attribute or a scalar as a float; the default where there is no number."""
    array = np.asarray(value if value is not None else default)
    return float(array.ravel()[0]) if array.size and array.dtype.kind in "biuf" else default


def child(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Member of a group, also through a link; None where there is none."""
    try:
        return group[name]
    except (KeyError, OSError, RuntimeError):
        return None


def dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """Dataset of a group that holds at least a shape.

    Raises
    ------
    UnusableError
        When it is missing, empty, or a link that leads nowhere.
    """
    found = child(group, name)
    if isinstance(found, h5py.Dataset) and found.shape is not None:
        return found
    link = group.get(name, getlink=True)
    if found is None and isinstance(link, h5py.ExternalLink):
        raise UnusableError(f"its {name!r} is in another file, {link.filename!r}, which is missing")
    if found is None and isinstance(link, h5py.SoftLink):
        raise UnusableError(f"its {name!r} is a link to {link.path!r}, which is missing")
    raise UnusableError(f"it has no {name!r}")


def array(source: h5py.Dataset, part: slice | tuple[()] = ()) -> np.ndarray:
    """Read the numbers, truth values or text of a dataset.

    Raises
    ------
    UnusableError
        When it holds something else, or HDF5 cannot decode it.
    """
    kind = source.dtype
    if h5py.check_string_dtype(kind) is None and kind.kind not in "biuf":
        held = "references" if h5py.check_ref_dtype(kind) else f"values of type {kind}"
        raise UnusableError(f"{_last(source)!r} holds {held}, not numbers or text")
    try:
        if h5py.check_string_dtype(kind) is None:
            return np.asarray(source[part])
        read = source.asstr(errors="replace")[part]
        return np.array(np.asarray(read, dtype=object).tolist(), dtype=str)
    except (OSError, RuntimeError, TypeError) as error:
        raise UnusableError(_why_unread(source, error)) from error


def numbers(source: h5py.Dataset, part: slice | tuple[()] = ()) -> np.ndarray:
    """Read a dataset as float64.

    Raises
    ------
    UnusableError
        When it holds no numbers, or HDF5 cannot decode it.
    """
    values = array(source, part)
    if values.dtype.kind == "U":
        raise UnusableError(f"{_last(source)!r} holds text, not numbers")
    return values.astype(np.float64, copy=False)


def seconds(source: h5py.Dataset) -> h5py.Dataset:
    """Pass on a dataset of times, whose unit must be seconds.

    Raises
    ------
    UnusableError
        When the dataset names another unit, or has several columns.
    """
    unit = text(source.attrs.get("unit", ""))
    if unit.lower() not in SECONDS:
        raise UnusableError(f"{_last(source)!r} is in {unit!r}, and must be in seconds")
    if source.ndim != 1:
        raise UnusableError(f"{_last(source)!r} has shape {source.shape}, and must have one axis")
    return source


def rounded(source: h5py.Dataset, times: np.ndarray, name: str) -> list[str]:
    """Note times that are stored as float32 and therefore rounded, the largest the most."""
    if source.dtype.kind != "f" or source.dtype.itemsize >= 8:
        return []
    largest = float(np.nanmax(np.abs(times), initial=0))
    step = float(np.spacing(np.array(largest, dtype=source.dtype)))
    said = f"{_last(source)!r} of {name!r} is stored as {source.dtype}: rounded to {step:.1g} s"
    return [said] if step >= ROUNDED_S else []


def ends(index: h5py.Dataset, rows: int, length: int) -> np.ndarray:
    """Position after the last value of each row of a column of lists (row,).

    Indices may be stored as small unsigned integers, whose differences would wrap.

    Raises
    ------
    UnusableError
        When the index does not fit its column or its table.
    """
    values = array(index)
    if values.dtype.kind not in "iu" or values.shape != (rows,):
        raise UnusableError(
            f"{_last(index)!r} must hold {counted(rows, 'whole number')}, one per row, but has "
            f"shape {values.shape} and type {values.dtype}"
        )
    values = values.astype(np.int64)
    if (np.diff(values, prepend=0) < 0).any() or (rows and values[-1] > length):
        raise UnusableError(
            f"the entries of {_last(index)!r} must not decrease and must lie between 0 and "
            f"{length}, the number of values that it indexes"
        )
    return values


def column(table: h5py.Group, name: str, rows: int) -> tuple[np.ndarray, str]:
    """Read a column of a table, one entry per row.

    Parameters
    ----------
    table, name
        The table and the name of its column.
    rows
        Number of rows of the table.

    Returns
    -------
    values
        Numbers or text (row,) or (row, ...).
    note
        What was done to lists in rows, as a predicate; empty if nothing.

    Raises
    ------
    UnusableError
        When the column cannot be put in an array.
    """
    source = dataset(table, name)
    if f"{name}_index_index" in table:
        raise UnusableError(f"{name!r} has lists of lists in its rows")
    values = _decoded(array(source), source, table)
    if values.ndim and f"{name}_index" in table:
        return _filled(values, ends(dataset(table, f"{name}_index"), rows, len(values)))
    if values.ndim == 0 or len(values) != rows:
        raise UnusableError(f"{name!r} has shape {values.shape}, but the table has {rows} rows")
    return values, ""


def _filled(values: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, str]:
    """Lists in rows as text joined by commas, or as numbers filled up with NaN."""
    lengths = np.diff(after, prepend=0)
    parts = np.split(values[: after[-1]] if len(after) else values[:0], after[:-1])
    rows, longest = len(after), int(lengths.max(initial=0))
    between = f"{lengths.min(initial=longest)} to {longest} values per row"
    if values.dtype.kind == "U":
        joined = np.array([", ".join(part.ravel()) for part in parts][:rows], dtype=str)
        return joined, "" if (lengths == 1).all() else f"has {between}, joined by commas"
    if (lengths == longest).all():
        stacked = values[: rows * longest].reshape(rows, longest, *values.shape[1:])
        return (stacked[:, 0] if longest == 1 else stacked), ""
    if rows * longest > MOST_FILLED:
        raise UnusableError(f"its rows have {between}, too many to fill up {rows} rows with NaN")
    filled = np.full((rows, longest, *values.shape[1:]), np.nan)
    for row, part in enumerate(parts[:rows]):
        filled[row, : len(part)] = part
    return filled, f"has {between}, filled up with NaN"


def _decoded(values: np.ndarray, source: h5py.Dataset, table: h5py.Group) -> np.ndarray:
    """Words of a column that stores whole numbers into a list of words."""
    words = child(table, f"{_last(source)}_elements")
    if not isinstance(words, h5py.Dataset) or values.dtype.kind not in "iu" or not values.size:
        return values
    known = array(words) if words.shape else values[:0]
    return known[values] if values.min() >= 0 and values.max() < len(known) else values


def _why_unread(source: h5py.Dataset, error: Exception) -> str:
    """Say why HDF5 could not decode a dataset."""
    stages = source.id.get_create_plist()
    filters = [stages.get_filter(at)[0] for at in range(stages.get_nfilters())]
    if missing := [number for number in filters if not h5py.h5z.filter_avail(number)]:
        return (
            f"{_last(source)!r} is compressed by the HDF5 filter {missing[0]}, which is not "
            "installed: set HDF5_PLUGIN_PATH to a folder that has it, or repack the file with gzip"
        )
    return f"HDF5 cannot read {_last(source)!r} ({error}); the file may be incomplete"


def _last(source: h5py.Dataset) -> str:
    return str(source.name).rsplit("/", 1)[-1]
