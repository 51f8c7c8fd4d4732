"""The transforms (augmentations) that can corrupt a view.

In: the entries of `views.transforms`. Out: frozen declarations. Each lists in
`identity` the fields that can be swept, with the dose at which a field changes nothing.
It also says which properties of the activity it `preserves` and which it `breaks`:
every property is in one of the two, and tests/contracts/test_augmentations.py measures
both. `has_closed_form` says whether closed-form linear SSL can be fitted under it. The
transforms themselves are in `invariance_probe.augmentations`.
"""

from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import Field, model_validator

from invariance_probe.study.adversaries import Adversary
from invariance_probe.study.declaration import Declaration, DoseWords, Swept
from invariance_probe.study.own import OwnClass, name_of_class

Rate = Annotated[float, Field(ge=0, lt=1)]
Lost = Literal["silent", "mean"]

Property = Literal["counts", "unit_mean", "bin_total", "unit_identity", "window_identity"]
"""A property of the activity that a transform may preserve.

`counts`: counts stay counts. `unit_mean`: each unit's expected activity. `bin_total`:
the sum of each bin over units, in every random draw. `unit_identity`: no unit shows the
activity of another. `window_identity`: no window shows the activity of another.
"""


class UnitDropout(Swept):
    """Unit dropout: each unit of a view is lost with probability `rate`."""

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with {percent:g} % of the units dropped", "unit dropout (probability)"
    )
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = True

    kind: Literal["unit_dropout"] = "unit_dropout"
    rate: Rate = 0.0
    """Probability that a unit is lost."""
    value: Lost = "silent"
    """What a lost unit shows.

    `silent`: zero counts, before standardisation. `mean`: the unit's mean, after
    standardisation.
    """
    rate_draw: Literal["fixed", "uniform"] = "fixed"
    """`fixed`: `rate` for all windows. `uniform`: each window draws U(0, rate)."""


class StratifiedDropout(Swept):
    """Stratified dropout: lose the same fraction of units of every firing rate.

    Among units of similar firing rate, a fraction `rate` is lost in every view.
    """

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with {percent:g} % of the units of every rate dropped",
        "stratified dropout (part of the units)",
    )
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["stratified_dropout"] = "stratified_dropout"
    rate: Rate = 0.0
    """Fraction of the units of every firing rate that is lost."""


class SpikeThinning(Swept):
    """Spike thinning: delete each spike with probability `rate`.

    It serves as a control of unit dropout that removes as many spikes.
    """

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with {percent:g} % of the spikes deleted", "spike thinning (probability)"
    )
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = True

    kind: Literal["spike_thinning"] = "spike_thinning"
    rate: Rate = 0.0
    """Probability that a spike is deleted."""


class GaussianNoise(Swept):
    """Gaussian noise: add white noise of `sigma` SD after standardisation."""

    identity: ClassVar[dict[str, float]] = {"sigma": 0.0}
    words: ClassVar[DoseWords] = DoseWords("with noise of {dose:g} SD added", "noise (SD)")
    preserves: ClassVar[tuple[Property, ...]] = ("unit_mean", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("counts", "bin_total")
    has_closed_form: ClassVar[bool] = True

    kind: Literal["gaussian_noise"] = "gaussian_noise"
    sigma: Annotated[float, Field(ge=0)] = 0.0
    """SD of the noise, in standard deviations of the unit."""


class GainModulation(Swept):
    """Gain modulation: multiply a view by a random gain that its units share.

    The gain is exp(sigma c u - (sigma c)^2 / 2) with u ~ N(0, 1), and has mean 1. It
    multiplies the recorded counts, so the variance of spiking grows with the square of
    the gain. (With a gain on the firing rate, the variance of Poisson counts would grow
    in proportion to the gain.) There is one draw of u per window. The gain is applied
    after all transforms of counts.
    """

    identity: ClassVar[dict[str, float]] = {"sigma": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with a random gain of {dose:g} SD of its logarithm", "gain modulation (SD of the log-gain)"
    )
    preserves: ClassVar[tuple[Property, ...]] = ("unit_mean", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("counts", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["gain_modulation"] = "gain_modulation"
    sigma: Annotated[float, Field(ge=0, le=2)] = 0.0
    """Standard deviation of the log-gain."""
    coupling: Literal["common", "varied"] = "common"
    """How strongly each unit follows the gain.

    `common`: c = 1, so all units go up and down together. `varied`: each unit has its
    own c ~ N(0, 1), of either sign, which stays the same throughout a run.
    """


class ProgressiveUnitLoss(Swept):
    """Progressive unit loss: units die one after another, in a fixed order.

    A view shows what is left after a fraction u ~ U(0, rate) of the units has died. The
    order is the same in all views and tests of a run. On average half of `rate` is lost.
    The last units in the order are hardly ever lost, and an encoder can learn which ones
    these are.
    """

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with up to {percent:g} % of the units lost in one order",
        "progressive loss (largest part of the units)",
    )
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["progressive_unit_loss"] = "progressive_unit_loss"
    rate: Rate = 0.0
    """Largest fraction of the units that are lost in a view."""
    value: Lost = "silent"
    """What a lost unit shows; see `unit_dropout`."""


class UnitPermutation(Swept):
    """Unit permutation: units swap with neighbours, as on a drifting electrode.

    Random pairs within a neighbourhood swap with probability `rate`. Neighbourhoods are
    blocks of `neighbourhood` successive units, so the order of the recording's units
    must follow their positions. In a block with an odd number of units, one unit, drawn
    anew each time, has no partner and does not swap.
    """

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with {percent:g} % of the units exchanged with neighbours",
        "unit permutation (part of the units)",
    )
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "bin_total", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "unit_identity")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["unit_permutation"] = "unit_permutation"
    rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of the units that show another unit's activity."""
    neighbourhood: Annotated[int, Field(ge=2)] = 4
    """Number of successive units among which partners are drawn."""


class WaveformDrift(Swept):
    """Waveform drift: mix each unit with its neighbour.

    x' = (1 - mix) x + mix x_next, as when waveforms drift over the borders of a spike
    sorter. With counts, every spike of a unit is given to the unit before it with
    probability `mix`, so counts stay counts, no spike is lost, and Poisson counts stay
    Poisson. Continuous signals are mixed without randomness. Neighbours follow the order
    of the recording, in which the first unit follows the last.
    """

    identity: ClassVar[dict[str, float]] = {"mix": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with {percent:g} % of each unit's activity given to its neighbour",
        "waveform drift (part mixed)",
    )
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "bin_total", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "unit_identity")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["waveform_drift"] = "waveform_drift"
    mix: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Weight of the next unit in what a unit shows."""


class Pepper(Swept):
    """Pepper: add a constant to random values, after standardisation.

    With probability `rate`, `amplitude` standard deviations are added to a value, as MYOW
    and Swap-VAE do for firing rates.
    """

    identity: ClassVar[dict[str, float]] = {"rate": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with a constant added to {percent:g} % of the values", "pepper (probability)"
    )
    preserves: ClassVar[tuple[Property, ...]] = ("unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("counts", "unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["pepper"] = "pepper"
    rate: Rate = 0.0
    """Probability that a value is changed."""
    amplitude: float = 1.5
    """What is added, in standard deviations of the unit."""


class TimeCutout(Swept):
    """Time cutout: lose a block of successive bins of a window.

    At least one bin is left, so windows must have several bins.
    """

    identity: ClassVar[dict[str, float]] = {"fraction": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with a block of {percent:g} % of a window's bins lost", "time cutout (part of the bins)"
    )
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["time_cutout"] = "time_cutout"
    fraction: Rate = 0.0
    """Expected fraction of the bins that is lost.

    The number of bins is rounded up or down at random, and at least one bin is left. So
    of n bins, n - 1 are lost at every fraction above 1 - 1 / n (of two bins, one is lost
    at .5 and also at .8).
    """
    value: Lost = "silent"
    """What a lost bin shows; see `unit_dropout`."""


class UnitCutout(Swept):
    """Unit cutout: lose a block of successive units.

    The block stands for a shank or a connector. At least one unit is left.
    """

    identity: ClassVar[dict[str, float]] = {"fraction": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with a block of {percent:g} % of the units lost", "unit cutout (part of the units)"
    )
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_identity", "window_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("unit_mean", "bin_total")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["unit_cutout"] = "unit_cutout"
    fraction: Rate = 0.0
    """Expected fraction of the units that is lost.

    The number of units is rounded up or down at random, and at least one unit is left.
    So of n units, n - 1 are lost at every fraction above 1 - 1 / n.
    """
    value: Lost = "silent"
    """What a lost unit shows; see `unit_dropout`."""


class CutMix(Swept):
    """CutMix: replace a block of units or bins by that of another window.

    The other window is drawn from the run's own training windows, even when test windows
    are corrupted, so that nothing crosses a fold. The block shows the same half of the
    split counts as the view, without any other transform. Labels are not mixed (Yun et
    al. 2019, arXiv:1905.04899).
    """

    identity: ClassVar[dict[str, float]] = {"fraction": 0.0}
    words: ClassVar[DoseWords] = DoseWords(
        "with a block of {percent:g} % of the view from another window", "cutmix (part of the view)"
    )
    preserves: ClassVar[tuple[Property, ...]] = ("counts", "unit_mean", "unit_identity")
    breaks: ClassVar[tuple[Property, ...]] = ("bin_total", "window_identity")
    has_closed_form: ClassVar[bool] = False

    kind: Literal["cutmix"] = "cutmix"
    fraction: Rate = 0.0
    """Expected fraction of the units (or bins) that is replaced.

    The number is rounded up or down at random, and at least one unit (or bin) is left.
    """
    along: Literal["units", "bins"] = "units"
    """Whether a block of units or of bins is replaced; bins need longer windows."""


class OwnTransform(OwnClass):
    """A user-defined augmentation: a class outside of the package, found by its name.

    The class is an `augmentations.base.Augmentation` that is made with the settings as
    keyword arguments. No method has a licence for it, so what is found about learning is
    estimated without a word.
    """

    has_closed_form: ClassVar[bool] = False

    kind: Literal["own"] = "own"
    dose: float = 0.0
    """How strongly it corrupts; its identity dose if omitted. A larger dose corrupts more."""
    stage: Literal["counts", "standardised"] = "standardised"
    """What it acts on, as the class says: spike counts, or standardised activity."""
    identity_dose: float = 0.0
    """The dose that changes nothing, as the class says."""
    needs_bins: bool = False
    """Whether it needs windows of several bins, as the class says."""

    @model_validator(mode="before")
    @classmethod
    def _changes_nothing_by_default(cls, values: Any) -> Any:
        """Fill in the identity dose where no dose is given."""
        identity = cls.model_fields["identity_dose"].default
        return (
            {"dose": values.get("identity_dose", identity), **values}
            if isinstance(values, dict)
            else values
        )

    @model_validator(mode="after")
    def _is_no_weaker_than_nothing(self) -> Self:
        if self.dose < self.identity_dose:
            raise ValueError(
                f"a dose of {self.dose:g} is below the identity dose {self.identity_dose:g}, but "
                "a larger dose must corrupt more; count the dose from the identity dose upwards"
            )
        return self

    @property
    def identity(self) -> dict[str, float]:
        """The field that can be swept, with the dose that changes nothing."""
        return {"dose": self.identity_dose}

    @classmethod
    def of_class(cls, own: type, *, version: int, **fields: Any) -> Self:
        """Declare a class that was imported.

        Parameters
        ----------
        own
            The class. It is in a file that worker processes can import.
        version
            Version of its code; raise it whenever the code changes what it computes.
        **fields
            Fields of this declaration, such as `dose`; all others are settings of the class.

        Raises
        ------
        ValueError
            When no other process can import the class.
        """
        declared = {name: fields.pop(name) for name in fields.keys() & cls.model_fields.keys()}
        # Its base class needs torch, which is not loaded here.
        facts = {name: getattr(own, name) for name in _FACTS if hasattr(own, name)}
        return cls.model_validate(
            {
                **facts, **declared, "of": name_of_class(own), "version": version,
                "settings": {**declared.get("settings", {}), **fields},
            }
        )  # fmt: skip


_FACTS = ("stage", "identity_dose", "needs_bins")
"""Fields of a user-defined augmentation that its class has too, under the same names."""

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
    | CutMix
    | OwnTransform,
    Field(discriminator="kind"),
]


Stage = TypeVar("Stage", bound=Declaration)
"""A transform or an adversary."""


def is_idle(transform: Transform | Adversary) -> bool:
    """Whether a transform or an adversary has the dose that changes nothing."""
    return all(getattr(transform, field) == dose for field, dose in transform.identity.items())


def at_identity(stage: Stage) -> Stage:
    """Return the same declaration at the dose that changes nothing."""
    return stage.__class__.model_validate(
        {**stage.model_dump(), **stage.identity}  # type: ignore[attr-defined]
    )


def needs_counts(transform: Transform) -> bool:
    """Whether a transform acts on single spikes, so that activity must be counts."""
    return isinstance(transform, SpikeThinning) or (
        isinstance(transform, OwnTransform) and transform.stage == "counts"
    )


def cuts_bins(transform: Transform) -> bool:
    """Whether a transform takes some bins of a window and leaves others.

    Such a transform needs windows of several bins.
    """
    if isinstance(transform, OwnTransform):
        return transform.needs_bins
    return isinstance(transform, TimeCutout) or (
        isinstance(transform, CutMix) and transform.along == "bins"
    )


def title_of(stage: Transform | Adversary) -> str:
    """How sentences name a corruption: its kind, or a user-defined one's class."""
    return stage.title if isinstance(stage, OwnTransform) else stage.kind
