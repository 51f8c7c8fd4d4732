"""Targets that a session's activity cannot have caused: other trials', other sessions', other draws of the experimenter.

What comes out are courses over windows, (window, column) each; refitting decoders on them is `probing.measurements.nulls`.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from invariance_probe.data.arrays import check_radians, without_offset
from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.declaration import Place
from invariance_probe.study.nulls import ENOUGH_OTHERS, FEWEST_DRAWS, FEWEST_OTHERS
from invariance_probe.study.probes import Target
from invariance_probe.study.session import Session
from invariance_probe.study.study import Study

FEWEST_TRIALS = 8
"""The fewest trials that exchange their targets: with fewer, most draws leave many trials with their own."""
LENGTH_OF_CUTS = 0.75
"""Length of shifted cuts, as a part of the shortest session."""


def columns_of(kind: str, courses: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return what a least-squares decoder predicts of several courses of one target (time, column).

    Parameters
    ----------
    kind
        Kind of the target. Classes become one column each, the same in all courses; radians become cosine and sine.
    courses
        Arrays (time,) or (time, column).
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
    """Return for every window the window whose target it takes when whole trials exchange their targets at random.

    A longer course is cut, a shorter one repeats its last window.

    Parameters
    ----------
    stretch
        Number of the trial of every window (window,), ascending.

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
    """Cut sessions to one length.

    Parameters
    ----------
    own
        Windows of the session itself.
    others
        Windows of every other session.
    cuts
        Cuts of each other session: one is its middle; several start evenly apart.

    Returns
    -------
    The common length, where the session's own (middle) cut starts, and (which other session, where its cut starts).
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
    """Return an array of alternative targets (draw, time, ...).

    Raises
    ------
    DataError
        When it is missing, has too few draws, another shape than the target, or NaN.
    """
    where = f"session {recording.session!r}: array {name!r}"
    if name not in recording.alternatives:
        has = ", ".join(map(repr, sorted(recording.alternatives))) or "none"
        raise DataError(
            f"{where} is no array of alternative targets (draw, time, ...); the recording has {has} of that shape"
        )
    values, own = recording.alternatives[name], np.asarray(recording.targets[target.name])
    if len(values) < FEWEST_DRAWS:
        raise DataError(f"{where} has {len(values)} draws; at least {FEWEST_DRAWS} are needed")
    if values[0].size != own.size:
        raise DataError(
            f"{where} has draws of shape {values.shape[1:]}; the target {target.name!r} has shape {own.shape}"
        )
    if target.kind != "categorical" and values.dtype.kind not in "biuf":
        raise DataError(f"{where} holds {values.dtype}; a {target.kind} target is of numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(
            f"{where} has a NaN or infinite value in draw {int(np.argwhere(~np.isfinite(values))[0][0])}"
        )
    if target.kind == "circular":
        check_radians(values, where)
    return values.reshape(len(values), *own.shape)


def fingerprint_of(recording: Recording, study: Study) -> str:
    """Return the SHA-256 of the array of alternative targets that a study's null reads; empty where it reads none."""
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


def null_problems(study: Study, recording: Recording) -> Iterator[tuple[Place, object, str]]:
    """Yield what keeps a study's null from being drawn in one session."""
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
            f"session {recording.session!r} {has}; at least {FEWEST_TRIALS} trials are needed to exchange targets: "
            "use 'other_sessions' or 'linear_shift'",
        )


def session_problems(
    study: Study, sessions: Sequence[Session]
) -> Iterator[tuple[Place, object, str]]:
    """Yield what keeps a study's null from being drawn from its other sessions."""
    if study.null.kind != "other_sessions":
        return
    for group in dict.fromkeys(session.group for session in sessions):
        others = sum(session.group == group for session in sessions) - 1
        if others < FEWEST_OTHERS:
            what = f"group {group!r} has" if group else "the study has"
            yield (
                ("null", "kind"),
                study.null.kind,
                f"{what} {others} other sessions for each; other_sessions needs at least {FEWEST_OTHERS} "
                f"({ENOUGH_OTHERS} for p = .05 by sessions alone): use 'linear_shift', or 'pseudo_session' if the targets were randomised",
            )
