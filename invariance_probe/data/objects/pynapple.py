"""Objects of pynapple: TsGroup, Ts, Tsd, TsdFrame and IntervalSet.

In: such an object. Out: spike trains, a series or a table. Objects are recognised by
what they have; pynapple is not imported.

The time support of spikes runs from the first to the last spike unless it was given, so
it says nothing of when units were observed, and is not used.
"""

from collections.abc import ItemsView
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from invariance_probe.data.checked import differing, samples, text_of, trains
from invariance_probe.data.contents import Series, SpikeTrains, Table
from invariance_probe.data.objects.frames import table_of_frame
from invariance_probe.errors import DataError


@runtime_checkable
class IntervalSet(Protocol):
    """The part of pynapple's IntervalSet that is read here."""

    @property
    def start(self) -> np.ndarray:
        """Starts in seconds (interval,)."""

    @property
    def end(self) -> np.ndarray:
        """Ends in seconds (interval,)."""

    def tot_length(self) -> float:
        """Length of all intervals together."""

    def as_dataframe(self) -> pd.DataFrame:
        """Columns start and end, and one for each label."""


@runtime_checkable
class Ts(Protocol):
    """Times of events, such as the spikes of a unit."""

    @property
    def t(self) -> np.ndarray:
        """Times in seconds (time,)."""

    @property
    def time_support(self) -> IntervalSet:
        """Intervals that it is defined on."""


@runtime_checkable
class Tsd(Ts, Protocol):
    """Values over time: Tsd, or TsdFrame with columns."""

    @property
    def d(self) -> np.ndarray:
        """Values (time, ...)."""


@runtime_checkable
class _Framed(Protocol):
    @property
    def columns(self) -> pd.Index:
        """Names of the columns."""


@runtime_checkable
class TsGroup(Protocol):
    """Spike times of several units."""

    @property
    def time_support(self) -> IntervalSet:
        """Intervals that it is defined on."""

    @property
    def rates(self) -> object:
        """Rate of each unit."""

    def items(self) -> ItemsView[object, Ts]:
        """Units by name."""


def is_group(given: object) -> bool:
    """Whether an object is a TsGroup, a Ts, or a dict of them: spikes."""
    if isinstance(given, dict):
        return bool(given) and all(_is_unit(unit) for unit in given.values())
    return isinstance(given, TsGroup) or _is_unit(given)


def is_tsd(given: object) -> bool:
    """Whether an object is a Tsd, or a TsdFrame: values over time."""
    return isinstance(given, Tsd)


def is_interval_set(given: object) -> bool:
    """Whether an object is an IntervalSet."""
    return isinstance(given, IntervalSet)


def trains_of_group(
    given: TsGroup | Ts | dict[object, Ts], notes: list[str], where: str
) -> SpikeTrains:
    """Take the spike times of each unit, but not the time support."""
    units = {"0": given} if isinstance(given, Ts) else dict(given.items())
    names = differing([text_of(name) for name in units], notes, f"units of {where}")
    if not names:
        raise DataError("it has no units")
    support = None if isinstance(given, dict) else given.time_support
    if support is not None and len(support.start):
        notes.append(
            f"the time support of {where}, {_times(support)}, is not taken for the time in which "
            "units were observed unless it is given (observed=units.time_support), because "
            "pynapple takes it from the spikes where it is not set"
        )
    times = [np.asarray(unit.t, dtype=np.float64) for unit in units.values()]
    return trains(names, times, None, notes, where)


def series_of_tsd(given: Tsd, notes: list[str], where: str) -> Series:
    """Take one channel per column."""
    values = np.asarray(given.d)
    if values.ndim > 2:
        raise DataError(f"its values have shape {values.shape}, but must be (time, column)")
    values = values.reshape(len(values), -1)
    labels = given.columns if isinstance(given, _Framed) else range(values.shape[1])
    names = differing([text_of(label) for label in labels], notes, f"columns of {where}")
    return samples(values, np.asarray(given.t), names, "", notes, where)


def table_of_interval_set(given: IntervalSet, notes: list[str], where: str) -> Table:
    """Take one row per interval, with its labels as columns."""
    return table_of_frame(given.as_dataframe(), notes, where)


def _is_unit(given: object) -> bool:
    return isinstance(given, Ts) and not isinstance(given, Tsd)


def _times(support: IntervalSet) -> str:
    """First and last time of intervals, in words."""
    more = f" in {len(support.start)} parts" if len(support.start) > 1 else ""
    return f"{support.start[0]:.6g} s to {support.end[-1]:.6g} s{more}"
