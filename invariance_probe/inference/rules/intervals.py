"""Tests and intervals of a ratio effect / range, without a division by range.

In: the effect and the decodable range of each session (`Effect`). Out: p values of the
claims `effect <= margin * range` and `effect > margin * range`, and 90 % intervals of
the ratio, either for a population of sessions or for these recordings only. No verdict
is chosen here.

A range that is estimated with noise is never used as a divisor. Every claim about a
ratio is a test of q = effect - margin * range, and the reported interval is the set of
margins that no one-sided test rejects (Fieller 1954, J R Stat Soc B 16:175).

The units of replication are sessions, or subjects if there are several. For a
population, q is tested by a t test over these units. If the skew of the sample would
make a plain t test claim too often, Johnson's first-order term is added to the critical
value (`skew_guard`), which can only make a claim harder. The calibration showed that
this is needed: plain t tests of D in a one-neuron code made false `<= m` claims in .083
of studies, and plain t tests of delta in a redundant code made false `> m` claims in
.128 (docs/science.md).

With fewer than four units of replication, claims are about these recordings only. The
sessions are then fixed, and the variance is that between seeds and between test blocks
within sessions (`fixed_sessions`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.rules.interim_analyses import ALPHA, InterimAnalysis
from invariance_probe.study.session import THESE_RECORDINGS, scope_of


def p_in_words(p: float) -> str:
    """Format a p value for a sentence, such as `p = 0.012`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


@dataclass(frozen=True, eq=False)
class Sample:
    """One estimand measured in several sessions.

    Attributes
    ----------
    effects
        Effect and range of each session.
    subjects
        Subject of each session. If there are several and claims are about the
        population, sessions are first averaged within each subject.
    look
        The interim analysis at which the sample is judged; None if there is only one
        analysis. With an interim analysis, every p value is the repeated one, and every
        interval has the level of that analysis.
    """

    effects: tuple[Effect, ...]
    subjects: tuple[str, ...]
    look: InterimAnalysis | None = None

    @property
    def single(self) -> "Sample":
        """The same sample, judged as if this were the only analysis.

        Checks use it whose failure can only take a verdict away. They need no
        correction for repeated analyses.
        """
        return replace(self, look=None)

    @property
    def complete(self) -> bool:
        """Whether there is at least one session and no run is missing."""
        return bool(self.effects) and all(effect.complete for effect in self.effects)

    @property
    def scope(self) -> str:
        """What the claims are about.

        It is `population of subjects`, `population of sessions` or `these recordings`.
        """
        return scope_of(self.subjects)

    @property
    def estimate(self) -> float:
        """Ratio of the mean effect to the mean range."""
        return float(self._replicates(math.inf).mean() / self._ranges().mean())

    def p_at_most(self, margin: float) -> float:
        """P value of the test for `effect <= margin * range`; small if it is shown.

        The null hypothesis is that the effect is larger.
        """
        return self._tail(margin, upper=False)

    def p_more_than(self, margin: float) -> float:
        """P value of the test for `effect > margin * range`; small if it is shown.

        The null hypothesis is that the effect is at most this large.
        """
        return self._tail(margin, upper=True)

    def interval(self) -> tuple[float, float]:
        """90 % interval (low, high) of the ratio; infinite where it is unbounded.

        At an interim analysis it is wider, so that it holds over all analyses together.
        """
        return self._end(-1.0), self._end(1.0)

    def skew(self) -> float:
        """Skewness of the effects over sessions or subjects; 0 if fewer than three."""
        values = self._replicates(math.inf)
        return float(stats.skew(values)) if len(values) >= 3 and np.ptp(values) > 0 else 0.0

    def sign_flip(self, margin: float) -> float:
        """Exact sign-flip p value of the claim `effect <= margin * range`.

        With S sessions (or subjects) it is at least 2^-S. It is NaN with more than 16,
        for which it is not computed.
        """
        values = self._replicates(margin)
        if len(values) > 16:
            return math.nan
        flipped = np.array(list(product((1, -1), repeat=len(values)))) @ np.abs(values)
        # with the tolerance, the observed signs themselves are counted despite rounding
        return float((flipped <= values.sum() + 1e-12).mean())

    def _tail(self, margin: float, upper: bool) -> float:
        """P value of the test for a ratio above or below a margin.

        Parameters
        ----------
        margin
            The margin.
        upper
            True for the claim that the ratio is above the margin, False for the claim
            that it is at most the margin.
        """
        if self.scope != THESE_RECORDINGS:
            p = float(tail_over_replicates(self._replicates(margin), upper))
        else:
            p = float(
                tail(*fixed_sessions([effect.minus(margin) for effect in self.effects]), upper)
            )
        return p if self.look is None else self.look.repeated(p)

    def _replicates(self, margin: float) -> np.ndarray:
        """Return q = effect - margin * range for each session or subject.

        For an infinite margin it returns the effects themselves.
        """
        values = [
            e.values.mean() if math.isinf(margin) else e.minus(margin).mean() for e in self.effects
        ]
        return self._averaged(values)

    def _ranges(self) -> np.ndarray:
        """Return the mean range of each session or subject."""
        return self._averaged([effect.range.mean() for effect in self.effects])

    def _averaged(self, values: Sequence[float]) -> np.ndarray:
        """Average sessions within subjects, if claims are about several subjects.

        Otherwise the values stay as they are, one per session.
        """
        if len(set(self.subjects)) == 1 or self.scope == THESE_RECORDINGS:
            return np.array(values)
        named = sorted(set(self.subjects))
        return np.array(
            [
                np.mean([v for v, s in zip(values, self.subjects, strict=True) if s == name])
                for name in named
            ]
        )

    def _end(self, side: float) -> float:
        """Find one end of the interval: the margin from which a claim is shown.

        The search moves away from the estimate in doubling steps until the claim is
        shown, and then solves for the margin at which p is `ALPHA`.

        Parameters
        ----------
        side
            1 for the upper end, -1 for the lower end.
        """

        def excess(margin: float) -> float:
            return (self.p_at_most(margin) if side > 0 else self.p_more_than(margin)) - ALPHA

        start, step = self.estimate, 1e-3
        if excess(start) < 0:  # the values do not vary, so the end is the estimate itself
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
    """One-sided p value of t = mean / error, elementwise.

    Parameters
    ----------
    mean, error, df
        Mean, standard error and degrees of freedom; arrays that broadcast.
    upper
        True for the claim that the mean is above 0, False for the claim that it is
        below 0.
    guard
        Added to the critical value of t, so that the claim becomes harder.

    Returns
    -------
    p values
        Where the standard error is 0 or not finite, p is 0 if the mean is on the
        claimed side of 0, and otherwise 1.
    """
    mean, error = np.asarray(mean), np.asarray(error)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / error
    certain = np.where(mean > 0 if upper else mean < 0, 0.0, 1.0)
    # faster than `stats.t`, which checks its arguments at every call
    p = special.stdtr(df, guard - t if upper else t + guard)
    return np.where((error == 0) | ~np.isfinite(error), certain, p)


def tail_over_replicates(q: np.ndarray, upper: bool) -> np.ndarray:
    """P value of a claim about the mean of q: a t test guarded against skew.

    Parameters
    ----------
    q
        (..., replicate) effect - margin * range of at least three units of replication,
        which are sessions or subjects.
    upper
        True for the claim that the mean is above 0, False for the claim that it is
        below 0.

    Returns
    -------
    (...)
        One-sided p values.
    """
    mean, error, df, guard = _guarded(q)
    return tail(mean, error, df, upper, guard[upper])


def tails_over_replicates(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P values of both claims about the mean of q: below 0, and above 0.

    Parameters
    ----------
    q
        (..., replicate) effect - margin * range of at least three sessions or subjects.

    Returns
    -------
    below, above
        (...) one-sided p values, equal to those of `tail_over_replicates`.
    """
    mean, error, df, guard = _guarded(q)
    return tail(mean, error, df, False, guard[False]), tail(mean, error, df, True, guard[True])


def _guarded(
    q: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, int, tuple[np.ndarray, np.ndarray]]:
    """Return mean of q, standard error, degrees of freedom, and skew guards."""
    count = q.shape[-1]
    mean, error = q.mean(axis=-1), q.std(axis=-1, ddof=1) / math.sqrt(count)
    return mean, error, count - 1, skew_guard(q)


def skew_guard(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much the skew of a sample raises the critical value of t; at least 0.

    With skewness g of n values, t is distributed approximately as a t variable plus g
    (2 t^2 + 1) / (6 sqrt n) (Johnson 1978, J Am Stat Assoc 73:536). The term is
    computed at the critical value for `ALPHA`, so that p stays monotone in the margin.
    It is used only where it makes a claim harder: a skew that is estimated from a few
    sessions is too uncertain to make a claim easier.

    Parameters
    ----------
    q
        (..., replicate) q = effect - margin * range of at least three sessions or subjects.

    Returns
    -------
    at_most, more_than
        (...) increase of the critical value for the claims `<= m` and `> m`.
    """
    n = q.shape[-1]
    centred = q - q.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1)
    biased = np.divide(
        (centred**3).mean(axis=-1), variance**1.5, out=np.zeros_like(variance), where=variance > 0
    )
    skew = biased * math.sqrt(n * (n - 1)) / (n - 2)
    bound = special.stdtrit(n - 1, 1 - ALPHA)
    term = skew * (2 * bound**2 + 1) / (6 * math.sqrt(n))
    return np.maximum(term, 0.0), np.maximum(-term, 0.0)


def fixed_sessions(cells: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Mean of q, its standard error and degrees of freedom over fixed sessions.

    The sessions are not a sample of a population, so only seeds and test blocks are
    random. They are crossed: the variance of a session's mean is V_s = s2_seed / K +
    s2_block / B, for K seeds and B blocks, and that of the mean over S sessions is V =
    sum V_s / S^2. The degrees of freedom are Satterthwaite's (1946, Biometrics Bulletin
    2:110).

    Parameters
    ----------
    cells
        q = effect - margin * range of each session, (seed, block). With one seed, no
        variance between seeds is counted.

    Returns
    -------
    mean, error, df
        Mean of q over sessions, its standard error, and its degrees of freedom.
    """
    parts = np.array([two_way(cell.mean(axis=1), cell.mean(axis=0)) for cell in cells])
    error, df = satterthwaite(parts[:, 0], parts[:, 1])
    return float(np.mean([cell.mean() for cell in cells])), float(error), float(df)


def two_way(seed_means: np.ndarray, block_means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sampling variance of a session's mean loss, taken over seeds and test blocks.

    Parameters
    ----------
    seed_means
        (..., seed) means over blocks.
    block_means
        (..., block) means over seeds.

    Returns
    -------
    variance
        (...) V_s = s2_seed / K + s2_block / B, where s2_seed is the sample variance of
        the K seed means and s2_block that of the B block means.
    spread
        (...) (s2_seed / K)^2 / (K - 1) + (s2_block / B)^2 / (B - 1): the denominator of
        Satterthwaite's degrees of freedom (`satterthwaite`).
    """
    variance = spread = np.zeros(seed_means.shape[:-1])
    for means in (seed_means, block_means):
        count = means.shape[-1]
        if count > 1:
            part = means.var(axis=-1, ddof=1) / count
            variance = variance + part
            spread = spread + part**2 / (count - 1)
    return variance, spread


def satterthwaite(variance: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard error and degrees of freedom of the mean over fixed sessions.

    Parameters
    ----------
    variance, spread
        (..., session) as returned by `two_way`.

    Returns
    -------
    error, df
        (...) standard error, and Satterthwaite's degrees of freedom.
    """
    total, below = variance.sum(axis=-1), spread.sum(axis=-1)
    df = np.divide(total**2, below, out=np.ones_like(total), where=below > 0)
    return np.sqrt(total) / variance.shape[-1], df
