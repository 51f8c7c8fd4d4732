"""The recording: one session's activity with what happened beside it, checked when it is made."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from invariance_probe.errors import DataError
from invariance_probe.study.probes import Target


@dataclass(frozen=True, eq=False)
class Recording:
    """One recorded or simulated session.

    Attributes
    ----------
    session, subject, group
        Names.
    activity
        (time, unit): int32 counts, or float32 signals.
    activity_kind
        `counts` or `signal`.
    bin_s
        Length of a bin in seconds.
    unit_ids
        Name of every unit.
    targets
        Arrays with the time axis first, by name.
    trials
        Trial of every bin (time,), or None.
    segments
        Gap-free stretch of every bin (time,).
    truth
        What a simulation was made with; empty for real recordings.
    alternatives
        Arrays (draw, time, ...) by name: targets that the experimenter could as well have drawn. The null that reads one
        carries its hash, so they are not in the fingerprint.
    pieces
        Unbroken piece of every bin (time,), where bins between were left out (`data.states`); None otherwise. In no fingerprint.

    Raises
    ------
    DataError
        For NaN, infinities, negative or broken counts, wrong shapes or lengths.
    """

    session: str
    subject: str
    group: str
    activity: np.ndarray
    activity_kind: Literal["counts", "signal"]
    bin_s: float
    unit_ids: tuple[str, ...]
    targets: Mapping[str, np.ndarray]
    trials: np.ndarray | None
    segments: np.ndarray
    truth: Mapping[str, Any] = field(default_factory=dict)
    alternatives: Mapping[str, np.ndarray] = field(default_factory=dict)
    pieces: np.ndarray | None = None

    def __post_init__(self) -> None:
        where = f"session {self.session!r}"
        activity = np.asarray(self.activity)
        if activity.ndim != 2 or 0 in activity.shape:
            raise DataError(
                f"{where}: activity has shape {activity.shape}; it must be (time, unit), both at least 1"
            )
        if not np.isfinite(activity).all():
            time, unit = (int(x) for x in np.argwhere(~np.isfinite(activity))[0])
            raise DataError(
                f"{where}: activity has a NaN or infinite value, first at bin {time}, unit {unit}; remove or interpolate it"
            )
        if self.activity_kind == "counts":
            if (activity < 0).any() or (activity != np.round(activity)).any():
                raise DataError(
                    f"{where}: activity_kind is 'counts', but not all values are whole numbers >= 0; use 'signal' for rates"
                )
            if activity.max() > 32767:
                raise DataError(
                    f"{where}: a bin holds {int(activity.max())} spikes; at most 32767 are allowed: use shorter bins"
                )
            object.__setattr__(self, "activity", activity.astype(np.int32))
        else:
            object.__setattr__(self, "activity", activity.astype(np.float32))
        if not (np.isfinite(self.bin_s) and self.bin_s > 0):
            raise DataError(
                f"{where}: bin_s is {self.bin_s}; it must be a positive number of seconds"
            )
        if len(self.unit_ids) != activity.shape[1]:
            raise DataError(f"{where}: {len(self.unit_ids)} unit ids for {activity.shape[1]} units")
        for name, values in (
            ("trial", self.trials),
            ("segment", self.segments),
            ("piece", self.pieces),
        ):
            if values is not None and values.shape != (len(activity),):
                raise DataError(
                    f"{where}: the {name} array has shape {values.shape}; it must be ({len(activity)},)"
                )

    @cached_property
    def stretches(self) -> np.ndarray:
        """Number of the maximal run of one trial and one segment that each bin is in (time,); nothing crosses these."""
        border = np.diff(self.whole_trials) != 0
        if self.pieces is not None:
            border |= np.diff(self.pieces) != 0
        return np.concatenate([[0], np.cumsum(border)]).astype(np.int64)

    @cached_property
    def whole_trials(self) -> np.ndarray:
        """Number of the maximal run of one trial and one segment that each bin is in (time,), whatever was left out inside it."""
        border = np.diff(self.segments) != 0
        if self.trials is not None:
            border |= np.diff(self.trials) != 0
        return np.concatenate([[0], np.cumsum(border)]).astype(np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all content that can reach a result; names of session, subject and group are not in it."""
        digest = hashlib.sha256(f"{self.activity_kind} {self.bin_s!r} {self.unit_ids!r}".encode())
        arrays = {
            "activity": self.activity,
            "segments": self.segments,
            **{f"target {k}": v for k, v in sorted(self.targets.items())},
        }
        if self.trials is not None:
            arrays["trials"] = self.trials
        for name, values in arrays.items():
            digest.update(f"|{name} {values.shape} {values.dtype.str}|".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    @cached_property
    def activity_fingerprint(self) -> str:
        """SHA-256 of the activity alone, by which a recording that stands twice is found."""
        digest = hashlib.sha256(f"{self.activity.shape} {self.activity.dtype.str}".encode())
        digest.update(np.ascontiguousarray(self.activity).tobytes())
        return digest.hexdigest()

    def target(self, declared: Target) -> np.ndarray:
        """Return the declared target for every bin.

        Returns
        -------
        (time, column) float64; (time,) classes 0, 1 ... for categorical; (time,) radians for circular.

        Raises
        ------
        DataError
            When it is missing, has NaN, is constant, or has one class.
        """
        where = f"session {self.session!r}: target {declared.name!r}"
        if declared.name not in self.targets:
            raise DataError(
                f"{where} is not in the recording; it has {', '.join(map(repr, sorted(self.targets))) or 'no targets'}"
            )
        values = np.asarray(self.targets[declared.name])
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError(
                f"{where} has a NaN or infinite value, first at bin {int(np.argwhere(~np.isfinite(values))[0][0])}"
            )
        if declared.kind == "categorical":
            if values.ndim != 1:
                raise DataError(
                    f"{where} has shape {values.shape}; a categorical target is (time,)"
                )
            names, classes = np.unique(values, return_inverse=True)
            if len(names) < 2:
                raise DataError(f"{where} has the one class {names[0]!r}; at least two are needed")
            if len(names) > 100:
                raise DataError(
                    f"{where} has {len(names)} classes; at most 100 are allowed: is it continuous?"
                )
            return classes.astype(np.int64)
        values = values.astype(np.float64)
        if declared.kind == "circular" and values.ndim != 1:
            raise DataError(
                f"{where} has shape {values.shape}; a circular target is (time,), in radians"
            )
        columns = values.reshape(len(values), -1)
        if (columns.std(axis=0) == 0).any():
            raise DataError(
                f"{where} is constant in column {int(np.argmin(columns.std(axis=0)))}; there is nothing to decode"
            )
        return values if declared.kind == "circular" else columns
