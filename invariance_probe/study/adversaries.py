"""Adversaries: corruptions that raise the SSL loss while models train.

In: a study's `views.adversary`. Out: frozen declarations, each with its dose and, in
`identity`, the dose at which it changes nothing. `has_closed_form` says whether
closed-form linear SSL can be fitted under it. An adversary sees the SSL loss and
nothing of the target. A mask hides whole units by setting them to their mean. All
windows of a view share one mask per step, unless the mask is declared to see the
window. In the arm `shared` both views get the same corruption. The arm `paired` (one
draw per pair of views) does not exist for adversaries.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import Declaration, added

Budget = Annotated[int, Field(ge=0)]


class WorstOfMasks(Declaration):
    """Hide the set of `budget` units that raises the loss most.

    The set is the worst of `tries` random sets (MaxUp, Gong et al. 2020,
    arXiv:2002.09024). With one try the set is simply random, which is the reference for
    the other masks.
    """

    identity: ClassVar[dict[str, float]] = {"budget": 0.0}
    has_closed_form: ClassVar[bool] = False

    kind: Literal["worst_of_masks"] = "worst_of_masks"
    budget: Budget = 0
    """Number of units to hide."""
    tries: Annotated[int, Field(ge=1)] = 4
    """Number of random sets to try per step."""


class AscendedMask(Declaration):
    """Hide `budget` units that gradient ascent on the loss finds.

    The ascent is projected onto the masks with that budget. It starts near the mask
    that hides every unit to the same degree.
    """

    identity: ClassVar[dict[str, float]] = {"budget": 0.0}
    has_closed_form: ClassVar[bool] = False

    kind: Literal["ascended_mask"] = "ascended_mask"
    budget: Budget = 0
    """Number of units to hide."""
    ascents: Annotated[int, Field(ge=1)] = 3
    """Number of ascent steps per training step."""
    rate: Annotated[float, Field(gt=0)] = 0.5
    """Step size: change of the mask value that one ascent step changes most."""


class LearnedMask(Declaration):
    """Hide `budget` units, drawn at random according to learned scores.

    The scores ascend the loss (by straight-through Gumbel top-k) while the encoder
    descends it. This follows ADIOS (Shi et al. 2022, arXiv:2201.13100), with an exact
    budget in place of its penalty. A mask that sees the window is drawn anew for each
    window; a network computes its scores from the window's clean activity.
    """

    identity: ClassVar[dict[str, float]] = {"budget": 0.0}
    has_closed_form: ClassVar[bool] = False

    kind: Literal["learned_mask"] = "learned_mask"
    budget: Budget = 0
    """Number of units to hide."""
    rate: Annotated[float, Field(gt=0)] = 0.1
    """Step size: change of the score that one training step changes most."""
    entropy: Annotated[float, Field(ge=0)] = 0.1
    """Pull of all scores towards 0, as a fraction of the largest gradient.

    The pull keeps the choice of units from freezing.
    """
    sees: Literal["nothing", "window"] = added("nothing")
    """What the scores depend on.

    `nothing`: all windows of a view share one mask. `window`: each window has its own
    mask, which depends on its activity.
    """
    width: Annotated[int, Field(ge=2)] = added(32)
    """Width of the hidden layer of the network that sees the window."""

    @model_validator(mode="after")
    def _no_width_without_a_network(self) -> Self:
        if self.sees == "nothing" and self.width != 32:
            raise ValueError(
                f"width is {self.width}, but only a mask with `sees: window` has a network, whose "
                "width this is; add `sees: window`, or remove width"
            )
        return self


class AdversarialNoise(Declaration):
    """Add bounded noise that raises the loss.

    The noise is at most `epsilon` standard deviations. It ascends the loss in `ascents`
    steps along the sign of the gradient (FLAG, arXiv:2010.09891).
    """

    identity: ClassVar[dict[str, float]] = {"epsilon": 0.0}
    has_closed_form: ClassVar[bool] = False

    kind: Literal["adversarial_noise"] = "adversarial_noise"
    epsilon: Annotated[float, Field(ge=0)] = 0.0
    """Largest noise, in standard deviations of a unit."""
    ascents: Annotated[int, Field(ge=1)] = 3
    """Number of forward passes per step; with one, the noise is random.

    The encoder learns from the mean of their losses.
    """
    modes: Annotated[int, Field(ge=1)] | None = None
    """Number of leading principal components along which noise is added.

    The components are those of the training activity. If omitted, noise is added in
    every direction.
    """
    slow: Annotated[int, Field(ge=1)] | None = added(None)
    """Number of slowest cosines over the bins of a window that make up the noise.

    The first cosine is constant. If omitted, the noise may change from bin to bin.
    """


class LearnedPolicy(Declaration):
    """Corrupt every view by an operation that a learned policy draws.

    The policy learns to raise the loss (Adversarial AutoAugment, arXiv:1912.11188). The
    operations and their largest magnitudes are in `augmentations.operations`: hidden
    units, noise, gain of a window, pepper.
    """

    identity: ClassVar[dict[str, float]] = {"strength": 0.0}
    has_closed_form: ClassVar[bool] = False

    kind: Literal["learned_policy"] = "learned_policy"
    strength: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Cap on every magnitude, as a fraction of the operation's largest."""
    draws: Annotated[int, Field(ge=2)] = 4
    """Number of forward passes per step, each with operations of its own.

    The encoder learns from the mean of their losses.
    """
    rate: Annotated[float, Field(gt=0)] = 0.1
    """Step size of the policy's scores."""
    entropy: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the policy's entropy; the rewards are scaled to unit variance."""


Adversary = Annotated[
    WorstOfMasks | AscendedMask | LearnedMask | AdversarialNoise | LearnedPolicy,
    Field(discriminator="kind"),
]
