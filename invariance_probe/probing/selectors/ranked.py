"""Sets that are chosen without any loss: by variance, or by decoder weight.

In: an `Attack` (a decoder and a number of units to remove). Out: a set of the budget's
size. Both selectors are baselines, and cost no forward passes.
"""

import numpy as np

from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.relaxation import lowest


def most_variable(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Choose the units with the largest variance.

    Parameters
    ----------
    attack
        The attack; its moments and its budget are used.
    rng
        Not used.
    """
    return lowest(
        -np.mean([np.diag(part.penalised) - part.ridge for part in attack.parts], axis=0),
        attack.budget,
    )


def heaviest(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Choose the units with the largest decoder weights on standardised features.

    Parameters
    ----------
    attack
        The attack; its moments and its budget are used.
    rng
        Not used.
    """
    everything = np.ones(attack.units, dtype=bool)
    weight = [
        (p.decoder(everything) ** 2).sum(axis=1) * (np.diag(p.penalised) - p.ridge)
        for p in attack.parts
    ]
    return lowest(-np.mean(weight, axis=0), attack.budget)
