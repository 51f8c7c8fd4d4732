"""Spike trains of a table of units in an NWB file.

In: a `Units` table, open in its file. Out: `SpikeTrains`, and notes. Rows are the units;
their ids are names only, and need not be 0, 1, 2.
"""

import h5py
import numpy as np

from invariance_probe.data.contents import SpikeTrains
from invariance_probe.data.readers.nwb.clocks import RESTART_S
from invariance_probe.data.readers.nwb.columns import (
    child,
    column,
    dataset,
    ends,
    numbers,
    rounded,
    seconds,
)
from invariance_probe.data.readers.nwb.wording import UnusableError, counted, listed

READ = {"id", "unit_name", "spike_times", "obs_intervals"}
"""Columns of units that are read."""
FEW_SPIKES = 100
"""Whole numbers among fewer spike times can be chance."""


def read_units(
    group: h5py.Group, name: str, used: tuple[str, ...]
) -> tuple[SpikeTrains, list[str]]:
    """Read a table of units.

    Parameters
    ----------
    group
        The table in its file.
    name
        Its name, for notes.
    used
        Names of the units that a study uses; all of them if empty. Observed intervals
        are those that these units share.

    Returns
    -------
    spikes
        The spike trains.
    notes
        One sentence for everything unusual.

    Raises
    ------
    UnusableError
        When the table has no usable spike times.
    """
    source = seconds(dataset(group, "spike_times"))
    index = dataset(group, "spike_times_index")
    after = ends(index, index.size, len(source))
    names, notes = _names(group, len(after))
    stored = numbers(source)
    if len(stored) > (used_up := int(after[-1]) if len(after) else 0):
        notes.append(f"{len(stored) - used_up} spike times of {name!r} belong to no unit")
    notes += rounded(source, float(np.nanmax(np.abs(stored), initial=0)), name)
    parts = np.split(stored[:used_up], after[:-1])[: len(after)]
    times, kept, more = _ordered(parts, names, name)
    if len(kept) == 0:
        raise UnusableError(listed(more) or "it has no units")
    notes += more + _unusual(times, [names[row] for row in kept], name)
    observed, more = _observed(group, name, names, times, kept, used)
    unread = sorted(
        column for column in group if column not in READ and not column.endswith("_index")
    )
    if unread:
        more.append(f"columns of {name!r} that are not read: {', '.join(unread)}")
    return SpikeTrains(tuple(names[row] for row in kept), tuple(times), observed), notes + more


def _names(group: h5py.Group, rows: int) -> tuple[list[str], list[str]]:
    """Name every unit by its `unit_name`, else by its id, else by its row."""
    notes: list[str] = []
    for title in ("unit_name", "id"):
        if title not in group:
            continue
        names = [str(value).strip() for value in column(group, title, rows)[0]]
        if all(names) and len(set(names)) == rows:
            return names, notes
        if title == "unit_name":
            notes.append(
                "units are called by their ids, because names in 'unit_name' are empty or occur "
                "several times"
            )
            continue
        twice = {name for name in names if names.count(name) > 1}
        notes.append(
            f"ids of units that occur several times: {listed(sorted(twice))}; these units are "
            "called by their id and row"
        )
        return [
            f"{name} (row {row})" if name in twice else name for row, name in enumerate(names)
        ], notes
    return [str(row) for row in range(rows)], [
        *notes,
        "units without an id are called by their row",
    ]


def _ordered(
    parts: list[np.ndarray], names: list[str], table: str
) -> tuple[list[np.ndarray], list[int], list[str]]:
    """Spike times in order, the rows of the units that are kept, and notes."""
    times, kept, missing, sorted_, restarted = [], [], {}, {}, {}
    for row, (name, part) in enumerate(zip(names, parts, strict=True)):
        finite = np.isfinite(part)
        if not finite.all():
            missing[name] = int((~finite).sum())
        part = part[finite]
        back = float(-np.diff(part).min(initial=0))
        if back > RESTART_S:
            restarted[name] = back
            continue
        if back > 0:
            sorted_[name] = back
            part = np.sort(part)
        times.append(part)
        kept.append(row)
    notes = []
    if missing:
        notes.append(
            f"{sum(missing.values())} spike times of {table!r} are no numbers and are left out, in "
            f"{counted(len(missing), 'unit')}: {listed(missing)}"
        )
    if sorted_:
        notes.append(
            f"spike times of {counted(len(sorted_), 'unit')} of {table!r} go back by up to "
            f"{max(sorted_.values()):.3g} s and are sorted: {listed(sorted_)}"
        )
    if restarted:
        notes.append(
            f"{counted(len(restarted), 'unit')} of {table!r} left out, because spike times go back "
            f"by up to {max(restarted.values()):.3g} s, as if the clock had started again: "
            f"{listed(restarted)}"
        )
    return times, kept, notes


def _unusual(times: list[np.ndarray], names: list[str], table: str) -> list[str]:
    """Note times before 0, times that look like numbers of samples, and silent units."""
    notes = []
    total = sum(map(len, times))
    if silent := [name for name, part in zip(names, times, strict=True) if not len(part)]:
        notes.append(
            f"{len(silent)} of {len(names)} units of {table!r} have no spikes: {listed(silent)}"
        )
    if before := sum(int((part < 0).sum()) for part in times):
        notes.append(f"{before} of {total} spikes of {table!r} are before 0 s")
    if total >= FEW_SPIKES and all((part == np.round(part)).all() for part in times):
        notes.append(
            f"all spike times of {table!r} are whole numbers: they may be numbers of samples, but "
            "are read as seconds"
        )
    return notes


def _observed(
    group: h5py.Group,
    table: str,
    names: list[str],
    times: list[np.ndarray],
    kept: list[int],
    used: tuple[str, ...],
) -> tuple[np.ndarray | None, list[str]]:
    """Intervals in which all used units were observed (interval, 2), and notes."""
    if "obs_intervals" not in group:
        return None, []
    try:
        source = dataset(group, "obs_intervals")
        stored = numbers(source)
        if stored.ndim != 2 or stored.shape[1] != 2:
            raise UnusableError(f"its shape is {stored.shape}, and must be (interval, 2)")
        after = np.arange(1, len(names) + 1)
        if child(group, "obs_intervals_index") is not None or len(stored) != len(names):
            after = ends(dataset(group, "obs_intervals_index"), len(names), len(stored))
    except UnusableError as error:
        return None, [f"observed intervals of {table!r} are not read: {error}"]
    parts = np.split(stored[: after[-1]], after[:-1])
    notes, unions, outside, silent = [], {}, {}, []
    wrong = overlapping = 0
    for row, part_times in zip(kept, times, strict=True):
        good = parts[row][(np.isfinite(parts[row])).all(axis=1) & (np.diff(parts[row])[:, 0] > 0)]
        wrong += len(parts[row]) - len(good)
        union = _union(good)
        overlapping += len(good) - len(union)
        if not len(union):
            silent.append(names[row])
            continue
        unions[names[row]] = union
        beyond = len(part_times) - _inside(part_times, union)
        if beyond:
            outside[names[row]] = beyond
    if wrong:
        notes.append(f"{wrong} observed intervals of {table!r} have no later stop; left out")
    if overlapping:
        notes.append(
            f"{overlapping} observed intervals of {table!r} touch or overlap others; joined"
        )
    if silent:
        notes.append(
            f"{counted(len(silent), 'unit')} of {table!r} without observed intervals, taken as "
            f"observed with the others: {listed(silent)}"
        )
    if outside:
        notes.append(
            f"{sum(outside.values())} of {sum(map(len, times))} spikes of {table!r} lie outside "
            f"the observed intervals of their unit, in {counted(len(outside), 'unit')}: "
            f"{listed(outside)}"
        )
    shared = [union for name, union in unions.items() if not used or name in used]
    if not shared:
        return None, notes
    common = _intersection(shared)
    if any(not np.array_equal(union, shared[0]) for union in shared):
        notes.append(
            f"units of {table!r} were observed at different times: only the "
            f"{np.diff(common).sum():g} s that all {len(shared)} share are used, of "
            f"{np.diff(_union(np.concatenate(shared))).sum():g} s in which any was observed"
        )
    return common, notes


def _union(intervals: np.ndarray) -> np.ndarray:
    """Join intervals (interval, 2) that touch or overlap, and order them."""
    joined: list[list[float]] = []
    for start, stop in sorted(intervals.tolist()):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], stop)
        else:
            joined.append([start, stop])
    return np.array(joined).reshape(-1, 2)


def _intersection(parts: list[np.ndarray]) -> np.ndarray:
    """Intervals (interval, 2) that lie in every one of some sets of disjoint intervals."""
    borders = np.concatenate([part.ravel() for part in parts])
    steps = np.concatenate([np.tile([1, -1], len(part)) for part in parts])
    order = np.lexsort((steps, borders))
    borders, inside = borders[order], np.cumsum(steps[order])
    at = np.flatnonzero(inside[:-1] == len(parts))
    found = np.column_stack([borders[at], borders[at + 1]])
    return found[found[:, 1] > found[:, 0]]


def _inside(times: np.ndarray, union: np.ndarray) -> int:
    """Number of times that lie in some intervals or on their ends."""
    at = np.searchsorted(union[:, 0], times, side="right") - 1
    return int(((at >= 0) & (times <= union[at.clip(0), 1])).sum())
