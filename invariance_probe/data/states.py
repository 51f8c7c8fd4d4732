"""Split a recording by state, such as waking and sleep.

In: a recording and the study's `window.within`. Out: the recording restricted to the
bins inside the declared states, which is what labels, folds and probes see; and
`Offline`, the windows of all other bins, without labels, in three versions: as
recorded, with the bins of every stretch shuffled, and with units permuted among units
of similar rate. Nothing here mines partners (`augmentations.state_mining`).
"""

from dataclasses import dataclass, replace

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.design import Window, Within

TERTILES = 3
"""Number of groups of units of similar rate. Units are permuted within their group."""
RECORDED, SHUFFLED, PERMUTED = range(3)
"""The versions of the activity outside the states."""


def states_of(recording: Recording, within: Within) -> np.ndarray:
    """State of every bin, checked against the states that a study names.

    Parameters
    ----------
    recording
        The whole recording.
    within
        The array that holds the states, and the states that windows lie in.

    Returns
    -------
    (time,) int64.

    Raises
    ------
    DataError
        When the array is missing or does not hold whole numbers (time,), or when no bin
        is in any of the named states.
    """
    where = f"session {recording.session!r}: window.within.array {within.array!r}"
    values = recording.array(within.array, "window.within.array")
    if values.ndim != 1 or values.dtype.kind not in "biu":
        raise DataError(
            f"{where} has shape {values.shape} and holds {values.dtype}; "
            "states are whole numbers (time,)"
        )
    states = values.astype(np.int64)
    if not np.isin(states, within.values).any():
        raise DataError(
            f"{where} never takes {list(within.values)}; it takes {np.unique(states).tolist()[:20]}"
        )
    return states


def restricted(recording: Recording, window: Window) -> Recording:
    """Keep the bins of a recording that a study's windows may lie in.

    The bins left out become a pause. No window crosses a pause. An embargo counts only
    the bins that are kept, so a pause within it makes it longer in time, never shorter.

    Parameters
    ----------
    recording
        The whole recording.
    window
        The study's window; without `within`, all bins are kept.

    Returns
    -------
    The recording itself, or one of the kept bins, with `pieces`.

    Raises
    ------
    DataError
        As for `states_of`.
    """
    if window.within is None:
        return recording
    inside = np.isin(states_of(recording, window.within), window.within.values)
    pieces = recording.stretches + np.concatenate(
        [[0], np.cumsum(np.diff(inside.astype(np.int8)) != 0)]
    )
    return replace(
        recording,
        activity=recording.activity[inside],
        targets={name: np.asarray(values)[inside] for name, values in recording.targets.items()},
        trials=None if recording.trials is None else recording.trials[inside],
        segments=recording.segments[inside],
        pieces=pieces[inside],
        alternatives={
            name: values[:, inside] if values.shape[1] == len(inside) else values
            for name, values in recording.alternatives.items()
        },
    )


@dataclass(frozen=True, eq=False)
class Offline:
    """Windows outside a study's states, such as windows of sleep.

    The versions of a window differ in the activity that they show, not in the position
    of the window.

    Attributes
    ----------
    activity
        (version, time, unit), the bins outside the states, in order of time.
    starts
        First bin of every window among the bins of `activity` (window,).
    stretch
        Unbroken stretch of one state that each window lies in (window,).
    state
        State of each window (window,).
    recorded
        First bin of each window in the whole recording (window,).
    far
        Number of bins between each window and the nearest labelled bin (window,).
    inside
        Positions of the labelled bins in the whole recording (bin,).
    """

    activity: np.ndarray
    starts: np.ndarray
    stretch: np.ndarray
    state: np.ndarray
    recorded: np.ndarray
    far: np.ndarray
    inside: np.ndarray

    @classmethod
    def of(cls, recording: Recording, window: Window, rng: np.random.Generator) -> "Offline":
        """Cut windows from the bins outside a study's states.

        Parameters
        ----------
        recording
            The whole recording.
        window
            The study's window, with `within`.
        rng
            Generator at the start of a random sequence of the session. It knows neither
            dose nor arm, so that all doses and arms see the same versions.
        """
        assert window.within is not None
        states, length = states_of(recording, window.within), window.length_bins
        labelled = np.isin(states, window.within.values)
        outside, inside = np.flatnonzero(~labelled), np.flatnonzero(labelled)
        broken = (
            (np.diff(outside) != 1)
            | (np.diff(states[outside]) != 0)
            | (np.diff(recording.stretches[outside]) != 0)
        )
        stretches = np.concatenate([[0], np.cumsum(broken)])[: len(outside)]
        activity = recording.activity[outside]
        # Each stretch keeps its own bins, in random order.
        shuffled = np.lexsort((rng.random(len(outside)), stretches))
        versions = np.stack(
            [activity, activity[shuffled], activity[:, permuted_units(activity, rng)]]
        )
        starts = np.arange(max(len(outside) - length + 1, 0))
        starts = starts[stretches[starts] == stretches[starts + length - 1]]
        first, last = outside[starts], outside[starts] + length - 1
        after = np.searchsorted(inside, last)
        ahead = np.where(
            after < len(inside), inside[np.minimum(after, len(inside) - 1)] - last, len(states)
        )
        behind = np.where(after > 0, first - inside[np.maximum(after - 1, 0)], len(states))
        return cls(
            versions,
            starts,
            stretches[starts],
            states[first],
            first,
            np.minimum(ahead, behind) - 1,
            inside,
        )


def permuted_units(activity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permute units at random among units of similar rate.

    Parameters
    ----------
    activity
        (time, unit).
    rng
        Source of the permutation.

    Returns
    -------
    (unit,), the unit whose activity each unit takes. In a tertile of two or more units,
    no unit keeps its own.
    """
    order = np.argsort(activity.mean(axis=0), kind="stable")
    taken = np.arange(len(order))
    for tertile in np.array_split(order, TERTILES):
        members = rng.permutation(tertile)
        taken[members] = np.roll(members, 1)
    return taken
