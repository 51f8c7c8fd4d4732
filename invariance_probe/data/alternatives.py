"""Null targets: target sequences that a session's activity cannot encode.

They are the targets of other trials or other sessions, or sequences that the
experimenter could equally well have drawn. Decoders refitted on them give a null
distribution of decoding (`probing.measurements.nulls`). In: a recording, or the targets
of several sessions. Out: target sequences, and the reasons why a study's null cannot be
made.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from invariance_probe.data.arrays import check_radians, without_offset
from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.counting import counted
from invariance_probe.study.declaration import PathInStudy
from invariance_probe.study.nulls import ENOUGH_OTHERS, FEWEST_DRAWS, FEWEST_OTHERS
from invariance_probe.study.probes import Target
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

FEWEST_TRIALS = 8
"""Smallest number of trials that can exchange their targets.

With fewer trials, a random exchange often leaves many of them with their own target.
"""
LENGTH_OF_CUTS = 0.75
"""Length of the cuts if a session is cut several times (`cut_sessions`).

It is a fraction of the length of the shortest session.
"""


def columns_of(kind: str, courses: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Regression targets: the continuous columns, or one-hot classes.

    Parameters
    ----------
    kind
        Kind of the target: `continuous`, `categorical` or `circular`.
    courses
        The target sequence of each session or draw, (time,) or (time, column).

    Returns
    -------
    columns
        One (time, column) float64 array per sequence. Classes become one column per
        class, the same in all sequences. Radians become cosine and sine. The mean of a
        continuous column is subtracted if it is very far from zero.
    """
    if kind == "categorical":
        names = np.unique(np.concatenate([np.unique(course) for course in courses]))
        return [(course[:, None] == names).astype(np.float64) for course in courses]
    if kind == "circular":
        return [
            np.stack([np.cos(course), np.sin(course)], axis=1).astype(np.float64)
            for course in courses
        ]
    return [
        without_offset(np.asarray(course, dtype=np.float64).reshape(len(course), -1))
        for course in courses
    ]


def exchange_trials(stretch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Let whole trials exchange their target sequences at random.

    A sequence that is too long for the other trial is cut; one that is too short
    repeats its last window.

    Parameters
    ----------
    stretch
        Number of the trial of each window (window,), ascending.
    rng
        Source of the permutation of trials.

    Returns
    -------
    given
        Index of the window whose target each window takes (window,).

    Examples
    --------
    >>> exchange_trials(np.array([0, 0, 0, 1, 1]), np.random.default_rng(3)).tolist()
    [3, 4, 4, 0, 1]
    """
    _, first, trial, lengths = np.unique(
        stretch, return_index=True, return_inverse=True, return_counts=True
    )
    giver = rng.permutation(len(first))[trial]
    place = np.arange(len(stretch)) - first[trial]
    return first[giver] + np.minimum(place, lengths[giver] - 1)


def cut_sessions(
    own: int, others: Sequence[int], cuts: int
) -> tuple[int, int, list[tuple[int, int]]]:
    """Cut sessions to one common length, so that they can exchange targets.

    Parameters
    ----------
    own
        Number of windows of the session itself.
    others
        Number of windows of every other session.
    cuts
        Number of cuts of each other session. A single cut is the middle of the session;
        several cuts start at even distances.

    Returns
    -------
    length
        Length of each cut, in windows.
    start
        First window of the session's own cut, which is its middle.
    cut
        Index of the session and first window, for each cut of another session.
    """
    shortest = min(own, *others)
    length = shortest if cuts == 1 else max(1, round(LENGTH_OF_CUTS * shortest))
    found = []
    for which, windows in enumerate(others):
        starts = (
            [(windows - length) // 2]
            if cuts == 1
            else np.linspace(0, windows - length, cuts).round().astype(int).tolist()
        )
        found += [(which, start) for start in starts]
    return length, (own - length) // 2, found


def alternative_courses(recording: Recording, name: str, target: Target) -> np.ndarray:
    """Look up an array of alternative target sequences (draws), and check it.

    Parameters
    ----------
    recording
        The session's recording.
    name
        Name of the array.
    target
        The declared target, whose shape and kind the draws must have.

    Returns
    -------
    draws
        (draw, time, ...), each draw in the shape of the target.

    Raises
    ------
    DataError
        When the array is missing, has too few draws, differs from the target in shape,
        holds text where numbers are needed, has NaN or infinities, or holds angles that
        span more than one turn.
    """
    where = f"session {recording.session!r}: array {name!r}"
    if name not in recording.alternatives:
        has = ", ".join(map(repr, sorted(recording.alternatives))) or "none"
        raise DataError(
            f"{where} is not an array of alternative targets, which must have shape (draw, time, "
            f"...); arrays of this shape in the recording: {has}"
        )
    values, own = recording.alternatives[name], np.asarray(recording.targets[target.name])
    if len(values) < FEWEST_DRAWS:
        raise DataError(
            f"{where} has only {len(values)} draws, but at least {FEWEST_DRAWS} are needed; add "
            "draws"
        )
    if values[0].size != own.size:
        raise DataError(
            f"{where}: each draw has shape {values.shape[1:]}, but must have shape {own.shape}, "
            f"like the target {target.name!r}"
        )
    if target.kind != "categorical" and values.dtype.kind not in "biuf":
        raise DataError(
            f"{where} holds values of type {values.dtype}, but alternatives of a {target.kind} "
            "target must be numbers; save them with .astype(float)"
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(
            f"{where} has a NaN or infinite value, first in draw "
            f"{int(np.argwhere(~np.isfinite(values))[0][0])}; remove or replace it"
        )
    if target.kind == "circular":
        check_radians(values, where)
    return values.reshape(len(values), *own.shape)


def fingerprint_of(recording: Recording, study: Study) -> str:
    """SHA-256 hash of the alternative targets that a study's null reads.

    Parameters
    ----------
    recording
        The session's recording.
    study
        The study.

    Returns
    -------
    hash
        Empty if the null reads no such array.
    """
    if (
        study.null.kind != "pseudo_session"
        or study.null.array is None
        or study.null.array not in recording.alternatives
    ):
        return ""
    values = recording.alternatives[study.null.array]
    digest = hashlib.sha256(f"{values.shape} {values.dtype.str}|".encode())
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def null_problems(study: Study, recording: Recording) -> Iterator[tuple[PathInStudy, object, str]]:
    """Yield the reasons why a study's null cannot be made in one session.

    Parameters
    ----------
    study
        The study.
    recording
        The recording, restricted to the states in `window.within`, if any.

    Yields
    ------
    Place in the study, value found there, and what is wrong with it.
    """
    null = study.null
    if null.kind != "pseudo_session" or study.target.name not in recording.targets:
        return
    if null.array is not None:
        try:
            alternative_courses(recording, null.array, study.target)
        except DataError as error:
            yield ("null", "array"), null.array, str(error)
        return
    trials = 0 if recording.trials is None else int(recording.whole_trials[-1]) + 1
    if trials < FEWEST_TRIALS:
        has = f"has only {trials} trials" if trials else "has no trial array"
        yield (
            ("null", "by"),
            null.by,
            f"session {recording.session!r} {has}, but at least {FEWEST_TRIALS} trials are needed "
            "to exchange targets between trials; use the null 'other_sessions' or 'linear_shift'",
        )


def session_problems(
    study: Study, sessions: Sequence[Session]
) -> Iterator[tuple[PathInStudy, object, str]]:
    """Yield the reasons why a study's null cannot be made from other sessions.

    Parameters
    ----------
    study
        The study.
    sessions
        All its sessions.

    Yields
    ------
    Place in the study, value found there, and what is wrong with it.
    """
    if study.null.kind != "other_sessions":
        return
    for group in dict.fromkeys(session.group for session in sessions):
        others = sum(session.group == group for session in sessions) - 1
        if others < FEWEST_OTHERS:
            place = f"group {group!r}" if group else "the study"
            yield (
                ("null", "kind"),
                study.null.kind,
                f"for each session of {place} there are only {counted(others, 'other session')}, "
                f"but the null 'other_sessions' needs at least {FEWEST_OTHERS}, and "
                f"{ENOUGH_OTHERS} to reach p = .05 without cutting sessions. Use 'linear_shift', "
                "or 'pseudo_session' if the targets were randomised",
            )
