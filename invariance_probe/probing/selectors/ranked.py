"""Sets that are read off without any loss: the most variable units, and those with the largest decoder weights."""

import numpy as np

from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.relaxation import lowest


def most_variable(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Return the units of the largest variance."""
    return lowest(
        -np.mean([np.diag(part.penalised) - part.ridge for part in attack.parts], axis=0),
        attack.budget,
    )


def heaviest(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Return the units of the largest decoder weight on standardised features."""
    everything = np.ones(attack.units, dtype=bool)
    weight = [
        (p.decoder(everything) ** 2).sum(axis=1) * (np.diag(p.penalised) - p.ridge)
        for p in attack.parts
    ]
    return lowest(-np.mean(weight, axis=0), attack.budget)
