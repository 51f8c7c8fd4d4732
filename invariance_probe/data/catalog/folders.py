"""Where the files of the catalogue are searched and put on this machine.

Folders are searched in this order: the one that the environment variable
`INVARIANCE_PROBE_DATA` names, `shared/data` beside the checkout, the user's cache. No
network is used.
"""

import os
from pathlib import Path

import pooch

from invariance_probe.data.catalog.entry import CataloguedFile, Entry
from invariance_probe.errors import DataError

VARIABLE = "INVARIANCE_PROBE_DATA"
"""Environment variable that names the user's data folder."""


def search_path() -> list[Path]:
    """Folders where catalogued files are searched, in this order."""
    declared = os.environ.get(VARIABLE)
    beside = Path(__file__).resolve().parents[4] / "shared" / "data"
    return [*([Path(declared)] if declared else []), beside, _cache()]


def download_folder() -> Path:
    """Folder that files are downloaded to: the user's data folder, else the cache."""
    declared = os.environ.get(VARIABLE)
    return Path(declared) if declared else _cache()


def folder_of(entry: Entry) -> Path | None:
    """Find the first folder that has all files of an entry; None if no folder does."""
    return next((folder for folder in search_path() if has_all(entry, folder)), None)


def destination(name: str, entry: Entry, to: Path | None) -> Path:
    """Choose the folder that has, or shall get, the files of an entry.

    Parameters
    ----------
    name
        Name of the entry, for messages.
    entry
        The entry.
    to
        A folder that the user chose; no other is then searched.

    Returns
    -------
    folder
        The chosen folder; else the one that has the files; else the one to download to.

    Raises
    ------
    DataError
        When the files are not there, and have no public address.
    """
    found = folder_of(entry) if to is None else to if has_all(entry, to) else None
    if found is None and not entry.is_public:
        raise DataError(
            f"{name!r} cannot be downloaded, because its file has no public address. {entry.made} "
            f"Put {', '.join(file.path for file in entry.files)} into one of the folders "
            f"{', '.join(map(str, search_path()))}"
        )
    return found or to or download_folder()


def has_all(entry: Entry, folder: Path) -> bool:
    """Whether a folder has all files of an entry, whatever they hold."""
    return all((folder / file.path).is_file() for file in entry.files)


def is_as_catalogued(file: CataloguedFile, folder: Path) -> bool:
    """Whether the file in a folder has the size and the hash of the catalogue."""
    path = folder / file.path
    return path.stat().st_size == file.size and pooch.file_hash(str(path)) == file.sha256


def _cache() -> Path:
    return Path(pooch.os_cache("invariance-probe"))
