"""Quantities measured in a whole session without SSL, except `code`.

They are known before any model is trained: the decodability test, how much the target
changes over a jitter, the time constant of the code, whether folds leak, what activity
shares with a second modality, and whether mined pairs help.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


def six_digits(values: Iterable[float]) -> tuple[float, ...]:
    """Round values to six significant digits, as lags are stored.

    Examples
    --------
    >>> six_digits([3 * 0.05, 1e-7])
    (0.15, 1e-07)
    """
    return tuple(float(f"{value:.6g}") for value in values)


@dataclass(frozen=True, kw_only=True)
class NullFigures:
    """Decodability test: the raw decoder's loss on the true and on null targets.

    A null target is one that activity carries no information about. Each loss is given
    as a fraction of the loss of the best constant on the same target.

    Attributes
    ----------
    p_value
        P value of the observed loss, from its rank among the losses on null targets.
    observed
        Loss on the session's own target; None in results of early versions.
    draws
        Losses on the null targets (draw,).
    trials
        Number of trials of the session; 0 if it has none.
    shift_s
        Distance of successive shifts in seconds; None for a null without shifts.
    target_time_s
        First lag in seconds at which the target's autocorrelation is below 1/e.
    stationarity_p
        P value of the KPSS test of stationarity; only for circular shifts.
    others, cuts
        Number of other sessions, and of stretches taken from each; only for the null
        `other_sessions`.
    windows
        Number of windows to which all targets were cut; only for `other_sessions`.
    """

    kind: Literal["null"] = "null"
    p_value: float
    observed: float | None = None
    draws: tuple[float, ...] = ()
    trials: int = 0
    shift_s: float | None = None
    target_time_s: float | None = None
    stationarity_p: float | None = None
    others: int | None = None
    cuts: int | None = None
    windows: int | None = None


@dataclass(frozen=True, kw_only=True)
class PersistenceFigures:
    """How similar the target stays over the lags of a time jitter.

    Attributes
    ----------
    rho
        Correlation of the target with itself over these lags; for classes, the agreement
        beyond chance.
    """

    kind: Literal["persistence"] = "persistence"
    rho: float


@dataclass(frozen=True, kw_only=True)
class Jumps:
    """Test of whether the decoded target moves in jumps rather than smoothly.

    Attributes
    ----------
    increment_s
        Time over which an increment is taken, half of the time constant (seconds).
    kurtosis
        Kurtosis of the increments, minus that of surrogates that move smoothly.
    p_value
        P value of a larger kurtosis than that of smooth movement.
    """

    increment_s: float
    kurtosis: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class LagFigures:
    """The test-lag curve of the raw decoder, and its time constant.

    Attributes
    ----------
    tau_s, tau_low_s, tau_high_s
        Time constant of the decoded target with its 90 % interval (seconds); infinite
        if the curve does not fall below 1/e.
    tau_target_s
        Time constant of the true target (seconds).
    lags_s
        Lags (lag,) in seconds, to six digits.
    r, rho
        Correlation of decoded and earlier true target, relative to that at lag 0, and
        autocorrelation of the true target (lag,).
    jumps
        Test for jumps; None if the kurtosis of increments is not defined.
    """

    kind: Literal["test_lag"] = "test_lag"
    tau_s: float
    tau_low_s: float
    tau_high_s: float
    tau_target_s: float
    lags_s: tuple[float, ...]
    r: tuple[float, ...]
    rho: tuple[float, ...]
    jumps: Jumps | None = None


@dataclass(frozen=True, kw_only=True)
class LeakFigures:
    """How well random walks are decoded; a success shows that the folds leak.

    Attributes
    ----------
    r2
        Held-out R2 of each walk, relative to its mean over the session (walk,).
    beyond
        Held-out R2 of each walk, relative to the means of the training parts (walk,).
    """

    kind: Literal["leak"] = "leak"
    r2: tuple[float, ...]
    beyond: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SharedFigures:
    """Dimensions that activity shares with a second modality.

    Attributes
    ----------
    dimensions
        Number of dimensions whose correlation is significant (p values below).
    lag_bins, lag_s
        Lag at which the two modalities agree best, in bins and in seconds.
    correlations, p_values
        Held-out canonical correlations and their p values (dimension,).
    lags_s, agreement
        Lags in seconds, to six digits, and the agreement at each lag (lag,).
    """

    kind: Literal["shared_dimensions"] = "shared_dimensions"
    dimensions: int
    lag_bins: int
    lag_s: float
    correlations: tuple[float, ...]
    p_values: tuple[float, ...]
    lags_s: tuple[float, ...]
    agreement: tuple[float, ...]


PairsKind = Literal["random", "mined", "oracle"]
"""Where distant partners come from."""
PAIRS: tuple[PairsKind, ...] = ("random", "mined", "oracle")


@dataclass(frozen=True, kw_only=True)
class PairsTested:
    """Decoding after linear SSL with a share of distant pairs of one kind.

    Attributes
    ----------
    pairs
        Kind of the distant pairs.
    share
        Proportion of pairs that are distant, in (0, 1].
    loss, accuracy
        Test loss (nats) and balanced accuracy of the probe.
    """

    pairs: PairsKind
    share: float
    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class PairsFound:
    """How well distant pairs of one kind agree.

    Attributes
    ----------
    pairs
        Kind of the pairs.
    purity
        Proportion of pairs whose windows are of the same class.
    nuisance_distance
        Distance E|n - n'|^2 / (2 Var n) of the nuisance n within pairs; None if the study
        names no nuisance.
    """

    pairs: PairsKind
    purity: float
    nuisance_distance: float | None = None


@dataclass(frozen=True, kw_only=True)
class MinedPairsFigures:
    """Whether pairs mined across time help a decoder when activity drifts later.

    Attributes
    ----------
    floor
        Test loss of the best constant (nats).
    local_loss, local_accuracy
        Test loss (nats) and balanced accuracy with local pairs only.
    found
        Agreement of distant pairs, one entry per kind.
    tested
        Decoding with distant pairs, one entry per kind and share.
    """

    kind: Literal["mined_pairs"] = "mined_pairs"
    floor: float
    local_loss: float
    local_accuracy: float
    found: tuple[PairsFound, ...]
    tested: tuple[PairsTested, ...]

    def of(self, pairs: PairsKind, share: float) -> PairsTested:
        """Return the decoding with one kind of distant pairs at one share.

        Parameters
        ----------
        pairs
            Kind of the distant pairs.
        share
            Proportion of pairs that are distant.

        Raises
        ------
        KeyError
            When it was not measured.
        """
        for test in self.tested:
            if (test.pairs, test.share) == (pairs, share):
                return test
        known = ", ".join(f"{test.pairs} at {test.share:g}" for test in self.tested) or "none"
        raise KeyError(f"{pairs} pairs at a share of {share:g} were not tested; tested: {known}")

    def m_rand(self, share: float) -> float:
        """Return M_rand: loss with random minus loss with mined pairs (nats)."""
        return self.of("random", share).loss - self.of("mined", share).loss

    def m_loc(self, share: float) -> float:
        """Return M_loc: loss with only local minus loss with mined pairs (nats)."""
        return self.local_loss - self.of("mined", share).loss


SessionFigures = (
    NullFigures | PersistenceFigures | LagFigures | LeakFigures | SharedFigures | MinedPairsFigures
)
"""The quantities of any measurement in this file."""
