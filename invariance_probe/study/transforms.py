"""What corrupts a view: each transform with the fields that can be swept, and the dose at which a field changes nothing.

Each says beside which properties of the activity it `preserves` and which it `breaks`; every property stands in one of the two, and
tests/contracts/test_augmentations.py measures both.
"""

from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field

from invariance_probe.study.adversaries import Adversary
from invariance_probe.study.declaration import Declaration

Rate = Annotated[float, Field(ge=0, lt=1)]
Lost = Literal["silent", "mean"]

Property = Literal["counts", "unit_mean", "bin_total", "unit_identity", "window_identity"]
"""What a transform may keep of the activity.

`counts`: counts stay counts; `unit_mean`: each unit's expected activity; `bin_total`: the sum over units of every bin, in every draw;
`unit_identity`: a unit shows no other unit's activity; `window_identity`: a window shows no other window's activity.
"""


class UnitDropout(Declaration):
    """Drop whole units: each unit of a view is lost with probability `rate`."""

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = True

    kind: Literal["unit_dropout"] = "unit_dropout"
    rate: Rate = 0.0
    value: Lost = "silent"
    """`silent`: zero counts, before standardisation; `mean`: the unit's mean, after standardisation."""
    rate_draw: Literal["fixed", "uniform"] = "fixed"
    """`uniform`: each window draws its own rate from U(0, rate)."""


class StratifiedDropout(Declaration):
    """Drop whole units evenly over firing rates: of units that lie together in rate, a part of `rate` is lost in every view."""

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["stratified_dropout"] = "stratified_dropout"
    rate: Rate = 0.0


class SpikeThinning(Declaration):
    """Delete each spike with probability `rate` (the rate-matched control of dropout)."""

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = True

    kind: Literal["spike_thinning"] = "spike_thinning"
    rate: Rate = 0.0


class GaussianNoise(Declaration):
    """Add white noise of `sigma` standard deviations after standardisation."""

    identity: ClassVar[dict[str, float]] = {"sigma": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("unit_mean", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("counts", "bin_total")
    has_closed_form: ClassVar[bool] = True

    kind: Literal["gaussian_noise"] = "gaussian_noise"
    sigma: Annotated[float, Field(ge=0)] = 0.0


class GainModulation(Declaration):
    """Multiply the activity of a view by a random gain that its units share, exp(sigma c u - (sigma c)^2 / 2) with u ~ N(0, 1).

    The gain has mean 1. It multiplies what was recorded, so the variance of spiking grows with its square, where a gain of the rate
    would make Poisson counts grow in proportion. One gain a window; applied after the transforms of counts.
    """

    identity: ClassVar[dict[str, float]] = {"sigma": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("unit_mean", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("counts", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["gain_modulation"] = "gain_modulation"
    sigma: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Standard deviation of the log-gain."""
    coupling: Literal["common", "varied"] = "common"
    """`common`: c = 1, all units go up and down together; `varied`: each unit's c ~ N(0, 1), of either sign, stays the same in a run."""


class ProgressiveUnitLoss(Declaration):
    """Let units die one after another, in an order that is fixed in a run: a view shows what is left after a part u ~ U(0, rate) has died.

    Every view of a run, and every test of it, sees one order, so on average half of `rate` is lost, late units hardly ever, and an
    encoder can learn which ones last.
    """

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["progressive_unit_loss"] = "progressive_unit_loss"
    rate: Rate = 0.0
    """The largest part of the units that has died in any view."""
    value: Lost = "silent"
    """As of `unit_dropout`."""


class UnitPermutation(Declaration):
    """Exchange units with neighbours, as a drifting electrode does: random pairs of a neighbourhood swap with probability `rate`.

    Neighbourhoods are blocks of `neighbourhood` successive units, so the order of the recording's units must mean where they lie. A
    unit without a partner (one of an odd number, drawn anew) keeps its place.
    """

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "bin_total", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "unit_identity")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["unit_permutation"] = "unit_permutation"
    rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Part of the units that show another one's activity."""
    neighbourhood: Annotated[int, Field(ge=2)] = 4
    """Successive units among which partners are drawn."""


class WaveformDrift(Declaration):
    """Mix each unit with its neighbour, x' = (1 - mix) x + mix x_next, as when waveforms drift over a sorter's borders.

    Of counts every spike of a unit is given to the unit before it with probability `mix`, so that counts stay counts, no spike is lost,
    and Poisson counts stay Poisson; signals are mixed as they are, without a draw. Units are taken in the recording's order; the last
    one's next is the first.
    """

    identity: ClassVar[dict[str, float]] = {"mix": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "bin_total", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "unit_identity")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["waveform_drift"] = "waveform_drift"
    mix: Annotated[float, Field(ge=0, le=1)] = 0.0


class Pepper(Declaration):
    """Add `amplitude` standard deviations to a value with probability `rate`, after standardisation (as MYOW and Swap-VAE add it to rates)."""

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("counts", "unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["pepper"] = "pepper"
    rate: Rate = 0.0
    amplitude: float = 1.5


class TimeCutout(Declaration):
    """Lose a block of successive bins of a window: the part `fraction` of them, at least one bin left. Needs windows of several bins."""

    identity: ClassVar[dict[str, float]] = {"fraction": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["time_cutout"] = "time_cutout"
    fraction: Rate = 0.0
    """Expected part of the bins; their number is rounded at random, and at least one stays: of n bins, parts above 1 - 1 / n lose n - 1
    (of two bins, one at .8 as at .5)."""
    value: Lost = "silent"
    """As of `unit_dropout`."""


class UnitCutout(Declaration):
    """Lose a block of successive units, such as a shank or a connector: the part `fraction` of them, at least one unit left."""

    identity: ClassVar[dict[str, float]] = {"fraction": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["unit_cutout"] = "unit_cutout"
    fraction: Rate = 0.0
    """Expected part of the units; their number is rounded at random, and at least one stays: of n units, parts above 1 - 1 / n lose
    n - 1."""
    value: Lost = "silent"
    """As of `unit_dropout`."""


class CutMix(Declaration):
    """Replace a block of successive units or bins by that of another training window (Yun et al. 2019, arXiv:1905.04899).

    The other window is drawn from the run's own training windows, also where test windows are corrupted, so that nothing crosses a fold.
    Labels are not mixed. It shows the view's own half of its counts, and no other transform.
    """

    identity: ClassVar[dict[str, float]] = {"fraction": 0.0}
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_mean", "unit_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("bin_total", "window_identity")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["cutmix"] = "cutmix"
    fraction: Rate = 0.0
    """Expected part of the units (bins); the number is rounded at random, and at least one stays."""
    along: Literal["units", "bins"] = "units"
    """What the block is made of; `bins` needs windows of several bins."""


Transform = Annotated[
    UnitDropout
    | StratifiedDropout
    | SpikeThinning
    | GaussianNoise
    | GainModulation
    | ProgressiveUnitLoss
    | UnitPermutation
    | WaveformDrift
    | Pepper
    | TimeCutout
    | UnitCutout
    | CutMix,
    Field(discriminator="kind"),
]


Stage = TypeVar("Stage", bound=Declaration)
"""A transform or an adversary."""


def is_idle(transform: Transform | Adversary) -> bool:
    """Say whether a transform or an adversary is declared at the dose that changes nothing."""
    return all(getattr(transform, field) == dose for field, dose in transform.identity.items())


def at_identity(stage: Stage) -> Stage:
    """Return the same declaration at the dose that changes nothing."""
    return stage.__class__.model_validate({**stage.model_dump(), **stage.identity})  # type: ignore[attr-defined]


def cuts_bins(transform: Transform) -> bool:
    """Say whether a transform takes some bins of a window and leaves others, and so needs windows of several bins."""
    return isinstance(transform, TimeCutout) or (
        isinstance(transform, CutMix) and transform.along == "bins"
    )
