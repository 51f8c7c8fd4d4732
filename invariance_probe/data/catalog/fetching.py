"""Download the files of a catalogue entry, and check them.

In: an entry and a folder. Out: its files in the folder, each with the hash of the
catalogue. While a file is downloaded, it has the ending `.part`. Such a file is kept if
the connection breaks, and the next call goes on at its end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path

import pooch
from requests import ConnectionError as NoConnectionError
from requests import HTTPError, RequestException, Response
from requests.exceptions import ChunkedEncodingError

from invariance_probe.data.catalog.entry import CataloguedFile, Entry
from invariance_probe.data.catalog.folders import is_as_catalogued
from invariance_probe.data.catalog.words import size_text
from invariance_probe.errors import DataError

CHUNK_BYTES = 2**16
"""Bytes that are written at a time."""
OnBytes = Callable[[CataloguedFile, int], None]
"""Is told a file, and how many of its bytes are there."""


def fetch(name: str, entry: Entry, folder: Path, on_bytes: OnBytes) -> tuple[CataloguedFile, ...]:
    """Download what a folder lacks of an entry.

    Parameters
    ----------
    name
        Name of the entry, for messages.
    entry
        The entry, which must be public.
    folder
        The data folder, which is made if necessary.
    on_bytes
        Called again and again while a file is downloaded.

    Returns
    -------
    downloaded
        The files that were downloaded; files that the folder had are not among them.

    Raises
    ------
    DataError
        When another file has the place of one, when an address does not answer or serves
        another file, or when the folder cannot be written.
    """
    lacking = missing_files(name, entry, folder)
    pooch.get_logger().setLevel("WARNING")
    for file in lacking:
        _download(name, file, folder, on_bytes)
    return lacking


def missing_files(name: str, entry: Entry, folder: Path) -> tuple[CataloguedFile, ...]:
    """List the files of an entry that a folder lacks.

    Raises
    ------
    DataError
        When the folder has another file in the place of one.
    """
    there = [file for file in entry.files if (folder / file.path).is_file()]
    for file in there:
        if not is_as_catalogued(file, folder):
            raise DataError(
                f"{folder / file.path} is another file than that of {name!r}, which has "
                f"{size_text(file.size)} and SHA-256 {file.sha256}; it was left as it is. Move it "
                "away, or fetch to another folder with --to"
            )
    return tuple(file for file in entry.files if file not in there)


def _download(name: str, file: CataloguedFile, folder: Path, on_bytes: OnBytes) -> None:
    """Download one file, or the rest of it."""
    path = folder / file.path
    part = path.with_name(f"{path.name}.part")
    by_hand = (
        f"To place the file by hand, get it where there is a network, and save it as {path} "
        f"({size_text(file.size)}, SHA-256 {file.sha256}). `invariance-probe data info {name}` "
        "then says whether it is the right one"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(
            file.url,
            known_hash=f"sha256:{file.sha256}",
            fname=path.name,
            path=path.parent,
            downloader=_Resumed(file, part, on_bytes),
        )
    except RequestException as error:
        kept = part.stat().st_size
        if not kept:
            part.unlink()
        resume = f" {size_text(kept)} are kept, and the same command goes on there." if kept else ""
        raise DataError(
            f"{name!r} was not fetched: {_reason(error)}: {file.url}.{resume} {by_hand}"
        ) from None
    except OSError as error:
        raise DataError(
            f"{error.filename or path} cannot be written: {error.strerror}; choose another folder "
            "with --to"
        ) from None
    except ValueError:
        raise DataError(
            f"{name!r} was not fetched: {file.url} serves another file than that of the "
            f"catalogue, so nothing was kept. {by_hand}"
        ) from None


def _reason(error: RequestException) -> str:
    """Say in a few words why a download failed."""
    if isinstance(error, HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} ({error.response.reason})"
    if isinstance(error, NoConnectionError):
        return f"there is no connection to the server ({type(error).__name__})"
    return f"the download broke off ({type(error).__name__})"


@dataclass(frozen=True)
class _Resumed:
    """Downloader for pooch that goes on at the end of a `.part` file."""

    file: CataloguedFile
    part: Path
    on_bytes: OnBytes

    def __call__(
        self, url: str, output_file: str, _: pooch.Pooch | None, check_only: bool = False
    ) -> None:
        """Download the missing end of the file, and move the whole to its place."""
        assert not check_only, "whether a file exists is not asked"
        if self.part.is_file() and self.part.stat().st_size > self.file.size:
            self.part.unlink()
        with self.part.open("ab") as opened:
            if opened.tell() < self.file.size:
                self._append(url, _Growing(opened, self.file, self.on_bytes))
        self.part.replace(output_file)

    def _append(self, url: str, growing: "_Growing") -> None:
        begin = growing.file.tell()
        headers = {"Accept-Encoding": "identity"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        download = pooch.HTTPDownloader(
            chunk_size=CHUNK_BYTES, headers=headers, hooks={"response": growing.restart_if_whole}
        )
        download(url, growing, None)
        if growing.file.tell() < self.file.size:
            raise ChunkedEncodingError("the server closed the connection")


@dataclass(frozen=True)
class _Growing:
    """A file that is being downloaded; it reports how long it is."""

    file: BufferedWriter
    catalogued: CataloguedFile
    on_bytes: OnBytes

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        self.file.write(chunk)
        self.on_bytes(self.catalogued, self.file.tell())

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self.file.flush()

    def restart_if_whole(self, response: Response, **_: object) -> None:
        """Empty the file if the server sends all of it, and not the end that was asked."""
        if response.status_code == 200:
            self.file.truncate(0)
            self.file.seek(0)
