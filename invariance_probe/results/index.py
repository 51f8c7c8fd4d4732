"""The index of a store: what readers found in its run folders, kept so that the next reader need not open them again.

The run folders are the truth. A pack is one file of lines, `key, tag, status, result`,
written privately and renamed once to the hash
of its content; it never changes. A line counts only while the folder of its key is there and bears the tag that it had when it was
read (when it was last changed, to the nanosecond): a folder that is gone is gone from every answer,
and one that was made again is read
again. So there are no locks, readers on several machines at worst write a line twice,
and a damaged pack, or the whole folder, can be deleted.
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
"""More packs than this are made one."""
SUFFIX = ".v1.tsv"


class Line(NamedTuple):
    """What one run folder held."""

    key: str
    tag: str
    """When the folder was last changed, in nanoseconds, as a name of this incarnation of it and not as a time."""
    status: str
    result: bytes
    """Its result.json."""


def read_tags(folder: Path, wanted: Callable[[str], bool] = lambda key: True) -> dict[str, str]:
    """List the result folders under `folder` (of 256 folders each) and return the tags of those that are wanted, by key."""
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
    """The packs of the store under `root`; nothing here ever fails because of them."""

    def __init__(self, root: Path) -> None:
        self.folder, self.private = root / "index", root / "private"

    def packs(self) -> list[Path]:
        """Return the packs, by name."""
        return sorted(
            Path(entry.path) for entry in _entries(self.folder) if entry.name.endswith(SUFFIX)
        )

    def lines(self, packs: Iterable[Path]) -> Iterator[Line]:
        """Yield the lines of packs; one whose content is not what its name says is deleted and left out."""
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
        """Write one more pack; where that is not possible (a full disk, somebody else's store) there is none."""
        with contextlib.suppress(OSError):
            self._write(lines)

    def compact(self, tags: Callable[[], dict[str, str]]) -> None:
        """Make many packs one, of the lines that count by the tags of all folders, each once."""
        packs = self.packs()
        if len(packs) <= MANY:
            return
        left = tags()
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
