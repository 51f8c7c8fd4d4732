"""When units were observed: the `obs_intervals` of a table of units.

In: a `Units` table, open in its file, and its spike times. Out: the intervals in which
all used units were observed, and notes. A unit that was not observed is not silent.
"""

import h5py
import numpy as np

from invariance_probe.data.checked import some
from invariance_probe.data.intervals import union
from invariance_probe.data.readers.nwb.columns import dataset, ends, numbers
from invariance_probe.data.readers.nwb.errors import UnusableError
from invariance_probe.study.counting import counted


def read_observed(
    group: h5py.Group,
    table: str,
    names: list[str],
    times: dict[str, np.ndarray],
    used: tuple[str, ...],
) -> tuple[np.ndarray | None, list[str]]:
    """Read the intervals in which units were observed.

    Parameters
    ----------
    group, table
        The table of units in its file, and its name.
    names
        Name of each row of the table.
    times
        Spike times in seconds of the units that can be used, by name.
    used
        Names of the units that a study uses; all of them if empty.

    Returns
    -------
    observed
        Start and stop of each interval in which all used units were observed
        (interval, 2), in seconds; None where the file does not say.
    notes
        One sentence for everything unusual.
    """
    if "obs_intervals" not in group:
        return None, []
    try:
        parts = dict(zip(names, _stored(group, len(names)), strict=True))
    except UnusableError as error:
        return None, [f"observed intervals of {table!r} are not read: {error}"]
    unions, notes = _unions({name: parts[name] for name in times}, table)
    notes += _outside(unions, times, table)
    shared = [union for name, union in unions.items() if not used or name in used]
    if not shared:
        return None, notes
    common = _intersection(shared)
    if any(not np.array_equal(union, shared[0]) for union in shared):
        notes.append(
            f"units of {table!r} were observed at different times: only the "
            f"{np.diff(common).sum():g} s that all {len(shared)} share are used, of "
            f"{np.diff(union(np.concatenate(shared))).sum():g} s in which any was observed"
        )
    return common, notes


def _stored(group: h5py.Group, rows: int) -> list[np.ndarray]:
    """Stored intervals of each row (interval, 2); one per row without an index."""
    stored = numbers(dataset(group, "obs_intervals"))
    if stored.ndim != 2 or stored.shape[1] != 2:
        raise UnusableError(f"their shape is {stored.shape}, and must be (interval, 2)")
    if "obs_intervals_index" not in group and len(stored) == rows:
        return list(stored[:, None])
    after = ends(dataset(group, "obs_intervals_index"), rows, len(stored))
    return np.split(stored[: after[-1]], after[:-1])


def _unions(parts: dict[str, np.ndarray], table: str) -> tuple[dict[str, np.ndarray], list[str]]:
    """Intervals of each unit, in order and apart, for the units that have any."""
    unions: dict[str, np.ndarray] = {}
    wrong = joined = 0
    for name, part in parts.items():
        good = part[np.isfinite(part).all(axis=1)]
        good = good[good[:, 1] > good[:, 0]]
        unions[name] = union(good)
        wrong += len(part) - len(good)
        joined += len(good) - len(unions[name])
    without = [name for name, union in unions.items() if not len(union)]
    notes = []
    if wrong:
        notes.append(f"observed intervals of {table!r} without a later stop: {wrong}, left out")
    if joined:
        notes.append(
            f"observed intervals of {table!r} that touch or overlap another one of their unit: "
            f"{joined}, joined"
        )
    if without:
        notes.append(
            f"{counted(len(without), 'unit')} of {table!r} without observed intervals, taken as "
            f"observed with the others: {some(without)}"
        )
    return {name: union for name, union in unions.items() if len(union)}, notes


def _outside(unions: dict[str, np.ndarray], times: dict[str, np.ndarray], table: str) -> list[str]:
    """Note spikes at times at which their unit was not observed."""
    outside = {name: len(times[name]) - _inside(times[name], unions[name]) for name in unions}
    outside = {name: spikes for name, spikes in outside.items() if spikes}
    if not outside:
        return []
    return [
        f"spikes of {table!r} outside the observed intervals of their unit: "
        f"{sum(outside.values())} of {sum(map(len, times.values()))}, in "
        f"{counted(len(outside), 'unit')}: {some(outside)}"
    ]


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
    """Number of ascending times that lie in intervals that are apart, or on their ends."""
    first = np.searchsorted(times, union[:, 0], side="left")
    return int((np.searchsorted(times, union[:, 1], side="right") - first).sum())
