"""Whether the same units are chosen again: stability corrected for chance.

In: which units were chosen in each of several choices (choice, unit). Out: measures of
how well the choices agree. Choices may be repeated over resampled blocks, over seeds of
a random search, or over halves; this is up to the caller.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
"""Confidence of the stability's interval."""


@dataclass(frozen=True)
class Stability:
    """Nogueira's stability with its 95 % interval.

    It is 1 if the same units are always chosen, and 0 if the choices agree as by
    chance.

    Attributes
    ----------
    estimate
        The stability.
    low, high
        Ends of its interval.
    """

    estimate: float
    low: float
    high: float


def chosen_table(sets: list[tuple[int, ...]], units: int) -> np.ndarray:
    """Make a table of which units each set holds.

    Parameters
    ----------
    sets
        Sets of units.
    units
        Number of units.

    Returns
    -------
    (choice, unit) bool.
    """
    table = np.zeros((len(sets), units), dtype=bool)
    for row, chosen in zip(table, sets, strict=True):
        row[list(chosen)] = True
    return table


def stability(table: np.ndarray, confidence: float = CONFIDENCE, seeds: int = 1) -> Stability:
    """Stability of repeated choices of units, with its asymptotic interval.

    Phi = 1 - mean_j[M / (M - 1) p_j (1 - p_j)] / [(k / N) (1 - k / N)] for M choices of
    N units, with p_j the frequency at which unit j is chosen and k the mean size of a
    choice. 2 M / (M - 1) p_j (1 - p_j) is how often two choices differ in unit j. If a
    random search was repeated on the same blocks, only pairs of choices from different
    blocks are counted, and the interval is over blocks.

    Parameters
    ----------
    table
        Which units each choice holds (choice, unit), bool; choices from the same blocks
        follow each other.
    confidence
        Confidence of the two-sided interval, in (0, 1).
    seeds
        Number of successive choices that are from the same blocks.

    Examples
    --------
    >>> stability(np.array([[True, True, False, False]] * 5)).estimate
    1.0

    Raises
    ------
    ValueError
        With fewer than two choices, or where every choice is empty or of all units.

    References
    ----------
    Nogueira, Sechidis & Brown 2018, On the stability of feature selection algorithms,
    JMLR 18(174), definition 4 and theorem 7.
    """
    table = table.reshape(-1, seeds, table.shape[1]).mean(axis=1)
    choices, units = table.shape
    frequency, size = table.mean(axis=0), table.sum(axis=1)
    share = float(frequency.mean())
    if choices < 2 or not 0 < share < 1:
        raise ValueError(
            "stability needs two or more choices, which must contain some but not all units; got "
            f"{choices} choices, which contain {share * units:g} of {units} units on average"
        )
    spread = share * (1 - share)
    both = (choices * frequency**2 - (table**2).mean(axis=0)) / (choices - 1)
    phi = 1 - float((frequency - both).mean()) / spread
    own = (table * frequency).mean(axis=1) - size / units * share
    own = (own + phi / 2 * (2 * size / units * share - size / units - share + 1)) / spread
    half = (
        float(stats.norm.ppf((1 + confidence) / 2))
        * 2
        / choices
        * float(np.sqrt(((own - own.mean()) ** 2).sum()))
    )
    return Stability(phi, phi - half, phi + half)


def mean_jaccard(table: np.ndarray) -> float:
    """Mean Jaccard index of all pairs of choices, not corrected for chance."""
    overlaps = [(a & b).sum() / (a | b).sum() for a, b in combinations(table, 2)]
    return float(np.mean(overlaps))
