"""Rows of report.json about sessions and encoders: what is known without SSL, and what was measured over doses, lags and classes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Baseline:
    """One baseline of one session: its loss and the part of the decodable range that it keeps."""

    name: str
    session: str
    group: str
    loss: float
    retention: float


@dataclass(frozen=True)
class SessionFinding:
    """What a session can carry, known before any SSL result is."""

    session: str
    subject: str
    group: str
    floor: float
    ceiling: float
    ceiling_family: str
    """`raw`, `square_roots` or `supervised`, chosen on training data."""
    range: float
    range_se: float
    null_p_value: float
    """Of the raw decoder against the study's null."""
    decodable: bool
    detail: str
    units: int = 0
    n_eff: float | None = None
    """Effective number of units that carry the target."""
    red_idx: float | None = None
    """Redundancy beyond additive information, corrected for the bias of an independent population."""
    tau_s: float | None = None
    """1/e time of the test-lag curve, with its 90 % block-bootstrap interval."""
    tau_low_s: float | None = None
    tau_high_s: float | None = None
    jumps: float | None = None
    """Excess kurtosis of decoded increments over Gaussian surrogates, with the surrogates' p value."""
    jumps_p: float | None = None


@dataclass(frozen=True)
class CodePoint:
    """What refitted decoders without SSL found in one session (science.md 2.1)."""

    session: str
    group: str
    units: int
    """N: units that vary in every training part."""
    decodable: bool
    """Whether the decoder of all units beats its floor by 4 standard errors; else there is no K."""
    K_s: float | None
    """Fewest units found that reach half of what all units decode."""
    K_n: float | None
    """Fewest units found whose loss leaves less than half."""
    carriers: float | None
    """K_s + K_n."""
    K_s_of_information: float | None
    """K_s at half of J instead of half of R2; J = R2 / (1 - R2)."""
    K_n_of_information: float | None
    """K_n at half of J."""
    redundancy: float | None
    """Information of a random half of the units and of the other half, over that of all."""
    R_code: float
    """Mean loss of the best constant less that of the decoder of all units."""
    R_code_se: float
    """Standard error of R_code over the held-out folds."""
    r2: float
    """Held-out R2 of ridge regression on all units."""
    loss: str
    """Unit of R_code: `squared error` (over the target's variance) or `nats`."""
    autocorrelation_s: float | None
    """First lag (s) at which the target's or the errors' autocorrelation is below 1/e."""
    copies: tuple[tuple[str, ...], ...]
    """Pairs of units that are copies of each other."""
    sums: tuple[tuple[str, ...], ...]
    """Units that are sums of others, each followed by these."""


@dataclass(frozen=True)
class DroppingPoint:
    """One point of a session's dropping curve: what refitted decoders read from fewer units."""

    session: str
    group: str
    curve: str
    """`gained` (most useful first), `lost` (most damaging first) or `random` (lost at random)."""
    units: int
    """How many units are kept (`gained`), or are lost (`lost`, `random`)."""
    r2: float
    """Held-out R2 of the decoder refitted on what is kept, clipped to [0, .999]."""
    part: float
    """The same over that of all units: K_s and K_n are where it crosses half."""


@dataclass(frozen=True)
class CurvePoint:
    """One session's and seed's value of an estimand at one dose, for figures and tables; seed None is the session's mean."""

    session: str
    group: str
    setting: str
    axis: str
    dose: float
    arm: str
    estimand: str
    seed: int | None
    value: float
    rank_me: float | None = None


@dataclass(frozen=True)
class LagPoint:
    """One lag of a session's test-lag curve: `r` of the decoded target and `rho` of the target itself; kappa = r / rho."""

    session: str
    group: str
    lag_s: float
    r: float
    rho: float


@dataclass(frozen=True)
class NullFinding:
    """How a session's raw decoder fared against targets that its activity cannot have caused."""

    session: str
    group: str
    kind: str
    """`linear shift`, `circular shift`, `other sessions` or `pseudo-session`."""
    observed: float | None
    """Held-out loss on the true target as a fraction of the best constant's; None in results that kept only p."""
    null: tuple[float, ...]
    """The same on every draw of the null; empty in results that kept only p."""
    p_value: float
    warning: str = ""
    """What the null takes for granted and the data do not give."""
    better: str = ""
    """Which null would be better and can be had."""


@dataclass(frozen=True)
class MatrixPoint:
    """Excess loss (L(d, e) - L(0, 0)) / R of encoders trained at dose d and tested on inputs at dose e; d = 0 is T(e), e = 0 delta(d).

    A row is about one session (`hypothesis` empty), or about all sessions of a hypothesis (`session` empty), with its 90 %
    interval.
    """

    hypothesis: str
    session: str
    group: str
    axis: str
    train_dose: float
    test_dose: float
    value: float
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class ExaminedPoint:
    """How the encoders of one session, trained at one dose, answer to inputs corrupted at another; means over seeds and folds."""

    session: str
    group: str
    axis: str
    train_dose: float
    test_dose: float
    invariance: float
    """S: 1 where the representation does not move, 0 where it moves as far as a stranger is."""
    invariance_row_space: float
    """S of what the probe reads of the target."""
    invariance_within_class: float | None
    """S against strangers of the window's own class; None where the target has no classes."""
    detection: float | None
    """How often the corrupted one of two views is told: .5 to 1; None where it was not asked (only at primary doses)."""
    encoders: int
    """How many encoders the means are over."""


@dataclass(frozen=True)
class SimilarityPoint:
    """How alike clean representations of one session are: at a dose and at dose 0, or of two seeds at dose 0 (the ceiling)."""

    session: str
    group: str
    axis: str
    dose: float
    against: str
    """`dose 0` of the same seed, or `another seed` where both are at dose 0."""
    cka: float
    """Debiased linear CKA: 1 alike, about 0 independent."""
    shape_distance: float
    """Angle in radians after the best rotation: 0 alike, pi / 2 at most."""
    encoders: int


@dataclass(frozen=True)
class ClassPoint:
    """What the primary dose costs the windows of one class: delta of that class, in units of R of all classes.

    A row is about one session, or about all sessions of the hypothesis that have the class (`session` empty), with its
    90 % interval.
    """

    hypothesis: str
    session: str
    label: str
    dose: float
    estimate: float
    ci_low: float | None
    ci_high: float | None
    n_sessions: int
