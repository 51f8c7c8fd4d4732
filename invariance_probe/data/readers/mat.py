"""Read the signals that a study names in a MATLAB file.

In: a .mat file, and the variables named in the declaration, together with their axes
and clocks. Out: `Contents`. Lengths of axes are checked against each other; no axis is
guessed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from invariance_probe.data.checked import (
    Parts,
    apart,
    differing,
    grouped,
    in_seconds,
    intervals,
    samples,
    some,
    text_of,
    trains,
)
from invariance_probe.data.contents import Contents, Table
from invariance_probe.data.readers.matlab import MatFile, Unreadable, opened
from invariance_probe.errors import DataError
from invariance_probe.study.formats import MatSeries, MatSpikes, MatTable
from invariance_probe.study.signals import MatRecording

MOST_LISTED = 100
"""Largest number of variables that are listed if a study names none."""


def read_mat(path: Path, declared: MatRecording) -> Contents:
    """Read the declared variables of a .mat file.

    Parameters
    ----------
    path
        The file.
    declared
        Names variables, their axes and their clocks. If it names none, the notes list
        all variables of the file.

    Returns
    -------
    contents
        The declared signals.

    Raises
    ------
    DataError
        When the file cannot be read, or a signal that the study needs cannot be used.
    """
    return _Reading(opened(path), declared).contents()


class _Reading:
    """A .mat file while its data are collected into `Contents`."""

    def __init__(self, file: MatFile, declared: MatRecording) -> None:
        self.file = file
        self.declared = declared
        self.parts = Parts(declared, str(file.path))
        self.joined: dict[str, _Trials] = {}

    def contents(self) -> Contents:
        """Read tables, then series, then spike trains."""
        parts = self.parts
        for name, table in self.declared.tables.items():
            if table.start is not None:
                with parts.part(name):
                    parts.tables[name] = self._table(name, table)
        self._join_trials()
        for name, source in self.declared.series.items():
            if "trial" not in source.axes:
                with parts.part(name):
                    self._series(name, source)
        for name, spikes in self.declared.spikes.items():
            with parts.part(name):
                self._spikes(name, spikes)
        self._list_others()
        return parts.contents()

    def _series(self, name: str, source: MatSeries) -> None:
        """Read a series on the session's clock."""
        values = _trials(self.file.value(source.values), source.axes, source.values)[0]
        times = self._times(source, len(values), source.start_s)
        self._add(name, source, values, times)

    def _add(self, name: str, source: MatSeries, values: np.ndarray, times: np.ndarray) -> None:
        """Add a series with the declared names of its channels."""
        channels = [str(1 + i) for i in range(values.shape[1])]
        if source.channels is not None:
            channels = self._names(source.channels, values.shape[1], f"channels of {name!r}")
        self.parts.series[name] = samples(
            values,
            times,
            channels,
            source.unit,
            self.parts.notes,
            repr(name),
            in_trials="trial" in source.axes,
        )

    def _names(self, path: str, count: int, what: str) -> list[str]:
        """Names of units or channels, in a variable of the file."""
        names = [text_of(value) for value in _vector(self.file.value(path), path).tolist()]
        if len(names) != count:
            raise DataError(f"{path!r} names {len(names)} {what}, but there are {count}")
        return differing(names, self.parts.notes, what)

    def _times(self, source: MatSeries, count: int, start_s: float) -> np.ndarray:
        """Times of some samples in seconds, by the declared clock."""
        if source.times is not None:
            where = f"times in {source.times!r}"
            times = in_seconds(
                _vector(self.file.value(source.times), source.times),
                source.ticks_per_s,
                self.parts.notes,
                where,
            )
            if len(times) != count:
                raise DataError(
                    f"{source.values!r} has {count} samples along its axis 'time', but "
                    f"{source.times!r} has {len(times)} times; are its axes "
                    f"{list(source.axes)} in MATLAB's order?"
                )
            return times
        return start_s + np.arange(count) * self._interval(source)

    def _interval(self, source: MatSeries) -> float:
        """Seconds between samples, declared or in a variable."""
        given = source.rate_hz if source.interval_s is None else source.interval_s
        if isinstance(given, str):
            value = self.file.value(given)
            if value.size != 1 or value.dtype.kind not in "iuf" or not value.item() > 0:
                raise DataError(f"{given!r} must be one number above 0")
            given = float(value.item())
        assert given is not None
        return 1 / given if source.interval_s is None else given

    def _table(self, name: str, table: MatTable) -> Table:
        """Read a table of intervals that has its own column of start times."""
        assert table.start is not None
        start = self._seconds(table.start, table)
        stop = np.full(len(start), np.nan)
        if table.stop is not None:
            stop = self._seconds(table.stop, table)
            if len(stop) != len(start):
                raise DataError(f"it has {len(start)} starts, but {len(stop)} stops")
        columns = self._columns(name, table, len(start))
        return intervals(start, stop, columns, self.parts.notes, repr(name))

    def _seconds(self, path: str, table: MatTable) -> np.ndarray:
        values = _vector(self.file.value(path), path)
        return in_seconds(values, table.ticks_per_s, self.parts.notes, f"times in {path!r}")

    def _columns(self, name: str, table: MatTable, rows: int) -> dict[str, np.ndarray]:
        """Columns of a table; one that cannot be used is noted."""
        columns: dict[str, np.ndarray] = {}
        for column, path in table.columns.items():
            try:
                values = _column(self.file.value(path), path)
                if len(values) != rows:
                    raise DataError(f"it has {len(values)} rows, and the table has {rows}")
                columns[column] = values
            except DataError as error:
                self.parts.notes.append(
                    f"column {column!r} of {name!r} ({path!r}) cannot be used: {error}"
                )
        return columns

    def _join_trials(self) -> None:
        """Read the series with an axis `trial`, and put their trials on one clock."""
        for name, source in self.declared.series.items():
            if "trial" in source.axes:
                with self.parts.part(name):
                    pieces = _trials(self.file.value(source.values), source.axes, source.values)
                    group = self.joined.setdefault(source.trials, _Trials(len(pieces)))
                    group.add(name, source, pieces, self._offsets(source, pieces))
        for table, group in self.joined.items():
            if table not in self.parts.tables:
                self.parts.tables[table] = self._in_a_row(table, group)
            for name in group.pieces:
                with self.parts.part(name):
                    self._joined_series(name, group, self.parts.tables[table], table)

    def _offsets(self, source: MatSeries, pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Times of the samples of each trial, from the start of the trial."""
        if source.times is None:
            return [self._times(source, len(piece), source.start_s) for piece in pieces]
        value = self.file.value(source.times)
        if value.dtype != object:
            longest = max(map(len, pieces))
            times = self._times(source, longest, 0.0)
            return [times[: len(piece)] for piece in pieces]
        each = [_vector(one, source.times) for one in _elements(value, source.times)]
        if [*map(len, each)] != [*map(len, pieces)]:
            raise DataError(f"{source.times!r} has other lengths than {source.values!r}")
        where = f"times in {source.times!r}"
        return [
            in_seconds(one, source.ticks_per_s, self.parts.notes if not k else [], where)
            for k, one in enumerate(each)
        ]

    def _in_a_row(self, table: str, group: "_Trials") -> Table:
        """Put trials after one another, each from the start of a bin."""
        bin_s = self.declared.bin_s
        # One empty bin between trials keeps windows from crossing from one to the next.
        bins = np.ceil(np.array(group.lengths()) / bin_s - 1e-6) + 1
        firsts = np.concatenate([[0], np.cumsum(bins)[:-1]])
        start = self.declared.origin_s + firsts * bin_s
        stop = start + np.array(group.lengths())
        self.parts.notes.append(
            f"the study does not say when the {len(start)} trials of {some(group.pieces)} took "
            "place: they are put one after another, in the order of the file, with an empty bin "
            "after each"
        )
        group.relative = True
        rows = self.declared.tables.get(table, MatTable())
        return Table(start, stop, self._columns(table, rows, len(start)))

    def _joined_series(self, name: str, group: "_Trials", table: Table, said: str) -> None:
        """Join the trials of one series, at the starts of the table's rows."""
        source, pieces, offsets = group.sources[name], group.pieces[name], group.offsets[name]
        if len(table.start) != len(pieces):
            raise DataError(
                f"{source.values!r} has {len(pieces)} trials, but table {said!r} has "
                f"{len(table.start)} rows; the table must have one row per trial"
            )
        timed = np.isfinite(table.start)
        if not timed.all():
            self.parts.notes.append(
                f"{int((~timed).sum())} of {len(pieces)} trials of {name!r} have no start and are "
                f"left out: {some(np.flatnonzero(~timed))}"
            )
        first = group.first() if group.relative else 0.0
        order = [k for k in np.argsort(table.start, kind="stable") if timed[k] and len(pieces[k])]
        if empty := [k for k in range(len(pieces)) if not len(pieces[k])]:
            self.parts.notes.append(
                f"{len(empty)} of {len(pieces)} trials of {name!r} have no samples: {some(empty)}"
            )
        times = [table.start[k] + offsets[k] - first for k in order]
        for before, after, k in zip(times[:-1], times[1:], order[1:], strict=True):
            if after[0] <= before[-1]:
                raise DataError(
                    f"trial {k} starts at {after[0]:g} s, before the one before it ends at "
                    f"{before[-1]:g} s, so that samples occur twice; leave out the start of table "
                    f"{said!r} to put trials one after another"
                )
        if not order:
            raise DataError("no trial has samples and a start")
        self._add(name, source, np.concatenate([pieces[k] for k in order]), np.concatenate(times))

    def _spikes(self, name: str, spikes: MatSpikes) -> None:
        """Read spike trains from a cell array, or from vectors of times and of units."""
        value, notes = self.file.value(spikes.times), self.parts.notes
        where = f"times in {spikes.times!r}"
        observed = None
        if spikes.units is not None:
            times = in_seconds(_vector(value, spikes.times), spikes.ticks_per_s, notes, where)
            units = _vector(self.file.value(spikes.units), spikes.units)
            found = grouped(times, units, f"{spikes.times!r} and {spikes.units!r}")
            names, each = list(found), list(found.values())
            if spikes.names is not None:
                names = self._names(spikes.names, len(each), f"units of {name!r}")
        else:
            cells = _cells(value, spikes.axes, spikes.times)
            seconds = [
                [
                    in_seconds(
                        _vector(cell, spikes.times), spikes.ticks_per_s, [] if k + i else notes,
                        where,
                    )
                    for i, cell in enumerate(row)
                ]
                for k, row in enumerate(cells)
            ]  # fmt: skip
            names = [str(1 + unit) for unit in range(len(seconds))]
            if spikes.names is not None:
                names = self._names(spikes.names, len(seconds), f"units of {name!r}")
            if "trial" in spikes.axes:
                table = self._trial_clock(spikes, len(seconds[0]) if seconds else 0)
                observed = apart(table.start, table.stop, notes, f"rows of {spikes.trials!r}")
                seconds = [
                    [times + start for times, start in zip(row, table.start, strict=True)]
                    for row in seconds
                ]
            # A spike in two overlapping trials is one spike: it was saved twice.
            each = [np.concatenate([np.zeros(0), *row]) for row in seconds]
            if "trial" in spikes.axes:
                each = [np.sort(times) for times in each]
        self.parts.spikes[name] = trains(names, each, observed, notes, repr(name))

    def _trial_clock(self, spikes: MatSpikes, trials: int) -> Table:
        """The table whose starts the spike times of each trial count from."""
        table = self.parts.tables.get(spikes.trials)
        if table is None or not table.complete.any():
            raise DataError(
                f"its times count from the start of each trial, so table {spikes.trials!r} must "
                "say when trials start and stop"
            )
        if len(table.start) != trials:
            raise DataError(
                f"{spikes.times!r} has {trials} trials, but table {spikes.trials!r} has "
                f"{len(table.start)} rows; the table must have one row per trial"
            )
        return table

    def _list_others(self) -> None:
        """Note the variables that the study does not name."""
        declared = self.declared
        named = {
            path
            for source in (*declared.series.values(), *declared.spikes.values())
            for path in source.model_dump().values()
            if isinstance(path, str)
        }
        for table in declared.tables.values():
            named |= {table.start or "", table.stop or "", *table.columns.values()}
        others = {path: what for path, what in self.file.variables().items() if path not in named}
        listed = [f"{path} ({what})" for path, what in others.items()]
        if not (declared.series or declared.spikes or declared.tables):
            self.parts.unread.append(
                "a MATLAB file does not say what its variables mean; name those that the study "
                f"uses under series, spikes and tables: {some(listed, most=MOST_LISTED)}"
            )
        elif others:
            self.parts.unread.append(
                f"{len(others)} other variables of the file are not used: {some(listed)}"
            )


class _Trials:
    """The series that share one set of trials."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.sources: dict[str, MatSeries] = {}
        self.pieces: dict[str, list[np.ndarray]] = {}
        self.offsets: dict[str, list[np.ndarray]] = {}
        self.relative = False
        """Whether the earliest sample of a trial is its start."""

    def add(
        self,
        name: str,
        source: MatSeries,
        pieces: list[np.ndarray],
        offsets: list[np.ndarray],
    ) -> None:
        """Add a series, which must have as many trials as the others."""
        if len(pieces) != self.count:
            raise DataError(
                f"{source.values!r} has {len(pieces)} trials, but {some(self.sources)} has "
                f"{self.count}; give other trials a table of their own"
            )
        self.sources[name], self.pieces[name], self.offsets[name] = source, pieces, offsets

    def first(self) -> float:
        """Earliest time of any sample, from the start of its trial."""
        times = [one[0] for each in self.offsets.values() for one in each if len(one)]
        return float(min(times, default=0.0))

    def lengths(self) -> list[float]:
        """Length of each trial in seconds: that of its longest series."""
        return [
            max(_ends(offsets[k]) for offsets in self.offsets.values()) - self.first()
            for k in range(self.count)
        ]


def _ends(times: np.ndarray) -> float:
    """Time at which the last sample of a trial ends; 0 without samples."""
    if len(times) < 2:
        return float(times[-1]) if len(times) else 0.0
    return float(times[-1] + np.median(np.diff(times)))


def _elements(value: np.ndarray, path: str) -> list[np.ndarray]:
    """Elements of a cell array or struct array, in MATLAB's order."""
    elements = []
    for one in value.ravel(order="F"):
        if isinstance(one, Unreadable):
            raise DataError(f"an element of {path!r} {one.why}")
        if not isinstance(one, np.ndarray):
            raise DataError(
                f"the elements of {path!r} are structs; extend the path to one of their fields, "
                f"such as {path}.field"
            )
        elements.append(one)
    return elements


def _fitted(value: np.ndarray, count: int, path: str) -> np.ndarray:
    """Drop or add axes of length 1, which MATLAB adds and drops by itself.

    An axis is dropped only if more axes remain than were declared.
    """
    if value.ndim < count:
        return value.reshape(value.shape + (1,) * (count - value.ndim))
    long = [length for length in value.shape if length != 1]
    if value.ndim > count and len(long) <= count:
        return value.reshape((*long, *(1,) * (count - len(long))))
    if value.ndim != count:
        raise DataError(
            f"{path!r} has shape {value.shape} in MATLAB, but {count} "
            f"{'axis is' if count == 1 else 'axes are'} declared"
        )
    return value


def _trials(value: np.ndarray, axes: Sequence[str], path: str) -> list[np.ndarray]:
    """Put a variable's axes in order.

    Parameters
    ----------
    value
        The variable in MATLAB's shape.
    axes
        Declared axes: that of a cell array first.
    path
        Its path, for messages.

    Returns
    -------
    trials
        Samples of each trial, each (time, channel); one without an axis `trial`.
    """
    if value.dtype == object:
        elements, rest = _elements(value, path), axes[1:]
        if axes[0] == "time" or not rest:
            raise DataError(
                f"{path!r} is an array of {len(elements)} cells or structs, whose own axis must be "
                "declared first: trial or channel"
            )
        parts = [_trials(element, rest, path) for element in elements]
        if axes[0] == "trial":
            return _same_channels([part[0] for part in parts], path)
        return [_side_by_side(part, path) for part in zip(*parts, strict=True)]
    if value.dtype.kind not in "biuf":
        raise DataError(f"{path!r} holds {value.dtype}; numbers are needed")
    if value.size == 0:
        return [np.zeros((0, 0))]
    array = _fitted(value, len(axes), path)
    names = list(axes)
    for extra in ("trial", "channel"):
        if extra not in names:
            array, names = array[..., None], [*names, extra]
    ordered = array.transpose([names.index(axis) for axis in ("trial", "time", "channel")])
    return [np.ascontiguousarray(one) for one in ordered]


def _same_channels(trials: list[np.ndarray], path: str) -> list[np.ndarray]:
    """Check that all trials that have samples have the same channels."""
    counts = [trial.shape[1] for trial in trials if trial.size]
    if len(set(counts)) > 1:
        odd = next(
            k for k, trial in enumerate(trials) if trial.size and trial.shape[1] != counts[0]
        )
        raise DataError(
            f"trial {odd} of {path!r} has {trials[odd].shape[1]} channels, and earlier ones have "
            f"{counts[0]}; are its axes in MATLAB's order?"
        )
    return [trial if trial.size else np.zeros((0, *counts[:1])) for trial in trials]


def _side_by_side(columns: Sequence[np.ndarray], path: str) -> np.ndarray:
    """Put channels of separate cells beside each other (time, channel)."""
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise DataError(f"channels of {path!r} have from {min(lengths)} to {max(lengths)} samples")
    return np.concatenate(columns, axis=1)


def _vector(value: np.ndarray, path: str) -> np.ndarray:
    """One value per row, from a matrix of one row or column, or a cell array."""
    if value.dtype == object:
        return _column(value, path)
    if value.size == 0:
        return np.zeros(0)
    if sum(length != 1 for length in value.shape) > 1:
        raise DataError(f"{path!r} has shape {value.shape} in MATLAB; a vector is needed")
    return value.reshape(-1)


def _column(value: np.ndarray, path: str) -> np.ndarray:
    """A column of a table: a vector, a matrix with one row per row, or labels.

    An empty cell becomes NaN among numbers, and an empty text among text.
    """
    if value.dtype != object:
        short = value.ndim < 2 or sum(length != 1 for length in value.shape) < 2
        return np.char.rstrip(value) if value.dtype.kind == "U" else (
            value.reshape(-1) if short else value
        )  # fmt: skip
    elements = _elements(value, path)
    sizes = {element.size for element in elements if element.size}
    if sizes - {1}:
        raise DataError(f"cells of {path!r} hold up to {max(sizes)} values; one each is needed")
    text = any(element.size and element.dtype.kind == "U" for element in elements)
    if text and any(element.size and element.dtype.kind != "U" for element in elements):
        raise DataError(f"cells of {path!r} hold text and numbers; use one of them")
    if text:
        return np.array([str(one.flat[0]).rstrip() if one.size else "" for one in elements])
    if any(element.size and element.dtype.kind not in "biuf" for element in elements):
        raise DataError(f"cells of {path!r} do not hold numbers")
    return np.array([one.flat[0] if one.size else np.nan for one in elements])


def _cells(value: np.ndarray, axes: Sequence[str], path: str) -> list[list[np.ndarray]]:
    """Spike times of each unit and trial, from a cell array or a nested one."""
    if value.dtype != object:
        if len(axes) > 1:
            raise DataError(f"{path!r} is no cell array, but {len(axes)} axes are declared")
        return [[value]]
    elements = _elements(value, path)
    if len(axes) == 1:
        return [[element] for element in elements]
    if elements and all(element.dtype == object for element in elements):
        rows = [_elements(element, path) for element in elements]
    else:
        rows = [_elements(row, path) for row in _fitted(value, 2, path)]
    if len({*map(len, rows)}) > 1:
        raise DataError(
            f"{path!r} has rows of {min(map(len, rows))} to "
            f"{max(map(len, rows))} cells, but all rows must have the same number"
        )
    return rows if axes[0] == "unit" else [list(row) for row in zip(*rows, strict=True)]
