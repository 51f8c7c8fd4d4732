"""From a study to the recipes under which a hypothesis is judged: its panel.

A recipe is a method, an encoder and an optimisation. A study and a hypothesis go in; the
recipes come out, and for each recipe that cannot be trained the reason why. Nothing is
trained here.

The default panel (docs/science.md) has four recipes: `declared`, the study's own;
`longer`, 2.5 times the steps at three times the learning rate; `wider`, a representation
of four times the dimensions; and `other`, a second method with the optimisation that it
is licensed for. `longer` and `wider` are cut to what is licensed (`licences.py`). A
method without a licence supports no claim, so only its declared recipe is trained.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from invariance_probe.plan.licences import (
    LICENCES,
    Use,
    licensed_for,
    licensed_natively,
    other_methods,
    unlicensed,
)
from invariance_probe.plan.settings import Setting
from invariance_probe.study.declaration import Problem
from invariance_probe.study.hypotheses import Hypothesis
from invariance_probe.study.methods import TrainedMethod
from invariance_probe.study.panel import DECLARED, LONGER, OTHER, WIDER, Recipe
from invariance_probe.study.study import Study
from invariance_probe.study.transforms import OwnTransform, is_idle

STEPS, LEARNING_RATE, DIMENSIONS = 2.5, 3.0, 4
"""What `longer` and `wider` multiply steps, learning rate and dimensions by."""
LEAST_STEPS, LEAST_DIMENSIONS = 1.5, 2
"""Smallest useful factors of steps and dimensions.

If the licence allows less than this, the recipe is not computed.
"""
OWN_LONGER = 2
"""Factor of the declared steps that a study's own panel must reach."""


@dataclass(frozen=True)
class PlannedRecipe:
    """One recipe of a panel, or the reason why it is not computed.

    Attributes
    ----------
    name
        The recipe's name: `declared`, `longer`, `wider`, `other`, or a study's own.
    setting
        The setting with which its models are trained; None if it is not computed.
    reason
        Why it is not computed; empty if it is.
    """

    name: str
    setting: Setting | None
    reason: str = ""

    @property
    def computed(self) -> bool:
        """Whether models are trained with this recipe."""
        return self.setting is not None


@dataclass(frozen=True)
class PlannedPanel:
    """The recipes of a hypothesis's panel, the declared one first.

    Attributes
    ----------
    recipes
        The recipes, in the order in which they are reported.
    because
        Why these recipes were chosen, in words.
    why_no_second_method
        Why no recipe has a second method; empty if one has.
    """

    recipes: tuple[PlannedRecipe, ...]
    because: str
    why_no_second_method: str = ""

    @property
    def computed(self) -> tuple[PlannedRecipe, ...]:
        """The recipes that are trained."""
        return tuple(recipe for recipe in self.recipes if recipe.computed)

    @property
    def missing(self) -> tuple[PlannedRecipe, ...]:
        """The recipes that belong to the panel but are not computed."""
        return tuple(recipe for recipe in self.recipes if not recipe.computed)


def label_of(name: str) -> str:
    """Return the label that runs of a recipe carry, `recipe: NAME`; empty for `declared`."""
    return "" if name == DECLARED else f"recipe: {name}"


def panel_of(study: Study, own: Setting, hypothesis: Hypothesis, sessions: int) -> PlannedPanel:
    """Return the panel of one hypothesis.

    The panel is the declared recipe alone if the study is quick, if the hypothesis
    predicts how many units carry the target, or if the declared recipe has no licence.

    Parameters
    ----------
    study
        The study; if it declares a panel, this replaces the default one.
    own
        The study's own setting.
    hypothesis
        The hypothesis to be judged.
    sessions
        Number of sessions that the hypothesis is about.

    Returns
    -------
    panel
        The recipes, the declared one first.
    """
    declared = PlannedRecipe(DECLARED, own)
    if study.quick:
        return PlannedPanel(
            (declared,),
            "the study is quick, so only the declared recipe is judged",
            "the study is quick",
        )
    if hypothesis.about_units:
        return PlannedPanel(
            (declared,),
            "a prediction about units needs no panel",
            "a prediction about units needs none",
        )
    use = use_of(study, hypothesis, sessions)
    if reasons := unlicensed(own.method, own.optimisation, use):
        return PlannedPanel(
            (declared,), "the declared recipe has no licence, so no panel is trained", reasons[0]
        )
    assert own.optimisation is not None
    second = second_method(own, use)
    why_no_second_method = "" if second else "no second method is licensed for this study"
    if study.panel is not None:
        chosen = [_own_recipe(study, own, recipe) for recipe in study.panel.recipes]
        return PlannedPanel((declared, *chosen), study.panel.because, why_no_second_method)
    others = [PlannedRecipe(OTHER, second)] if second else []
    return PlannedPanel(
        (declared, _longer(own), _wider(own), *others), "the default panel", why_no_second_method
    )


def use_of(study: Study, hypothesis: Any, sessions: int) -> Use:
    """Return what a hypothesis is about, as far as licences distinguish it.

    Parameters
    ----------
    study
        The study, with its base and target.
    hypothesis
        A hypothesis or contrast, with its axis and primary dose.
    sessions
        Number of sessions that the claim rests on.

    Returns
    -------
    use
        What the claim is about: axis, dose, base, target and number of sessions.
    """
    base = "two streams" if study.views.stream else study.views.base.kind
    return Use(hypothesis.axis, hypothesis.dose, base, study.target.kind, sessions)


def without_licence(study: Study, own: Setting, hypothesis: Any, sessions: int) -> list[str]:
    """Return why training cannot support a verdict; empty if it can.

    Parameters
    ----------
    study
        The study.
    own
        The study's own setting.
    hypothesis
        The hypothesis or contrast.
    sessions
        Number of sessions that it is about.
    """
    reasons = unlicensed(own.method, own.optimisation, use_of(study, hypothesis, sessions))
    adversary = study.views.adversary
    swept = hypothesis.axis.split(".")[0]
    if adversary is not None and (adversary.kind == swept or not is_idle(adversary)):
        reasons.append(f"training against {adversary.kind} has not been calibrated")
    reasons += [
        f"the augmentation {one.title} has not been calibrated"
        for one in study.views.transforms
        if isinstance(one, OwnTransform) and (one.kind == swept or not is_idle(one))
    ]
    if study.views.pool is not None:
        reasons.append("models that train on several sessions have not been calibrated")
    return reasons


def second_method(own: Setting, use: Use) -> Setting | None:
    """Return the setting of the first other method that is licensed for a use.

    It has the optimisation that this method is licensed for, but the precision and the
    encoder of the study's own setting. It has the study's kernels as well, unless the
    method is licensed for torch alone.

    Parameters
    ----------
    own
        The study's own setting.
    use
        What the claim is about.

    Returns
    -------
    setting
        None if no other method is licensed for this use.
    """
    assert own.optimisation is not None
    precision = own.optimisation.precision
    for method, optimisation in other_methods(own.method):
        for kernels in dict.fromkeys((own.optimisation.kernels, "torch")):
            at = optimisation.model_copy(update={"kernels": kernels, "precision": precision})
            if not unlicensed(method, at, use):
                return replace(own, label=label_of(OTHER), method=method, optimisation=at)
    return None


def _longer(own: Setting) -> PlannedRecipe:
    """Return the recipe `longer`, cut to what is licensed."""
    assert own.optimisation is not None
    within = LICENCES[own.method.kind].within
    now, most = own.optimisation, within["steps"][1]
    steps = round(min(STEPS * now.steps, most))
    if steps < LEAST_STEPS * now.steps:
        reason = (
            f"its steps are licensed up to {most:g}, "
            f"less than {LEAST_STEPS:g} times the declared {now.steps}"
        )
        return PlannedRecipe(LONGER, None, reason)
    faster = min(LEARNING_RATE * now.learning_rate, within["learning_rate"][1])
    changed = now.model_copy(update={"steps": steps, "learning_rate": faster})
    return PlannedRecipe(LONGER, replace(own, label=label_of(LONGER), optimisation=changed))


def _wider(own: Setting) -> PlannedRecipe:
    """Return the recipe `wider`, cut to what is licensed."""
    assert isinstance(own.method, TrainedMethod)
    now, most = own.method.encoder.dimensions, LICENCES[own.method.kind].dimensions[1]
    dimensions = min(DIMENSIONS * now, most)
    if dimensions < LEAST_DIMENSIONS * now:
        reason = (
            f"{most} dimensions are licensed, less than {LEAST_DIMENSIONS} times the declared {now}"
        )
        return PlannedRecipe(WIDER, None, reason)
    return PlannedRecipe(
        WIDER, replace(own, label=label_of(WIDER), method=own.method.with_dimensions(dimensions))
    )


def _own_recipe(study: Study, own: Setting, recipe: Recipe) -> PlannedRecipe:
    """Return the setting of a recipe that the study declares."""
    method = recipe.method or own.method
    assert isinstance(method, TrainedMethod)
    if recipe.dimensions is not None:
        method = method.with_dimensions(recipe.dimensions)
    common = study.training.optimisation()
    if method.kind == own.method.kind:
        start = method.optimisation(common) if recipe.method else own.optimisation
    else:
        # Another method starts from its own licensed optimisation, if it has one. Torch trains
        # it, if it is not licensed for the study's kernels.
        licence = LICENCES.get(method.kind)
        natively = licence is not None and licensed_natively(method, common)
        kernels = "native" if common.kernels == "native" and natively else "torch"
        start = (
            licence.optimisation.model_copy(
                update={"kernels": kernels, "precision": common.precision}
            )
            if licence
            else method.optimisation(common)
        )
    assert start is not None
    setting = replace(
        own, label=label_of(recipe.name), method=method, optimisation=recipe.training.applied(start)
    )
    return PlannedRecipe(recipe.name, setting)


def licensed_panel(panel: PlannedPanel, use: Use) -> PlannedPanel:
    """Remove from a panel all recipes that are not licensed for a use.

    Parameters
    ----------
    panel
        The panel. Its declared recipe is not checked.
    use
        What the claim is about.

    Returns
    -------
    panel
        The panel, in which a recipe without a licence for this use counts as not
        computed, with the reason.
    """
    declared, *others = panel.recipes
    return replace(panel, recipes=(declared, *(_licensed(recipe, use) for recipe in others)))


def _licensed(recipe: PlannedRecipe, use: Use) -> PlannedRecipe:
    if recipe.setting is None:
        return recipe
    reasons = unlicensed(recipe.setting.method, recipe.setting.optimisation, use)
    return PlannedRecipe(recipe.name, None, "; ".join(reasons)) if reasons else recipe


def panel_problems(study: Study, own: Setting, sessions: dict[str, int]) -> Iterator[Problem]:
    """Yield what is missing from a study's own panel, or must not be in it.

    Parameters
    ----------
    study
        The study.
    own
        The study's own setting.
    sessions
        Number of sessions that each hypothesis is about, by its id.

    Yields
    ------
    place
        Place of the problem in the study.
    got
        The value there.
    reason
        What is wrong and what to do.
    """
    if study.panel is None or study.quick:
        return
    for hypothesis in study.dose_claims:
        use = use_of(study, hypothesis, sessions[hypothesis.id])
        if hypothesis.about_units or unlicensed(own.method, own.optimisation, use):
            continue
        panel = panel_of(study, own, hypothesis, sessions[hypothesis.id])
        chosen = licensed_panel(panel, use).recipes[1:]
        for i, recipe in enumerate(chosen):
            if not recipe.computed:
                refused = (
                    f"{recipe.reason}: a claim cannot rest on it. "
                    "Use licensed settings, or leave it out"
                )
                yield ("panel", "recipes", i), recipe.name, refused
        yield from _lacking(own, chosen, use)


def _lacking(own: Setting, chosen: tuple[PlannedRecipe, ...], use: Use) -> Iterator[Problem]:
    """Yield what a study's own panel lacks: a longer training, or another method."""
    assert own.optimisation is not None
    needed = OWN_LONGER * own.optimisation.steps
    steps = [
        (recipe.setting.method.kind, recipe.setting.optimisation.steps)
        for recipe in chosen
        if recipe.setting is not None and recipe.setting.optimisation is not None
    ]
    if not any(kind == own.method.kind and made >= needed for kind, made in steps):
        yield (
            ("panel", "recipes"),
            len(chosen),
            f"no recipe of {own.method.kind} makes {needed} steps or more; add one",
        )
    if second_method(own, use) and all(kind == own.method.kind for kind, _ in steps):
        names = ", ".join(kind for kind in licensed_for(use) if kind != own.method.kind)
        yield (
            ("panel", "recipes"),
            len(chosen),
            f"no recipe of another licensed method ({names}); add one",
        )
