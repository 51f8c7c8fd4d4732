"""Numbers with their nouns, as reports and messages need them."""

from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, in the plural unless the number is 1.

    Examples
    --------
    >>> counted(1, "session"), counted(0, "run"), counted(1200, "model-step")
    ('1 session', '0 runs', '1,200 model-steps')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def some(items: Iterable[object], most: int = 10) -> str:
    """List the first items (at most `most`), and say how many more there are.

    Examples
    --------
    >>> some([17, 40]), some(range(1000), most=2)
    ('17, 40', '0, 1 and 998 more')
    """
    names = [str(item) for item in items]
    shown, more = ", ".join(names[:most]), len(names) - most
    return f"{shown} and {more:,} more" if more > 0 else shown
