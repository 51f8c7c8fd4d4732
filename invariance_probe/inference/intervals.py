"""Tests of effect <= m range and effect > m range, for a population of sessions or for these recordings only.

Nothing is divided by a noisy range: every claim about a ratio is a test of q = effect - m range, and the
printed interval is the set of m that no one-sided test rejects (Fieller 1954, J R Stat Soc B 16:175).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import optimize, stats

from invariance_probe.inference.estimands import Effect

ALPHA = 0.05
"""Level of every one-sided claim."""
POPULATION = 4
"""Fewest sessions (or subjects) from which a population is inferred."""


def p_in_words(p: float) -> str:
    """Write a p value as it stands in a sentence."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


@dataclass(frozen=True, eq=False)
class Sample:
    """The same estimand in several sessions.

    Attributes
    ----------
    effects
        One a session.
    subjects
        Subject of every session; several subjects are averaged within themselves first.
    """

    effects: tuple[Effect, ...]
    subjects: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether there is a session, and no run is missing."""
        return bool(self.effects) and all(effect.complete for effect in self.effects)

    @property
    def scope(self) -> str:
        """What the claims are about: `population of subjects`, `population of sessions` or `these recordings`."""
        several = len(set(self.subjects)) > 1
        units = len(set(self.subjects)) if several else len(self.effects)
        return "these recordings" if units < POPULATION else f"population of {'subjects' if several else 'sessions'}"

    @property
    def estimate(self) -> float:
        """The ratio of the mean effect to the mean range."""
        return float(self._units(math.inf).mean() / self._ranges().mean())

    def p_at_most(self, margin: float) -> float:
        """Return the p value of the claim `effect <= margin range`: small where it is shown."""
        return self._tail(margin, upper=False)

    def p_more_than(self, margin: float) -> float:
        """Return the p value of the claim `effect > margin range`: small where it is shown."""
        return self._tail(margin, upper=True)

    def interval(self) -> tuple[float, float]:
        """Return the 90 % interval of the ratio; an end is infinite where the data do not bound it."""
        return self._end(-1.0), self._end(1.0)

    def skew(self) -> float:
        """Return the skewness of the sessions' effects; 0 with fewer than three."""
        units = self._units(math.inf)
        return float(stats.skew(units)) if len(units) >= 3 and np.ptp(units) > 0 else 0.0

    def sign_flip(self, margin: float) -> float:
        """Return the exact sign-flip p value of `effect <= margin range`, at least 2^-S; NaN above 16 units."""
        units = self._units(margin)
        if len(units) > 16:
            return math.nan
        flipped = np.array(list(product((1, -1), repeat=len(units)))) @ np.abs(units)
        return float((flipped <= units.sum() + 1e-12).mean())

    def _tail(self, margin: float, upper: bool) -> float:
        mean, error, df = self._moments(margin)
        if error == 0 or not math.isfinite(error):
            return 0.0 if (mean > 0) == upper and mean != 0 else 1.0
        t = mean / error
        return float(stats.t.sf(t, df) if upper else stats.t.cdf(t, df))

    def _moments(self, margin: float) -> tuple[float, float, float]:
        """Return mean, standard error and degrees of freedom of q."""
        if self.scope == "these recordings":
            return fixed_sessions([effect.minus(margin) for effect in self.effects])
        units = self._units(margin)
        return float(units.mean()), float(units.std(ddof=1) / math.sqrt(len(units))), len(units) - 1

    def _units(self, margin: float) -> np.ndarray:
        """Return q of every unit of replication; the plain effect for an infinite margin."""
        values = [e.values.mean() if math.isinf(margin) else e.minus(margin).mean() for e in self.effects]
        return self._averaged(values)

    def _ranges(self) -> np.ndarray:
        return self._averaged([effect.range.mean() for effect in self.effects])

    def _averaged(self, values: Sequence[float]) -> np.ndarray:
        if len(set(self.subjects)) == 1 or self.scope == "these recordings":
            return np.array(values)
        named = sorted(set(self.subjects))
        return np.array([np.mean([v for v, s in zip(values, self.subjects, strict=True) if s == name]) for name in named])

    def _end(self, side: float) -> float:
        """Find where the claim on one side turns from shown to not shown, walking away from the estimate."""

        def excess(margin: float) -> float:
            return (self.p_at_most(margin) if side > 0 else self.p_more_than(margin)) - ALPHA

        start, step = self.estimate, 1e-3
        if excess(start) < 0:  # no spread at all
            return start
        while step < 1e3:
            if excess(start + side * step) < 0:
                return float(
                    optimize.brentq(
                        excess, *sorted((start + side * step / 2 if step > 1e-3 else start, start + side * step)), xtol=1e-9
                    )
                )
            step *= 2
        return side * math.inf


def fixed_sessions(cells: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Return mean, standard error and Satterthwaite degrees of freedom for sessions that stand for themselves.

    Seeds and test blocks are crossed and both random: V_s = s2_seed / K + s2_block / B, and V = sum V_s / S^2
    (Satterthwaite 1946, Biometrics Bulletin 2:110).

    Parameters
    ----------
    cells
        q of every session (seed, block); one seed means no variance between seeds.
    """
    mean = float(np.mean([cell.mean() for cell in cells]))
    variance, spread = 0.0, 0.0
    for cell in cells:
        for count, means in ((cell.shape[0], cell.mean(axis=1)), (cell.shape[1], cell.mean(axis=0))):
            if count > 1:
                part = float(means.var(ddof=1)) / count
                variance += part
                spread += part**2 / (count - 1)
    df = variance**2 / spread if spread > 0 else 1.0
    return mean, math.sqrt(variance) / len(cells), df
