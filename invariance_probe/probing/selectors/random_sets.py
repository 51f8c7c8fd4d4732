"""Random sets of units, with which a chosen set is compared.

In: the number of sets, the units that may be drawn, and the firing rates that are to be
matched. Out: sets of units. They are drawn here, not scored.
"""

import math
from collections.abc import Sequence

import numpy as np

OF_A_BAND = 40
"""Number of different sets that a 95 % band needs, so that it has tails."""


def matched_sets(
    chosen: Sequence[int],
    others: Sequence[int],
    rates: np.ndarray,
    count: int,
    rng: np.random.Generator,
    fewest: int = 1,
) -> list[tuple[int, ...]]:
    """Draw random sets of other units whose rates are like those of a chosen set.

    Units are drawn without replacement within the same third of the rates of all units.
    If a third has too few other units, the rest is drawn from all others. If this
    leaves fewer than `fewest` different sets, rates are not matched: one set drawn
    again and again makes no band.

    Parameters
    ----------
    chosen
        The set to be matched.
    others
        Units that may be drawn. When sets are compared between two epochs, the units
        that either epoch chose must not be among them. Otherwise a random set of a
        sparse code would hold some of its units, and the set of one epoch would seem to
        matter in the other although the units had changed.
    rates
        Firing rate of each unit (unit,).
    count
        Number of sets.
    rng
        Random generator for the draws.
    fewest
        Number of different sets below which rates are not matched.
    """
    third = np.argsort(np.argsort(rates)) * 3 // len(rates)
    if _matched(third, chosen, others, fewest) < fewest:
        return [
            tuple(sorted(rng.choice(others, len(chosen), replace=False).tolist()))
            for _ in range(count)
        ]
    sets = []
    for _ in range(count):
        drawn: list[int] = []
        for level in range(3):
            pool = [u for u in others if third[u] == level]
            wanted = min(sum(third[u] == level for u in chosen), len(pool))
            drawn += rng.choice(pool, wanted, replace=False).tolist() if wanted else []
        left = [u for u in others if u not in drawn]
        drawn += (
            rng.choice(left, len(chosen) - len(drawn), replace=False).tolist()
            if len(drawn) < len(chosen)
            else []
        )
        sets.append(tuple(sorted(drawn)))
    return sets


def _matched(third: np.ndarray, chosen: Sequence[int], others: Sequence[int], enough: int) -> int:
    """Number of different sets that match the rates of the chosen set.

    A third with too few other units does not limit the number.

    Parameters
    ----------
    third
        Third of the rates that each unit is in (unit,).
    chosen
        The set to be matched.
    others
        Units that may be drawn.
    enough
        Number that is counted for a third with too few other units.
    """
    found = 1
    for level in range(3):
        pool, wanted = (
            sum(third[u] == level for u in others),
            sum(third[u] == level for u in chosen),
        )
        # Where a third has too few others, the rest comes from all others.
        found *= math.comb(pool, wanted) if pool >= wanted else enough
    return found


def uniform_sets(units: int, budget: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw sets of units, all sets of one size equally likely.

    Parameters
    ----------
    units
        Number of units.
    budget
        Units per set.
    count
        Number of sets.
    rng
        Random generator for the draws.

    Returns
    -------
    (set, budget), each row in ascending order.
    """
    return np.sort(np.argsort(rng.random((count, units)), axis=1)[:, :budget], axis=1)
