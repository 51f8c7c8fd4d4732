"""A recording inside some states of an array, such as waking: what labels, folds and probes know; and what lies outside, without labels.

In: a recording and `window.within`. Out: the recording of the bins inside, and `Offline`, the windows of all other bins in three
versions: as recorded, with the bins of every stretch shuffled, and with units permuted among those of like rate.
"""

from dataclasses import dataclass, replace

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.study.design import Window, Within

TERTILES = 3
"""Groups of units of like rate, inside which units change places."""
RECORDED, SHUFFLED, PERMUTED = range(3)
"""The versions of what lies outside."""


def states_of(recording: Recording, within: Within) -> np.ndarray:
    """Return the state of every bin (time,).

    Raises
    ------
    DataError
        When the array is missing or holds no whole numbers, or no bin has one of the values.
    """
    where = f"session {recording.session!r}: window.within.array {within.array!r}"
    values = recording.array(within.array, "window.within.array")
    if values.ndim != 1 or values.dtype.kind not in "biu":
        raise DataError(
            f"{where} has shape {values.shape} and holds {values.dtype}; states are whole numbers (time,)"
        )
    states = values.astype(np.int64)
    if not np.isin(states, within.values).any():
        raise DataError(
            f"{where} never takes {list(within.values)}; it takes {np.unique(states).tolist()[:20]}"
        )
    return states


def restricted(recording: Recording, window: Window) -> Recording:
    """Return the bins of a recording that a study's windows may lie in, all of them where it names no states.

    What lies between is a pause: no window crosses it, and an embargo, which counts bins inside, is only lengthened by it.
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
    """The windows outside a study's states; the versions of a window differ in what is shown, not in where it stands.

    Attributes
    ----------
    activity
        (version, time, unit), of the bins outside, in time.
    starts
        First bin of every window (window,), among these.
    stretch
        Unbroken stretch of one state that each lies in (window,).
    state
        State of each (window,).
    recorded
        Its first bin in the recording (window,).
    far
        Bins to the nearest labelled one (window,).
    inside
        Where the labelled bins stand in the recording (bin,).
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
        """Cut what lies outside; `rng` stands at the start of a stream of the session, which knows neither dose nor arm."""
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
        shuffled = np.lexsort(
            (rng.random(len(outside)), stretches)
        )  # each stretch's own bins, in another order
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
    """Return whose activity each unit takes (unit,): another's of like rate, so that no unit of a tertile of two or more keeps its own."""
    order = np.argsort(activity.mean(axis=0), kind="stable")
    taken = np.arange(len(order))
    for tertile in np.array_split(order, TERTILES):
        members = rng.permutation(tertile)
        taken[members] = np.roll(members, 1)
    return taken
