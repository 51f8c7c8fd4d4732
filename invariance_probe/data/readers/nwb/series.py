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
    dataset,
    number,
    numbers,
    seconds,
    text,
)
from invariance_probe.data.readers.nwb.errors import UnusableError
from invariance_probe.data.readers.nwb.regions import Region
from invariance_probe.study.counting import counted

AXES = ("x", "y", "z")
"""Names of the channels of a `SpatialSeries`."""


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
        Name of each channel.
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
            values *= self.factor
            values += self.offset
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
    region, notes = _region(group, name)
    transposed, turned = _orientation(group, data, region, name)
    number_of = 1 if data.ndim == 1 else data.shape[0 if transposed else 1]
    channels, more = _channels(group, data.ndim, number_of, region, name)
    factor, offset, scaled = _scale(group, data, number_of, region, name)
    stored = StoredSeries(
        transposed, factor, offset, channels, text(data.attrs.get("unit")).strip()
    )
    return stored, notes + turned + more + scaled + unusual_times(group, name)


def _region(group: h5py.Group, name: str) -> tuple[Region | None, list[str]]:
    """Electrodes or ROIs of the channels, or a note that they cannot be found."""
    try:
        return Region.of(group), []
    except UnusableError as error:
        return None, [f"channels of {name!r} are called by their numbers: {error}"]


def _orientation(
    group: h5py.Group, data: h5py.Dataset, region: Region | None, name: str
) -> tuple[bool, list[str]]:
    """Whether samples lie along the second axis, by what the axes must fit."""
    swapped = f"{name!r} is stored as (channel, time) and is read as (time, channel)"
    if "timestamps" in group:
        samples = len(seconds(dataset(group, "timestamps")))
        if data.shape[0] == samples:
            return False, []
        if data.ndim == 2 and data.shape[1] == samples:
            return True, [swapped]
        raise UnusableError(
            f"its samples have shape {data.shape}, but there are {counted(samples, 'time stamp')}"
        )
    if data.ndim == 1:
        return False, []
    if region is not None and len(region.rows) == data.shape[0] != data.shape[1]:
        return True, [f"{swapped}: its first axis has the length of its {data.shape[0]} channels"]
    if region is None and data.shape[1] > data.shape[0]:
        return False, [
            f"{name!r} has more channels ({data.shape[1]}) than samples ({data.shape[0]}); its "
            "axes may be swapped in the file"
        ]
    return False, []


def _channels(
    group: h5py.Group, axes: int, number_of: int, region: Region | None, name: str
) -> tuple[tuple[str, ...], list[str]]:
    """Names of channels: of electrodes or ROIs, x y z, or their numbers."""
    numbered = tuple(map(str, range(number_of)))
    if region is None:
        kind = text(group.attrs.get("neurodata_type"))
        spatial = kind == "SpatialSeries" and axes == 2 and number_of <= len(AXES)
        return AXES[:number_of] if spatial else numbered, []
    if len(region.rows) != number_of:
        return numbered, [
            f"{name!r} has {counted(number_of, 'channel')}, but points to "
            f"{counted(len(region.rows), 'electrode or ROI')}; its channels are called by their "
            "numbers"
        ]
    cells = region.cells()
    notes = []
    if cells is not None and not cells.all():
        notes.append(
            f"{int((~cells).sum())} of {number_of} channels of {name!r} are no cells by the column "
            "'iscell', and are kept"
        )
    return region.names() or numbered, notes


def _scale(
    group: h5py.Group, data: h5py.Dataset, number_of: int, region: Region | None, name: str
) -> tuple[float | np.ndarray, float | np.ndarray, list[str]]:
    """Factor and offset from stored numbers to the unit of measure."""
    factor: float | np.ndarray = number(data.attrs.get("conversion"), 1.0)
    offset: float | np.ndarray = number(data.attrs.get("offset"), 0.0)
    if not np.isfinite(factor) or factor == 0 or not np.isfinite(offset):
        raise UnusableError(f"its conversion is {factor:g} and its offset {offset:g}")
    told = [f"conversion {factor:g}"] if factor != 1 else []
    told += [f"offset {offset:g}"] if offset else []
    if "channel_conversion" in group:
        each = numbers(dataset(group, "channel_conversion")).ravel()
        if len(each) != number_of or not np.isfinite(each).all():
            raise UnusableError(
                f"it has {counted(number_of, 'channel')}, but "
                f"{counted(int(np.isfinite(each).sum()), 'conversion')} of channels"
            )
        factor = factor * each
        told.append("a conversion per channel")
    of_channels = region.offsets() if region is not None and not offset else None
    if of_channels is not None and len(of_channels) == number_of:
        offset = of_channels
        told.append("the offsets of its electrodes")
    unit = text(data.attrs.get("unit")).strip() or "its unit"
    note = f"{name!r} is put in {unit} by {', '.join(told)}, as the file says"
    return factor, offset, [note] if told else []
