"""Decoders without SSL, nulls, controls and measurements of a whole session.

In: the settings of the runs that a plan adds to SSL training, or the entries of a
study's `measurements`. Out: frozen declarations, one per kind of run. Nothing is measured here; see
`invariance_probe.probing.measurements`.
"""

from typing import Annotated, Literal

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

    Training is stopped early, by the loss on a validation part.
    """

    kind: Literal["supervised"] = "supervised"
    encoder: Encoder = MLPEncoder()

    @property
    def reads_target(self) -> bool:
        """True; see `MethodDeclaration`."""
        return True


class Persistence(MethodDeclaration):
    """How similar the target stays over the lags of a time jitter.

    The measured value is rho(w), the correlation of the target with itself at the lag
    w. 1 - rho(w)^2 is the fraction of its variance that cannot be predicted across that
    lag.
    """

    kind: Literal["persistence"] = "persistence"


class ShiftNull(MethodDeclaration):
    """Decodability test against the session's own target, linearly shifted.

    The loss of the raw decoder is compared with its losses on the shifted targets
    (Harris 2020, arXiv:2012.06862).
    """

    kind: Literal["shift_null"] = "shift_null"
    shifts: Annotated[int, Field(ge=19)] = 40
    """Number of shifts."""


class CircularNull(MethodDeclaration):
    """Decodability test against the session's own target, circularly shifted.

    The loss of the raw decoder is compared with its losses on the shifted targets
    (Harris 2020, arXiv:2012.06862).
    """

    kind: Literal["circular_null"] = "circular_null"
    shifts: Annotated[int, Field(ge=FEWEST_DRAWS)]
    """Number of shifts."""


class SessionNull(MethodDeclaration):
    """Decodability test against the targets of other sessions.

    The loss of the raw decoder is compared with its losses on these targets.
    """

    kind: Literal["session_null"] = "session_null"
    others: Annotated[tuple[OtherSession, ...], Field(min_length=FEWEST_OTHERS)]
    """The sessions whose targets are used."""
    cuts: Annotated[int, Field(ge=1)]
    """Number of stretches, each shifted in time, from each other session."""


class PseudoNull(MethodDeclaration):
    """Decodability test against alternative targets.

    These are targets that the experimenter could just as well have drawn. The loss of
    the raw decoder is compared with its losses on them.
    """

    kind: Literal["pseudo_null"] = "pseudo_null"
    array: str | None = None
    """Name of the recording's array of alternative targets.

    If omitted, whole trials exchange their targets at random.
    """
    fingerprint: str = ""
    """Hash of the content of that array."""
    draws: Annotated[int, Field(ge=FEWEST_DRAWS)]
    """Number of alternative targets."""


class Leak(MethodDeclaration):
    """Test of whether the study's folds let a decoder tell the time.

    Random walks are decoded from the activity, which carries no information about them.
    Where this succeeds, the folds leak.
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
    """What decoders without SSL show about the code of a session (docs/code.md).

    They are refitted on parts of the units. The measurement says how many units suffice
    to decode the target, how many are needed, and what is lost with corrupted inputs.
    """

    kind: Literal["code"] = "code"
    corruptions: tuple[CodeCorruption, ...] = ()
    """The corruptions of the inputs under which decoding is measured."""
    masks: Annotated[int, Field(ge=20)] = 60
    """Number of random masks per corruption on which decoders are refitted.

    Only corruptions that leave some inputs intact have masks.
    """
    splits: Annotated[int, Field(ge=20)] = 20
    """Number of random splits of the units into halves."""
    blocks: Annotated[int, Field(ge=8)] = 8
    """Number of contiguous blocks that are held out in turn.

    If the study has more folds than this, the number of its folds is used.
    """
    draws: Annotated[int, Field(ge=8)] = 8
    """Number of corrupted versions of each window.

    The blind decoder, which is not told what was corrupted, reads all of them.
    """
    jackknife: bool = False
    """Whether everything is repeated with each block left out in turn.

    The jackknife is needed for claims that are about these recordings only.
    """


class TestLag(MethodDeclaration):
    """Time constant of the decoded target.

    It is the lag at which the raw decoder's prediction no longer agrees with the target
    at an earlier time.
    """

    kind: Literal["test_lag"] = "test_lag"
    resamples: Annotated[int, Field(ge=100)] = 400
    """Number of block-bootstrap draws of the time constant.

    The test of whether the decoded target jumps, by the kurtosis of its increments,
    uses as many surrogates.
    """


class SharedDimensions(MethodDeclaration):
    """How many dimensions activity shares with a second modality.

    The second modality is the target. Held-out canonical correlations show how many
    dimensions are shared, and at which lag.
    """

    kind: Literal["shared_dimensions"] = "shared_dimensions"
    components: Width = 10
    """Number of principal components of each side that are correlated."""
    shifts: Annotated[int, Field(ge=99)] = 199
    """Number of circular shifts of the second modality in the null distribution."""
    longest_lag_s: Annotated[float, Field(ge=0)] = 1.0
    """Largest lag to try, in either direction (seconds)."""


class Switching(Declaration):
    """Test of whether a decoder relies on the same units in all epochs.

    The epochs are compared with epochs to which the same blocks were assigned at random.
    """

    parts: Annotated[int, Field(ge=2, le=20)] = 4
    """Number of equal parts of the session that serve as epochs.

    Ignored if the measurement names an array of `epochs`.
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
    """Number of units to choose."""
    masks: Annotated[int, Field(ge=20)] = 50
    """Number of rate-matched random sets that the chosen set is compared with."""
    blocks: Annotated[int, Field(ge=8)] = 12
    """Number of blocks in each half of the session on which units are chosen.

    They alternate with as many blocks on which the chosen units are scored.
    """
    resamples: Annotated[int, Field(ge=10)] = 30
    """Number of bootstrap draws of the blocks on which units are chosen.

    They show how much the choice varies.
    """
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Fraction of a half's decodable range that its own units must carry.

    Otherwise no transfer ratio is reported. The ratio is what the units of one half
    contribute in the other half, relative to the units that were chosen there.
    """
    budgets: tuple[Annotated[int, Field(ge=1)], ...] = added(())
    """Numbers of units to choose, each in turn; every study has to give them.

    `budget` is then ignored. For each number the report shows how much the loss rises
    without the units, next to random sets; whether the set is accepted as more harmful
    than those; how stable the choice is; and the transfer ratio.
    """
    epochs: ArrayName = added("")
    """Name of the recording's array of epochs, such as before and after learning.

    The array says which epoch a bin is in. The sets of its first and its last value, in
    order of appearance, are compared. If omitted, the halves of the session are.
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
    """How sets of units are searched for where `budgets` are given.

    `greedy_backward` is deterministic. It is the reference, and the only search that is
    calibrated.
    """
    passes: Annotated[int, Field(ge=1)] | None = added(None)
    """Number of forward passes per choice; the selector's own number if omitted."""
    seeds: Annotated[int, Field(ge=1)] = added(1)
    """How often a random selector chooses from the same blocks.

    Stability is then reported over seeds and blocks together, and over seeds alone.
    """
    switching: Switching | None = added(None)
    """Test of whether units switch between epochs; not made if omitted."""


class MinedPairs(MethodDeclaration):
    """Whether pairs mined across time help a decoder when activity drifts later.

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
    """Number of distant partners per window."""
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
    """Fraction of the training windows, the earliest ones, used to fit the probe."""
    nuisance: ArrayName = ""
    """Name of an array that should differ within pairs, such as a drift.

    Its distance within pairs is measured. Empty for no such array.
    """


AnyDecoder = Raw | SquareRoots | PCA | Untrained
"""Decoders of activity, or of a representation of it that no gradient trained."""
AnyMeasurement = (
    Persistence
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
"""Measurements of a whole session."""
