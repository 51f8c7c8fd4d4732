"""What every declaration shares: frozen, strict, torch-free, and with one canonical JSON form.

A declaration is what a YAML study can say. Its canonical JSON (sorted keys, UTF-8, shortest float form) is
what run keys, study hashes and registrations are computed from.
"""

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Declaration(BaseModel):
    """A frozen value that a study declares; unknown keys and non-finite numbers are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def added(default: Any) -> Any:
    """Return a field that came after results were stored: left out of every dump at its default, so that their keys stay."""
    return Field(default=default, exclude_if=lambda value: value == default)


def canonical_json(value: Any) -> str:
    """Write plain JSON data in its one canonical form: sorted keys, no spaces, shortest floats.

    A float with an integral value is written as an integer, so that `dose: 1` and `dose: 1.0` are one dose.
    """
    return json.dumps(_integral(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(value: Any) -> str:
    """Return the hexadecimal SHA-256 of the canonical JSON of plain JSON data."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _integral(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_integral(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
