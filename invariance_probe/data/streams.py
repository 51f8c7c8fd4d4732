"""Streams: further signals of a session, each at its own sampling rate.

In: samples of a signal, and for each bin of the session's grid the first sample that
lies in it. Out: a `Stream`, from which the samples of any window can be taken. The
activity is not a stream: the bins are its own.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from invariance_probe.data.arrays import as_single, constant_columns
from invariance_probe.data.binning import Grid, counts
from invariance_probe.data.contents import Series, SpikeTrains
from invariance_probe.data.intervals import union
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted

ROUNDING = 1e-6
"""Part of a sample by which a length may miss a whole number of samples."""
MOST_NAMED = 5
"""Most channels that a message names one by one."""
JITTERED = 0.5
"""Part of a sampling interval by which a sample may miss its place in an even series."""


@dataclass(frozen=True, eq=False)
class Stream:
    """A further recorded signal of a session.

    Attributes
    ----------
    values
        Samples (sample, channel), float32.
    rate_hz
        Sampling rate.
    channels
        Name of each channel.
    first
        For each bin of the recording, the first sample that lies in it (time,), int64.

    Raises
    ------
    DataError
        For NaN, infinities, shapes that do not fit together, and a signal that never
        varies.
    """

    PARTS: ClassVar = ("stream samples", "stream rate", "stream channels", "stream first")
    """Names of what it holds, under which it is saved."""

    values: np.ndarray
    rate_hz: float
    channels: tuple[str, ...]
    first: np.ndarray

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        if values.ndim != 2 or values.shape[1] != len(self.channels) or 0 in values.shape:
            raise DataError(
                f"the samples have shape {values.shape}, but must have shape (sample, channel) "
                f"with {len(self.channels)} channels"
            )
        if values.dtype.kind not in "biuf":
            raise DataError(f"the samples are of type {values.dtype}, but must be numbers")
        if not np.isfinite(values).all():
            sample, channel = (int(at) for at in np.argwhere(~np.isfinite(values))[0])
            raise DataError(
                f"sample {sample} of channel {self.channels[channel]!r} is NaN or infinite; "
                "remove or interpolate it"
            )
        if constant_columns(values).all():
            raise DataError("no channel ever varies, so nothing can be learned from it")
        object.__setattr__(self, "values", as_single(values, "the signal", "channel"))

    @classmethod
    def per_bin(cls, values: np.ndarray, bins: int, bin_s: float) -> Self:
        """Make a stream that has the same number of samples in each bin.

        Parameters
        ----------
        values
            Samples (sample, channel) or (sample,), from the start of the first bin to the
            end of the last.
        bins, bin_s
            Number of bins, and their length in seconds.

        Raises
        ------
        DataError
            When the number of samples is not a multiple of the number of bins.
        """
        columns = values[:, None] if values.ndim == 1 else values
        each, rest = divmod(len(columns) if columns.ndim else 0, max(bins, 1))
        if columns.ndim != 2 or rest or not each:
            raise DataError(
                f"the samples have shape {values.shape}, but must have shape (sample, channel), "
                f"with the same number of samples in each of the {bins} bins of the activity"
            )
        names = tuple(str(channel) for channel in range(columns.shape[1]))
        return cls(columns, each / bin_s, names, np.arange(bins, dtype=np.int64) * each)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that the stream holds, as arrays by name, to be saved."""
        held = (self.values, np.array(self.rate_hz), np.array(self.channels), self.first)
        return dict(zip(self.PARTS, held, strict=True))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Make the stream whose `arrays` were saved."""
        values, rate_hz, channels, first = (arrays[name] for name in cls.PARTS)
        return cls(values, float(rate_hz), tuple(str(name) for name in channels), first)

    def samples(self, length_s: float) -> int:
        """Number of samples that every window of a given length holds.

        A window may hold one more, which is not used, so that no sample lies outside.
        """
        return int(np.floor(length_s * self.rate_hz + ROUNDING))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 hash of all that can affect a result."""
        digest = hashlib.sha256(f"{self.rate_hz!r} {self.channels!r}".encode())
        for values in (self.values, self.first):
            digest.update(f"|{values.shape} {values.dtype.str}|".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    def in_bins(self, kept: np.ndarray) -> "Stream":
        """The same stream for some of the bins (time,), given as a boolean mask."""
        return replace(self, first=self.first[kept])


def stream_on(series: Series, grid: Grid) -> tuple[Stream, np.ndarray]:
    """Find the samples of an evenly sampled series in each bin of a grid.

    Samples that are further apart than one and a half sampling intervals have a gap
    between them. A sample with a missing value (NaN) in any channel makes a gap as well.

    Parameters
    ----------
    series
        The samples.
    grid
        The bins.

    Returns
    -------
    stream
        The samples without missing ones, and the first of them in each bin.
    observed
        Whether a bin lies wholly in an unbroken run of samples (time,), boolean.
        `Stream.first` means nothing in other bins.

    Raises
    ------
    DataError
        When samples are missing everywhere, or are not evenly spaced between gaps.
    """
    finite = np.isfinite(np.asarray(series.values, dtype=np.float64))
    if (empty := ~finite.any(axis=0)).any():
        names = ", ".join(series.channels[i] for i in np.flatnonzero(empty)[:MOST_NAMED])
        raise DataError(
            f"{counted(int(empty.sum()), 'channel')} never hold a number ({names}); list the "
            "others in `channels`"
        )
    present = finite.all(axis=1)
    times, values = series.times[present], series.values[present]
    if len(times) < 2:
        raise DataError("fewer than two samples hold a number in every channel")
    if not series.interval_s > 0:
        raise DataError("its samples are at the same times")
    borders = np.flatnonzero(np.diff(times) > 1.5 * series.interval_s) + 1
    starts = np.concatenate([[0], borders])
    lengths = np.diff(np.concatenate([starts, [len(times)]]))
    if not (lengths > 1).any():
        raise DataError("no two of its samples are one sampling interval apart")
    # One rate for all unbroken runs; rounded time stamps average out over a run.
    spans = times[starts + lengths - 1] - times[starts]
    interval = float(spans.sum() / (lengths - 1).sum())
    place = np.arange(len(times)) - np.repeat(starts, lengths)
    ideal = place * interval
    offsets = np.add.reduceat(times - ideal, starts) / lengths
    even = np.repeat(offsets, lengths) + ideal
    if (off := np.abs(times - even).max()) > JITTERED * interval:
        raise DataError(
            f"its samples are not evenly spaced: one is {off:.3g} s from where a rate of "
            f"{1 / interval:.6g} Hz puts it. A stream needs one rate; resample it first"
        )
    observed = np.zeros(len(grid.bins), dtype=bool)
    for start, length in zip(starts, lengths, strict=True):
        # a sample may stand for the time after it or around it
        ends = even[start] - interval / 2, even[start + length - 1] + interval
        low, high = np.searchsorted(grid.bins, grid.whole(*ends))
        observed[low:high] = True
    first = np.searchsorted(even, grid.starts - grid.rounding * grid.bin_s)
    return Stream(values, 1 / interval, series.channels, first.astype(np.int64)), observed


def counted_on(
    spikes: SpikeTrains, grid: Grid, observed_s: np.ndarray
) -> tuple[Stream, np.ndarray]:
    """Count the spikes of further units, such as those of another area, in each bin.

    Parameters
    ----------
    spikes
        The units and their spike times.
    grid
        The bins.
    observed_s
        Start and stop of the intervals in which the units were observed (interval, 2), in
        seconds.

    Returns
    -------
    stream
        Spike counts, one sample a bin.
    observed
        Whether the units were observed in the whole of a bin (time,), boolean.
    """
    table, _ = counts(spikes, grid)
    within = Grid.within(grid.origin_s, grid.bin_s, union(observed_s))
    observed = np.isin(grid.bins, within.bins)
    places = np.arange(len(grid.bins), dtype=np.int64)
    return Stream(table, 1 / grid.bin_s, spikes.names, places), observed
