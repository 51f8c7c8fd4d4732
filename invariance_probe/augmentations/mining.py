"""Distant pairs of training windows, at least a gap of time apart.

Four sources of partners are compared: `mined` (nearest neighbours in activity, or by a
guide), and the controls `random`, `shifted` and `oracle` (nearest in the target).

In: the training windows of one run, and no others. Out: a table of partners for each
window. Neighbours are searched without labels, or by a guide where one is declared;
only the oracle reads the target. Nothing is trained here.

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
"""Number of windows whose neighbours are searched together."""
MANY = 20_000
"""Above so many windows, neighbours are searched by a tree.

It finds the same neighbours without computing all distances.
"""
SHIFTS = 8
"""Number of shifts drawn for the shifted control.

Where the gap is short against the recording, the first shift serves nearly all windows.
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
        """Part of the pairs whose two windows have the same value.

        Parameters
        ----------
        values
            Value of each training window (window,).

        Returns
        -------
        part
            In [0, 1].
        """
        return float((values[self.first] == values[self.second]).mean())

    def distance(self, values: np.ndarray) -> float:
        """Mean squared distance within pairs, relative to that of random pairs.

        This is E|n - n'|^2 / (2 Var n).

        Parameters
        ----------
        values
            n of each training window (window, column).

        Returns
        -------
        distance
            1 for pairs that know nothing of n, 0 for pairs with equal n.
        """
        apart = ((values[self.first] - values[self.second]) ** 2).sum(axis=1).mean()
        return float(apart / (2 * values.var(axis=0).sum()))


@dataclass(frozen=True, eq=False)
class Ground:
    """The training windows of one run, among which partners are searched.

    Attributes
    ----------
    train
        Training windows (window,), ascending.
    stretch
        Trial or gap-free stretch of each (window,).
    activity
        Mean activity over each window's bins (window, unit).
    counts
        Whether the activity is counts.
    times
        Start of each window in seconds of recorded time (window,), ascending. Where
        partners must come from other sessions, the number of its session instead.
    target
        Classes (window,) or columns (window, column), for the oracle alone.
    bin_s
        Seconds per bin.
    gap
        Smallest difference in `times` between partners.
    guide
        Classes (window,) or columns (window, column) that decide which windows are
        alike; None where activity decides.
    labelled
        Whether a window's guide is known (window,); None where all are known.
    """

    train: np.ndarray
    stretch: np.ndarray
    activity: np.ndarray
    counts: bool
    times: np.ndarray
    target: np.ndarray
    bin_s: float
    gap: float
    guide: np.ndarray | None = None
    labelled: np.ndarray | None = None

    def among_labelled(
        self, values: np.ndarray, find: Callable[[np.ndarray, np.ndarray], "Pairs"]
    ) -> "Pairs":
        """Find pairs among the windows whose guide is known.

        Parameters
        ----------
        values
            Value of each training window (window, ...).
        find
            Makes pairs from values and times of some windows.

        Returns
        -------
        pairs
            By place among all training windows.
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
        Windows (anchor, partner), -1 beyond an anchor's last.
    count
        Number of partners of each anchor (anchor,); an anchor without any pairs
        locally.
    share
        Part of the pairs that are distant.
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
            As windows, each (pair,).
        """
        used = self.partners >= 0
        return np.repeat(train, used.sum(axis=1)), self.partners[used]


def nearest_table(declared: MinedPairing, ground: Ground) -> np.ndarray:
    """Find every window's nearest neighbours.

    They are near in smoothed principal components of activity, or in the columns of a
    guide. For a guide of classes the table is empty, because `distant_partners` draws
    those partners anew for every run.

    Parameters
    ----------
    declared
        Numbers of neighbours and components, and the smoothing.
    ground
        The training windows.

    Returns
    -------
    places
        Among the training windows (anchor, neighbour), -1 beyond the last.
    """
    size = declared.neighbours
    if ground.guide is not None:
        if ground.guide.ndim == 1:
            return np.full((len(ground.train), size), -1, dtype=np.int64)
        near = ground.among_labelled(
            ground.guide, lambda guide, times: nearest_pairs(guide, times, ground.gap, size)
        )
        return _table(near, len(ground.train), size)
    sigma = declared.smoothing_s / ground.bin_s
    features = neighbour_features(
        ground.activity, ground.counts, ground.train, ground.stretch, sigma, declared.components
    )
    return _table(nearest_pairs(features, ground.times, ground.gap, size), len(ground.train), size)


def distant_partners(
    declared: MinedPairing,
    source: Source,
    ground: Ground,
    mined: np.ndarray,
    rng: np.random.Generator,
) -> Distant:
    """Find the distant partners that one source gives.

    All sources serve the same anchors: those that have mined, random and shifted
    partners. The oracle has no say in that, so that no label reaches the other sources.
    Where it finds no partner, its anchor pairs locally.

    Parameters
    ----------
    declared
        Number of neighbours, gap and share.
    source
        Whose partners are returned: `mined`, `random`, `shifted` or `oracle`.
    ground
        The training windows.
    mined
        What `nearest_table` returned.
    rng
        At the start of a stream that depends on neither share nor source, so that runs
        that differ in these have the same draws.

    Returns
    -------
    distant
        Partners of every training window.

    Raises
    ------
    TrainingError
        When no window has partners of every source.
    """
    count, size = len(ground.train), declared.neighbours

    def drawn(groups: np.ndarray, by: np.random.Generator) -> np.ndarray:
        """Random partners of the same group, as a table of places."""
        pairs = ground.among_labelled(
            groups, lambda known, times: drawn_pairs(times, known, ground.gap, size, by)
        )
        return _table(pairs, count, size)

    if ground.guide is not None and ground.guide.ndim == 1:
        mined = drawn(ground.guide, rng.spawn(1)[0])
    tables = {
        "mined": mined,
        "shifted": _shifted(mined, ground.times, ground.gap, rng),
        "random": drawn(np.zeros(count, dtype=np.int64), rng),
    }
    serves = np.logical_and.reduce([(table >= 0).any(axis=1) for table in tables.values()])
    if not serves.any():
        raise TrainingError(
            f"mined.gap_s is {declared.gap_s:g} s, which leaves no training window with mined, "
            "random and shifted partners; use a shorter gap, a longer recording, or a guide that "
            "is known for more of it"
        )
    places = tables[source] if source != "oracle" else _alike(ground, size, rng)
    places = np.where(serves[:, None], places, -1)
    return Distant(
        np.where(places >= 0, ground.train[places], -1), (places >= 0).sum(axis=1), declared.share
    )


def _shifted(
    mined: np.ndarray, times: np.ndarray, gap_s: float, rng: np.random.Generator
) -> np.ndarray:
    """Give each window the partners mined for a window a random shift away.

    The shift is on the circle of training windows, and partners within the gap are left
    out. It keeps which windows are partners, how often, and how they follow each other,
    and breaks their relation to the anchor. An anchor to which all these partners lie
    too near takes those at the next of `SHIFTS` shifts.
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


def _alike(ground: Ground, count: int, rng: np.random.Generator) -> np.ndarray:
    """Places of windows of the same class, or with the nearest target.

    A window has none where no two windows of its class lie a gap apart.
    """
    classes = ground.target.ndim == 1
    found = (
        _drawn(ground.times, ground.target, ground.gap, count, rng)
        if classes
        else _nearest(ground.target, ground.times, ground.gap, count)
    )
    return _table(found, len(ground.train), count)


def _table(pairs: Pairs, anchors: int, count: int) -> np.ndarray:
    """Write pairs as places (anchor, count), -1 beyond an anchor's last."""
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
    """Principal components of smoothed activity, in which neighbours are near.

    Activity is smoothed inside each piece of successive windows of one stretch.

    Parameters
    ----------
    activity
        Of the training windows (window, unit).
    counts
        Whether the activity is counts, whose square roots are then taken.
    train, stretch
        Indices of these windows, ascending, and the stretch of each (window,).
    sigma
        Standard deviation of the Gaussian, in windows; 0 for no smoothing.
    components
        Number of components, fewer where there are fewer windows or units.

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
    """Draw `count` random partners of the same group for every window.

    They are drawn with replacement, uniformly among the windows of the group that lie
    at least the gap away. Windows without such a partner are left out.

    Parameters
    ----------
    times
        Ascending, in seconds (window,).
    groups
        Group of each window (window,); only windows of one group may pair.
    gap_s
        Smallest distance in time, in seconds.
    count
        Partners per window.
    rng
        Source of the draws.

    Returns
    -------
    pairs
        By place among the windows.

    Raises
    ------
    TrainingError
        When no two windows of a group lie the gap apart.
    """
    return _checked(_drawn(times, groups, gap_s, count, rng), gap_s)


def _drawn(
    times: np.ndarray, groups: np.ndarray, gap_s: float, count: int, rng: np.random.Generator
) -> Pairs:
    first, second = [], []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        # `before` windows of the group lie early enough; those from place `after` on lie
        # late enough. A drawn number below `before` is a place, others skip the middle.
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
    """Find every window's nearest neighbours among windows a gap away.

    Parameters
    ----------
    features
        What windows are compared by, with Euclidean distance (window, feature).
    times
        Ascending, in seconds (window,).
    gap_s
        Smallest distance in time, in seconds.
    count
        Neighbours per window.

    Returns
    -------
    pairs
        By place among the windows.

    Raises
    ------
    TrainingError
        When no two windows lie the gap apart.
    """
    return _checked(_nearest(features, times, gap_s, count), gap_s)


def _nearest(features: np.ndarray, times: np.ndarray, gap_s: float, count: int) -> Pairs:
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
    """Find the nearest windows of some rows from all distances.

    Returns anchors (pair,) among the rows and their neighbours (pair,).
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
    """Find the nearest windows of some rows by a tree, where that pays.

    More and more neighbours are asked for, until enough of them lie beyond the gap.
    Rows whose neighbours nearly all lie within the gap are left for `_by_distances`.
    Returns these rows, and for the others anchors (pair,) and neighbours (pair,).
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
    if not len(pairs.first):
        raise TrainingError(
            f"gap_s is {gap_s:g} s, but no two training windows are that far apart; use a shorter "
            "gap"
        )
    return pairs
