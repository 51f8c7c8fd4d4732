"""Several files of one session on one clock.

In: the `Contents` of each file, on the clock of the file. Out: one `Contents` on the
clock of the recording, in which the signals of a file beside the main one are called
`NAME/SIGNAL`. Signals stay on demand: none is read here.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from invariance_probe.data.contents import (
    Contents,
    Note,
    OnDemand,
    Series,
    Signal,
    SpikeTrains,
    Table,
)
from invariance_probe.study.formats import SignalsFile

Moving = Callable[[np.ndarray], np.ndarray]
"""Turns times of a file's clock into times of the recording's clock."""


def on_clock(contents: Contents, file: SignalsFile) -> Contents:
    """Turn the clock of a file into the clock of its recording.

    Parameters
    ----------
    contents
        What the file holds, on its own clock.
    file
        The file, which says how its clock is turned.
    """
    if file.offset_s == 0 and file.seconds_per_s == 1:
        return contents

    def moved(times: np.ndarray) -> np.ndarray:
        return file.offset_s + file.seconds_per_s * times

    factor = "" if file.seconds_per_s == 1 else f" times {file.seconds_per_s:.10g}"
    said = f"times of {file.path} are those of the file{factor} plus {file.offset_s:.10g} s"
    return replace(
        contents,
        spikes=_changed(contents.spikes, partial(_spikes_at, moved)),
        series=_changed(contents.series, partial(_series_at, moved)),
        tables=_changed(contents.tables, partial(_table_at, moved)),
        notes=(*contents.notes, Note(said)),
        breaks=moved(contents.breaks),
    )


def beside(contents: Contents, others: Mapping[str, Contents]) -> Contents:
    """Add the signals of other files, on the same clock.

    Parameters
    ----------
    contents
        What the main file holds.
    others
        What the other files hold, by the name that their signals get.
    """
    if not others:
        return contents
    notes = list(contents.notes)
    unread = list(contents.unread)
    for name, other in others.items():
        notes += [
            Note(f"{name}: {note.sentence}", f"{name}/{note.about}" if note.about else name)
            for note in other.notes
        ]
        unread += [f"{name}: {sentence}" for sentence in other.unread]
    return replace(
        contents,
        spikes=_joined(contents.spikes, {name: one.spikes for name, one in others.items()}),
        series=_joined(contents.series, {name: one.series for name, one in others.items()}),
        tables=_joined(contents.tables, {name: one.tables for name, one in others.items()}),
        notes=tuple(notes),
        unread=tuple(unread),
    )


def _joined(
    own: Mapping[str, Signal], others: Mapping[str, Mapping[str, Signal]]
) -> OnDemand[Signal]:
    """Signals of the main file, and those of others with the file's name before theirs."""
    readers = {name: partial(own.__getitem__, name) for name in own}
    short = _other_names(own)
    for file, signals in others.items():
        readers |= {f"{file}/{name}": partial(signals.__getitem__, name) for name in signals}
        short |= {
            f"{file}/{name}": f"{file}/{full}" for name, full in _other_names(signals).items()
        }
    return OnDemand(readers, short)


def _changed(signals: Mapping[str, Signal], change: Callable[[Signal], Signal]) -> OnDemand[Signal]:
    """The same signals, each changed when it is looked up."""

    def read(name: str) -> Signal:
        return change(signals[name])

    return OnDemand({name: partial(read, name) for name in signals}, _other_names(signals))


def _other_names(signals: Mapping[str, Signal]) -> dict[str, str]:
    """Full name of a signal, by every other name of it."""
    return dict(signals.other_names) if isinstance(signals, OnDemand) else {}


def _spikes_at(moved: Moving, spikes: SpikeTrains) -> SpikeTrains:
    observed = None if spikes.observed is None else moved(spikes.observed)
    return SpikeTrains(spikes.names, tuple(moved(times) for times in spikes.times), observed)


def _series_at(moved: Moving, series: Series) -> Series:
    return replace(series, times=moved(series.times))


def _table_at(moved: Moving, table: Table) -> Table:
    return Table(moved(table.start), moved(table.stop), table.columns)
