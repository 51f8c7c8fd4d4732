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
    values = activity.astype(np.float64)
    often = (values > 0).sum(axis=0) >= FIRING if counts else np.ones(values.shape[1], dtype=bool)
    alike = agreement(values) - AGREE if counts else np.atleast_2d(np.corrcoef(values.T)) - EQUAL
    agreeing: np.ndarray = np.greater(alike, 0) & np.outer(often, often)
    copies = tuple((int(i), int(j)) for i, j in np.argwhere(np.triu(agreeing, 1)))
    mean = values.mean(axis=0) if counts else values.var(axis=0)
    removed: set[int] = set()
    for unit in np.argsort(-mean, kind="stable"):
        if int(unit) not in removed:
            removed |= {int(other) for other in np.flatnonzero(agreeing[unit]) if other != unit}
    left = np.array([unit for unit in np.flatnonzero(often) if unit not in removed], dtype=np.int64)
    sums = tuple(tuple(int(left[place]) for place in found) for found in _sums(values[:, left])) if counts else ()
    return Repeated(copies, sums, tuple(sorted(removed | {found[0] for found in sums})))


def agreement(counts: np.ndarray) -> np.ndarray:
    """Spikes in common over those of the more active unit (unit, unit), from counts (time, unit) of which each has some."""
    mean = counts.mean(axis=0)
    noise = _spiking_noise(counts) / mean**2
    covariance = np.atleast_2d(np.cov(counts.T)) / np.outer(mean, mean)
    variance = np.diagonal(covariance)
    in_common = 1 - (variance[:, None] + variance - 2 * covariance) / (noise[:, None] + noise)
    return np.asarray(in_common * (mean[:, None] + mean) / (2 * np.maximum(mean[:, None], mean)))


def _spiking_noise(counts: np.ndarray) -> np.ndarray:
    """Variance of a unit's counts about its rate (unit,), at most."""
    successive = np.diff(counts, axis=0).var(axis=0) / 2
    return np.maximum(np.minimum(counts.mean(axis=0), successive), 1e-300)


def _sums(counts: np.ndarray) -> list[tuple[int, ...]]:
    """Units whose counts are the sum of two or more others, with these: distinct counts (time, unit)."""
    if counts.shape[1] < 3:
        return []
    covariance = np.cov(counts.T)
    precision = np.linalg.inv(covariance + 1e-6 * np.diag(np.diagonal(covariance)))
    weights = -precision / np.diagonal(precision)[:, None]  # of a unit on all others
    np.fill_diagonal(weights, 0.0)
    found = []
    for unit, row in enumerate(weights):
        members = np.flatnonzero(row > MEMBER)
        if len(members) > 1:
            pair = np.stack([counts[:, unit], counts[:, members].sum(axis=1)], axis=1)
            if agreement(pair)[0, 1] > AGREE:
                found.append((unit, *(int(member) for member in members)))
    return found
