"""Masks that say which units or inputs a refitted decoder may read.

In: the number of units, or a declared transform. Out: boolean masks, true where an
input is kept: masks in which each unit is absent equally often, masks of what a
transform removes, and random halves of the units. Decoders are refitted on these masks
elsewhere.
"""

from typing import Any

import numpy as np
import torch

from invariance_probe.augmentations import TRANSFORMS
from invariance_probe.augmentations.random_bits import Draws, key_tensor
from invariance_probe.plan.roles import SessionMeasurement
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
"""Transforms that remove some inputs and leave the others intact."""


def masking(views: Views) -> Transform | None:
    """Return the transform of the views if it leaves some inputs intact.

    Decoders can be refitted on the inputs that such a transform leaves. None is
    returned if the views have an adversary, not exactly one transform, or a transform
    that is not in `MASKING`.
    """
    if views.adversary is not None or len(views.transforms) != 1:
        return None
    transform = views.transforms[0]
    return transform if isinstance(transform, MASKING) else None


def balanced_masks(
    rng: np.random.Generator, count: int, units: int, rates: np.ndarray
) -> np.ndarray:
    """Draw masks in which each unit is absent equally often, up to rounding.

    Parameters
    ----------
    rng
        Random generator for the draws.
    count
        Number of masks.
    units
        Number of units.
    rates
        Probability that a unit is absent from each mask (mask,), in [0, 1].

    Returns
    -------
    Masks (mask, unit), true where a unit is kept.
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
    run: SessionMeasurement,
    rates: np.ndarray,
    bins: int,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw masks of the inputs that a declared transform leaves.

    For unit dropout the masks are balanced over units. The other transforms draw as
    they do in training, with each mask drawn as if for a run of its own. So what is
    drawn once per run, such as the order in which units die, differs between masks.

    Parameters
    ----------
    transform
        A transform whose class is in `MASKING`.
    run
        The run that measures the code; its study seed and session determine the draws.
    rates
        Mean activity (unit,), from which strata of firing rate are made.
    bins
        Bins per window.
    count
        Number of masks.
    rng
        Random generator, used for unit dropout only.

    Returns
    -------
    Masks (mask, unit, bin), true where an input is kept.
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
    """Split the units into random halves, several times.

    Parameters
    ----------
    rng
        Random generator for the draws.
    splits
        Number of splits.
    units
        Number of units; if it is odd, the first half has one more.

    Returns
    -------
    Masks (split, half, unit), true for the units of a half.
    """
    places = rng.random((splits, units)).argsort(axis=1).argsort(axis=1)
    first = places < (units + 1) // 2
    return np.stack([first, ~first], axis=1)
