"""Files of recordings: where they lie, and how a change of them is noticed.

In: a declared source. Out: its file and the state of that file. No file is read here.
"""

import hashlib
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from invariance_probe.data.catalog import resolve
from invariance_probe.plan.inspections import Stamp
from invariance_probe.study.recordings import RecordingSource

SETTLED_NS = 2_000_000_000
"""Age in nanoseconds from which the times of a file can be relied on.

Some file systems keep times to two seconds only. A file that was written more recently
could be written again without a change of its times.
"""


def file_of(source: RecordingSource, base: Path) -> Path | None:
    """File that a source is read from, whether or not it exists.

    Parameters
    ----------
    source
        The declared source.
    base
        Folder of the study file. Relative paths start from it.

    Returns
    -------
    The resolved path; None for a recording that is simulated, or was given as arrays.

    Raises
    ------
    DataError
        When a catalogued file is nowhere on this machine.
    """
    if source.kind == "simulated" or source.kind == "arrays":
        return None
    if source.kind == "catalog":
        entry, folder = resolve(source)
        return (folder / entry.path).resolve()
    return (base / source.path).resolve()


def stamp_of(path: Path) -> Stamp | None:
    """State of a file by which it is recognised; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Stamp(
        size=found.st_size,
        modified_ns=found.st_mtime_ns,
        changed_ns=found.st_ctime_ns,
        inode=found.st_ino,
    )


def is_settled(stamp: Stamp) -> bool:
    """Whether a file was left alone for so long that its times can be relied on."""
    return time.time_ns() - max(stamp.modified_ns, stamp.changed_ns) > SETTLED_NS


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Hash of the code that inspects recordings: declarations, data, random numbers.

    It changes with every change of that code, and with the version of NumPy, which draws
    simulated recordings.
    """
    package = Path(__file__).parents[1]
    digest = hashlib.sha256(np.__version__.encode())
    files = [*(package / "study").rglob("*.py"), *(package / "data").rglob("*.py")]
    for path in sorted([*files, package / "randomness.py"]):
        digest.update(f"|{path.relative_to(package).as_posix()}|".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
