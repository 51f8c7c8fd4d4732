"""The curve of one session over budgets: G(b) with its band, whether sets are accepted, how stable they are, and localisation.

In: the session's halves and what a study declares. Out: flat figures, named `b4_refit_fixed_chosen`: budget, the decoder that
the set was chosen with, the decoder that it is scored with, the figure. Sets are chosen by the reference selector.
"""

from dataclasses import asdict

import numpy as np

from invariance_probe.probing.adversaries import REFERENCE, SELECTORS
from invariance_probe.probing.adversaries.acceptance import DRAWS, judge
from invariance_probe.probing.adversaries.attack import Attack
from invariance_probe.probing.adversaries.damage import MODES
from invariance_probe.probing.adversaries.halves import Halves
from invariance_probe.probing.adversaries.localisation import localisation
from invariance_probe.probing.adversaries.stability import chosen_table, mean_jaccard, stability
from invariance_probe.study.baselines import Messengers


def curve(halves: Halves, method: Messengers, rates: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Measure every budget with both decoders.

    Parameters
    ----------
    halves
        Of the whole session.
    method
        Budgets, random sets and resamples.
    rates
        Mean count of every unit (unit,).
    """
    found: dict[str, float] = {}
    choosing, scoring = halves.choosing.parts(halves.choosing_penalty), halves.scoring.parts(halves.scoring_penalty)
    for mode in MODES:
        for budget in method.budgets:
            own = f"b{budget}_{mode}"
            chosen = SELECTORS[REFERENCE](Attack(choosing, mode, budget), rng)
            judged = judge(scoring, chosen, rates, max(DRAWS, method.masks), rng)
            found[f"{own}_accepted"] = float(judged.accepted)
            for scored, damage in (("refit", judged.refit), ("fixed", judged.fixed)):
                found |= {f"{own}_{scored}_{name}": value for name, value in asdict(damage).items()}
            found |= _again(halves, mode, chosen, method, rng, own)
        where = localisation(choosing, scoring, mode, rng)
        found |= {f"{mode}_k50_chosen": where.chosen, f"{mode}_k50_random": where.random, f"{mode}_localisation": where.index}
    return found


def _again(
    halves: Halves, mode: str, chosen: tuple[int, ...], method: Messengers, rng: np.random.Generator, own: str
) -> dict[str, float]:
    """Choose again over reweighted blocks (Rubin 1981, doi:10.1214/aos/1176345338), and say how often each unit comes again."""
    sets = []
    for _ in range(method.resamples):
        weights = rng.exponential(size=len(halves.choosing.rows))
        sets.append(SELECTORS[REFERENCE](Attack(halves.choosing.parts(halves.choosing_penalty, weights), mode, len(chosen)), rng))
    table = chosen_table(sets, halves.choosing.x.shape[1])
    same = stability(table)
    found = {f"{own}_stability": same.estimate, f"{own}_stability_low": same.low, f"{own}_stability_high": same.high}
    found[f"{own}_jaccard"] = mean_jaccard(table)
    for i, unit in enumerate(chosen):
        found |= {f"{own}_unit@{i + 1}": float(unit), f"{own}_frequency@{i + 1}": float(table[:, unit].mean())}
    return found
