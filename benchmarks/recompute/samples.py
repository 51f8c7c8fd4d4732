"""Claims about an effect over sessions: p values and intervals (science.md 4)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

ALPHA = 0.05
POPULATION = 4
"""Fewest sessions, or subjects, from which a population is inferred."""


@dataclass(frozen=True, eq=False)
class Sample:
    """An effect and its range in every session, each an array (seed, block), and the subjects."""

    effects: Sequence[np.ndarray]
    ranges: Sequence[np.ndarray]
    subjects: Sequence[str]

    @property
    def complete(self) -> bool:
        """Whether there is a session and nothing is missing."""
        return bool(self.effects) and all(
            e.size and np.isfinite(e).all() and np.isfinite(r).all()
            for e, r in zip(self.effects, self.ranges, strict=True)
        )

    @property
    def fixed(self) -> bool:
        """Whether a claim is about these recordings only."""
        return scope(self.subjects) == "these recordings"

    def by_unit(self, values: Sequence[float]) -> np.ndarray:
        """Averages within subjects, where subjects are what is counted; else the values."""
        if self.fixed or len(set(self.subjects)) == 1:
            return np.array(values)
        return pd.Series(values).groupby(list(self.subjects)).mean().to_numpy()

    @property
    def estimate(self) -> float:
        """Mean effect over mean range."""
        effect, scale = (
            self.by_unit([part.mean() for part in parts]).mean()
            for parts in (self.effects, self.ranges)
        )
        return float(effect / scale)

    @property
    def skew(self) -> float:
        """Skewness of the effects over units; 0 with fewer than three."""
        units = self.by_unit([e.mean() for e in self.effects])
        return float(stats.skew(units)) if len(units) > 2 and np.ptp(units) > 0 else 0.0

    def p(self, margin: float, more: bool) -> float:
        """The p value of `effect > margin range`, or of `effect <= margin range`."""
        q = [e - margin * r for e, r in zip(self.effects, self.ranges, strict=True)]
        mean, error, df, guard = (
            over_fixed_sessions(q)
            if self.fixed
            else _over_units(self.by_unit([one.mean() for one in q]))
        )
        if error == 0 or not math.isfinite(error):
            return 0.0 if (mean > 0 if more else mean < 0) else 1.0
        t = (mean if more else -mean) / error
        return float(special.stdtr(df, max(0.0, -guard if more else guard) - t))

    def at_most(self, margin: float) -> float:
        """The p value of the claim `<= margin`."""
        return self.p(margin, more=False)

    def more_than(self, margin: float) -> float:
        """The p value of the claim `> margin`."""
        return self.p(margin, more=True)

    @cached_property
    def quantity(self) -> tuple[float, float, float]:
        """Estimate with a 90 % interval (Fieller).

        The interval holds the margins at which neither one-sided test rejects.
        """
        return self.estimate, self._end(more=True), self._end(more=False)

    def _end(self, more: bool) -> float:
        """End of the interval: the margin at which the test just rejects.

        The search walks away from the estimate in small steps until the test rejects,
        and then finds the place.
        """
        side, start = (-1 if more else 1), self.estimate

        def above(distance: float) -> float:
            return self.p(start + side * distance, more) - ALPHA

        if above(0.0) < 0:
            return start
        near = 0.0
        for far in np.geomspace(1e-5, 500.0, 120):
            if above(far) < 0:
                return start + side * float(
                    optimize.brentq(above, near, far, xtol=1e-15, rtol=1e-14)
                )
            near = far
        return side * math.inf


def _over_units(q: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, SE, df and Johnson's term for skew (1978, doi:10.1080/01621459.1978.10480051)."""
    n = len(q)
    error = float(q.std(ddof=1)) / math.sqrt(n)
    apart = q - q.mean()
    skew = (
        n / ((n - 1) * (n - 2)) * float(((apart / q.std(ddof=1)) ** 3).sum())
        if np.ptp(q) > 0
        else 0.0
    )
    bound = special.stdtrit(n - 1, 1 - ALPHA)
    return float(q.mean()), error, n - 1, skew * (2 * bound**2 + 1) / (6 * math.sqrt(n))


def over_fixed_sessions(cells: Sequence[np.ndarray]) -> tuple[float, float, float, float]:
    """Mean over fixed sessions with V_s = s2_seed / K + s2_block / B, and Satterthwaite's df."""
    parts = [
        (means.var(ddof=1) / len(means), len(means) - 1)
        for q in cells
        for means in (q.mean(1), q.mean(0))
        if len(means) > 1
    ]
    total, below = sum(v for v, _ in parts), sum(v**2 / df for v, df in parts)
    error = math.sqrt(total) / len(cells)
    return (
        float(np.mean([q.mean() for q in cells])),
        error,
        total**2 / below if below > 0 else 1.0,
        0.0,
    )


def scope(subjects: Sequence[str]) -> str:
    """What claims are about: subjects where there are several, else the sessions of one."""
    several = len(set(subjects)) > 1
    count = len(set(subjects)) if several else len(subjects)
    return (
        "these recordings"
        if count < POPULATION
        else f"population of {'subjects' if several else 'sessions'}"
    )


def holm_levels(p_values: Mapping[str, float]) -> dict[str, float]:
    """The level of each member: alpha / n, alpha / (n - 1), ... down to the first not shown."""
    levels, level, n = {}, ALPHA / max(1, len(p_values)), len(p_values)
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__), start=1):
        levels[name] = level
        level = ALPHA / (n - rank) if p_values[name] <= level and rank < n else level
    return levels


def adjusted(p_values: Mapping[str, float], holm: bool) -> dict[str, float]:
    """P values adjusted by Holm (1979), or by Benjamini & Hochberg (1995)."""
    names, n = sorted(p_values, key=p_values.__getitem__), len(p_values)
    raw = np.array([p_values[name] for name in names])
    if holm:
        found = np.maximum.accumulate(raw * np.arange(n, 0, -1)) if n else raw
    else:
        found = np.minimum.accumulate((raw * n / np.arange(1, n + 1))[::-1])[::-1] if n else raw
    return dict(zip(names, np.minimum(found, 1.0).tolist(), strict=True))
