"""Units that repeat others: copies of one neuron, and sums of other units.

In: the activity of a session. Out: pairs of units that are copies, units that are sums
of others, and the units to leave out so that no unit repeats another (`Repeated`).
Verdicts are checked against them (gate "distinct", science.md 3.4). Nothing is decoded
here.

Take counts x and y of two units with means m and n. If the units share nothing but
modulations of their rates, however strong, then Var(x / m - y / n) is at least the sum
of their own spiking noise, v_x / m^2 + v_y / n^2. If both are random subsets of the
spikes of one neuron, the variance is smaller, and

    1 - Var(x / m - y / n) / (v_x / m^2 + v_y / n^2) = 2 c / (m + n),
    agreement = c / max(m, n),

with c the mean count of the spikes that the two share. So units that are synchronous
only through their rates have an agreement of 0 or less. An agreement above .5 means
that more than half of the spikes of each unit are also spikes of the other, in the same
bin. Spiking noise v is the mean count (Poisson), or half of the variance of differences
between successive bins where that is smaller (firing more regular than Poisson).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from invariance_probe.plan.memory import TABLE_VALUES
from invariance_probe.probing.code.inputs import mean_square

AGREE = 0.5
"""Agreement above which a unit is a copy of another, or a sum of several."""
FIRING = 20
"""Number of bins with spikes that a unit needs to be compared with others.

In a unit that fires less often, a few coincidences would look like a copy.
"""
EQUAL = 0.999
"""Correlation above which two signals are taken as equal."""
MEMBER = 0.5
"""Weight above which a unit is taken to be part of a sum.

The weights are those of the regression of the possible sum on all other units.
"""


@dataclass(frozen=True)
class Repeated:
    """Units that repeat others, each given by its column in the activity.

    Attributes
    ----------
    copies
        Pairs of units that are copies.
    sums
        Tuples of units: one that is a sum, followed by the units whose sum it is.
    removed
        Units to leave out so that none repeats others: all but the most active unit of
        a group of copies, and every sum.
    """

    copies: tuple[tuple[int, int], ...]
    sums: tuple[tuple[int, ...], ...]
    removed: tuple[int, ...]


def find_repeated(activity: np.ndarray, counts: bool) -> Repeated:
    """Find copies and sums among the units of a recording.

    Parameters
    ----------
    activity
        Counts or signals (time, unit).
    counts
        Whether the activity is counts. In signals only copies are searched for, by
        their correlation.
    """
    if not counts:
        return _repeated(np.atleast_2d(np.corrcoef(activity.T)) > EQUAL, activity.var(axis=0), [])
    often = np.flatnonzero((activity > 0).sum(axis=0) >= FIRING)
    mean, noise, covariance = _statistics(activity)
    alike = _agreement(mean, noise, covariance) > AGREE
    rare = np.setdiff1d(np.arange(len(mean)), often)
    alike[rare], alike[:, rare] = False, False
    repeated = _repeated(alike, mean, [])
    left = np.setdiff1d(often, repeated.removed)
    sums = [
        members
        for members in _candidates(left, covariance[np.ix_(left, left)])
        if agreement(
            np.stack([activity[:, members[0]], activity[:, members[1:]].sum(axis=1)], axis=1)
        )[0, 1]
        > AGREE
    ]
    return _repeated(alike, mean, sums)


def _repeated(alike: np.ndarray, activity: np.ndarray, sums: list[tuple[int, ...]]) -> Repeated:
    """Decide which units to leave out.

    Parameters
    ----------
    alike
        Whether two units are copies (unit, unit).
    activity
        How active each unit is (unit,); the most active of a group of copies stays.
    sums
        Tuples of units: one that is a sum, followed by the units whose sum it is.
    """
    removed: set[int] = set()
    # From the most active unit down, so that it stays and its copies go.
    for unit in np.argsort(-activity, kind="stable"):
        if int(unit) not in removed:
            removed |= {int(other) for other in np.flatnonzero(alike[unit]) if other != unit}
    copies = tuple((int(one), int(other)) for one, other in np.argwhere(np.triu(alike, 1)))
    return Repeated(copies, tuple(sums), tuple(sorted(removed | {members[0] for members in sums})))


def agreement(counts: np.ndarray) -> np.ndarray:
    """Share of the more active unit's spikes that two units have in common.

    Parameters
    ----------
    counts
        Spike counts (time, unit); every unit has some spikes.

    Returns
    -------
    Agreement of each pair of units (unit, unit), by the equation at the top of this
    module; 0 or less where the units share only their rates.
    """
    return _agreement(*_statistics(counts))


def _statistics(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute means, spiking noise and covariances of counts (time, unit).

    Returns
    -------
    Mean counts (unit,); an upper estimate of the variance of spiking about the rate
    (unit,); and covariances (unit, unit).
    """
    groups = [(values.mean(axis=0), _successive(values)) for values in _unit_groups(counts)]
    mean, successive = (np.concatenate(parts) for parts in zip(*groups, strict=True))
    products = np.zeros((len(mean), len(mean)))
    for values in _bin_groups(counts):
        values -= mean
        products += values.T @ values
    return mean, np.maximum(np.minimum(mean, successive), 1e-300), products / (len(counts) - 1)


def _unit_groups(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Cut counts into groups of units (time, unit) float64; usual sizes stay whole."""
    at_once = counts.shape[1]
    if counts.size > TABLE_VALUES:
        at_once = max(1, TABLE_VALUES // len(counts))
    for first in range(0, counts.shape[1], at_once):
        yield counts[:, first : first + at_once].astype(np.float64)


def _bin_groups(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Cut counts into groups of bins (time, unit) float64; usual sizes stay whole."""
    at_once = len(counts)
    if counts.size > TABLE_VALUES:
        at_once = max(1, TABLE_VALUES // counts.shape[1])
    for first in range(0, len(counts), at_once):
        yield counts[first : first + at_once].astype(np.float64)


def _successive(values: np.ndarray) -> np.ndarray:
    """Half of the variance of changes between successive bins (unit,)."""
    steps = np.diff(values, axis=0)
    return np.asarray((mean_square(steps) - steps.mean(axis=0) ** 2) / 2)


def _agreement(mean: np.ndarray, noise: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Agreement of each pair (unit, unit), from the values of `_statistics`."""
    noise, covariance = noise / mean**2, covariance / np.outer(mean, mean)
    variance = np.diagonal(covariance)
    in_common = 1 - (variance[:, None] + variance - 2 * covariance) / (noise[:, None] + noise)
    return np.asarray(in_common * (mean[:, None] + mean) / (2 * np.maximum(mean[:, None], mean)))


def _candidates(units: np.ndarray, covariance: np.ndarray) -> list[tuple[int, ...]]:
    """Find units that may be sums, each followed by the units it may sum.

    A unit is a candidate if two or more of the weights in its regression on all other
    units are above `MEMBER`. The regressions of all units follow from one inverse of
    the covariance, with a small ridge.

    Parameters
    ----------
    units
        Columns of the units in the activity (unit,).
    covariance
        Their covariance (unit, unit).
    """
    if len(units) < 3:
        return []
    precision = np.linalg.inv(covariance + 1e-6 * np.diag(np.diagonal(covariance)))
    weights = -precision / np.diagonal(precision)[:, None]
    np.fill_diagonal(weights, 0.0)
    members = [np.flatnonzero(row > MEMBER) for row in weights]
    return [
        (int(unit), *(int(units[place]) for place in found))
        for unit, found in zip(units, members, strict=True)
        if len(found) > 1
    ]
