"""Catalogue of public recordings: short names for files that others can get.

In: the name of an entry. Out: what is known of it, and where its files are on this
machine. A study names an entry by `{kind: catalog, name: NAME}`. Nothing is downloaded
here; `fetching` does so on request.
"""

from difflib import get_close_matches
from pathlib import Path

from invariance_probe.data.catalog.entry import Entry
from invariance_probe.data.catalog.folders import VARIABLE, folder_of, search_path
from invariance_probe.data.catalog.people import PEOPLE
from invariance_probe.data.catalog.reaching import REACHING
from invariance_probe.data.catalog.samples import SAMPLES
from invariance_probe.data.catalog.sleep import SLEEP
from invariance_probe.errors import DataError
from invariance_probe.study.recordings import CatalogRecording, NpzRecording
from invariance_probe.study.signals import AnySignals

CATALOG: dict[str, Entry] = {**REACHING, **SLEEP, **PEOPLE, **SAMPLES}
"""Each entry, by its name."""


def entry_named(name: str) -> Entry:
    """Look up an entry.

    Raises
    ------
    DataError
        When the catalogue has no such name.
    """
    if name not in CATALOG:
        close = get_close_matches(name, CATALOG, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(CATALOG)}"
        raise DataError(
            f"the catalogue has no recording {name!r}; {hint} `invariance-probe data list` shows "
            "all of them"
        )
    return CATALOG[name]


def resolve(source: CatalogRecording) -> tuple[NpzRecording | AnySignals, Path]:
    """Find the file of a catalogue entry.

    Parameters
    ----------
    source
        Names the entry. If it gives a `session` or `group`, these replace the values in
        the catalogue.

    Returns
    -------
    recording
        The catalogue's declaration of the session.
    folder
        The folder that the path of the declaration starts from.

    Raises
    ------
    DataError
        For an unknown name, for an entry that a study cannot use by its name, or when a
        file is missing.
    """
    entry = entry_named(source.name)
    if entry.recording is None:
        raise DataError(f"a study cannot use {source.name!r} by its name. {entry.use}")
    changed = {"session": source.session, "group": source.group}
    recording = entry.recording.model_copy(
        update={key: value for key, value in changed.items() if value is not None}
    )
    folder = folder_of(entry)
    if folder is None:
        raise DataError(_missing(source.name, entry))
    return recording, folder


def _missing(name: str, entry: Entry) -> str:
    """Say that an entry is not on this machine, where it was searched, and what to do."""
    files = ", ".join(file.path for file in entry.files)
    looked = ", ".join(map(str, search_path()))
    todo = (
        f"run `invariance-probe data fetch {name}`"
        if entry.is_public
        else f"it cannot be downloaded; `invariance-probe data info {name}` says how it was made"
    )
    return (
        f"the recording {name!r} is not on this machine: none of the folders {looked} contains "
        f"{files}; {todo}, or set the environment variable {VARIABLE} to the folder of the data"
    )
