"""The claims of a study, written before looking: what is predicted, at which dose, within which margin."""

from typing import Annotated, Literal

from pydantic import Field

from invariance_probe.study.declaration import Declaration


class Margin(Declaration):
    """The largest loss that would not matter, as a fraction of the decodable range, with the reason."""

    fraction_of_range: Annotated[float, Field(gt=0, lt=1)]
    because: Annotated[str, Field(min_length=10)]
    """Why a loss below the margin would not matter, in words."""


class Hypothesis(Declaration):
    """One claim about one axis at one primary dose."""

    id: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    claim: Annotated[str, Field(min_length=1)]
    predicts: Literal["invariant", "distributed", "sensitive"]
    axis: str
    """The swept path, `kind.field`."""
    dose: float
    """The primary dose: one of the axis's doses, not its identity."""
    margin: Margin
    group: str | None = None
    """Only recordings of this group; all recordings when left out."""
    role: Literal["confirmatory", "exploratory"] = "confirmatory"
