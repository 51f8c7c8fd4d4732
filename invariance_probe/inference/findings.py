"""What was inferred: the values that cross from inference to reporting, each with a JSON form.

The field names are those of report.json. Estimands are in units of the decodable range R of their session,
so 0.1 means a tenth of what can be decoded at all.
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
    NullFinding,
    SessionFinding,
    SimilarityPoint,
)


@dataclass(frozen=True)
class Estimand:
    """One estimated quantity with its 90 % interval; `smallest_margin` is the smallest m at which `<= m` would be shown."""

    name: str
    """`delta`, `H`, `D`, `C_code`, `C_blind`, `T`, `L(d, d)`; of a contrast `M_loc`, `M_rand`, `M_shift`, `M_oracle`, and `A/A`."""
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


Outcome = Literal["passed", "failed", "not shown", "not computed"]
"""`failed` takes away what a gate limits; `not shown` and `not computed` leave it exploratory."""

EVERYTHING, CARRIERS, LEARNING, AXIS = "everything", "carriers", "learning", "the axis"
"""What a gate can limit, beside single words."""


@dataclass(frozen=True)
class Gate:
    """One precondition of a finding, and what it limits (science.md 3.4)."""

    name: str
    outcome: Outcome
    limits: tuple[str, ...]
    """`everything`, `carriers`, `learning`, `the axis`, or the words that it takes away."""
    detail: str
    passed: bool | None = field(init=False)
    """True or False where it passed or failed; None for the other two outcomes."""

    def __post_init__(self) -> None:
        """Derive `passed`, which older readers of report.json know."""
        object.__setattr__(self, "passed", {"passed": True, "failed": False}.get(self.outcome))


@dataclass(frozen=True)
class DoseInterval:
    """The dose up to which invariance is shown (`lower`) and from which sensitivity is shown (`upper`; None: at none)."""

    lower: float
    upper: float | None


@dataclass(frozen=True)
class NaiveRule:
    """What the rule "delta <= m,
    so invariant" says, under the draws of the field's released scripts and of ours."""

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
    """The finding of the code as earlier versions of report.json had it; kept one schema version."""

    verdict: str
    """`information kept`, `information lost`, `inconclusive` or `not measured`."""
    detail: str
    measures: tuple[CodeMeasure, ...] = ()


@dataclass(frozen=True)
class Quantity:
    """One quantity of the code over the sessions of a hypothesis, with its 90 % interval."""

    estimate: float
    ci_low: float
    ci_high: float
    n_sessions: int


@dataclass(frozen=True)
class NamedUnit:
    """A unit that carries the target in one session, and in how many folds it was chosen."""

    session: str
    unit: str
    gained: int
    """Folds in which it is among the fewest units that reach half."""
    lost: int
    """Folds in which it is among the fewest units whose loss leaves less than half."""
    folds: int


@dataclass(frozen=True)
class CodeFinding:
    """What decoders without SSL show of a code (science.md 2.1 and 3.1)."""

    finding: str
    """`kept`, `lost`, `undecided` or `not measured`."""
    carriers_word: str
    """`few`, `between`, `spread` or `undecided`; empty where no word is allowed."""
    redundant: bool
    """Whether redundancy is shown to be above 1.25."""
    K_s: Quantity | None
    """Fewest units that reach half of what all units decode."""
    K_n: Quantity | None
    """Fewest units whose loss leaves less than half."""
    carriers: Quantity | None
    """K_s + K_n."""
    redundancy: Quantity | None
    C_code: Quantity | None
    """Loss with the surviving inputs known and the decoder refitted, in units of R_code."""
    C_blind: Quantity | None
    """Loss of one decoder that cannot see the corruption, in units of R_code."""
    independent: float | None
    """C_code of an independent code with the same R2: p / (1 + (1 - p) J)."""
    known_masks: bool
    """Whether C_code knows which inputs survive; else it equals C_blind."""
    linear: bool
    """Whether linear decoders reach less than .8 of R, so that the finding is about them."""
    n_units: tuple[int, ...]
    """Units that vary in every training part, of every session."""
    share: float
    """Part of the units below which carriers are `few`, and above which a target is `spread`."""
    units: tuple[NamedUnit, ...]
    sentence: str


@dataclass(frozen=True)
class RecipeFinding:
    """What training by one recipe of a panel shows at the primary dose."""

    name: str
    method: str
    steps: int | None
    learning_rate: float | None
    batch_size: int | None
    dimensions: int | None
    computed: bool
    reason: str
    """Why it was not computed, or what took it out; empty where nothing did."""
    finding: str
    """`free`, `costly`, `undecided`, or `not computed`."""
    retention: float | None
    """Part of R that dose 0 keeps, median over sessions."""
    D: Quantity | None
    H: Quantity | None
    delta: Quantity | None
    gates: tuple[Gate, ...]


@dataclass(frozen=True)
class PanelFinding:
    """The recipes that a claim about learning was judged under, and why these."""

    recipes: tuple[RecipeFinding, ...]
    reason: str
    one_method: str
    """Why there is no recipe of a second method; empty where there is one."""


@dataclass(frozen=True)
class LearningFinding:
    """What training shows under every recipe of the panel (science.md 2.2 and 3.1)."""

    finding: str
    """`free`, `costly`, `recipe-dependent`, `undecided` or `not measured`."""
    panel: PanelFinding
    sentence: str


@dataclass(frozen=True)
class Objective:
    """What one SSL method says of a hypothesis."""

    method: str
    word: str | None
    """`free`, `costly` or `undecided`, before gates; None where runs are missing."""
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
    chance` (independent draws from the marginals of anchors and partners),
    `purity above random` and `above shifted`, `nuisance
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
    """The primary dose under every recipe, swept setting and control."""
    claims: tuple[Claim, ...]
    gates: tuple[Gate, ...]
    p_value: float | None
    p_value_adjusted: float | None
    notes: tuple[str, ...] = ()
    supports: str = ""
    """What the verdict can support, and below what it cannot, in words (science-notes 2.1 and 2.2)."""
    cannot_support: str = ""
    code: CodeFinding | None = None
    """Of a hypothesis on a corruption."""
    learning: LearningFinding | None = None
    """Of a hypothesis on a dose; None of a contrast."""
    objectives: Objectives | None = None
    """None where no method is swept."""
    look: LookTaken | None = None
    """None where the number of seeds is fixed. With looks every p value here is a repeated one, to be held against .05."""
    pairs: tuple[PairMeasure, ...] = ()
    """Of a contrast only."""


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
        return self.sha256 is not None and not any(
            about in ("", hypothesis) for about, _ in self.deviations
        )


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
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)
