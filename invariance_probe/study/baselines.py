"""Decoders without SSL, nulls, controls and measurements of a whole session.

In: what a plan asks for beside SSL training, or what a study lists in `measurements`.
Out: frozen declarations, one per kind of run. Nothing is measured here; see
`invariance_probe.probing.measurements`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from invariance_probe.study.declaration import ArrayName, Declaration, MethodDeclaration, added
from invariance_probe.study.encoders import Encoder, MLPEncoder, Width
from invariance_probe.study.nulls import FEWEST_DRAWS, FEWEST_OTHERS
from invariance_probe.study.session import OtherSession
from invariance_probe.study.views import Views


class Raw(MethodDeclaration):
    """Standardised activity, which the probe reads directly."""

    kind: Literal["raw"] = "raw"


class SquareRoots(MethodDeclaration):
    """Standardised square roots of counts, which the probe reads directly.

    They are sqrt(n + 1/4). Roots even out the variance of Poisson counts (Anscombe
    1948, Biometrika 35:246, with 3/8 for 1/4) and compress their tails. Where rates are
    high, a linear decoder therefore reads more from them than from counts.
    """

    kind: Literal["square_roots"] = "square_roots"


class PCA(MethodDeclaration):
    """The leading principal components of the standardised training activity."""

    kind: Literal["pca"] = "pca"
    dimensions: Width = 16


class Untrained(MethodDeclaration):
    """The encoder with its initial, untrained weights."""

    kind: Literal["untrained"] = "untrained"
    encoder: Encoder = MLPEncoder()


class Supervised(MethodDeclaration):
    """A network of the study's architecture that is trained on the target.

    It stops early, by its loss on a validation part.
    """

    kind: Literal["supervised"] = "supervised"
    reads_target: ClassVar[bool] = True
    encoder: Encoder = MLPEncoder()


class Persistence(MethodDeclaration):
    """How much of the target persists over the lag of a pairing.

    The measured value is rho(w), the correlation of the target with itself at the lag
    w; 1 - rho(w)^2 is the information cost of jitter.
    """

    kind: Literal["persistence"] = "persistence"


class ShiftNull(MethodDeclaration):
    """The raw decoder against the same decoder on linearly shifted targets.

    Harris 2020, arXiv:2012.06862.
    """

    kind: Literal["shift_null"] = "shift_null"
    shifts: Annotated[int, Field(ge=19)] = 40
    """Number of shifts."""


class CircularNull(MethodDeclaration):
    """The raw decoder against the same decoder on circularly shifted targets.

    Harris 2020, arXiv:2012.06862.
    """

    kind: Literal["circular_null"] = "circular_null"
    shifts: Annotated[int, Field(ge=FEWEST_DRAWS)]
    """Number of shifts."""


class SessionNull(MethodDeclaration):
    """The raw decoder against the same decoder on targets of other sessions."""

    kind: Literal["session_null"] = "session_null"
    others: Annotated[tuple[OtherSession, ...], Field(min_length=FEWEST_OTHERS)]
    """The sessions that lend their targets."""
    cuts: Annotated[int, Field(ge=1)]
    """Number of shifted cuts of each other session."""


class PseudoNull(MethodDeclaration):
    """The raw decoder against the same decoder on alternative targets.

    Alternative targets are targets that the experimenter could as well have drawn.
    """

    kind: Literal["pseudo_null"] = "pseudo_null"
    array: str | None = None
    """Array of alternative targets; trials exchange their targets if there is none."""
    fingerprint: str = ""
    """Hash of the content of that array."""
    draws: Annotated[int, Field(ge=FEWEST_DRAWS)]
    """Number of alternative targets."""


class Leak(MethodDeclaration):
    """Whether the study's folds let a decoder read the time.

    Random walks, which no activity can know, are decoded from activity.
    """

    kind: Literal["leak"] = "leak"
    draws: Annotated[int, Field(ge=10)] = 20
    """Number of random walks."""


class CodeCorruption(Declaration):
    """One swept corruption of the inputs at one dose."""

    axis: str
    dose: float
    views: Views
    """Views with only the swept transform, at that dose."""


class Code(MethodDeclaration):
    """The finding of the code, by refitted decoders (science.md 2.1).

    How many units suffice, how many are needed, and what is lost with corrupted inputs.
    """

    kind: Literal["code"] = "code"
    corruptions: tuple[CodeCorruption, ...] = ()
    """The corruptions whose loss is measured."""
    masks: Annotated[int, Field(ge=20)] = 60
    """Number of balanced masks of a corruption that leaves some inputs intact."""
    splits: Annotated[int, Field(ge=20)] = 20
    """Number of random splits of the units into halves."""
    blocks: Annotated[int, Field(ge=8)] = 8
    """Number of contiguous blocks that are held out in turn.

    As many as the study has folds, where these are more.
    """
    draws: Annotated[int, Field(ge=8)] = 8
    """Number of corrupted versions of every window that the blind decoder reads."""
    jackknife: bool = False
    """Whether everything is repeated without each block.

    Needed for claims that are about these recordings only.
    """


class TestLag(MethodDeclaration):
    """How fast the decoded target forgets: its time constant by test lag.

    The raw decoder's prediction is compared with the target some time before.
    """

    kind: Literal["test_lag"] = "test_lag"
    resamples: Annotated[int, Field(ge=100)] = 400
    """Number of block-bootstrap draws of the time constant.

    It is also the number of surrogates of the increments' kurtosis.
    """


class SharedDimensions(MethodDeclaration):
    """How many dimensions activity shares with a second modality.

    The second modality is the target. Held-out canonical correlations say how many
    dimensions are shared, and at which lag.
    """

    kind: Literal["shared_dimensions"] = "shared_dimensions"
    components: Width = 10
    """Number of principal components of each side that are correlated."""
    shifts: Annotated[int, Field(ge=99)] = 199
    """Number of circular shifts of the second modality that make the null."""
    longest_lag_s: Annotated[float, Field(ge=0)] = 1.0
    """Lags are tried from this far behind to this far ahead (seconds)."""


class Switching(Declaration):
    """Test of whether a decoder relies on the same units in all epochs.

    Epochs are compared with the same blocks dealt to epochs at random.
    """

    parts: Annotated[int, Field(ge=2, le=20)] = 4
    """Number of equal parts of the session that serve as epochs.

    Not read where the measurement names epochs.
    """
    permutations: Annotated[int, Field(ge=199)] = 499
    """Number of random assignments of blocks to epochs."""


class Messengers(MethodDeclaration):
    """Which few units carry the target, and whether they stay the same.

    The units of the first half of the session (or of one epoch) are compared with those
    of the second.
    """

    kind: Literal["messengers"] = "messengers"
    budget: Annotated[int, Field(ge=1)] = 6
    """Number of units that are chosen."""
    masks: Annotated[int, Field(ge=20)] = 50
    """Number of rate-matched random sets that the chosen set is compared with."""
    blocks: Annotated[int, Field(ge=8)] = 12
    """Number of blocks of each half of the session that choose.

    As many blocks between them score.
    """
    resamples: Annotated[int, Field(ge=10)] = 30
    """Number of bootstrap draws of the choosing blocks.

    They show how much the choice varies.
    """
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Least share of a half's range for which the transfer ratio is reported.

    The units chosen in a half must carry more than this fraction of its range.
    """
    budgets: tuple[Annotated[int, Field(ge=1)], ...] = added(())
    """Numbers of units that are chosen, one after the other; a study gives these.

    `budget` is then not read. For every budget there is the damage with the band of
    random sets, the acceptance, the stability and the transfer ratio.
    """
    epochs: ArrayName = added("")
    """Array of the recording that says which epoch a bin is in.

    For example before and after learning. Sets are transferred between its first and
    its last value, in order of appearance; between the halves of the session when left
    out.
    """
    selector: Literal[
        "greedy",
        "greedy_swaps",
        "greedy_backward",
        "projected_gradient",
        "learned_mask",
        "best_of_random",
        "decoder_weight",
    ] = added("greedy_backward")
    """How the sets of the curve are chosen.

    `greedy_backward` is the reference and the only one that is calibrated; it has no
    randomness.
    """
    passes: Annotated[int, Field(ge=1)] | None = added(None)
    """Forward passes per choice; as many as its selector wants if omitted."""
    seeds: Annotated[int, Field(ge=1)] = added(1)
    """How often a random selector chooses from the same blocks.

    Stability is then over seeds and blocks together, and over seeds alone.
    """
    switching: Switching | None = added(None)
    """Test over all epochs, or over equal parts of the session; none if omitted."""


class MinedPairs(MethodDeclaration):
    """Whether pairs mined across time help a decoder under a later drift.

    Closed-form linear SSL with mined pairs is compared with local and with random
    pairs.
    """

    kind: Literal["mined_pairs"] = "mined_pairs"
    dimensions: Width = 8
    ridge: Annotated[float, Field(ge=0)] = 1e-3
    """Added to the within-view variances, as a fraction of their mean."""
    local_s: Annotated[float, Field(ge=0)] = 0.5
    """Local pairs lie at most this far apart (seconds)."""
    gap_s: Annotated[float, Field(gt=0)] = 30.0
    """Mined, random and oracle pairs lie at least this far apart (seconds)."""
    neighbours: Annotated[int, Field(ge=1)] = 3
    """Number of distant partners of every window."""
    fractions: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (
        0.25,
        0.5,
        0.9,
    )
    """Fractions of the pairs that are distant; the others are local."""
    smoothing_s: Annotated[float, Field(ge=0)] = 0.5
    """SD of the Gaussian that smooths activity before the search (seconds)."""
    components: Width = 8
    """Principal components of smoothed activity used in the search."""
    labelled: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Fraction of the training windows, the first ones, that the probe is fitted on."""
    nuisance: ArrayName = ""
    """Array of the recording whose distance within pairs is measured; none if empty."""


Baseline = (
    Raw
    | SquareRoots
    | PCA
    | Untrained
    | Supervised
    | Persistence
    | ShiftNull
    | CircularNull
    | SessionNull
    | PseudoNull
    | Leak
    | Code
    | TestLag
    | SharedDimensions
    | Messengers
    | MinedPairs
)
