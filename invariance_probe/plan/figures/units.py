"""Quantities about the units whose removal does most harm.

They belong to the measurements `messengers` and `reliance`. A set of units is chosen on
one half of the data, and its removal is scored on the other half, by two decoders:
`refit` is fitted again without the units, which measures information; `fixed` keeps its
weights, which measures how much this decoder relies on them. The damage by a set is the
rise of a loss when it is removed. It is compared with the band of damages by random sets
of units with similar firing rates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Mode = Literal["refit", "fixed"]
"""The decoder that scores a removal: fitted again, or with fixed weights."""
MODES: tuple[Mode, ...] = ("refit", "fixed")
RelianceTarget = Literal["objective", "refit", "fixed"]
"""What a removal is meant to harm: the loss of the SSL model, or a decoder."""
RELIANCE_TARGETS: tuple[RelianceTarget, ...] = ("objective", *MODES)


@dataclass(frozen=True, kw_only=True)
class SetDamage:
    """Rise of a loss when a set of units is removed, beside that for random sets.

    Attributes
    ----------
    chosen
        Rise without the chosen set.
    random, low, high
        Mean and 95 % band of the rise over random sets.
    """

    chosen: float
    random: float
    low: float
    high: float

    @property
    def exceeds(self) -> bool:
        """Whether the set harms more than the upper end of the band of random sets."""
        return self.chosen > self.high


@dataclass(frozen=True, kw_only=True)
class Damage(SetDamage):
    """Damage to one decoder by removing a set, in units of the decodable range.

    Attributes
    ----------
    chosen
        Loss without the chosen set, less that with all units.
    random, low, high
        Mean and 95 % band of the same over random sets.
    gain, gain_low, gain_high
        G: loss without the chosen set, less the mean loss without random sets, with its
        95 % t interval over blocks (the range is taken as known).
    p_value
        P value from the rank of the chosen set among the random ones.
    """

    gain: float
    gain_low: float
    gain_high: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Whether the sets chosen in two epochs A and B also matter in the other.

    G is the gain of `Damage`: the damage by a set beyond that by random sets.

    Attributes
    ----------
    mode
        The decoder that the sets were chosen for and are scored by.
    budget
        Number of units in a set.
    set_a, set_b
        The units chosen in epoch A, and in epoch B.
    jaccard
        Jaccard overlap of the two sets.
    gain_a, gain_b, gain_a_in_b
        G of A's set in A, of B's set in B, and of A's set in B.
    gain_a_p, gain_b_p
        P value of the claim that G of the epoch's own set exceeds the margin.
    transfer, transfer_back
        Transfer ratio G(A's set in B) / G(B's set in B), and the same with A and B
        exchanged; None if G in the denominator is not shown to exceed the margin.
    """

    mode: Mode
    budget: int
    set_a: tuple[int, ...]
    set_b: tuple[int, ...]
    jaccard: float
    gain_a: float
    gain_b: float
    gain_a_in_b: float
    gain_a_p: float
    gain_b_p: float
    transfer: Interval | None = None
    transfer_back: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class WorstSet:
    """The set of units whose removal harms a decoder most, in a whole session.

    The search is repeated with the blocks that it uses reweighted at random (Bayesian
    bootstrap), to see how stable its choice is.

    Attributes
    ----------
    mode
        The decoder that the set was chosen for.
    budget
        Number of units in the set.
    units, frequencies
        The units, and the proportion of repetitions in which each is chosen (unit of the
        set,).
    accepted
        Whether the damage to both decoders exceeds its band, and the target can be
        decoded.
    refit, fixed
        Damage to both decoders, on the other half of the blocks.
    stability
        Nogueira's stability of the choice over repetitions: 1 if always the same units
        are chosen, 0 if they are chosen by chance.
    jaccard
        Mean Jaccard overlap of the choices.
    seed_stability
        Stability over seeds of the search; None for a search without randomness.
    selected
        Proportion of repetitions in which each unit of the session is chosen (unit,).
    """

    mode: Mode
    budget: int
    units: tuple[int, ...]
    frequencies: tuple[float, ...]
    accepted: bool
    refit: Damage
    fixed: Damage
    stability: Interval
    jaccard: float
    seed_stability: Interval | None = None
    selected: tuple[float, ...]

    def scored_by(self, mode: Mode) -> Damage:
        """Return the damage to one of the decoders."""
        return self.refit if mode == "refit" else self.fixed


@dataclass(frozen=True, kw_only=True)
class Localisation:
    """Number of units whose removal costs a decoder half of its decodable range.

    Attributes
    ----------
    mode
        The decoder.
    chosen
        Number of units, if they are chosen to harm most.
    random
        Number of units, if they are chosen at random.
    """

    mode: Mode
    chosen: float
    random: float

    @property
    def index(self) -> float:
        """Number of random units per chosen unit: high if few units matter."""
        return self.random / self.chosen


@dataclass(frozen=True, kw_only=True)
class UnitFigures:
    """Quantities of a single unit, on the half of the blocks used for scoring.

    Attributes
    ----------
    alone_refit, alone_fixed
        Damage to each decoder when only this unit is removed, in units of the decodable
        range.
    weight
        Norm of its decoder weights on standardised features.
    variance
        Variance of its feature (the square root of counts, or the signal).
    """

    alone_refit: float
    alone_fixed: float
    weight: float
    variance: float


@dataclass(frozen=True, kw_only=True)
class SwitchingTest:
    """Test of whether one decoder relies on the same units in all epochs.

    Attributes
    ----------
    mode
        The decoder.
    overlap
        Overlap of the units that the decoder relies on in the epochs, in [0, 1].
    expected
        Mean overlap when blocks are assigned to epochs at random.
    p_value
        P value of a smaller overlap than that, which shows that units switch.
    """

    mode: Mode
    overlap: float
    expected: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class SwitchingFigures:
    """Tests of whether units switch between epochs of a session.

    Attributes
    ----------
    epochs, blocks
        Number of epochs, and of blocks in each; 0 blocks if they would be too short.
    memory_s
        Time over which the autocorrelation of activity decays (seconds).
    tests
        One test per decoder; empty without blocks.
    """

    epochs: int
    blocks: int
    memory_s: float
    tests: tuple[SwitchingTest, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MessengerFigures:
    """The few units of a session whose removal harms decoding most.

    Attributes
    ----------
    transfers
        Sets of two epochs, one entry per decoder and budget.
    worst
        Sets of the whole session, one per decoder and budget; empty unless the
        measurement has `budgets`.
    localisations
        How few units matter, one entry per decoder; empty unless it has `budgets`.
    units
        Quantities of each single unit (unit,); empty unless it has `budgets`.
    switching
        Tests between epochs; None if the study does not declare them.
    """

    kind: Literal["messengers"] = "messengers"
    transfers: tuple[Transfer, ...]
    worst: tuple[WorstSet, ...] = ()
    localisations: tuple[Localisation, ...] = ()
    units: tuple[UnitFigures, ...] = ()
    switching: SwitchingFigures | None = None

    def transfer(self, mode: Mode, budget: int) -> Transfer:
        """Return the transfer of the sets of one decoder and budget between epochs."""
        return next(one for one in self.transfers if (one.mode, one.budget) == (mode, budget))

    def localisation(self, mode: Mode) -> Localisation:
        """Return the localisation of one decoder."""
        return next(one for one in self.localisations if one.mode == mode)


@dataclass(frozen=True, kw_only=True)
class RelianceSet:
    """A set of units chosen to harm one target, and its damage to all three.

    Attributes
    ----------
    budget
        Number of units in the set.
    target
        What the set was chosen to harm: the SSL model or one of the decoders.
    units
        The units.
    random_sets
        Number of different random sets on which the bands are based.
    damages
        Damage to each of the three, in the unit of its own loss.
    """

    budget: int
    target: RelianceTarget
    units: tuple[int, ...]
    random_sets: int
    damages: Mapping[RelianceTarget, SetDamage]


@dataclass(frozen=True, kw_only=True)
class RelianceFigures:
    """Which units one trained SSL model and two decoders of its fold rely on.

    Attributes
    ----------
    units
        Number of units of the session.
    batch_windows
        Number of windows per batch when the SSL loss is measured.
    range_objective, nothing_objective
        Rise of the SSL loss when the two views are of different windows, and when all
        units are removed.
    range_decoder
        Decodable range on the windows used for scoring.
    sets
        The chosen sets, one per budget and target.
    """

    kind: Literal["reliance"] = "reliance"
    units: int
    batch_windows: int
    range_objective: float
    nothing_objective: float
    range_decoder: float
    sets: tuple[RelianceSet, ...]

    def range_of(self, target: RelianceTarget) -> float:
        """Return the range by which the damage to a model or decoder is divided.

        It is `range_objective` for the SSL model and `range_decoder` for the decoders.
        """
        return self.range_objective if target == "objective" else self.range_decoder

    def chosen(self, budget: int, target: RelianceTarget) -> RelianceSet:
        """Return the set of a given size that was chosen to harm a given target."""
        return next(one for one in self.sets if (one.budget, one.target) == (budget, target))
