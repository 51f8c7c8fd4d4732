"""Populations of known structure.

Twins that carry a target, near copies that carry nothing, and ordinary correlated
units.
"""

import numpy as np

from invariance_probe.probing.decoders.ridge import UNIT
from invariance_probe.probing.selectors.moments import BlockMoments, FoldMoments

BLOCKS = 8


def moments(x, y, penalty):
    """Parts of a decoder on rows in eight blocks."""
    return BlockMoments.of(x, y, np.arange(len(x)) * BLOCKS // len(x)).parts(penalty)


def twins(seed, penalty, pairs=3, units=20, copy_sd=0.05, rows=1600):
    """Pairs of nearly equal units that carry one latent each.

    The pairs are units 0 and 1, 2 and 3 ...; the target is the sum of the latents.
    """
    rng = np.random.default_rng(seed)
    latents = rng.standard_normal((rows, pairs))
    x = rng.standard_normal((rows, units))
    x[:, : 2 * pairs] = np.repeat(latents, 2, axis=1) + copy_sd * rng.standard_normal(
        (rows, 2 * pairs)
    )
    return moments(
        x, latents.sum(axis=1, keepdims=True) + 0.3 * rng.standard_normal((rows, 1)), penalty
    )


def useless_copies(seed, penalty, units=20, rows=800):
    """Near copies that know nothing of the target.

    The copies are units 0 and 1, and 2 and 3; units 4 to 9 carry the target.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, units))
    x[:, [1, 3]] = x[:, [0, 2]] + 1e-4 * rng.standard_normal((rows, 2))
    return moments(
        x, x[:, 4:10].sum(axis=1, keepdims=True) + rng.standard_normal((rows, 1)), penalty
    )


def correlated(seed=0, penalty=1.0, units=9, rows=400):
    """Correlated units of a two-column target, with outlying means."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((rows, 2))
    mixed = rng.standard_normal((rows, units)) @ rng.standard_normal((units, units))
    return moments(3 + y @ rng.standard_normal((2, units)) + mixed, y, penalty)


def tested_where_it_was_fitted(seed=0, penalty=1.0, units=9, rows=400):
    """One part whose test rows are its training rows: a trained optimum."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((rows, 2))
    x = y @ rng.standard_normal((2, units)) + rng.standard_normal(
        (rows, units)
    ) @ rng.standard_normal((units, units))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    covariance, with_target = x.T @ x / rows, x.T @ y / rows
    ridge = UNIT * penalty * np.diag(covariance)
    power = np.array([(y**2).sum() / rows])
    return FoldMoments(
        covariance + np.diag(ridge),
        with_target,
        covariance[None],
        with_target[None],
        power,
        np.ones(1),
        ridge,
    )
