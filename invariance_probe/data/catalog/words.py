"""The catalogue in words: a table of all entries, and all that is known of one."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from invariance_probe.data.catalog.entry import Entry
from invariance_probe.data.catalog.folders import folder_of, is_as_catalogued, search_path
from invariance_probe.study.counting import counted
from invariance_probe.study.recordings import NpzRecording
from invariance_probe.study.signals import AnySignals

WIDTH = 96
"""Longest line of text, in characters; addresses and hashes are not broken."""


def size_text(size: int) -> str:
    """Write a number of bytes for a reader.

    Examples
    --------
    >>> size_text(612), size_text(4620), size_text(48_338_048)
    ('612 bytes', '4.6 kB', '48.3 MB')
    """
    if size < 1000:
        return counted(size, "byte")
    return f"{size / 1e3:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"


def table_lines(entries: Mapping[str, Entry]) -> list[str]:
    """One line per entry: name, what it is, subjects, size, and whether it is here."""
    rows = [("name", "what", "subjects", "size", "")]
    rows += [
        (name, entry.what, entry.subjects, size_text(entry.size), _state(entry))
        for name, entry in entries.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = 3
    return [
        "  ".join(
            cell.rjust(width) if i == right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def info_lines(name: str, entry: Entry) -> list[str]:
    """All that is known of an entry, in sentences.

    Parameters
    ----------
    name
        Name of the entry.
    entry
        The entry. Its files are read if they are on this machine, to check their hashes.
    """
    said = [
        f"{name}: {entry.what}, {entry.subjects}",
        *_paragraph("", entry.about),
        *_paragraph("Good for: ", entry.good_for),
        *_paragraph("Cite: ", entry.citation),
        *_paragraph("Licence: ", entry.licence),
        *_paragraph("Source: ", entry.source),
        f"  {counted(len(entry.files), 'file')}, {size_text(entry.size)}:",
        *_file_lines(entry),
        *_paragraph("Checksums: ", entry.checked),
    ]
    if entry.made:
        said += _paragraph("No public address: ", entry.made)
    return [*said, *_place_lines(name, entry), *_study_lines(name, entry)]


def _state(entry: Entry) -> str:
    """Say whether an entry is here, can be fetched, or has to be made."""
    if folder_of(entry) is not None:
        return "here"
    return "to fetch" if entry.is_public else "by hand"


def _paragraph(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        label + text,
        WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _file_lines(entry: Entry) -> Iterator[str]:
    """Yield each file with its size, hash and address."""
    for file in entry.files:
        yield f"    {file.path}: {file.size:,} bytes, SHA-256 {file.sha256}"
        if file.url is not None:
            yield f"      {file.url}"


def _place_lines(name: str, entry: Entry) -> list[str]:
    """Say where the files are on this machine, and whether they are those catalogued."""
    folder = folder_of(entry)
    if folder is not None:
        other = [file.path for file in entry.files if not is_as_catalogued(file, folder)]
        whole = "with the hashes above" if not other else f"but other files: {', '.join(other)}"
        return _paragraph("On this machine: ", f"in {folder}, {whole}.")
    looked = ", ".join(map(str, search_path()))
    todo = (
        f"`invariance-probe data fetch {name}` downloads it"
        if entry.is_public
        else "put the files into one of these folders, under the paths above"
    )
    return _paragraph("On this machine: ", f"not in any of the folders {looked}; {todo}.")


def _study_lines(name: str, entry: Entry) -> list[str]:
    """Give the smallest lines of a study that use an entry, and what they stand for."""
    note = _paragraph("Note: ", entry.use) if entry.use else []
    if entry.recording is None:
        return note
    lines = ["  In a study:", "    recordings:", f"      - {{kind: catalog, name: {name}}}"]
    if entry.target is not None:
        target = {"name": entry.target.name, "kind": entry.target.kind}
        lines.append(f"    target: {_flow(target)}")
    short = _flow(_as_declared(entry.recording, folder_of(entry)))
    lines += ["  The recording is short for the following, whose fields can be changed:"]
    return [*lines, f"      - {short}", *note]


def _as_declared(recording: NpzRecording | AnySignals, folder: Path | None) -> dict[str, object]:
    """Fields of a declaration that differ from their defaults, with the whole path."""
    path = recording.path if folder is None else str(folder / recording.path)
    given = recording.model_dump(mode="json", exclude_defaults=True)
    return {"kind": recording.kind, **given, "path": path}


def _flow(value: object) -> str:
    """Write plain data as YAML on one line.

    Examples
    --------
    >>> _flow({"kind": "npz", "epochs": ["before_", "after_"], "path": "a: b"})
    '{kind: npz, epochs: [before_, after_], path: "a: b"}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z_/][\w./+-]*", value)
    return str(value) if plain else json.dumps(value)
