"""Which units a mask keeps: balanced masks of single units, masks as a transform draws them, and random halves."""

from typing import Any

import numpy as np
import torch

from invariance_probe.augmentations import TRANSFORMS
from invariance_probe.augmentations.random_bits import Draws, key_tensor
from invariance_probe.plan.run import Run
from invariance_probe.randomness import stream_key
from invariance_probe.study.transforms import (
    ProgressiveUnitLoss,
    StratifiedDropout,
    TimeCutout,
    Transform,
    UnitCutout,
    UnitDropout,
)
from invariance_probe.study.views import Views

MASKING = (UnitDropout, StratifiedDropout, ProgressiveUnitLoss, UnitCutout, TimeCutout)
"""Transforms that take some inputs away and leave the others intact."""


def masking(views: Views) -> Transform | None:
    """The transform of views that leaves some inputs intact; None where what corrupts them does not."""
    if views.adversary is not None or len(views.transforms) != 1:
        return None
    transform = views.transforms[0]
    return transform if isinstance(transform, MASKING) else None


def balanced_masks(
    rng: np.random.Generator, count: int, units: int, rates: np.ndarray
) -> np.ndarray:
    """Masks (mask, unit), true where a unit is kept, in which every unit is absent equally often, up to rounding.

    Parameters
    ----------
    rates
        Probability that a unit is absent from each mask (mask,).
    """
    if (rates == rates[0]).all():
        absences = np.floor(count * rates[0] + rng.random(units))
        places = rng.random((count, units)).argsort(axis=0).argsort(axis=0)
        return places >= absences
    strata = (
        rng.permuted(np.tile(np.arange(count), (units, 1)), axis=1).T + rng.random((count, units))
    ) / count
    return strata >= rates[:, None]


def declared_masks(
    transform: Transform,
    run: Run,
    rates: np.ndarray,
    bins: int,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Masks (mask, unit, bin), true where an input is kept, of a transform of `MASKING`.

    Units of unit dropout are lost in balanced masks. The other transforms draw as they do for training, each mask as a run of
    its own, so that what a run keeps for itself (an order in which units die) differs between masks.

    Parameters
    ----------
    rates
        Mean activity (unit,), which strata of firing rate follow.
    """
    units = len(rates)
    if isinstance(transform, UnitDropout):
        varied = (
            (rng.permutation(count) + 0.5) / count
            if transform.rate_draw == "uniform"
            else np.ones(count)
        )
        kept = balanced_masks(rng, count, units, transform.rate * varied)
    else:
        keys = key_tensor(
            [stream_key("probe", run.study_seed, run.session, mask) for mask in range(count)],
            torch.device("cpu"),
        )
        stacked = torch.from_numpy(np.broadcast_to(rates, (count, units)).copy())
        made: Any = TRANSFORMS[transform.kind]
        address = Draws(keys, 0, torch.zeros_like(keys), torch.zeros(count, 1, dtype=torch.int64))
        drawn = made.of([transform] * count, stacked).draw(address, (bins, units))
        lost = drawn[:, 0].expand(count, bins, units)
        return ~lost.numpy().transpose(0, 2, 1)
    return np.repeat(kept[:, :, None], bins, axis=2)


def halves(rng: np.random.Generator, splits: int, units: int) -> np.ndarray:
    """Random halves of the units: masks (split, half, unit), true where kept; of an odd number one half has one more."""
    places = rng.random((splits, units)).argsort(axis=1).argsort(axis=1)
    first = places < (units + 1) // 2
    return np.stack([first, ~first], axis=1)
