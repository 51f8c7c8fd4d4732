"""Rows of report.json about the units that decoders and objectives rely on.

These are values only. Nothing is computed here, and no verdict depends on them. A set
of units is scored by the damage that its removal does: the rise of the held-out loss of
a decoder that is fitted again without the units (`refit`) or held fixed (`fixed`), in
units of the decodable range. The budget is the number of units in a set. A band is the
central 95 % of the damage by random sets of the same size. docs/messengers.md explains
the measurements.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class BandedDamage:
    """Damage when a set of units is removed, with the band of random sets.

    Attributes
    ----------
    chosen
        Damage by the chosen set, in units of the decodable range.
    random
        Mean damage by random sets of other units. These have similar firing rates if
        enough such units exist.
    low, high
        Ends of the 95 % band of the random sets.
    """

    chosen: float
    random: float
    low: float
    high: float


@dataclass(frozen=True)
class ChosenUnit:
    """One unit of a chosen set.

    Attributes
    ----------
    unit
        Index of the unit.
    frequency
        Fraction of repeated choices that include it.
    """

    unit: int
    frequency: float


@dataclass(frozen=True)
class MessengerPoint:
    """The set of one session whose removal harms decoding most, at one budget.

    It is chosen on half of the session's blocks and scored on the other half.
    """

    session: str
    group: str
    budget: int
    """Number of units in the set."""
    chosen_with: str
    """The decoder that chose the set: `refit` or `fixed`."""
    units: tuple[ChosenUnit, ...]
    """The units, and how often each is chosen when the blocks are reweighted."""
    refit: BandedDamage
    """Damage to the decoder that is fitted again."""
    fixed: BandedDamage
    """Damage to the decoder that is held fixed."""
    accepted: bool
    """Whether both damages lie above their random bands."""
    gain: float
    """G: damage beyond the mean damage by random sets.

    It is that of the decoder that chose the set. Its 95 % interval over the session's
    blocks follows.
    """
    gain_low: float
    gain_high: float
    stability: float
    """Stability of the choice when blocks are reweighted; 0 by chance.

    It is the measure of Nogueira, Sechidis & Brown (2018). Its 95 % interval follows.
    """
    stability_low: float
    stability_high: float
    seed_stability: float | None
    """Stability over seeds of a randomised search on the same blocks.

    None if the search has no randomness.
    """
    jaccard: float
    """Mean Jaccard overlap of the choices when blocks are reweighted.

    It is not corrected for chance.
    """
    transfer: float | None
    """T: how much damage the first epoch's set still does in the second epoch.

    It is the gain G of the first epoch's set in the second epoch, divided by that of
    the second epoch's own set there; its 95 % interval follows. None if the own set is
    not shown to carry more than the measurement's margin. The epochs are the halves of
    the session, or those that the study names.
    """
    transfer_low: float | None
    transfer_high: float | None
    transfer_back: float | None
    """The same with the epochs exchanged: the second epoch's set in the first."""
    transfer_back_low: float | None
    transfer_back_high: float | None
    k50_chosen: float
    """Number of most harmful units whose removal costs half of the range."""
    k50_random: float
    """Number of random units whose removal costs half of the range."""
    localisation: float
    """`k50_random` / `k50_chosen`; 1 if it does not matter which units go."""


@dataclass(frozen=True)
class RelianceDamage(BandedDamage):
    """Damage averaged over the models of a session, each with its own band.

    Attributes
    ----------
    beyond
        Fraction of the models in which the damage by the chosen set lies above the
        band.
    """

    beyond: float


@dataclass(frozen=True)
class ReliancePoint:
    """What removing sets of units costs an SSL objective and two decoders.

    It is measured on test windows of one session, over folds and seeds of trained
    models. The targets of the damage are the SSL loss (`objective`) and the two
    decoders (`refit`, `fixed`). A damage is None if its target is not shown to have a
    range: above 0 in every fold, and by a t test over folds at .05. Decoders have no
    seeds, so their sets are the same for all models of a fold.
    """

    session: str
    group: str
    of: str
    """The SSL method whose loss is the objective."""
    budget: int
    """Number of units in each set."""
    chosen_for: str
    """What the sets were chosen to harm most: `objective`, `refit` or `fixed`.

    They are chosen on data on which the target was neither fitted nor is scored.
    """
    models: int
    """Number of models that the values average over."""
    missing: int
    """Number of models that failed or have no result; the values exclude them."""
    batch_windows: int
    """Number of windows over which the SSL loss is computed at once.

    Training may have used more.
    """
    range: float
    """Mean rise of the SSL loss if the two views of a row show different windows.

    It is in the loss's own units, and the scale of `objective`.
    """
    nothing: float
    """Mean rise of the SSL loss if all units are removed.

    If it is not above 0, the model does no better on these windows than one that sees
    no activity.
    """
    random_sets: int
    """Smallest number of different random sets behind the band of any model."""
    units: tuple[ChosenUnit, ...]
    """Most frequently chosen units, with the fraction of models choosing them."""
    objective: RelianceDamage | None
    """Damage to the SSL loss of the trained model, in units of `range`.

    The damage may exceed this unit, which does not say how much the model knows.
    """
    refit: RelianceDamage | None
    """Damage to the refitted decoder, in units of its range on test windows."""
    fixed: RelianceDamage | None
    """Damage to the fixed decoder, in units of its range on test windows."""
    overlap: float
    """Mean Jaccard overlap with the set that the same model chose for its loss."""
    overlap_chance: float
    """Mean Jaccard overlap of two random sets of this size."""


@dataclass(frozen=True)
class UnitScore:
    """Scores of one unit of one session by itself.

    They are written to units.csv.
    """

    session: str
    group: str
    unit: int
    """Index of the unit."""
    alone_refit: float
    """Damage by removing this unit alone, with the decoder fitted again.

    It is in units of the decodable range.
    """
    alone_fixed: float
    """The same damage with the decoder held fixed."""
    weight: float
    """Norm of the unit's decoder weights, on standardised features."""
    variance: float
    """Variance of the unit's feature: its signal, or square root of its counts."""
    selected: Mapping[str, float]
    """Fraction of reweightings of the blocks for which it is in the chosen set.

    Keys name the decoder and the budget, such as `refit_b4`.
    """


@dataclass(frozen=True)
class SwitchingPoint:
    """Whether one decoder relies on the same units in all epochs of a session.

    Each unit has a share of the decoder's reliance in each epoch. The overlap of the
    epochs is compared with that after blocks were assigned to epochs at random.
    """

    session: str
    group: str
    mode: str
    """The decoder: `refit` or `fixed`."""
    epochs: int
    """Number of epochs."""
    blocks: int
    """Number of blocks per epoch.

    It is 0, and nothing is tested, if blocks would be short relative to the memory of
    the activity.
    """
    memory_s: float
    """Time (s) over which the activity remembers its past.

    In this time the autocorrelation of the leading components falls to 1/e.
    """
    p_value: float | None
    """Fraction of random assignments with as little overlap as observed.

    It is small if the decoder relies on different units in different epochs.
    """
    overlap: float | None
    """Mean cosine between the reliance of pairs of epochs.

    Read it beside `expected`: it is also low if few data are divided among many units.
    """
    expected: float | None
    """Mean overlap of the random assignments.

    It shows how low the overlap of one unchanging code is, given noise and the number
    of units.
    """
