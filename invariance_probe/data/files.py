"""Find the files of recordings, and notice when they change.

In: a declared source. Out: the path of its file, and a stamp (size, times and inode) by
which a change of the file is noticed. No recording is read here.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from invariance_probe.data.catalog import resolve
from invariance_probe.plan.inspections import Stamp
from invariance_probe.study.recordings import AnySource, RecordingSource
from invariance_probe.study.signals import SignalsRecording

SETTLED_NS = 2_000_000_000
"""Time since a file's last change after which its stamp is reliable (ns).

Some file systems store times with a precision of only two seconds. A file that was just
written could be written again without a change of its times.
"""


def file_of(source: RecordingSource, base: Path) -> Path | None:
    """Path of the file that a source is read from, whether or not it exists.

    Parameters
    ----------
    source
        The declared source.
    base
        Folder of the study file. Relative paths start from it.

    Returns
    -------
    path
        The absolute path; None for a recording that is simulated or was given as
        arrays.

    Raises
    ------
    DataError
        When a catalogued file is not found on this machine.
    """
    if source.kind == "simulated" or source.kind == "arrays":
        return None
    if source.kind == "catalog":
        entry, folder = resolve(source)
        return (folder / entry.path).resolve()
    return (base / source.path).resolve()


def stamp_of(path: Path, source: AnySource, base: Path) -> Stamp | None:
    """Size, times and inode of what a source is read from; None if some of it is missing.

    A folder has the total size of its files and the times of the one that changed last,
    and so have several files that are read together.

    Parameters
    ----------
    path
        The file or folder.
    source
        The source that is read from it.
    base
        Folder of the study file. Relative paths start from it.
    """
    read = [(path, isinstance(source, SignalsRecording) and source.files_beside)]
    if isinstance(source, SignalsRecording):
        read += [(base / file.path, file.files_beside) for file in source.beside.values()]
    try:
        parts = [_stats(one, with_others) for one, with_others in read]
        inode = path.stat().st_ino
    except OSError:
        return None
    return Stamp(
        size=sum(size for size, _ in parts),
        modified_ns=max(one.st_mtime_ns for _, files in parts for one in files),
        changed_ns=max(one.st_ctime_ns for _, files in parts for one in files),
        inode=inode,
    )


def _stats(path: Path, with_others: bool) -> tuple[int, list[os.stat_result]]:
    """Size of what is read from a path, and the state of each file and folder."""
    found = path.stat()
    files = path.iterdir() if path.is_dir() else _beside(path) if with_others else ()
    inside = [one.stat() for one in files if one.is_file()]
    return sum(one.st_size for one in inside) if inside else found.st_size, [found, *inside]


def _beside(path: Path) -> Iterator[Path]:
    """Files in the same folder whose names begin with the same part, such as `sub-01`."""
    first = re.split(r"[_.]", path.name)[0]
    return (one for one in path.parent.iterdir() if one.name.startswith(first))


def is_settled(stamp: Stamp) -> bool:
    """Whether a file's last change is so long ago that its stamp can be relied on."""
    return time.time_ns() - max(stamp.modified_ns, stamp.changed_ns) > SETTLED_NS


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Hash of the code that reads, simulates and checks recordings.

    A stored inspection is used again only if this hash is the same. It changes with
    every change of that code, and with the version of NumPy, whose random numbers
    simulated recordings are made of.
    """
    package = Path(__file__).parents[1]
    digest = hashlib.sha256(np.__version__.encode())
    files = [*(package / "study").rglob("*.py"), *(package / "data").rglob("*.py")]
    for path in sorted([*files, package / "randomness.py"]):
        digest.update(f"|{path.relative_to(package).as_posix()}|".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
