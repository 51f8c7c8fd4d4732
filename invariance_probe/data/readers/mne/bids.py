"""Tables of a BIDS dataset that belong to a recording: channels, events, participants.

In: the path of a recording. Out: the contents of `*_channels.tsv`, `*_events.tsv`,
`*_electrodes.tsv`, `participants.tsv` and of the recording's `.json`. A table belongs to
a recording if all parts of its name, such as `task-rest`, are in the recording's name;
of several, the one with the most parts is taken (the principle of inheritance).

References
----------
Gorgolewski et al. 2016, The brain imaging data structure, Scientific Data 3:160044.
Pernet et al. 2019, EEG-BIDS, Scientific Data 6:103.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from invariance_probe.data.checked import intervals, some
from invariance_probe.data.contents import Table
from invariance_probe.errors import DataError

SUFFIXES = ("eeg", "ieeg", "meg", "emg")
"""Last parts of the names of recordings."""
MOST_FOLDERS = 5
"""Folders above a recording in which its dataset is looked for."""
NO_VALUE = ("", "n/a", "nan")
"""What stands for a missing value, in lower case."""
IN_METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
"""Metres in each unit of coordinates."""
Rows = Mapping[str, tuple[str, ...]]
"""Columns of a table as text, by name."""


@dataclass(frozen=True)
class Bids:
    """What a BIDS dataset says of one recording.

    Attributes
    ----------
    path
        The recording.
    """

    path: Path

    @cached_property
    def parts(self) -> Mapping[str, str]:
        """Parts of the recording's name, such as `task: rest`."""
        return _parts(self.path.name)

    @property
    def is_named(self) -> bool:
        """Whether the recording has a name by BIDS."""
        return bool(self.parts) and _suffix(self.path.name) in SUFFIXES

    @property
    def subject(self) -> str:
        """Label of the subject, such as `sub-01`; empty if the name has none."""
        return f"sub-{self.parts['sub']}" if "sub" in self.parts else ""

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """The recording's folder and those above, up to that of the dataset."""
        above = [self.path.parent, *self.path.resolve().parent.parents][: 1 + MOST_FOLDERS]
        roots = [i for i, one in enumerate(above) if (one / "dataset_description.json").is_file()]
        return tuple(above[: roots[0] + 1] if roots else above[:1])

    def has(self, name: str) -> bool:
        """Whether a table belongs to the recording."""
        return self._file(f"{name}.tsv") is not None

    def table(self, name: str) -> Rows | None:
        """Columns of the table that belongs to the recording, such as `events`."""
        found = self._file(f"{name}.tsv")
        return None if found is None else _columns(found)

    @cached_property
    def participant(self) -> Mapping[str, str]:
        """What `participants.tsv` says of the subject."""
        file = self.folders[-1] / "participants.tsv"
        if not self.subject or not file.is_file():
            return {}
        columns = _columns(file)
        listed = columns.get("participant_id", ())
        if self.subject not in listed:
            return {}
        row = listed.index(self.subject)
        return {
            name: values[row]
            for name, values in columns.items()
            if name != "participant_id" and values[row].lower() not in NO_VALUE
        }

    @cached_property
    def duration_s(self) -> float | None:
        """Duration of the recording by its `.json`; None if it does not say."""
        file = self._file(f"{_suffix(self.path.name)}.json")
        value = None if file is None else _json(file).get("RecordingDuration")
        return float(value) if isinstance(value, int | float) else None

    @cached_property
    def positions(self) -> Mapping[str, tuple[float, float, float]]:
        """Places of electrodes in metres, by name."""
        columns = self.table("electrodes")
        system = self._file("coordsystem.json")
        if columns is None or system is None or not {"name", "x", "y", "z"} <= columns.keys():
            return {}
        units = [str(v) for k, v in _json(system).items() if k.endswith("CoordinateUnits")]
        scale = IN_METRES.get(units[0]) if units else None
        if scale is None:
            return {}
        found = {}
        for name, *place in zip(*(columns[key] for key in ("name", "x", "y", "z")), strict=True):
            x, y, z = (scale * _number(text) for text in place)
            if np.isfinite([x, y, z]).all():
                found[name] = (x, y, z)
        return found

    def _file(self, ending: str) -> Path | None:
        """The most specific file of an ending that belongs to the recording."""
        found = [
            (len(_parts(file.name)), -above, file)
            for above, folder in enumerate(self.folders)
            for file in sorted(folder.glob(f"*{ending}"))
            if file.name in (ending, f"{'_'.join(_listed(file.name))}_{ending}")
            and _parts(file.name).items() <= self.parts.items()
        ]
        return max(found, key=lambda one: one[:2])[2] if found else None


def events_table(columns: Rows, notes: list[str]) -> Table:
    """Make a table of intervals of the columns of `events.tsv`.

    Parameters
    ----------
    columns
        Columns as text. `sample` is not used for times: by the specification it counts
        from 0, in some datasets from 1.
    notes
        Gets a sentence for everything that is missing.

    Raises
    ------
    DataError
        When there is no column `onset`, or it holds text.
    """
    if "onset" not in columns:
        raise DataError(f"events.tsv has no column 'onset'; it has {some(map(repr, columns))}")
    onset = np.array([_number(text) for text in columns["onset"]], dtype=np.float64)
    wrong = [
        text
        for text, value in zip(columns["onset"], onset, strict=True)
        if np.isnan(value) and text.lower() not in NO_VALUE
    ]
    if wrong:
        raise DataError(f"events.tsv has the onset {wrong[0]!r}, which is no number")
    lasts = np.array([_number(text) for text in columns.get("duration", ())], dtype=np.float64)
    lasts = lasts if len(lasts) else np.full(len(onset), np.nan)
    others = {name: _typed(v) for name, v in columns.items() if name not in ("onset", "duration")}
    types = others.get("trial_type")
    if types is not None and "value" in columns and not _given(columns["trial_type"]):
        others["trial_type"] = np.array(
            ["" if one.lower() in NO_VALUE else one for one in columns["value"]], dtype=np.str_
        )
        notes.append("'trial_type' of 'events' is n/a in all rows: 'value' is taken in its place")
    return intervals(onset, onset + lasts, others, notes, "'events'")


def _typed(values: tuple[str, ...]) -> np.ndarray:
    """A column of numbers if all that is given are numbers, else of text."""
    numbers = np.array([_number(text) for text in values], dtype=np.float64)
    given = np.array([text.lower() not in NO_VALUE for text in values], dtype=bool)
    if given.any() and np.isfinite(numbers[given]).all():
        return numbers
    texts = [text if one else "" for text, one in zip(values, given, strict=True)]
    return np.array(texts, dtype=np.str_)


def _given(values: tuple[str, ...]) -> bool:
    return any(text.lower() not in NO_VALUE for text in values)


def _number(text: str) -> float:
    """Number in a cell; NaN where there is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _listed(name: str) -> list[str]:
    """Parts of a name that have a key, such as `task-rest`."""
    return [part for part in name.split(".")[0].split("_") if "-" in part]


def _parts(name: str) -> dict[str, str]:
    found: Iterator[tuple[str, str, str]] = (part.partition("-") for part in _listed(name))
    return {key: value for key, _, value in found}


def _suffix(name: str) -> str:
    """Last part of a name, such as `eeg`."""
    return name.split(".")[0].rsplit("_", 1)[-1]


def _columns(file: Path) -> Rows:
    """Columns of a table as text; the mark at the start of a UTF-8 file is no text."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = [row for row in csv.reader(lines, delimiter="\t") if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as a table: {error}") from error
    if not rows:
        raise DataError(f"{file} is empty; its first line must name the columns")
    header = [name.strip() for name in rows[0]]
    if wrong := [i for i, row in enumerate(rows[1:], 2) if len(row) != len(header)]:
        raise DataError(
            f"{file} has {len(header)} columns, but {len(rows[wrong[0] - 1])} cells in line "
            f"{wrong[0]}"
        )
    return {name: tuple(row[i].strip() for row in rows[1:]) for i, name in enumerate(header)}


def _json(file: Path) -> dict[str, object]:
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}
