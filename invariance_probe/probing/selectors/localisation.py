"""Localisation: how many random units do as much damage as the chosen ones.

In: the moments of the halves of a session that choose and score. Out: the number of
removed units at which half of the decodable range is lost, for sets chosen to harm and
for random ones. If the two are equal, it does not matter which units are removed.
"""

from collections.abc import Sequence

import numpy as np

from invariance_probe.plan.figures.units import Localisation, Mode
from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.damage import decodable_range, losses_without, set_losses
from invariance_probe.probing.selectors.greedy import backward_path, forward_path
from invariance_probe.probing.selectors.moments import FoldMoments
from invariance_probe.probing.selectors.random_sets import uniform_sets

SIZES = 16
"""Largest number of set sizes at which damage is measured.

The sizes are spaced geometrically.
"""
DRAWS = 40
"""Number of random sets of every size."""
HALF = 0.5
"""Fraction of the decodable range whose loss is looked for."""


def localisation(
    choosing: Sequence[FoldMoments],
    scoring: Sequence[FoldMoments],
    mode: Mode,
    rng: np.random.Generator,
) -> Localisation:
    """Find how many chosen and how many random units cost half of the range.

    At each size the chosen set is that of forward or of backward greedy choice,
    whichever harms more on the half that chooses.

    Parameters
    ----------
    choosing, scoring
        Moments of the half that chooses and of the half that scores.
    mode
        `refit` or `fixed`: whether the decoder is fitted again without the units.
    rng
        Random generator for the random sets.
    """
    units = len(choosing[0].with_target)
    attack = Attack(choosing, mode, units - 1)
    paths = [np.array(path(attack)) for path in (forward_path, backward_path)]
    sizes = np.unique(np.round(np.geomspace(1, units - 1, SIZES)).astype(np.int64))
    scale, everything = decodable_range(scoring).mean(), losses_without(scoring, (), mode).mean()
    score, worth = set_losses(scoring, mode), set_losses(choosing, mode)
    chosen, random = [], []
    for size in sizes:
        nested = np.sort(np.array([path[:size] for path in paths]), axis=1)
        chosen.append(score(nested[[worth(nested).argmax()]])[0])
        random.append(score(uniform_sets(units, int(size), DRAWS, rng)).mean())
    sizes = np.array([0, *sizes, units])
    curves = [np.array([0.0, *((np.array(c) - everything) / scale), 1.0]) for c in (chosen, random)]
    with_chosen, at_random = (first_at(sizes, damage, HALF) for damage in curves)
    return Localisation(mode=mode, chosen=with_chosen, random=at_random)


def first_at(sizes: np.ndarray, damage: np.ndarray, level: float) -> float:
    """Number of removed units at which damage first reaches a level.

    Parameters
    ----------
    sizes
        Numbers of removed units (size,), ascending.
    damage
        Damage at each size (size,). The first value is below the level, and the last is
        not.
    level
        The damage to be reached.

    Returns
    -------
    Number of units, interpolated linearly.
    """
    reached = int(np.argmax(damage >= level))
    before, after = damage[reached - 1], damage[reached]
    return float(
        sizes[reached - 1]
        + (level - before) / (after - before) * (sizes[reached] - sizes[reached - 1])
    )
