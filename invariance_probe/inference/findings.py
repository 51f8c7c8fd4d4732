"""Findings: the values that cross from inference to reporting.

Each is a frozen value with a JSON form, and its field names are those of report.json.
Nothing is computed here. Estimands are in units of the decodable range R of their
session, so 0.1 means a tenth of what can be decoded at all.
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
    """One estimated quantity with its 90 % interval, in units of its range."""

    name: str
    """`delta`, `H`, `D`, `C_code`, `C_blind`, `T` or `L(d, d)`; for a contrast `M_loc`,
    `M_rand`, `M_shift`, `M_oracle` or `A/A`."""
    axis: str
    dose: float
    arm: str
    """How draws are shared: `independent`, `shared`, `paired` or `none`; for a
    contrast, its pairs."""
    estimate: float
    ci_low: float
    ci_high: float
    smallest_margin: float
    """The smallest margin m at which `<= m` would be shown."""
    skew: float
    """Skewness over sessions or subjects."""
    n_sessions: int
    n_seeds: int
    setting: str = ""
    """The swept setting or check as `path=value`; empty for the study's own setting."""


@dataclass(frozen=True)
class Claim:
    """One one-sided statement about an estimand, such as `D <= m`."""

    name: str
    shown: bool
    """Whether the claim is shown at alpha = .05."""
    p_value: float


Outcome = Literal["passed", "failed", "not shown", "not computed"]
"""Outcome of a gate.

`failed` takes away what the gate limits. `not shown` and `not computed` leave it
exploratory.
"""

EVERYTHING, CARRIERS, LEARNING, AXIS = "everything", "carriers", "learning", "the axis"
"""What a gate can limit besides single verdict words."""


@dataclass(frozen=True)
class Gate:
    """One precondition of a finding, and what it limits (science.md 3.4)."""

    name: str
    outcome: Outcome
    limits: tuple[str, ...]
    """`everything`, `carriers`, `learning`, `the axis`, or the words that it takes
    away."""
    detail: str
    passed: bool | None = field(init=False)
    """True where the gate passed, False where it failed, None for the other two
    outcomes."""

    def __post_init__(self) -> None:
        """Derive `passed`, which older readers of report.json know."""
        object.__setattr__(self, "passed", {"passed": True, "failed": False}.get(self.outcome))


@dataclass(frozen=True)
class DoseInterval:
    """Doses at which invariance and sensitivity are shown.

    Attributes
    ----------
    lower
        The highest dose up to which invariance is shown.
    upper
        The lowest dose at which sensitivity is shown; None where it is shown at no
        dose.
    """

    lower: float
    upper: float | None


@dataclass(frozen=True)
class NaiveRule:
    """What the naive rule "delta <= m, so invariant" says.

    It is applied to the draws of the field's released scripts (paired) and to
    independent draws.
    """

    rule: str
    says: str
    """Its answer with paired draws where the study has them, else with independent
    draws."""
    independent: str
    """Its answer with independent draws."""
    paired: str | None
    """Its answer with paired draws; None where the study has none."""


@dataclass(frozen=True)
class CodeMeasure:
    """One property of the code over the sessions of a hypothesis, without SSL.

    The interval is at 90 %, and None where there is none.
    """

    name: str
    """`n_eff`, `red_idx` or `tau_s`."""
    estimate: float
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    """P value of `red_idx > 0`; None for the other measures."""
    n_sessions: int


@dataclass(frozen=True)
class NoSSL:
    """The finding of the code in the form of earlier versions of report.json.

    It is kept for one schema version.
    """

    verdict: str
    """`information kept`, `information lost`, `inconclusive` or `not measured`."""
    detail: str
    measures: tuple[CodeMeasure, ...] = ()


@dataclass(frozen=True)
class Quantity:
    """One quantity of the code over the sessions of a hypothesis.

    The interval is at 90 %.
    """

    estimate: float
    ci_low: float
    ci_high: float
    n_sessions: int


@dataclass(frozen=True)
class NamedUnit:
    """A unit that carries the target in one session.

    It says in how many folds the unit was chosen.
    """

    session: str
    unit: str
    gained: int
    """Folds in which it is among the fewest units that reach half."""
    lost: int
    """Folds in which it is among the fewest units whose loss leaves less than half."""
    folds: int
    """Number of folds."""


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
    """Information of both halves of the units over that of all.

    1 where each half holds half of it, 2 where each half holds all of it.
    """
    C_code: Quantity | None
    """Loss with known surviving inputs and a refitted decoder, in units of R_code."""
    C_blind: Quantity | None
    """Loss of one decoder that cannot see the corruption, in units of R_code."""
    independent: float | None
    """C_code of an independent code with the same R2: p / (1 + (1 - p) J)."""
    known_masks: bool
    """Whether C_code knows which inputs survive; if not, it equals C_blind."""
    linear: bool
    """Whether linear decoders reach less than .8 of R; then the finding is about linear
    decoders."""
    n_units: tuple[int, ...]
    """Number of units per session that vary in every training part."""
    share: float
    """Fraction of the units below which carriers are `few` and above which a target is
    `spread`."""
    units: tuple[NamedUnit, ...]
    """The units that were chosen in some fold."""
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
    """Whether the recipe was planned to be trained."""
    reason: str
    """Why it was not computed, or why it has no finding (failed gates, missing runs);
    empty otherwise."""
    finding: str
    """`free`, `costly`, `undecided`, or `not computed`."""
    retention: float | None
    """Fraction of R that dose 0 keeps, median over sessions."""
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
        Why the panel holds these recipes.
    one_method
        Why there is no recipe of a second method; empty where there is one.
    """

    recipes: tuple[RecipeFinding, ...]
    reason: str
    one_method: str


@dataclass(frozen=True)
class LearningFinding:
    """What training shows under every recipe of the panel.

    The rules are in science.md 2.2 and 3.1.
    """

    finding: str
    """`free`, `costly`, `recipe-dependent` or `undecided`."""
    panel: PanelFinding
    sentence: str


@dataclass(frozen=True)
class Objective:
    """The finding of one SSL method about a hypothesis."""

    method: str
    word: str | None
    """`free`, `costly` or `undecided`, before gates; None where runs are missing."""
    licensed: bool
    """Whether the method is licensed for such a claim."""
    retention: float | None
    """Fraction of the decodable range that the method keeps, median over sessions."""
    delta: float | None
    D: float | None
    H: float | None


@dataclass(frozen=True)
class Objectives:
    """Whether the verdict depends on the SSL objective, and what each one finds."""

    sentence: str
    methods: tuple[Objective, ...]


@dataclass(frozen=True)
class PairMeasure:
    """One property of the distant pairs of an arm of a contrast.

    It is measured at the primary dose.
    """

    name: str
    """Which property it is.

    `purity` is the fraction of pairs with one class, or else 1 - E|y - y'|^2 / (2 Var
    y). `nuisance distance` is E|n - n'|^2 / (2 Var n). Both are also given `by chance`,
    for independent draws from the marginals of anchors and partners. The others are
    `purity above random`, `purity above shifted`, `nuisance distance over shifted` (a
    ratio), `distance in s` and `share`.
    """
    arm: str
    estimate: float
    """Estimate over the sessions, followed by its 90 % interval."""
    ci_low: float
    ci_high: float
    n_sessions: int


@dataclass(frozen=True)
class LookTaken:
    """The interim analysis at which a hypothesis was judged."""

    number: int
    """Position among the planned analyses, from 1."""
    seeds: int
    """Seeds per session at this analysis."""
    planned: tuple[int, ...]
    """Seeds per session at every planned analysis."""
    spending: str
    """Spending function of alpha."""
    level: float
    """Nominal one-sided level of every claim at this analysis; all analyses together
    keep .05."""
    settled: bool
    """Whether the prediction was settled here; if not, this was the last analysis."""
    sentence: str


@dataclass(frozen=True)
class HypothesisFinding:
    """The verdict on one hypothesis with everything that it rests on."""

    id: str
    kind: str
    """`invariance`, `jitter` or `contrast`."""
    claim: str
    """The hypothesis in the author's words."""
    predicts: str
    """The word that the hypothesis predicts."""
    status: str
    """`confirmatory` or `exploratory`."""
    group: str
    axis: str
    primary_dose: float
    margin: float
    """Smallest effect that matters, in units of R."""
    because: str
    """Why this margin was chosen."""
    scope: str
    """`population of sessions`, `population of subjects` or `these recordings`."""
    sessions: tuple[str, ...]
    """Sessions that the verdict rests on."""
    verdict: Verdict
    flags: tuple[str, ...]
    """`regularised` where a corruption lowered the loss by more than the margin."""
    outcome: str
    """Whether the prediction is `supported`, `contradicted` or `open`."""
    sentence: str
    dose_interval: DoseInterval | None
    no_ssl: NoSSL
    naive: NaiveRule
    estimands: tuple[Estimand, ...]
    swept: tuple[Estimand, ...]
    """Estimands at the primary dose under every recipe, swept setting and control."""
    claims: tuple[Claim, ...]
    gates: tuple[Gate, ...]
    p_value: float | None
    p_value_adjusted: float | None
    """By Holm's procedure if confirmatory, by Benjamini & Hochberg's if exploratory."""
    notes: tuple[str, ...] = ()
    supports: str = ""
    """What the verdict can support, in words (science-notes 2.1 and 2.2)."""
    cannot_support: str = ""
    """What the verdict cannot support, in words."""
    code: CodeFinding | None = None
    """Finding of the code, for a hypothesis on a corruption."""
    learning: LearningFinding | None = None
    """Finding of learning, for a hypothesis on a dose; None for a contrast."""
    objectives: Objectives | None = None
    """Findings under the swept SSL methods; None where no method is swept."""
    look: LookTaken | None = None
    """None where the number of seeds is fixed.

    With interim analyses every p value here is a repeated one, to be compared with .05.
    """
    pairs: tuple[PairMeasure, ...] = ()
    """Properties of the distant pairs; for a contrast only."""

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON data; the verdict is written as its text."""
        return {**asdict(self), "verdict": self.verdict.text}


@dataclass(frozen=True)
class Standing:
    """Whether a study was registered, and how it departs from its registration.

    Attributes
    ----------
    sha256
        Hash of the registration; None where the study was not registered.
    deviations
        Pairs (hypothesis, what differs). An empty hypothesis means all of them.
    """

    sha256: str | None
    deviations: tuple[tuple[str, str], ...] = ()

    @property
    def status(self) -> str:
        """Status of the study: `registered` if nothing departs, else `exploratory`."""
        return "registered" if self.sha256 is not None and not self.deviations else "exploratory"

    def confirms(self, hypothesis: str) -> bool:
        """Whether a hypothesis is judged as it was registered."""
        return self.sha256 is not None and not any(
            about in ("", hypothesis) for about, _ in self.deviations
        )


@dataclass(frozen=True)
class RunCounts:
    """Numbers of runs, by what became of them.

    Attributes
    ----------
    planned
        Runs of the plan; the others add up to this.
    done, failed, collapsed
        Runs that were made, by their status.
    left_out
        Runs that were skipped because no verdict can use them.
    missing
        Runs that have not been made.
    """

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
    measured: tuple[MeasuredPoint, ...] = ()
    """One row per session and measurement that only a hypothesis asks for."""
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON data."""
        return {**asdict(self), "hypotheses": [finding.to_json() for finding in self.hypotheses]}
