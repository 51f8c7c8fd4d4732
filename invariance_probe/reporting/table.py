"""The type of every table in the report.

A table holds text only; its layout is left to the pages.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A titled table, with a note on how to read it.

    Attributes
    ----------
    title
        Heading.
    note
        How to read it; may be empty.
    columns
        Names of the columns.
    rows
        Cells as text (row, column).
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[str, ...] = ()
    """Columns that hold words, which a page aligns left and wraps.

    The first column is always treated in this way and need not be listed.
    """
