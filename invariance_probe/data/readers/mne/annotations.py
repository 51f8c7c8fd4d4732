"""Annotations, trigger channels and events as tables of intervals; breaks in a recording.

In: annotations or samples of a trigger channel. Out: tables, and the times at which a
recording is broken. Whatever has no length in the file is told.
"""

from collections.abc import Sequence

import numpy as np

from invariance_probe.data.checked import intervals, some
from invariance_probe.data.contents import Table
from invariance_probe.data.readers.mne.signal_file import Annotations
from invariance_probe.study.counting import counted

DIGITS = 9
"""Digits after the point to which times of annotations are kept, in seconds."""
POINTS = ("boundary", "new segment", "edge")
"""Beginnings of annotations at which a recording was cut: their duration says nothing."""


def table_of(found: Annotations, times: np.ndarray, notes: list[str]) -> Table:
    """Make the table of annotations.

    Parameters
    ----------
    found
        The annotations.
    times
        Times of the samples (sample,), to tell which annotations lie outside of them.
    notes
        Gets a sentence for everything that looks wrong.
    """
    # Sums of decimal numbers: an interval must not outlast the next one's start by 1e-14 s.
    table = intervals(
        np.round(found.onset, DIGITS),
        np.round(found.onset + found.duration, DIGITS),
        {"description": found.description, **found.columns},
        notes,
        "'annotations'",
    )
    order = np.argsort(table.start, kind="stable")
    if len(order) > 1 and (over := _overlap(table, order)) > 0:
        notes.append(f"rows of 'annotations' overlap by at most {over:.6g} s")
    if len(times):
        interval = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        stop = np.maximum(table.stop, table.start + interval)
        first = np.searchsorted(times, table.start - interval / 2)
        last = np.searchsorted(times, stop - interval / 2)
        if len(outside := np.flatnonzero(first >= last)):
            names = [f"{str(found.description[i])!r} at {found.onset[i]:g} s" for i in outside]
            notes.append(
                f"{len(outside)} of {counted(len(found.onset), 'annotation')} lie where nothing "
                f"was recorded: {some(names)}"
            )
    return table


def _overlap(table: Table, order: np.ndarray) -> float:
    """Longest time that a row shares with one before it, in seconds."""
    start, stop = table.start[order], table.stop[order]
    latest = np.maximum.accumulate(stop)[:-1]
    return float((np.minimum(latest, stop[1:]) - start[1:]).max())


def breaks_of(found: Annotations, beginnings: Sequence[str], times: np.ndarray) -> np.ndarray:
    """Start and stop of the annotations that mark breaks (break, 2), in seconds.

    Parameters
    ----------
    found
        The annotations.
    beginnings
        How their descriptions begin, in any case.
    times
        Times of the samples (sample,); where the first one lies, nothing is cut.
    """
    if len(times) < 2:
        return np.zeros((0, 2))
    said = [text.lower() for text in found.description.tolist()]
    first = float(times[0] + times[1]) / 2
    chosen = []
    for text, start, lasts in zip(said, found.onset, found.duration, strict=True):
        is_cut = text.startswith(POINTS)
        if text.startswith(tuple(map(str.lower, beginnings))) and not (is_cut and start < first):
            chosen.append([start, start if is_cut else start + lasts])
    return np.array(chosen, dtype=np.float64).reshape(-1, 2)


def unbroken(times: np.ndarray, breaks: np.ndarray, rate_hz: float) -> tuple[tuple[int, int], ...]:
    """Runs of samples without a break or gap: first sample, and one after the last.

    Parameters
    ----------
    times
        Times of the samples in seconds (sample,).
    breaks
        Start and stop of each break in seconds (break, 2).
    rate_hz
        Samples per second.
    """
    used = np.ones(len(times), dtype=bool)
    apart = np.diff(times, prepend=-np.inf) > 1.5 / rate_hz
    for start, stop in breaks - 1e-6 / rate_hz:
        low, high = np.searchsorted(times, [start, stop])
        used[low:high] = False
        apart[high : high + 1] = True
    numbers = np.flatnonzero(used)
    if not len(numbers):
        return ()
    firsts = np.flatnonzero(apart[numbers] | (np.diff(numbers, prepend=-2) > 1))
    lasts = np.append(firsts[1:], len(numbers)) - 1
    return tuple(zip(numbers[firsts].tolist(), (1 + numbers[lasts]).tolist(), strict=True))


def events_of(
    values: np.ndarray, times: np.ndarray, channel: str, notes: list[str], where: str
) -> Table:
    """Find the events in a trigger channel.

    Every change to another code than 0 is an event, which lasts as long as the code
    stays.

    Parameters
    ----------
    values, times
        Samples of the channel at its own rate, and their times (sample,).
    channel
        Name of the channel, for notes.
    notes
        Gets a sentence for everything that looks wrong.
    where
        The table's name, for notes.
    """
    codes = np.round(np.nan_to_num(values)).astype(np.int64)
    interval = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    changes = 1 + np.flatnonzero(np.diff(codes))
    ends = np.append(changes[1:], len(codes))[: len(changes)]
    events = codes[changes] != 0
    first, last = changes[events], ends[events] - 1
    notes.append(
        f"{where} has {counted(len(first), 'event')} from channel {channel!r}, one at each change "
        "to another code than 0, at the rate of the file"
    )
    if short := int((first == last).sum()):
        notes.append(
            f"{short} of {len(first)} events of {where} last a single sample ({interval:g} s), as "
            "pulses do, and so does a code that is set bit by bit"
        )
    if len(codes) and codes[0]:
        notes.append(f"channel {channel!r} begins with code {codes[0]}, which is no event")
    stop = times[last] + interval if len(times) else np.zeros(0)
    return intervals(times[first], stop, {"code": codes[first]}, notes, where)
