"""SSL methods that a study can declare, each with its encoder and settings.

Beside them stand the two methods that contrast by labels and serve as ceilings
(`supcon`, `y_aware`), and the measurement `reliance`, which attacks a method's loss.
In: the fields of a study's `method`. Out: frozen declarations, and a table of all
methods and measurements by kind. Nothing here trains.

Defaults are the settings at which a method passes the retention gate on the simulated
recordings and on monkey reach data (docs/science.md has the figures). `preset` names
published settings instead.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from invariance_probe.study.baselines import Baseline
from invariance_probe.study.declaration import Declaration, MethodDeclaration, added, members
from invariance_probe.study.encoders import Encoder, MLPEncoder, Width, Widths
from invariance_probe.study.presets import with_preset
from invariance_probe.study.training import Optimisation, TrainingChanges


def _ascending(horizons: tuple[int, ...]) -> tuple[int, ...]:
    if list(horizons) != sorted(set(horizons)):
        raise ValueError(
            f"horizons are {list(horizons)}; they must ascend without repetition, "
            f"such as {sorted(set(horizons))}"
        )
    return horizons


Temperature = Annotated[float, Field(gt=0.02, le=10)]
Weight = Annotated[float, Field(ge=0)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Seconds = Annotated[float, Field(ge=0)]
Gap = Annotated[int, Field(ge=0)]
Horizons = Annotated[tuple[Width, ...], Field(min_length=1), AfterValidator(_ascending)]


class Negatives(Declaration):
    """Which windows of a batch are the negatives of an anchor."""

    scope: Literal["session", "trial", "subject", "any"] = "session"
    """Where negatives come from.

    `trial`: the anchor's own trial (or gap-free stretch) only. `session` and `subject`:
    the anchor's own session or subject only, so that a model of several sessions
    (`views.pool`) gains nothing from telling them apart. `any`: everywhere.
    """
    same_trial: bool = True
    """Whether windows of the anchor's own trial may be negatives."""
    gap_s: Seconds = 0.0
    """Windows that start less than this from the anchor are no negatives (seconds).

    Any gap above 0, however short, also leaves out windows that share bins with the
    anchor (in-window masking). An anchor without any negative left adds nothing to the
    loss.
    """

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.scope == "trial" and not self.same_trial:
            raise ValueError(
                "scope 'trial' takes negatives from the anchor's own trial only, "
                "and same_trial false from any but that: none is left; "
                "use scope 'session', or same_trial true"
            )
        return self


class TrainedMethod(MethodDeclaration):
    """What all methods that learn by gradient descent have in common."""

    pairs_in_time: ClassVar[str] = ""
    """The field by which the method chooses its own windows in time.

    Empty where the pairing of the views chooses them.
    """

    encoder: Encoder = MLPEncoder()
    """The network that makes the representation."""
    training: TrainingChanges | None = added(None)
    """Changes of the study's `training` for this method."""
    preset: Annotated[str | None, Field(exclude=True)] = None
    """Published settings (`study/presets.py`); fields beside it override them."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        return with_preset(given, cls.model_fields["kind"].default)

    def optimisation(self, common: Optimisation) -> Optimisation:
        """A study's optimisation with this method's changes."""
        return common if self.training is None else self.training.applied(common)

    def with_dimensions(self, dimensions: int) -> Self:
        """The same method with a representation of another size."""
        return self.model_copy(update={"encoder": self.encoder.with_dimensions(dimensions)})


class SimCLR(TrainedMethod):
    """SimCLR: contrast each pair with every other window of the batch.

    Chen et al. 2020, arXiv:2002.05709.
    """

    kind: Literal["simclr"] = "simclr"
    temperature: Temperature = 0.2
    """Temperature of the contrastive loss; smaller values weigh near negatives more."""
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
    """Temperature of the contrastive loss; smaller values weigh near negatives more."""
    queue: Annotated[int, Field(ge=4)] = 256
    """Number of embeddings that are kept, one per window.

    Use far fewer than the session has windows; otherwise most of the queue is of
    windows that the batch holds too.
    """
    key_decay: Decay = 0.99
    """Decay per step of the moving average that is the slow copy."""
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
    """First decay of the target's moving average; it rises to 1 by a cosine."""
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""
    predictor: Widths = (64,)
    """Hidden widths of the predictor; its output has the projector's width."""


class SimSiam(TrainedMethod):
    """SimSiam: predict the other view's projection, whose gradient is stopped.

    Chen & He 2021, arXiv:2011.10566.
    """

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
    """MYOW: BYOL that also predicts views mined at other times.

    A mined view is of a similar window (Azabou et al. 2021, arXiv:2102.10106).
    """

    kind: Literal["myow"] = "myow"
    target_decay: Decay = 0.98
    """First decay of the target's moving average; it rises to 1 by a cosine."""
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""
    predictor: Widths = (64,)
    """Hidden widths of the predictor; its output has the projector's width."""
    mined_projector: Widths = (32, 16)
    """Widths of the second projector, on top of the first, for mined views."""
    mined_predictor: Widths = (32,)
    """Hidden widths of the predictor of mined views."""
    neighbours: Width = 5
    """A mined view is one of this many nearest views of the batch.

    Nearness is the cosine between representations. Each window of the batch has two
    views.
    """
    gap_s: Seconds = 10.0
    """Windows that start less than this from the anchor are not mined (seconds).

    Windows of the anchor's own trial are not mined either, where other trials offer at
    least as many windows as there are `neighbours`.
    """
    mined_weight: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the loss that mined views have once they are warm.

    A larger share loses more of fast, faint codes, because the mined neighbours of a
    window are then alike in slow or strong signals instead (`mined_agreement` measures
    how far).
    """
    mining_from: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Fraction of the steps before mining starts.

    The weight then rises over as many steps again.
    """
    partners: Literal["mined", "random"] = added("mined")
    """Which views are predicted.

    `mined`: the nearest views. `random`: any view that may be mined, at the same
    weight; the comparison shows what mining itself adds.
    """


class SwapVAE(TrainedMethod):
    """Swap-VAE: rebuild a view from the other's content and its own style.

    What is rebuilt are the view's counts (Liu et al. 2021, arXiv:2111.02338).
    """

    kind: Literal["swap_vae"] = "swap_vae"
    reads_counts: ClassVar[bool] = True
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
    """Weight of the squared distance between the contents as unit vectors (beta)."""

    @property
    def style_dimensions(self) -> int:
        """Number of dimensions of the representation that are style."""
        return round(self.style * self.encoder.dimensions)

    @model_validator(mode="after")
    def _both_have_dimensions(self) -> Self:
        if not 0 < self.style_dimensions < self.encoder.dimensions:
            raise ValueError(
                f"style {self.style:g} of a representation of {self.encoder.dimensions} "
                "dimensions leaves content or style without any; "
                "use a part nearer one half, or a wider representation"
            )
        return self


class CPC(TrainedMethod):
    """CPC: tell the windows that follow a context from other windows.

    van den Oord et al. 2018, arXiv:1807.03748.
    """

    pairs_in_time: ClassVar[str] = "method.horizons"

    kind: Literal["cpc"] = "cpc"
    context_windows: Width = 4
    """Successive windows that a recurrent network reads before it predicts."""
    gap_bins: Gap = 0
    """Bins left out between successive windows, which never share a bin."""
    horizons: Horizons = (1, 2)
    """How many windows after the context the predicted windows are, ascending.

    1 is the next window. In seconds, from start to start, a horizon is: horizon x
    (window.length_bins + gap_bins) x bin_s.
    """
    context_width: Width = 32
    """Width of the recurrent network's state."""
    negatives: Negatives = Negatives()
    """Which windows are negatives."""


class PBL(TrainedMethod):
    """PBL: predict later latents from a belief, and the belief from its latent.

    Guo et al. 2020, arXiv:2004.14646.
    """

    pairs_in_time: ClassVar[str] = "method.horizons"

    kind: Literal["pbl"] = "pbl"
    context_windows: Width = 4
    """Successive windows that a recurrent network reads to form the belief."""
    gap_bins: Gap = 0
    """Bins left out between successive windows, which never share a bin."""
    horizons: Horizons = (1, 2)
    """How many windows after the context are predicted, ascending; see `cpc`."""
    context_width: Width = 32
    """Width of the belief: the recurrent network's state."""
    predictor: Widths = (64,)
    """Hidden widths of both predictors."""


def _check_distances(near_s: float, far_s: float) -> None:
    if near_s > far_s:
        raise ValueError(
            f"near_s {near_s:g} is more than far_s {far_s:g}: a window would be near and far "
            "at once; use a larger far_s"
        )


class RelativePositioning(TrainedMethod):
    """Relative positioning: tell pairs of near windows from pairs of far ones.

    Banville et al. 2021, arXiv:2007.16104.
    """

    pairs_in_time: ClassVar[str] = "method.near_s"

    kind: Literal["relative_positioning"] = "relative_positioning"
    near_s: Annotated[float, Field(gt=0)] = 0.2
    """Windows that start at most this far apart are near (tau_pos, seconds).

    They share no bin, and lie in one trial or gap-free stretch.
    """
    far_s: Annotated[float, Field(gt=0)] = 2.0
    """Windows that start more than this apart are far (tau_neg, seconds)."""

    @model_validator(mode="after")
    def _near_is_not_far(self) -> Self:
        _check_distances(self.near_s, self.far_s)
        return self


class TemporalShuffling(TrainedMethod):
    """Temporal shuffling: tell ordered triplets of windows from shuffled ones.

    Banville et al. 2021, arXiv:2007.16104.
    """

    pairs_in_time: ClassVar[str] = "method.near_s"

    kind: Literal["temporal_shuffling"] = "temporal_shuffling"
    near_s: Annotated[float, Field(gt=0)] = 0.4
    """The outer windows of a triplet start at most this far apart (tau_pos, seconds).

    The three windows of a triplet share no bin.
    """
    far_s: Annotated[float, Field(gt=0)] = 2.0
    """Least distance of a shuffled triplet's middle window (tau_neg, seconds).

    It starts more than this from both other windows. Not read when `signed`.
    """
    signed: bool = False
    """Whether the direction of time is to be told.

    False, as published: absolute differences and mirrored triplets, which cannot tell
    the direction of time. True: the differences keep their sign, and a triplet is to be
    told from its own reverse (the arrow of time).
    """
    head: Widths = (32,)
    """Hidden widths of the signed readout; read only when `signed`.

    A linear readout would see drift, but no arrow of time in a stationary process.
    """

    @model_validator(mode="after")
    def _near_is_not_far(self) -> Self:
        if not self.signed:
            _check_distances(self.near_s, self.far_s)
        return self


class MaskedSequence(TrainedMethod):
    """Masked sequence: tell masked latents from others of the same sequence.

    Spans of a sequence are masked, and the latent behind each masked window is to be
    told from other latents of the sequence (Kostas et al. 2021, arXiv:2101.12037).
    """

    pairs_in_time: ClassVar[str] = "method.sequence_windows"

    kind: Literal["masked_sequence"] = "masked_sequence"
    sequence_windows: Annotated[int, Field(ge=4)] = 16
    """Number of successive windows in a sequence.

    The sequence should be longer than the time constant of what is to be found in it.
    """
    gap_bins: Gap = 0
    """Bins left out between successive windows, which never share a bin."""
    span_start: Annotated[float, Field(gt=0, lt=1)] = 0.4
    """Probability that a masked span starts at a window."""
    span_windows: Width = 1
    """Length of a masked span, in windows."""
    distractors: Width = 10
    """Other windows of the sequence that a masked one is told from.

    All of them where there are fewer.
    """
    temperature: Temperature = 0.3
    """Temperature of the contrastive loss; smaller values weigh near negatives more."""
    activation: Weight = 0.1
    """Weight of the mean square of the latents."""
    context_width: Width = 32
    """Width of the tokens of the transformer that reads the sequence."""
    position_windows: Width = 5
    """Windows that the convolution before the transformer sees; an odd number.

    The convolution tells a token its place by its neighbours.
    """
    heads: Width = 4
    """Attention heads of the transformer; they divide `context_width`."""
    layers: Width = 1
    """Layers of the transformer."""

    @model_validator(mode="after")
    def _can_be_solved(self) -> Self:
        if self.span_windows >= self.sequence_windows:
            raise ValueError(
                f"span_windows {self.span_windows} would mask all of "
                f"sequence_windows {self.sequence_windows}; use shorter spans"
            )
        if self.position_windows % 2 == 0:
            raise ValueError(
                f"position_windows is {self.position_windows}; "
                "it must be odd, to reach as far back as ahead"
            )
        if self.context_width % self.heads:
            raise ValueError(
                f"context_width {self.context_width} is not a multiple of heads {self.heads}; "
                "use a width that all heads share evenly"
            )
        return self


class SupCon(TrainedMethod):
    """SupCon: contrast with windows of the same class as positives.

    It reads the target, so it is a ceiling and not SSL (Khosla et al. 2020,
    arXiv:2004.11362).
    """

    kind: Literal["supcon"] = "supcon"
    reads_target: ClassVar[bool] = True
    temperature: Temperature = 0.2
    """Temperature of the contrastive loss; smaller values weigh near negatives more."""
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""


class YAware(TrainedMethod):
    """y-aware: contrast with positives weighted by a kernel of the target.

    It reads the target, so it is a ceiling and not SSL (Dufumier et al. 2021,
    arXiv:2106.08808).
    """

    kind: Literal["y_aware"] = "y_aware"
    reads_target: ClassVar[bool] = True
    temperature: Temperature = 0.2
    """Temperature of the contrastive loss; smaller values weigh near negatives more."""
    bandwidth: Annotated[float, Field(gt=0)] = 0.3
    """Width (SD) of the Gaussian kernel, in standard deviations of the target."""
    projector: Widths = (64, 32)
    """Widths of the projector's layers; the last is the width of the embedding."""


class LinearSSL(MethodDeclaration):
    """Closed-form linear SSL: the directions that the two views share best.

    They follow from the expected moments of the views, so no training steps are needed.
    """

    pairs_in_time: ClassVar[str] = ""

    kind: Literal["linear_ssl"] = "linear_ssl"
    dimensions: Width = 16
    """Number of dimensions of the representation."""
    ridge: Annotated[float, Field(ge=0)] = 1e-3
    """Added to the within-view variances, as a fraction of their mean."""

    def optimisation(self, common: Optimisation) -> None:
        """None: nothing is optimised by steps."""
        return None


Method = Annotated[
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
    | LinearSSL,
    Field(discriminator="kind"),
]


class Reliance(MethodDeclaration):
    """Which few units an SSL loss, a refitted and a fixed decoder rely on.

    For every fold and seed, a set of units is chosen for each of the three, on data to
    which that loss or decoder was not fitted. All sets are then scored by all three, on
    other test windows.
    """

    choosing: ClassVar[int] = 4
    """Batches that choose for each batch that scores.

    There are more of them because the largest of many noisy losses is chosen.
    """
    screening: ClassVar[int] = 2
    """Batches on which all units are tried at each step of a choice."""
    finalists: ClassVar[int] = 16
    """Most harmful units that are tried again on all choosing batches."""

    kind: Literal["reliance"] = "reliance"
    of: Method = SimCLR()
    """The method whose loss is attacked.

    Its models are trained at the identity dose and are not stored.
    """
    budgets: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    """Sizes of the sets, in units."""
    masks: Annotated[int, Field(ge=200)] = 200
    """Rate-matched random sets that each chosen set is compared with."""
    batches: Annotated[int, Field(ge=1)] = 2
    """Number of batches on which the loss scores a set.

    Four times as many choose the set, and as many set its scale. A batch has the size
    that the method trains on, or the number of windows in the smallest half of a fold's
    test part where that is less.
    """

    def passes(self, units: int) -> int:
        """Forward passes of the trained model that an attack on so many units makes."""
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
            LinearSSL: "has a closed form and no loss by batches",
            SwapVAE: "has to reconstruct the units that are removed",
            SupCon: "reads the target, and is no SSL",
            YAware: "reads the target, and is no SSL",
        }  # fmt: skip
        if (why := reasons.get(type(of))) is not None:
            raise ValueError(
                f"{of.kind} {why}; name a method that compares views or windows without labels, "
                "such as simclr"
            )
        return of


AnyMethod = Annotated[Method | Baseline | Reliance, Field(discriminator="kind")]

DECLARED_METHODS: dict[str, type[MethodDeclaration]] = {
    declared.model_fields["kind"].default: declared
    for union in (Method, Baseline, Reliance)
    for declared in members(union, MethodDeclaration)
}
"""Every method and measurement by its kind."""
