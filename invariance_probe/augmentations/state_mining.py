"""Find partners in sleep for waking windows, by similar trajectories.

A partner is a window of sleep around which activity takes a similar course as around the
waking window, in principal components of waking activity. Sleep stands for any state
outside the states in which the study decodes (the labelled ones).

In: a run's training windows, and the windows of sleep in one version: as recorded, with
bins shuffled, or with units permuted (see `data.states`). Out: a table of partners for
each training window. A place is the position of a window in a list of windows. Units
are standardised inside each state, so that differences in rate and gain between states
do not matter. Components are fitted on one half of the training windows and applied to
the other half. No label is read, and nothing is trained.

References
----------
Louie & Wilson 2001, Neuron 29:145; Senzai & Scanziani 2022, Science 377:999 (waking
activity that runs again in REM sleep).
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from sklearn.decomposition import PCA

from invariance_probe.augmentations.mining import CHUNK
from invariance_probe.data.arrays import varies
from invariance_probe.data.states import PERMUTED, RECORDED, SHUFFLED
from invariance_probe.errors import TrainingError
from invariance_probe.study.state_pairing import StatePairing, StateSource

VERSION: dict[StateSource, int] = {
    "mined": RECORDED,
    "other_state": RECORDED,
    "time_shuffled": SHUFFLED,
    "unit_permuted": PERMUTED,
}
"""Version of the activity in sleep that each arm mines and trains on, by arm."""


@dataclass(frozen=True, eq=False)
class WindowSequence:
    """A list of windows in order of time, whose trajectories are compared.

    Attributes
    ----------
    activity
        Mean activity over each window's bins (window, unit), not transformed.
    stretch
        Number of the unbroken sequence of windows, one bin apart, that each window lies
        in (window,).
    """

    activity: np.ndarray
    stretch: np.ndarray

    def smoothed(self, sigma: float, counts: bool) -> np.ndarray:
        """Smooth the activity inside each stretch.

        Parameters
        ----------
        sigma
            Standard deviation of the Gaussian, in windows; 0 for no smoothing.
        counts
            Whether the activity is spike counts, whose square roots are then taken.

        Returns
        -------
        activity
            (window, unit), float64.
        """
        x = (
            np.sqrt(self.activity.astype(np.float64))
            if counts
            else self.activity.astype(np.float64)
        )
        if not sigma:
            return x
        return np.concatenate(
            [
                gaussian_filter1d(piece, sigma, axis=0)
                for piece in np.split(x, _breaks(self.stretch))
            ]
        )

    def holds(self, offsets: tuple[int, ...]) -> np.ndarray:
        """Find the windows whose whole trajectory lies inside their stretch.

        Parameters
        ----------
        offsets
            Positions of the windows of a trajectory relative to its central window,
            ascending.

        Returns
        -------
        whole
            Boolean (window,).
        """
        edges = np.concatenate([[0], _breaks(self.stretch), [len(self.stretch)]])
        lengths = np.diff(edges)
        before = np.arange(len(self.stretch)) - np.repeat(edges[:-1], lengths)
        return (before + offsets[0] >= 0) & (np.repeat(lengths, lengths) > before + offsets[-1])


def unbroken(windows: np.ndarray, stretch: np.ndarray) -> np.ndarray:
    """Number the unbroken sequences of successive windows in one stretch.

    Parameters
    ----------
    windows
        Indices of some windows among all windows (window,), ascending.
    stretch
        Stretch of each window (all windows,).

    Returns
    -------
    number
        Number of the sequence that each of the windows belongs to, from 0 (window,).
    """
    broken = (np.diff(windows) != 1) | (np.diff(stretch[windows]) != 0)
    return np.concatenate([[0], np.cumsum(broken)]) if len(windows) else windows


def _breaks(stretch: np.ndarray) -> np.ndarray:
    """Positions at which a new stretch begins."""
    return np.flatnonzero(np.diff(stretch) != 0) + 1


def equal_pools(pools: list[np.ndarray]) -> list[np.ndarray]:
    """Cut pools of windows to the size and sequence lengths of the smallest.

    Neighbouring windows are alike. If a larger pool were thinned evenly to the same
    number of windows, it would span more time and more different trajectories than the
    smallest pool, and would contain better matches for that reason alone. Therefore the
    sequences of successive windows that are taken from a larger pool are as long as
    those of the smallest pool, and are spread evenly over the larger one.

    Parameters
    ----------
    pools
        Indices of the windows of each pool (window,), ascending.

    Returns
    -------
    pools
        The same number of windows for each pool (window,).

    Examples
    --------
    >>> equal_pools([np.array([0, 1, 2, 9, 10]), np.arange(20, 30)])[1].tolist()
    [21, 22, 23, 26, 27]
    """
    smallest = min(pools, key=len)
    lengths = np.array(
        [len(run) for run in np.split(smallest, np.flatnonzero(np.diff(smallest) != 1) + 1)]
    )
    before, number = np.cumsum(lengths) - lengths, np.arange(len(lengths))
    cut = []
    for pool in pools:
        spare = len(pool) - len(smallest)
        starts = before + ((number + 0.5) * spare / len(lengths)).astype(np.int64)
        cut.append(pool[np.repeat(starts - before, lengths) + np.arange(len(smallest))])
    return cut


def alike_asleep(
    declared: StatePairing,
    awake: WindowSequence,
    asleep: WindowSequence,
    pool: np.ndarray,
    counts: bool,
    bin_s: float,
) -> np.ndarray:
    """Find the windows of sleep with the trajectories nearest to waking ones.

    Parameters
    ----------
    declared
        Span, compression, smoothing, and numbers of components and neighbours.
    awake
        The training windows of a run.
    asleep
        The windows of one sleep state, in one version of its activity.
    pool
        Places in `asleep` that may be partners, all with whole trajectories (place,).
    counts
        Whether the activity is spike counts.
    bin_s
        Seconds per bin.

    Returns
    -------
    places
        Places of the nearest windows in `asleep` (anchor, neighbour); -1 for waking
        windows without a whole trajectory.
    """
    about, beside = declared.offsets(bin_s)
    sigma = declared.smoothing_s / bin_s
    slept = _standardised(
        asleep.smoothed(sigma / declared.compression, counts), np.arange(len(asleep.activity))
    )
    count = min(declared.neighbours, len(pool))
    table = np.full((len(awake.stretch), declared.neighbours), -1, dtype=np.int64)
    late = np.arange(len(awake.stretch)) >= len(awake.stretch) // 2
    # The two halves are numbered as separate stretches, so that neither trajectories nor
    # smoothing cross from one half to the other.
    course = WindowSequence(awake.activity, 2 * awake.stretch + late)
    smooth, whole = course.smoothed(sigma, counts), course.holds(about)
    for half in (late, ~late):
        fitted, served = np.flatnonzero(~half), np.flatnonzero(half & whole)
        waking = _standardised(smooth, fitted)
        components = PCA(
            min(declared.components, len(fitted), waking.shape[1]), svd_solver="full"
        ).fit(waking[fitted])
        score, scores = components.transform(waking), components.transform(slept)
        candidates = _trajectories(scores, pool, beside)
        lengths = (candidates**2).sum(axis=1)
        for start in range(0, len(served), CHUNK):
            rows = served[start : start + CHUNK]
            # Squared distance minus the anchor's own squared length, which does not
            # change the order of its candidates.
            farther = lengths - 2 * _trajectories(score, rows, about) @ candidates.T
            table[rows, :count] = pool[np.argpartition(farther, count - 1, axis=1)[:, :count]]
    return table


def _standardised(x: np.ndarray, over: np.ndarray) -> np.ndarray:
    """Standardise activity (window, unit) by mean and SD over the windows `over`.

    A unit that is constant in those windows becomes zero.
    """
    mean, sd = x[over].mean(axis=0), x[over].std(axis=0)
    return (x - mean) * np.divide(1.0, sd, out=np.zeros_like(sd), where=varies(mean, sd))


def _trajectories(scores: np.ndarray, places: np.ndarray, offsets: tuple[int, ...]) -> np.ndarray:
    """Concatenate the scores at all offsets from each place.

    Returns an array (place, offset * component).
    """
    return scores[places[:, None] + np.array(offsets)].reshape(len(places), -1)


@dataclass(frozen=True, eq=False)
class PartnerPools:
    """The windows of sleep in which a run may find partners.

    There are two sets: the state of the partners, and another state as control. Both are
    far from labelled windows and outside the run's test part.

    Attributes
    ----------
    windows
        Indices of the windows of each of the two states (window,), which may be part of
        a trajectory.
    pools
        Places in `windows` that may be partners, the same number for both states.
    """

    windows: tuple[np.ndarray, np.ndarray]
    pools: tuple[np.ndarray, np.ndarray]


def find_partner_pools(
    declared: StatePairing,
    state: np.ndarray,
    stretch: np.ndarray,
    allowed: np.ndarray,
    bin_s: float,
    session: str,
) -> PartnerPools:
    """Find the windows of sleep in which a run may look for partners.

    Parameters
    ----------
    declared
        States of partners and controls, span, and number of neighbours.
    state, stretch
        State and stretch of each window asleep (window,).
    allowed
        Whether the window is far enough from labelled windows, and was not recorded
        between those of the run's test part (window,).
    bin_s
        Seconds per bin.
    session
        Name of the session, for the message.

    Returns
    -------
    sleep
        Windows and equal pools of both states.

    Raises
    ------
    TrainingError
        When a state has fewer whole trajectories than each window should have partners.
    """
    beside = declared.offsets(bin_s)[1]
    windows, pools = [], []
    for name, values in (("partners", declared.partners), ("others", declared.others)):
        own = np.flatnonzero(np.isin(state, values) & allowed)
        pool = np.flatnonzero(WindowSequence(own, unbroken(own, stretch)).holds(beside))
        if len(pool) < declared.neighbours:
            raise TrainingError(
                f"session {session!r}: the states {list(values)} in state.{name} have only "
                f"{len(pool)} windows that can be partners, but at least {declared.neighbours} "
                f"are needed. Around a partner, a whole trajectory of {declared.span_s:g} s of "
                f"waking time must fit; the partner must be at least {declared.gap_s:g} s from "
                "labelled windows, and outside the test part. Use a shorter span_s or gap_s, or "
                "another state"
            )
        windows.append(own)
        pools.append(pool)
    first, second = equal_pools(pools)
    return PartnerPools((windows[0], windows[1]), (first, second))
