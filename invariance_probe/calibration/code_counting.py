"""Counting what is said of a code: words about its carriers, intervals and biases.

In go figures of single sessions, measured at one length, and the same of long recordings of some
of these codes; out come shares of studies that are drawn from a bank of sessions. The rules are
those of `inference`: t tests over sessions of the logarithm of shares, guarded against skew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from invariance_probe.calibration.counting import BOOTSTRAPS, STUDIES, bound, draw
from invariance_probe.inference.hypotheses.code import CLEAR, REDUNDANT
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.many_studies import p_over_units

SHARE = 0.25
"""Which part of the units is few."""
WORDS = ("few", "between", "spread", "undecided")
QUANTITIES = ("K_s", "K_n", "carriers", "redundancy")
"""What is tested on a logarithmic scale."""
AT_HALF_J = ("K_s at half of J", "K_n at half of J", "carriers at half of J")
"""The same crossings on the other scale, which stand beside."""

Logs = Mapping[str, np.ndarray]
"""Logarithm of every quantity (session,); of K_s, K_n and carriers as shares of the units."""


@dataclass(frozen=True)
class Rate:
    """How often something is said over studies, and its 95 % upper bound."""

    reached: float
    upper: float


def shown(values: np.ndarray, studies: np.ndarray, bound: float) -> tuple[np.ndarray, np.ndarray]:
    """Which studies (study, session) show a mean of at most a bound, and which show more."""
    at_most, more = p_over_units(values[studies] - bound)
    return at_most <= ALPHA, more <= ALPHA


def words(logs: Logs, studies: np.ndarray) -> np.ndarray:
    """What every study (study,) says: `few`, `between`, `spread` or `undecided`."""
    few, not_few = shown(logs["carriers"], studies, np.log(SHARE / CLEAR))
    not_spread, spread = shown(logs["K_n"], studies, np.log(SHARE * CLEAR))
    found = np.full(len(studies), "undecided", dtype=object)
    found[not_few & not_spread] = "between"
    found[spread] = "spread"
    found[few] = "few"
    return found


def redundant(logs: Logs, studies: np.ndarray) -> np.ndarray:
    """Which studies (study,) add `redundant`."""
    return shown(logs["redundancy"], studies, np.log(REDUNDANT))[1]


def wrong_words(truth: Mapping[str, float]) -> tuple[str, ...]:
    """Which words are wrong of a code, by its shares at great length.

    Parameters
    ----------
    truth
        K_n and carriers as shares of the units.
    """
    few = ("few",) if truth["carriers"] >= SHARE else ()
    return (*few, "spread") if truth["K_n"] <= SHARE else few


def said_of(logs: Logs, distinct: Logs, studies: np.ndarray) -> np.ndarray:
    """The word that every study (study,) prints: the same without repeating units.

    Parameters
    ----------
    logs, distinct
        With all units, and without those that copy others or are sums of them.
    """
    said = words(logs, studies)
    return np.where(said == words(distinct, studies), said, "undecided")


def shares(logs: Logs, distinct: Logs, sessions: int, rng: np.random.Generator) -> dict[str, float]:
    """How often each word is said over studies, and `redundant` beside it."""
    studies = draw(rng, len(logs["K_n"]), sessions)
    said = said_of(logs, distinct, studies)
    found = {word: float((said == word).mean()) for word in WORDS}
    return {**found, "redundant": float(redundant(logs, studies).mean())}


def rate(
    bank: int, sessions: int, rng: np.random.Generator, hit: Callable[[np.ndarray], np.ndarray]
) -> Rate:
    """How often studies of so many sessions hit, with the bound of a bank of this size.

    Parameters
    ----------
    bank
        Sessions of the bank.
    hit
        Says which studies (study, session) of the bank do.
    """
    reached = float(hit(draw(rng, bank, sessions)).mean())
    again = []
    for _ in range(BOOTSTRAPS):
        resampled = rng.integers(0, bank, bank)
        again.append(hit(resampled[draw(rng, bank, sessions, STUDIES // 5)]).mean())
    return Rate(reached, bound(float(np.quantile(again, 0.95)), sessions, bank))


def covered(values: np.ndarray, sessions: int, rng: np.random.Generator) -> float:
    """How often the 90 % interval of a study holds the bank's mean."""
    low, high = shown(values, draw(rng, len(values), sessions), float(values.mean()))
    return 1 - float(low.mean()) - float(high.mean())


@dataclass(frozen=True)
class LongMean:
    """Mean of a quantity over a cell's codes in long recordings, and its standard error."""

    mean: float
    error: float


def long_mean(bank: np.ndarray, paired: np.ndarray, long: np.ndarray) -> LongMean:
    """Mean over the codes of a whole bank, of which only some were recorded at length.

    What the long recordings share with the short ones of the same codes is carried over to the
    others by regression (double sampling: Cochran 1977, Sampling Techniques, section 12.6).

    Parameters
    ----------
    bank
        The quantity in every short session (session,).
    paired, long
        In the short and the long sessions of the same codes (code,), at least 3.
    """
    spread = paired - paired.mean()
    slope = float(spread @ (long - long.mean()) / max(float(spread @ spread), 1e-12))
    slope = min(max(slope, 0.0), 1.0)
    left = long - long.mean() - slope * spread
    error = np.sqrt(
        left @ left / (len(long) - 2) / len(long) + slope**2 * bank.var(ddof=1) / len(bank)
    )
    return LongMean(float(long.mean() + slope * (bank.mean() - paired.mean())), float(error))
