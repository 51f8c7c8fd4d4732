"""What learns a representation without labels, each with its encoder; and the labelled contrasts that ceilings are made of.

Defaults are the settings at which the method passes the retention gate on the simulated recordings and on
monkey reach data (docs/science.md has the figures); `preset` names the published ones.
"""

from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import AfterValidator, Field, field_validator, model_validator

from invariance_probe.study.baselines import Baseline
from invariance_probe.study.declaration import Declaration, MethodDeclaration, added
from invariance_probe.study.encoders import Encoder, MLPEncoder, Width, Widths
from invariance_probe.study.presets import with_preset
from invariance_probe.study.training import Optimisation, TrainingChanges


def _ascending(horizons: tuple[int, ...]) -> tuple[int, ...]:
    if list(horizons) != sorted(set(horizons)):
        raise ValueError(
            f"horizons are {list(horizons)}; they must ascend without repetition, such as {sorted(set(horizons))}"
        )
    return horizons


Temperature = Annotated[float, Field(gt=0.02, le=10)]
Weight = Annotated[float, Field(ge=0)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Seconds = Annotated[float, Field(ge=0)]
Gap = Annotated[int, Field(ge=0)]
Horizons = Annotated[tuple[Width, ...], Field(min_length=1), AfterValidator(_ascending)]


class Negatives(Declaration):
    """Which windows of a batch are held against an anchor."""

    scope: Literal["session", "trial", "subject", "any"] = "session"
    """`trial`: only windows of the anchor's own trial (or gap-free stretch); `session` and `subject`: only of its own session or subject,
    so that a model of several sessions (`views.pool`) has nothing from telling them apart; `any`: all."""
    same_trial: bool = True
    """Whether windows of the anchor's own trial may be negatives."""
    gap_s: Seconds = 0.0
    """Windows that start less than this from the anchor are no negatives. Any gap above 0 also leaves out windows that share bins with the
    anchor (in-window masking), however short it is; an anchor without a negative left adds nothing to the loss."""

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if self.scope == "trial" and not self.same_trial:
            raise ValueError(
                "scope 'trial' takes negatives from the anchor's own trial only, and same_trial false from any but that: none is left; "
                "use scope 'session', or same_trial true"
            )
        return self


class TrainedMethod(MethodDeclaration):
    """What methods that learn by gradient have in common."""

    pairs_in_time: ClassVar[str] = ""
    """Field by which the method chooses its own windows in time; empty where the pairing of the views does."""

    encoder: Encoder = MLPEncoder()
    training: TrainingChanges | None = added(None)
    """What this method changes of the study's training."""
    preset: Annotated[str | None, Field(exclude=True)] = None
    """Named published settings (`study/presets.py`), which the other fields may depart from."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: Any) -> Any:
        return with_preset(given, cls.model_fields["kind"].default)

    def optimisation(self, common: Optimisation) -> Optimisation:
        """Return a study's optimisation as this method changes it."""
        return common if self.training is None else self.training.applied(common)

    def with_dimensions(self, dimensions: int) -> Self:
        """Return the method with a representation of another size."""
        return self.model_copy(update={"encoder": self.encoder.with_dimensions(dimensions)})


class SimCLR(TrainedMethod):
    """Contrast each pair with every other window of the batch (Chen et al. 2020, arXiv:2002.05709)."""

    kind: Literal["simclr"] = "simclr"
    temperature: Temperature = 0.2
    projector: Widths = (64, 32)
    negatives: Negatives = added(Negatives())


class MoCo(TrainedMethod):
    """Contrast with a queue of embeddings of earlier batches by a slowly moving copy (He et al. 2020, arXiv:1911.05722)."""

    kind: Literal["moco"] = "moco"
    temperature: Temperature = 0.2
    queue: Annotated[int, Field(ge=4)] = 256
    """Embeddings that are kept, one a window; far fewer than a session's windows, or most are of windows that the batch holds too."""
    key_decay: Decay = 0.99
    projector: Widths = (64, 32)
    negatives: Negatives = Negatives()


class BYOL(TrainedMethod):
    """Predict a slowly moving target network's projection (Grill et al. 2020, arXiv:2006.07733)."""

    kind: Literal["byol"] = "byol"
    target_decay: Decay = 0.98
    """Start of the target's moving-average decay; it rises to 1 by a cosine."""
    projector: Widths = (64, 32)
    predictor: Widths = (64,)
    """Hidden widths of the predictor; its output has the projector's width."""


class SimSiam(TrainedMethod):
    """Predict the other view's projection, whose gradient is stopped (Chen & He 2021, arXiv:2011.10566)."""

    kind: Literal["simsiam"] = "simsiam"
    projector: Widths = (64, 32)
    predictor: Widths = (16,)
    """Hidden widths of the predictor, a bottleneck; its output has the projector's width."""


class BarlowTwins(TrainedMethod):
    """Make the cross-correlation of the two views' embeddings the identity (Zbontar et al. 2021, arXiv:2103.03230)."""

    kind: Literal["barlow_twins"] = "barlow_twins"
    redundancy: Weight = 4.0
    """Weight of the off-diagonal terms, over the embedding's width: the paper's lambda is redundancy / width."""
    projector: Widths = (64, 64)


class VICReg(TrainedMethod):
    """Pull pairs together, keep each embedding's variance, decorrelate (Bardes et al. 2022, arXiv:2105.04906)."""

    kind: Literal["vicreg"] = "vicreg"
    invariance: Weight = 25.0
    variance: Weight = 25.0
    covariance: Weight = 1.0
    projector: Widths = (64, 64)


class MYOW(TrainedMethod):
    """BYOL, and beside it predict views mined among similar windows of other times (Azabou et al. 2021, arXiv:2102.10106)."""

    kind: Literal["myow"] = "myow"
    target_decay: Decay = 0.98
    """Start of the target's moving-average decay; it rises to 1 by a cosine."""
    projector: Widths = (64, 32)
    predictor: Widths = (64,)
    mined_projector: Widths = (32, 16)
    """Second projector, on top of the first."""
    mined_predictor: Widths = (32,)
    neighbours: Width = 5
    """A mined view is one of that many nearest views of the batch, by the cosine of representations; a window has two."""
    gap_s: Seconds = 10.0
    """Windows that start less than this from the anchor are not mined, nor those of its own trial where other trials offer as many windows as
    there are `neighbours`."""
    mined_weight: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Part of the loss that mined views have once they are warm; more costs what fast, faint codes keep, as their neighbours are alike in
    slow or strong things instead (`mined_agreement` says how far)."""
    mining_from: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Part of the steps before which nothing is mined; the weight rises over as many steps again."""
    partners: Literal["mined", "random"] = added("mined")
    """`random`: in place of the nearest views any view that may be mined is predicted, at the same weight: what mining itself adds."""


class SwapVAE(TrainedMethod):
    """Reconstruct each view's counts from the other's content and its own style (Liu et al. 2021, arXiv:2111.02338)."""

    kind: Literal["swap_vae"] = "swap_vae"
    reads_counts: ClassVar[bool] = True
    style: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Part of the representation's dimensions, the last ones, that is style, in whole dimensions; the others are content."""
    decoder: Widths = (64, 64)
    style_divergence: Weight = 1.0
    """Weight of the style's divergence from a standard normal (alpha), in nats a window, as the reconstructions are."""
    alignment: Weight = 1.0
    """Weight of the contents' squared distance as unit vectors (beta)."""

    @property
    def style_dimensions(self) -> int:
        """Dimensions of the representation that are style."""
        return round(self.style * self.encoder.dimensions)

    @model_validator(mode="after")
    def _both_have_dimensions(self) -> Self:
        if not 0 < self.style_dimensions < self.encoder.dimensions:
            raise ValueError(
                f"style {self.style:g} of a representation of {self.encoder.dimensions} dimensions leaves content or style without any; "
                "use a part nearer one half, or a wider representation"
            )
        return self


class CPC(TrainedMethod):
    """Tell the windows that follow a context from others (van den Oord et al. 2018, arXiv:1807.03748)."""

    pairs_in_time: ClassVar[str] = "method.horizons"

    kind: Literal["cpc"] = "cpc"
    context_windows: Width = 4
    """Successive windows that a recurrent network reads before it predicts."""
    gap_bins: Gap = 0
    """Bins left out between successive windows of a sequence, which never share a bin."""
    horizons: Horizons = (1, 2)
    """How many windows after the context the predicted ones are, ascending: 1 is the next one. In seconds, from start to start: the
    horizon times (window.length_bins + gap_bins) times bin_s."""
    context_width: Width = 32
    negatives: Negatives = Negatives()


class PBL(TrainedMethod):
    """Predict later latents from a belief, and the belief from its latent (Guo et al. 2020, arXiv:2004.14646)."""

    pairs_in_time: ClassVar[str] = "method.horizons"

    kind: Literal["pbl"] = "pbl"
    context_windows: Width = 4
    """Successive windows that a recurrent network reads to form the belief."""
    gap_bins: Gap = 0
    """Bins left out between successive windows of a sequence, which never share a bin."""
    horizons: Horizons = (1, 2)
    """How many windows after the context the predicted ones are, ascending; see `cpc`."""
    context_width: Width = 32
    predictor: Widths = (64,)
    """Hidden widths of both predictors."""


def _check_distances(near_s: float, far_s: float) -> None:
    if near_s > far_s:
        raise ValueError(
            f"near_s {near_s:g} is more than far_s {far_s:g}: a window would be near and far at once; use a larger far_s"
        )


class RelativePositioning(TrainedMethod):
    """Tell pairs of near windows from pairs of far ones (Banville et al. 2021, arXiv:2007.16104)."""

    pairs_in_time: ClassVar[str] = "method.near_s"

    kind: Literal["relative_positioning"] = "relative_positioning"
    near_s: Annotated[float, Field(gt=0)] = 0.2
    """Windows that start at most this far apart, and share no bin, are near (tau_pos); only inside one trial or gap-free stretch."""
    far_s: Annotated[float, Field(gt=0)] = 2.0
    """Windows that start more than this apart are far (tau_neg)."""

    @model_validator(mode="after")
    def _near_is_not_far(self) -> Self:
        _check_distances(self.near_s, self.far_s)
        return self


class TemporalShuffling(TrainedMethod):
    """Tell ordered triplets of windows from shuffled ones (Banville et al. 2021, arXiv:2007.16104)."""

    pairs_in_time: ClassVar[str] = "method.near_s"

    kind: Literal["temporal_shuffling"] = "temporal_shuffling"
    near_s: Annotated[float, Field(gt=0)] = 0.4
    """The outer windows of a triplet start at most this far apart (tau_pos); its three windows share no bin."""
    far_s: Annotated[float, Field(gt=0)] = 2.0
    """The middle window of a shuffled triplet starts more than this from both others (tau_neg). Not read when `signed`."""
    signed: bool = False
    """False, as published: absolute differences and mirrored triplets, which cannot tell the direction of time. True: the differences keep
    their sign, and a triplet is to be told from its own reverse: the arrow of time."""
    head: Widths = (32,)
    """Hidden widths of the signed readout; a linear one would see drift, but no arrow of a stationary process. Not read unless `signed`."""

    @model_validator(mode="after")
    def _near_is_not_far(self) -> Self:
        if not self.signed:
            _check_distances(self.near_s, self.far_s)
        return self


class MaskedSequence(TrainedMethod):
    """Tell the latents behind masked spans of a sequence from others of it (Kostas et al. 2021, arXiv:2101.12037)."""

    pairs_in_time: ClassVar[str] = "method.sequence_windows"

    kind: Literal["masked_sequence"] = "masked_sequence"
    sequence_windows: Annotated[int, Field(ge=4)] = 16
    """Successive windows of a sequence, which should be longer than the time constant of what is to be found in it."""
    gap_bins: Gap = 0
    """Bins left out between successive windows of a sequence, which never share a bin."""
    span_start: Annotated[float, Field(gt=0, lt=1)] = 0.4
    """Probability that a masked span starts at a window."""
    span_windows: Width = 1
    distractors: Width = 10
    """Other windows of the sequence that a masked one is told from; all of them where there are fewer."""
    temperature: Temperature = 0.3
    activation: Weight = 0.1
    """Weight of the mean square of the latents."""
    context_width: Width = 32
    """Width of the tokens of the transformer that reads the sequence."""
    position_windows: Width = 5
    """Windows that the convolution before the transformer sees, which tells a token its place by its neighbours; an odd number."""
    heads: Width = 4
    layers: Width = 1

    @model_validator(mode="after")
    def _can_be_solved(self) -> Self:
        if self.span_windows >= self.sequence_windows:
            raise ValueError(
                f"span_windows {self.span_windows} would mask all of sequence_windows {self.sequence_windows}; use shorter spans"
            )
        if self.position_windows % 2 == 0:
            raise ValueError(
                f"position_windows is {self.position_windows}; it must be odd, to reach as far back as ahead"
            )
        if self.context_width % self.heads:
            raise ValueError(
                f"context_width {self.context_width} is not a multiple of heads {self.heads}; use a width that all heads share evenly"
            )
        return self


class SupCon(TrainedMethod):
    """Contrast with the target's classes as positives: a ceiling, not SSL (Khosla et al. 2020, arXiv:2004.11362)."""

    kind: Literal["supcon"] = "supcon"
    reads_target: ClassVar[bool] = True
    temperature: Temperature = 0.2
    projector: Widths = (64, 32)


class YAware(TrainedMethod):
    """Contrast with positives weighed by a kernel of the target: a ceiling, not SSL (Dufumier et al. 2021, arXiv:2106.08808)."""

    kind: Literal["y_aware"] = "y_aware"
    reads_target: ClassVar[bool] = True
    temperature: Temperature = 0.2
    bandwidth: Annotated[float, Field(gt=0)] = 0.3
    """Standard deviation of the Gaussian kernel, in standard deviations of the target."""
    projector: Widths = (64, 32)


class LinearSSL(MethodDeclaration):
    """Closed-form linear SSL: the directions that the two views share best, by their population moments."""

    pairs_in_time: ClassVar[str] = ""

    kind: Literal["linear_ssl"] = "linear_ssl"
    dimensions: Width = 16
    ridge: Annotated[float, Field(ge=0)] = 1e-3
    """Added to the within-view covariance, as a fraction of its mean variance."""

    def optimisation(self, common: Optimisation) -> None:
        """Nothing is optimised by steps."""
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
    """Which few units each of three things rests on: the loss that an SSL method minimises, a decoder that is fitted again, and a fixed one.

    For every fold and seed; sets are chosen on data that their target was not fitted to, and scored on other test windows, each by all three.
    """

    choosing: ClassVar[int] = 4
    """How many batches choose for each one that scores: the largest of many noisy losses is chosen."""
    screening: ClassVar[int] = 2
    """Batches that all units are tried on, at each step of a choice."""
    finalists: ClassVar[int] = 16
    """How many of the most harmful are tried again on all choosing batches."""

    kind: Literal["reliance"] = "reliance"
    of: Method = SimCLR()
    """The method whose loss is attacked; its models are trained at the identity dose, and not stored."""
    budgets: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    masks: Annotated[int, Field(ge=200)] = 200
    """Rate-matched random sets that a chosen one is held against."""
    batches: Annotated[int, Field(ge=1)] = 2
    """Batches that score sets by the loss, of the size that the method trains on or of as many windows as the smallest half of a fold's
    test part has; four times as many choose, and scale."""

    def passes(self, units: int) -> int:
        """Return how many forward passes of the trained model an attack on so many units makes."""
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
            LinearSSL: "has a closed form and no loss by batches", SwapVAE: "has to reconstruct the units that are removed",
            SupCon: "reads the target, and is no SSL", YAware: "reads the target, and is no SSL",
        }  # fmt: skip
        if (why := reasons.get(type(of))) is not None:
            raise ValueError(
                f"{of.kind} {why}; name a method that compares views or windows without labels, such as simclr"
            )
        return of


def _members(union: Any) -> tuple[type[MethodDeclaration], ...]:
    """Classes of a union that may carry a discriminator; a class alone is its own."""
    bare = get_args(union)[0] if get_origin(union) is Annotated else union
    return get_args(bare) or (bare,)


AnyMethod = Annotated[Method | Baseline | Reliance, Field(discriminator="kind")]

DECLARED_METHODS: dict[str, type[MethodDeclaration]] = {
    declared.model_fields["kind"].default: declared
    for union in (Method, Baseline, Reliance)
    for declared in _members(union)
}
"""Every method and measurement by its kind."""
