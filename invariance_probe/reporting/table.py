"""A table of the report, whatever it is of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A titled table with what a reader needs to know to read it."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = ()
    """Columns of words, which a page aligns left and wraps; the first column always is."""
