"""Counting what studies say about a code: words, intervals and biases.

Figures of single sessions of one length go in, with those of long recordings of some of
the same codes. Shares of studies that are drawn from a bank of sessions come out. The
rules are those of `inference`: t tests over sessions on the logarithm of shares,
guarded against skew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from invariance_probe.calibration.counting import BOOTSTRAPS, STUDIES, bound, draw
from invariance_probe.inference.hypotheses.code import CLEAR, REDUNDANT
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.many_studies import p_over_units

SHARE = 0.25
"""The share s of the units that counts as few."""
WORDS = ("few", "between", "spread", "undecided")
"""The words about the number of units."""
QUANTITIES = ("K_s", "K_n", "carriers", "redundancy")
"""The quantities that are tested on a logarithmic scale."""
AT_HALF_J = ("K_s at half of J", "K_n at half of J", "carriers at half of J")
"""The same crossings at half of J instead of half of R2."""

Logs = Mapping[str, np.ndarray]
"""Logarithm of every quantity (session,).

K_s, K_n and carriers are shares of the units.
"""


@dataclass(frozen=True)
class Rate:
    """How often something is said over studies, and its 95 % upper bound."""

    reached: float
    upper: float


def shown(values: np.ndarray, studies: np.ndarray, bound: float) -> tuple[np.ndarray, np.ndarray]:
    """Which studies show a mean of at most a bound, and which show more.

    Parameters
    ----------
    values
        A quantity of every session of the bank (session,).
    studies
        Which sessions each study drew (study, session).
    bound
        The bound, on the scale of the values.

    Returns
    -------
    at_most, more
        (study,) each.
    """
    at_most, more = p_over_units(values[studies] - bound)
    return at_most <= ALPHA, more <= ALPHA


def words(logs: Logs, studies: np.ndarray) -> np.ndarray:
    """The word of every study: `few`, `between`, `spread` or `undecided`.

    Parameters
    ----------
    logs
        The bank's quantities.
    studies
        Which sessions each study drew (study, session).

    Returns
    -------
    words
        (study,).
    """
    few, not_few = shown(logs["carriers"], studies, np.log(SHARE / CLEAR))
    not_spread, spread = shown(logs["K_n"], studies, np.log(SHARE * CLEAR))
    found = np.full(len(studies), "undecided", dtype=object)
    found[not_few & not_spread] = "between"
    found[spread] = "spread"
    found[few] = "few"
    return found


def redundant(logs: Logs, studies: np.ndarray) -> np.ndarray:
    """Which studies add `redundant` to their word.

    Parameters
    ----------
    logs
        The bank's quantities.
    studies
        Which sessions each study drew (study, session).

    Returns
    -------
    redundant
        (study,).
    """
    return shown(logs["redundancy"], studies, np.log(REDUNDANT))[1]


def wrong_words(truth: Mapping[str, float]) -> tuple[str, ...]:
    """The words that are wrong for a code, by its shares in long recordings.

    Parameters
    ----------
    truth
        K_n and carriers as shares of the units.

    Returns
    -------
    words
        `few`, `spread`, both or neither.
    """
    few = ("few",) if truth["carriers"] >= SHARE else ()
    return (*few, "spread") if truth["K_n"] <= SHARE else few


def said_of(logs: Logs, distinct: Logs, studies: np.ndarray) -> np.ndarray:
    """The word that every study prints (study,).

    A word is printed only where it is the same without repeating units; else the study
    is `undecided`.

    Parameters
    ----------
    logs, distinct
        With all units, and without those that copy others or are sums of them.
    studies
        Which sessions each study drew (study, session).

    Returns
    -------
    words
        (study,).
    """
    said = words(logs, studies)
    return np.where(said == words(distinct, studies), said, "undecided")


def shares(logs: Logs, distinct: Logs, sessions: int, rng: np.random.Generator) -> dict[str, float]:
    """Share of studies that print each word, and that add `redundant`.

    Parameters
    ----------
    logs, distinct
        With all units, and without those that copy others or are sums of them.
    sessions
        Sessions per study.
    rng
        Where the draws come from.

    Returns
    -------
    shares
        By word, in [0, 1].
    """
    studies = draw(rng, len(logs["K_n"]), sessions)
    said = said_of(logs, distinct, studies)
    found = {word: float((said == word).mean()) for word in WORDS}
    return {**found, "redundant": float(redundant(logs, studies).mean())}


def rate(
    bank: int, sessions: int, rng: np.random.Generator, hit: Callable[[np.ndarray], np.ndarray]
) -> Rate:
    """How often something holds over studies drawn from a bank.

    Parameters
    ----------
    bank
        Number of sessions of the bank.
    sessions
        Sessions per study.
    rng
        Where the draws come from.
    hit
        Says for which studies (study, session) it holds.

    Returns
    -------
    rate
        With the upper bound for a bank of this size (`counting.bound`).
    """
    reached = float(hit(draw(rng, bank, sessions)).mean())
    again = []
    for _ in range(BOOTSTRAPS):
        resampled = rng.integers(0, bank, bank)
        again.append(hit(resampled[draw(rng, bank, sessions, STUDIES // 5)]).mean())
    return Rate(reached, bound(float(np.quantile(again, 0.95)), sessions, bank))


def covered(values: np.ndarray, sessions: int, rng: np.random.Generator) -> float:
    """How often the 90 % interval of a study holds the bank's mean.

    Parameters
    ----------
    values
        A quantity of every session of the bank (session,).
    sessions
        Sessions per study.
    rng
        Where the draws come from.

    Returns
    -------
    coverage
        In [0, 1].
    """
    low, high = shown(values, draw(rng, len(values), sessions), float(values.mean()))
    return 1 - float(low.mean()) - float(high.mean())


@dataclass(frozen=True)
class LongMean:
    """Mean of a quantity over a cell's codes in long recordings.

    Attributes
    ----------
    mean, error
        The mean, and its standard error.
    """

    mean: float
    error: float


def long_mean(bank: np.ndarray, paired: np.ndarray, long: np.ndarray) -> LongMean:
    """Mean over all codes of a bank, only some of which were recorded at length.

    What the long recordings share with the short ones of the same codes is carried over
    to the others by regression (double sampling: Cochran 1977, Sampling Techniques,
    section 12.6).

    Parameters
    ----------
    bank
        The quantity in every short session (session,).
    paired, long
        The quantity in the short and in the long sessions of the same codes (code,), at
        least 3.

    Returns
    -------
    mean
        With its standard error.
    """
    spread = paired - paired.mean()
    slope = float(spread @ (long - long.mean()) / max(float(spread @ spread), 1e-12))
    slope = min(max(slope, 0.0), 1.0)
    left = long - long.mean() - slope * spread
    error = np.sqrt(
        left @ left / (len(long) - 2) / len(long) + slope**2 * bank.var(ddof=1) / len(bank)
    )
    return LongMean(float(long.mean() + slope * (bank.mean() - paired.mean())), float(error))
