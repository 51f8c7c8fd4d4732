"""The damage of removing units of one session, for several budgets.

In: the halves of a session that choose and score, and what a study declares. Out: for
each decoder (refitted or fixed) and budget (number of removed units) the set that
harms most, with its damage, whether it is accepted and how stable the choice is; then
the localisation (how many random units do as much damage as the chosen ones), and the
damage of each single unit.
"""

from collections.abc import Sequence

import numpy as np

from invariance_probe.plan.figures.units import (
    MODES,
    Interval,
    Localisation,
    Mode,
    UnitFigures,
    WorstSet,
)
from invariance_probe.probing.selectors import SELECTORS
from invariance_probe.probing.selectors.acceptance import DRAWS, judge
from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.damage import (
    decodable_range,
    losses_without,
    set_losses,
)
from invariance_probe.probing.selectors.halves import Halves
from invariance_probe.probing.selectors.localisation import localisation
from invariance_probe.probing.selectors.moments import FoldMoments
from invariance_probe.probing.selectors.stability import (
    Stability,
    chosen_table,
    mean_jaccard,
    stability,
)
from invariance_probe.study.baselines import Messengers


def curve(
    halves: Halves, method: Messengers, rates: np.ndarray, rng: np.random.Generator
) -> tuple[tuple[WorstSet, ...], tuple[Localisation, ...], tuple[UnitFigures, ...]]:
    """Measure every budget with both decoders.

    Parameters
    ----------
    halves
        Halves of the whole session.
    method
        Budgets, selector, passes, random sets and resamples.
    rates
        Mean activity of each unit (unit,), which the random sets match.
    rng
        Random generator for the searches, random sets and resamples.

    Returns
    -------
    The set that harms most for each decoder and budget, the localisation for each
    decoder, and the scores of each single unit.
    """
    worst, where = [], []
    choosing, scoring = (
        halves.choosing.parts(halves.choosing_penalty),
        halves.scoring.parts(halves.scoring_penalty),
    )
    for mode in MODES:
        for budget in method.budgets:
            chosen = SELECTORS[method.selector](Attack(choosing, mode, budget, method.passes), rng)
            judged = judge(scoring, chosen, rates, max(DRAWS, method.masks), rng)
            table = _chosen_again(halves, mode, budget, method, rng)
            often = table.mean(axis=0)
            worst.append(
                WorstSet(
                    mode=mode,
                    budget=budget,
                    units=tuple(int(unit) for unit in chosen),
                    frequencies=tuple(float(often[unit]) for unit in chosen),
                    accepted=judged.accepted,
                    refit=judged.refit,
                    fixed=judged.fixed,
                    stability=_interval(stability(table, seeds=method.seeds)),
                    jaccard=mean_jaccard(table),
                    seed_stability=_over_seeds(halves, mode, budget, method, rng),
                    selected=tuple(often.tolist()),
                )
            )
        where.append(localisation(choosing, scoring, mode, rng))
    return tuple(worst), tuple(where), unit_figures(scoring)


def unit_figures(scoring: Sequence[FoldMoments]) -> tuple[UnitFigures, ...]:
    """Damage of removing each unit alone, and its weight and variance (unit,).

    Parameters
    ----------
    scoring
        Moments of the half that scores.
    """
    scale, units = float(decodable_range(scoring).mean()), len(scoring[0].with_target)
    each, everything = np.arange(units)[:, None], np.ones(units, dtype=bool)
    variances = np.array([np.diag(part.penalised) - part.ridge for part in scoring])
    weights = np.array([(part.decoder(everything) ** 2).sum(axis=1) for part in scoring])

    def alone(mode: Mode) -> np.ndarray:
        whole = losses_without(scoring, (), mode).mean()
        return (set_losses(scoring, mode)(each) - whole) / scale

    scores = (
        alone("refit"),
        alone("fixed"),
        np.sqrt((weights * variances).mean(axis=0)),
        variances.mean(axis=0),
    )
    return tuple(
        UnitFigures(alone_refit=refit, alone_fixed=fixed, weight=weight, variance=variance)
        for refit, fixed, weight, variance in zip(*(s.tolist() for s in scores), strict=True)
    )


def _chosen_again(
    halves: Halves, mode: Mode, budget: int, method: Messengers, rng: np.random.Generator
) -> np.ndarray:
    """Choose again on reweighted blocks, several times.

    Weights are those of the Bayesian bootstrap (Rubin 1981,
    doi:10.1214/aos/1176345338).

    Returns
    -------
    Which units each choice holds (choice, unit), bool.
    """
    units, select = halves.choosing.x.shape[1], SELECTORS[method.selector]
    sets = []
    for _ in range(method.resamples):
        weights = rng.exponential(size=len(halves.choosing.rows))
        parts = halves.choosing.parts(halves.choosing_penalty, weights)
        sets += [
            select(Attack(parts, mode, budget, method.passes), rng) for _ in range(method.seeds)
        ]
    return chosen_table(sets, units)


def _over_seeds(
    halves: Halves, mode: Mode, budget: int, method: Messengers, rng: np.random.Generator
) -> Interval | None:
    """Stability of choices from the same blocks; None for a single seed.

    What varies between the choices is the search alone.
    """
    if method.seeds == 1:
        return None
    parts = halves.choosing.parts(halves.choosing_penalty)
    sets = [
        SELECTORS[method.selector](Attack(parts, mode, budget, method.passes), rng)
        for _ in range(method.seeds)
    ]
    return _interval(stability(chosen_table(sets, halves.choosing.x.shape[1])))


def _interval(found: Stability) -> Interval:
    return Interval(estimate=found.estimate, low=found.low, high=found.high)
