"""The finding of learning: what training shows under every recipe of a panel.

In: one hypothesis with its evidence. Out: the samples, gates and claims of each recipe,
and the finding at a level (science.md 2.2).

A recipe is a method with its training settings; the panel is the list of recipes under
which a hypothesis is judged. Its first recipe is the study's own, called `declared`.
The finding is `free` if training with the corruption costs at most the margin, `costly`
if being made invariant costs more, `recipe-dependent` if recipes disagree, and
otherwise `undecided`.

Every recipe has its own runs, estimands and gates. One that fails a gate is reported
and never dropped. Learning is then `undecided`, unless the recipes that pass show that
the answer depends on the recipe.
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
from invariance_probe.inference.hypotheses.evidence import HypothesisEvidence
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
from invariance_probe.study.methods import title_of

ARMED = ("D", "H", "delta")
"""Estimands of a corruption under one recipe, in units of the decodable range.

`delta` is the excess loss after training with independent draws of the corruption, `H`
that after training with one draw shared by all windows of a step, and D = delta - H the
cost of being made invariant.
"""


@dataclass(frozen=True, eq=False)
class TrainedRecipe:
    """What training by one recipe of the panel shows.

    Attributes
    ----------
    planned
        The recipe as planned.
    setting
        Its method, optimisation and data.
    samples
        Its estimands at the primary dose, by name.
    gates
        Gates that are checked for this recipe; empty if runs are missing.
    p_values
        P values of its claims, by name; empty if runs are missing.
    retention
        Fraction of the decodable range that representations reach at dose 0, median
        over sessions; None if runs are missing.
    may_claim_at_most
        Whether a cost may be claimed to be at most the margin. That needs a dose 0 that
        decodes well and is reproduced by other seeds.
    """

    planned: PlannedRecipe
    setting: Setting
    samples: Mapping[str, Sample]
    gates: tuple[Gate, ...]
    p_values: Mapping[str, float]
    retention: float | None
    may_claim_at_most: bool

    @property
    def complete(self) -> bool:
        """Whether no run of the recipe is missing."""
        return all(sample.complete for sample in self.samples.values())

    @property
    def passes(self) -> bool:
        """Whether the recipe has all its runs and none of its own gates failed."""
        return self.complete and all(gate.outcome != "failed" for gate in self.gates)


@dataclass(frozen=True, eq=False)
class Learning:
    """What training shows for one hypothesis, under every recipe of the panel.

    Attributes
    ----------
    evidence
        The hypothesis with its evidence.
    recipes
        The recipes that were trained, the study's own first.
    licensed
        The findings (`free`, `costly`) that the study's method is licensed for.
    """

    evidence: HypothesisEvidence
    recipes: tuple[TrainedRecipe, ...]
    licensed: tuple[str, ...]

    @property
    def declared(self) -> TrainedRecipe:
        """The study's own recipe."""
        return self.recipes[0]

    @cached_property
    def p_values(self) -> dict[str, Any]:
        """P value of `free`, `costly`, `recipe-dependent` and `dearer`.

        `dearer` is the claim that, under every recipe, training with the corruption
        costs more than the margin compared with no corruption (delta > m).
        """
        passing = [recipe.p_values for recipe in self.recipes if recipe.passes]
        found = learning_p(
            passing, self.evidence.jitter, all_pass=len(passing) == len(self.recipes)
        )
        # a method that is licensed for one finding only cannot show any other
        if self.licensed and not {"free", "costly"} <= set(self.licensed):
            found |= {
                name: 1.0
                for name in ("free", "costly", RECIPE_DEPENDENT)
                if name not in self.licensed
            }
        return found

    def finding_at(self, level: float) -> str:
        """Return the finding of learning at a level.

        It is `free`, `costly`, `recipe-dependent` or `undecided`.
        """
        return decide(
            {name: p for name, p in self.p_values.items() if name != "dearer"}, level, "undecided"
        )


def learning_of(
    evidence: HypothesisEvidence, licensed: tuple[str, ...], noise_is_equivalent: bool
) -> Learning:
    """Collect what every recipe of a hypothesis's panel shows.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    licensed
        The findings (`free`, `costly`) that the study's method is licensed for.
    noise_is_equivalent
        Whether dose 0 with other seeds decodes as dose 0 does (A/A control), so that a
        cost may be claimed to be at most the margin.
    """
    panel = evidence.panel
    recipes = [_trained(evidence, recipe, noise_is_equivalent) for recipe in panel.computed]
    return Learning(evidence, tuple(recipes), licensed)


def _trained(
    evidence: HypothesisEvidence, planned: PlannedRecipe, noise_is_equivalent: bool
) -> TrainedRecipe:
    """Collect samples, gates and claims of one recipe.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    planned
        The recipe, which must have been trained.
    noise_is_equivalent
        Whether the A/A control allows claims that a cost is at most the margin.
    """
    assert planned.setting is not None
    setting, samples = planned.setting, recipe_samples(evidence, planned.setting)
    if not all(sample.complete for sample in samples.values()):
        return TrainedRecipe(planned, setting, samples, (), {}, None, False)
    results, names = evidence.of_study.results, evidence.names
    own = (
        gates.retention(evidence.losses, evidence.hypothesis, setting, evidence.jitter),
        gates.collapse(evidence.plan, results, names, setting),
    )
    clean = at("", 0.0, "none", setting.label, setting.fraction)
    kept = float(np.median([losses.retention(losses.ssl(clean)) for losses in evidence.losses]))
    may_claim_at_most = noise_is_equivalent and gates.dose_zero_keeps(evidence.losses, setting)
    return TrainedRecipe(
        planned,
        setting,
        samples,
        own,
        recipe_claims(samples, evidence.margin, may_claim_at_most),
        kept,
        may_claim_at_most,
    )


def recipe_samples(evidence: HypothesisEvidence, setting: Setting) -> dict[str, Sample]:
    """Collect the estimands of a recipe at the primary dose.

    Parameters
    ----------
    evidence
        The hypothesis with its evidence.
    setting
        The recipe's method, optimisation and data.

    Returns
    -------
    samples
        By name: `D`, `H` and `delta`. For a jitter, `delta` and `delta(n/3)`, the same
        when training on a third of the windows.
    """
    if not evidence.jitter:
        return {
            name: evidence.sample(name, None, setting.label, setting.fraction) for name in ARMED
        }
    third = a_third_of(setting)
    return {
        "delta": evidence.sample("delta", None, setting.label, setting.fraction),
        "delta(n/3)": evidence.sample("delta", None, third.label, third.fraction),
    }


def recipe_claims(
    samples: Mapping[str, Sample], margin: float, may_claim_at_most: bool
) -> dict[str, float]:
    """P values of `<= m` and `> m` for each estimand of a recipe.

    If `<= m` claims are not allowed for a corruption, neither is `delta > m`, because
    both need a reliable dose 0. The p value of a claim that is not allowed is 1.

    Parameters
    ----------
    samples
        The recipe's estimands by name.
    margin
        The margin m, in units of the decodable range R.
    may_claim_at_most
        Whether `<= m` claims are allowed.

    Returns
    -------
    p_values
        By claim, such as `D <= m`.
    """
    found = {}
    for name, sample in samples.items():
        found[f"{name} <= m"] = sample.p_at_most(margin) if may_claim_at_most else 1.0
        found[f"{name} > m"] = sample.p_more_than(margin)
    if not may_claim_at_most and "D" in samples:
        found["delta > m"] = 1.0
    return found


def undertraining(learning: Learning) -> tuple[dict[str, Sample], str]:
    """Compare the losses of the study's recipe with those of longer training.

    They are compared at dose 0, in H and in delta, because an undertrained recipe finds
    a corruption harmful that well-trained recipes do not.

    Returns
    -------
    changes
        By how much the losses of the study's recipe are larger, by name (`L(0)`, `H`,
        `delta`; no `H` for a jitter). Empty if no recipe of its method has more steps.
    why_not
        Why `changes` is empty; an empty string if it is not.
    """
    evidence, declared = learning.evidence, learning.declared
    longer = longest(learning)
    if longer is None:
        return {}, "no recipe of the panel trains longer"
    clean, of_longer = at("", 0.0, "none"), at("", 0.0, "none", longer.setting.label)
    found = {
        "L(0)": evidence.single.over(
            [_loss_difference(losses, clean, of_longer) for losses in evidence.losses]
        )
    }
    for name in ("delta",) if evidence.jitter else ("H", "delta"):
        found[name] = evidence.single.over(
            [
                _effect_difference(own, other)
                for own, other in zip(
                    declared.samples[name].effects, longer.samples[name].effects, strict=True
                )
            ]
        )
    return found, ""


def longest(learning: Learning) -> TrainedRecipe | None:
    """The recipe of the study's method with the most steps.

    None if no recipe has more steps than the study's own.
    """
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


def _loss_difference(losses: SessionLosses, first: Any, second: Any) -> Effect:
    """Return the losses of one condition minus those of another, as an effect."""
    upper, lower = losses.ssl(first), losses.ssl(second)
    values = upper - lower if upper.shape == lower.shape else upper[:0]
    return Effect(values, losses.range_for(values))


def _effect_difference(own: Effect, other: Effect) -> Effect:
    """Return one effect minus another, over the range of the first."""
    values = own.values - other.values if own.values.shape == other.values.shape else own.values[:0]
    return Effect(values, own.range)


def learning_finding(
    learning: Learning, level: float = ALPHA, withheld: str = ""
) -> LearningFinding:
    """Build the finding of learning at a level, with every recipe of the panel.

    Parameters
    ----------
    learning
        What every recipe shows.
    level
        Level at which every claim is tested, in (0, 1).
    withheld
        Why there is no finding, if a failed gate or a missing licence takes it away.
    """
    evidence = learning.evidence
    panel = evidence.panel
    trained = {recipe.planned.name: recipe for recipe in learning.recipes}
    recipes = tuple(
        _recipe(evidence, planned, trained.get(planned.name), level) for planned in panel.recipes
    )
    found = "undecided" if withheld else learning.finding_at(level)
    finding = LearningFinding(
        found, PanelFinding(recipes, panel.because, panel.why_no_second_method), ""
    )
    return replace(finding, sentence=learning_sentence(evidence, finding, withheld))


def _recipe(
    evidence: HypothesisEvidence,
    planned: PlannedRecipe,
    trained: TrainedRecipe | None,
    level: float,
) -> RecipeFinding:
    """Build the report's entry for one recipe, trained or not."""
    setting = planned.setting
    optimisation = setting.optimisation if setting else None
    encoder = getattr(setting.method, "encoder", None) if setting else None
    blank = RecipeFinding(
        name=planned.name,
        method=title_of(setting.method if setting else evidence.plan.study.method),
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
    free, costly = (JITTER_FREE, JITTER_COSTLY) if evidence.jitter else (FREE, COSTLY)
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
