"""Significance levels for interim analyses at a growing number of seeds.

A study with interim analyses (also called looks) trains its models with a few random
seeds first, and adds seeds until its hypotheses are settled. In: the number of seeds at
each analysis, and a spending function, which says how alpha is distributed over the
analyses. Out: the nominal one-sided level of each analysis, chosen so that all analyses
together keep alpha, and the repeated p value (Jennison & Turnbull 1989, J R Stat Soc B
51:305). The repeated p value is the smallest alpha at which the claim would be made at
this analysis. A claim is shown if it is at most alpha, whatever the rule for when to
stop.

The levels assume independent increments, with the number of seeds as the information;
docs/adaptive.md says why that is safe here. Nothing is tested in this file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize, special, stats

from invariance_probe.study.training import Spending, Training

ALPHA = 0.05
"""Level of each one-sided claim."""
ALPHAS = np.unique(np.append(np.logspace(-8, np.log10(0.5), 90), ALPHA))
"""Grid of alphas at which nominal levels are computed.

Repeated p values are interpolated between them, and are 1 above the largest.
"""
FARTHEST = 9.0
"""Integrals over z scores run from minus this, and at most to plus this."""


@dataclass(frozen=True)
class InterimAnalysis:
    """One interim analysis of a study.

    Attributes
    ----------
    number
        Position among the planned analyses, from 1.
    seeds
        Number of seeds per session that this analysis uses.
    planned
        Number of seeds per session at each planned analysis, ascending.
    spending
        Spending function: how alpha is distributed over the analyses.
    """

    number: int
    seeds: int
    planned: tuple[int, ...]
    spending: Spending

    @property
    def last(self) -> bool:
        """Whether this is the last planned analysis."""
        return self.number == len(self.planned)

    @property
    def level(self) -> float:
        """Nominal one-sided level of each claim at this analysis."""
        return float(self._levels[np.searchsorted(ALPHAS, ALPHA)])

    def repeated(self, p: float) -> float:
        """Convert a nominal p value to the repeated p value at this analysis.

        The repeated p value is in (0, 1]. It is at most alpha exactly where `p` is at
        most the nominal level that belongs to alpha.
        """
        if p > self._levels[-1]:
            return 1.0
        with np.errstate(divide="ignore"):
            return float(np.exp(np.interp(np.log(p), np.log(self._levels), np.log(ALPHAS))))

    @property
    def _levels(self) -> np.ndarray:
        """Nominal level of this analysis for each of `ALPHAS` (alpha,)."""
        return _levels_by_alpha(self.planned, self.spending)[:, self.number - 1]


def looks_of(training: Training) -> tuple[InterimAnalysis, ...]:
    """Return the interim analyses that a study declares, in ascending order.

    The tuple is empty if the number of seeds is fixed.
    """
    adaptive = training.adaptive
    if adaptive is None:
        return ()
    return tuple(
        InterimAnalysis(i, seeds, adaptive.looks, adaptive.spending)
        for i, seeds in enumerate(adaptive.looks, start=1)
    )


def spent(spending: Spending, fraction: np.ndarray, alpha: float) -> np.ndarray:
    """Cumulative alpha spent up to each interim analysis.

    `obrien_fleming` spends 2 - 2 Phi(z_(alpha / 2) / sqrt(t)), which is almost nothing
    early. `pocock` spends alpha log(1 + (e - 1) t). Both are from Lan & DeMets (1983,
    Biometrika 70:659).

    Parameters
    ----------
    spending
        Name of the spending function.
    fraction
        (analysis,) fraction t of the information, in (0, 1].
    alpha
        Total alpha to spend, in (0, .5].

    Returns
    -------
    (analysis,)
        Alpha spent up to and including each analysis.
    """
    if spending == "pocock":
        return alpha * np.log1p((math.e - 1) * fraction)
    return 2 * stats.norm.sf(stats.norm.isf(alpha / 2) / np.sqrt(fraction))


def nominal_levels(seeds: Sequence[int], spending: Spending, alpha: float) -> np.ndarray:
    """Nominal one-sided level of each interim analysis.

    With these levels, the probability that a true null hypothesis is rejected at any of
    the analyses is alpha.

    Parameters
    ----------
    seeds
        Seeds per session at each analysis, ascending. They serve as the information.
    spending
        Name of the spending function.
    alpha
        Total one-sided alpha, in (0, .5].

    Returns
    -------
    (analysis,)
        One-sided level of each analysis.
    """
    fraction = np.asarray(seeds, float) / seeds[-1]
    increments = np.diff(spent(spending, fraction, alpha), prepend=0.0)
    bounds = [float(stats.norm.isf(increments[0]))]
    steps = np.sqrt(1 - fraction[:-1] / fraction[1:])
    z, weights = _nodes(bounds[0], steps[0] if len(steps) else 1.0)
    # weighted density of z at the nodes, for studies not stopped at an earlier analysis
    mass = weights * stats.norm.pdf(z)
    for look in range(1, len(fraction)):
        rho, step = float(np.sqrt(fraction[look - 1] / fraction[look])), float(steps[look - 1])

        def excess(
            bound: float,
            z: np.ndarray = z,
            mass: np.ndarray = mass,
            rho: float = rho,
            step: float = step,
            look: int = look,
        ) -> float:
            return float(mass @ special.ndtr((rho * z - bound) / step)) - increments[look]

        bounds.append(float(optimize.brentq(excess, -FARTHEST, 40.0, xtol=1e-12)))
        if look + 1 < len(fraction):
            later, weights = _nodes(bounds[-1], min(step, float(steps[look])))
            mass = weights * (stats.norm.pdf((later[:, None] - rho * z) / step) @ mass) / step
            z = later
    return stats.norm.sf(bounds)


def _nodes(bound: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [-`FARTHEST`, bound].

    They integrate products with a normal density over z scores, in the recursion over
    analyses by Armitage, McPherson & Rowe (1969, J R Stat Soc A 132:235).

    Parameters
    ----------
    bound
        Upper limit of the integral; cut at `FARTHEST`.
    step
        SD of the normal density. The smaller it is, the more nodes there are.
    """
    top = min(bound, FARTHEST)
    x, weights = _gauss(max(96, int(12 * (top + FARTHEST) / (2 * step))))
    half = (top + FARTHEST) / 2
    return half * (x + 1) - FARTHEST, half * weights


@cache
def _gauss(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [-1, 1]."""
    return np.polynomial.legendre.leggauss(count)


@cache
def _levels_by_alpha(seeds: tuple[int, ...], spending: Spending) -> np.ndarray:
    """Nominal level (alpha, analysis) for each of `ALPHAS`, growing with alpha."""
    found = np.array([nominal_levels(seeds, spending, alpha) for alpha in ALPHAS])
    return np.minimum.accumulate(found[::-1])[::-1]
