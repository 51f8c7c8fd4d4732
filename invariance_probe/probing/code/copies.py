"""Units that repeat others: the same neuron recorded twice, or a unit that is the sum of others.

Counts x and y of two units with means m and n: if they share nothing but modulations of their rates, however strong, then
Var(x / m - y / n) is at least the sum of their own spiking noise, v_x / m^2 + v_y / n^2. If both are binomial parts of one
train the difference is smaller, and

    1 - Var(x / m - y / n) / (v_x / m^2 + v_y / n^2) = 2 c / (m + n),   agreement = c / max(m, n),

with c the mean count of the spikes that both have. So synchrony through rates has agreement 0 or less, and units of which more
than half of the spikes, of either, are the other's within a bin have more than .5. Spiking noise v is the mean count (Poisson),
or half of the variance of differences between successive bins where that is smaller (firing more regular than Poisson).
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.probing.code.inputs import mean_square

AGREE = 0.5
"""Copies share more than this part of the spikes of either, and so do a unit and the sum that it is."""
FIRING = 20
"""Counts of units that fire in fewer bins than this are not compared: a few coincidences would make them copies."""
EQUAL = 0.999
"""Signals that correlate above this are equal."""
MEMBER = 0.5
"""A unit belongs to a sum where the regression of the sum on all units weighs it more than this."""


@dataclass(frozen=True)
class Repeated:
    """Units that repeat others, by their places.

    Attributes
    ----------
    copies
        Pairs of units that are copies.
    sums
        A unit and those whose sum it is.
    removed
        Units to leave out so that none repeats others: all but the most active unit of a set of copies, and every sum.
    """

    copies: tuple[tuple[int, int], ...]
    sums: tuple[tuple[int, ...], ...]
    removed: tuple[int, ...]


def find_repeated(activity: np.ndarray, counts: bool) -> Repeated:
    """Find copies and sums among the units of activity (time, unit), counts or signals."""
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
    """Which units to leave out, given which are alike (unit, unit) and how active each is (unit,)."""
    removed: set[int] = set()
    for unit in np.argsort(-activity, kind="stable"):
        if int(unit) not in removed:
            removed |= {int(other) for other in np.flatnonzero(alike[unit]) if other != unit}
    copies = tuple((int(one), int(other)) for one, other in np.argwhere(np.triu(alike, 1)))
    return Repeated(copies, tuple(sums), tuple(sorted(removed | {members[0] for members in sums})))


def agreement(counts: np.ndarray) -> np.ndarray:
    """Spikes in common over those of the more active unit (unit, unit), from counts (time, unit) of which each has some."""
    return _agreement(*_statistics(counts))


def _statistics(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean counts (unit,), variances of spiking about the rate, at most (unit,), and covariances (unit, unit)."""
    values = counts.astype(np.float64)
    mean = values.mean(axis=0)
    steps = np.diff(values, axis=0)
    successive = (mean_square(steps) - steps.mean(axis=0) ** 2) / 2
    values -= mean
    return (
        mean,
        np.maximum(np.minimum(mean, successive), 1e-300),
        values.T @ values / (len(values) - 1),
    )


def _agreement(mean: np.ndarray, noise: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    noise, covariance = noise / mean**2, covariance / np.outer(mean, mean)
    variance = np.diagonal(covariance)
    in_common = 1 - (variance[:, None] + variance - 2 * covariance) / (noise[:, None] + noise)
    return np.asarray(in_common * (mean[:, None] + mean) / (2 * np.maximum(mean[:, None], mean)))


def _candidates(units: np.ndarray, covariance: np.ndarray) -> list[tuple[int, ...]]:
    """Each unit whose regression on all others weighs two or more of them like parts of a sum, with these."""
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
