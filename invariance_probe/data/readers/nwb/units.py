"""Spike trains of a table of units in an NWB file.

In: a `Units` table, open in its file. Out: `SpikeTrains`, and notes. Rows are the units;
their ids are names only, and need not be 0, 1, 2.
"""

import h5py
import numpy as np

from invariance_probe.data.checked import some
from invariance_probe.data.contents import SpikeTrains, is_ascending
from invariance_probe.data.readers.nwb.clocks import RESTART_S
from invariance_probe.data.readers.nwb.columns import (
    column,
    dataset,
    ends,
    numbers,
    rounded,
    seconds,
)
from invariance_probe.data.readers.nwb.errors import UnusableError
from invariance_probe.data.readers.nwb.observed import read_observed
from invariance_probe.study.counting import counted

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
    notes += rounded(source, stored, name)
    parts = np.split(stored[:used_up], after[:-1])[: len(after)]
    times, more = _ordered(dict(zip(names, parts, strict=True)), name)
    if not times:
        raise UnusableError(some(more) or "it has no units")
    notes += more + _unusual(times, name)
    observed, more = read_observed(group, name, names, times, used)
    return SpikeTrains(tuple(times), tuple(times.values()), observed), notes + more


def unread_columns(group: h5py.Group) -> list[str]:
    """Names of the columns of a table of units that are not read, in order."""
    return sorted(
        column for column in group if column not in READ and not column.endswith("_index")
    )


def _names(group: h5py.Group, rows: int) -> tuple[list[str], list[str]]:
    """Name each unit by its `unit_name`, else by its id, else by its row."""
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
            f"ids of units that occur several times: {some(sorted(twice))}; these units are "
            "called by their id and row"
        )
        return [
            f"{name} (row {row})" if name in twice else name for row, name in enumerate(names)
        ], notes
    return [str(row) for row in range(rows)], [
        *notes,
        "units without an id are called by their row",
    ]


def _ordered(parts: dict[str, np.ndarray], table: str) -> tuple[dict[str, np.ndarray], list[str]]:
    """Spike times in order, of the units whose clock did not start again, and notes."""
    times: dict[str, np.ndarray] = {}
    missing: dict[str, int] = {}
    disordered: dict[str, float] = {}
    restarted: dict[str, float] = {}
    for name, part in parts.items():
        if is_ascending(part):
            times[name] = part
            continue
        known = part[np.isfinite(part)]
        if len(known) < len(part):
            missing[name] = len(part) - len(known)
        back = float(-np.diff(known).min(initial=0))
        if back > RESTART_S:
            restarted[name] = back
            continue
        if back > 0:
            disordered[name] = back
        times[name] = np.sort(known) if back > 0 else known
    notes = []
    if missing:
        notes.append(
            f"spike times of {table!r} that are no numbers: {sum(missing.values())}, left out, in "
            f"{counted(len(missing), 'unit')}: {some(missing)}"
        )
    if disordered:
        notes.append(
            f"spike times of {counted(len(disordered), 'unit')} of {table!r} go back by up to "
            f"{max(disordered.values()):.3g} s and are sorted: {some(disordered)}"
        )
    if restarted:
        notes.append(
            f"{counted(len(restarted), 'unit')} of {table!r} left out, because spike times go back "
            f"by up to {max(restarted.values()):.3g} s, as if the clock had started again: "
            f"{some(restarted)}"
        )
    return times, notes


def _unusual(times: dict[str, np.ndarray], table: str) -> list[str]:
    """Note times before 0, times that look like numbers of samples, and silent units."""
    notes = []
    total = sum(map(len, times.values()))
    if silent := [name for name, part in times.items() if not len(part)]:
        notes.append(
            f"units of {table!r} without spikes: {len(silent)} of {len(times)}: {some(silent)}"
        )
    if before := sum(int(np.searchsorted(part, 0.0)) for part in times.values()):
        notes.append(f"spikes of {table!r} before 0 s: {before} of {total}")
    if total >= FEW_SPIKES and all((part == np.round(part)).all() for part in times.values()):
        notes.append(
            f"all spike times of {table!r} are whole numbers: they may be numbers of samples, but "
            "are read as seconds"
        )
    return notes
