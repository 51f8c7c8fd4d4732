"""Projected gradient: shares climb the loss within the budget, from several starts, and are rounded to a set exactly.

For a fixed linear decoder the loss is convex in the shares, so that its maxima are sets; for a refitted one it is not, and the
rounded set is what counts. Either way every rounded set is scored again.
"""

import numpy as np

from invariance_probe.probing.selectors.attack import GRADIENT, Attack
from invariance_probe.probing.selectors.relaxation import lowest, onto_budget

RESTARTS = 8
STEPS = 60
STEP = 0.5
"""Of the largest gradient's unit, in shares."""


def projected_gradient(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Climb from even shares, then from random ones: `RESTARTS` times, or while passes last."""
    start, restarts = onto_budget(np.ones(attack.units), attack.budget), 0
    while attack.affords(GRADIENT + 1) and (attack.limit is not None or restarts < RESTARTS):
        attack.losses(np.array([lowest(_climbed(attack, start), attack.budget)]))
        start, restarts = onto_budget(rng.random(attack.units), attack.budget), restarts + 1
    return attack.best or lowest(rng.random(attack.units), attack.budget)


def _climbed(attack: Attack, shares: np.ndarray) -> np.ndarray:
    """Return the shares after `STEPS` steps, or as soon as they stand still; one pass is left for the rounded set."""
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
