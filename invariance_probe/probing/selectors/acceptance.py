"""The acceptance rule: a set counts only where two decoders show it.

In: the moments of the scoring half, a set chosen on the other half, and rates. Out:
both damages in units of the decodable range, each with the band of random sets of like
rates.

The two are a decoder that relies on the set and one that is fitted again without it. A
fixed decoder alone can be exploited: without enough ridge two near copies get large
opposite weights, and the removal of one is a disaster for this decoder and nothing to
the code. A refitted decoder alone says of either copy that it is not needed. A set is
accepted where both damages lie above the 95 % band of random sets of other units with
like rates; of any other units where those are fewer than a band needs.
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
from invariance_probe.probing.selectors.moments import Part
from invariance_probe.probing.selectors.random_sets import OF_A_BAND, matched_sets

DRAWS = 200
"""Fewest random sets that a band may rest on."""
BAND = (0.025, 0.975)
"""Quantiles of the random sets' damages."""
LEVEL = 0.05
"""Level of the test that there is a decodable range."""
CONFIDENCE = 0.95
"""Confidence of G's interval over blocks."""


@dataclass(frozen=True)
class Judgement:
    """Both damages of one set."""

    refit: Damage
    fixed: Damage
    decodable: bool
    """Whether the scoring blocks show a decodable range (t over blocks, .05).

    Without one no damage means anything.
    """

    @property
    def accepted(self) -> bool:
        """Whether both damages exceed their bands, of a range that is there."""
        return self.decodable and self.refit.exceeds and self.fixed.exceeds


def judge(
    scoring: Sequence[Part], chosen: Sequence[int], rates: np.ndarray, draws: int,
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
        Rate of every unit (unit,); random sets are matched by it.
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
            f"a 95 % band needs at least {DRAWS} random sets, got {draws}; raise draws"
        )
    others = [u for u in range(len(rates)) if u not in set(chosen)] if others is None else others
    sets = np.array(matched_sets(chosen, others, rates, draws, rng, OF_A_BAND))
    refit, fixed = (_damage(scoring, mode, chosen, sets) for mode in MODES)
    decodable = (
        stats.ttest_1samp(decodable_range(scoring), 0.0, alternative="greater").pvalue <= LEVEL
    )
    return Judgement(refit, fixed, bool(decodable))


def _damage(scoring: Sequence[Part], mode: str, chosen: Sequence[int], sets: np.ndarray) -> Damage:
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


def _single(parts: Sequence[Part]) -> list[Part]:
    """The parts with one test block each, in the order of their losses."""
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
