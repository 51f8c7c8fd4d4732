"""Figures about units whose removal harms decoding, or an SSL objective, most.

A set is scored by two decoders: `refit` is fitted again without the units, which
measures information; `fixed` keeps its weights, which measures the reliance of this
decoder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Mode = Literal["refit", "fixed"]
"""Ways to score without units: the decoder is fitted again, or held fixed."""
MODES: tuple[Mode, ...] = ("refit", "fixed")
RelianceTarget = Literal["objective", "refit", "fixed"]
"""What a set is chosen for, and scored by: the SSL objective, or a decoder."""
RELIANCE_TARGETS: tuple[RelianceTarget, ...] = ("objective", *MODES)


@dataclass(frozen=True, kw_only=True)
class SetDamage:
    """What the removal of a set of units costs, with the band of random sets.

    Attributes
    ----------
    chosen
        Rise of the loss without the set.
    random, low, high
        Mean and 95 % band of the same over random sets.
    """

    chosen: float
    random: float
    low: float
    high: float

    @property
    def exceeds(self) -> bool:
        """Whether the set harms more than the band of random ones."""
        return self.chosen > self.high


@dataclass(frozen=True, kw_only=True)
class Damage(SetDamage):
    """Cost to one decoder of removing a set, in units of the decodable range.

    Attributes
    ----------
    chosen
        L(without the set) - L(all units).
    random, low, high
        Mean and 95 % band of the same over random sets.
    gain, gain_low, gain_high
        G(b) = L(without the set) - mean L(without random sets), with its 95 % interval
        over blocks (t; the range held fixed).
    p_value
        Rank of the chosen set among the random ones.
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
    """The sets of two epochs A and B, each scored in both epochs.

    Attributes
    ----------
    mode
        How the sets were chosen and are scored.
    budget
        Number of units in a set.
    set_a, set_b
        The units that each epoch chose.
    jaccard
        Overlap of the two sets.
    gain_a, gain_b, gain_a_in_b
        G of the set of A in A, of that of B in B, and of that of A in B.
    gain_a_p, gain_b_p
        P value of the claim that the epoch's own set carries more than the margin.
    transfer, transfer_back
        G(set of A in B) / G(set of B in B), and the same with A and B exchanged; None
        where the own set is not shown to carry more than the margin.
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
    """The set of one budget that one decoder chose on half of a whole session.

    Attributes
    ----------
    mode
        The decoder that chose it.
    budget
        Number of units.
    units, frequencies
        The units, and how often each is chosen when the choosing blocks are reweighted
        (unit of the set,).
    accepted
        Whether both damages lie above their bands, of a range that is there.
    refit, fixed
        What both decoders lose without the set, on the other half.
    stability
        Stability of the choice over reweighted blocks.
    jaccard
        Mean overlap of the choices over reweighted blocks.
    seed_stability
        Stability over seeds of the search; None for a search without randomness.
    selected
        How often each unit of the session is chosen over reweighted blocks (unit,).
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
        """The damage to one of the decoders."""
        return self.refit if mode == "refit" else self.fixed


@dataclass(frozen=True, kw_only=True)
class Localisation:
    """Units that must go until half of the range is lost, and their ratio.

    Attributes
    ----------
    mode
        How the loss is scored.
    chosen
        Number of units, chosen to harm most.
    random
        Number of random units.
    """

    mode: Mode
    chosen: float
    random: float

    @property
    def index(self) -> float:
        """How many times as many random units it takes."""
        return self.random / self.chosen


@dataclass(frozen=True, kw_only=True)
class UnitFigures:
    """One unit by itself, on the scoring half.

    Attributes
    ----------
    alone_refit, alone_fixed
        Loss without the unit, less that with all, in units of the decodable range.
    weight
        Norm of its decoder weights on standardised features.
    variance
        Variance of its feature.
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
        Overlap of the epochs' reliance, in [0, 1].
    expected
        Mean overlap under permutation.
    p_value
        Small where units switch.
    """

    mode: Mode
    overlap: float
    expected: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class SwitchingFigures:
    """Epochs between which switching was tested, and the tests.

    Attributes
    ----------
    epochs, blocks
        Number of epochs, and of blocks in each; 0 blocks where they would be too short.
    memory_s
        How long activity remembers, in s.
    tests
        One per decoder; empty without blocks.
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
        Sets of two epochs, by decoder and budget.
    worst
        Sets of the whole session, by decoder and budget; empty where the study names a
        single budget.
    localisations
        By decoder; empty where the study names a single budget.
    units
        Every unit by itself (unit,); empty where the study names a single budget.
    switching
        None where the study does not ask for it.
    """

    kind: Literal["messengers"] = "messengers"
    transfers: tuple[Transfer, ...]
    worst: tuple[WorstSet, ...] = ()
    localisations: tuple[Localisation, ...] = ()
    units: tuple[UnitFigures, ...] = ()
    switching: SwitchingFigures | None = None

    def transfer(self, mode: Mode, budget: int) -> Transfer:
        """The transfer of one decoder's sets at one budget."""
        return next(one for one in self.transfers if (one.mode, one.budget) == (mode, budget))

    def localisation(self, mode: Mode) -> Localisation:
        """The localisation by one decoder."""
        return next(one for one in self.localisations if one.mode == mode)


@dataclass(frozen=True, kw_only=True)
class RelianceSet:
    """A set of units that was chosen for one target, and what it costs all three.

    Attributes
    ----------
    budget
        Number of units.
    target
        What the set was chosen for.
    units
        The units.
    random_sets
        Number of different random sets that the bands rest on.
    damages
        By target: rise of the loss, in its own units.
    """

    budget: int
    target: RelianceTarget
    units: tuple[int, ...]
    random_sets: int
    damages: Mapping[RelianceTarget, SetDamage]


@dataclass(frozen=True, kw_only=True)
class RelianceFigures:
    """What one trained model and two decoders of its fold rely on.

    Attributes
    ----------
    units
        Number of units of the session.
    batch_windows
        Windows that the objective's loss is taken of at once.
    range_objective, nothing_objective
        Rise of the objective's loss when views are of different windows, and when no
        unit is left.
    range_decoder
        Decodable range on the scoring windows.
    sets
        Sets by budget and target.
    """

    kind: Literal["reliance"] = "reliance"
    units: int
    batch_windows: int
    range_objective: float
    nothing_objective: float
    range_decoder: float
    sets: tuple[RelianceSet, ...]

    def range_of(self, target: RelianceTarget) -> float:
        """The range of one target's loss."""
        return self.range_objective if target == "objective" else self.range_decoder

    def chosen(self, budget: int, target: RelianceTarget) -> RelianceSet:
        """The set of one budget that was chosen for one target."""
        return next(one for one in self.sets if (one.budget, one.target) == (budget, target))
