"""How views are made: pairing, then the base (splitting), then per-view transforms, and last an adversary where there is one.

Each declaration names the fields that can be swept as an axis in `identity`, with the dose at which the
field changes nothing. The arms (`independent`, `shared`, `paired`) concern the swept transform only.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from invariance_probe.study.adversaries import Adversary
from invariance_probe.study.declaration import Declaration, added
from invariance_probe.study.pairing import MinedPairing
from invariance_probe.study.state_pairing import StatePairing
from invariance_probe.study.transforms import Transform, is_idle


class TimeJitter(Declaration):
    """Pair each window with another of the same trial, at most (or about) `window_s` away."""

    identity: ClassVar[dict[str, float]] = {"window_s": 0.0}

    kind: Literal["time_jitter"] = "time_jitter"
    window_s: Annotated[float, Field(ge=0)] = 0.0
    """Largest distance in seconds; a whole number of bins."""
    shape: Literal["uniform", "annulus"] = "uniform"
    """`uniform`: every lag up to the window; `annulus`: only the last bin of it (a sharper dose)."""


class CountSplitting(Declaration):
    """Give each view one half of every spike count: x1 ~ Bin(x, 1/2), x2 = x - x1, one split a bin and step."""

    identity: ClassVar[dict[str, float]] = {}

    kind: Literal["count_splitting"] = "count_splitting"


class NoSplitting(Declaration):
    """Give both views the whole activity (two identical views are no task by themselves)."""

    identity: ClassVar[dict[str, float]] = {}

    kind: Literal["none"] = "none"


def _jitter_unless_named(pairing: Any) -> Any:
    """Read a pairing that names no kind as a time jitter."""
    return {"kind": "time_jitter", **pairing} if isinstance(pairing, dict) else pairing


Pairing = Annotated[
    TimeJitter | MinedPairing | StatePairing,
    Field(discriminator="kind"),
    BeforeValidator(_jitter_unless_named),
]
Pool = Literal["subject", "group"]
"""The sessions of the same subject, or of the same group (all sessions of the study where recordings name none)."""
POOL = "views.pool"
"""The setting that lets models train on several sessions."""
Base = Annotated[CountSplitting | NoSplitting, Field(discriminator="kind")]


class Views(Declaration):
    """The stages that turn a recording into training views."""

    pairing: Pairing = TimeJitter()
    base: Base = CountSplitting()
    transforms: tuple[Transform, ...] = ()
    adversary: Adversary | None = added(None)
    """What corrupts the views against the models in training; where models are tested, it is as strong but random."""
    pool: Pool | None = added(None)
    """Whose other sessions a session's SSL models train on too, by an input layer for each; left out, on their own session alone."""

    @property
    def jitter(self) -> TimeJitter:
        """The pairing of windows that are near in time."""
        return (
            self.pairing
            if isinstance(self.pairing, TimeJitter)
            else TimeJitter(window_s=self.pairing.window_s)
        )

    @property
    def corruptions(self) -> tuple[Transform | Adversary, ...]:
        """What corrupts a view: the transforms, and then the adversary where there is one."""
        return self.transforms if self.adversary is None else (*self.transforms, self.adversary)

    def stages(self) -> dict[str, "Stage"]:
        """Return every stage by its kind, in the order in which a view passes through them."""
        return {stage.kind: stage for stage in (self.pairing, self.base, *self.corruptions)}

    def doses(self) -> dict[str, float]:
        """Return every path that can be swept, `kind.field`, with its identity dose."""
        return {
            f"{kind}.{field}": dose
            for kind, stage in self.stages().items()
            for field, dose in stage.identity.items()
        }

    def at(self, path: str, dose: float) -> "Views":
        """Return these views with one swept field set to a dose.

        Raises
        ------
        pydantic.ValidationError
            When the dose is outside the field's range.
        """
        kind, field = path.split(".")

        def put(stage: "Stage") -> dict[str, Any]:
            return {**stage.model_dump(), **({field: dose} if stage.kind == kind else {})}

        return Views.model_validate(
            {
                "pairing": put(self.pairing),
                "base": put(self.base),
                "transforms": [put(stage) for stage in self.transforms],
                "adversary": None if self.adversary is None else put(self.adversary),
                "pool": self.pool,
            }
        )


Stage = (
    TimeJitter | MinedPairing | StatePairing | CountSplitting | NoSplitting | Transform | Adversary
)
"""What a view passes through; each kind has fields that can be swept."""


def has_closed_form(views: Views) -> bool:
    """Say whether closed-form linear SSL can be fitted on such views: whether it has moments for all that changes something."""
    return all(transform.has_closed_form or is_idle(transform) for transform in views.transforms)
