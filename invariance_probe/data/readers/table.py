"""Read samples, spikes and intervals from tables: csv, tsv and parquet.

In: a file or a folder of files, and the columns that the declaration names. Out:
`Contents`. All rows of tables of intervals are kept. Text is never taken for a number.
"""

import csv
import gzip
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from invariance_probe.data.checked import (
    Parts,
    grouped,
    in_seconds,
    intervals,
    samples,
    some,
    trains,
)
from invariance_probe.data.contents import Contents, Table
from invariance_probe.data.events import trials_around
from invariance_probe.data.readers.formats import described
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted
from invariance_probe.study.formats import (
    EventTrials,
    IntervalColumns,
    SampleColumns,
    SpikeColumns,
)
from invariance_probe.study.signals import TableRecording

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
"""Character between the columns of a file, by the ending of its name."""
PARQUET = (".parquet", ".pq")
"""Endings of names of parquet files."""
UTF_8 = "utf-8-sig"
"""The usual encoding of text, with or without a mark at the start."""
FIRST_PART = 1 << 20
"""Bytes of a file by which its encoding is recognised."""
NO_NUMBER = ("", "nan", "n/a", "na", "null", "<na>")
"""What stands for a missing number, in lower case."""
NO_LABEL = ("", "nan", "NaN", "n/a", "N/A", "<NA>")
"""What stands for a missing label; NA, None and null may be labels."""


def read_table(path: Path, declared: TableRecording) -> Contents:
    """Read the declared columns of a table, or of the tables in a folder.

    Parameters
    ----------
    path
        The file or the folder.
    declared
        Names columns. If it names none, the notes list all columns.

    Returns
    -------
    contents
        The declared signals.

    Raises
    ------
    DataError
        When a file cannot be read, or a signal that the study needs cannot be used.
    """
    return _Reading(path, declared).contents()


def whole_table(path: Path) -> pd.DataFrame:
    """Read all columns of a file, before a study names any.

    Raises
    ------
    DataError
        When the file is no readable table.
    """
    declared = TableRecording(path=str(path), session="session", bin_s=1.0)
    return _Reading(path, declared).frame(path)


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The columns of one file."""

    path: Path
    frame: pd.DataFrame

    def column(self, name: str) -> pd.Series:
        """Look up a column."""
        if name not in self.frame:
            has = ", ".join(map(repr, self.frame.columns))
            raise DataError(f"{self.path.name} has no column {name!r}; it has {has}")
        return self.frame[name]

    def numbers(self, name: str) -> np.ndarray:
        """A column of numbers (row,); NaN where one is missing."""
        values = numbers_of(self.column(name))
        if values is None:
            kind = self.column(name).dtype
            odd = first_text(self.column(name))
            got = f"text such as {odd!r}" if odd is not None else f"{kind}"
            raise DataError(
                f"column {name!r} of {self.path.name} must hold numbers, but holds {got}"
            )
        return values


class _Reading:
    """A table or folder of tables while its data are collected into `Contents`."""

    def __init__(self, path: Path, declared: TableRecording) -> None:
        self.path = path
        self.declared = declared
        self.parts = Parts(declared, str(path))
        self.used: dict[Path, set[str]] = {}
        self.known: dict[Path, list[str]] = {}

    def contents(self) -> Contents:
        """Read tables, series and spike trains."""
        declared, parts = self.declared, self.parts
        if not (declared.tables or declared.series or declared.spikes):
            self._list_all()
            return parts.contents()
        for name, table in declared.tables.items():
            with parts.part(name):
                parts.tables[name] = self._intervals(name, table)
        for name, series in declared.series.items():
            with parts.part(name):
                self._samples(name, series)
        for name, spikes in declared.spikes.items():
            with parts.part(name):
                self._spikes(name, spikes)
        for file, columns in self.known.items():
            named = [column for column in columns if column]
            if others := [column for column in named if column not in self.used[file]]:
                parts.unread.append(f"columns of {file.name} that no signal uses: {some(others)}")
        return parts.contents()

    def _list_all(self) -> None:
        """Note the columns of each file."""
        files = [self.path]
        if self.path.is_dir():
            endings = (*SEPARATORS, *PARQUET)
            files = [at for at in sorted(self.path.iterdir()) if _ending(at) in endings]
            if not files:
                raise DataError(f"{self.path} holds no file that ends in {', '.join(endings)}")
        for file in files:
            columns = ", ".join(self._header(file))
            self.parts.unread.append(
                f"{file.name} has the columns {columns}; name those that the study uses under "
                "series, spikes and tables"
            )

    def _once(self, note: str) -> None:
        """Note something about a file that several signals share."""
        if note not in self.parts.notes:
            self.parts.notes.append(note)

    def _file(self, name: str) -> Path:
        """The file of a declared part."""
        if not self.path.is_dir():
            if name not in ("", self.path.name):
                raise DataError(f"file is {name!r}, but path is a file, not a folder")
            return self.path
        file = self.path / name
        if not name or not file.is_file():
            names = ", ".join(sorted(at.name for at in self.path.iterdir() if at.is_file()))
            raise DataError(f"the folder has no file {name!r}; name one of: {names}")
        return file

    def _header(self, file: Path) -> list[str]:
        """Names of the columns of a file, as they are in the file."""
        if _ending(file) in PARQUET:
            return [str(name) for name in _parquet(file).columns]
        self._check_text(file)
        with _text(file) as lines:
            rows = csv.reader(lines, delimiter=self._separator(file))
            header, first = next(rows, []), next(rows, None)
        if not any(header):
            raise DataError(f"{file} has an empty first line; names of columns are needed there")
        if first and header[0].startswith("#") and first[0].startswith("#"):
            raise DataError(
                f"{file} begins with lines of comments ({header[0]!r}); its first line must give "
                "the names of the columns, so delete the comments and name the columns"
            )
        if all(_is_number(name) for name in header):
            raise DataError(
                f"{file} begins with the numbers {', '.join(header[:3])}; its first line must give "
                "the names of the columns"
            )
        if first is not None and len(first) > len(header) and any(first[len(header) :]):
            raise DataError(
                f"{file} has {len(header)} names of columns, but its first row has {len(first)} "
                f"values (columns are separated by {self._separator(file)!r})"
            )
        return header

    def _check_text(self, file: Path) -> None:
        """Raise an error if a file does not contain text."""
        opener = gzip.open if file.suffix == ".gz" else open
        try:
            with opener(file, "rb") as raw:
                start = raw.read(4096)
        except (OSError, EOFError) as error:
            raise DataError(f"{file} cannot be read: {error}") from error
        if not start or b"\0" in start or start.startswith(b"PK"):
            said = "it is a zip archive or a spreadsheet (.xlsx): save the sheet as .csv"
            said = said if start.startswith(b"PK") else described(file)
            raise DataError(f"cannot read {file} as a text table (such as csv or tsv): {said}")

    def _separator(self, file: Path) -> str:
        """Character between columns: declared, that of the ending, or the header's."""
        if self.declared.separator is not None:
            return self.declared.separator
        usual = SEPARATORS.get(_ending(file), ",")
        with _text(file) as lines:
            header = next(lines, "")
        others = [one for one in (",", ";", "\t") if one in header]
        if usual in header or len(others) != 1:
            return usual
        self._once(f"columns of {file.name} are separated by {others[0]!r}, not by {usual!r}")
        return others[0]

    def frame(
        self, file: Path, used: Sequence[str] = (), as_text: Sequence[str] | None = ()
    ) -> pd.DataFrame:
        """Read some columns of a file, or all; some or all (None) of them as text."""
        if _ending(file) in PARQUET:
            return _parquet(file)
        return self._read_text(file, list(used), None if as_text is None else list(as_text))

    def _sheet(self, file: Path, used: list[str], as_text: list[str] | None) -> _Sheet:
        """Read some columns of a file.

        Parameters
        ----------
        file
            The file.
        used
            The columns to read; all if empty.
        as_text
            Columns that are read as text, so that 007 stays 007; all if None.
        """
        frame = self.frame(file, used, as_text)
        self.known.setdefault(file, self._header(file))
        self.used.setdefault(file, set()).update(used or map(str, frame.columns))
        return _Sheet(file, frame)

    def _read_text(self, file: Path, used: list[str], as_text: list[str] | None) -> pd.DataFrame:
        """Read a text file with pandas, with nothing replaced."""
        header = self._header(file)
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            self._once(
                f"{len(twice)} names of columns of {file.name} occur twice; the later ones are "
                f"called NAME.1, NAME.2: {some(twice)}"
            )
        encoding = _encoding(file)
        if encoding != UTF_8:
            self._once(f"{file.name} is not in UTF-8, and is read as Latin-1")
        missing = [name for name in used if name not in header]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            try:
                return pd.read_csv(
                    file,
                    sep=self._separator(file),
                    decimal=self.declared.decimal,
                    encoding=encoding,
                    index_col=False,
                    keep_default_na=False,
                    low_memory=False,
                    usecols=used if used and not missing else None,
                    dtype=str if as_text is None else dict.fromkeys(as_text, str),
                )
            except (ValueError, OSError, pd.errors.ParserError) as error:
                raise DataError(f"{file} is not a readable table: {error}") from error

    def _samples(self, name: str, source: SampleColumns) -> None:
        """Read one row per sample."""
        used = [*source.columns, *source.labels, *source.markers] if source.columns else []
        if source.time is not None and used:
            used.append(source.time)
        sheet = self._sheet(self._file(source.file), used, [*source.labels])
        columns, labels = self._sorted_columns(name, source, sheet)
        if not columns and not labels:
            raise DataError(f"{sheet.path.name} has no column of numbers beside its times")
        times = self._sample_times(name, source, sheet)
        stacked = np.stack([*columns.values()], axis=1) if columns else np.zeros((len(times), 0))
        self.parts.series[name] = samples(
            stacked, times, list(columns), source.unit, self.parts.notes, repr(name)
        )
        for column in labels:
            self._runs(name, column, sheet, times)
        for column, around in source.markers.items():
            self._events(name, column, around, sheet, times)

    def _sorted_columns(
        self, name: str, source: SampleColumns, sheet: _Sheet
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """Columns of numbers by name, and names of the columns of labels."""
        labels = list(source.labels)
        if source.columns:
            return {column: sheet.numbers(column) for column in source.columns}, labels
        columns: dict[str, np.ndarray] = {}
        unnamed = []
        for column in map(str, sheet.frame.columns):
            if column == source.time or column in labels or column in source.markers:
                continue
            if column.startswith("Unnamed: ") or not column:
                unnamed.append(column)
                continue
            values = numbers_of(sheet.column(column))
            if values is not None:
                columns[column] = values
            elif first_text(sheet.column(column)) is not None:
                labels.append(column)
            else:
                kind = sheet.column(column).dtype
                self.parts.notes.append(f"column {column!r} of {name!r} holds {kind}, not used")
        if unnamed:
            self.parts.notes.append(
                f"columns of {sheet.path.name} without a name ({len(unnamed)}) are not used: their "
                "values may be row numbers"
            )
        return columns, labels

    def _sample_times(self, name: str, source: SampleColumns, sheet: _Sheet) -> np.ndarray:
        """Time of each sample in seconds, by time stamps, a rate, or both."""
        count = len(sheet.frame)
        if source.time is None:
            assert source.rate_hz is not None
            return source.start_s + np.arange(count) / source.rate_hz
        times = self._clock(sheet, source.time, source.ticks_per_s)
        if source.rate_hz is None or not count:
            return times
        even = times[0] + np.arange(count) / source.rate_hz
        off = float(np.nanmax(np.abs(times - even)))
        if not off <= self.declared.bin_s / 2:
            raise DataError(
                f"its time stamps differ by up to {off:g} s, more than half a bin, from even "
                f"samples at {source.rate_hz:g} Hz; check rate_hz, or leave it out if samples are "
                "missing"
            )
        self.parts.notes.append(
            f"the time stamps of {name!r} are replaced by even ones at {source.rate_hz:g} Hz from "
            f"the first, {times[0]:.9g} s; they differ by at most {off:.3g} s"
        )
        return even

    def _clock(self, sheet: _Sheet, column: str, ticks_per_s: float) -> np.ndarray:
        """A column of times in seconds."""
        values = sheet.column(column)
        where = f"times in column {column!r}"
        if pd.api.types.is_timedelta64_dtype(values):
            self.parts.notes.append(f"{where} are durations, and are taken in seconds")
            return values.dt.total_seconds().to_numpy(dtype=np.float64)
        if numbers_of(values) is None:
            got = first_text(values)
            said = f"text such as {got!r}" if got is not None else str(values.dtype)
            raise DataError(
                f"column {column!r} holds {said}; times must be numbers on one clock: seconds, or "
                "ticks with ticks_per_s"
            )
        return in_seconds(sheet.numbers(column), ticks_per_s, self.parts.notes, where)

    def _runs(self, name: str, column: str, sheet: _Sheet, times: np.ndarray) -> None:
        """Give a column of labels as a table: one row per run of equal labels."""
        table = f"{name}.{column}"
        with self.parts.part(table):
            labels = self._labels(sheet, column, table)
            timed = np.isfinite(times)
            labels, times = labels[timed], times[timed]
            step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
            # A pause in the samples ends a run as well: nothing is known of it.
            new = (labels[1:] != labels[:-1]) | (np.diff(times) > 1.5 * step)
            first = np.concatenate([[0], 1 + np.flatnonzero(new)])[: len(labels)]
            last = np.concatenate([first[1:] - 1, [len(labels) - 1]])[: len(first)]
            following = np.append(times[1:], times[-1:] + step)
            stop = np.minimum(following[last], times[last] + 1.5 * step)
            self.parts.notes.append(
                f"the labels in column {column!r} are given as table {table!r}: {len(first)} rows, "
                "one per run of equal labels"
            )
            self.parts.tables[table] = Table(times[first], stop, {column: labels[first]})

    def _events(
        self,
        name: str,
        column: str,
        around: tuple[float, float],
        sheet: _Sheet,
        times: np.ndarray,
    ) -> None:
        """Give a column of marks as a table: one row per sample that is marked."""
        table = f"{name}.{column}"
        with self.parts.part(table):
            marks = labels_of(sheet.column(column))
            unmarked = (
                np.isin(marks, ("0", *NO_LABEL))
                if marks.dtype.kind == "U"
                else ~np.isfinite(marks) | (marks == 0)
            )
            marked = np.flatnonzero(~unmarked & np.isfinite(times))
            if not len(marked):
                raise DataError(f"column {column!r} of {sheet.path.name} marks no sample")
            codes = marks[marked]
            if codes.dtype.kind == "f" and (codes == np.round(codes)).all():
                codes = codes.astype(np.int64)  # missing values made them decimals
            events = Table(times[marked], times[marked], {column: codes})
            self.parts.notes.append(
                f"{counted(len(marked), 'sample')} marked in column {column!r} are the events of "
                f"table {table!r}, from {around[0]:g} to {around[1]:g} s after each"
            )
            known = times[np.isfinite(times)]
            self.parts.tables[table] = trials_around(
                events, EventTrials(window_s=around), known, self.parts.notes, table
            )

    def _labels(self, sheet: _Sheet, column: str, table: str) -> np.ndarray:
        """Labels or numbers of a column (row,); missing labels are empty text."""
        values = labels_of(sheet.column(column))
        if values.dtype.kind == "U":
            missing = np.isin(values, NO_LABEL)
            values = np.where(missing, "", values)
        else:
            missing = ~np.isfinite(values)
        if missing.any():
            self.parts.notes.append(
                f"{int(missing.sum())} of {len(values)} values in column {column!r} of {table!r} "
                f"are missing: rows {some(np.flatnonzero(missing))}"
            )
        return values

    def _intervals(self, name: str, source: IntervalColumns) -> Table:
        """Read one row per interval."""
        sheet = self._sheet(self._file(source.file), [], None)
        start = self._clock(sheet, source.start, source.ticks_per_s)
        if source.duration is not None:
            stop = start + self._clock(sheet, source.duration, source.ticks_per_s)
        else:
            stop = self._clock(sheet, source.stop or "stop", source.ticks_per_s)
        borders = {source.start, source.stop or ("stop" if source.duration is None else "")}
        columns = {
            str(column): self._labels(sheet, str(column), name)
            for column in sheet.frame.columns
            if column not in borders
        }
        return intervals(start, stop, columns, self.parts.notes, repr(name))

    def _spikes(self, name: str, source: SpikeColumns) -> None:
        """Read one row per spike."""
        sheet = self._sheet(self._file(source.file), [source.unit, source.time], [source.unit])
        times = self._clock(sheet, source.time, source.ticks_per_s)
        units = labels_of(sheet.column(source.unit))
        known = ~np.isin(units, NO_LABEL) if units.dtype.kind == "U" else np.isfinite(units)
        if not known.all():
            rows = np.flatnonzero(~known)
            self.parts.notes.append(
                f"{len(rows)} of {len(units)} spikes of {name!r} have no unit and are left out: "
                f"rows {some(rows)}"
            )
        found = grouped(times[known], units[known], repr(name))
        self.parts.spikes[name] = trains(
            list(found), list(found.values()), None, self.parts.notes, repr(name)
        )


def numbers_of(values: pd.Series) -> np.ndarray | None:
    """Numbers of a column (row,), NaN where one is missing; None if it holds others.

    Examples
    --------
    >>> numbers_of(pd.Series(["1.5", "n/a", "2"])).tolist()
    [1.5, nan, 2.0]
    >>> numbers_of(pd.Series(["1.5", "left"])) is None
    True
    """
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        if pd.api.types.is_complex_dtype(values):
            return None
        if values.isna().any():
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        kind = values.dtype.name.lower()
        return values.to_numpy(dtype=bool if kind == "boolean" else kind)
    if not _is_text(values):
        return None
    present = ~(values.isna() | values.str.strip().str.lower().isin(NO_NUMBER))
    parsed = pd.to_numeric(values[present], errors="coerce")
    if parsed.isna().any():
        return None
    if present.all():
        return parsed.to_numpy()
    return parsed.reindex(values.index).to_numpy(dtype=np.float64)


def labels_of(values: pd.Series) -> np.ndarray:
    """Values of a column (row,): whole numbers, numbers, or text as it is written.

    Examples
    --------
    >>> labels_of(pd.Series(["7", "12"])), labels_of(pd.Series(["007", "012"]))
    (array([ 7, 12]), array(['007', '012'], dtype='<U3'))
    """
    numbers = numbers_of(values)
    padded = _is_text(values) and bool(values.str.match(r"^-?0\d").any())
    if numbers is not None and not padded and np.isfinite(numbers).any():
        return numbers
    return values.astype(object).where(values.notna(), "").astype(str).to_numpy().astype(str)


def first_text(values: pd.Series) -> str | None:
    """First value in a column of text that is not a number; None without text."""
    if not _is_text(values):
        return None
    missing = values.isna() | values.str.strip().str.lower().isin(NO_NUMBER)
    odd = values[~missing & pd.to_numeric(values, errors="coerce").isna()]
    return str(odd.iloc[0]) if len(odd) else None


def _is_text(values: pd.Series) -> bool:
    """Whether a column holds text."""
    if pd.api.types.is_object_dtype(values):
        return pd.api.types.infer_dtype(values, skipna=True) in ("string", "empty")
    return pd.api.types.is_string_dtype(values)


def _parquet(file: Path) -> pd.DataFrame:
    """Read a parquet file; its index becomes a column if it has a name."""
    try:
        frame = pd.read_parquet(file)
    except ImportError as error:
        raise DataError(
            f"{file}: parquet files need pyarrow; install it by "
            "pip install 'invariance-probe[parquet]'"
        ) from error
    except (ValueError, OSError) as error:
        raise DataError(f"{file} is not a readable parquet file: {error}") from error
    frame = frame.reset_index() if frame.index.name is not None else frame.reset_index(drop=True)
    for column in frame.columns:
        if isinstance(frame[column].dtype, pd.CategoricalDtype):
            frame[column] = frame[column].astype(str)
    return frame


def _text(file: Path) -> TextIO:
    """Open a text file, compressed or not."""
    encoding = _encoding(file)
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding=encoding, newline="")
    return file.open(encoding=encoding, newline="")


def _encoding(file: Path) -> str:
    """UTF-8 if the first part of the file is valid UTF-8, else Latin-1."""
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rb") as raw:
        start = raw.read(FIRST_PART)
    try:
        start.decode(UTF_8)
    except UnicodeDecodeError as error:
        # The last character of the part may be cut in two.
        if len(start) < FIRST_PART or len(start) - error.start > 4:
            return "latin-1"
    return UTF_8


def _ending(file: Path) -> str:
    """Ending of a file's name, without that of its compression."""
    return (file.with_suffix("") if file.suffix == ".gz" else file).suffix.lower()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
