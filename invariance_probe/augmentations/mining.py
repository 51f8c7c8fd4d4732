"""Distant pairs of training windows, at least a gap of time apart.

A window (the anchor) is paired with a partner that is alike but distant in time. There
are four sources of partners: `mined` (nearest neighbours in activity or, if the study
declares one, in a guide, an array that says which windows are alike), and the controls
`random`, `shifted` (partners mined for another anchor) and `oracle` (nearest in the
target).

In: the training windows of one run. Out: a table of partners for each window. A place is
the position of a window in the list of training windows. Only the oracle reads the
target. Nothing is trained here.

References
----------
Azabou et al. 2021, arXiv:2102.10106 (mined views).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from invariance_probe.errors import TrainingError
from invariance_probe.study.pairing import MinedPairing, Source

CHUNK = 500
"""Number of windows whose neighbours are searched at once."""
MANY = 20_000
"""Number of windows above which neighbours are searched with a k-d tree.

It finds the same neighbours without computing all distances.
"""
SHIFTS = 8
"""Number of shifts that are drawn for the `shifted` control.

If the gap is short compared to the recording, the first shift gives partners to nearly
all windows.
"""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distant pairs of training windows.

    Attributes
    ----------
    first, second
        Places of both windows among the training windows (pair,).
    """

    first: np.ndarray
    second: np.ndarray

    def same(self, values: np.ndarray) -> float:
        """Fraction of the pairs whose two windows have the same value.

        Parameters
        ----------
        values
            Value of each training window (window,).

        Returns
        -------
        fraction
            In [0, 1].
        """
        return float((values[self.first] == values[self.second]).mean())

    def distance(self, values: np.ndarray) -> float:
        """Mean squared distance within pairs, relative to that of random pairs.

        This is E|n - n'|^2 / (2 Var n), where n and n' are the values of the two windows.

        Parameters
        ----------
        values
            Value n of each training window (window, column).

        Returns
        -------
        distance
            1 for pairs that are unrelated to n, 0 for pairs with equal n.
        """
        apart = ((values[self.first] - values[self.second]) ** 2).sum(axis=1).mean()
        return float(apart / (2 * values.var(axis=0).sum()))


@dataclass(frozen=True, eq=False)
class SearchInputs:
    """The training windows of one run, among which partners are searched.

    Attributes
    ----------
    train
        Indices of the training windows among all windows (window,), ascending.
    stretch
        Trial or gap-free segment that each training window lies in (window,).
    activity
        Mean activity over each window's bins (window, unit).
    counts
        Whether the activity is spike counts.
    times
        Start of each window in seconds of recorded time (window,), ascending. If
        partners must come from other sessions, the number of the session instead.
    target
        Classes (window,) or columns (window, column) of the target, for the oracle only.
    step_s
        Seconds per bin.
    gap
        Smallest difference in `times` between partners.
    guide
        Classes (window,) or columns (window, column) that decide which windows are
        alike; None if activity decides.
    labelled
        Whether the guide is known for a window (window,); None if it is for all.
    """

    train: np.ndarray
    stretch: np.ndarray
    activity: np.ndarray
    counts: bool
    times: np.ndarray
    target: np.ndarray
    step_s: float
    gap: float
    guide: np.ndarray | None = None
    labelled: np.ndarray | None = None

    def among_labelled(
        self, values: np.ndarray, find: Callable[[np.ndarray, np.ndarray], "Pairs"]
    ) -> "Pairs":
        """Find pairs among the windows for which the guide is known.

        Parameters
        ----------
        values
            What windows are compared by, for each training window (window, ...).
        find
            Function that makes pairs from the values and times of some windows.

        Returns
        -------
        pairs
            Their places are those among all training windows.
        """
        if self.labelled is None:
            return find(values, self.times)
        known = np.flatnonzero(self.labelled)
        found = find(values[known], self.times[known])
        return Pairs(known[found.first], known[found.second])


@dataclass(frozen=True, eq=False)
class Distant:
    """The distant partners of one run's training windows.

    Attributes
    ----------
    partners
        Indices of the partners among all windows (anchor, partner), padded with -1.
    count
        Number of distant partners of each anchor (anchor,). An anchor without any has
        only local partners.
    share
        Fraction of the pairs that are distant.
    """

    partners: np.ndarray
    count: np.ndarray
    share: float

    def pairs(self, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """List every distant pair.

        Parameters
        ----------
        train
            Training windows (window,), in the order of the anchors.

        Returns
        -------
        anchors, partners
            Indices among all windows, each (pair,).
        """
        used = self.partners >= 0
        return np.repeat(train, used.sum(axis=1)), self.partners[used]


def nearest_table(declared: MinedPairing, inputs: SearchInputs) -> np.ndarray:
    """Find the nearest neighbours of each training window.

    Distances are between smoothed principal components of activity, or between the
    columns of a guide. If the guide is classes, the table is empty, because
    `distant_partners` draws those partners anew for each run.

    Parameters
    ----------
    declared
        Numbers of neighbours and components, and the smoothing.
    inputs
        The training windows.

    Returns
    -------
    places
        Places of the neighbours (anchor, neighbour), padded with -1.
    """
    size = declared.neighbours
    if inputs.guide is not None:
        if inputs.guide.ndim == 1:
            return np.full((len(inputs.train), size), -1, dtype=np.int64)
        near = inputs.among_labelled(
            inputs.guide, lambda guide, times: nearest_pairs(guide, times, inputs.gap, size)
        )
        return _table(near, len(inputs.train), size)
    sigma = declared.smoothing_s / inputs.step_s
    features = neighbour_features(
        inputs.activity, inputs.counts, inputs.train, inputs.stretch, sigma, declared.components
    )
    return _table(nearest_pairs(features, inputs.times, inputs.gap, size), len(inputs.train), size)


def distant_partners(
    declared: MinedPairing,
    source: Source,
    inputs: SearchInputs,
    mined: np.ndarray,
    rng: np.random.Generator,
) -> Distant:
    """Find the distant partners that come from one source.

    All sources give partners to the same anchors: those for which mined, random and
    shifted partners exist. Whether the oracle has partners is not considered, so that
    no label influences the other sources. An anchor for which the oracle finds none has
    only local partners.

    Parameters
    ----------
    declared
        Number of neighbours, gap and share.
    source
        Which partners are returned: `mined`, `random`, `shifted` or `oracle`.
    inputs
        The training windows.
    mined
        Output of `nearest_table`.
    rng
        Generator that depends on neither share nor source, so that runs that differ only
        in these use the same random numbers.

    Returns
    -------
    distant
        Partners of each training window.

    Raises
    ------
    TrainingError
        When no window has mined, random and shifted partners.
    """
    count, size = len(inputs.train), declared.neighbours

    def drawn(groups: np.ndarray, by: np.random.Generator) -> np.ndarray:
        """Draw random partners within groups, as a table of places."""
        pairs = inputs.among_labelled(
            groups, lambda known, times: drawn_pairs(times, known, inputs.gap, size, by)
        )
        return _table(pairs, count, size)

    if inputs.guide is not None and inputs.guide.ndim == 1:
        mined = drawn(inputs.guide, rng.spawn(1)[0])
    tables = {
        "mined": mined,
        "shifted": _shifted(mined, inputs.times, inputs.gap, rng),
        "random": drawn(np.zeros(count, dtype=np.int64), rng),
    }
    serves = np.logical_and.reduce([(table >= 0).any(axis=1) for table in tables.values()])
    if not serves.any():
        raise TrainingError(
            f"views.pairing.gap_s is {declared.gap_s:g} s. With this gap, no training window has "
            "a mined, a random and a shifted partner. Use a shorter gap_s, a longer recording, "
            "or a guide that is known for more windows"
        )
    places = tables[source] if source != "oracle" else _alike(inputs, size, rng)
    places = np.where(serves[:, None], places, -1)
    return Distant(
        np.where(places >= 0, inputs.train[places], -1), (places >= 0).sum(axis=1), declared.share
    )


def _shifted(
    mined: np.ndarray, times: np.ndarray, gap_s: float, rng: np.random.Generator
) -> np.ndarray:
    """Give each anchor the partners that were mined for another one (control).

    The other anchor lies a fixed number of training windows later; the list of windows
    wraps around at its end. That number is drawn at random once, for all anchors. So
    the same windows serve as partners, equally often and in the same order, but have no
    relation to their anchor. Partners closer in time than `gap_s` are dropped. An
    anchor that is left without partners takes those at the next shift; up to `SHIFTS`
    shifts are tried.

    Parameters
    ----------
    mined
        Places of the mined partners (anchor, neighbour), padded with -1.
    times
        Start of each training window in seconds (window,).
    gap_s
        Smallest distance in time, in seconds.
    rng
        Random generator that draws the shifts.

    Returns
    -------
    places
        Places of the shifted partners (anchor, neighbour), padded with -1.
    """
    count = len(mined)
    least = min(int(np.searchsorted(times, times[0] + gap_s)), count // 4)
    found = np.full_like(mined, -1)
    for shift in rng.integers(least, count - least + 1, SHIFTS):
        moved = np.roll(mined, int(shift), axis=0)
        near = np.abs(times[moved] - times[:, None]) < gap_s - 1e-9
        allowed = np.where(near | (moved < 0), -1, moved)
        found = np.where((found >= 0).any(axis=1, keepdims=True), found, allowed)
    return np.take_along_axis(found, np.argsort(found < 0, axis=1, kind="stable"), axis=1)


def _alike(inputs: SearchInputs, count: int, rng: np.random.Generator) -> np.ndarray:
    """Find the oracle's partners: of the same class, or with the nearest target.

    Returns places (anchor, count), padded with -1. A window has no partner if no
    window of its class is far enough away.
    """
    classes = inputs.target.ndim == 1
    found = (
        _drawn(inputs.times, inputs.target, inputs.gap, count, rng)
        if classes
        else _nearest(inputs.target, inputs.times, inputs.gap, count)
    )
    return _table(found, len(inputs.train), count)


def _table(pairs: Pairs, anchors: int, count: int) -> np.ndarray:
    """Arrange pairs as a table of places (anchor, count), padded with -1."""
    order = np.argsort(pairs.first, kind="stable")
    first = pairs.first[order]
    table = np.full((anchors, count), -1, dtype=np.int64)
    table[first, np.arange(len(first)) - np.searchsorted(first, first)] = pairs.second[order]
    return table


def neighbour_features(
    activity: np.ndarray,
    counts: bool,
    train: np.ndarray,
    stretch: np.ndarray,
    sigma: float,
    components: int,
) -> np.ndarray:
    """Principal components of smoothed activity, by which windows are compared.

    Activity is smoothed inside each sequence of successive windows of one stretch.

    Parameters
    ----------
    activity
        Mean activity of each training window (window, unit).
    counts
        Whether the activity is spike counts, whose square roots are then taken.
    train, stretch
        Indices of the training windows, ascending, and the stretch of each (window,).
    sigma
        Standard deviation of the Gaussian, in windows; 0 for no smoothing.
    components
        Number of components; fewer if there are fewer windows or units.

    Returns
    -------
    features
        (window, component).
    """
    x = activity.astype(np.float64)
    x = np.sqrt(x) if counts else x
    breaks = np.flatnonzero((np.diff(train) != 1) | (np.diff(stretch) != 0)) + 1
    smooth = (
        np.concatenate([gaussian_filter1d(piece, sigma, axis=0) for piece in np.split(x, breaks)])
        if sigma
        else x
    )
    return PCA(min(components, *smooth.shape), svd_solver="full").fit_transform(smooth)


def drawn_pairs(
    times: np.ndarray, groups: np.ndarray, gap_s: float, count: int, rng: np.random.Generator
) -> Pairs:
    """Draw `count` random partners of the same group for each window.

    They are drawn with replacement, uniformly among the windows of the group that are
    at least the gap away. Windows without such a partner are omitted.

    Parameters
    ----------
    times
        Start of each window in seconds (window,), ascending.
    groups
        Group of each window (window,). Only windows of one group may form a pair.
    gap_s
        Smallest distance in time, in seconds.
    count
        Partners per window.
    rng
        Source of the draws.

    Returns
    -------
    pairs
        Pairs of places.

    Raises
    ------
    TrainingError
        When no two windows of a group are the gap apart.
    """
    return _checked(_drawn(times, groups, gap_s, count, rng), gap_s)


def _drawn(
    times: np.ndarray, groups: np.ndarray, gap_s: float, count: int, rng: np.random.Generator
) -> Pairs:
    """`drawn_pairs`, but without an error if there are no pairs."""
    first, second = [], []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        # The first `before` windows of the group are early enough, those from `after` on
        # late enough. Drawn numbers from `before` on skip the windows in between.
        before = np.searchsorted(times[members], times[members] - gap_s + 1e-9, side="right")
        after = np.searchsorted(times[members], times[members] + gap_s - 1e-9, side="left")
        allowed = before + len(members) - after
        has = np.flatnonzero(allowed > 0)
        drawn = rng.integers(0, allowed[has, None], (len(has), count))
        place = np.where(
            drawn < before[has, None], drawn, drawn - before[has, None] + after[has, None]
        )
        first.append(np.repeat(members[has], count))
        second.append(members[place].ravel())
    return Pairs(np.concatenate(first), np.concatenate(second))


def nearest_pairs(features: np.ndarray, times: np.ndarray, gap_s: float, count: int) -> Pairs:
    """Find each window's nearest neighbours that are at least a gap away.

    Parameters
    ----------
    features
        What windows are compared by, with Euclidean distance (window, feature).
    times
        Start of each window in seconds (window,), ascending.
    gap_s
        Smallest distance in time, in seconds.
    count
        Neighbours per window.

    Returns
    -------
    pairs
        Pairs of places.

    Raises
    ------
    TrainingError
        When no two windows are the gap apart.
    """
    return _checked(_nearest(features, times, gap_s, count), gap_s)


def _nearest(features: np.ndarray, times: np.ndarray, gap_s: float, count: int) -> Pairs:
    """`nearest_pairs`, but without an error if there are no pairs."""
    count = min(count, len(features))
    tree = KDTree(features) if len(features) > MANY else None
    found = []
    for start in range(0, len(features), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(features)))
        if tree is not None:
            rows, first, second = _by_tree(tree, features, times, gap_s, count, rows)
            found.append((first, second))
        if len(rows):
            found.append(_by_distances(features, times, gap_s, count, rows))
    first, second = (np.concatenate(places) for places in zip(*found, strict=True))
    return Pairs(first, second)


def _by_distances(
    features: np.ndarray, times: np.ndarray, gap_s: float, count: int, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest windows of some anchors by computing all distances.

    `rows` are the places of the anchors. Returns the places of anchors and neighbours,
    each (pair,).
    """
    distances = cdist(features[rows], features, "sqeuclidean")
    distances[np.abs(times[rows, None] - times) < gap_s - 1e-9] = np.inf
    nearest = np.argpartition(distances, min(count, len(features) - 1), axis=1)[:, :count]
    reached = np.isfinite(np.take_along_axis(distances, nearest, axis=1))
    return np.repeat(rows, count)[reached.ravel()], nearest[reached]


def _by_tree(
    tree: KDTree,
    features: np.ndarray,
    times: np.ndarray,
    gap_s: float,
    count: int,
    rows: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the nearest windows of some anchors with a k-d tree, if it is faster.

    The tree is queried for more and more neighbours, until enough of them are beyond the
    gap. Anchors for which that takes too many are left for `_by_distances`. Returns the
    places of these anchors and, for all others, the places of anchors and neighbours,
    each (pair,).
    """
    first, second, asked = [], [], 8 * count
    while len(rows) and asked <= len(features) // 16:
        nearest = tree.query(features[rows], asked)[1]
        far = np.abs(times[rows, None] - times[nearest]) >= gap_s - 1e-9
        enough = far.sum(axis=1) >= count
        wanted = (far & (far.cumsum(axis=1) <= count))[enough]
        first.append(np.repeat(rows[enough], count))
        second.append(nearest[enough][wanted])
        rows, asked = rows[~enough], 4 * asked
    nothing = np.zeros(0, dtype=np.int64)
    return rows, np.concatenate([nothing, *first]), np.concatenate([nothing, *second])


def _checked(pairs: Pairs, gap_s: float) -> Pairs:
    """Return the pairs; raise TrainingError if there are none."""
    if not len(pairs.first):
        raise TrainingError(
            f"gap_s is {gap_s:g} s, but no two training windows are that far apart; use a shorter "
            "gap_s"
        )
    return pairs
