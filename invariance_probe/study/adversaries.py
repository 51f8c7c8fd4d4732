"""What corrupts views against the models while they train: each adversary with its dose, and the dose at which it changes nothing.

An adversary sees the SSL loss and nothing of the target. A mask hides whole units at their mean, one mask a step and view, so that it is
the population's and not a window's, unless it is declared to see the window. With the `shared` arm both views get the same corruption;
there is no `paired` arm.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import Declaration, added

Budget = Annotated[int, Field(ge=0)]


class WorstOfMasks(Declaration):
    """Hide the `budget` units that harm the loss most among `tries` random sets (MaxUp, Gong et al. 2020, arXiv:2002.09024).

    With one try the sets are random: the reference that every other mask is held against.
    """

    identity: ClassVar[dict[str, float]] = {"budget": 0.0}
    has_closed_form: ClassVar[bool] = False

    kind: Literal["worst_of_masks"] = "worst_of_masks"
    budget: Budget = 0
    tries: Annotated[int, Field(ge=1)] = 4


class AscendedMask(Declaration):
    """Hide `budget` units that projected gradient ascent on the loss finds, from the middle of all masks with that budget."""

    identity: ClassVar[dict[str, float]] = {"budget": 0.0}
    has_closed_form: ClassVar[bool] = False

    kind: Literal["ascended_mask"] = "ascended_mask"
    budget: Budget = 0
    ascents: Annotated[int, Field(ge=1)] = 3
    rate: Annotated[float, Field(gt=0)] = 0.5
    """How far an ascent moves the unit that moves most."""


class LearnedMask(Declaration):
    """Hide `budget` units drawn by scores that climb the loss beside the encoder's descent: straight-through Gumbel top-k.

    In the manner of ADIOS (Shi et al. 2022, arXiv:2201.13100), with an exact budget in place of its penalty. One that sees the window has
    a mask for each window, from scores that a network reads off the window's clean activity.
    """

    identity: ClassVar[dict[str, float]] = {"budget": 0.0}
    has_closed_form: ClassVar[bool] = False

    kind: Literal["learned_mask"] = "learned_mask"
    budget: Budget = 0
    rate: Annotated[float, Field(gt=0)] = 0.1
    """How far a step moves the score that moves most."""
    entropy: Annotated[float, Field(ge=0)] = 0.1
    """Pull of all scores towards 0, relative to the largest gradient: keeps the choice from freezing."""
    sees: Literal["nothing", "window"] = added("nothing")
    """What the scores depend on: nothing, so that a mask is the population's, or the activity of the window that is masked."""
    width: Annotated[int, Field(ge=2)] = added(32)
    """Hidden units of the network that sees the window."""

    @model_validator(mode="after")
    def _no_width_without_a_network(self) -> Self:
        if self.sees == "nothing" and self.width != 32:
            raise ValueError(
                f"width is {self.width}, but only a mask that sees the window has a network; add sees: window"
            )
        return self


class AdversarialNoise(Declaration):
    """Add noise of at most `epsilon` standard deviations that climbs the loss in `ascents` sign steps (FLAG, arXiv:2010.09891)."""

    identity: ClassVar[dict[str, float]] = {"epsilon": 0.0}
    has_closed_form: ClassVar[bool] = False

    kind: Literal["adversarial_noise"] = "adversarial_noise"
    epsilon: Annotated[float, Field(ge=0)] = 0.0
    ascents: Annotated[int, Field(ge=1)] = 3
    """Forward passes; the encoder learns from the mean of their losses. With one, the noise is random."""
    modes: Annotated[int, Field(ge=1)] | None = None
    """Only along so many leading principal components of the training activity; in every direction when left out."""
    slow: Annotated[int, Field(ge=1)] | None = added(None)
    """Only so many slowest cosines over a window's bins, of which the first is constant; at every speed when left out."""


class LearnedPolicy(Declaration):
    """Corrupt every view by an operation that a policy learned to raise the loss (Adversarial AutoAugment, arXiv:1912.11188).

    The operations and their largest magnitudes are in `augmentations.operations`: hidden units, noise, a window's gain, pepper.
    """

    identity: ClassVar[dict[str, float]] = {"strength": 0.0}
    has_closed_form: ClassVar[bool] = False

    kind: Literal["learned_policy"] = "learned_policy"
    strength: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Cap on every magnitude, as a part of the operation's largest."""
    draws: Annotated[int, Field(ge=2)] = 4
    """Forward passes, each with operations of its own; the encoder learns from the mean of their losses."""
    rate: Annotated[float, Field(gt=0)] = 0.1
    """How far a step moves the scores of the policy."""
    entropy: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the policy's entropy beside rewards of unit variance."""


Adversary = Annotated[
    WorstOfMasks | AscendedMask | LearnedMask | AdversarialNoise | LearnedPolicy,
    Field(discriminator="kind"),
]
