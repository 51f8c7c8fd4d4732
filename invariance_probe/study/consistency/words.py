"""How disagreements name what stands twice or is not known."""

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from invariance_probe.study.declaration import Place


def repeated(named: Iterator[tuple[Place, str]] | Any) -> Iterator[tuple[Place, Any, str]]:
    """Yield every name that stands again, at its second place."""
    places = list(named)
    counts = Counter(name for _, name in places)
    seen: set[str] = set()
    for place, name in places:
        if counts[name] > 1 and name in seen:
            yield place, name, f"{name!r} stands twice; each needs a name of its own"
        seen.add(name)


def unknown(what: str, got: str, known: Any) -> str:
    """Say that something is not known, with what was perhaps meant and what there is."""
    close = get_close_matches(got, list(known), n=1)
    hint = (
        f" Did you mean {close[0]!r}?"
        if close
        else f" Allowed: {', '.join(repr(name) for name in sorted(known)) or 'none'}."
    )
    return f"unknown {what} {got!r}.{hint}"
