"""Times of samples in an NWB file, and checks of them.

In: a series, open in its file. Out: its times in seconds, or notes on what is unusual
about them. Stored times are checked in parts, so that long recordings fit in memory.
"""

from collections.abc import Iterator

import h5py
import numpy as np

from invariance_probe.data.readers.nwb.columns import (
    dataset,
    number,
    numbers,
    rounded,
    seconds,
)
from invariance_probe.data.readers.nwb.errors import UnusableError
from invariance_probe.study.counting import counted

RESTART_S = 10.0
"""A longer step back in time is a clock that started again, and not disorder."""
PART = 1_000_000
"""Times that are checked at once."""
REGULAR = 0.9
"""Smallest fraction of steps of the usual length in a series that can have gaps."""
USUAL = 0.1
"""A step of the usual length differs from it by at most this fraction."""
GAP = 1.5
"""A step longer than this many usual ones is a gap."""


def times_of(group: h5py.Group, samples: int) -> np.ndarray:
    """Times of samples as stored, in seconds (sample,)."""
    if "timestamps" in group:
        return numbers(seconds(dataset(group, "timestamps")))
    start, rate = _start_and_rate(group)
    return start + np.arange(samples) / rate


def unusual_times(group: h5py.Group, name: str) -> list[str]:
    """Check the times of a series.

    Parameters
    ----------
    group
        The series in its file.
    name
        Its name, for notes.

    Returns
    -------
    One sentence for everything unusual.

    Raises
    ------
    UnusableError
        When the times are not known, or the clock started again.
    """
    if "timestamps" not in group:
        first, _ = _start_and_rate(group)
        return [f"{name!r} starts at {first:g} s, before 0 s"] if first < 0 else []
    source = seconds(dataset(group, "timestamps"))
    both = f"{name!r} has both time stamps and a rate; the time stamps are used"
    return [both] * ("starting_time" in group) + _checked(source, name)


def _start_and_rate(group: h5py.Group) -> tuple[float, float]:
    """Start in seconds and samples per second of a regular series."""
    if "starting_time" not in group:
        if "timestamps" in set(group):  # a link that leads nowhere
            dataset(group, "timestamps")
        raise UnusableError("it has neither time stamps nor a rate")
    start = dataset(group, "starting_time")
    rate, first = number(start.attrs.get("rate"), np.nan), number(start[()], np.nan)
    if not (np.isfinite(rate) and rate > 0 and np.isfinite(first)):
        raise UnusableError(f"its rate is {rate:g} per second and it starts at {first:g} s")
    return first, rate


def _checked(source: h5py.Dataset, name: str) -> list[str]:
    """Note stored times that are missing, out of order, before 0 s, or far apart."""
    first = numbers(source, slice(0, PART))
    steps = np.diff(first[np.isfinite(first)])
    usual = float(np.median(steps)) if len(steps) else 0.0
    missing = before = backward = gaps = regular = 0
    back = gap = largest = 0.0
    earliest = gap_at = np.inf
    for times, step in _parts(source):
        finite = np.isfinite(times)
        missing += int((~finite).sum())
        before += int((times < 0).sum())
        earliest = min(earliest, float(times[finite].min(initial=np.inf)))
        largest = max(largest, float(np.abs(times[finite]).max(initial=0)))
        backward += int((step < 0).sum())
        back = max(back, float(-step.min(initial=0)))
        regular += int((np.abs(step - usual) <= USUAL * abs(usual)).sum())
        gaps += int((step > GAP * usual).sum())
        if len(step) and step.max() > gap:
            gap, gap_at = float(step.max()), float(times[finite][-len(step) :][step.argmax()])
    if back > RESTART_S:
        raise UnusableError(
            f"its times go back by up to {back:.3g} s, as if the clock had started again"
        )
    total = len(source)
    notes = []
    if missing == total:
        raise UnusableError("all of its timestamps are NaN")
    if missing:
        notes.append(f"samples of {name!r} without a time (NaN): {missing} of {total}, left out")
    if backward:
        notes.append(
            f"times of {name!r} go back {counted(backward, 'time')} by up to {back:.3g} s; its "
            f"{total} samples are sorted by time"
        )
    if before:
        notes.append(
            f"samples of {name!r} before 0 s: {before} of {total}, the first at {earliest:.12g} s"
        )
    if gaps and regular >= REGULAR * (total - missing - 1):
        notes.append(
            f"{name!r} has {counted(gaps, 'gap')} longer than {GAP:g} times its usual step of "
            f"{usual:.3g} s; the longest, {gap:.4g} s, ends at {gap_at:.8g} s"
        )
    return notes + rounded(source, np.array([largest]), name)


def _parts(source: h5py.Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Stored times in parts, with the steps to each of them from the one before."""
    last = np.zeros(0)
    for start in range(0, len(source), PART):
        times = numbers(source, slice(start, start + PART))
        finite = times[np.isfinite(times)]
        yield times, np.diff(np.concatenate([last, finite]))
        last = finite[-1:] if len(finite) else last
