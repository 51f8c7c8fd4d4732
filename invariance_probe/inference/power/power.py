"""How often a study would show what it predicts.

In: a plan and the spread of its estimands (`spreads`, `pilot`). Out: the power at
several numbers of sessions and seeds, the smallest study that has enough power, and its
cost in model-steps (update steps of all models together). Studies are simulated from
the spread and judged by the rules of the verdicts.

A word is a verdict, such as `tolerated`, or a finding on how many units carry the
target, such as `few`. Claims about learning are judged under every recipe of the
planned panel, and for comparison under the declared recipe alone. The noise gate is
simulated, but the other gates (decodable, retention, collapse, trained, planted
targets) are not, so the true power is at most the one computed here.

Power depends on what is assumed to be true. `invariant` is simulated with nothing lost;
`tolerated` with twice the margin lost with the inputs and nothing by training;
`sensitive` with the pilot's own means, or with twice the margin if there is no pilot;
`few` and `distributed` with the pilot's numbers of units, or with half and twice the
share.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from invariance_probe.inference.power.simulated import (
    Design,
    claims,
    simulate,
    streams,
    unit_words,
    verdict_p_values,
)
from invariance_probe.inference.power.spreads import (
    CODE,
    CODE_RANGE,
    NOISE,
    RANGE,
    UNITS,
    Spread,
    estimands,
    recipes_of,
)
from invariance_probe.inference.rules.interim_analyses import ALPHA, looks_of
from invariance_probe.inference.rules.intervals import scope_of
from invariance_probe.inference.rules.verdicts import SUPPORTED, decide_many
from invariance_probe.plan.licences import unlicensed
from invariance_probe.plan.plan import Plan
from invariance_probe.plan.recipes import PlannedRecipe, panel_of, use_of
from invariance_probe.study.hypotheses import Hypothesis
from invariance_probe.study.methods import LinearSSL
from invariance_probe.study.panel import DECLARED
from invariance_probe.study.session import covers

STUDIES = 2000
"""Number of simulated studies per design."""
WANTED = 0.8
"""Power that a study should have."""
SESSIONS, SEEDS = (3, 4, 5, 6, 8, 10, 12, 16, 20), (1, 3, 5, 10)
"""Numbers of sessions and of seeds per session at which power is computed."""
CONFIDENCE = 0.8
"""Confidence of the upper limit of an SD that few pilot sessions estimate."""
THESE = "these recordings"
"""Scope of claims with too few sessions for a population."""


@dataclass(frozen=True)
class Power:
    """The power of one design.

    Attributes
    ----------
    sessions, seeds
        Number of sessions, and of seeds per session.
    scope
        What its claims would be about, such as `population of sessions`.
    power
        Fraction of the simulated studies whose verdict supports the prediction.
    error
        Half-width of the 95 % interval of `power` that is due to simulation.
    model_steps
        Update steps of all models of the study together.
    """

    sessions: int
    seeds: int
    scope: str
    power: float
    error: float
    model_steps: int


@dataclass(frozen=True)
class Truth:
    """The true effects that studies are simulated with.

    Attributes
    ----------
    why
        What they assume, in words.
    effects
        True mean by estimand, in units of the range.
    """

    why: str
    effects: Mapping[str, float]


@dataclass(frozen=True)
class WordPower:
    """How often the planned study says one word if that word is true.

    Attributes
    ----------
    word
        The word, such as `tolerated`.
    truth
        What was assumed to be true.
    panel, alone
        Fraction of the simulated studies that say it, when judged under all recipes and
        under the declared one alone.
    """

    word: str
    truth: Truth
    panel: float
    alone: float


@dataclass(frozen=True)
class Variation:
    """The power of the planned study if one assumption is changed.

    Attributes
    ----------
    when
        What is changed, in words.
    power
        The power after the change.
    """

    when: str
    power: Power


@dataclass(frozen=True, eq=False)
class HypothesisPower:
    """The power of a study for one of its hypotheses.

    Attributes
    ----------
    hypothesis
        The hypothesis.
    supporting
        The words that support its prediction.
    recipes
        Recipes under which claims about learning are judged; empty for a prediction
        about how many units carry the target.
    spread
        The spread that studies were simulated from.
    truth
        What was assumed to be true.
    table
        Power of each design, by sessions, then seeds; the planned one is among them.
    planned
        Power of the planned design; None if no session is planned.
    alone
        Power of the planned design, judged under the declared recipe alone. None if the
        panel has no other recipe.
    words
        How often the planned design says each word if it is true; empty if no session
        is planned.
    verdicts
        Fraction of studies of the planned design that reach each verdict.
    variations
        The planned design after Holm's correction, at the last of several interim
        analyses, with the pilot's own means as truth, and with a wider spread over
        sessions.
    fewest, cheapest
        Of the designs with a power of at least .8, the one with the fewest sessions
        (then seeds) and the one with the fewest model-steps; None if no design has it.
        Designs whose claims are about these recordings only are considered only if no
        other was simulated.
    warnings
        What to consider before running the study.
    """

    hypothesis: Hypothesis
    supporting: tuple[str, ...]
    recipes: tuple[str, ...]
    spread: Spread
    truth: Truth
    table: tuple[Power, ...]
    planned: Power | None
    alone: Power | None
    words: tuple[WordPower, ...]
    verdicts: Mapping[str, float]
    variations: tuple[Variation, ...]
    fewest: Power | None
    cheapest: Power | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _PoweredHypothesis:
    """One hypothesis with what stays the same over all designs."""

    plan: Plan
    hypothesis: Hypothesis
    spread: Spread
    studies: int
    subjects: tuple[str, ...]
    """Subject of each planned session."""
    steps: float
    """Model-steps per session and seed, as planned."""
    only: tuple[str, ...] = ()
    """Judge under these recipes only; empty for the whole panel."""

    @property
    def jitter(self) -> bool:
        """Whether the hypothesis is about a time jitter."""
        return self.plan.study.is_jitter(self.hypothesis.axis)

    @property
    def margin(self) -> float:
        """The margin in units of the range."""
        return self.hypothesis.margin.fraction_of_range

    @property
    def supporting(self) -> tuple[str, ...]:
        """The words that support the prediction."""
        known = _words_of(self.hypothesis, self.jitter)
        return tuple(word for word in known if word in SUPPORTED[self.hypothesis.predicts])

    @property
    def alone(self) -> "_PoweredHypothesis":
        """The same case, judged under the declared recipe alone."""
        return replace(self, only=(DECLARED,))

    def recipes(self, sessions: int) -> tuple[str, ...]:
        """Recipes (training settings) under which claims about learning are judged.

        A recipe that is not licensed for so few sessions is left out: how often it leads to
        false claims was not counted there. A prediction about how many units carry the
        target has no recipes.

        Parameters
        ----------
        sessions
            Number of sessions of the design.
        """
        return (
            ()
            if self.hypothesis.about_units
            else self.only or recipes_of(self.plan, self.hypothesis, sessions)
        )

    def price(self, sessions: int, seeds: int) -> int:
        """Model-steps of a design.

        They are those of the planned study, scaled to the design, plus those of recipes
        that only the design has and minus those of recipes that it lacks.

        Parameters
        ----------
        sessions, seeds
            Number of sessions, and of seeds per session.
        """
        planned, own = (
            panel_of(self.plan.study, self.plan.settings[0], self.hypothesis, count).computed
            for count in (len(self.subjects), sessions)
        )
        steps = (
            self.steps
            + sum(self._steps(recipe) for recipe in own)
            - sum(self._steps(recipe) for recipe in planned)
        )
        return round(steps * sessions * seeds)

    def _steps(self, recipe: PlannedRecipe) -> int:
        """Model-steps of a recipe per session and seed."""
        # jitter: dose 0 and one dose, on all and on a third of the data; else dose 0 and two arms
        models = 4 if self.jitter else 3
        optimisation = recipe.setting.optimisation if recipe.setting else None
        return models * self.plan.study.folds.count * (optimisation.steps if optimisation else 0)

    @property
    def seeds(self) -> int:
        """Planned number of seeds per session; 1 for a method without randomness."""
        return self.plan.seeds_of(self.plan.study.method)

    def of(self, sessions: int) -> tuple[str, ...]:
        """Subject of each session of a design with a given number of sessions.

        If this is the planned number, the planned subjects are returned. For any other
        number, sessions are spread evenly over these subjects.
        """
        named = sorted(set(self.subjects)) or [""]
        return (
            self.subjects
            if sessions == len(self.subjects)
            else tuple(named[i % len(named)] for i in range(sessions))
        )


def study_power(
    plan: Plan,
    spreads: Mapping[str, Spread],
    effects: Mapping[str, float] | None = None,
    sessions: Sequence[int] = SESSIONS,
    seeds: Sequence[int] = SEEDS,
    studies: int = STUDIES,
) -> tuple[HypothesisPower, ...]:
    """Compute the power of a study for each hypothesis about a dose.

    Parameters
    ----------
    plan
        The planned study.
    spreads
        Spread of each hypothesis's estimands by its id, from `stated_spreads` or
        `pilot_spreads`.
    effects
        True effects to assume, by estimand (see `may_assume`), in units of the range.
        They replace those that follow from the prediction.
    sessions, seeds
        Designs to simulate besides the planned one. For a method without randomness,
        only one seed is simulated.
    studies
        Number of studies to simulate per design.
    """
    return tuple(
        _hypothesis_power(_case(plan, h, spreads[h.id], studies), effects or {}, sessions, seeds)
        for h in plan.study.dose_claims
    )


def may_assume(plan: Plan) -> tuple[str, ...]:
    """Names of the estimands whose true effect a user may state.

    The effects of all other estimands follow from these.
    """
    jitters = {plan.study.is_jitter(h.axis) for h in plan.study.dose_claims if not h.about_units}
    return ((CODE, "D", "H") if False in jitters else ()) + (("delta",) if True in jitters else ())


def assumed_truth(
    hypothesis: Hypothesis, spread: Spread, jitter: bool, effects: Mapping[str, float]
) -> Truth:
    """The true effects if a hypothesis is right, with any stated effects put in.

    Parameters
    ----------
    hypothesis
        The hypothesis.
    spread
        Spread of its estimands; a pilot's means may replace some effects.
    jitter
        Whether it is about a time jitter.
    effects
        Stated true effects by estimand, in units of the range.
    """
    predicts = "spread" if hypothesis.predicts == "distributed" else hypothesis.predicts
    truth = truth_of(predicts, hypothesis, jitter)
    if spread.pilot is not None and (predicts == "sensitive" or hypothesis.about_units):
        truth = _as_in_the_pilot(spread)
    elif spread.pilot is not None and CODE in spread.names:
        truth = Truth(
            f"{truth.why.partition(',')[0]}, {CODE} as in the pilot",
            {**truth.effects, CODE: _pilots(spread)[CODE]},
        )
        if predicts == "tolerated":
            truth = replace(truth, why=f"nothing is lost by training, {CODE} as in the pilot")
    allowed = () if hypothesis.about_units else ("delta",) if jitter else (CODE, "D", "H")
    given = {name: effects[name] for name in allowed if name in effects}
    if not given:
        return truth
    # effects of other recipes are dropped, so that the stated ones hold for all recipes
    own = {name: value for name, value in truth.effects.items() if name.partition(" [")[0] == name}
    own |= given
    own |= {"delta(n/3)": own["delta"]} if jitter else {"delta": own["D"] + own["H"]}
    return Truth(f"{', '.join(given)} as given, else {truth.why}", own)


def truth_of(word: str, hypothesis: Hypothesis, jitter: bool) -> Truth:
    """True effects under which a given word is right.

    For verdicts about a dose, nothing or twice the margin is lost. For `few` or
    `spread`, half or twice the hypothesis's share of the units carry the target.

    Parameters
    ----------
    word
        The word, such as `tolerated` or `few`.
    hypothesis
        The hypothesis with its margin and share.
    jitter
        Whether it is about a time jitter.
    """
    if word in ("few", "spread"):
        factor = 0.5 if word == "few" else 2.0
        said = "half" if word == "few" else "twice"
        share = math.log(min(1.0, factor * hypothesis.share))
        return Truth(f"{said} the share of the units carry the target", dict.fromkeys(UNITS, share))
    lost, nothing = 2 * hypothesis.margin.fraction_of_range, dict.fromkeys(estimands(jitter), 0.0)
    if jitter:
        costs = word == "sensitive"
        why = "training costs twice the margin" if costs else "training costs nothing"
        return Truth(why, dict.fromkeys(estimands(jitter), lost if costs else 0.0))
    if word == "invariant":
        return Truth("nothing is lost", {CODE: 0.0, **nothing})
    if word == "tolerated":
        return Truth(
            "twice the margin is lost with the inputs, and nothing by training",
            {CODE: lost, **nothing},
        )
    costly = {"D": lost, "H": 0.0, "delta": lost}
    return Truth(
        "twice the margin is lost, with the inputs and by training", {CODE: lost, **costly}
    )


def _words_of(hypothesis: Hypothesis, jitter: bool) -> tuple[str, ...]:
    """The words for which power is computed, given the kind of hypothesis."""
    if hypothesis.about_units:
        return ("few", "spread")
    return ("tolerated", "sensitive") if jitter else ("invariant", "tolerated", "sensitive")


def _as_in_the_pilot(spread: Spread) -> Truth:
    """True effects that equal the pilot's means."""
    return Truth("as in the pilot", _pilots(spread))


def _pilots(spread: Spread) -> dict[str, float]:
    """The pilot's mean of each estimand, without ranges and the A/A contrast."""
    means = zip(spread.names, spread.mean, strict=True)
    return {name: float(value) for name, value in means if name not in (NOISE, RANGE, CODE_RANGE)}


def _case(plan: Plan, hypothesis: Hypothesis, spread: Spread, studies: int) -> _PoweredHypothesis:
    """Collect what stays the same over all designs of one hypothesis."""
    own = tuple(session for session in plan.sessions if covers(hypothesis, session))
    names = {session.name for session in (*own, *plan.planted) if covers(hypothesis, session)}
    steps = sum(run.steps for run in plan.runs if run.session in names)
    seeds = plan.seeds_of(plan.study.method)
    return _PoweredHypothesis(
        plan,
        hypothesis,
        spread,
        studies,
        tuple(s.subject for s in own),
        steps / max(1, len(own) * seeds),
    )


def _hypothesis_power(
    case: _PoweredHypothesis,
    effects: Mapping[str, float],
    sessions: Sequence[int],
    seeds: Sequence[int],
) -> HypothesisPower:
    """Compute the power of each design for one hypothesis."""
    truth = assumed_truth(case.hypothesis, case.spread, case.jitter, effects)
    once = isinstance(case.plan.study.method, LinearSSL) or case.hypothesis.about_units
    repeats = {case.seeds} if once else {*seeds, case.seeds}
    counts = sorted({*sessions, len(case.subjects)} - {0})
    table = tuple(_power(case, truth, s, k) for s in counts for k in sorted(repeats))
    planned = next(
        (p for p in table if (p.sessions, p.seeds) == (len(case.subjects), case.seeds)), None
    )
    population = [p for p in table if p.scope != THESE] or list(table)
    enough = [p for p in population if p.power >= WANTED]
    powers = tuple(_word_powers(case, planned)) if planned else ()
    recipes = case.recipes(len(case.subjects))
    return HypothesisPower(
        hypothesis=case.hypothesis, supporting=case.supporting, recipes=recipes, spread=case.spread,
        truth=truth, table=table,
        planned=planned, words=powers,
        alone=_power(case.alone, truth, planned.sessions, planned.seeds)
        if planned and len(recipes) > 1
        else None,
        verdicts=_verdicts(case, truth, planned) if planned else {},
        variations=tuple(_variations(case, truth, planned)) if planned else (),
        fewest=min(enough, key=lambda p: (p.sessions, p.seeds), default=None),
        cheapest=min(enough, key=lambda p: (p.model_steps, p.sessions), default=None),
        warnings=tuple(_warnings(case, planned, powers)),
    )  # fmt: skip


def _judged(
    case: _PoweredHypothesis, truth: Truth, sessions: int, seeds: int, repeated: float = 1.0
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Simulate studies of one design, and compute the p value of each word.

    Parameters
    ----------
    case
        The hypothesis.
    truth
        The true effects.
    sessions, seeds
        The design.
    repeated
        Factor of the p values of claims about learning; see `verdict_p_values`.

    Returns
    -------
    p_values, stopped
        P values (study,) by word; and in which studies (study,) the noise gate fails.
    """
    study, subjects = case.plan.study, case.of(sessions)
    design = Design(subjects, seeds, study.folds.count * study.folds.blocks_per_fold)
    rngs = streams(study.training.study_seed, case.hypothesis.id)
    drawn = simulate(case.spread, truth.effects, design, case.studies, rngs)
    if case.hypothesis.about_units:
        found = unit_words(drawn, case.spread.names, subjects, case.hypothesis.share)
        return found, np.zeros(case.studies, bool)
    shown, stopped = claims(drawn, case.spread.names, subjects, case.margin)
    return verdict_p_values(shown, case.recipes(sessions), case.jitter, repeated), stopped


def _said(
    case: _PoweredHypothesis,
    truth: Truth,
    sessions: int,
    seeds: int,
    level: float = ALPHA,
    repeated: float = 1.0,
) -> np.ndarray:
    """Word that each simulated study (study,) of one design arrives at."""
    p_values, stopped = _judged(case, truth, sessions, seeds, repeated)
    found = decide_many(p_values, level)
    found[stopped] = "invalid: noise"
    return found


def _power(
    case: _PoweredHypothesis,
    truth: Truth,
    sessions: int,
    seeds: int,
    level: float = ALPHA,
    repeated: float = 1.0,
) -> Power:
    """Compute the power of one design."""
    share = float(
        np.isin(_said(case, truth, sessions, seeds, level, repeated), case.supporting).mean()
    )
    error = 1.96 * math.sqrt(share * (1 - share) / case.studies)
    return Power(
        sessions, seeds, scope_of(case.of(sessions)), share, error, case.price(sessions, seeds)
    )


def _word_powers(case: _PoweredHypothesis, planned: Power) -> Iterator[WordPower]:
    """Yield, for each word, how often the planned study says it if it is true."""
    for word in _words_of(case.hypothesis, case.jitter):
        truth = truth_of(word, case.hypothesis, case.jitter)
        panel, alone = (
            float((_said(judged, truth, planned.sessions, planned.seeds) == word).mean())
            for judged in (case, case.alone)
        )
        yield WordPower(word, truth, panel, alone)


def _verdicts(case: _PoweredHypothesis, truth: Truth, planned: Power) -> dict[str, float]:
    """Fraction of simulated studies of the planned design, by verdict."""
    verdicts = _said(case, truth, planned.sessions, planned.seeds)
    return {str(verdict): float((verdicts == verdict).mean()) for verdict in sorted(set(verdicts))}


def _variations(case: _PoweredHypothesis, truth: Truth, planned: Power) -> Iterator[Variation]:
    """Yield the power of the planned design under changed assumptions."""
    size = (planned.sessions, planned.seeds)
    study = case.plan.study
    family = sum(study.quick or other.role == "confirmatory" for other in study.hypotheses)
    if family > 1 and (study.quick or case.hypothesis.role == "confirmatory"):
        said = (
            f"its p value has to pass {ALPHA:g} / {family} (Holm's correction over {family} "
            f"confirmatory hypotheses, at worst)"
        )
        yield Variation(said, _power(case, truth, *size, level=ALPHA / family))
    looks = looks_of(study.training)
    if looks and not case.hypothesis.about_units:
        level = looks[-1].level
        said = (
            f"claims about learning are judged at {level:.4f}, the level of the last look at "
            f"adaptive seeds"
        )
        yield Variation(said, _power(case, truth, *size, repeated=ALPHA / level))
    if case.spread.pilot is None:
        return
    seen = _as_in_the_pilot(case.spread)
    if seen.why != truth.why:
        means = ", ".join(f"{name} = {value:+.3f}" for name, value in seen.effects.items())
        yield Variation(f"the truth is the pilot's means ({means})", _power(case, seen, *size))
    wider, factor = _wider(case.spread)
    said = (
        f"the SD of session means is {factor:.2f} times as large, its {CONFIDENCE:.0%} upper "
        f"limit from {case.spread.pilot[0]} pilot sessions"
    )
    yield Variation(said, _power(replace(case, spread=wider), truth, *size))


def _wider(spread: Spread) -> tuple[Spread, float]:
    """Widen the spread of session means to the upper limit that a pilot allows.

    Returns
    -------
    spread, factor
        The wider spread, and the factor by which the SD of session means has grown.
    """
    assert spread.pilot is not None
    sessions, seeds, blocks = spread.pilot
    factor = math.sqrt((sessions - 1) / stats.chi2.ppf(1 - CONFIDENCE, sessions - 1))
    seen = spread.covariance["session"] + spread.within(seeds, blocks)
    excess = (factor**2 - 1) * seen
    return replace(
        spread, covariance={**spread.covariance, "session": spread.covariance["session"] + excess}
    ), factor


def _warnings(
    case: _PoweredHypothesis, planned: Power | None, powers: Sequence[WordPower]
) -> Iterator[str]:
    """Yield what to consider before running the study, in sentences."""
    if planned is None:
        yield "no session is planned for this hypothesis"
        return
    several = len(set(case.subjects)) > 1
    units, what = (
        (len(set(case.subjects)), "subjects") if several else (planned.sessions, "sessions")
    )
    if planned.scope == THESE:
        yield (
            f"with {units} {what} the claim would be about these recordings only, not about "
            f"a population"
        )
        if planned.seeds == 1 and not isinstance(case.plan.study.method, LinearSSL):
            yield (
                "with one seed a claim about these recordings can't see the spread over "
                "seeds, and is too easily made"
            )
    if 2.0**-units > ALPHA:
        yield (
            f"with {units} {what} an exact sign-flip test can't be significant: its p value "
            f"is at least 2^-{units} = {2.0**-units:.3g}"
        )
    if planned.power < WANTED:
        yield f"the planned study has a power of {planned.power:.2f} only; {WANTED:g} is usual"
    weak = [
        f"{one.word} {one.panel:.2f}"
        for one in powers
        if one.panel < WANTED and one.word not in case.supporting
    ]
    if weak:
        yield (
            f"words that contradict it would be shown less often than {WANTED:g} where they "
            f"are true: {', '.join(weak)}"
        )
    if not case.hypothesis.about_units:
        yield from _warnings_of_the_panel(case)


def _warnings_of_the_panel(case: _PoweredHypothesis) -> Iterator[str]:
    """Yield one warning for each way in which the panel limits the verdict.

    For example, a method may have no calibration licence, or a recipe may be missing.
    """
    plan, hypothesis = case.plan, case.hypothesis
    own = plan.settings[0]
    for reason in unlicensed(
        own.method, own.optimisation, use_of(plan.study, hypothesis, len(case.subjects))
    ):
        yield f"there will be no word about learning: {reason}"
    for recipe in plan.panels[hypothesis.id].missing:
        yield (
            f"the recipe {recipe.name} is not computed, so that the verdict will be "
            f"exploratory: {recipe.reason}"
        )
