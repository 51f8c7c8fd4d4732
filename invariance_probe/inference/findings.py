"""What was inferred: the values that cross from inference to reporting, each with a JSON form.

The field names are those of report.json. Estimands are in units of the decodable range R of their session,
so 0.1 means a tenth of what can be decoded at all.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Estimand:
    """One estimated quantity with its 90 % interval; `smallest_margin` is the smallest m at which `<= m` would be shown."""

    name: str
    """`delta`, `H`, `D`, `C_info`, `T`; of a contrast `M_loc`, `M_rand`, `M_shift`, `M_oracle`, and `A/A`."""
    axis: str
    dose: float
    arm: str
    estimate: float
    ci_low: float
    ci_high: float
    smallest_margin: float
    skew: float
    n_sessions: int
    n_seeds: int
    setting: str = ""
    """The swept setting or check, `path=value`; empty for the study's own."""


@dataclass(frozen=True)
class Claim:
    """One one-sided statement about an estimand, such as `D <= m`, tested at alpha = .05."""

    name: str
    shown: bool
    p_value: float


@dataclass(frozen=True)
class Gate:
    """One entry condition of a verdict; `passed` is None where it was not checked, with the reason in `detail`."""

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True)
class DoseInterval:
    """The dose up to which invariance is shown (`lower`) and from which sensitivity is shown (`upper`; None: at none)."""

    lower: float
    upper: float | None


@dataclass(frozen=True)
class NaiveRule:
    """What the rule "delta <= m, so invariant" says, under the draws of the field's released scripts and of ours."""

    rule: str
    says: str
    """With paired draws where the study has them, else with independent draws."""
    independent: str
    paired: str | None


@dataclass(frozen=True)
class CodeMeasure:
    """One property of the code, measured without SSL, over the sessions of a hypothesis; 90 % interval, None where there is none."""

    name: str
    """`n_eff`, `red_idx` or `tau_s`."""
    estimate: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    """Of `red_idx > 0`; None for the others."""
    n_sessions: int


@dataclass(frozen=True)
class NoSSL:
    """What is known without SSL: the information cost, how many units carry the target, and how fast it is forgotten."""

    verdict: str
    """`information kept`, `information lost` or `inconclusive`."""
    detail: str
    measures: tuple[CodeMeasure, ...] = ()


@dataclass(frozen=True)
class SSLAddition:
    """What SSL adds to the no-SSL verdict."""

    relation: str
    """`repeats`, `refines`, `changes`, or `nothing` where SSL gives no answer."""
    sentence: str


@dataclass(frozen=True)
class Objective:
    """What one SSL method says of a hypothesis."""

    method: str
    word: str | None
    """What the rule says of it, before gates; None where runs are missing."""
    licensed: bool
    retention: float | None
    """Part of the decodable range that it keeps, median over sessions."""
    delta: float | None
    D: float | None
    H: float | None


@dataclass(frozen=True)
class Objectives:
    """Whether the verdict depends on the objective, and what each says."""

    sentence: str
    methods: tuple[Objective, ...]


@dataclass(frozen=True)
class PairMeasure:
    """What the distant pairs of one arm are at the primary dose, over the sessions of a contrast; 90 % interval."""

    name: str
    """`purity` (part of pairs with one class; else 1 - E|y - y'|^2 / (2 Var y)), `nuisance distance` (E|n - n'|^2 / (2 Var n)), both `by
    chance` (independent draws from the marginals of anchors and partners), `purity above random` and `above shifted`, `nuisance
    distance over shifted` (a ratio), `distance in s`, `share`."""
    arm: str
    estimate: float
    ci_low: float
    ci_high: float
    n_sessions: int


@dataclass(frozen=True)
class LookTaken:
    """At which look at the seeds a hypothesis was judged, where the study declares several."""

    number: int
    """Of the looks, from 1."""
    seeds: int
    """Of every session, at this look."""
    planned: tuple[int, ...]
    """Seeds at every look."""
    spending: str
    level: float
    """Nominal one-sided level of every claim at this look; all looks together keep .05."""
    settled: bool
    """Whether the prediction was settled here; else this was the last look."""
    sentence: str


@dataclass(frozen=True)
class HypothesisFinding:
    """The verdict on one hypothesis with everything that it rests on."""

    id: str
    kind: str
    """`invariance`, `jitter` or `contrast`."""
    claim: str
    predicts: str
    status: str
    """`confirmatory` or `exploratory`."""
    group: str
    axis: str
    primary_dose: float
    margin: float
    because: str
    scope: str
    """`population of sessions`, `population of subjects` or `these recordings`."""
    sessions: tuple[str, ...]
    verdict: str
    flags: tuple[str, ...]
    outcome: str
    sentence: str
    dose_interval: DoseInterval | None
    no_ssl: NoSSL
    naive: NaiveRule
    estimands: tuple[Estimand, ...]
    swept: tuple[Estimand, ...]
    """The primary dose under every swept setting and check: amount of data, steps, width, method."""
    claims: tuple[Claim, ...]
    gates: tuple[Gate, ...]
    p_value: float | None
    p_value_adjusted: float | None
    notes: tuple[str, ...] = ()
    supports: str = ""
    """What the verdict can support, and below what it cannot, in words (science-notes 2.1 and 2.2)."""
    cannot_support: str = ""
    ssl_adds: SSLAddition = SSLAddition("nothing", "")
    objectives: Objectives | None = None
    """None where no method is swept."""
    look: LookTaken | None = None
    """None where the number of seeds is fixed. With looks every p value here is a repeated one, to be held against .05."""
    pairs: tuple[PairMeasure, ...] = ()
    """Of a contrast only."""


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
    """`raw` or `supervised`, chosen on training data."""
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
    """Held-out loss on the true target, of which the best constant's is 1; None in results that kept only p."""
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


@dataclass(frozen=True)
class BandedDamage:
    """What the removal of a set costs one decoder, in units of R, and the 95 % band of random sets of other units with like rates."""

    chosen: float
    random: float
    low: float
    high: float


@dataclass(frozen=True)
class ChosenUnit:
    """One unit of a set, and how often it is chosen when the choosing blocks are reweighted."""

    unit: int
    frequency: float


@dataclass(frozen=True)
class MessengerPoint:
    """The units of one session whose removal harms most at one budget, chosen on half of the blocks and scored on the other."""

    session: str
    group: str
    budget: int
    chosen_with: str
    """`refit`: the decoder is fitted again without the units; `fixed`: it is not."""
    units: tuple[ChosenUnit, ...]
    refit: BandedDamage
    fixed: BandedDamage
    accepted: bool
    """Whether both damages lie above their bands."""
    gain: float
    """G(b), the damage beyond that of random sets, with the decoder that chose; 95 % interval over blocks of this session."""
    gain_low: float
    gain_high: float
    stability: float
    """Of the choice over reweighted blocks (Nogueira, Sechidis & Brown 2018), 0 by chance; 95 % interval."""
    stability_low: float
    stability_high: float
    seed_stability: float | None
    """Of a random selector's choice from the same blocks, over its seeds; None where it has no randomness."""
    jaccard: float
    """Mean overlap of the same choices, not corrected for chance."""
    transfer: float | None
    """T: what the set of the first half of the session costs in the second, as a part of what its own set costs there; 95 % interval.
    None where the second half's own set does not carry more than the measurement's margin."""
    transfer_low: float | None
    transfer_high: float | None
    transfer_back: float | None
    """T the other way: what the set of the second epoch costs in the first, as a part of what the first's own costs there."""
    transfer_back_low: float | None
    transfer_back_high: float | None
    k50_chosen: float
    """Units that must go until half of the range is lost, chosen and at random; their ratio is `localisation`, 1 where it does not
    matter which go."""
    k50_random: float
    localisation: float


@dataclass(frozen=True)
class UnitScore:
    """What is known of one unit of one session by itself, for use elsewhere."""

    session: str
    group: str
    unit: int
    alone_refit: float
    """Loss without it less that of all units, with the decoder fitted again and held fixed, in units of the decodable range."""
    alone_fixed: float
    weight: float
    """Norm of its decoder weights on standardised features."""
    variance: float
    """Of its feature: the square root of its counts, or its signal."""
    selected: Mapping[str, float]
    """How often it was in the set when blocks were reweighted, by decoder and budget (`refit_b4`)."""


@dataclass(frozen=True)
class SwitchingPoint:
    """Whether one decoder relies on the same units in all epochs of one session, against blocks dealt to epochs at random."""

    session: str
    group: str
    mode: str
    """`refit` or `fixed`."""
    epochs: int
    blocks: int
    """In an epoch; 0 where blocks would be too short beside what activity remembers, and nothing is tested."""
    memory_s: float
    """Over which the autocorrelation of the leading components of activity falls to 1/e."""
    p_value: float | None
    """Share of deals with as little overlap; small where reliance moves from unit to unit."""
    overlap: float | None
    """Mean cosine of the epochs' reliance; secondary, as it is also low where few data are divided by many units."""
    expected: float | None
    """Mean overlap of the deals: what noise and the number of units leave of one code."""


@dataclass(frozen=True)
class Standing:
    """Whether a study was registered, and every way in which it departs from what was registered."""

    sha256: str | None
    deviations: tuple[tuple[str, str], ...] = ()
    """(hypothesis, what differs); an empty hypothesis means all of them."""

    @property
    def status(self) -> str:
        """`registered` where nothing departs, else `exploratory`."""
        return "registered" if self.sha256 is not None and not self.deviations else "exploratory"

    def confirms(self, hypothesis: str) -> bool:
        """Say whether a hypothesis is judged as it was registered."""
        return self.sha256 is not None and not any(about in ("", hypothesis) for about, _ in self.deviations)


@dataclass(frozen=True)
class RunCounts:
    """How many runs were planned, measured, failed, collapsed, left out as pointless, and are missing."""

    planned: int
    done: int
    failed: int
    collapsed: int
    left_out: int
    missing: int


@dataclass(frozen=True)
class Findings:
    """All that inference says about a study."""

    hypotheses: tuple[HypothesisFinding, ...]
    sessions: tuple[SessionFinding, ...]
    baselines: tuple[Baseline, ...]
    curve: tuple[CurvePoint, ...]
    runs: RunCounts
    standing: Standing
    lags: tuple[LagPoint, ...] = ()
    nulls: tuple[NullFinding, ...] = ()
    matrix: tuple[MatrixPoint, ...] = ()
    examined: tuple[ExaminedPoint, ...] = ()
    similarity: tuple[SimilarityPoint, ...] = ()
    classes: tuple[ClassPoint, ...] = ()
    messengers: tuple[MessengerPoint, ...] = ()
    switching: tuple[SwitchingPoint, ...] = ()
    units: tuple[UnitScore, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)
