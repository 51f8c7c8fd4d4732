"""From what a file holds to a recording: one grid of bins for all of its signals.

In: the `Contents` of a file, and a declaration that says which of its signals are used.
Out: a `Recording`, with a note for everything that was left out on the way. Bins are
left out if the activity was not observed, if a trial boundary falls inside the bin, or
if a target is unknown. Windows never cross such a gap.
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.data.binning import (
    Grid,
    at_centres,
    counts,
    covered,
    joined,
    labelled,
    summed,
    trials_of,
)
from invariance_probe.data.contents import Contents, Series, SpikeTrains, Table
from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.signals import (
    FromIntervals,
    FromSeries,
    SignalsRecording,
    TargetSource,
)

SAMPLES_OFF = 1e-3
"""Part of a bin's samples by which a bin may miss a whole number of them."""
MOST_NAMED = 5
"""Most rows or units that a note names one by one."""


def assembled(declared: SignalsRecording, contents: Contents, where: str) -> Recording:
    """Put the signals of a file on one grid of bins.

    Parameters
    ----------
    declared
        Which signals are used, and the bins.
    contents
        What the file holds.
    where
        The file, for messages.

    Returns
    -------
    recording
        The session; its notes say what was left out.

    Raises
    ------
    DataError
        When a signal is not in the file, or no bin is left.
    """
    return _Assembly(declared, contents, where).recording()


@dataclass(frozen=True, eq=False)
class _Assembly:
    """The contents of a file while they are made into a recording."""

    declared: SignalsRecording
    contents: Contents
    where: str

    def recording(self) -> Recording:
        """Choose the bins, and fill them."""
        notes = list(self.contents.notes)
        signal = self._activity()
        grid = self._bins(signal, notes)
        trials = None
        if self.declared.trials is not None:
            table = self._table(self.declared.trials, "trials", notes)
            trials, clear, shared = trials_of(table, grid)
            if shared:
                notes.append(
                    f"{shared} bins lie in several rows of {self.declared.trials!r} and belong to "
                    "the last of them"
                )
            self._tell(~clear, f"a border of {self.declared.trials!r} lies inside", notes)
            grid, trials = grid.kept(clear), trials[clear]
        activity, observed = self._binned(signal, grid, notes)
        targets = {
            name: self._target(name, source, grid, notes)
            for name, source in self.declared.targets.items()
        }
        used = observed.copy()
        for name, (_, known) in targets.items():
            self._tell(used & ~known, f"the target {name!r} is unknown", notes)
            used &= known
        if not used.any():
            raise DataError(
                f"{self.where}: no bin of {self.declared.bin_s:g} s is left. " + ". ".join(notes)
            )
        grid = grid.kept(used)
        return Recording(
            session=self.declared.session,
            subject=self.declared.subject,
            group=self.declared.group,
            activity=activity[used],
            activity_kind="counts" if activity.dtype.kind == "i" else "signal",
            bin_s=self.declared.bin_s,
            unit_ids=signal.names if isinstance(signal, SpikeTrains) else signal.channels,
            targets={name: values[used] for name, (values, _) in targets.items()},
            trials=None if trials is None else trials[used],
            segments=grid.stretches,
            notes=tuple(notes),
        )

    def _activity(self) -> SpikeTrains | Series:
        """Look up the activity and keep the declared units."""
        name = self.declared.activity
        found: SpikeTrains | Series
        if name in self.contents.spikes:
            found = self.contents.spikes[name]
            wanted = _positions(self.declared.units, found.names, f"{self.where}: units")
            return SpikeTrains(
                tuple(found.names[i] for i in wanted),
                tuple(found.times[i] for i in wanted),
                found.observed,
            )
        if name in self.contents.series:
            found = self.contents.series[name]
            return _channels(found, self.declared.units, f"{self.where}: units")
        has = _listed([*self.contents.spikes, *self.contents.series])
        raise DataError(f"{self.where} has no activity {name!r}; it has {has}")

    def _bins(self, signal: SpikeTrains | Series, notes: list[str]) -> Grid:
        """All bins in which the activity was observed, and which the study asks for."""
        declared = self.declared
        grid = Grid.within(declared.origin_s, declared.bin_s, self._observed(signal, notes))
        if declared.between_s is not None:
            inside = Grid.within(
                declared.origin_s, declared.bin_s, np.array([declared.between_s])
            ).bins
            grid = grid.kept(np.isin(grid.bins, inside))
        if declared.during is not None:
            table = self._table(declared.during, "during", notes)
            rows = joined(table.start[table.complete], table.stop[table.complete])
            inside = Grid.within(
                declared.origin_s, declared.bin_s, np.array(rows).reshape(-1, 2)
            ).bins
            grid = grid.kept(np.isin(grid.bins, inside))
        if not len(grid.bins):
            raise DataError(
                f"{self.where}: no whole bin of {declared.bin_s:g} s lies where the activity was "
                "observed and the study asks for it; see between_s and during"
            )
        return grid

    def _observed(self, signal: SpikeTrains | Series, notes: list[str]) -> np.ndarray:
        """Intervals in which the activity was observed (interval, 2), in seconds."""
        if isinstance(signal, SpikeTrains):
            if signal.observed is not None:
                return signal.observed
            tables = [
                float(table.stop[table.complete].max())
                for table in self.contents.tables.values()
                if table.complete.any()
            ]
            last = max([signal.last_s, *tables])
            if self.declared.between_s is None:
                notes.append(
                    "the file does not say when units were observed: taken from "
                    f"{self.declared.origin_s:g} s to the last spike or interval, {last:g} s"
                )
                return np.array([[self.declared.origin_s, last]])
            return np.array([self.declared.between_s])
        if len(signal.times) < 2:
            return np.zeros((0, 2))
        return np.array([[signal.times[0], signal.times[-1] + signal.interval_s]])

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
            table, outside = counts(signal, grid)
            if outside:
                total = sum(map(len, signal.times))
                notes.append(f"{outside} of {total} spikes lie in no bin that is used")
            return table, np.ones(len(grid.bins), dtype=bool)
        sums, samples = summed(signal, grid)
        observed: np.ndarray = np.asarray((samples > 0).all(axis=1))
        if not observed.any() or signal.interval_s > self.declared.bin_s * 1.5:
            raise DataError(
                f"{self.where}: samples of {self.declared.activity!r} are "
                f"{signal.interval_s:g} s apart, and bin_s is {self.declared.bin_s:g}; use bins at "
                "least as long"
            )
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
        if not np.array_equal(sums, np.round(sums)):
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
            return (share >= source.cover).astype(np.int64), np.ones(len(grid.bins), dtype=bool)
        table = self._table(source.table, f"target {name!r}", notes)
        if source.column not in table.columns:
            has = _listed(list(table.columns))
            raise DataError(
                f"{where}: {source.table!r} has no column {source.column!r}; it has {has}"
            )
        if np.asarray(table.columns[source.column]).ndim != 1:
            raise DataError(f"{where}: column {source.column!r} has several values in a row")
        return labelled(table, source.column, grid, source.cover)

    def _table(self, name: str, role: str, notes: list[str]) -> Table:
        """Look up a table of intervals, and note its rows that cannot be used."""
        if name not in self.contents.tables:
            has = _listed(list(self.contents.tables))
            raise DataError(f"{self.where}: no table {name!r} ({role}); the file has {has}")
        table = self.contents.tables[name]
        without = np.flatnonzero(~table.complete)
        note = (
            f"{len(without)} of {len(table.start)} rows of {name!r} have no start or no later stop "
            f"and are not used: {_some(without)}"
        )
        if len(without) and note not in notes:
            notes.append(note)
        return table

    def _tell(self, out: np.ndarray, why: str, notes: list[str]) -> None:
        """Note how many bins are left out, and why."""
        if out.any():
            notes.append(f"{int(out.sum())} of {len(out)} bins are left out: {why}")


def _channels(series: Series, names: tuple[str, ...], where: str) -> Series:
    """The same series with the named channels alone; all of them if none is named."""
    wanted = _positions(names, series.channels, where)
    return Series(
        series.values[:, wanted],
        series.times,
        tuple(series.channels[i] for i in wanted),
        series.unit,
    )


def _positions(names: tuple[str, ...], known: tuple[str, ...], where: str) -> list[int]:
    """Positions of some names among all; all positions if none is named."""
    if missing := [name for name in names if name not in known]:
        raise DataError(f"{where}: there is no {missing[0]!r}; there are {_listed(list(known))}")
    return [known.index(name) for name in names] if names else list(range(len(known)))


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _some(rows: np.ndarray) -> str:
    """The first rows of some, and how many more there are."""
    shown = ", ".join(map(str, rows[:MOST_NAMED]))
    return shown if len(rows) <= MOST_NAMED else f"{shown} and {len(rows) - MOST_NAMED} more"
