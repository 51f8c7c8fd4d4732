"""The panel of recipes under which a claim about learning must hold.

A recipe is a method, an encoder and an optimisation. What training costs depends on all
three, so a claim about learning is judged under every recipe of a panel, not only under
the study's own (docs/science.md). That is a multiverse analysis (Steegen et al. 2016,
doi:10.1177/1745691616658637). In: a study's `panel`. Out: a frozen declaration.
`plan.recipes` works out the recipes that are trained.
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
    """One training recipe, given by its changes to the study's own recipe."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Short name, unique within the panel."""
    method: Method | None = None
    """The method; the study's own if omitted.

    A method of another kind trains with the optimisation that it is licensed for, which
    `training` may change.
    """
    training: TrainingChanges = TrainingChanges()
    """Changes to the optimisation."""
    dimensions: Width | None = None
    """Number of dimensions of the representation; the encoder's own if omitted."""


class Panel(Declaration):
    """A study's own choice of recipes, with the reason."""

    recipes: Annotated[tuple[Recipe, ...], Field(min_length=1)]
    """The recipes besides the study's own, which is always in the panel."""
    because: Annotated[str, Field(min_length=10)]
    """Why these recipes and not the default ones, in words."""

    @model_validator(mode="after")
    def _names_are_its_own(self) -> Self:
        names = [recipe.name for recipe in self.recipes]
        if DECLARED in names:
            raise ValueError(
                f"{DECLARED!r} is reserved for the study's own recipe, which is always in the "
                "panel; delete this entry, or give it another name"
            )
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"more than one recipe is named {', '.join(sorted(twice))}; give each recipe its "
                "own name"
            )
        return self
