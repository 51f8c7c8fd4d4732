"""The finding of learning: what training shows under every recipe of a panel.

In: one hypothesis with its evidence. Out: the samples, gates and claims of each recipe,
and the finding at a level (science.md 2.2).

Every recipe has its own runs, estimands and gates. A recipe that fails a gate is
reported and never dropped. Learning is then `undecided`, except that the recipes which
pass may still show that the answer depends on the recipe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from invariance_probe.inference.evidence.estimands import Effect, SessionLosses, at
from invariance_probe.inference.findings import Gate, LearningFinding, PanelFinding, RecipeFinding
from invariance_probe.inference.hypotheses import gates
from invariance_probe.inference.hypotheses.code import quantity
from invariance_probe.inference.hypotheses.dose.words import learning_sentence
from invariance_probe.inference.hypotheses.question import Question
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.inference.rules.verdicts import (
    COSTLY,
    FREE,
    JITTER_COSTLY,
    JITTER_FREE,
    RECIPE_DEPENDENT,
    decide,
    learning_p,
    together,
)
from invariance_probe.plan.recipes import PlannedRecipe
from invariance_probe.plan.settings import Setting, a_third_of

ARMED = ("D", "H", "delta")
"""Estimands of a corruption under one recipe."""


@dataclass(frozen=True, eq=False)
class TrainedRecipe:
    """One recipe of the panel with its samples, gates and claims.

    Attributes
    ----------
    planned
        The recipe as planned.
    setting
        Its method, optimisation and data.
    samples
        Its estimands at the primary dose, by name.
    gates
        Its own gates; empty where runs are missing.
    p_values
        P values of its claims, by name.
    retention
        Fraction of R that dose 0 keeps, median over sessions; None where runs are
        missing.
    at_most
        Whether `<= m` may be claimed, because dose 0 can be relied on.
    """

    planned: PlannedRecipe
    setting: Setting
    samples: Mapping[str, Sample]
    gates: tuple[Gate, ...]
    p_values: Mapping[str, float]
    retention: float | None
    at_most: bool

    @property
    def complete(self) -> bool:
        """Whether no run is missing."""
        return all(sample.complete for sample in self.samples.values())

    @property
    def passes(self) -> bool:
        """Whether the recipe has all its runs and none of its own gates failed."""
        return self.complete and all(gate.outcome != "failed" for gate in self.gates)


@dataclass(frozen=True, eq=False)
class Learning:
    """The panel of one hypothesis, as it was trained.

    Attributes
    ----------
    question
        The hypothesis with its evidence.
    recipes
        The computed recipes, the declared one first.
    licensed
        Findings that the declared method is licensed for.
    """

    question: Question
    recipes: tuple[TrainedRecipe, ...]
    licensed: tuple[str, ...]

    @property
    def declared(self) -> TrainedRecipe:
        """The study's own recipe."""
        return self.recipes[0]

    @cached_property
    def p_values(self) -> dict[str, Any]:
        """P value of each finding of learning, and of delta > m (`dearer`).

        The findings are `free`, `costly` and `recipe-dependent`.
        """
        passing = [recipe.p_values for recipe in self.recipes if recipe.passes]
        found = learning_p(
            passing, self.question.jitter, all_pass=len(passing) == len(self.recipes)
        )
        # a method that is licensed for one finding only cannot show another
        if self.licensed and not {"free", "costly"} <= set(self.licensed):
            found |= {
                name: 1.0
                for name in ("free", "costly", RECIPE_DEPENDENT)
                if name not in self.licensed
            }
        return found

    def finding_at(self, level: float) -> str:
        """Finding of learning at a level.

        It is `free`, `costly`, `recipe-dependent` or `undecided`.
        """
        return decide(
            {name: p for name, p in self.p_values.items() if name != "dearer"}, level, "undecided"
        )


def learning_of(question: Question, licensed: tuple[str, ...], equivalent: bool) -> Learning:
    """Gather what every recipe of a hypothesis's panel shows.

    Parameters
    ----------
    question
        The hypothesis with its evidence.
    licensed
        Findings that the declared method is licensed for.
    equivalent
        Whether the A/A contrast permits `<= m` claims.
    """
    panel = question.panel
    recipes = [_trained(question, recipe, equivalent) for recipe in panel.computed]
    return Learning(question, tuple(recipes), licensed)


def _trained(question: Question, planned: PlannedRecipe, equivalent: bool) -> TrainedRecipe:
    assert planned.setting is not None
    setting, samples = planned.setting, recipe_samples(question, planned.setting)
    if not all(sample.complete for sample in samples.values()):
        return TrainedRecipe(planned, setting, samples, (), {}, None, False)
    results, names = question.evidence.results, question.names
    own = (
        gates.retention(question.losses, question.hypothesis, setting, question.jitter),
        gates.collapse(question.plan, results, names, setting),
    )
    clean = at("", 0.0, "none", setting.label, setting.fraction)
    kept = float(np.median([losses.retention(losses.ssl(clean)) for losses in question.losses]))
    at_most = equivalent and gates.dose_zero_keeps(question.losses, setting)
    return TrainedRecipe(
        planned,
        setting,
        samples,
        own,
        recipe_claims(samples, question.margin, at_most),
        kept,
        at_most,
    )


def recipe_samples(question: Question, setting: Setting) -> dict[str, Sample]:
    """Samples that the claims of a recipe rest on, at the primary dose.

    Parameters
    ----------
    question
        The hypothesis with its evidence.
    setting
        The recipe's setting.
    """
    if not question.jitter:
        return {
            name: question.sample(name, None, setting.label, setting.fraction) for name in ARMED
        }
    third = a_third_of(setting)
    return {
        "delta": question.sample("delta", None, setting.label, setting.fraction),
        "delta(n/3)": question.sample("delta", None, third.label, third.fraction),
    }


def recipe_claims(samples: Mapping[str, Sample], margin: float, at_most: bool) -> dict[str, float]:
    """P values of both one-sided claims about every estimand of a recipe.

    Where `<= m` claims are not allowed for a corruption, neither is the claim
    `delta > m`: both need a dose 0 that can be relied on.

    Parameters
    ----------
    samples
        The recipe's estimands by name.
    margin
        The margin m, in units of R.
    at_most
        Whether `<= m` claims are allowed.
    """
    found = {}
    for name, sample in samples.items():
        found[f"{name} <= m"] = sample.p_at_most(margin) if at_most else 1.0
        found[f"{name} > m"] = sample.p_more_than(margin)
    if not at_most and "D" in samples:
        found["delta > m"] = 1.0
    return found


def undertraining(learning: Learning) -> tuple[dict[str, Sample], str]:
    """How much more the declared recipe loses than one of more steps.

    It is compared at dose 0, in H and in delta, because an undertrained recipe finds
    the corruption harmful where better trained ones do not.

    Returns
    -------
    changes, why_not
        Samples by name, in units of R, and why there are none; one of the two is empty.
    """
    question, declared = learning.question, learning.declared
    longer = longest(learning)
    if longer is None:
        return {}, "no recipe of the panel trains longer"
    clean, of_longer = at("", 0.0, "none"), at("", 0.0, "none", longer.setting.label)
    found = {
        "L(0)": question.single.over(
            [_minus(losses, clean, of_longer) for losses in question.losses]
        )
    }
    for name in ("delta",) if question.jitter else ("H", "delta"):
        found[name] = question.single.over(
            [
                _less(own, other)
                for own, other in zip(
                    declared.samples[name].effects, longer.samples[name].effects, strict=True
                )
            ]
        )
    return found, ""


def longest(learning: Learning) -> TrainedRecipe | None:
    """Recipe of the declared method with the most steps; None if none has more."""
    own = learning.declared.setting
    assert own.optimisation is not None or len(learning.recipes) == 1
    more = [
        recipe
        for recipe in learning.recipes[1:]
        if recipe.setting.method.kind == own.method.kind
        and recipe.setting.optimisation is not None
        and own.optimisation is not None
        and recipe.setting.optimisation.steps > own.optimisation.steps
    ]
    return max(more, key=lambda recipe: recipe.setting.optimisation.steps, default=None)  # type: ignore[union-attr]


def _minus(losses: SessionLosses, first: Any, second: Any) -> Effect:
    upper, lower = losses.ssl(first), losses.ssl(second)
    values = upper - lower if upper.shape == lower.shape else upper[:0]
    return Effect(values, losses.range_for(values))


def _less(own: Effect, other: Effect) -> Effect:
    values = own.values - other.values if own.values.shape == other.values.shape else own.values[:0]
    return Effect(values, own.range)


def learning_finding(
    learning: Learning, level: float = ALPHA, withheld: str = ""
) -> LearningFinding:
    """Build the finding of learning at a level, with every recipe of the panel.

    Parameters
    ----------
    learning
        The panel as it was trained.
    level
        Level of every claim, in (0, 1).
    withheld
        Why there is no finding, where a gate or a missing licence takes it away.
    """
    question = learning.question
    panel = question.panel
    trained = {recipe.planned.name: recipe for recipe in learning.recipes}
    recipes = tuple(
        _recipe(question, planned, trained.get(planned.name), level) for planned in panel.recipes
    )
    found = "undecided" if withheld else learning.finding_at(level)
    finding = LearningFinding(found, PanelFinding(recipes, panel.because, panel.one_method), "")
    return replace(finding, sentence=learning_sentence(question, finding, withheld))


def _recipe(
    question: Question, planned: PlannedRecipe, trained: TrainedRecipe | None, level: float
) -> RecipeFinding:
    """Build what a report says of one recipe."""
    setting = planned.setting
    optimisation = setting.optimisation if setting else None
    encoder = getattr(setting.method, "encoder", None) if setting else None
    blank = RecipeFinding(
        name=planned.name,
        method=setting.method.kind if setting else question.plan.study.method.kind,
        steps=optimisation.steps if optimisation else None,
        learning_rate=optimisation.learning_rate if optimisation else None,
        batch_size=optimisation.batch_size if optimisation else None,
        dimensions=encoder.dimensions
        if encoder
        else getattr(setting.method, "dimensions", None)
        if setting
        else None,
        computed=planned.computed,
        reason=planned.reason,
        finding="not computed",
        retention=None, D=None, H=None, delta=None, gates=(),
    )  # fmt: skip
    if trained is None:
        return blank
    if not trained.complete:
        return replace(blank, finding="undecided", reason="runs are missing or failed")
    failed = [gate.detail for gate in trained.gates if gate.outcome == "failed"]
    free, costly = (JITTER_FREE, JITTER_COSTLY) if question.jitter else (FREE, COSTLY)
    p_values = {
        "free": together(trained.p_values, free),
        "costly": together(trained.p_values, costly),
    }
    found = "undecided" if failed else decide(p_values, level, "undecided")
    D, H, delta = (
        quantity(sample) if (sample := trained.samples.get(name)) else None for name in ARMED
    )
    return replace(
        blank, finding=found, reason="; ".join(failed), retention=trained.retention,
        gates=trained.gates, D=D, H=H, delta=delta
    )  # fmt: skip
