"""The acceptance rule: a set of units counts only if two decoders need it.

In: the moments of the half of a session that scores, a set of units that was chosen on
the other half, and firing rates. Out: the damage of removing the set to each of the two
decoders, in units of the decodable range, beside the damage of random sets with similar
rates.

One decoder keeps its weights while the units are held at their mean (fixed); the other
is fitted again without them (refitted). A fixed decoder alone can mislead: without
enough ridge two near copies get large opposite weights, so that removing one is a
disaster for this decoder and no loss to the code. A refitted decoder alone says of
either copy that it is not needed. A set is accepted if both damages lie above the 95 %
band of random sets. These are drawn from other units with similar rates, or from any
other units if too few different sets have similar rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from invariance_probe.plan.figures.units import MODES, Damage
from invariance_probe.probing.selectors.damage import (
    decodable_range,
    losses_without,
    set_losses,
)
from invariance_probe.probing.selectors.moments import FoldMoments
from invariance_probe.probing.selectors.random_sets import OF_A_BAND, matched_sets

DRAWS = 200
"""Smallest number of random sets from which a band is computed."""
BAND = (0.025, 0.975)
"""Quantiles of the random sets' damages between which the band lies."""
LEVEL = 0.05
"""Level of the test that the decodable range is above 0."""
CONFIDENCE = 0.95
"""Confidence of the interval of the gain over random sets, over blocks."""


@dataclass(frozen=True)
class Judgement:
    """Damage of removing one set of units, to two decoders.

    Attributes
    ----------
    refit
        Damage to a decoder that is fitted again without the set.
    fixed
        Damage to a decoder that keeps its weights.
    decodable
        Whether the mean range of decoding is above 0 on the scoring blocks, by a
        one-sided t test over blocks at .05. Otherwise no damage means anything.
    """

    refit: Damage
    fixed: Damage
    decodable: bool

    @property
    def accepted(self) -> bool:
        """Whether there is a decodable range and both damages exceed their bands."""
        return self.decodable and self.refit.exceeds and self.fixed.exceeds


def judge(
    scoring: Sequence[FoldMoments], chosen: Sequence[int], rates: np.ndarray, draws: int,
    rng: np.random.Generator, others: Sequence[int] | None = None,
) -> Judgement:  # fmt: skip
    """Score a chosen set of units on held-out data, against random sets.

    Parameters
    ----------
    scoring
        Moments of the half of the session that took no part in choosing.
    chosen
        The units of the set.
    rates
        Firing rate of each unit (unit,), which the random sets match.
    draws
        Number of random sets, at least `DRAWS`.
    rng
        Random generator for the random sets.
    others
        Units from which random sets are drawn; if omitted, all units outside `chosen`.

    Raises
    ------
    ValueError
        When `draws` is below `DRAWS`.
    """
    if draws < DRAWS:
        raise ValueError(
            f"a 95 % band needs at least {DRAWS} random sets, got {draws}; increase `draws`"
        )
    others = [u for u in range(len(rates)) if u not in set(chosen)] if others is None else others
    sets = np.array(matched_sets(chosen, others, rates, draws, rng, OF_A_BAND))
    refit, fixed = (_damage(scoring, mode, chosen, sets) for mode in MODES)
    decodable = (
        stats.ttest_1samp(decodable_range(scoring), 0.0, alternative="greater").pvalue <= LEVEL
    )
    return Judgement(refit, fixed, bool(decodable))


def _damage(
    scoring: Sequence[FoldMoments], mode: str, chosen: Sequence[int], sets: np.ndarray
) -> Damage:
    """Damage of a set to one decoder, with the band of random sets.

    Parameters
    ----------
    scoring
        Moments of the half that scores.
    mode
        `refit` or `fixed`.
    chosen
        The units of the set.
    sets
        Random sets (set, unit of the set).
    """
    everything, without = losses_without(scoring, (), mode), losses_without(scoring, chosen, mode)
    scale = float(decodable_range(scoring).mean())
    # random is (set, block)
    random = np.stack([set_losses([part], mode)(sets) for part in _single(scoring)], axis=1)
    gain = (without - random.mean(axis=0)) / scale
    half = float(
        stats.t.ppf((1 + CONFIDENCE) / 2, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
    )
    damages = (random.mean(axis=1) - everything.mean()) / scale
    low, high = np.quantile(damages, BAND)
    own = float((without - everything).mean()) / scale
    return Damage(
        chosen=own,
        random=float(damages.mean()),
        low=float(low),
        high=float(high),
        gain=float(gain.mean()),
        gain_low=float(gain.mean()) - half,
        gain_high=float(gain.mean()) + half,
        p_value=float((1 + (damages >= own).sum()) / (1 + len(damages))),
    )


def _single(parts: Sequence[FoldMoments]) -> list[FoldMoments]:
    """Split parts into parts with one test block each, in the order of blocks."""
    return [
        replace(
            part,
            grams=part.grams[[i]],
            products=part.products[[i]],
            powers=part.powers[[i]],
            weights=np.ones(1),
        )
        for part in parts
        for i in range(len(part.powers))
    ]
