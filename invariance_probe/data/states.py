"""Split a recording by state, such as waking and sleep.

In: a recording and the study's `window.within`, which names states. Out: the recording
restricted to the bins inside these states, from which folds and decoders (probes) are
made; and `UnlabelledWindows`, the windows of all other bins, which have no labels. They
come with three versions of the activity: as recorded, with the bins of each stretch
shuffled, and with units permuted among units of similar rate. Training pairs between
states are searched elsewhere (`augmentations.state_mining`).
"""

from dataclasses import dataclass, replace

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.design import Window, Within

TERTILES = 3
"""Number of groups of units of similar rate. Units are permuted within their group."""
LISTED = 20
"""Largest number of states that a message lists."""
RECORDED, SHUFFLED, PERMUTED = range(3)
"""Index of each version of the activity outside the states (see `UnlabelledWindows`)."""


def states_of(recording: Recording, within: Within) -> np.ndarray:
    """Look up the state of each bin, and check it against the study.

    Parameters
    ----------
    recording
        The whole recording.
    within
        The array that holds the states, and the states that windows lie in.

    Returns
    -------
    states
        State of each bin (time,), int64.

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
            f"{where} has shape {values.shape} and type {values.dtype}, but states must be whole "
            "numbers of shape (time,)"
        )
    states = values.astype(np.int64)
    if not np.isin(states, within.values).any():
        raise DataError(
            f"{where} never takes any of the values {list(within.values)}; {listed(states)}"
        )
    return states


def listed(states: np.ndarray) -> str:
    """List the values of an array of states, at most `LISTED` of them, for a message."""
    values = np.unique(states).tolist()
    if len(values) <= LISTED:
        return f"its values are {values}"
    return f"the first {LISTED} of its {len(values)} values are {values[:LISTED]}"


def restricted(recording: Recording, window: Window) -> Recording:
    """Restrict a recording to the states in which a study's windows may lie.

    Bins outside the states are removed, which leaves a pause. No window crosses a
    pause. An embargo is counted in the remaining bins, so a pause within it makes it
    longer in time, never shorter.

    Parameters
    ----------
    recording
        The whole recording.
    window
        The study's window. Without `within`, no bin is removed.

    Returns
    -------
    restricted
        The recording itself if the study names no states; otherwise a copy with the
        remaining bins, whose `pieces` numbers the unbroken pieces.

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
        known={name: mask[inside] for name, mask in recording.known.items()},
        trials=None if recording.trials is None else recording.trials[inside],
        segments=recording.segments[inside],
        pieces=pieces[inside],
        alternatives={
            name: values[:, inside] if values.shape[1] == len(inside) else values
            for name, values in recording.alternatives.items()
        },
        streams={name: stream.in_bins(inside) for name, stream in recording.streams.items()},
    )


@dataclass(frozen=True, eq=False)
class UnlabelledWindows:
    """Windows outside a study's states, such as windows of sleep.

    The same windows are cut from every version of the activity.

    Attributes
    ----------
    activity
        Activity in the bins outside the states, in order of time
        (version, time, unit).
    starts
        First bin of each window, as an index into the time axis of `activity`
        (window,).
    stretch
        Number of the unbroken stretch of one state that each window lies in (window,).
    state
        State of each window (window,).
    recorded
        First bin of each window in the whole recording (window,).
    far
        Number of bins between each window and the nearest bin inside the states
        (window,).
    inside
        Positions of the bins inside the states in the whole recording (bin,).
    """

    activity: np.ndarray
    starts: np.ndarray
    stretch: np.ndarray
    state: np.ndarray
    recorded: np.ndarray
    far: np.ndarray
    inside: np.ndarray

    @classmethod
    def of(
        cls, recording: Recording, window: Window, rng: np.random.Generator
    ) -> "UnlabelledWindows":
        """Cut windows from the bins outside a study's states.

        Parameters
        ----------
        recording
            The whole recording.
        window
            The study's window, with `within`.
        rng
            Generator that depends on neither dose nor arm, so that the shuffled and
            permuted versions are the same at all doses and arms.
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
    taken
        Index of the unit whose activity each unit takes (unit,). Units are permuted
        within tertiles of mean rate. In a tertile of two or more units, no unit keeps
        its own activity.
    """
    order = np.argsort(activity.mean(axis=0), kind="stable")
    taken = np.arange(len(order))
    for tertile in np.array_split(order, TERTILES):
        members = rng.permutation(tertile)
        taken[members] = np.roll(members, 1)
    return taken
