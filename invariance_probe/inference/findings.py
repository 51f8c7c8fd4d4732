"""Findings: the values that inference hands to the reports.

Each is a frozen value with a JSON form, and its field names are those of report.json.
Nothing is computed here. R is the decodable range of a session: the loss of the best
constant minus that of the best decoder without SSL. What training costs is in units of
R, so 0.1 means a tenth of what can be decoded at all. What decoders of the activity
itself lose, without a trained encoder, is in units of R_code, the same range for linear
decoders. The estimands (delta, H, D, C_code ...) are defined in docs/science.md.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from invariance_probe.inference.description.messenger_points import (
    MessengerPoint,
    ReliancePoint,
    SwitchingPoint,
    UnitScore,
)
from invariance_probe.inference.evidence.points import (
    Baseline,
    ClassPoint,
    CodePoint,
    CurvePoint,
    DroppingPoint,
    ExaminedPoint,
    LagPoint,
    MatrixPoint,
    MeasuredPoint,
    NullFinding,
    SessionFinding,
    SimilarityPoint,
)
from invariance_probe.inference.verdict import Verdict


@dataclass(frozen=True)
class Estimand:
    """One estimated quantity with its 90 % interval, in units of R (or R_code)."""

    name: str
    """Name of the quantity.

    `delta`, `H`, `D`, `C_code`, `C_blind`, `T` or `L(d, d)`. For a contrast (distant
    pairs against other pairs) `M_loc`, `M_rand`, `M_shift` or `M_oracle`. `A/A`
    compares dose 0 with dose 0 under other seeds.
    """
    axis: str
    dose: float
    arm: str
    """How the two views share the draw of the corruption.

    `independent`, `shared`, `paired` or `none`. For a contrast, the kind of its distant
    pairs.
    """
    estimate: float
    ci_low: float
    ci_high: float
    smallest_margin: float
    """The smallest margin m at which the claim `<= m` would be shown."""
    skew: float
    """Skewness of the estimand over single sessions or subjects."""
    n_sessions: int
    n_seeds: int
    setting: str = ""
    """The swept setting or recipe, as `path=value`; empty for the study's own."""


@dataclass(frozen=True)
class Claim:
    """One one-sided statement about an estimand, such as `D <= m`."""

    name: str
    shown: bool
    """Whether the claim is shown at alpha = .05."""
    p_value: float


Outcome = Literal["passed", "failed", "not shown", "not computed"]
"""Outcome of a gate.

If a gate `failed`, the claims that it limits cannot be made. If it is `not shown` or
`not computed`, they can be made, but the hypothesis is then only exploratory.
"""

EVERYTHING, CARRIERS, LEARNING, AXIS = "everything", "carriers", "learning", "the axis"
"""What a gate can limit, besides individual verdicts.

`carriers` are claims about how many units carry the target, `learning` those about what
training costs, `the axis` all claims about the hypothesis's axis.
"""


@dataclass(frozen=True)
class Gate:
    """One precondition of a finding, and what it limits (docs/science.md, Gates)."""

    name: str
    outcome: Outcome
    limits: tuple[str, ...]
    """What cannot be claimed if the gate fails.

    `everything`, `carriers`, `learning`, `the axis`, or the verdicts that cannot be
    given.
    """
    detail: str
    """What was measured, in words."""
    passed: bool | None = field(init=False)
    """True if the gate passed, False if it failed, None otherwise."""

    def __post_init__(self) -> None:
        """Derive `passed`, which readers of earlier versions of report.json expect."""
        object.__setattr__(self, "passed", {"passed": True, "failed": False}.get(self.outcome))


@dataclass(frozen=True)
class DoseInterval:
    """Doses at which it is shown that training costs little, or too much.

    Attributes
    ----------
    lower
        The highest dose up to which training is shown to cost at most the margin (D, H
        and delta <= m at every dose).
    upper
        The lowest dose at which the code and the training both lose more than the
        margin (C_code and D > m); None if this is shown at no dose.
    """

    lower: float
    upper: float | None


@dataclass(frozen=True)
class NaiveRule:
    """What the naive rule "delta <= m, so invariant" would have concluded.

    It is applied to paired draws (one mask for both views of a pair, as in the field's
    released scripts) and to independent draws.
    """

    rule: str
    """The rule, in words."""
    says: str
    """Its answer with paired draws; with independent ones if there are none."""
    independent: str
    """Its answer with independent draws."""
    paired: str | None
    """Its answer with paired draws; None if the study has none."""


@dataclass(frozen=True)
class CodeMeasure:
    """One property of the neural code, averaged over a hypothesis's sessions.

    It is measured in the activity itself, without a trained encoder. The interval of the
    mean is at 90 %; its ends are None if there are too few sessions for one.
    """

    name: str
    """Which property.

    `n_eff` is the effective number of units that carry the target, `red_idx` the
    redundancy beyond additive information, `tau_s` the time constant in seconds.
    """
    estimate: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    """P value of `red_idx > 0`; None for the other properties."""
    n_sessions: int


@dataclass(frozen=True)
class NoSSL:
    """The finding of the code as earlier versions of report.json had it.

    It is kept for one schema version.
    """

    verdict: str
    """What happened to the information, in the words of earlier versions.

    `information kept`, `information lost`, `inconclusive` or `not measured`.
    """
    detail: str
    measures: tuple[CodeMeasure, ...] = ()


@dataclass(frozen=True)
class Quantity:
    """One estimate over the sessions of a hypothesis, with its 90 % interval."""

    estimate: float
    ci_low: float
    ci_high: float
    n_sessions: int


@dataclass(frozen=True)
class NamedUnit:
    """A unit of one session that was among the fewest that carry the target.

    Units are chosen anew in every fold of the session.
    """

    session: str
    unit: str
    gained: int
    """Number of folds in which this unit is one of those counted by K_s.

    K_s is the fewest units that reach half of the R2 of all units.
    """
    lost: int
    """Number of folds in which this unit is one of those counted by K_n.

    K_n is the fewest units whose loss leaves less than half of the R2 of all units.
    """
    folds: int
    """Number of folds."""


@dataclass(frozen=True)
class CodeFinding:
    """What decoders without SSL show about a code (docs/code.md)."""

    finding: str
    """What the corruption takes away.

    `kept` (at most the margin), `lost` (more), `undecided` or `not measured`.
    """
    carriers_word: str
    """How many units carry the target: `few`, `between`, `spread` or `undecided`.

    It is empty if no such statement is allowed, for example with too few units.
    """
    redundant: bool
    """Whether the redundancy is shown to be above 1.25."""
    K_s: Quantity | None
    """Fewest units found that reach half of the R2 of all units."""
    K_n: Quantity | None
    """Fewest units found whose loss leaves less than half of the R2 of all units."""
    carriers: Quantity | None
    """K_s + K_n, an estimate of how many units carry the target."""
    redundancy: Quantity | None
    """Summed information of two halves of the units, relative to that of all.

    It is 1 if each half holds half of the information, and 2 if each half holds all of
    it.
    """
    C_code: Quantity | None
    """Excess loss of decoders refitted on surviving inputs, in units of R_code."""
    C_blind: Quantity | None
    """Excess loss of one decoder that cannot see what is corrupted.

    It is in units of R_code.
    """
    independent: float | None
    """C_code that many equal, independent units with the same R2 would have.

    With information J = R2 / (1 - R2) and a fraction p of the units lost, it is p / (1
    + (1 - p) J), averaged over sessions. None if the dose is not a rate of loss.
    """
    known_masks: bool
    """Whether the decoders of C_code know which inputs survive.

    If not, C_code equals C_blind.
    """
    linear: bool
    """Whether linear decoders reach less than .8 of R.

    If so, the finding is worded as one about linear decoders only.
    """
    n_units: tuple[int, ...]
    """Number of units per session that vary in every training part."""
    share: float
    """Share of the units that separates `few` from `spread`.

    The target is carried by `few` units if it needs fewer than this fraction of them.
    """
    units: tuple[NamedUnit, ...]
    """Units that are counted by K_s or K_n in at least one fold."""
    sentence: str
    """The finding as a sentence."""


@dataclass(frozen=True)
class RecipeFinding:
    """What training with one recipe of the panel shows at the primary dose."""

    name: str
    method: str
    steps: int | None
    learning_rate: float | None
    batch_size: int | None
    dimensions: int | None
    computed: bool
    """Whether models were planned to be trained with this recipe."""
    reason: str
    """Why there is no finding: not trained, gates failed, or runs missing.

    Empty if there is a finding.
    """
    finding: str
    """`free`, `costly`, `undecided` or `not computed`."""
    retention: float | None
    """Fraction of R that the models at dose 0 reach, median over sessions."""
    D: Quantity | None
    H: Quantity | None
    delta: Quantity | None
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class PanelFinding:
    """The recipes under which a claim about learning was judged.

    Attributes
    ----------
    recipes
        What each recipe shows.
    reason
        Why the panel consists of these recipes.
    one_method
        Why no recipe uses a second SSL method; empty if one does.
    """

    recipes: tuple[RecipeFinding, ...]
    reason: str
    one_method: str


@dataclass(frozen=True)
class LearningFinding:
    """What training shows under every recipe of the panel.

    The rules are in docs/science.md, section "Claims, words and verdicts".
    """

    finding: str
    """`free`, `costly`, `recipe-dependent` or `undecided`."""
    panel: PanelFinding
    sentence: str


@dataclass(frozen=True)
class Objective:
    """What one of several swept SSL methods finds about a hypothesis."""

    method: str
    word: str | None
    """`free`, `costly` or `undecided`, before gates; None if runs are missing."""
    licensed: bool
    """Whether the method was calibrated for such a claim."""
    retention: float | None
    """Fraction of R that its models at dose 0 reach, median over sessions."""
    delta: float | None
    D: float | None
    H: float | None


@dataclass(frozen=True)
class Objectives:
    """Whether the finding depends on the SSL method, and what each method finds."""

    sentence: str
    methods: tuple[Objective, ...]


@dataclass(frozen=True)
class PairMeasure:
    """One property of the distant pairs of one arm of a contrast.

    It is measured at the primary dose.
    """

    name: str
    """Which property it is.

    `purity` is the fraction of pairs whose two windows have the same class; for a
    continuous target y it is 1 - E|y - y'|^2 / (2 Var y). `nuisance distance` is E|n -
    n'|^2 / (2 Var n) for the declared nuisance n. Both are also given `by chance`, for
    partners drawn independently of their anchors. `purity above random`, `purity above
    shifted` and `nuisance distance over shifted` (a ratio) compare the arm with another
    one. `distance in s` is the distance in time, `share` the fraction of distant pairs.
    """
    arm: str
    estimate: float
    """Estimate over the sessions; its 90 % interval follows."""
    ci_low: float
    ci_high: float
    n_sessions: int


@dataclass(frozen=True)
class LookTaken:
    """The interim analysis at which a hypothesis was judged."""

    number: int
    """Position among the planned analyses, counted from 1."""
    seeds: int
    """Seeds per session at this analysis."""
    planned: tuple[int, ...]
    """Seeds per session at each planned analysis."""
    spending: str
    """How alpha is spread over the analyses: `obrien_fleming` or `pocock`."""
    level: float
    """Nominal one-sided level of each claim at this analysis.

    The levels are such that all analyses together keep alpha = .05.
    """
    settled: bool
    """Whether the prediction was settled here, and not just the seeds used up."""
    sentence: str


@dataclass(frozen=True)
class HypothesisFinding:
    """The verdict on one hypothesis, with everything that it rests on."""

    id: str
    kind: str
    """`invariance`, `jitter` or `contrast`."""
    claim: str
    """The hypothesis in the author's words."""
    predicts: str
    """The verdict or the finding that the hypothesis predicts."""
    status: str
    """`confirmatory` or `exploratory`."""
    group: str
    axis: str
    primary_dose: float
    margin: float
    """Smallest effect that matters, in units of R (and of R_code for the code)."""
    because: str
    """Why this margin was chosen."""
    scope: str
    """What the verdict is about.

    `population of sessions`, `population of subjects` or `these recordings`.
    """
    sessions: tuple[str, ...]
    """Sessions that the verdict rests on."""
    verdict: Verdict
    flags: tuple[str, ...]
    """`regularised` if a corruption lowered the loss by more than the margin."""
    outcome: str
    """Whether the prediction is `supported`, `contradicted` or `open`."""
    sentence: str
    dose_interval: DoseInterval | None
    no_ssl: NoSSL
    naive: NaiveRule
    estimands: tuple[Estimand, ...]
    swept: tuple[Estimand, ...]
    """Estimands at the primary dose under other settings.

    These are the recipes of the panel, the swept settings, and the specificity
    controls.
    """
    claims: tuple[Claim, ...]
    gates: tuple[Gate, ...]
    p_value: float | None
    p_value_adjusted: float | None
    """Adjusted for the study's other hypotheses.

    By Holm's procedure if confirmatory, by Benjamini & Hochberg's if exploratory.
    """
    notes: tuple[str, ...] = ()
    supports: str = ""
    """What the verdict can support, in words."""
    cannot_support: str = ""
    """What the verdict cannot support, in words."""
    code: CodeFinding | None = None
    """Finding of the code, for a hypothesis about a corruption; else None."""
    learning: LearningFinding | None = None
    """Finding of learning, for a hypothesis about a dose; None for a contrast."""
    objectives: Objectives | None = None
    """What each swept SSL method finds; None if no method is swept."""
    look: LookTaken | None = None
    """The interim analysis at which it was judged; None if seeds are fixed.

    With interim analyses every p value here is a repeated p value (docs/adaptive.md),
    to be compared with .05.
    """
    pairs: tuple[PairMeasure, ...] = ()
    """Properties of the distant pairs; empty unless the hypothesis is a contrast."""

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON data, with the verdict written as its text."""
        return {**asdict(self), "verdict": self.verdict.text}


@dataclass(frozen=True)
class Standing:
    """Whether a study was registered, and how it departs from its registration.

    Attributes
    ----------
    sha256
        Hash of the registration; None if the study was not registered.
    deviations
        Pairs (id of a hypothesis, what differs). An empty id means all hypotheses.
    """

    sha256: str | None
    deviations: tuple[tuple[str, str], ...] = ()

    @property
    def status(self) -> str:
        """`registered` if the study was and nothing deviates, else `exploratory`."""
        return "registered" if self.sha256 is not None and not self.deviations else "exploratory"

    def confirms(self, hypothesis: str) -> bool:
        """Whether a hypothesis, given by its id, is judged exactly as registered."""
        return self.sha256 is not None and not any(
            about in ("", hypothesis) for about, _ in self.deviations
        )


@dataclass(frozen=True)
class RunCounts:
    """How many runs were planned, and what became of them.

    Attributes
    ----------
    planned
        Number of runs of the plan; the other numbers add up to it.
    done, failed, collapsed
        Number of runs that were made, by their status.
    left_out
        Number of runs that were skipped because no verdict can use them.
    missing
        Number of runs that have not been made yet.
    """

    planned: int
    done: int
    failed: int
    collapsed: int
    left_out: int
    missing: int


@dataclass(frozen=True)
class Findings:
    """All that inference says about a study, as report.json holds it."""

    hypotheses: tuple[HypothesisFinding, ...]
    sessions: tuple[SessionFinding, ...]
    baselines: tuple[Baseline, ...]
    curve: tuple[CurvePoint, ...]
    runs: RunCounts
    standing: Standing
    code: tuple[CodePoint, ...] = ()
    """One row per session whose code was measured."""
    dropping: tuple[DroppingPoint, ...] = ()
    lags: tuple[LagPoint, ...] = ()
    nulls: tuple[NullFinding, ...] = ()
    matrix: tuple[MatrixPoint, ...] = ()
    examined: tuple[ExaminedPoint, ...] = ()
    similarity: tuple[SimilarityPoint, ...] = ()
    classes: tuple[ClassPoint, ...] = ()
    messengers: tuple[MessengerPoint, ...] = ()
    switching: tuple[SwitchingPoint, ...] = ()
    units: tuple[UnitScore, ...] = ()
    reliance: tuple[ReliancePoint, ...] = ()
    measured: tuple[MeasuredPoint, ...] = ()
    """One row per session and measurement that was made only for a hypothesis."""
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON data."""
        return {**asdict(self), "hypotheses": [finding.to_json() for finding in self.hypotheses]}
