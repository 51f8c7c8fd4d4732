"""Rows of report.json that describe sessions, codes and encoders.

They are values only. Some say what is known of a session without SSL, others what was
measured over doses, lags and classes. Nothing is computed here. R is the decodable
range of a session: the loss of the best constant minus that of the best decoder without
SSL. `group` is the name of the study's group that a session belongs to.
"""

from dataclasses import dataclass

from invariance_probe.plan.figures import Figures

OWN_SSL = "ssl at dose 0"
"""Name under which the study's SSL models at dose 0 are listed as a baseline."""


@dataclass(frozen=True)
class Baseline:
    """How well one baseline decodes one session.

    Attributes
    ----------
    loss
        Its held-out decoding loss.
    retention
        Fraction of the decodable range R that it reaches.
    accuracy
        Fraction of the test windows that it decodes correctly (for angles: within pi /
        8). None for a continuous target and for the best constant.
    balanced_accuracy
        The same fraction averaged over classes. None for other targets and for the best
        constant.
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
    """What is known of one session before any SSL model is trained."""

    session: str
    subject: str
    group: str
    floor: float
    """Loss of the best constant prediction."""
    ceiling: float
    """Loss of the best decoder without SSL."""
    ceiling_family: str
    """Which decoder this is, chosen on training data.

    `raw` (linear), `square_roots` (linear, on square roots of counts) or `supervised`
    (a network).
    """
    range: float
    """Decodable range R = floor - ceiling."""
    range_se: float
    """Standard error of the range."""
    null_p_value: float
    """P value of the linear decoder of the raw activity against the study's null."""
    decodable: bool
    """Whether the session can be decoded; if not, no verdict uses it."""
    detail: str
    """The range and the null in words, or why the session cannot be decoded."""
    units: int = 0
    """Number of units that vary in every training part.

    It is 0 if the code was not measured.
    """
    n_eff: float | None = None
    """Effective number of units that carry the target (exploratory)."""
    red_idx: float | None = None
    """Redundancy beyond additive information (exploratory).

    It is corrected for the bias that a population of independent units shows.
    """
    tau_s: float | None = None
    """Lag (s) at which the test-lag curve (see `LagPoint`) falls to 1/e.

    Its 90 % block-bootstrap interval follows.
    """
    tau_low_s: float | None = None
    tau_high_s: float | None = None
    jumps: float | None = None
    """Kurtosis of decoded increments, minus that of Gaussian surrogates.

    It is large if the decoded target moves by jumps.
    """
    jumps_p: float | None = None
    """P value of `jumps` against these surrogates."""


@dataclass(frozen=True)
class CodePoint:
    """What decoders refitted on subsets of units show about one session.

    No SSL model takes part. docs/code.md defines the quantities.
    """

    session: str
    group: str
    units: int
    """Number of units that vary in every training part."""
    decodable: bool
    """Whether the decoder of all units clearly beats the best constant.

    It must do so by 4 standard errors. If it does not, K_s and K_n are None.
    """
    K_s: float | None
    """Fewest units found that reach half of the R2 of all units."""
    K_n: float | None
    """Fewest units found whose loss leaves less than half of the R2 of all units."""
    carriers: float | None
    """K_s + K_n, an estimate of how many units carry the target."""
    K_s_of_information: float | None
    """K_s at half of the information J = R2 / (1 - R2) instead of half of R2."""
    K_n_of_information: float | None
    """K_n at half of J instead of half of R2."""
    redundancy: float | None
    """Summed information of two halves of the units, relative to that of all.

    The units are split in two at random. The ratio is 1 if each half holds half of the
    information, and 2 if each half holds all of it.
    """
    R_code: float
    """Decodable range of linear decoders without SSL.

    It is the mean loss of the best constant minus that of the decoder of all units.
    """
    R_code_se: float
    """Standard error of R_code over the held-out folds."""
    r2: float
    """Held-out R2 of ridge regression on all units."""
    loss: str
    """Unit of R_code: `squared error` (over the target's variance) or `nats`."""
    autocorrelation_s: float | None
    """First lag (s) at which an autocorrelation falls below 1/e.

    It is that of the target or of the decoder's errors, whichever is longer.
    """
    copies: tuple[tuple[str, ...], ...]
    """Pairs of units that repeat each other."""
    sums: tuple[tuple[str, ...], ...]
    """Units that are sums of other units, each followed by those other units."""


@dataclass(frozen=True)
class DroppingPoint:
    """One point of a dropping curve: R2 of a decoder of fewer units."""

    session: str
    group: str
    curve: str
    """Order in which units are added or lost.

    `gained` (added, most useful first), `lost` (lost, most damaging first) or `random`
    (lost at random).
    """
    units: int
    """Number of units that the decoder has (`gained`) or has lost (otherwise)."""
    r2: float
    """Held-out R2 of the decoder refitted on its units, clipped to [0, .999]."""
    part: float
    """`r2` divided by that of all units; K_s and K_n are where it crosses .5."""


@dataclass(frozen=True)
class CurvePoint:
    """Value of one estimand at one dose, for one session and training seed.

    These rows serve figures and tables.
    """

    session: str
    group: str
    setting: str
    axis: str
    dose: float
    arm: str
    estimand: str
    seed: int | None
    """The training seed; None for the mean over the session's seeds."""
    value: float
    rank_me: float | None = None
    """RankMe, the effective number of dimensions of the representation.

    It is the smallest over folds. It is None for the mean over seeds, and if it was not
    measured.
    """


@dataclass(frozen=True)
class LagPoint:
    """One lag of a session's test-lag curve.

    The curve compares the target with what is decoded a lag later. Where it falls to
    1/e is the time constant of target and code together.

    Attributes
    ----------
    lag_s
        Lag in seconds.
    r
        Covariance of the target with the decoded target at this lag, divided by that at
        lag 0.
    rho
        Autocorrelation of the target itself at this lag.
    """

    session: str
    group: str
    lag_s: float
    r: float
    rho: float


@dataclass(frozen=True)
class NullFinding:
    """How a session's raw decoder compares with decoding under a null.

    The decoder is the linear one of the raw activity. The targets of the null are such
    that the session's activity cannot have caused them.
    """

    session: str
    group: str
    kind: str
    """`linear shift`, `circular shift`, `other sessions` or `pseudo-session`."""
    observed: float | None
    """Held-out loss on the true target, divided by the loss of the best constant.

    None in results of early versions, which stored only the p value.
    """
    null: tuple[float, ...]
    """The same ratio for each target drawn under the null.

    Empty in results of early versions.
    """
    p_value: float
    warning: str = ""
    """An assumption of the null that the data violate, in words; else empty."""
    better: str = ""
    """Which better null is available, in words; empty if none is."""


@dataclass(frozen=True)
class MatrixPoint:
    """Excess loss (L(d, e) - L(0, 0)) / R for one pair of doses.

    L(d, e) is the loss of encoders trained at dose d and tested on inputs corrupted at
    dose e. For d = 0 the excess is T(e), and for e = 0 it is delta(d). A row is either
    about one session (then `hypothesis` is empty) or about all sessions of a hypothesis
    (then `session` is empty, and there is a 90 % interval).
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

    The encoders are trained at `train_dose` and the inputs corrupted at `test_dose`.
    Values are means over seeds and folds.
    """

    session: str
    group: str
    axis: str
    train_dose: float
    test_dose: float
    invariance: float
    """S = 1 - (mean squared movement / mean squared distance to other windows).

    It is 1 if the corruption does not move the representation, and 0 if it moves it as
    far as to the representation of another window.
    """
    invariance_row_space: float
    """S within the dimensions from which the fitted decoder reads the target."""
    invariance_within_class: float | None
    """S relative to other windows of the same class; None without classes."""
    detection: float | None
    """How often a classifier picks the corrupted one of two views, .5 to 1.

    None if it was not measured. It is measured only at primary doses.
    """
    encoders: int
    """Number of encoders averaged."""


@dataclass(frozen=True)
class SimilarityPoint:
    """How similar clean representations of one session are to each other.

    The representations of models trained at a dose are compared with those of models
    trained at dose 0. For reference, two seeds are also compared at dose 0.
    """

    session: str
    group: str
    axis: str
    dose: float
    against: str
    """The encoder compared with.

    `dose 0` of the same seed, or `another seed` if both are at dose 0.
    """
    cka: float
    """Debiased linear CKA: 1 for equal representations, about 0 if independent."""
    shape_distance: float
    """Angle in radians after the best rotation: 0 if shapes are equal.

    It is at most pi / 2.
    """
    encoders: int
    """Number of encoders averaged."""


@dataclass(frozen=True)
class ClassPoint:
    """What training at the primary dose costs for the windows of one class.

    The estimate is delta of that class, in units of the range R of all classes. A row
    is either about one session, or about all sessions of the hypothesis that have the
    class (then `session` is empty, and there is a 90 % interval).
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
    """Quantities of one session, measured only because a hypothesis needs them."""

    session: str
    group: str
    figures: Figures
