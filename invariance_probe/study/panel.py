"""The panel of recipes under which a claim about learning must hold.

A recipe is a method, an encoder and an optimisation. What training costs depends on all
three, so a claim about learning is judged under every recipe of a panel, not only under
the study's own (science.md 2.2). That is a multiverse analysis (Steegen et al. 2016,
doi:10.1177/1745691616658637). In: a study's `panel`. Out: a frozen declaration; the
recipes that are trained are resolved in `plan.recipes`.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import Declaration
from invariance_probe.study.encoders import Width
from invariance_probe.study.methods import Method
from invariance_probe.study.training import TrainingChanges

DECLARED, LONGER, WIDER, OTHER = "declared", "longer", "wider", "other"
"""Names of the recipes of the default panel."""


class Recipe(Declaration):
    """One training recipe: what it changes in the study's own recipe."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Short name, unique within the panel."""
    method: Method | None = None
    """The method; the study's own if omitted.

    Another kind of method trains at its own licensed optimisation, which `training` may
    change.
    """
    training: TrainingChanges = TrainingChanges()
    """Changes of the optimisation."""
    dimensions: Width | None = None
    """Dimensions of the representation; those of the method's encoder if omitted."""


class Panel(Declaration):
    """A study's own choice of recipes, with the reason."""

    recipes: Annotated[tuple[Recipe, ...], Field(min_length=1)]
    """The recipes besides the declared one, which is always in the panel."""
    because: Annotated[str, Field(min_length=10)]
    """Why these recipes and not the default ones, in words."""

    @model_validator(mode="after")
    def _names_are_its_own(self) -> Self:
        names = [recipe.name for recipe in self.recipes]
        if DECLARED in names:
            raise ValueError(
                f"the recipe {DECLARED!r} is the study's own and always in the panel; "
                "leave it out, or give this recipe another name"
            )
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"recipes are named twice: {', '.join(sorted(twice))}; each needs its own name"
            )
        return self
