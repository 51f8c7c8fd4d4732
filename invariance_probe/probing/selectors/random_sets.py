"""Random sets of units that a chosen set is compared with.

In: how many sets, which units may be drawn, and the rates that are to be matched. Out:
sets of units. They are drawn here, not scored.
"""

import math
from collections.abc import Sequence

import numpy as np

OF_A_BAND = 40
"""Different sets that a 95 % band needs, so that it has ends."""


def matched_sets(
    chosen: Sequence[int],
    others: Sequence[int],
    rates: np.ndarray,
    count: int,
    rng: np.random.Generator,
    fewest: int = 1,
) -> list[tuple[int, ...]]:
    """Draw random sets of other units with rates like those of the chosen ones.

    Units are drawn within thirds of the rates (of all units), without replacement;
    where a third has too few others, the rest comes from all others. Where thirds leave
    fewer than `fewest` different sets, rates are not matched: one set drawn again and
    again is no band.

    Parameters
    ----------
    chosen
        The set to be matched.
    others
        Units that may be drawn. Units that were chosen in either half are not among
        them: with them, a random set of a sparse code would carry its share of the
        code, and T of a code that switches would not be 0.
    rates
        Of all units (unit,).
    count
        Number of sets.
    rng
        Random generator for the draws.
    fewest
        Different sets that thirds must leave for rates to be matched.
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
    """Number of different sets of others that match the chosen ones' thirds.

    A third with too few others does not limit the number.
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
    """Draw sets of any units, all equally likely.

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
