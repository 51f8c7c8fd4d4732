"""Rows of report.json about the units that decoders rest on."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class BandedDamage:
    """What the removal of a set costs one decoder, in units of R, and the 95 % band of random sets of others, of like rates where many are."""

    chosen: float
    random: float
    low: float
    high: float


@dataclass(frozen=True)
class ChosenUnit:
    """One unit of a set, and how often it is chosen when the choosing blocks are reweighted."""

    unit: int
    frequency: float


@dataclass(frozen=True)
class MessengerPoint:
    """The units of one session whose removal harms most at one budget, chosen on half of the blocks and scored on the other."""

    session: str
    group: str
    budget: int
    chosen_with: str
    """`refit`: the decoder is fitted again without the units; `fixed`: it is not."""
    units: tuple[ChosenUnit, ...]
    refit: BandedDamage
    fixed: BandedDamage
    accepted: bool
    """Whether both damages lie above their bands."""
    gain: float
    """G(b), the damage beyond that of random sets, with the decoder that chose; 95 % interval over blocks of this session."""
    gain_low: float
    gain_high: float
    stability: float
    """Of the choice over reweighted blocks (Nogueira, Sechidis & Brown 2018), 0 by chance; 95 % interval."""
    stability_low: float
    stability_high: float
    seed_stability: float | None
    """Of a random selector's choice from the same blocks, over its seeds; None where it has no randomness."""
    jaccard: float
    """Mean overlap of the same choices, not corrected for chance."""
    transfer: float | None
    """T: what the set of the first half of the session costs in the second, as a part of what its own set costs there; 95 % interval.
    None where the second half's own set does not carry more than the measurement's margin."""
    transfer_low: float | None
    transfer_high: float | None
    transfer_back: float | None
    """T the other way: what the set of the second epoch costs in the first, as a part of what the first's own costs there."""
    transfer_back_low: float | None
    transfer_back_high: float | None
    k50_chosen: float
    """Units that must go until half of the range is lost, chosen and at random; their ratio is `localisation`, 1 where it does not
    matter which go."""
    k50_random: float
    localisation: float


@dataclass(frozen=True)
class RelianceDamage(BandedDamage):
    """The same, averaged over the models of a session, which have bands of their own."""

    beyond: float
    """Share of the models in which the set's damage lies above the band."""


@dataclass(frozen=True)
class ReliancePoint:
    """What the removal of one session's sets of units costs three targets, on test windows, over folds and seeds of trained models.

    A damage is None where its target is not shown to have a range (in every fold, and by t over folds at .05). Decoders have no seeds: their
    sets are the same for all models of a fold.
    """

    session: str
    group: str
    of: str
    """The method whose loss is the objective."""
    budget: int
    chosen_for: str
    """`objective`, `refit` or `fixed`: what the sets harm on data that it was not fitted to and that do not score."""
    models: int
    missing: int
    """Models that failed or were lost, and are in none of the figures."""
    batch_windows: int
    """Of how many windows at once the loss is taken; training may have had more."""
    range: float
    """Mean rise of the loss, in its own units, when both views of a row are of different windows: the scale of `objective`."""
    nothing: float
    """The same when no unit is left; not above 0 where the model does no better, on these windows, than one that is shown nothing."""
    random_sets: int
    """The fewest different random sets that a model's band rests on."""
    units: tuple[ChosenUnit, ...]
    """The units that were chosen most often, and in which share of the models."""
    objective: RelianceDamage | None
    """Of the trained model's loss, in units of `range`, which is no bound and no share of what the model knows."""
    refit: RelianceDamage | None
    fixed: RelianceDamage | None
    """Of both decoders' losses, in units of their range on the test windows."""
    overlap: float
    """Mean Jaccard index with the set that the same model chose for the objective; secondary."""
    overlap_chance: float
    """The same, of two random sets."""


@dataclass(frozen=True)
class UnitScore:
    """What is known of one unit of one session by itself, for use elsewhere."""

    session: str
    group: str
    unit: int
    alone_refit: float
    """Loss without it less that of all units, with the decoder fitted again and held fixed, in units of the decodable range."""
    alone_fixed: float
    weight: float
    """Norm of its decoder weights on standardised features."""
    variance: float
    """Of its feature: the square root of its counts, or its signal."""
    selected: Mapping[str, float]
    """How often it was in the set when blocks were reweighted, by decoder and budget (`refit_b4`)."""


@dataclass(frozen=True)
class SwitchingPoint:
    """Whether one decoder relies on the same units in all epochs of one session, against blocks dealt to epochs at random."""

    session: str
    group: str
    mode: str
    """`refit` or `fixed`."""
    epochs: int
    blocks: int
    """In an epoch; 0 where blocks would be too short beside what activity remembers, and nothing is tested."""
    memory_s: float
    """Over which the autocorrelation of the leading components of activity falls to 1/e."""
    p_value: float | None
    """Share of deals with as little overlap; small where reliance moves from unit to unit."""
    overlap: float | None
    """Mean cosine of the epochs' reliance; secondary, as it is also low where few data are divided by many units."""
    expected: float | None
    """Mean overlap of the deals: what noise and the number of units leave of one code."""
