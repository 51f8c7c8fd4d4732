"""Counting errors: studies drawn from a bank of sessions and judged.

A bank goes in; shares of studies come out. Thousands of studies of S sessions are
judged at a time, by the rules of `inference`. The null is put where it is exactly true:
with the margin at the bank's own mean, both one-sided claims about an estimand are
false for the population that the studies are drawn from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.hypotheses.gates import RETAINED
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.many_studies import PValues, p_over_units
from invariance_probe.inference.rules.verdicts import decide_many, learning_p, word_p

STUDIES = 5000
"""Number of studies in which verdicts are counted."""
CLAIMS = 20_000
"""Number of studies in which claims are counted.

There are more of these, so that the size and not the draw decides (standard error
.0015).
"""
BOOTSTRAPS = 200
"""Number of resampled banks."""
LARGEST_SIZE, LARGEST_BOUND = 0.07, 0.10
"""The largest size that is accepted, and the largest bound (science.md 6)."""
ASKED = f"<= {LARGEST_SIZE:g}, upper <= {LARGEST_BOUND:.2f}".replace("0.", ".")
"""What is asked of a size, in words."""


@dataclass(frozen=True, eq=False)
class Bank:
    """Measured sessions of one case, from which studies are drawn.

    Attributes
    ----------
    effects
        Mean unscaled effect of every session (session,), by estimand: C_code, D, H,
        delta, delta_paired, noise.
    ranges
        Decodable range of every session (session,), by estimand: R_code for the finding
        of the code, else R.
    retained, retained_shared
        Part of the range that dose 0 and the shared arm keep (session,).
    """

    effects: Mapping[str, np.ndarray]
    ranges: Mapping[str, np.ndarray]
    retained: np.ndarray
    retained_shared: np.ndarray

    def __len__(self) -> int:
        return len(self.retained)

    def mean(self, name: str) -> float:
        """The bank's own ratio of effect to range."""
        return float(self.effects[name].mean() / self.ranges[name].mean())

    def shown(
        self, name: str, studies: np.ndarray, margin: float, alpha: float = ALPHA
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which studies show `<= margin`, and which show `> margin`.

        Parameters
        ----------
        name
            The estimand.
        studies
            Which sessions each study drew (study, session).
        margin
            The margin, in units of the range.
        alpha
            Level of each one-sided test, in (0, 1).

        Returns
        -------
        at_most, more
            (study,) each.
        """
        at_most, more = self.p_values(name, studies, margin)
        return at_most <= alpha, more <= alpha

    def p_values(self, name: str, studies: np.ndarray, margin: float) -> PValues:
        """The p values of `<= margin` and of `> margin`.

        Parameters
        ----------
        name
            The estimand.
        studies
            Which sessions each study drew (study, session).
        margin
            The margin, in units of the range.

        Returns
        -------
        at_most, more
            (study,) each.
        """
        return p_over_units((self.effects[name] - margin * self.ranges[name])[studies])


def draw(rng: np.random.Generator, bank: int, sessions: int, studies: int = STUDIES) -> np.ndarray:
    """Draw studies from a bank, with replacement.

    Parameters
    ----------
    rng
        Where the draws come from.
    bank
        Number of sessions of the bank.
    sessions
        Sessions per study.
    studies
        Number of studies.

    Returns
    -------
    studies
        Which sessions each study drew (study, session).
    """
    return rng.integers(0, bank, (studies, sessions))


@dataclass(frozen=True)
class Size:
    """How often a false claim is made over all studies, with its upper bound.

    Attributes
    ----------
    estimand, claim
        What is claimed: `<= m` or `> m` of an estimand.
    sessions
        Sessions per study.
    rate, upper
        Share of studies, and its bound.
    """

    estimand: str
    claim: str
    sessions: int
    rate: float
    upper: float


def sizes(
    bank: Bank, name: str, sessions: int, rng: np.random.Generator
) -> tuple[Size, Size, float]:
    """Size of both claims at the bank's mean, and coverage of the 90 % interval.

    The upper bound resamples the bank, puts the null at each resampled bank's own mean,
    and draws studies from that bank.

    Parameters
    ----------
    bank
        The bank.
    name
        The estimand.
    sessions
        Sessions per study.
    rng
        Where the draws come from.

    Returns
    -------
    at_most, more, coverage
        The sizes of `<= m` and `> m`, and the coverage in [0, 1].
    """
    studies = draw(rng, len(bank), sessions, CLAIMS)
    low, high = (float(x.mean()) for x in bank.shown(name, studies, bank.mean(name)))
    again = np.empty((BOOTSTRAPS, 2))
    for i in range(BOOTSTRAPS):
        chosen = rng.integers(0, len(bank), len(bank))
        resampled = Bank(
            {name: bank.effects[name][chosen]},
            {name: bank.ranges[name][chosen]},
            bank.retained,
            bank.retained_shared,
        )
        drawn = draw(rng, len(bank), sessions, STUDIES // 5)
        again[i] = [x.mean() for x in resampled.shown(name, drawn, resampled.mean(name))]
    upper = [bound(float(found), sessions, len(bank)) for found in np.quantile(again, 0.95, axis=0)]
    claims = (
        Size(name, "<= m", sessions, low, upper[0]),
        Size(name, "> m", sessions, high, upper[1]),
    )
    return *claims, 1 - low - high


def bound(resampled: float, sessions: int, bank: int) -> float:
    """Upper bound of a size that was counted on a bank.

    It is the larger of the 95 % quantile over resampled banks and 3 S / bank size. The
    second is what a bank without an error leaves possible: with n sessions, an error
    that one session causes is missed with probability .05 where it is as rare as 3 / n
    (Hanley & Lippman-Hand 1983, JAMA 249:1743), and a study has S sessions.

    Parameters
    ----------
    resampled
        The 95 % quantile over resampled banks.
    sessions
        Sessions per study, S.
    bank
        Number of sessions of the bank.

    Returns
    -------
    upper
        At most 1.
    """
    return min(1.0, max(resampled, 3 * sessions / bank))


def accepted(rate: float, upper: float) -> bool:
    """Whether a size and its bound are small enough to license a claim.

    Parameters
    ----------
    rate
        The size, in [0, 1].
    upper
        Its upper bound, in [0, 1].

    Returns
    -------
    accepted
        At most .07, with a bound of at most .10.
    """
    return rate <= LARGEST_SIZE and upper <= LARGEST_BOUND


def coverage(bank: Bank, name: str, studies: np.ndarray, level: float) -> float:
    """How often the interval of a study holds the bank's own ratio.

    Parameters
    ----------
    bank
        The bank.
    name
        The estimand.
    studies
        Which sessions each study drew (study, session).
    level
        Two-sided level of the interval, in (0, 1).

    Returns
    -------
    coverage
        Share of studies, in [0, 1].
    """
    low, high = bank.shown(name, studies, bank.mean(name), (1 - level) / 2)
    return 1 - float(low.mean()) - float(high.mean())


def verdicts(bank: Bank, studies: np.ndarray, margin: float) -> dict[str, float]:
    """Share of every verdict over studies.

    Parameters
    ----------
    bank
        The bank.
    studies
        Which sessions each study drew (study, session).
    margin
        The margin, in units of the range.

    Returns
    -------
    shares
        By word; see `verdict_of`.
    """
    found = verdict_of(bank, studies, margin)
    return {str(name): float((found == name).mean()) for name in sorted(set(found))}


def verdict_of(bank: Bank, studies: np.ndarray, margin: float) -> np.ndarray:
    """The verdict of every study.

    It is judged under the declared recipe alone, with the gates that a bank can check.

    Parameters
    ----------
    bank
        The bank.
    studies
        Which sessions each study drew (study, session).
    margin
        The margin, in units of the range.

    Returns
    -------
    words
        (study,).
    """
    below, above = bank.p_values("noise", studies, margin)
    far_below, not_low = bank.p_values("noise", studies, -margin)
    different = np.minimum(above, far_below) <= ALPHA
    # The gate `retention` allows one exception above four sessions (science.md 3.4).
    allowed = 1 if studies.shape[1] > 4 else 0
    weak = (bank.retained[studies] < RETAINED).sum(axis=1) > allowed
    best = np.maximum(bank.retained, bank.retained_shared)
    weak_at_best = (best[studies] < RETAINED).sum(axis=1) > allowed
    # Claims that rely on dose 0 need it to be equivalent to itself, and to keep the target.
    relies = (np.maximum(below, not_low) <= ALPHA) & ~weak
    claims = {}
    for name in ("D", "H", "delta"):
        at_most, more = bank.p_values(name, studies, margin)
        claims[f"{name} <= m"] = np.where(relies, at_most, 1.0)
        claims[f"{name} > m"] = np.where(relies, more, 1.0) if name == "delta" else more
    kept, lost = bank.p_values("C_code", studies, margin)
    found = decide_many(
        word_p({"C_code <= m": kept, "C_code > m": lost}, learning_p([claims], False), False)
    )
    found[weak_at_best] = "invalid: retention"
    found[different] = "invalid: noise"
    return found


def code_word_of(bank: Bank, studies: np.ndarray, margin: float) -> np.ndarray:
    """The finding of the code in every study: `kept`, `lost` or `undecided`.

    Parameters
    ----------
    bank
        The bank.
    studies
        Which sessions each study drew (study, session).
    margin
        The margin, in units of the range.

    Returns
    -------
    words
        (study,).
    """
    kept, lost = bank.p_values("C_code", studies, margin)
    return decide_many({"kept": kept, "lost": lost}, ALPHA, "undecided")


def naive(bank: Bank, studies: np.ndarray, margin: float, arm: str) -> float:
    """How often the naive rule, "delta <= m, so invariant", says invariant.

    Parameters
    ----------
    bank
        The bank.
    studies
        Which sessions each study drew (study, session).
    margin
        The margin, in units of the range.
    arm
        `delta` or `delta_paired`.

    Returns
    -------
    share
        Share of studies, in [0, 1].
    """
    mean = bank.effects[arm][studies].mean(axis=1) / bank.ranges[arm][studies].mean(axis=1)
    return float((mean <= margin).mean())
