"""The type of every table of the report, whatever it shows.

It holds text only; pages lay it out.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A titled table, with a note on how to read it.

    Attributes
    ----------
    title
        Its heading.
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
    words: tuple[str, ...] = ()
    """Columns of words, which a page aligns left and wraps.

    The first column always is one.
    """
