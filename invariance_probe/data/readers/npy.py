"""Single arrays in the folders that spike sorters and imaging tools write.

In: a folder, and the names of its `.npy` files. Out: arrays of numbers that stay on the
disk until they are used. Nothing is ever unpickled.
"""

import tokenize
from pathlib import Path

import numpy as np

from invariance_probe.data.readers.formats import described
from invariance_probe.errors import DataError

MAGIC = b"\x93NUMPY"
"""First bytes of an array."""


def check_folder(path: Path, named: str, kind: str) -> None:
    """Raise DataError unless a path is a folder that holds a named array.

    The message names folders below it that hold the array.

    Parameters
    ----------
    path
        The declared path.
    named
        Name of a file that every such folder has.
    kind
        What such a folder is called in messages.
    """
    if path.is_file():
        inside = (path.parent / named).is_file()
        advice = f"use the folder {path.parent}" if inside else described(path)
        raise DataError(
            f"{path} is a file; a {kind} recording is a folder that holds {named}: {advice}"
        )
    if not path.is_dir():
        raise DataError(f"no such folder: {path}; a {kind} recording is a folder with {named}")
    if not (path / named).is_file():
        below = sorted([*path.glob(f"*/{named}"), *path.glob(f"*/*/{named}")])
        advice = (
            f"; use {' or '.join(str(found.parent) for found in below[:5])}"
            if below
            else f", so it is no {kind} folder; use the folder that holds it"
        )
        raise DataError(f"{path} holds no {named}{advice}")


def mapped(path: Path) -> np.ndarray:
    """Open an array of real numbers, which stays on the disk until it is used.

    Raises DataError if the file is missing, damaged, or holds anything else.
    """
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    try:
        values = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError, tokenize.TokenError) as error:
        with path.open("rb") as file:
            array = file.read(len(MAGIC)) == MAGIC
        if array and "Python objects" in str(error):
            why = "it holds Python objects, which are never unpickled; save numbers"
        elif array:
            why = f"it is damaged or incomplete ({error}); copy or save it again"
        else:
            why = described(path)
        raise DataError(f"{path} is not a readable array of numbers (.npy): {why}") from error
    if values.dtype.kind not in "biuf":
        raise DataError(f"{path} holds {values.dtype}; it must hold real numbers")
    return np.asarray(values)
