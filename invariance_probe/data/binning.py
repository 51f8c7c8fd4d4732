"""One grid of bins, and what spike trains, series and intervals are in each of its bins.

In: times in seconds on one clock. Out: numbers or labels per bin. A bin holds its start
and not its stop. Bins lie at whole multiples of their length from a declared origin, so
that all signals of a session share them. Nothing is filtered or smoothed here.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from invariance_probe.data.contents import Series, SpikeTrains, Table
from invariance_probe.data.intervals import union
from invariance_probe.errors import DataError

ROUNDING = 1e-6
"""Part of a bin by which a time may miss a border, since 0.3 / 0.1 is below 3."""
SPACINGS = 8
"""Largest error of a time, in steps between neighbouring floating-point numbers."""
MOST_BINS = 100_000_000
"""Most bins of a recording; more come from times that are not in seconds."""
NO_TRIAL = -1
"""Trial of bins that lie between trials."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The bins of a session that are used.

    Attributes
    ----------
    origin_s, bin_s
        Time at which bin 0 starts, and length of a bin, in seconds.
    bins
        Number of each bin that is used (bin,) int64, ascending. Bin k starts at
        `origin_s + k * bin_s`.
    """

    origin_s: float
    bin_s: float
    bins: np.ndarray

    @classmethod
    def within(cls, origin_s: float, bin_s: float, intervals: np.ndarray) -> "Grid":
        """Take all bins that lie wholly inside one of some intervals.

        Parameters
        ----------
        origin_s, bin_s
            As for the grid.
        intervals
            Start and stop of each interval (interval, 2), in seconds.

        Raises
        ------
        DataError
            When there would be more than `MOST_BINS` bins.
        """
        grid = cls(origin_s, bin_s, np.zeros(0, dtype=np.int64))
        ends = [grid.whole(start, stop) for start, stop in intervals]
        if (count := sum(end - first for first, end in ends)) > MOST_BINS:
            raise DataError(
                f"there would be {count:.2g} bins of {bin_s:g} s from {np.min(intervals):g} s to "
                f"{np.max(intervals):g} s; are all times in seconds (ticks_per_s), and does the "
                "recording start at origin_s?"
            )
        parts = [np.arange(first, end) for first, end in ends]
        return replace(grid, bins=np.unique(np.concatenate([grid.bins, *parts])))

    @cached_property
    def rounding(self) -> float:
        """Part of a bin by which a time in one of the bins may miss a border."""
        ends = self.starts[[0, -1]] if len(self.bins) else np.zeros(1)
        return self._rounding_at(float(np.abs(ends).max()))

    def _rounding_at(self, time: float) -> float:
        """The same at a time: more than `ROUNDING` where clocks count from 1970."""
        return ROUNDING + SPACINGS * float(np.spacing(abs(time))) / self.bin_s

    def whole(self, start: float, stop: float) -> tuple[int, int]:
        """First bin that lies wholly inside an interval, and the one after the last."""
        rounding = self._rounding_at(max(abs(start), abs(stop)))
        first = np.ceil((start - self.origin_s) / self.bin_s - rounding)
        end = np.floor((stop - self.origin_s) / self.bin_s + rounding)
        return int(first), max(int(first), int(end))

    def touched(self, intervals: np.ndarray) -> np.ndarray:
        """Whether one of some intervals touches a bin (bin,).

        Parameters
        ----------
        intervals
            Start and stop of each interval (interval, 2), in seconds. One without length
            touches the bin that it lies in.
        """
        found = np.zeros(len(self.bins), dtype=bool)
        for start, stop in intervals:
            first = int(self.bins_of(np.array([start]))[0])
            end = max(first + 1, int(np.ceil((stop - self.origin_s) / self.bin_s - ROUNDING)))
            low, high = np.searchsorted(self.bins, [first, end])
            found[low:high] = True
        return found

    def kept(self, inside: np.ndarray) -> "Grid":
        """The same grid with some of its bins (bin,) only."""
        return replace(self, bins=self.bins[inside])

    @cached_property
    def starts(self) -> np.ndarray:
        """Start of each bin in seconds (bin,)."""
        return self.origin_s + self.bins * self.bin_s

    @cached_property
    def centres(self) -> np.ndarray:
        """Centre of each bin in seconds (bin,)."""
        return self.starts + self.bin_s / 2

    @cached_property
    def stretches(self) -> np.ndarray:
        """Number of the unbroken stretch that each bin lies in (bin,)."""
        return np.concatenate([[0], np.cumsum(np.diff(self.bins) != 1)])[: len(self.bins)]

    def bins_of(self, times: np.ndarray) -> np.ndarray:
        """Number of the bin that every time lies in (time,), used or not."""
        rounding = ROUNDING + SPACINGS * np.spacing(np.abs(times)) / self.bin_s
        return np.floor((times - self.origin_s) / self.bin_s + rounding).astype(np.int64)

    def positions(self, times: np.ndarray) -> np.ndarray:
        """Position among the used bins of every time (time,); -1 outside of them."""
        numbers = self.bins_of(times)
        found = np.searchsorted(self.bins, numbers).clip(max=max(len(self.bins) - 1, 0))
        return np.where(self.bins[found] == numbers, found, -1) if len(self.bins) else found - 1


def counts(spikes: SpikeTrains, grid: Grid) -> tuple[np.ndarray, int]:
    """Count the spikes of each unit in each bin.

    Parameters
    ----------
    spikes
        The spike trains.
    grid
        The bins.

    Returns
    -------
    counts
        Number of spikes (bin, unit), int32.
    outside
        Number of spikes of all units that lie in no bin.
    """
    table = np.zeros((len(grid.bins), len(spikes.names)), dtype=np.int32)
    outside = 0
    for unit, times in enumerate(spikes.times):
        positions = grid.positions(times)
        inside = positions[positions >= 0]
        table[:, unit] = np.bincount(inside, minlength=len(grid.bins))
        outside += len(positions) - len(inside)
    return table, outside


def summed(series: Series, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Sum the samples in each bin, and count them.

    Parameters
    ----------
    series
        The samples. Missing ones (NaN) count as none.
    grid
        The bins.

    Returns
    -------
    sums
        Sum of the samples (bin, channel), float64.
    samples
        Number of samples (bin, channel).
    """
    positions = grid.positions(series.times)
    inside = positions >= 0
    sums = np.zeros((len(grid.bins), len(series.channels)))
    samples = np.zeros(sums.shape, dtype=np.int64)
    for channel in range(len(series.channels)):
        values = np.asarray(series.values[inside, channel], dtype=np.float64)
        present = np.isfinite(values)
        at = positions[inside][present]
        sums[:, channel] = np.bincount(at, values[present], minlength=len(sums))
        samples[:, channel] = np.bincount(at, minlength=len(sums))
    return sums, samples


def at_centres(series: Series, grid: Grid, max_gap_s: float | None) -> np.ndarray:
    """Take the sample nearest to the centre of each bin.

    Nothing is interpolated, so that angles stay angles and no value is invented. Of two
    samples that are equally near, the earlier one is taken.

    Parameters
    ----------
    series
        The samples. A sample with a missing value (NaN) in any channel is none.
    grid
        The bins.
    max_gap_s
        Largest distance between a centre and its sample in seconds; half a bin if None.

    Returns
    -------
    (bin, channel) float64; NaN where no sample is near enough.
    """
    largest = grid.bin_s / 2 if max_gap_s is None else max_gap_s
    rounding_s = grid.rounding * grid.bin_s
    present = np.isfinite(np.asarray(series.values, dtype=np.float64)).all(axis=1)
    times, values = series.times[present], np.asarray(series.values, dtype=np.float64)[present]
    if not len(times):
        return np.full((len(grid.bins), len(series.channels)), np.nan)
    after = np.searchsorted(times, grid.centres).clip(1, max(len(times) - 1, 1))
    before, after = after - 1, after.clip(max=len(times) - 1)
    distances = np.abs(times[before] - grid.centres), np.abs(times[after] - grid.centres)
    nearest = np.where(distances[0] <= distances[1] + rounding_s, before, after)
    near = np.abs(times[nearest] - grid.centres) <= largest + rounding_s
    return np.where(near[:, None], values[nearest], np.nan)


def covered(start: np.ndarray, stop: np.ndarray, grid: Grid) -> np.ndarray:
    """Fraction of each bin that some intervals cover together (bin,).

    Parameters
    ----------
    start, stop
        Start and stop of the intervals in seconds (interval,). They may overlap.
    grid
        The bins.
    """
    fraction = np.zeros(len(grid.bins))
    bins, share = _shares_of(start, stop, grid)
    fraction[bins] = share
    return fraction


def _shares_of(start: np.ndarray, stop: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the bins that some intervals touch, and the fraction that they cover."""
    positions, shares = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for first, last in union(np.column_stack([start, stop])):
        numbers = grid.bins_of(np.array([first, last]))
        low, high = np.searchsorted(grid.bins, [numbers[0], numbers[1] + 1])
        starts = grid.starts[low:high]
        overlap = np.minimum(starts + grid.bin_s, last) - np.maximum(starts, first)
        positions.append(np.arange(low, high))
        shares.append(overlap.clip(0) / grid.bin_s)
    bins, of = np.unique(np.concatenate(positions), return_inverse=True)
    return bins, np.bincount(of, np.concatenate(shares), minlength=len(bins))


@dataclass(frozen=True, eq=False)
class Labels:
    """The label of each bin.

    Attributes
    ----------
    values
        Label (bin,), of the type of the column that it comes from.
    known
        Whether one label covers enough of the bin, and more than any other (bin,).
    contested
        Number of bins that two labels cover equally, so that neither is taken.
    """

    values: np.ndarray
    known: np.ndarray
    contested: int


def labelled(table: Table, column: str, grid: Grid, cover: float) -> Labels:
    """Label each bin by the intervals that cover most of it.

    Parameters
    ----------
    table
        Intervals; incomplete rows are not used, and rows without a label say nothing.
    column
        The column that holds the labels, numbers or text (row,).
    grid
        The bins.
    cover
        Smallest fraction of a bin that intervals of one label must cover.
    """
    values = np.asarray(table.columns[column])
    whole = table.complete & ~_missing(values)
    classes, numbers = np.unique(values[whole], return_inverse=True)
    best = np.zeros((2, len(grid.bins)))  # the largest share of a label, and the next one
    label = np.zeros(len(grid.bins), dtype=np.int64)
    for number in range(len(classes)):
        rows = np.flatnonzero(whole)[numbers == number]
        bins, share = _shares_of(table.start[rows], table.stop[rows], grid)
        leads = share > best[0, bins]
        best[1, bins] = np.where(leads, best[0, bins], np.maximum(best[1, bins], share))
        best[0, bins[leads]], label[bins[leads]] = share[leads], number
    enough = best[0] >= cover - grid.rounding
    alone = best[0] - best[1] > grid.rounding
    found = classes[label] if len(classes) else np.zeros(len(grid.bins), dtype=values.dtype)
    return Labels(found, enough & alone & bool(len(classes)), int((enough & ~alone).sum()))


def _missing(values: np.ndarray) -> np.ndarray:
    """Rows of a column of labels that hold none (row,): NaN, or an empty text."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    return values == "" if values.dtype.kind in "US" else np.zeros(len(values), dtype=bool)


def trials_of(table: Table, grid: Grid) -> tuple[np.ndarray, np.ndarray, int]:
    """Find the trial of each bin.

    Parameters
    ----------
    table
        One row per trial; incomplete rows are not used.
    grid
        The bins.

    Returns
    -------
    trials
        Row of the trial that a bin lies wholly in (bin,); the last such row where trials
        overlap, and `NO_TRIAL` between trials.
    clear
        Whether no border of a trial lies inside the bin (bin,).
    shared
        Number of bins that lie in several trials.
    """
    trials = np.full(len(grid.bins), NO_TRIAL, dtype=np.int64)
    times = np.zeros(len(grid.bins), dtype=np.int64)
    clear = np.ones(len(grid.bins), dtype=bool)
    for row in np.flatnonzero(table.complete):
        borders = float(table.start[row]), float(table.stop[row])
        low, high = np.searchsorted(grid.bins, grid.whole(*borders))
        trials[low:high] = row
        times[low:high] += 1
        for border in borders:
            number = int(grid.bins_of(np.array([border]))[0])
            inside = (border - grid.origin_s) / grid.bin_s - number
            at = int(np.searchsorted(grid.bins, number))
            if inside > grid.rounding and at < len(grid.bins) and grid.bins[at] == number:
                clear[at] = False
    return trials, clear, int((times > 1).sum())
