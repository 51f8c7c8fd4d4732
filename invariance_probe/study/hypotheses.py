"""The hypotheses of a study, written before any result is seen.

In: the entries of a study's `hypotheses`. Out: frozen claims, which say what is
predicted, at which dose, and within which margin. Nothing is judged here.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from invariance_probe.study.baselines import AnyMeasurement
from invariance_probe.study.declaration import FILE_NAME, LONGEST_NAME, Declaration, added


class Margin(Declaration):
    """The largest loss of decoding that would not matter, with the reason."""

    fraction_of_range: Annotated[float, Field(gt=0, lt=1)]
    """The margin as a fraction of the decodable range."""
    because: Annotated[str, Field(min_length=10)]
    """Why a loss below the margin would not matter, in words."""


ABOUT_UNITS = ("distributed", "few")
"""Predictions about how many units carry the target, not about learning."""


class Hypothesis(Declaration):
    """One claim about one axis at one primary dose."""

    id: Annotated[str, Field(pattern=FILE_NAME, min_length=1, max_length=LONGEST_NAME)]
    """Short name, unique within the study."""
    claim: Annotated[str, Field(min_length=1)]
    """The claim in words."""
    predicts: Literal["invariant", "tolerated", "sensitive", "distributed", "few"]
    """The verdict that is predicted.

    `invariant`, `tolerated` and `sensitive` are about the dose. `distributed` and `few`
    are about how many units carry the target; decoders without SSL alone decide them.
    """
    axis: str
    """The swept path, `kind.field`."""
    dose: float
    """The primary dose: one of the doses of the axis, but not its identity dose."""
    margin: Margin
    """The smallest effect that matters."""
    share: Annotated[float, Field(gt=0, le=0.5)] = added(0.25)
    """Fraction of the units that separates the findings `few` and `spread`.

    Let K_s be the number of units that suffice for half of what all units decode, and
    K_n the number whose loss leaves less than half. `few`: K_s + K_n is below this
    fraction of the units. `spread`: K_n is above it.
    """
    group: str | None = None
    """Only recordings of this group; all recordings if omitted."""
    role: Literal["confirmatory", "exploratory"] = "confirmatory"
    """Whether it belongs to the study's confirmatory hypotheses.

    Their p values are adjusted together (Holm); exploratory ones are not adjusted.
    """

    needs: ClassVar[tuple[AnyMeasurement, ...]] = ()
    """Measurements of each session that only this kind of hypothesis reads."""
    experimental: ClassVar[bool] = False
    """Whether it counts as exploratory, whatever its role says."""
    arms: ClassVar[tuple[str, ...]] = ("independent", "shared")
    """The arms that are compared at the primary dose."""

    @property
    def about_units(self) -> bool:
        """Whether it is about how many units carry the target, not about learning."""
        return self.predicts in ABOUT_UNITS


class Superiority(Declaration):
    """The margin that a benefit must exceed, with the reason."""

    fraction_of_range: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The margin as a fraction of the decodable range."""
    because: Annotated[str, Field(min_length=10)] = "any benefit that is shown counts"
    """Why a smaller benefit would not matter, in words."""


Control = Literal["local", "random", "shifted", "other_state", "time_shuffled", "unit_permuted"]
CONTROLS: dict[str, tuple[Control, ...]] = {
    "mined.share": ("local", "random", "shifted"),
    "state.share": ("local", "other_state", "time_shuffled", "unit_permuted"),
}
"""The controls of each axis of distant pairs; pairs must beat them to help."""
EXPERIMENTAL = ("state.share",)
"""Axes on which a contrast never counts as confirmatory."""


class Contrast(Declaration):
    """One claim that pairs of distant windows help.

    It says that, at one share of distant pairs, the decoding loss is lower with them
    than with every control.
    """

    kind: Literal["contrast"]
    id: Annotated[str, Field(pattern=FILE_NAME, min_length=1, max_length=LONGEST_NAME)]
    """Short name, unique within the study."""
    claim: Annotated[str, Field(min_length=1)]
    """The claim in words."""
    predicts: Literal["beneficial"] = "beneficial"
    axis: Literal["mined.share", "state.share"] = "mined.share"
    """`mined.share`: pairs mined across time; `state.share`: pairs across states."""
    dose: float
    """Fraction of the pairs that are distant: one of the doses of the axis, not 0."""
    margin: Superiority = Superiority()
    """The margin that the benefit must exceed."""
    controls: Annotated[tuple[Control, ...], Field(min_length=2)] = ("local", "random", "shifted")
    """The controls, all of which mined pairs must beat.

    On `mined.share` they must include `local` and `random`. On `state.share` they are
    `local`, `other_state`, `time_shuffled` and `unit_permuted`, all four; these are
    also the default there.
    """
    group: str | None = None
    """Only recordings of this group; all recordings if omitted."""
    role: Literal["confirmatory", "exploratory"] = "confirmatory"
    """Whether it belongs to the study's confirmatory hypotheses.

    Their p values are adjusted together (Holm); exploratory ones are not adjusted.
    """

    @model_validator(mode="before")
    @classmethod
    def _controls_of_the_axis(cls, given: Any) -> Any:
        axis = given.get("axis") if isinstance(given, dict) else None
        if axis in EXPERIMENTAL and "controls" not in given:
            return {**given, "controls": CONTROLS[axis]}
        return given

    needs: ClassVar[tuple[AnyMeasurement, ...]] = ()
    """Measurements of each session that only this kind of hypothesis reads."""
    about_units: ClassVar[bool] = False
    """Whether it is about how many units carry the target, not about learning."""

    @property
    def experimental(self) -> bool:
        """Whether it counts as exploratory whatever its role says."""
        return self.axis in EXPERIMENTAL

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that are compared at the primary dose."""
        return ("mined", *self.controls)


def _kind(hypothesis: Any) -> str:
    named = (
        hypothesis.get("kind")
        if isinstance(hypothesis, dict)
        else getattr(hypothesis, "kind", None)
    )
    return "hypothesis" if named is None else str(named)


AnyHypothesis = Annotated[
    Annotated[Hypothesis, Tag("hypothesis")] | Annotated[Contrast, Tag("contrast")],
    Discriminator(
        _kind,
        custom_error_type="study",
        custom_error_message=(
            "the only kind of hypothesis that is named is 'contrast'; "
            "leave the key out for a claim about what a dose costs"
        ),
    ),
]
"""A claim about what a dose costs, which has no key `kind`, or a contrast.

A kind of hypothesis that is about no swept dose has the axis "", dose 0 and no arms.
"""
