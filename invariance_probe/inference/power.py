"""How often a study would show what it predicts: studies simulated from spreads, and judged by the rule of the verdicts.

In go a plan and the spread of its estimands (`spreads`, `pilot`); out come the power at several numbers of sessions and seeds,
the smallest study that suffices, and its model-steps. The rule is whole from the estimands on, with the noise gate; the other gates
(decodable, retention, collapse, steps, planted targets, a third of the data) are not simulated, so power is at most this.

Power is a number for a truth. `invariant` and `distributed` are simulated with nothing lost, `sensitive` with the pilot's own means,
or with twice the margin where there is no pilot.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from invariance_probe.inference.intervals import scope_of
from invariance_probe.inference.looks import ALPHA, looks_of
from invariance_probe.inference.many_studies import decisions
from invariance_probe.inference.simulated import Design, claims, simulate, streams
from invariance_probe.inference.spreads import Spread, estimands
from invariance_probe.inference.verdicts import prediction
from invariance_probe.study.hypotheses import Hypothesis
from invariance_probe.study.methods import LinearSSL
from invariance_probe.study.plan import Plan
from invariance_probe.study.session import covers

STUDIES = 2000
"""Simulated studies of every design."""
WANTED = 0.8
SESSIONS, SEEDS = (3, 4, 5, 6, 8, 10, 12, 16, 20), (1, 3, 5, 10)
CONFIDENCE = 0.8
"""Of the upper limit of an SD over few pilot sessions."""
THESE = "these recordings"


@dataclass(frozen=True)
class Power:
    """The power of one design.

    Attributes
    ----------
    sessions, seeds
        Sessions of the study, and seeds of every session.
    scope
        What its claims would be about, as `Sample.scope`.
    power
        Part of the simulated studies that show all claims of the prediction.
    error
        Half-width of the 95 % interval of `power` that comes from simulating.
    model_steps
        Update steps of its runs.
    """

    sessions: int
    seeds: int
    scope: str
    power: float
    error: float
    model_steps: int


@dataclass(frozen=True)
class Truth:
    """The true effects, in units of the range, that studies are simulated with, and why these."""

    why: str
    effects: Mapping[str, float]


@dataclass(frozen=True)
class Variation:
    """The power of the planned study when one thing is otherwise, in words."""

    when: str
    power: Power


@dataclass(frozen=True, eq=False)
class HypothesisPower:
    """The power of a study for one of its hypotheses.

    Attributes
    ----------
    hypothesis
        Which one.
    needed
        The claims that its prediction needs.
    spread
        What was simulated from.
    truth
        The assumed truth.
    table
        Power by sessions, then seeds; the planned design is among them.
    planned
        The planned design; None where no session is planned.
    verdicts
        Share of every verdict that studies of the planned design come to.
    variations
        The planned design after Holm's correction, at the last of several looks, with the pilot's own means as truth, and with a
        wider spread over sessions.
    fewest, cheapest
        The design with fewest sessions, then seeds, and the one with fewest model-steps, that reach .8, or None. Designs about these
        recordings only count where the study's subjects allow no others.
    warnings
        What to think about before running it.
    """

    hypothesis: Hypothesis
    needed: tuple[str, ...]
    spread: Spread
    truth: Truth
    table: tuple[Power, ...]
    planned: Power | None
    verdicts: Mapping[str, float]
    variations: tuple[Variation, ...]
    fewest: Power | None
    cheapest: Power | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Case:
    """What stays the same over the designs of one hypothesis."""

    plan: Plan
    hypothesis: Hypothesis
    spread: Spread
    studies: int
    subjects: tuple[str, ...]
    """Subject of every planned session."""
    steps: float
    """Model-steps of one session with one seed."""

    @property
    def jitter(self) -> bool:
        return self.plan.study.is_jitter(self.hypothesis.axis)

    @property
    def needed(self) -> tuple[str, ...]:
        return prediction(self.hypothesis.predicts, self.jitter)

    @property
    def seeds(self) -> int:
        return self.plan.seeds_of(self.plan.study.method)

    def of(self, sessions: int) -> tuple[str, ...]:
        """Return the subjects of so many sessions: the planned ones, or the planned subjects with sessions spread evenly."""
        named = sorted(set(self.subjects)) or [""]
        return self.subjects if sessions == len(self.subjects) else tuple(named[i % len(named)] for i in range(sessions))


def study_power(
    plan: Plan,
    spreads: Mapping[str, Spread],
    effects: Mapping[str, float] | None = None,
    sessions: Sequence[int] = SESSIONS,
    seeds: Sequence[int] = SEEDS,
    studies: int = STUDIES,
) -> tuple[HypothesisPower, ...]:
    """Return the power for every hypothesis.

    Parameters
    ----------
    plan
        The planned study.
    spreads
        The spread of every hypothesis's estimands, by its id: `stated_spreads` or `pilot_spreads`.
    effects
        True effects to assume, by estimand (`may_assume`), in units of the range, instead of those that `Truth` explains.
    sessions, seeds
        Designs to look at, besides the planned one; a method without randomness has one seed.
    studies
        How many studies of every design to simulate.
    """
    return tuple(
        _hypothesis_power(_case(plan, h, spreads[h.id], studies), effects or {}, sessions, seeds) for h in plan.study.dose_claims
    )


def may_assume(plan: Plan) -> tuple[str, ...]:
    """Return the estimands whose true effect can be given: all others follow from them."""
    jitters = {plan.study.is_jitter(hypothesis.axis) for hypothesis in plan.study.dose_claims}
    return (("C_info", "D", "H") if False in jitters else ()) + (("delta",) if True in jitters else ())


def assumed_truth(hypothesis: Hypothesis, spread: Spread, jitter: bool, effects: Mapping[str, float]) -> Truth:
    """Return the truth that a hypothesis predicts, with effects put in that are given."""
    names = estimands(jitter)
    if hypothesis.predicts == "sensitive" and spread.pilot is not None:
        why, found = "as in the pilot", _pilots(spread, names)
    elif hypothesis.predicts == "sensitive":
        lost = 2 * hypothesis.margin.fraction_of_range
        why, found = "twice the margin is lost", {name: 0.0 if name == "H" else lost for name in names}
    else:
        why, found = "nothing is lost", dict.fromkeys(names, 0.0)
        if spread.pilot is not None and "C_info" in names:
            why, found["C_info"] = "nothing is lost, C_info as in the pilot", _pilots(spread, names)["C_info"]
    given = {name: effects[name] for name in (("delta",) if jitter else ("C_info", "D", "H")) if name in effects}
    if given:
        found |= given
        found |= {"delta(n/3)": found["delta"]} if jitter else {"delta": found["D"] + found["H"]}
        why = f"{', '.join(given)} as given, else {why}"
    return Truth(why, found)


def _pilots(spread: Spread, names: Sequence[str]) -> dict[str, float]:
    return {name: float(spread.mean[spread.names.index(name)]) for name in names}


def _case(plan: Plan, hypothesis: Hypothesis, spread: Spread, studies: int) -> _Case:
    own = tuple(session for session in plan.sessions if covers(hypothesis, session))
    names = {session.name for session in (*own, *plan.planted) if covers(hypothesis, session)}
    steps = sum(run.steps for run in plan.runs if run.session in names)
    seeds = plan.seeds_of(plan.study.method)
    return _Case(plan, hypothesis, spread, studies, tuple(s.subject for s in own), steps / max(1, len(own) * seeds))


def _hypothesis_power(
    case: _Case, effects: Mapping[str, float], sessions: Sequence[int], seeds: Sequence[int]
) -> HypothesisPower:
    truth = assumed_truth(case.hypothesis, case.spread, case.jitter, effects)
    repeats = {1} if isinstance(case.plan.study.method, LinearSSL) else {*seeds, case.seeds}
    counts = sorted({*sessions, len(case.subjects)} - {0})
    table = tuple(_power(case, truth, s, k) for s in counts for k in sorted(repeats))
    planned = next((p for p in table if (p.sessions, p.seeds) == (len(case.subjects), case.seeds)), None)
    population = [p for p in table if p.scope != THESE] or list(table)
    enough = [p for p in population if p.power >= WANTED]
    return HypothesisPower(
        hypothesis=case.hypothesis, needed=case.needed, spread=case.spread, truth=truth, table=table, planned=planned,
        verdicts=_verdicts(case, truth, planned) if planned else {},
        variations=tuple(_variations(case, truth, planned)) if planned else (),
        fewest=min(enough, key=lambda p: (p.sessions, p.seeds), default=None),
        cheapest=min(enough, key=lambda p: (p.model_steps, p.sessions), default=None),
        warnings=tuple(_warnings(case, planned)),
    )  # fmt: skip


def _judged(case: _Case, truth: Truth, sessions: int, seeds: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return every claim's p values in simulated studies (study,), and which ones (study,) the noise gate stops."""
    study = case.plan.study
    design = Design(case.of(sessions), seeds, study.folds.count * study.folds.blocks_per_fold)
    rngs = streams(study.training.study_seed, case.hypothesis.id)
    drawn = simulate(case.spread, truth.effects, design, case.studies, rngs)
    return claims(drawn, case.spread.names, design.subjects, case.hypothesis.margin.fraction_of_range)


def _power(case: _Case, truth: Truth, sessions: int, seeds: int, level: float = ALPHA) -> Power:
    found, stopped = _judged(case, truth, sessions, seeds)
    joint = np.max([found[name] for name in case.needed], axis=0)
    share = float(((joint <= level) & ~stopped).mean())
    error = 1.96 * math.sqrt(share * (1 - share) / case.studies)
    return Power(sessions, seeds, scope_of(case.of(sessions)), share, error, round(case.steps * sessions * seeds))


def _verdicts(case: _Case, truth: Truth, planned: Power) -> dict[str, float]:
    found, stopped = _judged(case, truth, planned.sessions, planned.seeds)
    verdicts = decisions({name: p <= ALPHA for name, p in found.items()}, case.jitter)
    verdicts[stopped] = "invalid: noise"
    return {str(verdict): float((verdicts == verdict).mean()) for verdict in sorted(set(verdicts))}


def _variations(case: _Case, truth: Truth, planned: Power) -> Iterator[Variation]:
    size = (planned.sessions, planned.seeds)
    study = case.plan.study
    family = sum(study.quick or other.role == case.hypothesis.role for other in study.hypotheses)
    if family > 1:
        said = f"its p value has to pass {ALPHA:g} / {family} (correction over {family} hypotheses, at worst)"
        yield Variation(said, _power(case, truth, *size, level=ALPHA / family))
    looks = looks_of(study.training)
    if looks:
        said = f"claims are judged at {looks[-1].level:.4f}, the level of the last look at adaptive seeds"
        yield Variation(said, _power(case, truth, *size, level=looks[-1].level))
    if case.spread.pilot is None:
        return
    seen = Truth("as in the pilot", _pilots(case.spread, estimands(case.jitter)))
    if seen.why != truth.why:
        means = ", ".join(f"{name} = {value:+.3f}" for name, value in seen.effects.items())
        yield Variation(f"the truth is the pilot's means ({means})", _power(case, seen, *size))
    wider, factor = _wider(case.spread)
    said = f"the SD of session means is {factor:.2f} times as large, its {CONFIDENCE:.0%} upper limit from {case.spread.pilot[0]} pilot sessions"
    yield Variation(said, _power(replace(case, spread=wider), truth, *size))


def _wider(spread: Spread) -> tuple[Spread, float]:
    """Return the spread with the session means of its pilot as wide as they may be, and by how much wider their SD is."""
    assert spread.pilot is not None
    sessions, seeds, blocks = spread.pilot
    factor = math.sqrt((sessions - 1) / stats.chi2.ppf(1 - CONFIDENCE, sessions - 1))
    seen = spread.covariance["session"] + spread.within(seeds, blocks)
    excess = (factor**2 - 1) * seen
    return replace(spread, covariance={**spread.covariance, "session": spread.covariance["session"] + excess}), factor


def _warnings(case: _Case, planned: Power | None) -> Iterator[str]:
    if planned is None:
        yield "no session is planned for this hypothesis"
        return
    several = len(set(case.subjects)) > 1
    units, what = (len(set(case.subjects)), "subjects") if several else (planned.sessions, "sessions")
    if planned.scope == THESE:
        yield f"with {units} {what} the claim would be about these recordings only, not about a population"
        if planned.seeds == 1 and not isinstance(case.plan.study.method, LinearSSL):
            yield "with one seed a claim about these recordings can't see the spread over seeds, and is too easily made"
    if 2.0**-units > ALPHA:
        yield f"with {units} {what} an exact sign-flip test can't be significant: its p value is at least 2^-{units} = {2.0**-units:.3g}"
    if planned.power < WANTED:
        yield f"the planned study has a power of {planned.power:.2f} only; {WANTED:g} is usual"
