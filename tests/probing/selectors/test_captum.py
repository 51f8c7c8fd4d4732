"""Damage of single units equals Captum's feature ablation.

It is our damage under the fixed decoder; Captum ablates the same decoder. The
comparison is made where captum is installed.
"""

import numpy as np
import pytest
import torch

from invariance_probe.probing.selectors.damage import losses_without, set_losses
from invariance_probe.probing.selectors.moments import FOLDS, BlockMoments

captum = pytest.importorskip(
    "captum.attr",
    reason="captum, an independent implementation of feature ablation, is not installed",
)

UNITS, BLOCKS, ROWS = 9, 8, 640


def test_the_damage_of_a_single_unit_is_captums_ablation_of_it():
    rng = np.random.default_rng(0)
    x = 2 + rng.standard_normal((ROWS, UNITS)) @ rng.standard_normal((UNITS, UNITS))
    y = x[:, :3] @ rng.standard_normal((3, 2)) + rng.standard_normal((ROWS, 2))
    block = np.arange(ROWS) * BLOCKS // ROWS
    parts = BlockMoments.of(x, y, block).parts(1.0)
    ours = (
        set_losses(parts, "fixed")(np.arange(UNITS)[:, None])
        - losses_without(parts, (), "fixed").mean()
    )
    theirs = np.zeros(UNITS)
    for part, fold in zip(parts, range(FOLDS), strict=True):
        tested = block * FOLDS // BLOCKS == fold
        mean_x, mean_y = x[~tested].mean(axis=0), y[~tested].mean(axis=0)
        decoder = torch.from_numpy(part.decoder(np.ones(UNITS, dtype=bool)))
        target = torch.from_numpy(y[tested] - mean_y)

        def error(given, decoder=decoder, target=target, centre=torch.from_numpy(mean_x)):
            return (((given - centre) @ decoder - target) ** 2).sum(dim=1)

        ablation = captum.FeatureAblation(error)
        found = ablation.attribute(
            torch.from_numpy(x[tested]), baselines=torch.from_numpy(mean_x)[None]
        )
        theirs -= (
            found.mean(dim=0).numpy() / FOLDS
        )  # captum: the output with a feature less the output without it
    np.testing.assert_allclose(ours, theirs, atol=1e-6, rtol=0)
    assert theirs[:3].min() > 0.01
