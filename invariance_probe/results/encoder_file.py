"""One trained encoder in one safetensors file, for use beyond its study.

In: a frozen encoder's weights and the standardisation of its input. Out: a file, or the
encoder read from one. The header says which method and window the encoder belongs to,
which units it reads, where it comes from, and a hash of the tensors. Nothing in the
file is code, and nothing is unpickled. No encoder is trained or applied here.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from invariance_probe.errors import StoreError
from invariance_probe.plan.run import ALGORITHM_VERSION
from invariance_probe.study.declaration import Declaration, canonical_json
from invariance_probe.study.methods import Method
from invariance_probe.study.training import Optimisation
from invariance_probe.study.views import Views

KEY = "invariance_probe"
"""Metadata key under which a safetensors file holds this toolkit's header."""
INPUT_MEAN, INPUT_INVERSE_SD = "input_mean", "input_inverse_sd"
"""Names of the two tensors (unit,) that standardise the activity.

An inverse SD of 0 marks a unit that was constant in training.
"""
_PACKAGES = ("invariance-probe", "torch", "numpy")


def _versions() -> dict[str, str]:
    found = {"algorithm": str(ALGORITHM_VERSION)}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


class EncoderHeader(Declaration):
    """Description of an encoder, kept in the header of its file."""

    format_version: Literal[1] = 1
    method: Method
    views: Views
    """Views that the encoder was trained on."""
    optimisation: Optimisation
    window_bins: Annotated[int, Field(ge=1)]
    """Length of a window, in bins."""
    bin_s: Annotated[float, Field(gt=0)]
    """Length of a bin, in seconds."""
    activity_kind: Literal["counts", "signal"]
    """Whether the activity is spike counts or a continuous signal."""
    units: tuple[str, ...]
    """Names of the units that the encoder reads, in order."""
    named: bool = False
    """Whether `units` are the column names of the training data."""
    seed: int
    diagnostics: dict[str, float] = Field(default_factory=dict)
    origin: dict[str, str | int | float] = Field(default_factory=dict)
    """Study, session, fold, condition and run key; empty if no study trained it."""
    versions: dict[str, str] = Field(default_factory=_versions)
    """Versions of the algorithm and of the packages that wrote the file."""


@dataclass(frozen=True, eq=False)
class EncoderFile:
    """One trained encoder: its description, and its weights by name."""

    header: EncoderHeader
    weights: Mapping[str, np.ndarray]

    def save(self, path: str | Path) -> Path:
        """Write the encoder to a file, and return the path.

        An existing file is replaced only after the new one has been written.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        path = Path(path)
        tensors = {
            name: np.ascontiguousarray(value) for name, value in sorted(self.weights.items())
        }
        header = {"header": self.header.model_dump(mode="json"), "sha256": _digest(tensors)}
        private = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            private.write_bytes(save(tensors, {KEY: canonical_json(header)}))
            os.replace(private, path)  # noqa: PTH105
        except (OSError, SafetensorError) as error:
            private.unlink(missing_ok=True)
            raise StoreError(f"{path}: the encoder cannot be written: {error}") from None
        return path

    @classmethod
    def load(cls, path: str | Path) -> "EncoderFile":
        """Read an encoder from a file.

        Raises
        ------
        StoreError
            If the file does not exist, is damaged, or is not an encoder of this toolkit.
        """
        try:
            with safe_open(path, framework="np") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise StoreError(
                f"{path} cannot be read as an encoder: {error}; give a file that `save` "
                f"or `export` wrote"
            ) from None
        if KEY not in metadata:
            raise StoreError(
                f"{path} holds tensors, but no encoder of invariance_probe; give a file that "
                "`save` or `export` wrote"
            )
        try:
            content: dict[str, Any] = json.loads(metadata[KEY])
            header = EncoderHeader.model_validate(content["header"])
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise StoreError(
                f"{path} is damaged, or was written by another version of invariance_probe: its "
                f"header cannot be read ({said}); save or export it again"
            ) from None
        if content.get("sha256") != _digest(tensors):
            raise StoreError(
                f"{path} is damaged: its weights were changed after it was written; save or "
                "export it again"
            )
        return cls(header, tensors)


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"|{name} {value.shape} {value.dtype.str}|".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
