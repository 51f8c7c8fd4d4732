"""Labelled arrays of xarray.

In: a DataArray with a coordinate of times. Out: a series. Objects are recognised by what
they have; xarray is not imported.
"""

from collections.abc import Mapping
from typing import Protocol, Self, runtime_checkable

import numpy as np

from invariance_probe.data.checked import differing, samples, text_of
from invariance_probe.data.contents import Series
from invariance_probe.data.objects.seconds import in_unit
from invariance_probe.errors import DataError

TIME = ("time", "t", "times")
"""Names of a dimension that is taken for time, in lower case."""


@runtime_checkable
class DataArray(Protocol):
    """The part of xarray's DataArray that is read here."""

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of its dimensions."""

    @property
    def coords(self) -> "Mapping[str, DataArray]":
        """Coordinates by the name of their dimension."""

    @property
    def attrs(self) -> Mapping[str, object]:
        """Attributes, such as its unit."""

    @property
    def values(self) -> np.ndarray:
        """The values."""

    def transpose(self, *dims: str) -> Self:
        """Put the dimensions in another order."""


def is_data_array(given: object) -> bool:
    """Whether an object is a DataArray of xarray."""
    return isinstance(given, DataArray) and isinstance(given.dims, tuple)


def series_of_data_array(given: DataArray, notes: list[str], where: str) -> Series:
    """Take one row per time, and one channel per label of the other dimension.

    Parameters
    ----------
    given
        One or two dimensions. That of time is called `time` or `t`, unless it is the
        only one, and has a coordinate.
    notes
        Gets a sentence for everything that was left out, converted or looks wrong.
    where
        The signal's name, for notes.
    """
    time = _time(given)
    others = [name for name in given.dims if name != time]
    if len(others) > 1:
        raise DataError(
            f"it has the dimensions {_listed(given.dims)}, but must have time and at most one "
            f"other; stack the others, such as by array.stack(channel={others})"
        )
    clock = given.coords[time]
    times = in_unit(clock.values, clock.attrs.get("units"), f"times of {where}", notes)
    values = np.asarray(given.transpose(time, *others).values).reshape(len(times), -1)
    labels = (
        [text_of(label) for label in given.coords[others[0]].values.tolist()]
        if others and others[0] in given.coords
        else [str(channel) for channel in range(values.shape[1])]
    )
    names = differing(labels, notes, f"channels of {where}")
    return samples(values, times, names, str(given.attrs.get("units", "")), notes, where)


def _time(given: DataArray) -> str:
    """Name of the dimension of time, which has a coordinate."""
    found = [name for name in given.dims if str(name).lower() in TIME]
    if not found and len(given.dims) == 1:
        found = list(given.dims)
    if len(found) != 1:
        raise DataError(
            f"it has the dimensions {_listed(given.dims)}, and one of them must be called 'time'; "
            "use array.rename({...: 'time'})"
        )
    if found[0] not in given.coords:
        raise DataError(
            f"its dimension {found[0]!r} has no coordinate, so its times are not known; use "
            f"array.assign_coords({found[0]}=times)"
        )
    return found[0]


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names) or "none"
