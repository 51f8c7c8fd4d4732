"""Draw studies from a bank of simulated sessions, and count their errors.

A bank is the set of measured sessions of one case, a simulated code of known truth. In:
a bank. Out: fractions of studies. Thousands of studies of S sessions are drawn with
replacement and judged by the rules of `inference`.

To count false claims, the margin is placed at the bank's own mean. Both one-sided
claims about an estimand, `<= margin` and `> margin`, are then false for the population
that the studies are drawn from. The size of a claim is the fraction of studies that
make it although it is false.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.hypotheses.gates import RETAINED
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.many_studies import PValues, p_over_replicates
from invariance_probe.inference.rules.verdicts import decide_many, learning_p, word_p

STUDIES = 5000
"""Number of studies that are drawn to count verdicts."""
CLAIMS = 20_000
"""Number of studies that are drawn to count false claims.

It is larger, so that the standard error of drawing is small (.0015 for a size of .05).
"""
BOOTSTRAPS = 200
"""Number of bootstrap samples of a bank."""
LARGEST_SIZE, LARGEST_BOUND = 0.07, 0.10
"""Largest size of a claim, and largest upper bound of it, that are accepted.

See "Calibration" in docs/science.md.
"""
ASKED = f"<= {LARGEST_SIZE:g}, upper <= {LARGEST_BOUND:.2f}".replace("0.", ".")
"""The bounds that a size should meet, as the report prints them."""


@dataclass(frozen=True, eq=False)
class Bank:
    """Measured sessions of one case, from which studies are drawn.

    Attributes
    ----------
    effects
        By estimand (such as C_code, D or H), the mean effect in every session
        (session,), in units of the loss. `noise` is the A/A contrast, the loss at dose
        0 with other seeds minus that at dose 0.
    ranges
        By estimand, the decodable range of each session (session,): R_code for the
        finding of the code, R for all else.
    retained, retained_shared
        Fraction of the decodable range that the representation trained at dose 0, or in
        the shared arm, retains (session,).
    """

    effects: Mapping[str, np.ndarray]
    ranges: Mapping[str, np.ndarray]
    retained: np.ndarray
    retained_shared: np.ndarray

    def __len__(self) -> int:
        return len(self.retained)

    def mean(self, name: str) -> float:
        """Mean effect of an estimand in the bank, divided by the mean range."""
        return float(self.effects[name].mean() / self.ranges[name].mean())

    def shown(
        self, name: str, studies: np.ndarray, margin: float, alpha: float = ALPHA
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decide which studies claim `<= margin`, and which claim `> margin`.

        Parameters
        ----------
        name
            The estimand.
        studies
            Indices of the sessions that each study consists of (study, session).
        margin
            The margin, in units of the decodable range.
        alpha
            Level of each one-sided test, in (0, 1).

        Returns
        -------
        at_most, more
            Boolean (study,) each: whether the claim is shown.
        """
        at_most, more = self.p_values(name, studies, margin)
        return at_most <= alpha, more <= alpha

    def p_values(self, name: str, studies: np.ndarray, margin: float) -> PValues:
        """Test the claims `<= margin` and `> margin` in each study.

        Parameters
        ----------
        name
            The estimand.
        studies
            Indices of the sessions that each study consists of (study, session).
        margin
            The margin, in units of the decodable range.

        Returns
        -------
        at_most, more
            P value of each claim (study,).
        """
        return p_over_replicates((self.effects[name] - margin * self.ranges[name])[studies])


def draw(rng: np.random.Generator, bank: int, sessions: int, studies: int = STUDIES) -> np.ndarray:
    """Draw the sessions of many studies from a bank, with replacement.

    Parameters
    ----------
    rng
        Random-number generator.
    bank
        Number of sessions in the bank.
    sessions
        Sessions per study.
    studies
        Number of studies.

    Returns
    -------
    studies
        Indices of the sessions that each study consists of (study, session).
    """
    return rng.integers(0, bank, (studies, sessions))


@dataclass(frozen=True)
class Size:
    """Size of a claim: how often studies make it although it is false.

    Attributes
    ----------
    estimand, claim
        What is claimed: the estimand is `<= m`, or it is `> m`.
    sessions
        Sessions per study.
    rate, upper
        Fraction of studies that make the claim, and its upper bound.
    """

    estimand: str
    claim: str
    sessions: int
    rate: float
    upper: float


def sizes(
    bank: Bank, name: str, sessions: int, rng: np.random.Generator
) -> tuple[Size, Size, float]:
    """Count false claims about an estimand, and the coverage of its interval.

    The margin is placed at the bank's own mean. For the upper bounds the bank is
    resampled with replacement, the margin is placed at the mean of each resampled bank,
    and studies are drawn from that bank.

    Parameters
    ----------
    bank
        The bank.
    name
        The estimand.
    sessions
        Sessions per study.
    rng
        Random-number generator that draws studies and resamples the bank.

    Returns
    -------
    at_most, more, coverage
        The sizes of `<= m` and `> m`, and the fraction of studies whose 90 % interval
        contains the bank's mean.
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


@dataclass(frozen=True)
class BoundedRate:
    """Fraction of studies that say something, and its 95 % upper bound."""

    reached: float
    upper: float


def bound(resampled: float, sessions: int, bank: int) -> float:
    """Upper bound of the size of a claim, given the size of the bank.

    It is the larger of the 95 % quantile over resampled banks and 3 S / n, for studies
    of S sessions from a bank of n. The second term covers errors that the bank cannot
    show: a kind of session that occurs with probability 3 / n is absent from the bank
    with probability .05 (rule of three: Hanley & Lippman-Hand 1983, JAMA 249:1743), and
    one of the S sessions of a study suffices to cause an error.

    Parameters
    ----------
    resampled
        The 95 % quantile over resampled banks.
    sessions
        Sessions per study, S.
    bank
        Number of sessions in the bank, n.

    Returns
    -------
    upper
        The bound, at most 1.
    """
    return min(1.0, max(resampled, 3 * sessions / bank))


def accepted(rate: float, upper: float) -> bool:
    """Whether a claim is rarely enough made falsely for a method to be licensed.

    Parameters
    ----------
    rate
        The size of the claim, in [0, 1].
    upper
        Its upper bound, in [0, 1].

    Returns
    -------
    accepted
        True if the size is at most .07 and its bound at most .10.
    """
    return rate <= LARGEST_SIZE and upper <= LARGEST_BOUND


def coverage(bank: Bank, name: str, studies: np.ndarray, level: float) -> float:
    """Count how often the interval of a study contains the bank's own mean.

    Parameters
    ----------
    bank
        The bank.
    name
        The estimand.
    studies
        Indices of the sessions that each study consists of (study, session).
    level
        Nominal coverage of the interval, such as 0.9.

    Returns
    -------
    coverage
        Fraction of studies, in [0, 1].
    """
    low, high = bank.shown(name, studies, bank.mean(name), (1 - level) / 2)
    return 1 - float(low.mean()) - float(high.mean())


def verdicts(bank: Bank, studies: np.ndarray, margin: float) -> dict[str, float]:
    """Count what fraction of studies gives each verdict.

    Parameters
    ----------
    bank
        The bank.
    studies
        Indices of the sessions that each study consists of (study, session).
    margin
        The margin, in units of the decodable range.

    Returns
    -------
    shares
        Fraction of studies by verdict; see `verdict_of`.
    """
    found = verdict_of(bank, studies, margin)
    return {str(name): float((found == name).mean()) for name in sorted(set(found))}


def verdict_of(bank: Bank, studies: np.ndarray, margin: float) -> np.ndarray:
    """Give the verdict of each study.

    Studies are judged under the declared recipe alone, with the gates `retention` and
    `noise`.

    Parameters
    ----------
    bank
        The bank.
    studies
        Indices of the sessions that each study consists of (study, session).
    margin
        The margin, in units of the decodable range.

    Returns
    -------
    words
        Verdict of each study, such as `sensitive` or `invalid: noise` (study,).
    """
    below, above = bank.p_values("noise", studies, margin)
    far_below, not_low = bank.p_values("noise", studies, -margin)
    different = np.minimum(above, far_below) <= ALPHA
    # The gate `retention` allows one exception in studies of more than four sessions.
    allowed = 1 if studies.shape[1] > 4 else 0
    weak = (bank.retained[studies] < RETAINED).sum(axis=1) > allowed
    best = np.maximum(bank.retained, bank.retained_shared)
    weak_at_best = (best[studies] < RETAINED).sum(axis=1) > allowed
    # Claims that compare with dose 0 require that it is equivalent to itself with other seeds
    # (A/A), and that its representation retains the target.
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
    """Give the finding of the code in each study.

    Parameters
    ----------
    bank
        The bank.
    studies
        Indices of the sessions that each study consists of (study, session).
    margin
        The margin, in units of the decodable range.

    Returns
    -------
    words
        `kept`, `lost` or `undecided` for each study (study,).
    """
    kept, lost = bank.p_values("C_code", studies, margin)
    return decide_many({"kept": kept, "lost": lost}, ALPHA, "undecided")


def naive(bank: Bank, studies: np.ndarray, margin: float, arm: str) -> float:
    """Count how often the naive rule, "delta <= m, so invariant", says invariant.

    Parameters
    ----------
    bank
        The bank.
    studies
        Indices of the sessions that each study consists of (study, session).
    margin
        The margin, in units of the decodable range.
    arm
        The excess loss that the rule reads: `delta` with independent draws, or
        `delta_paired` with paired draws.

    Returns
    -------
    share
        Fraction of studies, in [0, 1].
    """
    mean = bank.effects[arm][studies].mean(axis=1) / bank.ranges[arm][studies].mean(axis=1)
    return float((mean <= margin).mean())
