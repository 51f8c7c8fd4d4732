"""Tests of effect <= m range and effect > m range, for a population of sessions or for these recordings only.

Nothing is divided by a noisy range: every claim about a ratio is a test of q = effect - m range, and the
printed interval is the set of m that no one-sided test rejects (Fieller 1954, J R Stat Soc B 16:175).

Over a population the test is a t over sessions whose bound skew can only raise: where the sample's skew leans so that a
plain t claims too often, Johnson's first-order term is added to its bound (`skew_guard`). The calibration showed the
need: plain t tests of D in a one-neuron code made false `<= m` claims in .083 of studies, and plain t tests of delta in a redundant
code false `> m` claims in .128 (docs/science.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.rules.interim_analyses import ALPHA, Look
from invariance_probe.study.session import scope_of


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
    look
        At which of several looks at the seeds this is judged; None where there is one. Every p value is then the repeated one,
        and every interval of the look's level.
    """

    effects: tuple[Effect, ...]
    subjects: tuple[str, ...]
    look: Look | None = None

    @property
    def single(self) -> "Sample":
        """The same, judged as if this were the only look: for what may only take a verdict away."""
        return replace(self, look=None)

    @property
    def complete(self) -> bool:
        """Whether there is a session, and no run is missing."""
        return bool(self.effects) and all(effect.complete for effect in self.effects)

    @property
    def scope(self) -> str:
        """What the claims are about: `population of subjects`, `population of sessions` or `these recordings`."""
        return scope_of(self.subjects)

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
        """Return the 90 % interval of the ratio, over all looks together; an end is infinite where the data do not bound it."""
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
        if self.scope != "these recordings":
            p = float(tail_over_units(self._units(margin), upper))
        else:
            p = float(
                tail(*fixed_sessions([effect.minus(margin) for effect in self.effects]), upper)
            )
        return p if self.look is None else self.look.repeated(p)

    def _units(self, margin: float) -> np.ndarray:
        """Return q of every unit of replication; the plain effect for an infinite margin."""
        values = [
            e.values.mean() if math.isinf(margin) else e.minus(margin).mean() for e in self.effects
        ]
        return self._averaged(values)

    def _ranges(self) -> np.ndarray:
        return self._averaged([effect.range.mean() for effect in self.effects])

    def _averaged(self, values: Sequence[float]) -> np.ndarray:
        if len(set(self.subjects)) == 1 or self.scope == "these recordings":
            return np.array(values)
        named = sorted(set(self.subjects))
        return np.array(
            [
                np.mean([v for v, s in zip(values, self.subjects, strict=True) if s == name])
                for name in named
            ]
        )

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
                        excess,
                        *sorted(
                            (start + side * step / 2 if step > 1e-3 else start, start + side * step)
                        ),
                        xtol=1e-12,
                    )
                )
            step *= 2
        return side * math.inf


def tail(
    mean: ArrayLike, error: ArrayLike, df: ArrayLike, upper: bool, guard: ArrayLike = 0.0
) -> np.ndarray:
    """Return the one-sided p value of t = mean / error, elementwise; without spread a mean on the claimed side has p = 0.

    A `guard` makes the claim harder: it moves t away from it.
    """
    mean, error = np.asarray(mean), np.asarray(error)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / error
    certain = np.where(mean > 0 if upper else mean < 0, 0.0, 1.0)
    p = stats.t.sf(t - guard, df) if upper else stats.t.cdf(t + guard, df)
    return np.where((error == 0) | ~np.isfinite(error), certain, p)


def tail_over_units(q: np.ndarray, upper: bool) -> np.ndarray:
    """Return the p value of a claim about the mean of q (..., unit): a t over the units, guarded against their skew."""
    count = q.shape[-1]
    mean, error = q.mean(axis=-1), q.std(axis=-1, ddof=1) / math.sqrt(count)
    return tail(mean, error, count - 1, upper, skew_guard(q)[upper])


def skew_guard(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much the skew of samples raises the t bound of a claim `<= m`, and of a claim `> m`; never below 0.

    With skewness g of n values, t has about the distribution of a t plus g (2 t^2 + 1) / (6 sqrt n) (Johnson 1978, J Am Stat Assoc
    73:536). The term is taken at the bound of `ALPHA`, so that the test stays monotone, and only where it makes a claim harder: a
    skew that is estimated from a few sessions is too uncertain to make one easier.

    Parameters
    ----------
    units
        q of the units of replication (..., unit), at least 3.
    """
    n = units.shape[-1]
    centred = units - units.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1)
    biased = np.divide(
        (centred**3).mean(axis=-1), variance**1.5, out=np.zeros_like(variance), where=variance > 0
    )
    skew = biased * math.sqrt(n * (n - 1)) / (n - 2)
    bound = stats.t.ppf(1 - ALPHA, n - 1)
    term = skew * (2 * bound**2 + 1) / (6 * math.sqrt(n))
    return np.maximum(term, 0.0), np.maximum(-term, 0.0)


def fixed_sessions(cells: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Return mean, standard error and Satterthwaite degrees of freedom for sessions that stand for themselves.

    Seeds and test blocks are crossed and both random: V_s = s2_seed / K + s2_block / B, and V = sum V_s / S^2
    (Satterthwaite 1946, Biometrics Bulletin 2:110).

    Parameters
    ----------
    cells
        q of every session (seed, block); one seed means no variance between seeds.
    """
    parts = np.array([two_way(cell.mean(axis=1), cell.mean(axis=0)) for cell in cells])
    error, df = satterthwaite(parts[:, 0], parts[:, 1])
    return float(np.mean([cell.mean() for cell in cells])), float(error), float(df)


def two_way(seed_means: np.ndarray, block_means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return V_s and what its degrees of freedom need, from means over blocks (..., seed) and over seeds (..., block)."""
    variance = spread = np.zeros(seed_means.shape[:-1])
    for means in (seed_means, block_means):
        count = means.shape[-1]
        if count > 1:
            part = means.var(axis=-1, ddof=1) / count
            variance = variance + part
            spread = spread + part**2 / (count - 1)
    return variance, spread


def satterthwaite(variance: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return standard error and degrees of freedom of the mean over fixed sessions, from their `two_way` (..., session)."""
    total, below = variance.sum(axis=-1), spread.sum(axis=-1)
    df = np.divide(total**2, below, out=np.ones_like(total), where=below > 0)
    return np.sqrt(total) / variance.shape[-1], df
