"""Units that repeat others: copies of one neuron, and units that sum others.

In: the activity of a session. Out: the pairs of copies, the sums, and the units to
leave out so that no unit repeats another (`Repeated`; gate "distinct", science.md 3.4).
Nothing is decoded here.

Take counts x and y of two units with means m and n. If they share nothing but
modulations of their rates, however strong, then Var(x / m - y / n) is at least the sum
of their own spiking noise, v_x / m^2 + v_y / n^2. If both are binomial parts of one
train the difference is smaller, and

    1 - Var(x / m - y / n) / (v_x / m^2 + v_y / n^2) = 2 c / (m + n),
    agreement = c / max(m, n),

with c the mean count of the spikes that both have. So synchrony through rates has
agreement 0 or less. Two units have agreement above .5 where more than half of the
spikes of either are also the other's, within a bin. Spiking noise v is the mean count
(Poisson), or half of the variance of differences between successive bins where that is
smaller (firing more regular than Poisson).
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.probing.code.inputs import mean_square

AGREE = 0.5
"""Copies agree more than this, and so do a unit and the other units' sum."""
FIRING = 20
"""Fewest bins with spikes of a unit that is compared.

Of units that fire less often, a few coincidences would make copies.
"""
EQUAL = 0.999
"""Signals that correlate above this are equal."""
MEMBER = 0.5
"""A unit belongs to a sum if the sum's regression weighs it more than this.

The regression is that of the sum on all other units.
"""


@dataclass(frozen=True)
class Repeated:
    """Units that repeat others, by their columns in the activity.

    Attributes
    ----------
    copies
        Pairs of units that are copies.
    sums
        Each unit that is a sum, followed by the units that it sums.
    removed
        Units to leave out so that none repeats others: all but the most active unit of
        a set of copies, and every sum.
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
        Whether the activity is counts. Signals are only searched for copies, by their
        correlation.
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
    """Choose which units to leave out.

    Parameters
    ----------
    alike
        Whether two units are copies (unit, unit).
    activity
        How active each unit is (unit,); the most active of a set of copies stays.
    sums
        Each unit that is a sum, followed by the units that it sums.
    """
    removed: set[int] = set()
    # From the most active unit down, so that it stays and its copies go.
    for unit in np.argsort(-activity, kind="stable"):
        if int(unit) not in removed:
            removed |= {int(other) for other in np.flatnonzero(alike[unit]) if other != unit}
    copies = tuple((int(one), int(other)) for one, other in np.argwhere(np.triu(alike, 1)))
    return Repeated(copies, tuple(sums), tuple(sorted(removed | {members[0] for members in sums})))


def agreement(counts: np.ndarray) -> np.ndarray:
    """Share of the more active unit's spikes that both units have (unit, unit).

    Parameters
    ----------
    counts
        Spike counts (time, unit); every unit has some spikes.

    Returns
    -------
    Agreement of every pair of units (unit, unit), by the equation at the top of this
    module; 0 or less where only rates are shared.
    """
    return _agreement(*_statistics(counts))


def _statistics(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means, spiking noise and covariances of counts (time, unit).

    Returns
    -------
    Mean counts (unit,); an upper estimate of the variance of spiking about the rate
    (unit,); and covariances (unit, unit).
    """
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
    """Agreement of every pair of units, from what `_statistics` returns."""
    noise, covariance = noise / mean**2, covariance / np.outer(mean, mean)
    variance = np.diagonal(covariance)
    in_common = 1 - (variance[:, None] + variance - 2 * covariance) / (noise[:, None] + noise)
    return np.asarray(in_common * (mean[:, None] + mean) / (2 * np.maximum(mean[:, None], mean)))


def _candidates(units: np.ndarray, covariance: np.ndarray) -> list[tuple[int, ...]]:
    """Units that may be sums of others, each with the units that it may sum.

    A unit is a candidate if its regression on all others weighs two or more of them
    above `MEMBER`. The regression weights of all units follow from one inverse of the
    covariance, with a small ridge.
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
