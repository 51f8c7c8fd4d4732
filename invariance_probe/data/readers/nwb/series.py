"""Series of samples in an NWB file: how they are stored, and their values.

In: a `TimeSeries` of any type, open in its file. Out: `StoredSeries`, which says where
the samples are and how they become values and names, and later a `Series`. Times are
checked when a file is opened, in parts; samples are read when a series is used.
"""

from dataclasses import dataclass

import h5py
import numpy as np

from invariance_probe.data.contents import Series
from invariance_probe.data.readers.nwb.clocks import times_of, unusual_times
from invariance_probe.data.readers.nwb.columns import (
    array,
    child,
    column,
    dataset,
    number,
    numbers,
    seconds,
    text,
)
from invariance_probe.data.readers.nwb.wording import UnusableError, counted, listed

AXES = ("x", "y", "z")
"""Names of the channels of a `SpatialSeries`."""
OWN_NAMES = ("channel_name", "label")
"""Columns of the electrodes table that name channels, in this order."""


@dataclass(frozen=True, eq=False)
class StoredSeries:
    """How a series is stored.

    Attributes
    ----------
    transposed
        Whether the samples lie along the second axis.
    factor, offset
        Stored numbers become values by this factor and this offset, each one number or
        (channel,).
    channels
        Name of every channel.
    unit
        Unit of measure of the values.
    """

    transposed: bool
    factor: float | np.ndarray
    offset: float | np.ndarray
    channels: tuple[str, ...]
    unit: str

    def read(self, group: h5py.Group) -> Series:
        """Read the samples from the file, in the order of their times."""
        values = numbers(dataset(group, "data")).reshape(
            (-1, len(self.channels)) if not self.transposed else (len(self.channels), -1)
        )
        values = values.T if self.transposed else values
        if not (np.all(self.factor == 1) and np.all(self.offset == 0)):
            values = values * self.factor + self.offset
        times = times_of(group, len(values))
        finite = np.flatnonzero(np.isfinite(times))
        order = finite[np.argsort(times[finite], kind="stable")]
        if not np.array_equal(order, np.arange(len(times))):
            times, values = times[order], values[order]
        return Series(values, times, self.channels, self.unit)


def find_series(group: h5py.Group, name: str) -> tuple[StoredSeries, list[str]]:
    """Find out how a series is stored, without reading its samples.

    Parameters
    ----------
    group
        The series in its file.
    name
        Its name, for notes.

    Returns
    -------
    stored
        How it is stored.
    notes
        One sentence for everything unusual.

    Raises
    ------
    UnusableError
        When it has no samples with times in at most one axis of channels.
    """
    if "external_file" in group and text(group["format"][()] if "format" in group else "") in (
        "external",
        "",
    ):
        raise UnusableError("its images are in other files")
    data = dataset(group, "data")
    if data.dtype.kind not in "biuf":
        raise UnusableError("its samples are no numbers")
    if text(group.attrs.get("neurodata_type")) == "SpikeEventSeries":
        raise UnusableError("it holds the waveforms of spikes")
    if data.ndim not in (1, 2):
        raise UnusableError(
            f"its samples have shape {data.shape}; only (time,) and (time, channel) can be used"
        )
    if not data.size:
        raise UnusableError("it has no samples")
    transposed, notes = _orientation(group, data, name)
    number_of = 1 if data.ndim == 1 else data.shape[0 if transposed else 1]
    channels, more = _channels(group, number_of, data.ndim, name)
    factor, offset, scaled = _scale(group, data, number_of, name)
    stored = StoredSeries(
        transposed, factor, offset, channels, text(data.attrs.get("unit")).strip()
    )
    return stored, notes + more + scaled + unusual_times(group, name)


def _orientation(group: h5py.Group, data: h5py.Dataset, name: str) -> tuple[bool, list[str]]:
    """Whether samples lie along the second axis, by what the axes must fit."""
    if (stamps := child(group, "timestamps")) is not None:
        samples = len(seconds(stamps))
        if data.shape[0] == samples:
            return False, []
        if data.ndim == 2 and data.shape[1] == samples:
            return True, [f"{name!r} is stored as (channel, time) and is read as (time, channel)"]
        raise UnusableError(
            f"its samples have shape {data.shape}, but there are {counted(samples, 'time stamp')}"
        )
    if data.ndim == 1:
        return False, []
    rows = next((len(group[part]) for part in ("rois", "electrodes") if part in group), None)
    if rows is not None and rows == data.shape[0] != data.shape[1]:
        return True, [
            f"{name!r} is stored as (channel, time) and is read as (time, channel): its first axis "
            f"has the length of its {rows} channels"
        ]
    if rows is None and data.shape[1] > data.shape[0]:
        return False, [
            f"{name!r} has more channels ({data.shape[1]}) than samples ({data.shape[0]}); its "
            "axes may be swapped in the file"
        ]
    return False, []


def _channels(
    group: h5py.Group, number_of: int, axes: int, name: str
) -> tuple[tuple[str, ...], list[str]]:
    """Names of channels: of electrodes or ROIs, x y z, or their numbers."""
    numbered = tuple(map(str, range(number_of)))
    for part in ("electrodes", "rois"):
        if (region := child(group, part)) is None:
            continue
        rows = array(region)
        if len(rows) != number_of:
            return numbered, [
                f"{name!r} has {counted(number_of, 'channel')}, but {len(rows)} {part}: its "
                "channels are called by their numbers"
            ]
        table = _table_of(region)
        if table is None:
            return numbered, []
        return _named(table, rows, numbered), _not_cells(table, rows, name)
    if (
        text(group.attrs.get("neurodata_type")) == "SpatialSeries"
        and axes == 2
        and number_of <= len(AXES)
    ):
        return AXES[:number_of], []
    return numbered, []


def _named(table: h5py.Group, rows: np.ndarray, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the rows of a table that channels come from, where they differ."""
    length = len(table["id"]) if "id" in table else 0
    if not length or rows.min() < 0 or rows.max() >= length:
        return otherwise
    for title in (*OWN_NAMES, "id"):
        if title in table and table[title].shape == (length,):
            names = tuple(str(value).strip() for value in array(table[title])[rows])
            if all(names) and len(set(names)) == len(names):
                return names
    return otherwise


def _not_cells(table: h5py.Group, rows: np.ndarray, name: str) -> list[str]:
    """Note regions of interest that the file marks as no cells."""
    if "iscell" not in table:
        return []
    marks, _ = column(table, "iscell", len(table["id"]))
    cells = (marks if marks.ndim == 1 else marks[:, 0])[rows] > 0
    return (
        [
            f"{int((~cells).sum())} of {len(rows)} channels of {name!r} are no cells by the column "
            "'iscell', and are kept"
        ]
        if not cells.all()
        else []
    )


def _table_of(region: h5py.Dataset) -> h5py.Group | None:
    """Table that a column of row numbers points into; None if the file does not say."""
    pointer = region.attrs.get("table")
    if isinstance(pointer, h5py.Reference) and pointer:
        return region.file[pointer]
    electrodes = child(region.file, "general/extracellular_ephys/electrodes")
    return electrodes if str(region.name).endswith("electrodes") else None


def _scale(
    group: h5py.Group, data: h5py.Dataset, number_of: int, name: str
) -> tuple[float | np.ndarray, float | np.ndarray, list[str]]:
    """Factor and offset from stored numbers to the unit of measure."""
    factor: float | np.ndarray = number(data.attrs.get("conversion"), 1.0)
    offset: float | np.ndarray = number(data.attrs.get("offset"), 0.0)
    if not np.isfinite(factor) or factor == 0 or not np.isfinite(offset):
        raise UnusableError(f"its conversion is {factor:g} and its offset {offset:g}")
    told = [f"conversion {factor:g}"] if factor != 1 else []
    told += [f"offset {offset:g}"] if offset else []
    if (each := child(group, "channel_conversion")) is not None:
        of_channels = numbers(each).ravel()
        if len(of_channels) != number_of:
            raise UnusableError(
                f"it has {counted(number_of, 'channel')}, but {len(of_channels)} conversions"
            )
        factor = factor * of_channels
        told.append("a conversion per channel")
    if not offset and (region := child(group, "electrodes")) is not None:
        table = _table_of(region)
        rows = array(region)
        if table is not None and "offset" in table and len(rows) == number_of:
            of_channels = numbers(table["offset"])[rows]
            if np.isfinite(of_channels).all() and of_channels.any():
                offset = of_channels
                told.append("the offsets of its electrodes")
    unit = text(data.attrs.get("unit")).strip() or "its unit"
    note = f"{name!r} is put in {unit} by {listed(told)}, as the file says"
    return factor, offset, [note] if told else []
