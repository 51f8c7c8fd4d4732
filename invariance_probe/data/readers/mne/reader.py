"""Read EEG, MEG and intracranial recordings into series and tables.

In: a file, and what a study uses of it. Out: `Contents`. Annotations and triggers are
read when the file is opened; samples of a series are read when it is looked up, in
chunks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from invariance_probe.data.contents import Contents, OnDemand, Series
from invariance_probe.data.readers.checked import Parts, intervals, some
from invariance_probe.data.readers.mne.annotations import (
    breaks_of,
    events_of,
    table_of,
    trials_around,
    unbroken,
)
from invariance_probe.data.readers.mne.bids import Bids, Rows, events_table
from invariance_probe.data.readers.mne.channels import (
    NO_UNIT,
    OF_BIDS,
    PER_MICROVOLT,
    PLAUSIBLE_ELSE_UV,
    PLAUSIBLE_UV,
    POTENTIALS,
    Channel,
    names_of_series,
)
from invariance_probe.data.readers.mne.edf import EdfFile
from invariance_probe.data.readers.mne.signal_file import SignalFile
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted
from invariance_probe.study.signals import MneRecording

OWN = (".edf", ".bdf", ".rec")
"""Endings of names of the files that are read without MNE."""
CHUNK = 1 << 22
"""Values that are read at once."""
GLANCES = 20
"""Stretches of a recording by which its amplitudes are judged."""
GLANCE_S = 5.0
"""Length of such a stretch in seconds."""
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
    if path.suffix.lower() in OWN:
        file: SignalFile = EdfFile(path)
    else:
        file = _with_mne("through_mne", str(path)).open_with_mne(path, declared)
    return _Reading(path, file, declared).contents()


def _with_mne(name: str, what: str) -> ModuleType:
    """Import a file of this folder that needs MNE."""
    try:
        return import_module(f"invariance_probe.data.readers.mne.{name}")
    except ImportError as error:
        raise DataError(
            f"{what} needs MNE, which is not installed: pip install 'invariance_probe[eeg]'"
        ) from error


@dataclass(frozen=True, eq=False)
class _Samples:
    """The samples of a series that are used.

    Attributes
    ----------
    file, channels
        Where they are.
    times
        Times of the samples in seconds (sample,).
    runs
        Unbroken runs of samples: first, and one after the last.
    change
        What is done to each run (sample, channel), or None. Samples outside of the runs
        are then unknown.
    """

    file: SignalFile
    channels: tuple[Channel, ...]
    times: np.ndarray
    runs: tuple[tuple[int, int], ...]
    change: Callable[[np.ndarray], np.ndarray] | None

    def series(self) -> Series:
        """Read them, in chunks."""
        values = np.empty((len(self.times), len(self.channels)), np.float32)
        step = max(1, CHUNK // len(self.channels))
        factors = np.array([one.factor for one in self.channels])
        for first in range(0, len(values), step):
            last = min(first + step, len(values))
            values[first:last] = self.file.values(self.channels, first, last) * factors
        if self.change is not None:
            outside = np.ones(len(values), dtype=bool)
            for first, last in self.runs:
                values[first:last] = self.change(values[first:last])
                outside[first:last] = False
            values[outside] = np.nan
        positions = np.array(
            [one.position or (np.nan, np.nan, np.nan) for one in self.channels], dtype=np.float64
        )
        units = {one.unit for one in self.channels}
        return Series(
            values,
            self.times,
            tuple(one.name for one in self.channels),
            units.pop() if len(units) == 1 else "",
            positions if np.isfinite(positions).any() else None,
        )


class _Reading:
    """A file while its `Contents` are made."""

    def __init__(self, path: Path, file: SignalFile, declared: MneRecording) -> None:
        self.path, self.file, self.declared = path, file, declared
        self.parts = Parts(declared, str(path))
        self.parts.notes += file.notes
        self.bids = self._bids()
        self.channels = self._channels()

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

    def _channels(self) -> list[Channel]:
        """Channels that can be used, with the types and units that are stated."""
        declared, notes = self.declared, self.parts.notes
        found = list(self.file.channels)
        if self.bids is not None:
            if (rows := self.bids.table("channels")) is not None:
                found = _by_table(found, rows, isinstance(self.file, EdfFile), notes)
            places = self.bids.positions
            found = [replace(one, position=one.position or places.get(one.name)) for one in found]
        if unknown := [name for name in declared.types if name not in {c.name for c in found}]:
            raise DataError(
                f"{self.path}: types names {unknown[0]!r}, but the channels are "
                f"{some(repr(one.name) for one in found)}"
            )
        found = [replace(one, type=declared.types.get(one.name, one.type)) for one in found]
        if declared.unit_of_measure is not None:
            stated = [one for one in found if one.lacks_unit]
            found = [
                replace(one, unit_in_file=declared.unit_of_measure) if one in stated else one
                for one in found
            ]
            notes.append(
                f"{counted(len(stated), 'channel')} without a unit are taken for "
                f"{declared.unit_of_measure}, as declared"
            )
        return self._usable(found)

    def _usable(self, channels: list[Channel]) -> list[Channel]:
        """Leave out bad channels, unless `units` names them, and those of unknown unit."""
        notes, named = self.parts.notes, self.declared.units
        bad = [one for one in channels if one.bad and one.name not in named]
        if bad:
            notes.append(
                f"{len(bad)} of {counted(len(channels), 'channel')} are marked as bad and left "
                f"out: {some(one.name for one in bad)} (units can name them all the same)"
            )
        unknown = [one for one in channels if one.lacks_unit]
        if unknown:
            texts = some(
                f"{one.name!r} ({one.unit_in_file!r})" if one.unit_in_file else repr(one.name)
                for one in unknown
            )
            said = (
                f"no unit of electric potential is known of {len(unknown)} of "
                f"{counted(len(channels), 'channel')}: {texts}"
            )
            needed = {one.name for one in channels if one.type == self.declared.activity}
            if {one.name for one in unknown} & set(named) or (
                needed and needed <= {one.name for one in unknown}
            ):
                raise DataError(f"{self.path}: {said}; state it with unit_of_measure, such as uV")
            notes.append(f"{said}; they are left out (unit_of_measure states it)")
        scaled = [
            one
            for one in channels
            if one.type in POTENTIALS and not one.lacks_unit and one.factor != 1
        ]
        for unit in dict.fromkeys(one.unit_in_file for one in scaled):
            of = [one for one in scaled if one.unit_in_file == unit]
            notes.append(
                f"values of {counted(len(of), 'channel')} in {unit} are multiplied by "
                f"{PER_MICROVOLT[unit]:g}, to give uV"
            )
        return [one for one in channels if one not in bad and one not in unknown]

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
                self._glance(name, channels, runs)
                readers[name] = _Samples(self.file, channels, times, runs, change).series
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

    def _glance(
        self, name: str, channels: Sequence[Channel], runs: tuple[tuple[int, int], ...]
    ) -> None:
        """Note amplitudes that are not plausible, from short stretches of the recording."""
        each = max(2, round(GLANCE_S * channels[0].rate_hz))
        starts = [a for first, last in runs for a in range(first, last - each + 1, each)]
        chosen = starts[:: max(1, len(starts) // GLANCES)][:GLANCES] or [a for a, _ in runs[:1]]
        ends = {a: min(a + each, b) for a in chosen for first, b in runs if first <= a < b}
        if not chosen:
            return
        sds = [self.file.values(channels, a, ends[a]).std(axis=0) for a in chosen]
        typical = np.median(sds, axis=0) * np.array([one.factor for one in channels])
        flat = [one.name for one, sd in zip(channels, np.max(sds, axis=0), strict=True) if sd == 0]
        if flat:
            self.parts.notes.append(
                f"wherever it was looked at, the signal is constant in {len(flat)} of "
                f"{counted(len(channels), 'channel')} of {name!r}: {some(flat)}"
            )
        if channels[0].type not in POTENTIALS:
            return
        low, high = PLAUSIBLE_UV.get(channels[0].type, PLAUSIBLE_ELSE_UV)
        odd = [
            f"{one.name} ({sd:.3g} uV)"
            for one, sd in zip(channels, typical, strict=True)
            if one.name not in flat and not low <= sd <= high
        ]
        if odd:
            self.parts.notes.append(
                f"the SD is outside of {low:g} to {high:g} uV in {len(odd)} of "
                f"{counted(len(channels), 'channel')} of {name!r}, so the unit in the file may be "
                f"wrong: {some(odd)}"
            )

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
            step = CHUNK // 8
            values = [
                self.file.values(ranked[:1], a, min(a + step, len(times)))[:, 0]
                for a in range(0, len(times), step)
            ]
            table = events_of(
                np.concatenate([np.zeros(0), *values]),
                times,
                ranked[0].name,
                parts.notes,
                repr(name),
            )
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


def _by_table(
    channels: list[Channel], rows: Rows, units_too: bool, notes: list[str]
) -> list[Channel]:
    """Channels with the types, units and states of `channels.tsv`.

    Units of potentials count only for files that are not scaled by MNE already.
    """
    listed = {name: row for row, name in enumerate(rows.get("name", ()))}
    missing = [one.name for one in channels if one.name not in listed]
    if missing:
        notes.append(
            f"channels.tsv does not list {counted(len(missing), 'channel')}: {some(missing)}"
        )
    found, typed, measured = [], [], []
    for one in channels:
        if one.name not in listed:
            found.append(one)
            continue
        cell = {name: values[listed[one.name]] for name, values in rows.items()}
        word = cell.get("type", "").lower()
        type_ = one.type if word in ("", "n/a") else OF_BIDS.get(word, word)
        unit = cell.get("units", "")
        scaled = one.unit_in_file in PER_MICROVOLT and unit in PER_MICROVOLT and not units_too
        unit = one.unit_in_file if scaled or unit.lower() in NO_UNIT else unit
        bad = one.bad or cell.get("status", "").lower() == "bad"
        if type_ != one.type:
            typed.append(f"{one.name} {type_}")
        if unit != one.unit_in_file and one.unit_in_file:
            measured.append(f"{one.name} {unit} for {one.unit_in_file}")
        found.append(replace(one, type=type_, unit_in_file=unit, bad=bad))
    if typed:
        notes.append(
            f"types of {len(typed)} of {counted(len(channels), 'channel')} are those of "
            f"channels.tsv: {some(typed)}"
        )
    if measured:
        notes.append(
            f"units of {counted(len(measured), 'channel')} are those of channels.tsv: "
            f"{some(measured)}"
        )
    return found
