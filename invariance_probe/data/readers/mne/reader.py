"""Read EEG, MEG and intracranial recordings into series and tables.

In: a file, and what a study uses of it. Out: `Contents`. Annotations and triggers are
read when the file is opened; samples of a series are read when it is looked up, in
chunks.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from invariance_probe.data.checked import Parts, intervals, some
from invariance_probe.data.contents import Contents, OnDemand, Series
from invariance_probe.data.events import trials_around
from invariance_probe.data.readers.mne.annotations import (
    breaks_of,
    events_of,
    table_of,
    unbroken,
)
from invariance_probe.data.readers.mne.bids import Bids, events_table
from invariance_probe.data.readers.mne.channels import names_of_series
from invariance_probe.data.readers.mne.edf import EdfFile
from invariance_probe.data.readers.mne.edf_header import is_edf
from invariance_probe.data.readers.mne.samples import Samples
from invariance_probe.data.readers.mne.signal_file import SignalFile
from invariance_probe.data.readers.mne.usable import usable_channels
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted
from invariance_probe.study.signals import MneRecording

OWN = (".edf", ".bdf", ".rec")
"""Endings of names of the files that are read without MNE."""
DURATION_OFF = 0.1
"""Part by which a duration may differ from what the dataset says."""
TRIGGERS = ("STI101", "STI 014", "STI014", "Status", "Trigger")
"""Trigger channels in order of preference, where a file has several."""


def read_mne(path: Path, declared: MneRecording) -> Contents:
    """Read what a recording holds.

    Parameters
    ----------
    path
        The file: `.edf`, `.bdf`, `.vhdr`, `.fif`, `.set`, `.gdf` or another that MNE
        reads.
    declared
        Types and units that the file does not say, breaks, a filter, and trials.

    Returns
    -------
    contents
        A series for each type and rate of channels; tables `annotations`, `events`
        and `trials`.

    Raises
    ------
    DataError
        When the file cannot be read, MNE is needed and not installed, or a signal that
        the study needs cannot be used.
    """
    if path.suffix.lower() in OWN or is_edf(path):
        file: SignalFile = EdfFile(path)
    else:
        file = _with_mne("through_mne", str(path)).open_with_mne(path, declared)
    return _Reading(path, file, declared).contents()


def _with_mne(name: str, what: str) -> ModuleType:
    """Import a file of this folder that needs MNE."""
    try:
        return import_module(f"invariance_probe.data.readers.mne.{name}")
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == "mne"
        why = "is not installed" if absent else f"cannot be imported here ({error})"
        raise DataError(
            f"{what} needs MNE, which {why}: pip install 'invariance-probe[eeg]'"
        ) from error


class _Reading:
    """A file while its `Contents` are made."""

    def __init__(self, path: Path, file: SignalFile, declared: MneRecording) -> None:
        self.path, self.file, self.declared = path, file, declared
        self.parts = Parts(declared, str(path))
        self.parts.notes += file.notes
        self.bids = self._bids()
        try:
            self.channels = usable_channels(
                file.channels, self.bids, declared, file.in_si, self.parts.notes
            )
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

    def contents(self) -> Contents:
        """Everything that can be used, and the notes on it."""
        parts = self.parts
        rates = sorted({one.rate_hz for one in self.file.channels}, reverse=True)
        times = self.file.times(rates[0]) if rates else np.zeros(0)
        self._check_duration(times)
        found = self.file.annotations
        if len(found.onset):
            with parts.part("annotations"):
                parts.tables["annotations"] = table_of(found, times, parts.notes)
        self._add_events()
        self._add_trials(times)
        breaks = breaks_of(found, self.declared.breaks, times)
        series = self._series(breaks)
        if not series and not parts.tables:
            parts.notes.append("the file holds no channels and no annotations")
        subject = self.bids.subject if self.bids is not None else ""
        return replace(parts.contents(), series=OnDemand(series), breaks=breaks, subject=subject)

    def _bids(self) -> Bids | None:
        """The dataset that the file belongs to, if there are tables of it."""
        found, wanted = Bids(self.path), self.declared.bids
        tables = [name for name in ("channels", "events", "electrodes") if found.has(name)]
        if wanted is True and not tables:
            raise DataError(
                f"{self.path}: bids is true, but no channels.tsv, events.tsv or electrodes.tsv of "
                "a BIDS dataset belongs to it"
            )
        if wanted is False or not found.is_named or not tables:
            return None
        if found.participant:
            said = ", ".join(f"{name} {value}" for name, value in found.participant.items())
            self.parts.notes.append(f"participants.tsv says of {found.subject}: {said}")
        return found

    def _check_duration(self, times: np.ndarray) -> None:
        """Refuse a file that is much shorter or longer than its dataset says."""
        stated = self.bids.duration_s if self.bids is not None else None
        if stated is None or len(times) < 2:
            return
        lasts = len(times) * float(np.median(np.diff(times)))
        if abs(lasts - stated) > DURATION_OFF * stated:
            raise DataError(
                f"{self.path} holds {lasts:g} s by its header, but its dataset states {stated:g} "
                "s (RecordingDuration), so one of them is wrong, as with a wrong number format; "
                "correct it, or declare bids: false"
            )

    def _series(self, breaks: np.ndarray) -> dict[str, Callable[[], Series]]:
        """Readers of all series by name, the largest first."""
        signals = [one for one in self.channels if one.type != "stim"]
        readers: dict[str, Callable[[], Series]] = {}
        names = names_of_series(signals)
        held = {
            name: tuple(one for one in signals if one.group == group)
            for group, name in names.items()
        }
        if len(breaks):
            self.parts.notes.append(
                f"annotations mark {counted(len(breaks), 'break')}: bins that one touches are left "
                "out, and no window crosses it"
            )
        for name, channels in sorted(held.items(), key=lambda item: -len(item[1])):
            times = self.file.times(channels[0].rate_hz)
            with self.parts.part(name):
                runs = unbroken(times, breaks, channels[0].rate_hz)
                change = None
                if name == self.declared.activity and self.declared.filter is not None:
                    runs, change = self._filter(runs, channels[0].rate_hz)
                samples = Samples(self.file, channels, times, runs, change)
                self.parts.notes += samples.implausible(name)
                readers[name] = samples.series
        return readers

    def _filter(
        self, runs: tuple[tuple[int, int], ...], rate_hz: float
    ) -> tuple[tuple[tuple[int, int], ...], Callable[[np.ndarray], np.ndarray]]:
        """Runs that are long enough for the declared filter, and the filter."""
        declared = self.declared.filter
        assert declared is not None
        made = _with_mne("filtering", f"{self.path}: filter")
        made.check_filter(declared, rate_hz)
        least = 2 * declared.reach_s * rate_hz
        long = tuple((a, b) for a, b in runs if b - a > least)
        edges = [f"from {declared.low_hz:g} Hz"] if declared.low_hz else []
        edges += [f"to {declared.high_hz:g} Hz"] if declared.high_hz else []
        self.parts.notes.append(
            f"filtered {' '.join(edges)} by MNE without phase shift, every unbroken stretch by "
            f"itself; samples up to {declared.reach_s:.3g} s apart enter a value"
        )
        if len(long) < len(runs):
            self.parts.notes.append(
                f"{len(runs) - len(long)} of {len(runs)} stretches are shorter than the filter "
                f"({2 * declared.reach_s:.3g} s) and are left out"
            )
        if not long:
            raise DataError(
                f"no unbroken stretch is longer than the filter ({2 * declared.reach_s:.3g} s); a "
                "higher low_hz makes it shorter"
            )
        return long, partial(made.filtered, rate_hz=rate_hz, declared=declared)

    def _add_events(self) -> None:
        """Add the events of the dataset's table, and those of a trigger channel."""
        parts = self.parts
        listed = self.bids is not None and self.bids.has("events")
        if self.bids is not None and listed:
            with parts.part("events"):
                rows = self.bids.table("events") or {}
                parts.tables["events"] = events_table(rows, parts.notes)
        stims = [one for one in self.channels if one.type == "stim"]
        if not stims or self.file.trials is not None:
            return
        ranked = sorted(stims, key=lambda one: _rank(one.name))
        name = "stim" if listed else "events"
        if ranked[1:]:
            parts.unread.append(
                f"trigger channels that are not read: {some(one.name for one in ranked[1:])}"
            )
        with parts.part(name):
            times = self.file.times(ranked[0].rate_hz)
            found = Samples(self.file, (ranked[0],), times, (), None).series()
            table = events_of(found.values[:, 0], times, ranked[0].name, parts.notes, repr(name))
            if len(table.start):
                parts.tables[name] = table

    def _add_trials(self, times: np.ndarray) -> None:
        """Add the trials of a file of epochs, or those around events."""
        parts, around = self.parts, self.declared.event_trials
        if (found := self.file.trials) is not None:
            with parts.part("trials"):
                parts.tables["trials"] = intervals(
                    found.start, found.stop, found.columns, parts.notes, "'trials'"
                )
        if around is None:
            return
        if around.table not in parts.tables:
            raise DataError(
                f"{self.path}: event_trials needs a table {around.table!r}; the file has "
                f"{some(map(repr, parts.tables)) or 'none'}"
            )
        try:
            made = trials_around(parts.tables[around.table], around, times, parts.notes)
        except DataError as error:
            raise DataError(f"{self.path}: event_trials: {error}") from error
        parts.tables["trials"] = made


def _rank(name: str) -> int:
    return TRIGGERS.index(name) if name in TRIGGERS else len(TRIGGERS)
