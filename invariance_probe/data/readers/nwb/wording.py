"""Parts of the sentences that the reader writes, and its error for one signal."""

from collections.abc import Iterable

from invariance_probe.errors import DataError

MOST_NAMED = 5
"""Most rows, units or objects that a note names one by one."""


class UnusableError(DataError):
    """One signal of a file cannot be used; the others can."""


def listed(things: Iterable[object]) -> str:
    """Name the first things, and say how many more there are."""
    names = [str(thing) for thing in things]
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def counted(number: int, noun: str) -> str:
    """Put a number before a noun, in the plural where it is not 1."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
