"""How training views are made from a recording, stage by stage.

The stages are the pairing of windows, the base (which splits spike counts), the
transforms of each view, and last an adversary if there is one. In: the fields of a
study's `views`. Out: frozen declarations, and the doses that can be swept. Each
declaration lists the fields that can be swept in `identity`, with the dose at which a
field changes nothing (the identity dose). The arms `independent`, `shared` and `paired`
say how views share the random draws of the swept transform only. No view is computed
here.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from invariance_probe.study.adversaries import Adversary
from invariance_probe.study.declaration import Declaration, DoseWords, Swept, added, members
from invariance_probe.study.pairing import MinedPairing
from invariance_probe.study.session import as_stream
from invariance_probe.study.state_pairing import StatePairing
from invariance_probe.study.transforms import OwnTransform, Transform, is_idle


class TimeJitter(Swept):
    """Pair each window with another one nearby in the same trial.

    The lag between the two is at most, or exactly, `window_s`; see `shape`.
    """

    identity: ClassVar[dict[str, float]] = {"window_s": 0.0}
    words: ClassVar[DoseWords] = DoseWords("with windows {apart} made alike", "time jitter (s)")

    kind: Literal["time_jitter"] = "time_jitter"
    window_s: Annotated[float, Field(ge=0)] = 0.0
    """Largest lag in seconds; a whole number of bins."""
    shape: Literal["uniform", "annulus"] = "uniform"
    """Which lags occur.

    `uniform`: every lag up to `window_s`. `annulus`: only the lag `window_s` itself, so
    that the dose is more sharply defined.
    """
    stream: str = added("")
    """Name of the stream from which the second view of a pair is made.

    The two views then come from different signals, such as spikes and an LFP, each with
    an encoder of its own. If omitted, both come from the activity.
    """

    def arrays_read(self) -> frozenset[str]:
        """Name of the stream that the pairs read, if there is one."""
        return frozenset([as_stream(self.stream)] if self.stream else [])


class CountSplitting(Declaration):
    """Count splitting: each view gets one half of every spike count.

    x1 ~ Bin(x, 1/2) and x2 = x - x1, with a new split of each bin at every step.
    """

    identity: ClassVar[dict[str, float]] = {}

    kind: Literal["count_splitting"] = "count_splitting"


class NoSplitting(Declaration):
    """No splitting: both views get the whole activity.

    Without any other corruption the two views are identical, and there is no SSL task.
    """

    identity: ClassVar[dict[str, float]] = {}

    kind: Literal["none"] = "none"


def _jitter_unless_named(pairing: Any) -> Any:
    """Return a pairing; one that names no kind becomes a time jitter."""
    return {"kind": "time_jitter", **pairing} if isinstance(pairing, dict) else pairing


Pairing = Annotated[
    TimeJitter | MinedPairing | StatePairing,
    Field(discriminator="kind"),
    BeforeValidator(_jitter_unless_named),
]
Pool = Literal["subject", "group"]
"""Sessions that a model trains on together: those of one subject, or of one group.

Where recordings name no group, all sessions of the study are one group.
"""
POOL = "views.pool"
"""Path of the setting that lets models train on several sessions."""
Base = Annotated[CountSplitting | NoSplitting, Field(discriminator="kind")]


class Views(Declaration):
    """The stages that turn a recording into training views."""

    pairing: Pairing = TimeJitter()
    """Which two windows make a pair."""
    base: Base = CountSplitting()
    """How the two views differ even at dose 0, so that there is a task."""
    transforms: tuple[Transform, ...] = ()
    """Augmentations of each view, in the order in which they act."""
    adversary: Adversary | None = added(None)
    """A corruption that is optimised to raise the loss of the models.

    It acts in training only. Models are tested under an equally strong random corruption.
    """
    pool: Pool | None = added(None)
    """Which other sessions a session's SSL models also train on.

    Each session then has its own input layer. If omitted, models train on one session.
    """

    @property
    def jitter(self) -> TimeJitter:
        """The time jitter of local pairs, whatever the kind of pairing."""
        return (
            self.pairing
            if isinstance(self.pairing, TimeJitter)
            else TimeJitter(window_s=self.pairing.window_s)
        )

    @property
    def stream(self) -> str:
        """Name of the stream that the second views show; empty if it is the activity."""
        return self.pairing.stream if isinstance(self.pairing, TimeJitter) else ""

    @property
    def corruptions(self) -> tuple[Transform | Adversary, ...]:
        """The transforms, followed by the adversary if there is one."""
        return self.transforms if self.adversary is None else (*self.transforms, self.adversary)

    def stages(self) -> dict[str, "Stage"]:
        """Return every stage by its kind, in the order in which they act on a view."""
        return {stage.kind: stage for stage in (self.pairing, self.base, *self.corruptions)}

    def doses(self) -> dict[str, float]:
        """Return the identity dose of each path (`kind.field`) that can be swept."""
        return {
            f"{kind}.{field}": dose
            for kind, stage in self.stages().items()
            for field, dose in stage.identity.items()
        }

    def at(self, path: str, dose: float) -> "Views":
        """Return these views with one field set to a dose.

        Parameters
        ----------
        path
            The field as `kind.field`. If the views have no stage of this kind, nothing
            changes.
        dose
            Its value.

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
"""Any stage of the views; `identity` lists its fields that can be swept."""


_SWEPT: tuple[type[Swept], ...] = (*members(Pairing, Swept), *members(Transform, Swept))
DOSE_WORDS: dict[str, DoseWords] = {
    f"{stage.model_fields['kind'].default}.{field}": stage.words
    for stage in _SWEPT
    for field in stage.identity
}
"""Words for doses in reports, by swept path; adversaries have none."""


def own_augmentation_of(views: Views) -> OwnTransform | None:
    """The user-defined augmentation that changes such views; None if there is none."""
    own = (transform for transform in views.transforms if isinstance(transform, OwnTransform))
    return next((transform for transform in own if not is_idle(transform)), None)


def has_closed_form(views: Views) -> bool:
    """Whether closed-form linear SSL can be fitted on such views.

    It can if the moments of each transform that changes something are known.
    """
    return all(transform.has_closed_form or is_idle(transform) for transform in views.transforms)
