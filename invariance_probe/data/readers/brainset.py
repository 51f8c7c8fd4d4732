"""Read HDF5 files of torch_brain, in the layout of temporaldata.

In: a file whose groups state their type in the attribute `object`. Out: `Contents`,
with all spike trains, series and tables of intervals by their path, such as
`cursor.velocity`. The domain of the spikes gives the intervals in which the units were
observed. Values of series are read only when they are needed.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from invariance_probe.data.checked import (
    Parts,
    apart,
    clock,
    differing,
    intervals,
    some,
    text_of,
    trains,
)
from invariance_probe.data.contents import Contents, OnDemand, Series
from invariance_probe.data.readers.formats import described
from invariance_probe.data.readers.matlab import DAMAGED_HDF5
from invariance_probe.errors import DataError
from invariance_probe.study.signals import BrainsetRecording

TIME_SERIES = ("IrregularTimeSeries", "RegularTimeSeries")
NO_SIGNAL = ("timestamps", "timestamp_indices_1s", "unit_index", "domain")
"""Members of a time series that are not signals."""


def read_brainset(path: Path, declared: BrainsetRecording) -> Contents:
    """Read everything on the clock of a torch_brain file.

    Parameters
    ----------
    path
        The file.
    declared
        Says which signals the study needs.

    Returns
    -------
    contents
        All spike trains, series and tables.

    Raises
    ------
    DataError
        When the file is of another kind or damaged, or a signal that the study needs
        cannot be used.
    """
    if path.is_dir() or not h5py.is_hdf5(path):
        said = "it is a folder" if path.is_dir() else described(path)
        raise DataError(f"{path} is not an HDF5 file of torch_brain: {said}")
    try:
        with h5py.File(path) as file:
            if kind_of(file) != "Data":
                said = "it is an NWB file: say kind: nwb" if "nwb_version" in file.attrs else (
                    f"its attribute 'object' is {kind_of(file) or 'missing'}, and must be Data"
                )  # fmt: skip
                raise DataError(f"{path} is not an HDF5 file of torch_brain: {said}")
            return _Reading(path, file, declared).contents()
    except DAMAGED_HDF5 as error:
        raise DataError(f"{path} is damaged: {error}") from error


def kind_of(group: h5py.Group) -> str:
    """What a group holds: `Data`, `Interval`, `ArrayDict` or a kind of time series."""
    return text_of(group.attrs.get("object", "")).removeprefix("Lazy")


class _Reading:
    """An open file while its data are collected into `Contents`."""

    def __init__(self, path: Path, file: h5py.File, declared: BrainsetRecording) -> None:
        self.path, self.file = path, file
        self.parts = Parts(declared, str(path))
        self.series: dict[str, Callable[[], Series]] = {}
        self.unused: list[str] = []

    def contents(self) -> Contents:
        """Walk through all groups."""
        start = float(self.file.attrs.get("absolute_start", 0.0))
        if start:
            self.parts.notes.append(
                f"the file was cut from a longer one at {start:g} s; its times count from there"
            )
        for name, group in self._objects(self.file, ""):
            with self.parts.part(name):
                self._read(name, group)
        if self.unused:
            self.parts.unread.append(
                f"{len(self.unused)} arrays that are not over time are not used: "
                f"{some(self.unused)}"
            )
        return replace(self.parts.contents(), series=OnDemand(self.series))

    def _objects(self, group: h5py.Group, prefix: str) -> Iterator[tuple[str, h5py.Group]]:
        """All groups that are no `Data`, by path."""
        for name, node in group.items():
            path = f"{prefix}{name}"
            if not isinstance(node, h5py.Group):
                self.unused.append(path)
            elif kind_of(node) == "Data":
                yield from self._objects(node, f"{path}.")
            else:
                yield path, node

    def _read(self, name: str, group: h5py.Group) -> None:
        """Read one object by its kind."""
        kind = kind_of(group)
        if kind == "Interval":
            self._intervals(name, group)
        elif kind in TIME_SERIES:
            domain = self._domain(name, group)
            if len(domain) > 1:
                self._intervals(f"{name}.domain", group["domain"])
            if "unit_index" in group:
                self._spikes(name, group, domain)
            elif kind == "RegularTimeSeries":
                self._regular(name, group, domain)
            else:
                self._irregular(name, group, domain)
        elif kind == "ArrayDict":
            self.unused += [f"{name}.{column}" for column in group]
        else:
            self.parts.notes.append(
                f"{name!r} is of kind {kind or 'unknown'}, which is not read; Data, Interval, "
                f"ArrayDict, {' and '.join(TIME_SERIES)} are"
            )

    def _domain(self, name: str, group: h5py.Group) -> np.ndarray:
        """Intervals in which a time series was observed (interval, 2)."""
        if "domain" not in group:
            raise DataError("it has no domain, so it is not known when it was observed")
        start, stop = (np.asarray(group["domain"][end][()], float) for end in ("start", "end"))
        return apart(start.ravel(), stop.ravel(), self.parts.notes, f"intervals of {name}.domain")

    def _intervals(self, name: str, group: h5py.Group) -> None:
        """Read a table of intervals with all its columns."""
        columns = {column: _array(group, column) for column in group}
        start, stop = (np.asarray(columns.pop(end), float) for end in ("start", "end"))
        odd = [column for column, values in columns.items() if len(values) != len(start)]
        if odd:
            self.parts.notes.append(
                f"{len(odd)} columns of {name!r} have another length: {some(odd)}"
            )
        columns = {column: values for column, values in columns.items() if column not in odd}
        self.parts.tables[name] = intervals(start, stop, columns, self.parts.notes, repr(name))

    def _spikes(self, name: str, group: h5py.Group, domain: np.ndarray) -> None:
        """Read spike times, and share them out among units."""
        times = np.asarray(group["timestamps"][()], dtype=np.float64)
        units = np.asarray(group["unit_index"][()]).astype(np.int64)
        if times.shape != units.shape or (units < 0).any():
            raise DataError(
                f"it has {len(times)} times and {len(units)} units, which must be 0 or above"
            )
        names = self._unit_names(name, 1 + int(units.max(initial=-1)))
        order = np.argsort(units, kind="stable")
        borders = np.searchsorted(units[order], np.arange(1, len(names)))
        each = np.split(times[order], borders)
        self.parts.spikes[name] = trains(names, each, domain, self.parts.notes, repr(name))
        self.unused += [f"{name}.{other}" for other in group if other not in NO_SIGNAL]

    def _unit_names(self, name: str, at_least: int) -> list[str]:
        """Names of units: column `id` of the table of units."""
        beside = self.file["/".join(name.split(".")[:-1])] if "." in name else self.file
        units = beside.get("units")
        if not isinstance(units, h5py.Group) or "id" not in units:
            self.parts.notes.append(
                f"the file has no table of units with a column 'id': units of {name!r} are called "
                f"0 to {at_least - 1}"
            )
            return [str(unit) for unit in range(at_least)]
        names = [text_of(unit) for unit in _array(units, "id").tolist()]
        if len(names) < at_least:
            raise DataError(f"its spikes are of {at_least} units, but 'units.id' has {len(names)}")
        return differing(names, self.parts.notes, f"units of {name!r}")

    def _irregular(self, name: str, group: h5py.Group, domain: np.ndarray) -> None:
        """Offer every array over the time stamps as a series."""
        times = np.asarray(group["timestamps"][()], dtype=np.float64)
        if not np.isfinite(times).all():
            raise DataError(f"{int((~np.isfinite(times)).sum())} of its time stamps are missing")
        notes = [] if len(domain) > 1 else self.parts.notes
        clock(times, notes, repr(name))
        at = np.searchsorted(domain.ravel(), times, side="right")
        if outside := int(((at % 2 == 0) & ~np.isin(times, domain[:, 1])).sum()):
            self.parts.notes.append(
                f"{outside} of {len(times)} samples of {name!r} are outside of its domain, and are "
                "kept"
            )
        if not [other for other in group if other not in NO_SIGNAL]:
            self.parts.notes.append(f"{name!r} holds times without values, and is not used")
        for column in self._signals(name, group, len(times)):
            self.series[f"{name}.{column}"] = partial(
                self._series, group.name, column, np.ones(len(times), dtype=bool), times
            )

    def _regular(self, name: str, group: h5py.Group, domain: np.ndarray) -> None:
        """Offer every array at a sampling rate as a series, without its filled gaps."""
        rate = float(group.attrs.get("sampling_rate", np.nan))
        if not rate > 0 or not len(domain):
            raise DataError(f"its sampling_rate is {rate:g}, and its domain {domain.tolist()}")
        lengths = [node.shape[0] for key, node in group.items() if key not in NO_SIGNAL]
        count = max(lengths, default=0)
        first = domain[0, 0]
        times = first + np.arange(count) / rate
        if len(domain) == 1:
            if abs((domain[0, 1] - first) * rate - count) > 1:
                self.parts.notes.append(
                    f"the {count} samples of {name!r} at {rate:g} Hz end at "
                    f"{first + count / rate:g} s, but its domain at {domain[0, 1]:g} s"
                )
            observed = np.ones(count, dtype=bool)
        else:
            borders = np.rint((domain - first) * rate).astype(np.int64)
            if borders[-1, 1] != count:
                raise DataError(
                    f"its domain (the time in which it was observed) spans {borders[-1, 1]} "
                    f"samples at {rate:g} Hz, gaps included, but it holds {count}; fill the gaps, "
                    "such as with NaN, or correct the domain"
                )
            observed = np.zeros(count, dtype=bool)
            for start, stop in borders:
                observed[start:stop] = True
            self.parts.notes.append(
                f"{int((~observed).sum())} of {count} samples of {name!r} fill gaps of its domain, "
                "and are left out"
            )
        for column in self._signals(name, group, count):
            self.series[f"{name}.{column}"] = partial(
                self._series, group.name, column, observed, times
            )

    def _signals(self, name: str, group: h5py.Group, count: int) -> Iterator[str]:
        """Arrays of a time series that can be signals; the others are noted."""
        for column, node in group.items():
            if column in NO_SIGNAL:
                continue
            what = ""
            if not isinstance(node, h5py.Dataset) or node.ndim not in (1, 2):
                what = f"has shape {getattr(node, 'shape', '(a group)')}, not (time, channel)"
            elif node.shape[0] != count:
                what = f"has {node.shape[0]} samples, but there are {count} times"
            elif node.dtype.kind not in "biuf":
                what = "holds no numbers"
            if what:
                self.parts.notes.append(f"'{name}.{column}' {what}, and is not used")
            else:
                yield column

    def _series(self, group: str, column: str, observed: np.ndarray, times: np.ndarray) -> Series:
        """Read the values of a series."""
        try:
            with h5py.File(self.path) as file:
                node = file[group][column]
                unit = text_of(node.attrs.get("unit", ""))
                values = np.asarray(node[()])
        except DAMAGED_HDF5 as error:
            raise DataError(f"{self.path}: {group}/{column} is damaged: {error}") from error
        values = values.reshape(len(values), -1)[observed]
        channels = tuple(str(channel) for channel in range(values.shape[1]))
        return Series(values, times[observed], channels, unit)


def _array(group: h5py.Group, column: str) -> np.ndarray:
    """Read an array; text that was saved as bytes is turned back."""
    values = np.asarray(group[column][()])
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    if values.dtype == object:
        return np.array([text_of(value) for value in values.flat]).reshape(values.shape)
    return values
