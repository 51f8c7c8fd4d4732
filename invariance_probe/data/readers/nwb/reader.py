"""Read an NWB file: what it holds, by name.

In: a file, and what a study uses of it. Out: `Contents`. Tables and spike trains are
checked when the file is opened; the samples of a series are read when it is used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import h5py
import numpy as np

from invariance_probe.data.checked import some
from invariance_probe.data.contents import Contents, Note, OnDemand, Series, SpikeTrains, Table
from invariance_probe.data.readers.formats import described
from invariance_probe.data.readers.nwb.columns import text
from invariance_probe.data.readers.nwb.errors import UnusableError
from invariance_probe.data.readers.nwb.intervals import read_interval_series, read_table
from invariance_probe.data.readers.nwb.layout import Layout
from invariance_probe.data.readers.nwb.series import StoredSeries, find_series
from invariance_probe.data.readers.nwb.units import read_units, unread_columns
from invariance_probe.errors import DataError
from invariance_probe.study.signals import NwbRecording

Source = Path | BinaryIO
"""A file, or an object that reads one, such as a file opened over a network."""
Found = TypeVar("Found")
KNOWN_VERSION = "2"
"""First part of the versions of NWB that are known."""
APART = 2.0
"""Intervals that last this many times longer than all spikes may be on another clock."""


def read_nwb(path: Source, declared: NwbRecording) -> Contents:
    """Read what an NWB file holds.

    Parameters
    ----------
    path
        The file, or an object that reads it.
    declared
        The recording of a study. Its `activity` and `units` say whose observed intervals
        are read.

    Returns
    -------
    contents
        Spike trains, series and tables by name; `units` is the file's own table of units.

    Raises
    ------
    DataError
        When the file is no NWB 2 file, or is damaged.
    """
    with _opened(path) as file:
        notes = [Note(sentence) for sentence in _version(file, path)]
        return _Reading(file, path, declared, Layout.of(file), notes).contents()


@dataclass(frozen=True, eq=False)
class _Reading:
    """An open file, what a study uses of it, and the notes so far."""

    file: h5py.File
    source: Source
    declared: NwbRecording
    layout: Layout
    notes: list[Note]
    last_spikes_s: list[float] = field(default_factory=list)

    def contents(self) -> Contents:
        """Everything that can be used, and the notes on it."""
        spikes, tables, series = self.spikes(), self.tables(), self.series()
        self.compare_clocks(tables)
        if not (spikes or tables or series):
            self.notes.append(Note("the file holds no units, no tables of intervals and no series"))
        return Contents(spikes, series, tables, tuple(self.notes), tuple(self.unread()))

    def unread(self) -> Iterator[str]:
        """Say what the file holds that cannot be looked up."""
        for name, path in self.layout.named("units").items():
            if columns := unread_columns(self.file[path]):
                yield f"columns of {name!r} that are not read: {', '.join(columns)}"
        yield from self.layout.not_read()

    def spikes(self) -> OnDemand[SpikeTrains]:
        """Check all tables of units, and keep the one that the study uses."""
        paths = self.layout.named("units")
        activity = self.declared.activity
        activity = self.layout.other_names(paths).get(activity, activity)
        readers: dict[str, Callable[[], SpikeTrains]] = {}
        for name, path in paths.items():
            used = self.declared.units if name == activity else ()
            spikes = self.noted(name, partial(read_units, self.file[path], name, used))
            if spikes is not None:
                self.last_spikes_s.append(spikes.last_s)
                again = partial(_units_again, self.source, path, name)
                readers[name] = partial(_same, spikes) if name == activity else again
        return OnDemand(readers, self.layout.other_names(readers))

    def tables(self) -> OnDemand[Table]:
        """Read all tables of intervals."""
        readers: dict[str, Callable[[], Table]] = {}
        for name, path in self.layout.named("table", "marks").items():
            read = read_interval_series if self.layout.paths[path] == "marks" else read_table
            table = self.noted(name, partial(read, self.file[path], name))
            if table is not None:
                readers[name] = partial(_same, table)
        return OnDemand(readers, self.layout.other_names(readers))

    def series(self) -> OnDemand[Series]:
        """Find out how all series are stored, and check their times."""
        readers: dict[str, Callable[[], Series]] = {}
        for name, path in self.layout.named("series").items():
            stored = self.noted(name, partial(find_series, self.file[path], name))
            if stored is not None:
                readers[name] = partial(_samples, self.source, path, stored)
        return OnDemand(readers, self.layout.other_names(readers))

    def noted(self, name: str, read: Callable[[], tuple[Found, list[str]]]) -> Found | None:
        """Read one signal and keep its notes; None, with a note, if it cannot be used."""
        try:
            found, notes = read()
        except UnusableError as error:
            self.notes.append(Note(f"{name!r} cannot be used: {error}", name))
            return None
        self.notes.extend(Note(sentence, name) for sentence in notes)
        return found

    def compare_clocks(self, tables: OnDemand[Table]) -> None:
        """Note tables that go on long after the last spike."""
        last_spike = max(self.last_spikes_s, default=0.0)
        for name, table in tables.items():
            last_stop = float(np.max(table.stop[table.complete], initial=-np.inf))
            if 0 < APART * last_spike < last_stop:
                self.notes.append(
                    Note(
                        f"the last spike is at {last_spike:g} s, but intervals of {name!r} go on "
                        f"to {last_stop:g} s; their times may be in other units or on another "
                        "clock",
                        name,
                    )
                )


def _opened(source: Source) -> h5py.File:
    """Open a file of any storage that h5py can read."""
    where = _where(source)
    if isinstance(source, Path) and source.is_dir():
        raise DataError(
            f"{where} is a folder, and an NWB file is a single HDF5 file; a file that is stored "
            "by Zarr must be exported to HDF5 first (NWBHDF5IO.export)"
        )
    try:
        return h5py.File(source, "r", locking="best-effort")
    except OSError as error:
        raise DataError(
            f"{where} cannot be read as an NWB file: {_seems(source, error)}"
        ) from error


def _where(source: Source) -> str:
    """Name a file in messages."""
    return str(source) if isinstance(source, Path) else "the object that reads the file"


def _seems(source: Source, error: OSError) -> str:
    """Say what a file seems to be that HDF5 does not open."""
    if not isinstance(source, Path):
        return str(error)
    if not source.exists():
        return "there is no such file"
    if h5py.is_hdf5(source):
        return f"the HDF5 file is damaged or incomplete ({error}); copy or download it again"
    return described(source)


def _version(file: h5py.File, source: Source) -> list[str]:
    """Check that a file is an NWB file, and note a version that is not known."""
    where = _where(source)
    version = text(file.attrs.get("nwb_version"))
    if isinstance(file.get("nwb_version"), h5py.Dataset):
        version = text(file["nwb_version"][()]).removeprefix("NWB-")
        raise DataError(
            f"{where} is an NWB file of version {version}, but only version 2 can be read; "
            "convert it, or save its arrays with np.savez and declare kind: npz"
        )
    if not version and text(file.attrs.get("neurodata_type")) != "NWBFile":
        raise DataError(
            f"{where} is an HDF5 file, but no NWB file: it does not say its nwb_version. It holds "
            f"{some(file) or 'nothing'}; save its arrays with np.savez and declare kind: npz"
        )
    if version.split(".")[0] == KNOWN_VERSION:
        return []
    return [f"the file is of NWB version {version or 'unknown'}; it is read like version 2"]


def _same(found: Found) -> Found:
    return found


def _units_again(source: Source, path: str, name: str) -> SpikeTrains:
    """Read a table of units that the study did not name as its activity."""
    with _opened(source) as file:
        return read_units(file[path], name, ())[0]


def _samples(source: Source, path: str, stored: StoredSeries) -> Series:
    """Read the samples of a series."""
    with _opened(source) as file:
        return stored.read(file[path])
