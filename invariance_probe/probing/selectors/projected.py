"""Projected gradient: raise the loss over shares of units, then round them.

In: an `Attack` (a decoder, a number of units to remove, and a limit on forward passes)
and a random generator. The share of a unit says how much of it is kept, from 0
(removed) to 1. Out: the most harmful of the rounded sets, from several starts. For a
fixed linear decoder the loss is convex in the shares, so that its maxima are sets; for
a refitted one it is not. Either way every rounded set is scored again.
"""

import numpy as np

from invariance_probe.probing.selectors.attack import GRADIENT, Attack
from invariance_probe.probing.selectors.relaxation import lowest, onto_budget

RESTARTS = 8
"""Number of starts if passes are not limited."""
STEPS = 60
"""Largest number of gradient steps from a start."""
STEP = 0.5
"""Change in share, per step, of the unit with the largest gradient."""


def projected_gradient(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Climb from equal shares, then from random ones, and round each to a set.

    There are `RESTARTS` starts, or as many as the limit on passes allows.

    Parameters
    ----------
    attack
        The decoder, the budget and the limit on passes.
    rng
        Random generator for the random starts.

    Returns
    -------
    The most harmful of the rounded sets.
    """
    start, restarts = onto_budget(np.ones(attack.units), attack.budget), 0
    while attack.affords(GRADIENT + 1) and (attack.limit is not None or restarts < RESTARTS):
        attack.losses(np.array([lowest(_climbed(attack, start), attack.budget)]))
        start, restarts = onto_budget(rng.random(attack.units), attack.budget), restarts + 1
    return attack.best or lowest(rng.random(attack.units), attack.budget)


def _climbed(attack: Attack, shares: np.ndarray) -> np.ndarray:
    """Climb for `STEPS` steps, or until the shares no longer change (unit,).

    One pass is left to score the rounded set.

    Parameters
    ----------
    attack
        The decoder, the budget and the limit on passes.
    shares
        How much of each unit is kept at the start (unit,).
    """
    for _ in range(STEPS):
        if not attack.affords(GRADIENT + 1):
            break
        _, gradient = attack.slope(shares)
        moved = onto_budget(
            shares + STEP * gradient / max(float(np.abs(gradient).max()), 1e-300), attack.budget
        )
        if np.abs(moved - shares).max() < 1e-9:
            break
        shares = moved
    return shares
