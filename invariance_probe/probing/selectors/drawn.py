"""Random sets of units: the standard that a search must beat.

In: an `Attack` (a decoder, a number of units to remove, and a limit on forward passes)
and a random generator. Out: one random set, or the most harmful of many.

References
----------
Gong et al. 2021, MaxUp: lightweight adversarial training with data augmentation, CVPR,
arXiv:2002.09024.
"""

import numpy as np

from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.random_sets import uniform_sets

DRAWS = 1000
"""Number of sets that are drawn if passes are not limited."""
SETS_AT_ONCE = 1024
"""Number of sets that are scored together."""


def random_set(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Draw one set of the budget's size, without any forward pass.

    Parameters
    ----------
    attack
        The attack; only its number of units and its budget are used.
    rng
        Random generator for the draw.
    """
    return tuple(int(u) for u in uniform_sets(attack.units, attack.budget, 1, rng)[0])


def most_harmful_of_random(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Draw `DRAWS` sets, or one per allowed pass, and return the most harmful.

    Parameters
    ----------
    attack
        The decoder, the budget and the limit on passes.
    rng
        Random generator for the draws.
    """
    wanted = DRAWS if attack.limit is None else attack.left(attack.limit)
    for start in range(0, wanted, SETS_AT_ONCE):
        attack.losses(
            uniform_sets(attack.units, attack.budget, min(SETS_AT_ONCE, wanted - start), rng)
        )
    return attack.best or random_set(attack, rng)
