"""Put the signals of a session on one grid of bins.

In: the `Contents` of a file or of objects in Python, and a declaration that says which
of the signals are used. Out: the arrays of a recording, with a note for everything that
was left out on the way. Bins are left out if the activity was not observed, or if a
trial boundary falls inside the bin. Windows never cross such a gap. Bins in which a
target is unknown are kept, with a mask.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from invariance_probe.data.arrays import filled, unknown_note
from invariance_probe.data.binning import (
    NO_TRIAL,
    Grid,
    at_centres,
    counts,
    covered,
    labelled,
    summed,
    trials_of,
)
from invariance_probe.data.contents import Contents, Series, SpikeTrains, Table
from invariance_probe.data.intervals import union
from invariance_probe.data.streams import Stream, counted_on, stream_on
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted, some
from invariance_probe.study.signals import (
    FromIntervals,
    FromSeries,
    SignalsRecording,
    StreamSource,
    TargetSource,
)

SAMPLES_OFF = 1e-3
"""Part of a bin's samples by which a bin may miss a whole number of them."""
MOST_NAMED = 5
"""Most rows or units that a note names one by one."""


@dataclass(frozen=True, eq=False)
class Assembled:
    """A session's signals on one grid of bins.

    Attributes
    ----------
    subject
        The animal or person.
    activity
        (time, unit): int32 counts, or float64 signals.
    activity_kind
        `counts` or `signal`.
    unit_ids
        Name of each unit.
    targets
        Values by name, each (time,) or (time, column).
    known
        Whether a target is known in each bin (time,), by its name; a target that is
        known throughout is left out.
    trials
        Row of the table of trials that each bin lies in (time,), or None.
    segments
        Gap-free stretch of observed bins that each bin lies in (time,). An embargo ends
        at its border.
    pieces
        Unbroken piece of bins that each bin lies in (time,), where a segment has bins
        that are left out; None where no segment has.
    notes
        One sentence for everything that was left out.
    streams
        Further signals by name, each at its own sampling rate.
    """

    subject: str
    activity: np.ndarray
    activity_kind: Literal["counts", "signal"]
    unit_ids: tuple[str, ...]
    targets: Mapping[str, np.ndarray]
    known: Mapping[str, np.ndarray]
    trials: np.ndarray | None
    segments: np.ndarray
    pieces: np.ndarray | None
    notes: tuple[str, ...]
    streams: Mapping[str, Stream]


def assembled(declared: SignalsRecording, contents: Contents, where: str) -> Assembled:
    """Put the signals of a session on one grid of bins.

    Parameters
    ----------
    declared
        Which signals are used, and the bins.
    contents
        What the file holds, or what was given in Python.
    where
        The file or the session, for messages.

    Returns
    -------
    assembled
        The arrays of the recording; its notes say what was left out.

    Raises
    ------
    DataError
        When a signal is missing, or no bin is left.
    """
    return _Assembly(declared, contents, where).made()


@dataclass(frozen=True, eq=False)
class _Assembly:
    """The contents of a session while they are put on a grid."""

    declared: SignalsRecording
    contents: Contents
    where: str

    def made(self) -> Assembled:
        """Choose the bins, and fill them."""
        notes = list(self.contents.sentences_on(self.declared.signals_used()))
        signal = self._activity()
        whole = self._whole(signal, notes)
        grid = self._chosen(whole, notes)
        trials = None
        if self.declared.trials is not None:
            grid, trials = self._in_trials(self.declared.trials, grid, notes)
        activity, observed = self._binned(signal, grid, notes)
        streams = {}
        for name, wanted in self.declared.streams.items():
            streams[name], there = self._stream(name, wanted, grid, notes)
            observed = observed & there
        targets = {
            name: self._target(name, source, grid, notes)
            for name, source in self.declared.targets.items()
        }
        if not observed.any():
            raise DataError(
                f"{self.where}: no bin of {self.declared.bin_s:g} s is left. " + ". ".join(notes)
            )
        masks = {name: known[observed] for name, (_, known) in targets.items()}
        for name, known in masks.items():
            if not known.any():
                raise DataError(
                    f"{self.where}: the target {name!r} is unknown in all bins. " + ". ".join(notes)
                )
            if not known.all():
                notes.append(unknown_note(name, known))
        kept = grid.kept(observed)
        segments, pieces = kept.stretches, None
        if self.declared.reach_s:
            # a filter reaches over bins that are not used, so that an embargo has to as well
            segments, pieces = whole.stretches[np.isin(whole.bins, kept.bins)], kept.stretches
        return Assembled(
            subject=self._subject(),
            activity=activity[observed],
            activity_kind="counts" if activity.dtype.kind == "i" else "signal",
            unit_ids=signal.names if isinstance(signal, SpikeTrains) else signal.channels,
            targets={
                name: filled(values[observed], masks[name]) for name, (values, _) in targets.items()
            },
            known={name: known for name, known in masks.items() if not known.all()},
            trials=None if trials is None else trials[observed],
            segments=segments,
            pieces=pieces,
            notes=tuple(notes),
            streams={name: stream.in_bins(observed) for name, stream in streams.items()},
        )

    def _subject(self) -> str:
        """The subject that the study names, else that of the file, if it says one."""
        default = type(self.declared).model_fields["subject"].default
        unnamed = self.declared.subject == default and self.contents.subject
        return self.contents.subject if unnamed else self.declared.subject

    def _in_trials(self, name: str, grid: Grid, notes: list[str]) -> tuple[Grid, np.ndarray]:
        """Keep the bins that lie wholly in a trial, with the trial of each (bin,)."""
        table = self._table(name, "trials", notes)
        if not table.complete.any():
            raise DataError(
                f"{self.where}: no row of {name!r} has a start and a later stop, so it cannot be "
                "the trials"
            )
        trials, clear, shared = trials_of(table, grid)
        if shared:
            notes.append(
                f"{shared} bins lie in several rows of {name!r} and belong to the last of them"
            )
        self._tell(~clear, f"a border of a row of {name!r} falls inside", notes)
        self._tell(clear & (trials == NO_TRIAL), f"they lie between the rows of {name!r}", notes)
        inside = clear & (trials != NO_TRIAL)
        if not inside.any():
            raise DataError(
                f"{self.where}: no bin of {self.declared.bin_s:g} s lies wholly in a row of "
                f"{name!r}; use shorter bins, or another part of the recording"
            )
        return grid.kept(inside), trials[inside]

    def _activity(self) -> SpikeTrains | Series:
        """Look up the activity and keep the declared units."""
        return self._signal(self.declared.activity, self.declared.units, "activity", "units")

    def _signal(
        self, name: str, chosen: tuple[str, ...], role: str, of: str
    ) -> SpikeTrains | Series:
        """Look up a signal and keep the chosen units or channels.

        Parameters
        ----------
        name
            Name of the signal.
        chosen
            Names of the units or channels; all if empty.
        role, of
            What the signal is used for, and the field that names the chosen, for messages.
        """
        found: SpikeTrains | Series
        if name in self.contents.spikes:
            found = self.contents.spikes[name]
            wanted = _positions(chosen, found.names, f"{self.where}: {of}")
            return SpikeTrains(
                tuple(found.names[i] for i in wanted),
                tuple(found.times[i] for i in wanted),
                found.observed,
            )
        if name in self.contents.series:
            found = self.contents.series[name]
            return _channels(found, chosen, f"{self.where}: {of}")
        has = _listed([*self.contents.spikes, *self.contents.series])
        raise DataError(f"{self.where} has no {role} {name!r}; it has {has}")

    def _stream(
        self, name: str, source: StreamSource, grid: Grid, notes: list[str]
    ) -> tuple[Stream, np.ndarray]:
        """Make a stream, and find the bins in which it was observed (bin,)."""
        where = f"stream {name!r}"
        signal = self._signal(source.signal, source.channels, f"signal of the {where}", where)
        try:
            if isinstance(signal, SpikeTrains):
                times = self._observed_of_stream(source.signal, notes)
                stream, observed = counted_on(signal, grid, times)
            else:
                stream, observed = stream_on(signal, grid)
        except DataError as error:
            raise DataError(f"{self.where}: {where} ({source.signal!r}): {error}") from None
        self._tell(~observed, f"the {where} was not observed in the whole of them", notes)
        return stream, observed

    def _observed_of_stream(self, name: str, notes: list[str]) -> np.ndarray:
        """Intervals in which the units of a stream were observed (interval, 2), in seconds."""
        trains = self.contents.spikes[name]
        if trains.observed is not None:
            return trains.observed
        notes.append(
            f"nothing says when the units of {name!r} were observed: taken from "
            f"{self.declared.origin_s:g} s to the last of their spikes, {trains.last_s:g} s"
        )
        return np.array([[self.declared.origin_s, trains.last_s]])

    def _whole(self, signal: SpikeTrains | Series, notes: list[str]) -> Grid:
        """All bins in which the activity was observed, and which no break touches."""
        grid = self._within(self._observed(signal, notes))
        if (parts := int(grid.stretches[-1]) + 1 if len(grid.bins) else 0) > 1:
            notes.append(f"the activity was observed in {parts} parts with gaps between them")
        broken = grid.touched(self.contents.breaks)
        self._tell(broken, "a break in the recording touches them", notes)
        return grid.kept(~broken)

    def _chosen(self, grid: Grid, notes: list[str]) -> Grid:
        """The bins that the study asks for."""
        declared = self.declared
        if declared.between_s is not None:
            inside = self._within(np.array([declared.between_s]))
            grid = self._cut(grid, inside, "they are not between the times of between_s", notes)
        if declared.during is not None:
            table = self._table(declared.during, "during", notes)
            inside = self._within(_intervals_of(table))
            grid = self._cut(
                grid, inside, f"they do not lie wholly in a row of {declared.during!r}", notes
            )
        if not len(grid.bins):
            raise DataError(
                f"{self.where}: no whole bin of {declared.bin_s:g} s lies where the activity was "
                "observed and the study asks for it; see between_s and during"
            )
        return grid

    def _within(self, intervals: np.ndarray) -> Grid:
        """All bins wholly inside one of some intervals (interval, 2)."""
        try:
            return Grid.within(self.declared.origin_s, self.declared.bin_s, intervals)
        except DataError as error:
            raise DataError(f"{self.where}: {error}") from None

    def _cut(self, grid: Grid, inside: Grid, why: str, notes: list[str]) -> Grid:
        """Keep the bins of one grid that are in another, and note how many are not."""
        kept = np.isin(grid.bins, inside.bins)
        self._tell(~kept, why, notes)
        return grid.kept(kept)

    def _observed(self, signal: SpikeTrains | Series, notes: list[str]) -> np.ndarray:
        """Intervals in which the activity was observed (interval, 2), in seconds."""
        if not isinstance(signal, SpikeTrains):
            if not signal.interval_s > 0:
                raise DataError(
                    f"{self.where}: {self.declared.activity!r} needs at least two samples at "
                    "different times"
                )
            # a sample may stand for the time after it or around it
            half = signal.interval_s / 2
            return np.array([[signal.times[0] - half, signal.times[-1] + 2 * half]])
        if signal.observed is not None:
            return union(signal.observed)
        # all units of the file count, so that the choice of units changes no time
        ends = [
            _intervals_of(self.contents.tables[name])[:, 1]
            for name in self.declared.tables_used()
            if name in self.contents.tables
        ]
        spikes = self.contents.spikes[self.declared.activity].last_s
        last = float(np.concatenate([[spikes], *ends]).max())
        notes.append(
            "nothing says when units were observed: taken from "
            f"{self.declared.origin_s:g} s to the last spike or interval that is used, {last:g} s"
        )
        return np.array([[self.declared.origin_s, last]])

    def _binned(
        self, signal: SpikeTrains | Series, grid: Grid, notes: list[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bin the activity.

        Returns
        -------
        activity
            (bin, unit).
        observed
            Whether every unit was observed in a bin (bin,), boolean.
        """
        if isinstance(signal, SpikeTrains):
            if self.declared.activity_kind == "signal":
                raise DataError(
                    f"{self.where}: {self.declared.activity!r} are spike trains, which are "
                    "counted; leave activity_kind out"
                )
            table, outside = counts(signal, grid)
            if outside:
                total = sum(map(len, signal.times))
                notes.append(f"{outside} of {total} spikes lie in no bin that is used")
            return table, np.ones(len(grid.bins), dtype=bool)
        sums, samples = summed(signal, grid)
        if signal.interval_s > self.declared.bin_s * 1.5:
            raise DataError(
                f"{self.where}: samples of {self.declared.activity!r} are "
                f"{signal.interval_s:g} s apart, and bin_s is {self.declared.bin_s:g}; use bins at "
                "least as long"
            )
        if (empty := ~(samples > 0).any(axis=0)).any():
            names = [signal.channels[i] for i in np.flatnonzero(empty)]
            raise DataError(
                f"{self.where}: {counted(len(names), 'channel')} of {self.declared.activity!r} "
                f"never hold a number ({', '.join(names[:MOST_NAMED])}); list the others in `units`"
            )
        observed: np.ndarray = np.asarray((samples > 0).all(axis=1))
        if self.declared.activity_kind == "counts":
            return self._summed_counts(signal, sums, samples, notes)
        self._tell(~observed, f"{self.declared.activity!r} has no sample", notes)
        return sums / np.maximum(samples, 1), observed

    def _summed_counts(
        self, signal: Series, sums: np.ndarray, samples: np.ndarray, notes: list[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Counts (bin, unit) of a series of counts, and a mask of the complete bins.

        All bins must hold the same number of samples, because their counts would
        otherwise vary with that number.
        """
        name, each = self.declared.activity, self.declared.bin_s / signal.interval_s
        held = np.asarray(signal.values, dtype=np.float64)
        if not np.array_equal(held, np.round(held), equal_nan=True):
            raise DataError(
                f"{self.where}: {name!r} does not hold whole numbers, so it cannot be counts; "
                "leave activity_kind out, or set it to signal"
            )
        if abs(each - round(each)) > SAMPLES_OFF * each:
            raise DataError(
                f"{self.where}: bin_s is {self.declared.bin_s:g}, but samples of {name!r} are "
                f"{signal.interval_s:g} s apart; for counts bin_s must be a multiple of that, such "
                f"as {max(round(each), 1) * signal.interval_s:g}"
            )
        full = np.asarray((samples == round(each)).all(axis=1))
        self._tell(~full, f"they do not hold {round(each)} samples of {name!r}", notes)
        return sums.astype(np.int32), full

    def _target(
        self, name: str, source: TargetSource, grid: Grid, notes: list[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values of a target in each bin, and the bins in which it is known (bin,)."""
        where = f"{self.where}: target {name!r}"
        if isinstance(source, FromSeries):
            if source.series not in self.contents.series:
                has = _listed(list(self.contents.series))
                raise DataError(f"{where}: no series {source.series!r}; the file has {has}")
            found = _channels(self.contents.series[source.series], source.channels, where)
            values = at_centres(found, grid, source.max_gap_s)
            known = np.isfinite(values).all(axis=1)
            return (values[:, 0] if values.shape[1] == 1 else values), known
        if isinstance(source, FromIntervals):
            table = self._table(source.inside, f"target {name!r}", notes)
            rows = table.complete
            share = covered(table.start[rows], table.stop[rows], grid)
            inside = share >= source.cover - grid.rounding
            return inside.astype(np.int64), np.ones(len(grid.bins), dtype=bool)
        table = self._table(source.table, f"target {name!r}", notes)
        if source.column not in table.columns:
            has = _listed(list(table.columns))
            raise DataError(
                f"{where}: {source.table!r} has no column {source.column!r}; it has {has}"
            )
        if np.asarray(table.columns[source.column]).ndim != 1:
            raise DataError(
                f"{where}: column {source.column!r} holds more than one value per "
                "row; split it into columns of one value each"
            )
        labels = labelled(table, source.column, grid, source.cover)
        if labels.contested:
            notes.append(
                f"{labels.contested} bins are covered equally by rows of {source.table!r} with "
                f"different values of {source.column!r}, and have none of them"
            )
        return labels.values, labels.known

    def _table(self, name: str, role: str, notes: list[str]) -> Table:
        """Look up a table of intervals, and note its rows that cannot be used."""
        if name not in self.contents.tables:
            has = _listed(list(self.contents.tables))
            raise DataError(f"{self.where}: no table {name!r} ({role}); the file has {has}")
        table = self.contents.tables[name]
        without = np.flatnonzero(~table.complete)
        note = (
            f"{len(without)} of {len(table.start)} rows of {name!r} have no start or no later stop "
            f"and are not used: {some(without, MOST_NAMED)}"
        )
        if len(without) and note not in notes:
            notes.append(note)
        return table

    def _tell(self, out: np.ndarray, why: str, notes: list[str]) -> None:
        """Note how many bins are left out, and why."""
        if out.any():
            notes.append(f"{int(out.sum())} of {len(out)} bins are left out: {why}")


def _intervals_of(table: Table) -> np.ndarray:
    """Start and stop of a table's complete rows, joined where they overlap (interval, 2)."""
    return union(np.column_stack([table.start, table.stop])[table.complete])


def _channels(series: Series, names: tuple[str, ...], where: str) -> Series:
    """The same series with the named channels alone; all of them if none is named."""
    if not names:
        return series
    wanted = _positions(names, series.channels, where)
    return Series(
        series.values[:, wanted],
        series.times,
        tuple(series.channels[i] for i in wanted),
        series.unit,
        None if series.positions is None else series.positions[wanted],
    )


def _positions(names: tuple[str, ...], known: tuple[str, ...], where: str) -> list[int]:
    """Positions of some names among all; all positions if none is named."""
    if missing := [name for name in names if name not in known]:
        raise DataError(f"{where}: there is no {missing[0]!r}; there are {_listed(list(known))}")
    if len(set(names)) < len(names):
        raise DataError(f"{where}: {_listed(list(names))} holds a name twice; name each once")
    return [known.index(name) for name in names] if names else list(range(len(known)))


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
