"""What stands beside SSL methods: decoders without SSL, nulls, controls and measurements of a whole session."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from invariance_probe.study.declaration import Declaration, MethodDeclaration, added
from invariance_probe.study.encoders import Encoder, MLPEncoder, Width
from invariance_probe.study.nulls import FEWEST_DRAWS, FEWEST_OTHERS
from invariance_probe.study.session import OtherSession
from invariance_probe.study.views import Views


class Raw(MethodDeclaration):
    """Standardised activity, read by the probe directly."""

    kind: Literal["raw"] = "raw"


class SquareRoots(MethodDeclaration):
    """Standardised square roots of counts, sqrt(n + 1/4), read by the probe directly.

    Roots even out the variance of Poisson counts (Anscombe 1948, Biometrika 35:246, with 3/8 for 1/4) and compress
    their tails, so that where rates are high a linear decoder reads more from them than from counts.
    """

    kind: Literal["square_roots"] = "square_roots"


class PCA(MethodDeclaration):
    """The leading principal components of the standardised training activity."""

    kind: Literal["pca"] = "pca"
    dimensions: Width = 16


class Untrained(MethodDeclaration):
    """The encoder as it is initialised."""

    kind: Literal["untrained"] = "untrained"
    encoder: Encoder = MLPEncoder()


class Supervised(MethodDeclaration):
    """A network of the study's architecture trained on the target, with early stopping on a validation part."""

    kind: Literal["supervised"] = "supervised"
    reads_target: ClassVar[bool] = True
    encoder: Encoder = MLPEncoder()


class Persistence(MethodDeclaration):
    """How much of the target survives the lag of a pairing: 1 - rho(w)^2, the information cost of jitter."""

    kind: Literal["persistence"] = "persistence"


class ShiftNull(MethodDeclaration):
    """The raw decoder against the same decoder on linearly shifted targets (Harris 2020, arXiv:2012.06862)."""

    kind: Literal["shift_null"] = "shift_null"
    shifts: Annotated[int, Field(ge=19)] = 40


class CircularNull(MethodDeclaration):
    """The raw decoder against the same decoder on circularly shifted targets (Harris 2020, arXiv:2012.06862)."""

    kind: Literal["circular_null"] = "circular_null"
    shifts: Annotated[int, Field(ge=FEWEST_DRAWS)]


class SessionNull(MethodDeclaration):
    """The raw decoder against the same decoder on the targets of other sessions."""

    kind: Literal["session_null"] = "session_null"
    others: Annotated[tuple[OtherSession, ...], Field(min_length=FEWEST_OTHERS)]
    cuts: Annotated[int, Field(ge=1)]
    """Shifted cuts of each other session."""


class PseudoNull(MethodDeclaration):
    """The raw decoder against the same decoder on targets that the experimenter could as well have drawn."""

    kind: Literal["pseudo_null"] = "pseudo_null"
    array: str | None = None
    """Array of alternative targets; trials exchange their targets where there is none."""
    fingerprint: str = ""
    """Hash of that array's content."""
    draws: Annotated[int, Field(ge=FEWEST_DRAWS)]


class Leak(MethodDeclaration):
    """Whether the study's folds let a decoder read the time: random walks, which no activity can know, decoded from activity."""

    kind: Literal["leak"] = "leak"
    draws: Annotated[int, Field(ge=10)] = 20


class CodeCorruption(Declaration):
    """A swept corruption of the inputs at one dose."""

    axis: str
    dose: float
    views: Views
    """Views with nothing but the swept transform, at that dose."""


class Code(MethodDeclaration):
    """How many units suffice and are needed, and what is lost with corrupted inputs, by refitted decoders."""

    kind: Literal["code"] = "code"
    corruptions: tuple[CodeCorruption, ...] = ()
    masks: Annotated[int, Field(ge=20)] = 60
    """Balanced masks of a corruption that leaves some inputs intact."""
    splits: Annotated[int, Field(ge=20)] = 20
    """Random halves of the units."""
    blocks: Annotated[int, Field(ge=8)] = 8
    """Contiguous blocks that are held out in turn; as many as the study has folds where these are more."""
    draws: Annotated[int, Field(ge=8)] = 8
    """Corrupted versions of every window that the blind decoder reads."""
    jackknife: bool = False
    """Whether everything is repeated without each block: for claims about these recordings only."""


class TestLag(MethodDeclaration):
    """How fast the decoded target forgets: the raw decoder's prediction against the target some time before."""

    kind: Literal["test_lag"] = "test_lag"
    resamples: Annotated[int, Field(ge=100)] = 400
    """Block-bootstrap draws of the time constant, and surrogates of the increments' kurtosis."""


class SharedDimensions(MethodDeclaration):
    """How many dimensions activity shares with a second modality (the target), and at which lag: held-out canonical correlations."""

    kind: Literal["shared_dimensions"] = "shared_dimensions"
    components: Width = 10
    """Principal components of each side that are correlated."""
    shifts: Annotated[int, Field(ge=99)] = 199
    """Circular shifts of the second modality that make the null."""
    longest_lag_s: Annotated[float, Field(ge=0)] = 1.0
    """Lags are tried from that far behind to that far ahead."""


class Switching(Declaration):
    """Whether a decoder relies on the same units throughout: epochs, against the same blocks dealt to epochs at random."""

    parts: Annotated[int, Field(ge=2, le=20)] = 4
    """Equal parts of the session that are its epochs; not read where the measurement names epochs."""
    permutations: Annotated[int, Field(ge=199)] = 499


class Messengers(MethodDeclaration):
    """Which few units carry the target, and whether they are the same ones in the second half of the session."""

    kind: Literal["messengers"] = "messengers"
    budget: Annotated[int, Field(ge=1)] = 6
    """How many units are chosen."""
    masks: Annotated[int, Field(ge=20)] = 50
    """Rate-matched random sets that the chosen one is held against."""
    blocks: Annotated[int, Field(ge=8)] = 12
    """Blocks of each half of the session that choose, and as many between them that score."""
    resamples: Annotated[int, Field(ge=10)] = 30
    """Bootstrap draws of the choosing blocks, for how much the choice varies."""
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """The transfer ratio is reported where the units chosen in a half carry more than this part of its range."""
    budgets: tuple[Annotated[int, Field(ge=1)], ...] = added(())
    """How many units are chosen, in turn: what a study asks for. Then `budget` is not read, and every budget has its damage with
    the band of random sets, its acceptance, its stability and its transfer ratio."""
    epochs: str = added("")
    """Array of the recording that says which epoch a bin is in, such as before and after learning. Sets are transferred between its first
    and its last value, in order of appearance; between the halves of the session when left out."""
    selector: Literal[
        "greedy",
        "greedy_swaps",
        "greedy_backward",
        "projected_gradient",
        "learned_mask",
        "best_of_random",
        "decoder_weight",
    ] = added("greedy_backward")
    """How the curve's sets are chosen. `greedy_backward` is the reference, and alone calibrated; it has no randomness."""
    passes: Annotated[int, Field(ge=1)] | None = added(None)
    """Forward passes that a choice may spend; as many as its selector wants when left out."""
    seeds: Annotated[int, Field(ge=1)] = added(1)
    """How often a random selector chooses from the same blocks. Stability is then over seeds and blocks together, and over seeds alone."""
    switching: Switching | None = added(None)
    """The test over all epochs, or over equal parts of the session."""


class MinedPairs(MethodDeclaration):
    """Whether pairs mined across time make closed-form linear SSL decode better under a later drift than local or random pairs."""

    kind: Literal["mined_pairs"] = "mined_pairs"
    dimensions: Width = 8
    ridge: Annotated[float, Field(ge=0)] = 1e-3
    """Added to the within-view covariance, as a fraction of its mean variance."""
    local_s: Annotated[float, Field(ge=0)] = 0.5
    """Local pairs lie at most this far apart."""
    gap_s: Annotated[float, Field(gt=0)] = 30.0
    """Mined, random and oracle pairs lie at least this far apart."""
    neighbours: Annotated[int, Field(ge=1)] = 3
    """Distant partners of every window."""
    fractions: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (
        0.25,
        0.5,
        0.9,
    )
    """Parts of the pairs that are distant ones; the others are local."""
    smoothing_s: Annotated[float, Field(ge=0)] = 0.5
    """Standard deviation of the Gaussian that smooths activity before neighbours are looked for."""
    components: Width = 8
    """Principal components of smoothed activity in which neighbours are near."""
    labelled: Annotated[float, Field(gt=0, le=1)] = 0.25
    """First part of the training windows that the probe is fitted on."""
    nuisance: str = ""
    """Array of the recording whose distance within pairs is measured; none when empty."""


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
