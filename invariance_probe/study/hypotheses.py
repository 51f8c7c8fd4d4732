"""The claims of a study, written before looking: what is predicted, at which dose, within which margin."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from invariance_probe.study.declaration import FILE_NAME, LONGEST_NAME, Declaration, added


class Margin(Declaration):
    """The largest loss that would not matter, as a fraction of the decodable range, with the reason."""

    fraction_of_range: Annotated[float, Field(gt=0, lt=1)]
    because: Annotated[str, Field(min_length=10)]
    """Why a loss below the margin would not matter, in words."""


class Hypothesis(Declaration):
    """One claim about one axis at one primary dose."""

    id: Annotated[str, Field(pattern=FILE_NAME, min_length=1, max_length=LONGEST_NAME)]
    claim: Annotated[str, Field(min_length=1)]
    predicts: Literal["invariant", "tolerated", "sensitive", "distributed", "few"]
    """`invariant`, `tolerated` and `sensitive` are about the dose; `distributed` and `few` about
    how many units carry the target, which decoders without SSL decide alone."""
    axis: str
    """The swept path, `kind.field`."""
    dose: float
    """The primary dose: one of the axis's doses, not its identity."""
    margin: Margin
    share: Annotated[float, Field(gt=0, le=0.5)] = added(0.25)
    """Part of the units below which carriers are `few`, and above which a target is `spread`."""
    group: str | None = None
    """Only recordings of this group; all recordings when left out."""
    role: Literal["confirmatory", "exploratory"] = "confirmatory"

    @property
    def about_units(self) -> bool:
        """Whether it predicts how many units carry the target, and nothing about learning."""
        return self.predicts in ("distributed", "few")


class Superiority(Declaration):
    """How much a benefit has to exceed, as a fraction of the decodable range, with the reason."""

    fraction_of_range: Annotated[float, Field(ge=0, lt=1)] = 0.0
    because: Annotated[str, Field(min_length=10)] = "any benefit that is shown counts"
    """Why a smaller benefit would not matter, in words."""


Control = Literal["local", "random", "shifted", "other_state", "time_shuffled", "unit_permuted"]
CONTROLS: dict[str, tuple[Control, ...]] = {
    "mined.share": ("local", "random", "shifted"),
    "state.share": ("local", "other_state", "time_shuffled", "unit_permuted"),
}
"""What distant pairs have to beat on each axis, where a hypothesis names nothing else."""
EXPERIMENTAL = ("state.share",)
"""Axes on which a contrast never counts as confirmatory."""


class Contrast(Declaration):
    """One claim that distant pairs help: their loss is lower than that of every control, at one part of distant pairs."""

    kind: Literal["contrast"]
    id: Annotated[str, Field(pattern=FILE_NAME, min_length=1, max_length=LONGEST_NAME)]
    claim: Annotated[str, Field(min_length=1)]
    predicts: Literal["beneficial"] = "beneficial"
    axis: Literal["mined.share", "state.share"] = "mined.share"
    dose: float
    """Part of the pairs that are distant: one of the axis's doses, not 0."""
    margin: Superiority = Superiority()
    controls: Annotated[tuple[Control, ...], Field(min_length=2)] = ("local", "random", "shifted")
    """What mined pairs have to beat, all of it. On `mined.share` `local` and `random` always among them; on `state.share` `local`,
    `other_state`, `time_shuffled` and `unit_permuted`, all four, which are also what is meant when the key is left out there."""
    group: str | None = None
    """Only recordings of this group; all recordings when left out."""
    role: Literal["confirmatory", "exploratory"] = "confirmatory"

    @model_validator(mode="before")
    @classmethod
    def _controls_of_the_axis(cls, given: Any) -> Any:
        axis = given.get("axis") if isinstance(given, dict) else None
        if axis in EXPERIMENTAL and "controls" not in given:
            return {**given, "controls": CONTROLS[axis]}
        return given

    @property
    def experimental(self) -> bool:
        """Whether it never counts as confirmatory, whatever its role."""
        return self.axis in EXPERIMENTAL


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
        custom_error_message="the only kind of hypothesis that is named is 'contrast'; leave the key out for a claim about what a dose costs",
    ),
]
"""A claim about what a dose costs (it names no kind), or a contrast."""
