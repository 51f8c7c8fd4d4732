"""What every declaration shares: frozen, strict, torch-free, and with one canonical JSON form.

A declaration is what a YAML study can say. Its canonical JSON (sorted keys, UTF-8, shortest float form) is
what run keys, study hashes and registrations are computed from.
"""

import hashlib
import json
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Place = tuple[str | int, ...]
"""Where in a study something stands: keys and positions from its root."""


FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""Names that become part of a file's or folder's name."""
LONGEST_NAME = 200
"""Characters of such a name; file systems allow 255, and a report adds some of its own."""


class Declaration(BaseModel):
    """A frozen value that a study declares; unknown keys and non-finite numbers are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    __slots__ = ("_canonical",)  # not a field: in no dump, no comparison, and no copy

    def canonical(self) -> str:
        """Return its canonical JSON, written once: the runs of a plan share most of what they are made of."""
        known: str | None = getattr(self, "_canonical", None)
        if known is None:
            known = canonical_json(self.model_dump(mode="json"))
            object.__setattr__(self, "_canonical", known)
        return known


class MethodDeclaration(Declaration):
    """A method or measurement, with the facts that hold for all its runs."""

    reads_target: ClassVar[bool] = False
    """Whether training reads the target; its encoders then belong to one target."""
    reads_counts: ClassVar[bool] = False
    """Whether training reads spike counts beside the views."""


def added(default: Any) -> Any:
    """Return a field that came after results were stored: left out of every dump at its default, so that their keys stay."""
    return Field(default=default, exclude_if=lambda value: value == default)


def canonical_json(value: Any) -> str:
    """Write plain JSON data in its one canonical form: sorted keys, no spaces, shortest floats.

    A float with an integral value is written as an integer, so that `dose: 1` and `dose: 1.0` are one dose.
    """
    return json.dumps(
        _integral(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_of(value: Any) -> str:
    """Return the hexadecimal SHA-256 of the canonical JSON of plain JSON data."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_field(value: Any) -> str:
    """Write one field of a declaration as it stands in the canonical JSON of the whole."""
    if isinstance(value, Declaration):
        return value.canonical()
    write = _SCALARS.get(type(value))
    return canonical_json(value) if write is None else write(value)


def _number(value: float) -> str:
    if not -_WHOLE < value < _WHOLE:
        return canonical_json(value)
    return repr(int(value)) if value.is_integer() else repr(value)


_WHOLE = 2.0**53
"""Floats below this hold every whole number."""
_SCALARS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring,
    int: repr,
    float: _number,
    type(None): lambda value: "null",
}


def _integral(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_integral(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return int(value)
    return value
