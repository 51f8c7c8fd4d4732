"""Looks at a growing number of seeds: at which level a claim is judged at each, so that all looks together keep alpha.

In go the seeds at every look and a spending function; out comes, for every look, the nominal one-sided level, and the repeated p value
(Jennison & Turnbull 1989, J R Stat Soc B 51:305): the smallest alpha at which the claim would be made at this look. A claim is shown where
its repeated p value is at most alpha, and that holds under any rule that says when to stop.

The levels are those of independent increments with the seeds as information (docs/adaptive.md says why that is safe here). Nothing is
tested here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize, special, stats

from invariance_probe.study.training import Spending, Training

ALPHA = 0.05
"""Level of every one-sided claim."""
ALPHAS = np.unique(np.append(np.logspace(-8, np.log10(0.5), 90), ALPHA))
"""Alphas at which boundaries are computed; between them repeated p values are interpolated, and above the last they are 1."""
FARTHEST = 9.0
"""Beyond so many standard errors nothing is integrated."""


@dataclass(frozen=True)
class Look:
    """One look at the claims of a study.

    Attributes
    ----------
    number
        From 1.
    seeds
        Seeds of every session that are looked at.
    planned
        Seeds at every look of the study, ascending.
    spending
        How alpha is spent over them.
    """

    number: int
    seeds: int
    planned: tuple[int, ...]
    spending: Spending

    @property
    def last(self) -> bool:
        """Whether there are no more seeds to look at."""
        return self.number == len(self.planned)

    @property
    def level(self) -> float:
        """The nominal one-sided level of every claim at this look."""
        return float(self._levels[np.searchsorted(ALPHAS, ALPHA)])

    def repeated(self, p: float) -> float:
        """Return the repeated p value of a nominal one, in (0, 1]: at most alpha exactly where `p` is at most the level of alpha."""
        if p > self._levels[-1]:
            return 1.0
        with np.errstate(divide="ignore"):
            return float(np.exp(np.interp(np.log(p), np.log(self._levels), np.log(ALPHAS))))

    @property
    def _levels(self) -> np.ndarray:
        return _levels_by_alpha(self.planned, self.spending)[:, self.number - 1]


def looks_of(training: Training) -> tuple[Look, ...]:
    """Return the declared looks of a study, ascending; none where its number of seeds is fixed."""
    adaptive = training.adaptive
    if adaptive is None:
        return ()
    return tuple(
        Look(i, seeds, adaptive.looks, adaptive.spending)
        for i, seeds in enumerate(adaptive.looks, start=1)
    )


def spent(spending: Spending, fraction: np.ndarray, alpha: float) -> np.ndarray:
    """Return how much of alpha is spent when a fraction of the information is there (Lan & DeMets 1983, Biometrika 70:659).

    `obrien_fleming`: 2 - 2 Phi(z_(alpha / 2) / sqrt(t)), almost nothing early; `pocock`: alpha log(1 + (e - 1) t).
    """
    if spending == "pocock":
        return alpha * np.log1p((math.e - 1) * fraction)
    return 2 * stats.norm.sf(stats.norm.isf(alpha / 2) / np.sqrt(fraction))


def nominal_levels(seeds: Sequence[int], spending: Spending, alpha: float) -> np.ndarray:
    """Return the one-sided level of every look (look,), so that a true null is rejected at any of them with probability alpha.

    Parameters
    ----------
    seeds
        Seeds at every look, ascending; they are the information.
    spending
        How alpha is spent.
    alpha
        In (0, .5].
    """
    fraction = np.asarray(seeds, float) / seeds[-1]
    increments = np.diff(spent(spending, fraction, alpha), prepend=0.0)
    bounds = [float(stats.norm.isf(increments[0]))]
    steps = np.sqrt(1 - fraction[:-1] / fraction[1:])
    z, weights = _nodes(bounds[0], steps[0] if len(steps) else 1.0)
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
    """Return Gauss-Legendre nodes and weights below a bound, close enough for a normal kernel whose SD is `step`.

    The recursion over looks is that of Armitage, McPherson & Rowe (1969, J R Stat Soc A 132:235).
    """
    top = min(bound, FARTHEST)
    x, weights = _gauss(max(96, int(12 * (top + FARTHEST) / (2 * step))))
    half = (top + FARTHEST) / 2
    return half * (x + 1) - FARTHEST, half * weights


@cache
def _gauss(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(count)


@cache
def _levels_by_alpha(seeds: tuple[int, ...], spending: Spending) -> np.ndarray:
    """Return the levels (alpha, look) at every one of `ALPHAS`, made to grow with alpha."""
    found = np.array([nominal_levels(seeds, spending, alpha) for alpha in ALPHAS])
    return np.minimum.accumulate(found[::-1])[::-1]
