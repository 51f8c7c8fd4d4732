"""The arrays of an `.npz` archive, without loading long ones whole.

In: a file. Out: every array with its shape, type and values; of an array that would
take much memory, only the first rows. Nothing is unpickled. To be decoded, a file is
read by `data.readers.npz` instead.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from invariance_probe.data.readers.formats import described
from invariance_probe.errors import DataError

MOST_BYTES = 512 * 2**20
"""Largest array that is loaded whole."""
FIRST_BYTES = 64 * 2**20
"""About how much of a larger array is loaded."""


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array of an archive.

    Attributes
    ----------
    shape
        Shape of the array in the file.
    dtype
        Type of its values.
    values
        The array, or its first rows.
    why_not
        Reason why the array cannot be used; empty if it can. `values` is then empty.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    values: np.ndarray
    why_not: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all values were loaded."""
        return self.values.shape == self.shape


def stored_arrays(path: Path) -> dict[str, StoredArray]:
    """Read the arrays of an archive.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    arrays
        Each array by its name, in the order of the file.

    Raises
    ------
    DataError
        When the file is missing or is no `.npz` archive.
    """
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            found = {}
            for name in archive.namelist():
                with archive.open(name) as file:
                    found[name.removesuffix(".npy")] = _stored(file)
            return found
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is not a readable .npz archive: {error}; {described(path)}"
        ) from error


def _stored(file: IO[bytes]) -> StoredArray:
    """Read one array of an archive, or its first rows."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        return _unusable((), np.dtype("V"), "it holds a table of mixed types")
    header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = header(file)
    if dtype.hasobject:
        return _unusable(
            shape,
            dtype,
            "it holds Python objects, which are never unpickled; save text with .astype(str), and "
            "numbers with .astype(float)",
        )
    if dtype.kind not in "biufUS":
        return _unusable(
            shape, dtype, f"it holds values of type {dtype}; save real numbers or text"
        )
    rows = shape[0] if shape else 1
    bytes_of_row = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
    if rows * bytes_of_row > MOST_BYTES:
        if fortran:
            return _unusable(shape, dtype, "it is too large to be looked at column by column")
        rows = max(1, FIRST_BYTES // bytes_of_row)
    values = np.frombuffer(_read(file, rows * bytes_of_row), dtype=dtype)
    kept = (rows, *shape[1:]) if shape else ()
    return StoredArray(shape, dtype, values.reshape(kept, order="F" if fortran else "C"))


def _read(file: IO[bytes], count: int) -> bytes:
    """Read so many bytes, or raise EOFError."""
    read = file.read(count)
    if len(read) < count:
        raise EOFError(f"an array ends after {len(read)} of {count} bytes")
    return read


def _unusable(shape: tuple[int, ...], dtype: np.dtype, why_not: str) -> StoredArray:
    return StoredArray(shape, dtype, np.zeros(0), why_not)
