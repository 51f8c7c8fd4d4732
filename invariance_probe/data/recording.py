"""The recording: one session's activity with what happened beside it, checked when it is made."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from invariance_probe.data.arrays import (
    as_numbers,
    axes_advice,
    check_complete,
    check_radians,
    constant_columns,
    varies,
)
from invariance_probe.errors import DataError
from invariance_probe.study.probes import Target

MOST_SPIKES = 32767
"""In one bin: halves of counts are int16."""
MOST_LOST = 1e-3
"""Most rounding of a signal in single precision, in SDs of its unit."""


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

    unusable
        Why an array of the file is no target, by its name; for messages, and in no fingerprint.

    Raises
    ------
    DataError
        For words, NaN, infinities, negative or broken counts, signals whose variation single
        precision loses, wrong shapes or lengths.
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
    unusable: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "activity", self._kept(np.asarray(self.activity)))
        shape, where = self.activity.shape, f"session {self.session!r}"
        if not (np.isfinite(self.bin_s) and self.bin_s > 0):
            raise DataError(
                f"{where}: bin_s is {self.bin_s}; it must be a positive number of seconds"
            )
        if len(self.unit_ids) != shape[1]:
            raise DataError(
                f"{where}: {len(self.unit_ids)} unit ids for {shape[1]} units; the activity has "
                f"shape {shape} and must be (time, unit)"
            )
        for name, values in (
            ("trial", self.trials),
            ("segment", self.segments),
            ("piece", self.pieces),
        ):
            if values is not None and values.shape != shape[:1]:
                raise DataError(
                    f"{where}: the {name} array has shape {values.shape}; it must be "
                    f"({shape[0]},){axes_advice(values.shape, shape)}"
                )

    def _kept(self, activity: np.ndarray) -> np.ndarray:
        """The activity as it is kept: int32 counts, or float32 signals that lose no detail."""
        where = f"session {self.session!r}: activity"
        if activity.ndim != 2 or 0 in activity.shape:
            raise DataError(
                f"{where} has shape {activity.shape}; it must be (time, unit), both at least 1"
            )
        if activity.dtype.kind not in "biuf":
            raise DataError(
                f"{where} holds {activity.dtype}, such as {str(activity.flat[0])!r}; it must be "
                "numbers: save it with .astype(float)"
            )
        if not np.isfinite(activity).all():
            time, unit = (int(x) for x in np.argwhere(~np.isfinite(activity))[0])
            raise DataError(
                f"{where} has a NaN or infinite value, first at bin {time}, unit {unit}; "
                "remove or interpolate it"
            )
        if self.activity_kind == "signal":
            return _single(activity, where)
        if (activity < 0).any() or (activity != np.round(activity)).any():
            raise DataError(
                f"{where}_kind is 'counts', but not all values are whole numbers >= 0; "
                "use 'signal' for rates"
            )
        if activity.max() > MOST_SPIKES:
            raise DataError(
                f"session {self.session!r}: a bin holds {int(activity.max())} spikes; at most "
                f"{MOST_SPIKES} are allowed: use shorter bins"
            )
        return activity.astype(np.int32)

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

    def array(self, name: str, asked: str) -> np.ndarray:
        """An array that a study reads, (time, ...), as it stands in the recording.

        Parameters
        ----------
        name
            The array.
        asked
            What it is read as, such as `target`, for the message.

        Raises
        ------
        DataError
            When the recording has no such array, or one that cannot be used, and why.
        """
        where = self._where(name, asked)
        if name in self.targets:
            return np.asarray(self.targets[name])
        if name in self.unusable:
            raise DataError(f"{where} {self.unusable[name]}")
        has = ", ".join(map(repr, sorted(self.targets))) or "no targets"
        raise DataError(f"{where} is not in the recording; it has {has}")

    def numbers(self, name: str, asked: str) -> np.ndarray:
        """An array that a study reads as complete numbers, (time, column) float64.

        Raises
        ------
        DataError
            As `array`, and for words, NaN and infinities.
        """
        values = as_numbers(self.array(name, asked), self._where(name, asked))
        return values.reshape(len(values), -1)

    def target(self, declared: Target, asked: str = "target") -> np.ndarray:
        """The declared target of every bin.

        Parameters
        ----------
        declared
            Its name and kind.
        asked
            What it is read as, for messages.

        Returns
        -------
        (time, column) float64; (time,) classes 0, 1 ... for categorical; (time,) radians for circular.

        Raises
        ------
        DataError
            When it is missing, has NaN, is constant, has one class, or is no angle in radians.
        """
        where, values = self._where(declared.name, asked), self.array(declared.name, asked)
        if declared.kind != "continuous" and values.ndim != 1:
            raise DataError(
                f"{where} has shape {values.shape}; a {declared.kind} target is (time,)"
            )
        if declared.kind == "categorical":
            check_complete(values, where)
            names, classes = np.unique(values, return_inverse=True)
            if len(names) < 2:
                raise DataError(f"{where} has the one class {names[0]!r}; at least two are needed")
            if len(names) > 100:
                raise DataError(
                    f"{where} has {len(names)} classes; at most 100 are allowed: is it continuous?"
                )
            return classes.astype(np.int64)
        columns = self.numbers(declared.name, asked)
        constant = np.flatnonzero(constant_columns(columns))
        if len(constant):
            raise DataError(
                f"{where} is constant in column {constant[0]}, at {columns[0, constant[0]]:g}; "
                "there is nothing to decode"
            )
        if declared.kind == "circular":
            check_radians(columns, where)
            return columns[:, 0]
        return columns

    def _where(self, name: str, asked: str) -> str:
        return f"session {self.session!r}: {asked} {name!r}"


def _single(activity: np.ndarray, where: str) -> np.ndarray:
    """Signals in single precision, refused where its rounding would stand out in some unit."""
    with np.errstate(over="ignore"):
        kept = activity.astype(np.float32)
    if not np.isfinite(kept).all():
        raise DataError(
            f"{where} reaches {np.abs(activity).max():g}, more than single precision holds; "
            "save it in a larger unit of measurement"
        )
    if activity.dtype.itemsize <= kept.dtype.itemsize and activity.dtype.kind == "f":
        return kept
    mean, sd = activity.mean(axis=0, dtype=np.float64), activity.std(axis=0, dtype=np.float64)
    lost = np.sqrt(np.mean((activity - kept.astype(np.float64)) ** 2, axis=0))
    part = np.divide(lost, sd, out=np.zeros_like(sd), where=varies(mean, sd))
    unit = int(part.argmax())
    if part[unit] > MOST_LOST:
        raise DataError(
            f"{where} of unit {unit} has mean {mean[unit]:g} and SD {sd[unit]:g}, and "
            "single precision, in which models are trained, would lose that variation in rounding; "
            "subtract each unit's mean, or choose a unit of measurement in which SDs are near 1"
        )
    return kept
