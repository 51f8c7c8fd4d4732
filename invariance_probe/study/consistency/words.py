"""Messages that several checks of a study share.

In: names and values that were refused. Out: sentences that say what is wrong with them
and, where possible, what was meant.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from invariance_probe.study.declaration import PathInStudy, Problem


def repeated(named: Iterator[tuple[PathInStudy, str]] | Any) -> Iterator[Problem]:
    """Yield a problem for each name that was used before, at the later place.

    Parameters
    ----------
    named
        Pairs of a place in the study and the name there.
    """
    places = list(named)
    counts = Counter(name for _, name in places)
    seen: set[str] = set()
    for place, name in places:
        if counts[name] > 1 and name in seen:
            yield place, name, f"{name!r} appears twice; give each one its own name"
        seen.add(name)


def meant(got: str, known: Iterable[str]) -> str:
    """Return the known name that is closest to a given one.

    Parameters
    ----------
    got
        A name, perhaps misspelt.
    known
        The names that exist.

    Returns
    -------
    name
        `got` itself if it is known, or if no known name is close.
    """
    names = list(known)
    return got if got in names else next(iter(get_close_matches(got, names, n=1)), got)


def unknown(what: str, got: str, known: Any) -> str:
    """Write the message that a name is unknown, with the names to use instead.

    Parameters
    ----------
    what
        The kind of thing that has the name, such as `axis`.
    got
        The unknown name.
    known
        The names that exist.
    """
    close = get_close_matches(got, list(known), n=1)
    hint = (
        f" Did you mean {close[0]!r}?"
        if close
        else f" Allowed: {', '.join(repr(name) for name in sorted(known)) or 'none'}."
    )
    return f"unknown {what} {got!r}.{hint}"


def in_percent(kind: str, limits: Mapping[str, Any], got: Any) -> str:
    """Suggest the fraction that was meant where a user gave a percentage.

    Parameters
    ----------
    kind, limits
        Type and context of pydantic's error.
    got
        The value that was refused.

    Returns
    -------
    hint
        Empty if the field takes no fraction, or if the value divided by 100 would be
        refused too.

    Examples
    --------
    >>> in_percent("less_than_equal", {"le": 1}, 40)
    '; write 40 % as 0.4'
    """
    most = limits.get("le", limits.get("lt"))
    if not kind.startswith("less_than") or most is None or not 0 < most <= 1:
        return ""
    part = got / 100
    fits = part < most or (part == most and "le" in limits)
    return f"; write {got:g} % as {part:g}" if got > 1 and fits else ""


def reason_of(error: ValidationError) -> str:
    """Write the reason why pydantic refused a single value."""
    return reason_of_item(error.errors()[0])


def reason_of_item(item: Any) -> str:
    """Write the reason why pydantic refused a value, from one item of its errors."""
    limits, said = item.get("ctx", {}), f"{item['msg'][0].lower()}{item['msg'][1:]}"
    if item["type"] == "value_error":
        return str(limits["error"])  # names the value
    return f"{said}, got {item['input']!r}{in_percent(item['type'], limits, item['input'])}"
