"""SSL methods that a study can declare, each with its encoder and settings.

The module also has two methods that contrast by labels and serve as ceilings (`supcon`,
`y_aware`), and the measurement `reliance`, which finds the units that a method's loss
relies on. In: the fields of a study's `method`. Out: frozen declarations, and a table
of all methods and measurements by kind. Nothing here trains.

With its default settings, a method trained at dose 0 keeps at least half of the
decodable range on the simulated recordings and on monkey reach data (the retention gate
of docs/science.md). `preset` names published settings instead.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from invariance_probe.study.baselines import AnyDecoder, AnyMeasurement, Supervised
from invariance_probe.study.declaration import Declaration, MethodDeclaration, added, members
from invariance_probe.study.encoders import Encoder, MLPEncoder, Width, Widths
from invariance_probe.study.examples import (
    Gap,
    Horizons,
    InPairs,
    OwnExamples,
    check_distances,
)
from invariance_probe.study.own import OwnClass, name_of_class
from invariance_probe.study.presets import with_preset
from invariance_probe.study.training import Optimisation, TrainingChanges

Temperature = Annotated[float, Field(gt=0.02, le=10)]
Weight = Annotated[float, Field(ge=0)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Seconds = Annotated[float, Field(ge=0)]


class Negatives(Declaration):
    """Which windows of a batch are the negatives of an anchor."""

    scope: Literal["session", "trial", "subject", "any"] = "session"
    """Where negatives come from.

    `trial`: the anchor's own trial (or gap-free segment) only. `session` and `subject`:
    the anchor's own session or subject only, so that a model of several sessions
    (`views.pool`) gains nothing from telling them apart. `any`: everywhere.
    """
    same_trial: bool = True
    """Whether windows of the anchor's own trial may be negatives."""
    gap_s: Seconds = 0.0
    """Negatives start at least this far from the anchor (seconds).

    Any gap above 0, however short, also excludes windows that share bins with the anchor
    (in-window masking). An anchor that has no negatives left adds nothing to the loss.
    """

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.scope == "trial" and not self.same_trial:
            raise ValueError(
                "`scope: trial` takes negatives only from the anchor's own trial, but "
                "`same_trial: false` excludes that trial, so no negatives are left; use `scope: "
                "session`, or `same_trial: true`"
            )
        return self


class TrainedMethod(MethodDeclaration):
    """The fields that all methods trained by gradient descent have in common."""

    pairs_in_time: ClassVar[str] = ""
    """Path of the field that says which windows in time the method puts together.

    It is empty if this is left to the pairing of the views.
    """
    pairs_streams: ClassVar[bool] = False
    """Whether the two views of a pair may show different streams."""

    encoder: Encoder = MLPEncoder()
    """The network that makes the representation."""
    training: TrainingChanges | None = added(None)
    """Changes to the study's `training` for this method."""
    preset: Annotated[str | None, Field(exclude=True)] = None
    """Name of published settings (`study/presets.py`); other fields win."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        return with_preset(given, cls.model_fields["kind"].default)

    def optimisation(self, common: Optimisation) -> Optimisation:
        """Return a study's optimisation with this method's changes."""
        return common if self.training is None else self.training.applied(common)

    def with_dimensions(self, dimensions: int) -> Self:
        """Return the same method with a representation of `dimensions` dimensions."""
        return self.model_copy(update={"encoder": self.encoder.with_dimensions(dimensions)})


class SimCLR(TrainedMethod):
    """SimCLR: contrast each pair with every other window of the batch.

    Chen et al. 2020, arXiv:2002.05709.
    """

    pairs_streams: ClassVar[bool] = True

    kind: Literal["simclr"] = "simclr"
    temperature: Temperature = 0.2
    """Temperature of the loss; a low one gives similar negatives more weight."""
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""
    negatives: Negatives = added(Negatives())
    """Which windows are negatives."""


class MoCo(TrainedMethod):
    """MoCo: contrast with a queue of embeddings of earlier batches.

    A slowly moving copy of the network makes the embeddings in the queue (He et al.
    2020, arXiv:1911.05722).
    """

    kind: Literal["moco"] = "moco"
    temperature: Temperature = 0.2
    """Temperature of the loss; a low one gives similar negatives more weight."""
    queue: Annotated[int, Field(ge=4)] = 256
    """Number of embeddings in the queue, one per window.

    Use far fewer than the session has windows. Otherwise most embeddings in the queue
    are of windows that the batch contains too.
    """
    key_decay: Decay = 0.99
    """Decay per step of the moving average of weights that makes the slow copy."""
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""
    negatives: Negatives = Negatives()
    """Which windows are negatives."""


class BYOL(TrainedMethod):
    """BYOL: predict the projection of a slowly moving target network.

    Grill et al. 2020, arXiv:2006.07733.
    """

    kind: Literal["byol"] = "byol"
    target_decay: Decay = 0.98
    """Initial decay of the target's moving average; it rises to 1 along a cosine."""
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""
    predictor: Widths = (64,)
    """Hidden widths of the predictor; its output has the projector's width."""


class SimSiam(TrainedMethod):
    """SimSiam: predict the other view's projection, whose gradient is stopped.

    Chen & He 2021, arXiv:2011.10566.
    """

    pairs_streams: ClassVar[bool] = True

    kind: Literal["simsiam"] = "simsiam"
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""
    predictor: Widths = (16,)
    """Hidden widths of the predictor, a bottleneck.

    The predictor's output has the projector's width.
    """


class BarlowTwins(TrainedMethod):
    """Barlow Twins: make the views' cross-correlation matrix the identity.

    The matrix is that of the two views' embeddings (Zbontar et al. 2021,
    arXiv:2103.03230).
    """

    pairs_streams: ClassVar[bool] = True

    kind: Literal["barlow_twins"] = "barlow_twins"
    redundancy: Weight = 4.0
    """Weight of the off-diagonal terms, times the embedding's width.

    The paper's lambda is redundancy / width.
    """
    projector: Widths = (64, 64)
    """Widths of the projector's layers; the last is the width of the embedding."""


class VICReg(TrainedMethod):
    """VICReg: pull pairs together, keep variance, decorrelate dimensions.

    Bardes et al. 2022, arXiv:2105.04906.
    """

    pairs_streams: ClassVar[bool] = True

    kind: Literal["vicreg"] = "vicreg"
    invariance: Weight = 25.0
    """Weight of the distance within pairs."""
    variance: Weight = 25.0
    """Weight of the term that keeps the variance of each dimension."""
    covariance: Weight = 1.0
    """Weight of the covariances between dimensions."""
    projector: Widths = (64, 64)
    """Widths of the projector's layers; the last is the width of the embedding."""


class MYOW(TrainedMethod):
    """MYOW: BYOL that also predicts views mined from other times.

    A mined view comes from a similar window (Azabou et al. 2021, arXiv:2102.10106).
    """

    kind: Literal["myow"] = "myow"
    target_decay: Decay = 0.98
    """Initial decay of the target's moving average; it rises to 1 along a cosine."""
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""
    predictor: Widths = (64,)
    """Hidden widths of the predictor; its output has the projector's width."""
    mined_projector: Widths = (32, 16)
    """Widths of the second projector, on top of the first, for mined views."""
    mined_predictor: Widths = (32,)
    """Hidden widths of the predictor of mined views."""
    neighbours: Width = 5
    """A mined view is drawn from this many nearest views of the batch.

    Views are near if the cosine between their representations is high. Each window of
    the batch has two views.
    """
    gap_s: Seconds = 10.0
    """Windows that start less than this from the anchor are not mined (seconds).

    Windows of the anchor's own trial are not mined either, provided that other trials
    have at least `neighbours` windows to offer.
    """
    mined_weight: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Final weight of mined views in the loss; the other views have the rest.

    With a large weight models lose codes that are fast and weak, because the neighbours
    of a window are alike in slow or strong signals instead. The `agreement` of mined
    pairs in a run's results says how often they share the target.
    """
    mining_from: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Fraction of the training steps before mining starts.

    The weight of mined views then rises over as many steps again.
    """
    partners: Literal["mined", "random"] = added("mined")
    """Which views are predicted.

    `mined`: the nearest views. `random`: any view that may be mined, at the same
    weight; the comparison shows what mining itself adds.
    """


class SwapVAE(TrainedMethod):
    """Swap-VAE: reconstruct a view from the other's content and its own style.

    The counts of the view are reconstructed (Liu et al. 2021, arXiv:2111.02338).
    """

    kind: Literal["swap_vae"] = "swap_vae"
    style: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Fraction of the representation's dimensions that are style.

    It is rounded to whole dimensions. They are the last ones; the others are content.
    """
    decoder: Widths = (64, 64)
    """Hidden widths of the decoder that reconstructs the counts."""
    style_divergence: Weight = 1.0
    """Weight of the style's divergence from a standard normal (alpha).

    Both the divergence and the reconstruction are in nats per window.
    """
    alignment: Weight = 1.0
    """Weight of the squared distance between contents, as unit vectors (beta)."""

    @property
    def reads_counts(self) -> bool:
        """True; see `MethodDeclaration`."""
        return True

    @property
    def style_dimensions(self) -> int:
        """Number of dimensions of the representation that are style."""
        return round(self.style * self.encoder.dimensions)

    @model_validator(mode="after")
    def _both_have_dimensions(self) -> Self:
        if not 0 < self.style_dimensions < self.encoder.dimensions:
            raise ValueError(
                f"style is {self.style:g}, but with {self.encoder.dimensions} dimensions this "
                "leaves either content or style without any dimension; use a fraction closer to "
                "0.5, or a wider representation"
            )
        return self


class CPC(TrainedMethod):
    """CPC: pick the windows that follow a context out of other windows.

    van den Oord et al. 2018, arXiv:1807.03748.
    """

    pairs_in_time: ClassVar[str] = "method.horizons"

    kind: Literal["cpc"] = "cpc"
    context_windows: Width = 4
    """Number of windows that a recurrent network reads before it predicts."""
    gap_bins: Gap = 0
    """Number of bins left out between successive windows, which never overlap."""
    horizons: Horizons = (1, 2)
    """Positions of the predicted windows after the context, ascending.

    1 is the next window. From the start of the last context window, a horizon is
    horizon x (window.length_bins + gap_bins) x bin_s seconds away.
    """
    context_width: Width = 32
    """Width of the recurrent network's state."""
    negatives: Negatives = Negatives()
    """Which windows are negatives."""


class PBL(TrainedMethod):
    """PBL: predict later latents from a belief, and the belief from its latent.

    The belief is the state of a recurrent network that has read the windows up to now;
    the latent is the encoder's output for one window (Guo et al. 2020,
    arXiv:2004.14646).
    """

    pairs_in_time: ClassVar[str] = "method.horizons"

    kind: Literal["pbl"] = "pbl"
    context_windows: Width = 4
    """Number of windows that a recurrent network reads to form the belief."""
    gap_bins: Gap = 0
    """Number of bins left out between successive windows, which never overlap."""
    horizons: Horizons = (1, 2)
    """Positions of the predicted windows after the context, ascending; see `cpc`."""
    context_width: Width = 32
    """Width of the belief: the recurrent network's state."""
    predictor: Widths = (64,)
    """Hidden widths of both predictors."""


class RelativePositioning(TrainedMethod):
    """Relative positioning: classify pairs of windows as near or far in time.

    Banville et al. 2021, arXiv:2007.16104.
    """

    pairs_in_time: ClassVar[str] = "method.near_s"

    kind: Literal["relative_positioning"] = "relative_positioning"
    near_s: Annotated[float, Field(gt=0)] = 0.2
    """Windows that start at most this far apart are near (tau_pos, seconds).

    They do not overlap, and lie in the same trial or gap-free segment.
    """
    far_s: Annotated[float, Field(gt=0)] = 2.0
    """Windows that start more than this apart are far (tau_neg, seconds)."""

    @model_validator(mode="after")
    def _near_is_not_far(self) -> Self:
        check_distances(self.near_s, self.far_s)
        return self


class TemporalShuffling(TrainedMethod):
    """Temporal shuffling: classify triplets of windows as ordered or shuffled.

    Banville et al. 2021, arXiv:2007.16104.
    """

    pairs_in_time: ClassVar[str] = "method.near_s"

    kind: Literal["temporal_shuffling"] = "temporal_shuffling"
    near_s: Annotated[float, Field(gt=0)] = 0.4
    """The outer windows of a triplet start at most this far apart (tau_pos, seconds).

    The three windows of a triplet do not overlap.
    """
    far_s: Annotated[float, Field(gt=0)] = 2.0
    """Least distance of a shuffled triplet's middle window (tau_neg, seconds).

    It starts more than this from both other windows. Ignored when `signed`.
    """
    signed: bool = False
    """Whether the task is to recognise the direction of time.

    False, as published: the classifier sees absolute differences between windows, and
    triplets are mirrored, so the direction of time plays no part. True: the differences
    keep their sign, and a triplet must be distinguished from its own reverse.
    """
    head: Widths = (32,)
    """Hidden widths of the classifier when `signed`; otherwise ignored.

    A linear classifier would see drift, but not the arrow of time of a stationary
    process.
    """

    @model_validator(mode="after")
    def _near_is_not_far(self) -> Self:
        if not self.signed:
            check_distances(self.near_s, self.far_s)
        return self


class MaskedSequence(TrainedMethod):
    """Masked sequence: identify the latents of masked windows of a sequence.

    Spans of a sequence of windows are masked. From the rest, the latent of each masked
    window must be picked out of other latents of the sequence (Kostas et al. 2021,
    arXiv:2101.12037).
    """

    pairs_in_time: ClassVar[str] = "method.sequence_windows"

    kind: Literal["masked_sequence"] = "masked_sequence"
    sequence_windows: Annotated[int, Field(ge=4)] = 16
    """Number of successive windows in a sequence.

    The sequence should be longer than the time constant of the code of interest.
    """
    gap_bins: Gap = 0
    """Number of bins left out between successive windows, which never overlap."""
    span_start: Annotated[float, Field(gt=0, lt=1)] = 0.4
    """Probability that a masked span starts at a window."""
    span_windows: Width = 1
    """Length of a masked span, in windows."""
    distractors: Width = 10
    """Number of other latents out of which a masked window's latent is picked.

    All other windows of the sequence, if there are fewer.
    """
    temperature: Temperature = 0.3
    """Temperature of the loss; a low one gives similar negatives more weight."""
    activation: Weight = 0.1
    """Weight of the mean square of the latents."""
    context_width: Width = 32
    """Width of the tokens of the transformer that reads the sequence."""
    position_windows: Width = 5
    """Kernel of the convolution before the transformer, in windows; odd.

    The convolution informs each token about its position by mixing in its neighbours.
    """
    heads: Width = 4
    """Number of attention heads of the transformer; a divisor of `context_width`."""
    layers: Width = 1
    """Number of layers of the transformer."""

    @model_validator(mode="after")
    def _can_be_solved(self) -> Self:
        if self.span_windows >= self.sequence_windows:
            raise ValueError(
                f"span_windows is {self.span_windows}, which would mask a whole sequence of "
                f"sequence_windows ({self.sequence_windows}); use shorter spans"
            )
        if self.position_windows % 2 == 0:
            raise ValueError(
                f"position_windows is {self.position_windows}; it must be odd, so that it covers "
                "equally many windows before and after"
            )
        if self.context_width % self.heads:
            raise ValueError(
                f"context_width is {self.context_width}, but must be a multiple of heads "
                f"({self.heads}), because all heads share the width evenly"
            )
        return self


class SupCon(TrainedMethod):
    """SupCon: contrastive learning with all windows of a class as positives.

    It reads the target, so it is a ceiling and not SSL (Khosla et al. 2020,
    arXiv:2004.11362).
    """

    kind: Literal["supcon"] = "supcon"
    temperature: Temperature = 0.2
    """Temperature of the loss; a low one gives similar negatives more weight."""
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""

    @property
    def reads_target(self) -> bool:
        """True; see `MethodDeclaration`."""
        return True


class YAware(TrainedMethod):
    """y-aware: contrastive learning with positives weighted by a target kernel.

    It reads the target, so it is a ceiling and not SSL (Dufumier et al. 2021,
    arXiv:2106.08808).
    """

    kind: Literal["y_aware"] = "y_aware"
    temperature: Temperature = 0.2
    """Temperature of the loss; a low one gives similar negatives more weight."""
    bandwidth: Annotated[float, Field(gt=0)] = 0.3
    """Width (SD) of the Gaussian kernel, in standard deviations of the target."""
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""

    @property
    def reads_target(self) -> bool:
        """True; see `MethodDeclaration`."""
        return True


class OwnMethod(OwnClass, TrainedMethod):
    """A user-defined method: a class outside of the package, found by its name.

    The class is a `methods.base.Method` that is made from this declaration, the shape of a
    window, the random generators, and the settings as keyword arguments. It has no licence,
    so what is found about learning is estimated without a word.
    """

    kind: Literal["own"] = "own"
    reads: tuple[Literal["target", "counts"], ...] = ()
    """What training reads besides the views, as the class says in `reads`."""
    examples: OwnExamples = InPairs()
    """How windows form examples: of the kind that the class says in `examples`."""

    @property
    def reads_target(self) -> bool:
        """Whether training reads the target; each encoder then belongs to one target."""
        return "target" in self.reads

    @property
    def reads_counts(self) -> bool:
        """Whether training reads spike counts in addition to the views."""
        return "counts" in self.reads

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
            Fields of this declaration, such as `encoder`; all others are settings of the
            class.

        Raises
        ------
        ValueError
            When no other process can import the class.
        """
        declared = {name: fields.pop(name) for name in fields.keys() & cls.model_fields.keys()}
        reads = getattr(own, "reads", ())  # its base class needs torch, which is not loaded here
        return cls.model_validate(
            {
                "reads": reads, **declared, "of": name_of_class(own), "version": version,
                "settings": {**declared.get("settings", {}), **fields},
            }
        )  # fmt: skip


class LinearSSL(MethodDeclaration):
    """Closed-form linear SSL: the directions that the two views share best.

    They are computed from the expected moments of the views, without training steps.
    """

    pairs_in_time: ClassVar[str] = ""

    kind: Literal["linear_ssl"] = "linear_ssl"
    dimensions: Width = 16
    """Number of dimensions of the representation."""
    ridge: Annotated[float, Field(ge=0)] = 1e-3
    """Added to the within-view variances, as a fraction of their mean."""

    def optimisation(self, common: Optimisation) -> None:
        """Return None, because a closed form needs no optimisation."""
        return None


GradientMethod = (
    SimCLR
    | MoCo
    | BYOL
    | SimSiam
    | BarlowTwins
    | VICReg
    | MYOW
    | SwapVAE
    | CPC
    | PBL
    | RelativePositioning
    | TemporalShuffling
    | MaskedSequence
    | SupCon
    | YAware
    | OwnMethod
)
"""Methods that are trained by gradient descent."""
Method = Annotated[GradientMethod | LinearSSL, Field(discriminator="kind")]


class Reliance(MethodDeclaration):
    """Which few units a trained SSL model and two decoders rely on.

    The three targets of the search are the model's SSL loss, a decoder that is refitted
    without the removed units, and one whose weights stay fixed. For each fold and seed,
    a set of units is chosen to harm each target most, on data to which that target was
    not fitted. The harm of each set to all three is then measured on other test
    windows.
    """

    choosing: ClassVar[int] = 4
    """Number of batches used to choose sets, per batch used to score them.

    Choosing needs more because the largest of many noisy losses is taken.
    """
    screening: ClassVar[int] = 2
    """Number of batches on which all units are tried at each step of a choice."""
    finalists: ClassVar[int] = 16
    """Number of most harmful units that are then tried on all choosing batches."""

    kind: Literal["reliance"] = "reliance"
    of: Method = SimCLR()
    """The SSL method whose models are examined.

    The models are trained for this purpose at the identity dose, and are not stored.
    """
    budgets: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    """Numbers of units in the sets."""
    masks: Annotated[int, Field(ge=200)] = 200
    """Number of rate-matched random sets that each chosen set is compared with."""
    batches: Annotated[int, Field(ge=1)] = 2
    """Number of batches on which the SSL loss without a set is measured.

    Four times as many are used to choose the set, and four times as many to measure the
    scale of the loss. A batch has the size that the method trains with, or the number of
    windows in the smallest half of a fold's test part if that is less.
    """

    def passes(self, units: int) -> int:
        """Return the number of forward passes that the search and scoring make.

        They go through one trained model of a session with `units` units.
        """
        choosing = max(self.budgets) * (
            units * self.screening + self.finalists * self.choosing * self.batches
        )
        candidates, scales = (
            len(self.budgets) * 3 * self.choosing * self.batches,
            4 * self.choosing * self.batches,
        )
        return (
            choosing + candidates + scales + len(self.budgets) * 3 * (1 + self.masks) * self.batches
        )

    @field_validator("of")
    @classmethod
    def _has_a_loss_without_labels(cls, of: Method) -> Method:
        reasons: dict[type, str] = {
            LinearSSL: "is computed in closed form and has no loss per batch",
            SwapVAE: "has to reconstruct the units that are removed",
            SupCon: "reads the target, so it is not SSL",
            YAware: "reads the target, so it is not SSL",
        }  # fmt: skip
        if (why := reasons.get(type(of))) is not None:
            raise ValueError(
                f"{of.kind} {why}; use a method that compares views or windows without labels, "
                "such as simclr"
            )
        return of


PAIR_STREAMS = tuple(one for one in members(Method, TrainedMethod) if one.pairs_streams)
"""Methods whose two views of a pair may show different streams."""


def title_of(method: "AnyMethod") -> str:
    """How sentences name a method: its kind, or a user-defined method's class."""
    return method.title if isinstance(method, OwnMethod) else method.kind


def path_in_time(method: Method) -> str:
    """Path of the field that says which windows in time a method puts together.

    It is empty if this is left to the pairing of the views.
    """
    if not isinstance(method, OwnMethod):
        return method.pairs_in_time
    return f"method.examples.{method.examples.swept}" if method.examples.swept else ""


def asks_for(method: "AnyMethod") -> Declaration:
    """The declaration that says how windows form a method's examples."""
    return method.examples if isinstance(method, OwnMethod) else method


def own_method_of(method: "AnyMethod") -> OwnMethod | None:
    """The user-defined method that a run trains; None if it trains another one."""
    trained = method.of if isinstance(method, Reliance) else method
    return trained if isinstance(trained, OwnMethod) else None


AnyMethod = Annotated[
    Method | AnyDecoder | Supervised | AnyMeasurement | Reliance, Field(discriminator="kind")
]

DECLARED_METHODS: dict[str, type[MethodDeclaration]] = {
    declared.model_fields["kind"].default: declared
    for union in (Method, AnyDecoder, Supervised, AnyMeasurement, Reliance)
    for declared in members(union, MethodDeclaration)
}
"""The declaration of each method and measurement, by its kind."""
