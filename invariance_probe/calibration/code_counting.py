"""Count what studies say about how many units carry a target.

Thousands of studies are drawn from a bank, that is, from all sessions measured for one
simulated code. Each study is judged by the rules of `inference`: t tests over sessions
on the logarithm of K_s / N, K_n / N, carriers / N (carriers = K_s + K_n, N units) and
redundancy, guarded against skew. The verdict of a study is one of the words `few`,
`between`, `spread` and `undecided`, to which `redundant` may be added.

In: these logarithms for each session of a bank, and for long recordings of some of the
same codes. Out: fractions of studies that say a word, or whose interval holds the true
value; and means over long recordings, which serve as the truth.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from invariance_probe.calibration.counting import BOOTSTRAPS, STUDIES, BoundedRate, bound, draw
from invariance_probe.inference.hypotheses.code import CLEAR, REDUNDANT
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.many_studies import p_over_replicates

SHARE = 0.25
"""Fraction of the units up to which carriers count as few."""
WORDS = ("few", "between", "spread", "undecided")
"""The words a study can say about the number of units that carry the target."""
QUANTITIES = ("K_s", "K_n", "carriers", "redundancy")
"""The quantities that are tested, on a logarithmic scale."""
AT_HALF_J = ("K_s at half of J", "K_n at half of J", "carriers at half of J")
"""The same numbers of units for half of J = R2 / (1 - R2), not half of R2."""

Logs = Mapping[str, np.ndarray]
"""Logarithm of each quantity in each session (session,), by name.

K_s, K_n and carriers are divided by the number of units before the logarithm is taken.
"""


def shown(values: np.ndarray, studies: np.ndarray, bound: float) -> tuple[np.ndarray, np.ndarray]:
    """Test in each study whether a quantity's mean lies below or above a bound.

    Parameters
    ----------
    values
        The quantity in every session of the bank (session,).
    studies
        Indices of the sessions that each study consists of (study, session).
    bound
        The bound, on the scale of the values.

    Returns
    -------
    at_most, more
        Boolean (study,) each: whether the study shows a mean of at most the bound, and
        whether it shows a larger one.
    """
    at_most, more = p_over_replicates(values[studies] - bound)
    return at_most <= ALPHA, more <= ALPHA


def unit_count_words(logs: Logs, studies: np.ndarray) -> np.ndarray:
    """Decide what each study says about the number of units.

    Parameters
    ----------
    logs
        The bank's quantities.
    studies
        Indices of the sessions that each study consists of (study, session).

    Returns
    -------
    words
        One of `WORDS` per study (study,).
    """
    few, not_few = shown(logs["carriers"], studies, np.log(SHARE / CLEAR))
    not_spread, spread = shown(logs["K_n"], studies, np.log(SHARE * CLEAR))
    found = np.full(len(studies), "undecided", dtype=object)
    found[not_few & not_spread] = "between"
    found[spread] = "spread"
    found[few] = "few"
    return found


def redundant(logs: Logs, studies: np.ndarray) -> np.ndarray:
    """Decide for which studies `redundant` is added to the verdict word.

    Parameters
    ----------
    logs
        The bank's quantities (logarithms of K_s / N, K_n / N, carriers / N and
        redundancy), by name.
    studies
        Indices of the sessions that each study consists of (study, session).

    Returns
    -------
    redundant
        Whether it is added, for each study (study,), boolean.
    """
    return shown(logs["redundancy"], studies, np.log(REDUNDANT))[1]


def wrong_words(truth: Mapping[str, float]) -> tuple[str, ...]:
    """Words that would be wrong about a code, given its long recordings.

    Parameters
    ----------
    truth
        `K_n` and `carriers` in long recordings, as fractions of the units.

    Returns
    -------
    words
        `few`, `spread`, both or neither.
    """
    few = ("few",) if truth["carriers"] >= SHARE else ()
    return (*few, "spread") if truth["K_n"] <= SHARE else few


def said_of(logs: Logs, distinct: Logs, studies: np.ndarray) -> np.ndarray:
    """Decide which word each study prints.

    A word is printed only if it is the same with and without duplicate units; otherwise
    the study is `undecided`.

    Parameters
    ----------
    logs, distinct
        The bank's quantities from all units, and without units that copy others or are
        sums of others.
    studies
        Indices of the sessions that each study consists of (study, session).

    Returns
    -------
    words
        One of `WORDS` per study (study,).
    """
    said = unit_count_words(logs, studies)
    return np.where(said == unit_count_words(distinct, studies), said, "undecided")


def shares(logs: Logs, distinct: Logs, sessions: int, rng: np.random.Generator) -> dict[str, float]:
    """Count what fraction of studies prints each word, or adds `redundant`.

    Parameters
    ----------
    logs, distinct
        The bank's quantities from all units, and without units that copy others or are
        sums of others.
    sessions
        Sessions per study.
    rng
        Random-number generator that draws the studies.

    Returns
    -------
    shares
        Fraction of studies by word, in [0, 1].
    """
    studies = draw(rng, len(logs["K_n"]), sessions)
    said = said_of(logs, distinct, studies)
    found = {word: float((said == word).mean()) for word in WORDS}
    return {**found, "redundant": float(redundant(logs, studies).mean())}


def rate(
    bank: int, sessions: int, rng: np.random.Generator, hit: Callable[[np.ndarray], np.ndarray]
) -> BoundedRate:
    """Count for what fraction of studies a statement is true.

    Parameters
    ----------
    bank
        Number of sessions in the bank.
    sessions
        Sessions per study.
    rng
        Random-number generator that draws the studies.
    hit
        Function from studies (study, session) to whether the statement is true of each
        (study,).

    Returns
    -------
    rate
        The fraction, with the upper bound for a bank of this size (`counting.bound`).
    """
    reached = float(hit(draw(rng, bank, sessions)).mean())
    again = []
    for _ in range(BOOTSTRAPS):
        resampled = rng.integers(0, bank, bank)
        again.append(hit(resampled[draw(rng, bank, sessions, STUDIES // 5)]).mean())
    return BoundedRate(reached, bound(float(np.quantile(again, 0.95)), sessions, bank))


def covered(values: np.ndarray, sessions: int, rng: np.random.Generator) -> float:
    """Count how often the 90 % interval of a study contains the bank's mean.

    Parameters
    ----------
    values
        A quantity in every session of the bank (session,).
    sessions
        Sessions per study.
    rng
        Random-number generator that draws the studies.

    Returns
    -------
    coverage
        Fraction of studies, in [0, 1].
    """
    low, high = shown(values, draw(rng, len(values), sessions), float(values.mean()))
    return 1 - float(low.mean()) - float(high.mean())


@dataclass(frozen=True)
class LongMean:
    """Estimated mean of a quantity if all sessions were long recordings.

    Attributes
    ----------
    mean, error
        The mean, and its standard error.
    """

    mean: float
    error: float


def long_mean(bank: np.ndarray, paired: np.ndarray, long: np.ndarray) -> LongMean:
    """Estimate a bank's mean if all its sessions were long recordings.

    Only some of the bank's codes have a long recording. A regression of long on short
    recordings predicts the others (double sampling: Cochran 1977, Sampling Techniques,
    section 12.6).

    Parameters
    ----------
    bank
        The quantity in every short session (session,).
    paired, long
        The quantity in the short and in the long recording of the same codes (code,);
        at least 3 codes.

    Returns
    -------
    mean
        The mean, with its standard error.
    """
    spread = paired - paired.mean()
    slope = float(spread @ (long - long.mean()) / max(float(spread @ spread), 1e-12))
    slope = min(max(slope, 0.0), 1.0)
    left = long - long.mean() - slope * spread
    error = np.sqrt(
        left @ left / (len(long) - 2) / len(long) + slope**2 * bank.var(ddof=1) / len(bank)
    )
    return LongMean(float(long.mean() + slope * (bank.mean() - paired.mean())), float(error))
