"""The electrodes or regions of interest that the channels of a series come from.

In: a series, open in its file. Out: `Region`: the rows of another table, one per
channel, and what that table says about them.
"""

from dataclasses import dataclass

import h5py
import numpy as np

from invariance_probe.data.readers.nwb.columns import array, child, column, dataset
from invariance_probe.data.readers.nwb.errors import UnusableError
from invariance_probe.study.counting import counted

PARTS = ("electrodes", "rois")
"""Names of the datasets that point to the rows of another table."""
NAMES = ("channel_name", "label", "id")
"""Columns of that table that name channels, in this order."""
ELECTRODES = "general/extracellular_ephys/electrodes"
"""Where the electrodes are in files that do not point to them."""


@dataclass(frozen=True, eq=False)
class Region:
    """Rows of a table, one per channel.

    Attributes
    ----------
    rows
        Row of each channel (channel,).
    table
        The table; None if the file does not say.
    """

    rows: np.ndarray
    table: h5py.Group | None

    @classmethod
    def of(cls, group: h5py.Group) -> "Region | None":
        """Region of a series; None if it has none.

        Raises
        ------
        UnusableError
            When it does not point to rows of a table.
        """
        part = next((part for part in PARTS if part in group), None)
        if part is None:
            return None
        source = dataset(group, part)
        rows = array(source)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise UnusableError(f"its {part!r} are no numbers of rows")
        table = _table_of(source, part)
        length = dataset(table, "id").size if table is not None else None
        if length is not None and len(rows) and not 0 <= rows.min() <= rows.max() < length:
            raise UnusableError(f"its {part!r} are no rows of a table of {counted(length, 'row')}")
        return cls(rows.astype(np.int64), table)

    def entries(self, name: str) -> np.ndarray | None:
        """Entries of a column by channel (channel, ...); None if there are none."""
        if self.table is None or name not in self.table:
            return None
        try:
            return column(self.table, name, dataset(self.table, "id").size)[0][self.rows]
        except UnusableError:
            return None

    def names(self) -> tuple[str, ...] | None:
        """Name of each channel; None where the table has no names that differ."""
        for title in NAMES:
            entries = self.entries(title)
            if entries is not None and entries.ndim == 1:
                names = tuple(str(entry).strip() for entry in entries)
                if all(names) and len(set(names)) == len(names):
                    return names
        return None

    def offsets(self) -> np.ndarray | None:
        """Offset of each channel in its unit (channel,); None if all are 0."""
        entries = self.entries("offset")
        if entries is None or entries.ndim != 1 or entries.dtype.kind not in "iuf":
            return None
        return entries.astype(np.float64) if np.isfinite(entries).all() and entries.any() else None

    def cells(self) -> np.ndarray | None:
        """Whether every channel is marked as a cell (channel,); None without marks."""
        marks = self.entries("iscell")
        if marks is None or marks.dtype.kind not in "biuf" or marks.ndim > 2 or not marks.size:
            return None
        return (marks if marks.ndim == 1 else marks[:, 0]) > 0


def _table_of(source: h5py.Dataset, part: str) -> h5py.Group | None:
    """Table that a dataset of row numbers points into; None if the file does not say."""
    pointer = source.attrs.get("table")
    if isinstance(pointer, h5py.Reference) and pointer:
        found = source.file[pointer]
    else:
        found = child(source.file, ELECTRODES) if part == "electrodes" else None
    return found if isinstance(found, h5py.Group) else None
