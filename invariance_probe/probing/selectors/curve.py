"""The curve of one session over budgets of removed units.

In: the session's halves and what a study declares. Out: for every budget the damage
G(b) with its band, whether the set is accepted and how stable it is; and localisation.
The figures are flat, named `b4_refit_fixed_chosen`: budget, the decoder that the set
was chosen with, the decoder that it is scored with, the figure. Scores of single units
end with `@` and the unit.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from invariance_probe.probing.selectors import SELECTORS
from invariance_probe.probing.selectors.acceptance import DRAWS, judge
from invariance_probe.probing.selectors.attack import Attack
from invariance_probe.probing.selectors.damage import (
    MODES,
    decodable_range,
    losses_without,
    set_losses,
)
from invariance_probe.probing.selectors.halves import Halves
from invariance_probe.probing.selectors.localisation import localisation
from invariance_probe.probing.selectors.moments import Part
from invariance_probe.probing.selectors.stability import chosen_table, mean_jaccard, stability
from invariance_probe.study.baselines import Messengers


def curve(
    halves: Halves, method: Messengers, rates: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    """Measure every budget with both decoders.

    Parameters
    ----------
    halves
        Halves of the whole session.
    method
        Budgets, selector, passes, random sets and resamples.
    rates
        Mean count of every unit (unit,).
    rng
        Generator of the searches, random sets and resamples.
    """
    found: dict[str, float] = {}
    choosing, scoring = (
        halves.choosing.parts(halves.choosing_penalty),
        halves.scoring.parts(halves.scoring_penalty),
    )
    for mode in MODES:
        for budget in method.budgets:
            own = f"b{budget}_{mode}"
            chosen = SELECTORS[method.selector](Attack(choosing, mode, budget, method.passes), rng)
            judged = judge(scoring, chosen, rates, max(DRAWS, method.masks), rng)
            found[f"{own}_accepted"] = float(judged.accepted)
            for scored, damage in (("refit", judged.refit), ("fixed", judged.fixed)):
                found |= {f"{own}_{scored}_{name}": value for name, value in asdict(damage).items()}
            found |= _again(halves, mode, chosen, method, rng, own)
        where = localisation(choosing, scoring, mode, rng)
        found |= {
            f"{mode}_k50_chosen": where.chosen,
            f"{mode}_k50_random": where.random,
            f"{mode}_localisation": where.index,
        }
    return found | unit_scores(scoring)


def unit_scores(scoring: Sequence[Part]) -> dict[str, float]:
    """Scores of every single unit on the scoring half.

    `alone_refit`, `alone_fixed`: the loss without the unit less that of all, in units
    of the decodable range. `weight`: norm of its decoder weights on standardised
    features. `variance`: variance of its feature.
    """
    scale, units = float(decodable_range(scoring).mean()), len(scoring[0].with_target)
    each, everything = np.arange(units)[:, None], np.ones(units, dtype=bool)
    variances = np.array([np.diag(part.penalised) - part.ridge for part in scoring])
    weights = np.array([(part.decoder(everything) ** 2).sum(axis=1) for part in scoring])
    scores = {
        f"alone_{mode}": (
            set_losses(scoring, mode)(each) - losses_without(scoring, (), mode).mean()
        )
        / scale
        for mode in MODES
    }
    scores |= {
        "weight": np.sqrt((weights * variances).mean(axis=0)),
        "variance": variances.mean(axis=0),
    }
    return {
        f"{name}@{unit}": float(value)
        for name, values in scores.items()
        for unit, value in enumerate(values)
    }


def _again(
    halves: Halves,
    mode: str,
    chosen: tuple[int, ...],
    method: Messengers,
    rng: np.random.Generator,
    own: str,
) -> dict[str, float]:
    """Choose again over reweighted blocks, and count how often each unit returns.

    Weights are those of the Bayesian bootstrap (Rubin 1981,
    doi:10.1214/aos/1176345338).
    """
    units, select = halves.choosing.x.shape[1], SELECTORS[method.selector]
    sets = []
    for _ in range(method.resamples):
        weights = rng.exponential(size=len(halves.choosing.rows))
        parts = halves.choosing.parts(halves.choosing_penalty, weights)
        sets += [
            select(Attack(parts, mode, len(chosen), method.passes), rng)
            for _ in range(method.seeds)
        ]
    table = chosen_table(sets, units)
    same = stability(table, seeds=method.seeds)
    found = {
        f"{own}_stability": same.estimate,
        f"{own}_stability_low": same.low,
        f"{own}_stability_high": same.high,
    }
    found[f"{own}_jaccard"] = mean_jaccard(table)
    for i, unit in enumerate(chosen):
        found |= {
            f"{own}_unit@{i + 1}": float(unit),
            f"{own}_frequency@{i + 1}": float(table[:, unit].mean()),
        }
    found |= {
        f"{own}_selected@{unit}": float(share)
        for unit, share in enumerate(table.mean(axis=0))
        if share > 0
    }
    return found | (
        _over_seeds(halves, mode, len(chosen), method, rng, own) if method.seeds > 1 else {}
    )


def _over_seeds(
    halves: Halves, mode: str, budget: int, method: Messengers, rng: np.random.Generator, own: str
) -> dict[str, float]:
    """Choose again and again from the same blocks.

    The instability that is left is that of the search.
    """
    parts = halves.choosing.parts(halves.choosing_penalty)
    sets = [
        SELECTORS[method.selector](Attack(parts, mode, budget, method.passes), rng)
        for _ in range(method.seeds)
    ]
    same = stability(chosen_table(sets, halves.choosing.x.shape[1]))
    return {
        f"{own}_seed_stability": same.estimate,
        f"{own}_seed_stability_low": same.low,
        f"{own}_seed_stability_high": same.high,
    }
