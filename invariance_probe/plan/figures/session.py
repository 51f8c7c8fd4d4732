"""Figures of measurements of a whole session without SSL, but for its code.

They are what is known before any model is trained: the null, whether the target moves,
the time constant of the code, whether folds leak, and what activity shares with a
second modality.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


def six_digits(values: Iterable[float]) -> tuple[float, ...]:
    """Values rounded to six significant digits, as lags are stored.

    Examples
    --------
    >>> six_digits([3 * 0.05, 1e-7])
    (0.15, 1e-07)
    """
    return tuple(float(f"{value:.6g}") for value in values)


@dataclass(frozen=True, kw_only=True)
class NullFigures:
    """A decoder's loss among its losses on targets that activity cannot know.

    Losses are fractions of the best constant's loss on the same course of the target.

    Attributes
    ----------
    p_value
        Rank of the observed loss among those of the draws.
    observed
        Loss on the session's own target; None in results of early versions.
    draws
        Losses on the other courses (draw,).
    trials
        Number of trials of the session; 0 without trials.
    shift_s
        Distance in s of neighbouring shifts; None for a null without shifts.
    target_time_s
        First time (s) at which the target's autocorrelation is below 1/e.
    stationarity_p
        P value of the KPSS test, for circular shifts.
    others, cuts
        Number of other sessions, and of cuts of each.
    windows
        Length in windows to which all targets were cut.
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
    """Whether the target moves over the lags of a jitter.

    Attributes
    ----------
    rho
        Correlation of the target with itself over these lags; for classes, agreement
        beyond chance.
    """

    kind: Literal["persistence"] = "persistence"
    rho: float


@dataclass(frozen=True, kw_only=True)
class Jumps:
    """Whether the decoded target moves by jumps.

    Attributes
    ----------
    increment_s
        Span of an increment (s): half of the time constant.
    kurtosis
        Kurtosis of the increments, less that of surrogates that flow.
    p_value
        Small where the code jumps.
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
        Time constant (s) with its 90 % interval; infinite where the curve does not
        cross 1/e.
    tau_target_s
        Time constant of the target alone (s).
    lags_s
        Lags (lag,) in s, to six digits.
    r, rho
        Lagged agreement of decoded and true target, and the target's own
        autocorrelation (lag,).
    jumps
        None where the kurtosis of increments is not defined.
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
    """How well random walks are decoded across folds: they should not be.

    Attributes
    ----------
    r2
        R2 of every walk about its own mean (walk,).
    beyond
        R2 of every walk about the training parts' means (walk,).
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
        Number of dimensions that no circular shift reaches.
    lag_bins, lag_s
        Lag at which the two agree best, in bins and in s.
    correlations, p_values
        Held-out canonical correlations and their p values (dimension,).
    lags_s, agreement
        Lags in s, to six digits, and the agreement at each (lag,).
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
    """Decoding with a share of distant pairs of one kind.

    Attributes
    ----------
    pairs
        Kind of the distant pairs.
    share
        Proportion of pairs that is distant, in (0, 1].
    loss, accuracy
        Test loss in nats and balanced accuracy of the probe.
    """

    pairs: PairsKind
    share: float
    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class PairsFound:
    """One kind of distant pairs.

    Attributes
    ----------
    pairs
        Kind of the pairs.
    purity
        Proportion of pairs of one class.
    nuisance_distance
        E|n - n'|^2 / (2 Var n); None where no nuisance is named.
    """

    pairs: PairsKind
    purity: float
    nuisance_distance: float | None = None


@dataclass(frozen=True, kw_only=True)
class MinedPairsFigures:
    """Whether pairs that were mined across time help a decoder under a later drift.

    Attributes
    ----------
    floor
        Test loss of the best constant, in nats.
    local_loss, local_accuracy
        Test loss and balanced accuracy with local pairs alone.
    found
        Every kind of distant pairs.
    tested
        Every kind of distant pairs at every share.
    """

    kind: Literal["mined_pairs"] = "mined_pairs"
    floor: float
    local_loss: float
    local_accuracy: float
    found: tuple[PairsFound, ...]
    tested: tuple[PairsTested, ...]

    def of(self, pairs: PairsKind, share: float) -> PairsTested:
        """The test of one kind of distant pairs at one share.

        Parameters
        ----------
        pairs
            Kind of the distant pairs.
        share
            Proportion of pairs that is distant.

        Raises
        ------
        KeyError
            Where it was not measured.
        """
        for test in self.tested:
            if (test.pairs, test.share) == (pairs, share):
                return test
        raise KeyError(f"no test of {pairs} pairs at a share of {share:g}")

    def m_rand(self, share: float) -> float:
        """M_rand(q): loss with random pairs, less that with mined pairs (nats)."""
        return self.of("random", share).loss - self.of("mined", share).loss

    def m_loc(self, share: float) -> float:
        """M_loc(q): loss with local pairs alone, less that with mined pairs (nats)."""
        return self.local_loss - self.of("mined", share).loss


SessionFigures = (
    NullFigures | PersistenceFigures | LagFigures | LeakFigures | SharedFigures | MinedPairsFigures
)
"""The figures of any measurement of this file."""
