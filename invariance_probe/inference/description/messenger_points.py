"""Rows of report.json about the units that decoders and objectives rely on.

These are values only. Nothing is computed here, and no verdict depends on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class BandedDamage:
    """What the removal of a set of units costs one decoder, with a random band.

    Attributes
    ----------
    chosen
        Damage by the chosen set, in units of R.
    random
        Damage by random sets of other units, of like rates where there are many.
    low, high
        95 % band of the random sets.
    """

    chosen: float
    random: float
    low: float
    high: float


@dataclass(frozen=True)
class ChosenUnit:
    """One unit of a set.

    Attributes
    ----------
    unit
        Index of the unit.
    frequency
        How often it is chosen when the choosing blocks are reweighted.
    """

    unit: int
    frequency: float


@dataclass(frozen=True)
class MessengerPoint:
    """The units of one session whose removal harms most, at one budget.

    They are chosen on half of the blocks and scored on the other half.
    """

    session: str
    group: str
    budget: int
    """Number of units in the set."""
    chosen_with: str
    """`refit`: the decoder is fitted again without the units; `fixed`: it is not."""
    units: tuple[ChosenUnit, ...]
    refit: BandedDamage
    """Damage when the decoder is fitted again."""
    fixed: BandedDamage
    """Damage when the decoder is held fixed."""
    accepted: bool
    """Whether both damages lie above their bands."""
    gain: float
    """G(b): damage beyond that of random sets, for the decoder that chose the set.

    Its 95 % interval over blocks of this session follows.
    """
    gain_low: float
    gain_high: float
    stability: float
    """Stability of the choice over reweighted blocks (Nogueira, Sechidis & Brown 2018).

    It is 0 by chance. Its 95 % interval follows.
    """
    stability_low: float
    stability_high: float
    seed_stability: float | None
    """Stability of a random selector's choice from the same blocks over its seeds.

    None where the selector has no randomness.
    """
    jaccard: float
    """Mean overlap of the choices over reweighted blocks, not corrected for chance."""
    transfer: float | None
    """T: damage in the second half of the session by the set of the first half.

    It is a fraction of the damage by the second half's own set, and its 95 % interval
    follows. None where the second half's own set does not carry more than the
    measurement's margin.
    """
    transfer_low: float | None
    transfer_high: float | None
    transfer_back: float | None
    """T the other way: damage in the first half by the set of the second half.

    It is a fraction of the damage by the first half's own set.
    """
    transfer_back_low: float | None
    transfer_back_high: float | None
    k50_chosen: float
    """Number of chosen units that must go until half of the range is lost."""
    k50_random: float
    """Number of random units that must go until half of the range is lost."""
    localisation: float
    """Ratio of the two numbers; 1 where it does not matter which units go."""


@dataclass(frozen=True)
class RelianceDamage(BandedDamage):
    """Damage averaged over the models of a session, which have their own bands.

    Attributes
    ----------
    beyond
        Fraction of the models in which the set's damage lies above the band.
    """

    beyond: float


@dataclass(frozen=True)
class ReliancePoint:
    """What the removal of one session's sets of units costs three targets.

    It is measured on test windows, over folds and seeds of trained models. A damage is
    None where its target is not shown to have a range (in every fold, and by t over
    folds at .05). Decoders have no seeds: their sets are the same for all models of a
    fold.
    """

    session: str
    group: str
    of: str
    """The method whose loss is the objective."""
    budget: int
    """Number of units in each set."""
    chosen_for: str
    """Target that the sets harm most: `objective`, `refit` or `fixed`.

    They are chosen on data that the target was not fitted to and that do not score.
    """
    models: int
    """Number of models that the figures are over."""
    missing: int
    """Number of models that failed or were lost; they enter none of the figures."""
    batch_windows: int
    """Number of windows over which the loss is computed at once; training may have used
    more."""
    range: float
    """Mean rise of the loss when the two views of a row are of different windows.

    It is in the loss's own units, and the scale of `objective`.
    """
    nothing: float
    """Mean rise of the loss when no unit is left.

    It is not above 0 where the model does no better, on these windows, than one that is
    shown nothing.
    """
    random_sets: int
    """Smallest number of different random sets that a model's band rests on."""
    units: tuple[ChosenUnit, ...]
    """Units that were chosen most often, and in what fraction of the models."""
    objective: RelianceDamage | None
    """Damage to the trained model's loss, in units of `range`.

    That unit is no bound, and no fraction of what the model knows.
    """
    refit: RelianceDamage | None
    """Damage to the loss of the refitted decoder."""
    fixed: RelianceDamage | None
    """Damage to the loss of the fixed decoder.

    For both decoders it is in units of their range on the test windows.
    """
    overlap: float
    """Mean Jaccard index with the set that the same model chose for the objective;
    secondary."""
    overlap_chance: float
    """Mean Jaccard index of two random sets."""


@dataclass(frozen=True)
class UnitScore:
    """What is known of one unit of one session by itself, for use elsewhere."""

    session: str
    group: str
    unit: int
    """Index of the unit."""
    alone_refit: float
    """Rise of the loss without this unit, with the decoder fitted again.

    It is in units of the decodable range.
    """
    alone_fixed: float
    """Rise of the loss without this unit, with the decoder held fixed."""
    weight: float
    """Norm of its decoder weights on standardised features."""
    variance: float
    """Variance of its feature: the square root of its counts, or its signal."""
    selected: Mapping[str, float]
    """How often it was in the set when blocks were reweighted.

    Keys are decoder and budget, such as `refit_b4`.
    """


@dataclass(frozen=True)
class SwitchingPoint:
    """Whether one decoder relies on the same units in all epochs of a session.

    The comparison is with blocks assigned to epochs at random.
    """

    session: str
    group: str
    mode: str
    """`refit` or `fixed`."""
    epochs: int
    """Number of epochs."""
    blocks: int
    """Number of blocks per epoch.

    It is 0 where blocks would be too short relative to the memory of activity; then
    nothing is tested.
    """
    memory_s: float
    """Time (s) over which the autocorrelation of the leading activity components falls
    to 1/e."""
    p_value: float | None
    """Fraction of random assignments with as little overlap.

    It is small where reliance moves from unit to unit.
    """
    overlap: float | None
    """Mean cosine of the epochs' reliance.

    It is secondary, because it is also low where few data are divided by many units.
    """
    expected: float | None
    """Mean overlap of the random assignments: what noise and the number of units leave
    of one code."""
