"""Messengers: the few units whose removal harms decoding most, and whether they are the same ones later in the session.

In: counts (their square roots are decoded) or signals of one bin a window, and the target. Each half of the session (epoch A,
epoch B) is cut into blocks that in turn choose and score. A set is chosen on the choosing blocks only and scored on the scoring
blocks only, by decoders that are fitted and tested within them, so that neither the set nor a decoder profits from how it was
chosen. Out: the chosen units, G(b) of both epochs, and the transfer ratio T_AB = G(set of A in B) / G(set of B in B). Where a
study names several budgets, also the curve of the whole session over them (`adversaries/curve.py`).

Two modes: `refit` (the decoder is fitted again without the units: information) and `fixed` (the units are held at their mean:
reliance of this decoder). All comes from Gram matrices. Not a statement about causes.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from invariance_probe.errors import TrainingError
from invariance_probe.probing.adversaries.curve import curve
from invariance_probe.probing.adversaries.damage import MODES, decodable_range, harm, losses_without
from invariance_probe.probing.adversaries.greedy import choose
from invariance_probe.probing.adversaries.halves import Halves
from invariance_probe.probing.adversaries.moments import Part
from invariance_probe.probing.adversaries.random_sets import matched_sets
from invariance_probe.probing.readout import Measured
from invariance_probe.probing.trained import Progress
from invariance_probe.probing.workbench import Workbench
from invariance_probe.streams import generator
from invariance_probe.study.baselines import Messengers
from invariance_probe.study.budgets import most_messengers
from invariance_probe.study.run import Run, RunResult

CONFIDENCE = 0.95
"""Of the transfer ratio's interval."""
LEVEL = 0.05
"""Of the test that a set carries more than the margin, without which there is no transfer ratio."""


SHARED = ("jaccard",)
"""Figures of the transfer that `curve` has too, of other sets: over blocks, not between halves."""


def measure_messengers(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Choose each half's messengers, score them, and transfer those of the first half to the second."""
    if bench.windows.length != 1:
        raise TrainingError(f"messengers reads windows of one bin; window.length_bins is {bench.windows.length}")
    return [Measured(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: Run) -> RunResult:
    method, units = run.method, bench.activity.shape[1]
    assert isinstance(method, Messengers)
    budgets = method.budgets or (method.budget,)
    if max(budgets) > most_messengers(units):
        raise TrainingError(
            f"session {run.session!r}: messengers.budget is {max(budgets)}, but there are only {units} units; "
            f"at most {most_messengers(units)} leave enough others to compare with"
        )
    windows, embargo = np.arange(len(bench.windows.starts)), round(run.folds.embargo_s / bench.recording.bin_s)
    parts = windows[: len(windows) // 2], windows[len(windows) // 2 :]
    epochs = [Halves.of(bench, rows, method.blocks, embargo) for rows in parts]
    rates = bench.recording.activity.mean(axis=0)
    found: dict[str, float] = {}
    for budget in budgets:
        asked = method.model_copy(update={"budget": budget})
        place = f"b{budget}_" if method.budgets else ""
        for mode in MODES:
            measured = transfer(epochs, mode, asked, rates, generator("probe", run.study_seed, run.session))
            found |= {
                f"{place}{mode}_{name}{'_ab' if name in SHARED and place else ''}": value for name, value in measured.items()
            }
    if method.budgets:
        whole = Halves.of(bench, windows, method.blocks, embargo)
        found |= curve(whole, method, rates, generator("probe", run.study_seed, run.session))
    return RunResult(run.key(), "done", diagnostics=found)


def transfer(
    epochs: Sequence[Halves], mode: str, method: Messengers, rates: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    """Choose a set in each epoch, score both, and say how well that of A serves in B.

    Parameters
    ----------
    epochs
        A and B.
    mode
        `refit` or `fixed`.
    method
        Budget, random sets, resamples and margin.
    rates
        Mean count of every unit (unit,), for the random sets.
    """
    units = len(rates)
    chosen = [choose(harm(e.choosing.parts(e.choosing_penalty), mode), units, method.budget) for e in epochs]
    scoring = [e.scoring.parts(e.scoring_penalty) for e in epochs]
    others = [u for u in range(units) if u not in {*chosen[0], *chosen[1]}]
    key = int(rng.integers(2**63))

    def gain(units_chosen: Sequence[int], epoch: int) -> np.ndarray:
        """G(b) times the range, by block: the loss without the set less the mean loss without random sets like it."""
        sets = matched_sets(units_chosen, others, rates, method.masks, np.random.default_rng(key))
        random = np.mean([losses_without(scoring[epoch], removed, mode) for removed in sets], axis=0)
        return losses_without(scoring[epoch], units_chosen, mode) - random

    own_a, crossed, own_b = gain(chosen[0], 0), gain(chosen[0], 1), gain(chosen[1], 1)
    ranges = [decodable_range(parts) for parts in scoring]
    found = {f"{name}@{i + 1}": float(unit) for name, one in zip("ab", chosen, strict=True) for i, unit in enumerate(one)}
    found |= {
        "jaccard": len(set(chosen[0]) & set(chosen[1])) / len(set(chosen[0]) | set(chosen[1])),
        "gain_a": float(own_a.mean() / ranges[0].mean()),
        "gain_b": float(own_b.mean() / ranges[1].mean()),
        "gain_a_in_b": float(crossed.mean() / ranges[1].mean()),
        "gain_b_p": float(stats.ttest_1samp(own_b - method.margin * ranges[1], 0.0, alternative="greater").pvalue),
    }
    if found["gain_b_p"] <= LEVEL:
        choice = _choice_covariance(epochs, scoring[1], mode, method, rng)
        low, high = ratio_interval(crossed, own_b, CONFIDENCE, choice)
        found |= {"transfer": float(crossed.mean() / own_b.mean()), "transfer_low": low, "transfer_high": high}
    return found


def _choice_covariance(
    epochs: Sequence[Halves], scoring: Sequence[Part], mode: str, method: Messengers, rng: np.random.Generator
) -> np.ndarray:
    """Return the covariance (2, 2) of the mean losses in B without A's and without B's set, over sets chosen by reweighted blocks.

    Blocks are weighted by standard exponential numbers, so that none stands on both sides of a fold.

    References
    ----------
    Rubin 1981, doi:10.1214/aos/1176345338 (Bayesian bootstrap).
    """
    units, found = len(scoring[0].with_target), np.empty((method.resamples, 2))
    for i in range(method.resamples):
        for number, epoch in enumerate(epochs):
            weights = rng.exponential(size=len(epoch.choosing.rows))
            again = choose(harm(epoch.choosing.parts(epoch.choosing_penalty, weights), mode), units, method.budget)
            found[i, number] = losses_without(scoring, again, mode).mean()
    return np.cov(found.T)


def ratio_interval(
    numerator: np.ndarray, denominator: np.ndarray, confidence: float, more: np.ndarray | None = None
) -> tuple[float, float]:
    """Return Fieller's interval of mean(numerator) / mean(denominator) over paired blocks; infinite where it is not bounded.

    Parameters
    ----------
    numerator, denominator
        By block (block,).
    confidence
        Two-sided, in (0, 1).
    more
        Covariance (2, 2) that the two means have beyond that of their blocks.

    References
    ----------
    Fieller 1954, J R Stat Soc B 16:175.
    """
    blocks = len(numerator)
    square = float(stats.t.ppf((1 + confidence) / 2, blocks - 1)) ** 2
    covariance = square * (np.cov(numerator, denominator) / blocks + (0.0 if more is None else more))
    mean_n, mean_d = float(numerator.mean()), float(denominator.mean())
    a = mean_d * mean_d - float(covariance[1, 1])
    b = mean_n * mean_d - float(covariance[0, 1])
    c = mean_n * mean_n - float(covariance[0, 0])
    if a <= 0:
        return -math.inf, math.inf
    reach = math.sqrt(max(b * b - a * c, 0.0))
    return (b - reach) / a, (b + reach) / a
