"""Several sessions as one recording, for a model that trains on all of them.

Recordings are concatenated in time, and each keeps its own columns for its units. In
the bins of one session the units of all other sessions are zero (absent). A network's
first layer is then a separate input layer for each session, and all later layers are
shared (Gao et al. 2016, arXiv:1605.08454; Pandarinath et al. 2018, Nat Methods 15:805).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError


@dataclass(frozen=True, eq=False)
class Joined:
    """Several sessions as one recording.

    Attributes
    ----------
    recording
        Activity (time, unit) of all sessions; the bins and units of the first session
        come first. No window crosses the border of two sessions. The targets are the
        arrays that all sessions have with the same columns.
    session
        Index of the session that each bin belongs to (time,).
    present
        Whether each session recorded each unit (session, unit).
    subject
        Number of each session's subject (session,).
    """

    recording: Recording
    session: np.ndarray
    present: np.ndarray
    subject: np.ndarray


class Joinable(Protocol):
    """Properties that decide whether a session can be joined with others.

    A `Recording` has them, and so has the description of an inspected recording.
    """

    @property
    def session(self) -> str:
        """Name of the session."""

    @property
    def activity_kind(self) -> str:
        """`counts` or `signal`."""

    @property
    def bin_s(self) -> float:
        """Length of a bin in seconds."""

    @property
    def columns(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each array over time by name, without its first axis."""


def check_joinable(recordings: Sequence[Joinable], arrays: Sequence[str] = ()) -> None:
    """Refuse recordings on which one model cannot be trained.

    Parameters
    ----------
    recordings
        Recordings to join, or descriptions of them; at least one.
    arrays
        Names of arrays that all recordings must have, with the same columns.

    Raises
    ------
    DataError
        When bin lengths, kinds of activity, or the columns of an array differ.
    """
    own = recordings[0]
    for other in recordings[1:]:
        if (
            not np.isclose(other.bin_s, own.bin_s, rtol=1e-6)
            or other.activity_kind != own.activity_kind
        ):
            raise DataError(
                f"session {own.session!r} ({own.activity_kind}, bins of {own.bin_s:g} s) and "
                f"session {other.session!r} ({other.activity_kind}, bins of {other.bin_s:g} s) "
                "cannot train one model together; pooled sessions must have the same kind of "
                "activity and the same bin length"
            )
        for name in arrays:
            columns = [recording.columns.get(name) for recording in (own, other)]
            if None in columns or columns[0] != columns[1]:
                raise DataError(
                    f"sessions {own.session!r} and {other.session!r} can train one model only if "
                    f"both have the array {name!r}, with the same columns; its shape per "
                    "bin is "
                    f"{' and '.join('no array' if c is None else str(c) for c in columns)}"
                )


def join(recordings: Sequence[Recording]) -> Joined:
    """Join recordings of one bin length and one kind of activity.

    Parameters
    ----------
    recordings
        Recordings to join. The result gets the session name, subject and group of the
        first.

    Returns
    -------
    joined
        The joined recording, which knows the session of each bin and unit.

    Raises
    ------
    DataError
        When bin lengths or kinds of activity differ.
    """
    check_joinable(recordings)
    own = recordings[0]
    session = np.repeat(
        np.arange(len(recordings)), [len(recording.activity) for recording in recordings]
    )
    of_unit = np.repeat(
        np.arange(len(recordings)), [recording.activity.shape[1] for recording in recordings]
    )
    activity = np.zeros((len(session), len(of_unit)), dtype=own.activity.dtype)
    for i, recording in enumerate(recordings):
        activity[np.ix_(session == i, of_unit == i)] = recording.activity
    stretches = np.concatenate([recording.stretches for recording in recordings])
    apart = np.flatnonzero(np.diff(stretches) | np.diff(session)) + 1
    border = np.zeros(len(session), dtype=np.int64)
    border[apart] = 1
    subjects = [recording.subject for recording in recordings]
    joined = Recording(
        session=own.session,
        subject=own.subject,
        group=own.group,
        activity=activity,
        activity_kind=own.activity_kind,
        bin_s=own.bin_s,
        unit_ids=tuple(
            f"{recording.session}/{name}" for recording in recordings for name in recording.unit_ids
        ),
        targets=(targets := _common_arrays(recordings)),
        known={
            name: np.concatenate([recording.known_bins(name) for recording in recordings])
            for name in targets
            if any(name in recording.known for recording in recordings)
        },
        trials=None,
        segments=np.cumsum(border),
    )
    return Joined(
        joined,
        session,
        np.arange(len(recordings))[:, None] == of_unit,
        np.unique(subjects, return_inverse=True)[1],
    )


def _common_arrays(recordings: Sequence[Recording]) -> dict[str, np.ndarray]:
    """Concatenate the arrays that all recordings have with the same columns."""
    found = {}
    for name, values in recordings[0].targets.items():
        arrays = [
            np.asarray(recording.targets[name])
            for recording in recordings
            if name in recording.targets
        ]
        numeric = {array.dtype.kind in "biuf" for array in arrays}
        if (
            len(arrays) == len(recordings)
            and len(numeric) == 1
            and all(a.shape[1:] == np.shape(values)[1:] for a in arrays)
        ):
            found[name] = np.concatenate(arrays)
    return found
