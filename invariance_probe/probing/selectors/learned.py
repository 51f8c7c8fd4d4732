"""A learned mask: one logit per unit, from which sets are drawn.

In: an `Attack` (a decoder, a number of units to remove, and a limit on forward passes)
and a random generator. Out: the most harmful set that was drawn. Every set is exactly
of the budget's size. The gradients are straight-through.

From ADIOS (Shi et al. 2022, arXiv:2201.13100) this takes the adversary, with an exact
budget in place of the sparsity penalty, and one mask for the whole session in place of
a network. Gumbel noise on the logits draws units without replacement (Kool et al. 2019,
arXiv:1903.06059). The gradient is taken halfway between the drawn set and the shares,
which are the probabilities that units are kept. At the set itself the gradient of a
refitted decoder says nothing of the units that are kept (`relaxation.py`).
"""

import numpy as np

from invariance_probe.probing.selectors.attack import GRADIENT, Attack
from invariance_probe.probing.selectors.relaxation import lowest

BISECTIONS = 60
"""Number of bisections in the search for the threshold of the logits."""
STEPS = 400
"""Number of learning steps if passes are not limited."""
RATE = 0.05
"""Learning rate of Adam, in logits."""
ENTROPY = 3.0
"""Weight of the entropy bonus at the first step.

The bonus is the mean entropy of the shares over units, which keeps the search from
settling early. Its weight is relative to the largest gradient, and falls to 0 by the
last step.
"""
BETAS = (0.9, 0.99)
"""Decay rates of Adam's two moments."""


def learned_mask(attack: Attack, rng: np.random.Generator) -> tuple[int, ...]:
    """Learn logits and return the most harmful set that was drawn.

    There are `STEPS` learning steps, or as many as the limit on passes allows.

    Parameters
    ----------
    attack
        The decoder, the budget and the limit on passes.
    rng
        Random generator for the Gumbel noise.
    """
    logits = np.zeros(attack.units)
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    steps = STEPS if attack.limit is None else attack.limit // (GRADIENT + 1)
    for step in range(steps):
        noisy = logits + rng.gumbel(size=attack.units)
        drawn = lowest(-noisy, attack.budget)
        attack.losses(np.array([drawn]))
        removed = removal(logits, attack.budget)
        shares = 1 - removed
        kept = np.ones(attack.units)
        kept[list(drawn)] = 0.0
        _, gradient = attack.slope((shares + kept) / 2)
        wish = -gradient / max(float(np.abs(gradient).max()), 1e-300)
        wish += (
            ENTROPY
            * (1 - step / steps)
            * np.log(np.maximum(shares, 1e-12) / np.maximum(removed, 1e-12))
            / attack.units
        )
        ascent = _through(wish, removed)
        first = BETAS[0] * first + (1 - BETAS[0]) * ascent
        second = BETAS[1] * second + (1 - BETAS[1]) * ascent**2
        even = first / (1 - BETAS[0] ** (step + 1)), second / (1 - BETAS[1] ** (step + 1))
        logits = logits + RATE * even[0] / (np.sqrt(even[1]) + 1e-8)
    if attack.affords(1):
        attack.losses(np.array([lowest(-logits, attack.budget)]))
    return attack.best or lowest(rng.random(attack.units), attack.budget)


def removal(logits: np.ndarray, budget: int) -> np.ndarray:
    """Probabilities that units are removed (unit,), which sum to the budget.

    They are a logistic function of the logits less one threshold for all units.

    Parameters
    ----------
    logits
        (unit,).
    budget
        Number of units to remove.
    """
    low, high = logits.min() - 40.0, logits.max() + 40.0
    for _ in range(BISECTIONS):
        threshold = (low + high) / 2
        if _logistic(logits - threshold).sum() > budget:
            low = threshold
        else:
            high = threshold
    return _logistic(logits - (low + high) / 2)


def _through(wish: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Turn the gradient in the probabilities into the gradient in the logits.

    The threshold changes with the logits, so that the probabilities always sum to the
    budget.

    Parameters
    ----------
    wish
        Gradient in the probabilities of removal (unit,).
    removed
        Probabilities of removal (unit,).
    """
    spread = removed * (1 - removed)
    return spread * (wish - (spread @ wish) / max(float(spread.sum()), 1e-300))


def _logistic(x: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(x / 2)) / 2
