"""Index of a store: what readers found in run folders, kept for the next one.

In: lines that readers found in run folders. Out: the same lines, so that the next
reader need not open the folders again. It never decides what is stored: the run folders
are the truth.

A pack is one file of lines `key, tag, status, result`. It is written privately, renamed
once to the hash of its content, and never changes. A line counts only while the folder
of its key exists and has the tag that it had when it was read. The tag is the time when
the folder was last changed, to the nanosecond. So a folder that is gone is gone from
every answer, and a folder that was made again is read again. No locks are needed: at
worst readers on several machines write a line twice. A damaged pack, or the whole index
folder, can be deleted.
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
"""More packs than this are merged into one."""
SUFFIX = ".v1.tsv"
"""File name suffix of a pack, with the version of its format."""


class Line(NamedTuple):
    """What one run folder held when it was read."""

    key: str
    tag: str
    """When the folder was last changed, in nanoseconds.

    It serves to tell one version of the folder from another, not as a time.
    """
    status: str
    result: bytes
    """Content of its result.json."""


def read_tags(folder: Path, wanted: Callable[[str], bool] = lambda key: True) -> dict[str, str]:
    """List the tags of the wanted folders of a family, by key.

    Parameters
    ----------
    folder
        Folder of the family, which has 256 subfolders of run folders.
    wanted
        Which keys to include; all by default.
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
    """The packs of a store; a failure to read or write them is never an error.

    Parameters
    ----------
    root
        Root folder of the store.
    """

    def __init__(self, root: Path) -> None:
        self.folder, self.private = root / "index", root / "private"

    def packs(self) -> list[Path]:
        """List the files of the index, sorted by name; each packs the results of many runs."""
        return sorted(
            Path(entry.path) for entry in _entries(self.folder) if entry.name.endswith(SUFFIX)
        )

    def lines(self, packs: Iterable[Path]) -> Iterator[Line]:
        """Yield the lines of packs.

        A pack whose content does not match its name is deleted and left out.
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
        """Write one more pack, if possible.

        Nothing is written where the disk is full or the store belongs to somebody else.
        """
        with contextlib.suppress(OSError):
            self._write(lines)

    def compact(self, tags: Callable[[], dict[str, str]]) -> None:
        """Merge the packs into one when there are many.

        It holds each line that still counts once.

        Parameters
        ----------
        tags
            Reads the tags of all run folders; called only when there are many packs.
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
                    if b"\n" in line.result:  # no writer of ours breaks a line
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
