"""Sets that are drawn, not searched for: one at random, and the most harmful of many, which a search must beat.

References
----------
Gong et al. 2021, MaxUp: lightweight adversarial training with data augmentation, CVPR, arXiv:2002.09024.
"""

import numpy as np

from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.random_sets import uniform_sets

DRAWS = 1000
AT_ONCE = 1024


def random_set(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Draw one set."""
    return tuple(int(u) for u in uniform_sets(attack.units, attack.budget, 1, rng)[0])


def most_harmful_of_random(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Draw `DRAWS` sets, or as many as passes allow, and return the one that harms most."""
    wanted = DRAWS if attack.limit is None else attack.left(attack.limit)
    for start in range(0, wanted, AT_ONCE):
        attack.losses(uniform_sets(attack.units, attack.budget, min(AT_ONCE, wanted - start), rng))
    return attack.best or random_set(attack, rng)
