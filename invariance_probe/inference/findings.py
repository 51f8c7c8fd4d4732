"""What was inferred: the values that cross from inference to reporting, each with a JSON form.

The field names are those of report.json. Estimands are in units of the decodable range R of their session,
so 0.1 means a tenth of what can be decoded at all.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from invariance_probe.inference.messenger_points import MessengerPoint, ReliancePoint, SwitchingPoint, UnitScore
from invariance_probe.inference.points import (
    Baseline,
    ClassPoint,
    CurvePoint,
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
    reliance: tuple[ReliancePoint, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)
