"""Rows of report.json that describe sessions, codes and encoders.

These are values only: what is known of a session without SSL, and what was measured
over doses, lags and classes. Nothing is computed here.
"""

from dataclasses import dataclass

from invariance_probe.plan.figures import Figures

OWN_SSL = "ssl at dose 0"
"""Name of the study's own models at dose 0 among the baselines."""


@dataclass(frozen=True)
class Baseline:
    """One baseline of one session.

    Attributes
    ----------
    loss
        Its held-out decoding loss.
    retention
        Fraction of the decodable range that it keeps.
    accuracy
        Fraction of the test windows that it decodes right (of angles: within pi / 8);
        None for a continuous target and for the floor.
    balanced_accuracy
        Mean of that fraction over classes; None for other targets and for the floor.
    """

    name: str
    session: str
    group: str
    loss: float
    retention: float
    accuracy: float | None = None
    balanced_accuracy: float | None = None


@dataclass(frozen=True)
class SessionFinding:
    """What a session can carry, known before any SSL result is seen."""

    session: str
    subject: str
    group: str
    floor: float
    """Loss of the best constant."""
    ceiling: float
    """Loss of the best decoder without SSL."""
    ceiling_family: str
    """`raw`, `square_roots` or `supervised`, chosen on training data."""
    range: float
    range_se: float
    """Standard error of the range."""
    null_p_value: float
    """P value of the raw decoder against the study's null."""
    decodable: bool
    """Whether the session stays in the study."""
    detail: str
    """The range and the null in words, or why the session is not decodable."""
    units: int = 0
    """Units that vary in every training part; 0 where the code was not measured."""
    n_eff: float | None = None
    """Effective number of units that carry the target."""
    red_idx: float | None = None
    """Redundancy beyond additive information, corrected for the bias of an independent
    population."""
    tau_s: float | None = None
    """1/e time (s) of the test-lag curve. Its 90 % block-bootstrap interval follows."""
    tau_low_s: float | None = None
    tau_high_s: float | None = None
    jumps: float | None = None
    """Excess kurtosis of decoded increments over Gaussian surrogates."""
    jumps_p: float | None = None
    """P value of `jumps` against these surrogates."""


@dataclass(frozen=True)
class CodePoint:
    """What refitted decoders without SSL found in one session (science.md 2.1)."""

    session: str
    group: str
    units: int
    """N: the number of units that vary in every training part."""
    decodable: bool
    """Whether the decoder of all units beats its floor by 4 standard errors; else there
    is no K."""
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
    """Information of a random half of the units plus that of the other half, over that
    of all units."""
    R_code: float
    """Mean loss of the best constant minus mean loss of the decoder of all units."""
    R_code_se: float
    """Standard error of R_code over the held-out folds."""
    r2: float
    """Held-out R2 of ridge regression on all units."""
    loss: str
    """Unit of R_code: `squared error` (over the target's variance) or `nats`."""
    autocorrelation_s: float | None
    """First lag (s) at which the autocorrelation of the target or of the errors is
    below 1/e."""
    copies: tuple[tuple[str, ...], ...]
    """Pairs of units that are copies of each other."""
    sums: tuple[tuple[str, ...], ...]
    """Units that are sums of other units, each followed by those others."""


@dataclass(frozen=True)
class DroppingPoint:
    """One point of a session's dropping curve: R2 of a decoder of fewer units."""

    session: str
    group: str
    curve: str
    """`gained` (most useful first), `lost` (most damaging first) or `random` (lost at
    random)."""
    units: int
    """Number of units that are kept (`gained`) or lost (`lost`, `random`)."""
    r2: float
    """Held-out R2 of the decoder refitted on the units that are kept, clipped to [0,
    .999]."""
    part: float
    """`r2` over that of all units. K_s and K_n are where it crosses half."""


@dataclass(frozen=True)
class CurvePoint:
    """Value of one estimand at one dose, for one session and seed.

    It serves figures and tables.
    """

    session: str
    group: str
    setting: str
    axis: str
    dose: float
    arm: str
    estimand: str
    seed: int | None
    """None for the mean over the session's seeds."""
    value: float
    rank_me: float | None = None


@dataclass(frozen=True)
class LagPoint:
    """One lag of a session's test-lag curve.

    Attributes
    ----------
    lag_s
        Lag in seconds.
    r
        Covariance of the target with what is decoded at this lag, over that at lag 0.
    rho
        Autocorrelation of the target itself; kappa = r / rho.
    """

    session: str
    group: str
    lag_s: float
    r: float
    rho: float


@dataclass(frozen=True)
class NullFinding:
    """How a session's raw decoder fares against a null.

    The null's targets are such that the session's activity cannot have caused them.
    """

    session: str
    group: str
    kind: str
    """`linear shift`, `circular shift`, `other sessions` or `pseudo-session`."""
    observed: float | None
    """Held-out loss on the true target, as a fraction of the best constant's loss.

    None in results that kept only p.
    """
    null: tuple[float, ...]
    """The same fraction per draw of the null; empty in results that kept only p."""
    p_value: float
    warning: str = ""
    """What the null assumes and the data do not provide."""
    better: str = ""
    """Which better null is available."""


@dataclass(frozen=True)
class MatrixPoint:
    """Excess loss (L(d, e) - L(0, 0)) / R at one training and one test dose.

    The encoders are trained at dose d and tested on inputs at dose e. For d = 0 this is
    T(e), and for e = 0 it is delta(d). A row is about one session (`hypothesis` empty),
    or about all sessions of a hypothesis (`session` empty) with its 90 % interval.
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
    """How the encoders of one session respond to corrupted inputs.

    The encoders are trained at one dose, and the inputs are corrupted at another.
    Values are means over seeds and folds.
    """

    session: str
    group: str
    axis: str
    train_dose: float
    test_dose: float
    invariance: float
    """S: 1 where the representation does not move, 0 where it moves as far as to
    another window."""
    invariance_row_space: float
    """S of the part of the representation from which the probe reads the target."""
    invariance_within_class: float | None
    """S relative to other windows of the same class; None where the target has no
    classes."""
    detection: float | None
    """How often the corrupted one of two views is recognised, .5 to 1.

    None where it was not measured; it is measured only at primary doses.
    """
    encoders: int
    """Number of encoders that the means are over."""


@dataclass(frozen=True)
class SimilarityPoint:
    """How similar the clean representations of one session are.

    A representation at one dose is compared with that at dose 0, or two seeds are
    compared at dose 0 (the ceiling of similarity).
    """

    session: str
    group: str
    axis: str
    dose: float
    against: str
    """`dose 0` of the same seed, or `another seed` where both are at dose 0."""
    cka: float
    """Debiased linear CKA: 1 for equal representations, about 0 if independent."""
    shape_distance: float
    """Angle in radians after the best rotation: 0 for equal shapes, at most pi / 2."""
    encoders: int
    """Number of encoders that the means are over."""


@dataclass(frozen=True)
class ClassPoint:
    """What the primary dose costs for the windows of one class.

    The estimate is delta of that class, in units of R of all classes. A row is about
    one session, or about all sessions of the hypothesis that have the class (`session`
    empty) with its 90 % interval.
    """

    hypothesis: str
    session: str
    label: str
    dose: float
    estimate: float
    ci_low: float | None
    ci_high: float | None
    n_sessions: int


@dataclass(frozen=True)
class MeasuredPoint:
    """What was measured in one session because a hypothesis needs it."""

    session: str
    group: str
    figures: Figures
