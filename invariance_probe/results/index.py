"""Index of a run store, with which many results are read quickly.

In: what was read from run folders, one line per folder. Out: the same lines, so that the
next reader need not open the folders again. The index never decides what is stored: only
the run folders do.

A pack is one file of lines `key, tag, status, result`. It is written in a private folder,
renamed once to the hash of its content, and never changes. The tag of a run folder is the
time of its last change, in nanoseconds. A line counts only while its folder exists and
still has the same tag. So a deleted folder drops out of every answer, and a folder that
was written anew is read anew. No locks are needed: at worst, readers on several machines
write the same line twice. A damaged pack, or the whole index folder, can be deleted.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from invariance_probe.results import faults
from invariance_probe.results.private import private_name

MANY = 16
"""Number of packs above which all of them are merged into one."""
SUFFIX = ".v1.tsv"
"""File name suffix of a pack, with the version of its format."""


class Line(NamedTuple):
    """What one run folder held when it was read."""

    key: str
    tag: str
    """Time of the folder's last change, in nanoseconds.

    It is used only to tell one version of the folder from another.
    """
    status: str
    result: bytes
    """Content of its result.json."""


def read_tags(folder: Path, wanted: Callable[[str], bool] = lambda key: True) -> dict[str, str]:
    """Read the tags of run folders, by key.

    Parameters
    ----------
    folder
        Folder of all results or of all encoders, with 256 subfolders of run folders.
    wanted
        Whether to include a key; all keys are included if omitted.
    """
    tags = {}
    for part in _entries(folder):
        for entry in _entries(Path(part.path)):
            if wanted(entry.name):
                with contextlib.suppress(OSError):  # deleted meanwhile
                    tags[entry.name] = str(entry.stat().st_mtime_ns)
    return tags


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


class Index:
    """The packs of a store's index.

    A failure to read or write a pack is never an error.

    Parameters
    ----------
    root
        Root folder of the store.
    """

    def __init__(self, root: Path) -> None:
        self.folder, self.private = root / "index", root / "private"

    def packs(self) -> list[Path]:
        """List the files of all packs, sorted by name."""
        return sorted(
            Path(entry.path) for entry in _entries(self.folder) if entry.name.endswith(SUFFIX)
        )

    def lines(self, packs: Iterable[Path]) -> Iterator[Line]:
        """Yield the lines of packs.

        A pack whose content does not match its name, a hash, is deleted and skipped.
        """
        for pack in packs:
            with contextlib.suppress(OSError), pack.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != pack.name.removesuffix(
                    SUFFIX
                ):
                    pack.unlink(missing_ok=True)
                    continue
                file.seek(0)
                for text in file:
                    key, tag, status, result = text.rstrip(b"\n").split(b"\t", 3)
                    yield Line(key.decode(), tag.decode(), status.decode(), result)

    def add(self, lines: Iterable[Line]) -> None:
        """Write lines as a new pack, if possible.

        Nothing is written if the disk is full or the store is read-only for this user.
        """
        with contextlib.suppress(OSError):
            self._write(lines)

    def compact(self, tags: Callable[[], dict[str, str]]) -> None:
        """Merge all packs into one if there are more than `MANY`.

        The merged pack holds every line that still counts, once.

        Parameters
        ----------
        tags
            Function that reads the tags of all run folders, by key. It is called only if
            packs are merged, because it takes time.
        """
        packs = self.packs()
        if len(packs) <= MANY:
            return
        left = tags()  # the tag of a key is popped with its first line, so it counts once
        counted = (
            line
            for line in self.lines(packs)
            if left.get(line.key) == line.tag and left.pop(line.key)
        )
        with contextlib.suppress(OSError):
            made = self._write(counted)
            for pack in packs:
                if pack != made:
                    faults.at("index.remove")
                    pack.unlink(missing_ok=True)

    def _write(self, lines: Iterable[Line]) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.private.mkdir(exist_ok=True)
        private = self.private / private_name()
        digest = hashlib.sha256()
        try:
            faults.at("index.write")
            with private.open("wb") as file:
                for line in lines:
                    if b"\n" in line.result:  # not written by this toolkit; breaks the format
                        continue
                    text = (
                        b"\t".join(
                            (
                                line.key.encode(),
                                line.tag.encode(),
                                line.status.encode(),
                                line.result,
                            )
                        )
                        + b"\n"
                    )
                    digest.update(text)
                    file.write(text)
            faults.at("index.rename")
            return private.rename(self.folder / f"{digest.hexdigest()}{SUFFIX}")
        except OSError:
            private.unlink(missing_ok=True)
            raise
