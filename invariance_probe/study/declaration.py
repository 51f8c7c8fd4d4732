"""Base classes of all declarations, and their canonical JSON form.

A declaration is a frozen, strict, torch-free value that a YAML study can state. Its
canonical JSON (sorted keys, UTF-8, shortest float form) is what run keys, study hashes
and registrations are computed from.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

PathInStudy = tuple[str | int, ...]
"""Where something is in a study: the keys and list positions from its root."""
Problem = tuple[PathInStudy, Any, str]
"""A problem: its place, the value there, what is wrong and what to do."""


FILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""Pattern of the names that become part of a file or folder name."""
Name = Annotated[str, Field(min_length=1, pattern=FILE_NAME)]
"""Name of a session or a subject."""
LONGEST_NAME = 200
"""Longest such name; file systems allow 255 characters, and reports add some."""


class NamesArray:
    """Marks a field that holds the name of a recording's array over time."""


ArrayName = Annotated[str, NamesArray()]
"""Name of an array over time that a run reads; empty where it reads none."""


class Declaration(BaseModel):
    """A frozen value that a study declares.

    Unknown keys and non-finite numbers are refused.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    # Not fields, so they are not dumped, compared or copied.
    __slots__ = ("_arrays", "_canonical")

    def __hash__(self) -> int:
        """Hash the canonical JSON, as fields may hold dictionaries, which have no hash."""
        return hash(self.canonical())

    def canonical(self) -> str:
        """Return the canonical JSON of this declaration.

        It is computed once and cached, because the runs of a plan share most of their
        declarations.
        """
        known: str | None = getattr(self, "_canonical", None)
        if known is None:
            known = canonical_json(self.model_dump(mode="json"))
            object.__setattr__(self, "_canonical", known)
        return known

    def arrays_read(self) -> frozenset[str]:
        """Names of the recording's arrays over time that this declaration reads.

        They stand in the fields marked as `ArrayName`, here and in every declaration
        within.
        """
        known: frozenset[str] | None = getattr(self, "_arrays", None)
        if known is None:
            fields = type(self).model_fields
            known = frozenset(
                array
                for name, field in fields.items()
                for array in _arrays_in(self.__dict__[name], field.metadata)
            )
            object.__setattr__(self, "_arrays", known)
        return known


def _arrays_in(value: Any, metadata: list[Any]) -> frozenset[str]:
    """Return the names of arrays of a recording that the value of one field holds.

    A text is such a name if the field is marked by `NamesArray` in its metadata.
    """
    if isinstance(value, Declaration):
        return value.arrays_read()
    if isinstance(value, tuple):
        return frozenset().union(*(_arrays_in(item, metadata) for item in value))
    marked = any(isinstance(one, NamesArray) for one in metadata)
    return frozenset([value] if marked and value else [])


class MethodDeclaration(Declaration):
    """A method or measurement, with the facts that hold for all of its runs."""

    @property
    def reads_target(self) -> bool:
        """Whether training reads the target; each encoder then belongs to one target."""
        return False

    @property
    def reads_counts(self) -> bool:
        """Whether training reads spike counts in addition to the views."""
        return False


@dataclass(frozen=True)
class DoseWords:
    """Words for the doses of a declaration in reports.

    Attributes
    ----------
    in_sentence
        Template of a dose within a sentence. `{dose:g}` stands for the dose, `{percent:g}` for the
        dose in percent, and `{apart}` for the distance of paired windows in time.
    on_axis
        Label of the axis of a figure that shows the doses.
    """

    in_sentence: str
    on_axis: str


class Swept(Declaration):
    """A stage of a view with a field that a study can sweep."""

    identity: ClassVar[dict[str, float]]
    """The fields that can be swept, each with the dose that changes nothing."""
    words: ClassVar[DoseWords]
    """Words for its doses in reports."""


D = TypeVar("D", bound=Declaration)


def members(union: Any, base: type[D]) -> tuple[type[D], ...]:
    """Return the classes of a union that are derived from a base class.

    Parameters
    ----------
    union
        A union, an annotated one, or a single class.
    base
        The base class.
    """
    bare = get_args(union)[0] if get_origin(union) is Annotated else union
    return tuple(one for one in get_args(bare) or (bare,) if issubclass(one, base))


def added(default: Any) -> Any:
    """Declare a field that was added after results had been stored.

    At its default it is left out of every dump, so that the keys of earlier results do
    not change.
    """
    return Field(default=default, exclude_if=lambda value: value == default)


def canonical_json(value: Any) -> str:
    """Write plain JSON data in its one canonical form.

    Keys are sorted, there are no spaces, and floats have their shortest form. A float
    with an integral value is written as an integer, so that `dose: 1` and `dose: 1.0`
    are one dose.
    """
    return json.dumps(
        _integral(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_of(value: Any) -> str:
    """Return the hexadecimal SHA-256 of the canonical JSON of plain data."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def canonical_field(value: Any) -> str:
    """Write the value of a field as in the canonical JSON of its declaration."""
    if isinstance(value, Declaration):
        return value.canonical()
    write = _SCALARS.get(type(value))
    return canonical_json(value) if write is None else write(value)


def _number(value: float) -> str:
    if not -_WHOLE < value < _WHOLE:
        return canonical_json(value)
    return repr(int(value)) if value.is_integer() else repr(value)


_WHOLE = 2.0**53
"""Up to this size a float can hold every whole number exactly."""
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
