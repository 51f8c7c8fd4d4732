"""How windows form the training examples of a user-defined method.

In: the field `examples` of such a method. Out: frozen declarations, each of a kind
listed in `training.examples.EXAMPLES`, with the settings that this kind requires.
Methods of the package have the same settings as fields of their own.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from invariance_probe.study.declaration import Declaration
from invariance_probe.study.encoders import Width


def _ascending(horizons: tuple[int, ...]) -> tuple[int, ...]:
    if list(horizons) != sorted(set(horizons)):
        raise ValueError(
            f"horizons are {list(horizons)}; they must ascend without repetition, "
            f"such as {sorted(set(horizons))}"
        )
    return horizons


def check_distances(near_s: float, far_s: float) -> None:
    """Raise ValueError if a window could be near and far at once."""
    if near_s > far_s:
        raise ValueError(
            f"near_s is {near_s:g} and far_s is {far_s:g}, but near_s must not be more than "
            "far_s, or a window could be both near and far; use a larger far_s"
        )


Gap = Annotated[int, Field(ge=0)]
Horizons = Annotated[tuple[Width, ...], Field(min_length=1), AfterValidator(_ascending)]
Distance = Annotated[float, Field(gt=0)]


class InPairs(Declaration):
    """Each example is a pair of windows: an anchor and its partner.

    The partner is chosen as `views.pairing` of the study declares.
    """

    swept: ClassVar[str] = ""

    kind: Literal["pairs"] = "pairs"


class InSequences(Declaration):
    """Successive windows and later ones at fixed distances; see `cpc`."""

    swept: ClassVar[str] = "horizons"
    """The field that says which windows in time are put together."""

    kind: Literal["sequences"] = "sequences"
    context_windows: Width = 4
    """Number of successive windows at the start of a sequence."""
    gap_bins: Gap = 0
    """Number of bins left out between successive windows, which never overlap."""
    horizons: Horizons = (1, 2)
    """Positions of the later windows after the first ones, ascending."""


class InPositions(Declaration):
    """An anchor and a window that is near (label 1) or far (label -1).

    See `relative_positioning`.
    """

    swept: ClassVar[str] = "near_s"

    kind: Literal["positions"] = "positions"
    near_s: Distance = 0.2
    """Windows that start at most this far apart are near (seconds)."""
    far_s: Distance = 2.0
    """Windows that start more than this apart are far (seconds)."""

    @model_validator(mode="after")
    def _near_is_not_far(self) -> Self:
        check_distances(self.near_s, self.far_s)
        return self


class InTriplets(Declaration):
    """Three windows in order (label 1) or shuffled (label -1).

    See `temporal_shuffling`.
    """

    swept: ClassVar[str] = "near_s"

    kind: Literal["triplets"] = "triplets"
    near_s: Distance = 0.4
    """The outer windows of a triplet start at most this far apart (seconds)."""
    far_s: Distance = 2.0
    """Least distance of a shuffled triplet's middle window (seconds)."""
    signed: bool = False
    """Whether a shuffled triplet is its own reverse; `far_s` then plays no part."""

    @model_validator(mode="after")
    def _near_is_not_far(self) -> Self:
        if not self.signed:
            check_distances(self.near_s, self.far_s)
        return self


OwnExamples = Annotated[
    InPairs | InSequences | InPositions | InTriplets, Field(discriminator="kind")
]
