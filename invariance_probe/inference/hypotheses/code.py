"""The finding of the code: what decoders without SSL show.

In: the held-out sums of every session. Out: the code's quantities as samples, on which
claims are tested, and the finding in words (science.md 2.1 and 3.1). Nothing here
depends on SSL.

Over a population a claim is a t test over sessions. Where sessions stand for
themselves, the variance is that of a delete-a-block jackknife (Efron & Stein 1981,
doi:10.1214/aos/1176345462), in which units were chosen and decoders fitted anew.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.inference.evidence.blocks import Blocks
from invariance_probe.inference.evidence.estimands import Effect
from invariance_probe.inference.findings import CodeFinding, NamedUnit, Quantity
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.intervals import Sample
from invariance_probe.inference.rules.verdicts import CARRIERS_WORDS, carriers_p, decide
from invariance_probe.plan.figures.code import CodeFigures, HeldOutErrors
from invariance_probe.study.session import THESE_RECORDINGS

CLEAR = 1.1
"""A bound must be clear of the share by this factor, because K is biased by up to a
tenth."""
REDUNDANT = 1.25
"""Redundancy above which a code is called redundant."""
FEWEST_UNITS = 20
"""Fewest units per session for a word about how many units carry the target."""
MOSTLY_LINEAR = 0.8
"""Below this fraction of R, the finding names linear decoders."""
CODE = ("C_code", "C_blind")
"""Estimands of the code that depend on the dose, in units of R_code."""


@dataclass(frozen=True, eq=False)
class SessionCode:
    """The code of one session as samples need it.

    It gives each quantity with its variance over test blocks.
    """

    figures: CodeFigures

    @property
    def units(self) -> int:
        """Number of units that vary in every training part."""
        return len(self.figures.units)

    def measures(self, axis: str, dose: float) -> bool:
        """Whether a corruption was measured.

        Parameters
        ----------
        axis, dose
            The corruption's axis, and its dose.
        """
        return (axis, dose) in {(part.axis, part.dose) for part in self.figures.whole.corruptions}

    def effect(self, name: str, axis: str, dose: float) -> Effect:
        """`C_code` or `C_blind` as an effect over R_code, both in loss per window.

        Parameters
        ----------
        name
            `C_code` or `C_blind`.
        axis, dose
            The corruption's axis, and its dose.
        """

        def lost(part: HeldOutErrors) -> float | None:
            found = part.c_code(axis, dose) if name == "C_code" else part.c_blind(axis, dose)
            return None if found is None else found * part.range

        return Effect(self._values(lost), self._values(lambda part: part.range))

    def share(self, name: str) -> Effect:
        """Logarithm of `carriers`, `K_s` or `K_n` as a fraction of the units."""
        return self._logarithm(lambda part: _over(getattr(part, name.lower()), self.units))

    def redundancy(self) -> Effect:
        """Logarithm of the redundancy."""
        return self._logarithm(lambda part: part.redundancy)

    def _logarithm(self, measure: Callable[[HeldOutErrors], float | None]) -> Effect:
        def logged(part: HeldOutErrors) -> float | None:
            found = measure(part)
            return math.log(found) if found else None

        values = self._values(logged) if self.figures.whole.decodable else np.full((1, 1), np.nan)
        return Effect(values, np.ones_like(values))

    def _values(self, measure: Callable[[HeldOutErrors], float | None]) -> np.ndarray:
        """A measure (1, 1), or its jackknife pseudo-values (1, block).

        The measure is the mean of the pseudo-values. Blocks are merged until they are
        long enough.
        """
        parts = [measure(part) for part in (self.figures.whole, *self.figures.deleted)]
        whole, *deleted = np.array(
            [math.nan if found is None else found for found in parts], dtype=float
        )
        if not len(deleted):
            return np.full((1, 1), whole)
        left_out = np.array(deleted)
        # their mean is the whole, and their variance over blocks is that of the jackknife
        pseudo_values = whole + (len(left_out) - 1) * (left_out.mean() - left_out)
        return Blocks.of(len(left_out), self.figures).merge(pseudo_values[None])


def _over(value: float | None, units: int) -> float | None:
    return None if value is None else value / units


@dataclass(frozen=True, eq=False)
class Code:
    """The code in the sessions of one hypothesis, at its primary dose.

    Attributes
    ----------
    sessions
        The code of each session.
    subjects
        Subject of each session.
    axis, dose
        The hypothesis's axis and primary dose.
    margin
        Margin m, in units of R_code.
    share
        Fraction of the units below which carriers are `few`.
    """

    sessions: tuple[SessionCode, ...]
    subjects: tuple[str, ...]
    axis: str
    dose: float
    margin: float
    share: float

    def sample(self, name: str, dose: float | None = None) -> Sample:
        """Sample of `C_code` or `C_blind` over the sessions.

        Parameters
        ----------
        name
            `C_code` or `C_blind`.
        dose
            Dose on the hypothesis's axis; None for the primary dose.
        """
        at = self.dose if dose is None else dose
        return self._over([session.effect(name, self.axis, at) for session in self.sessions])

    def logarithm(self, name: str) -> Sample:
        """Sample of log `redundancy`, or of a log share (`carriers`, `K_s`, `K_n`)."""
        return self._over(
            [
                session.redundancy() if name == "redundancy" else session.share(name)
                for session in self.sessions
            ]
        )

    def _over(self, effects: Sequence[Effect]) -> Sample:
        sample = Sample(tuple(effects), self.subjects)
        if sample.scope == THESE_RECORDINGS and any(
            effect.values.shape[1] < 2 for effect in effects
        ):
            nothing = Effect(np.full((1, 1), np.nan), np.ones((1, 1)))
            # without a jackknife there is no variance, so nothing can be claimed
            return Sample((nothing,) * len(effects), self.subjects)
        return sample

    @property
    def complete(self) -> bool:
        """Whether C_code is known in every session."""
        return bool(self.sessions) and self.sample("C_code").complete

    def p_values(self) -> dict[str, float]:
        """P values of the claims `C_code <= m` and `C_code > m`."""
        if not self.complete:
            return {"C_code <= m": 1.0, "C_code > m": 1.0}
        sample = self.sample("C_code")
        return {
            "C_code <= m": sample.p_at_most(self.margin),
            "C_code > m": sample.p_more_than(self.margin),
        }

    @property
    def names_carriers(self) -> bool:
        """Whether a word about carriers is allowed.

        It needs enough units and a K in every session.
        """
        enough = all(session.units >= FEWEST_UNITS for session in self.sessions)
        return bool(self.sessions) and enough and self.logarithm("carriers").complete

    def carriers_p(self) -> dict[str, float]:
        """P values of `few`, `between` and `spread`; 1 where no word is allowed."""
        if not self.names_carriers:
            return dict.fromkeys(CARRIERS_WORDS, 1.0)
        carriers, k_n = self.logarithm("carriers"), self.logarithm("K_n")
        low, high = math.log(self.share / CLEAR), math.log(self.share * CLEAR)
        return carriers_p({
            "carriers below": carriers.p_at_most(low), "carriers above": carriers.p_more_than(low),
            "K_n below": k_n.p_at_most(high), "K_n above": k_n.p_more_than(high),
        })  # fmt: skip

    def carriers_word(self, level: float = ALPHA) -> str:
        """Word about how many units carry the target, at a level.

        It is `few`, `between`, `spread` or `undecided`; empty where no word is allowed.
        """
        return decide(self.carriers_p(), level, "undecided") if self.names_carriers else ""

    def redundant(self, level: float = ALPHA) -> bool:
        """Whether redundancy is shown to be above `REDUNDANT`."""
        sample = self.logarithm("redundancy")
        return sample.complete and sample.p_more_than(math.log(REDUNDANT)) <= level

    def word(self, level: float = ALPHA) -> str:
        """Finding of the code at a level.

        It is `kept`, `lost`, `undecided` or `not measured`.
        """
        if not self.complete:
            return "not measured"
        p_values = self.p_values()
        return decide(
            {"kept": p_values["C_code <= m"], "lost": p_values["C_code > m"]}, level, "undecided"
        )

    @property
    def input_changes(self) -> tuple[float, ...]:
        """Mean squared change of the inputs by the corruption, over their variance.

        There is one value per session.
        """
        return tuple(
            s.figures.whole.corruption(self.axis, self.dose).input_change for s in self.sessions
        )

    @property
    def copies(self) -> tuple[str, ...]:
        """Units that repeat others, as equations in words."""
        return tuple(
            f"{' = '.join(pair) if what == 'copy' else ' + '.join(pair[1:]) + ' = ' + pair[0]}"
            for session in self.sessions
            for what, pairs in (("copy", session.figures.copies), ("sum", session.figures.sums))
            for pair in pairs
        )

    def without_copies(self) -> "Code":
        """The same code without the units that repeat others."""
        distinct = tuple(
            SessionCode(session.figures.distinct or session.figures) for session in self.sessions
        )
        return Code(distinct, self.subjects, self.axis, self.dose, self.margin, self.share)


def code_finding(
    code: Code, names: Sequence[str], level: float, known: bool, ranges: Sequence[float]
) -> CodeFinding:
    """Build the finding of the code at a level, without its sentence.

    Parameters
    ----------
    code
        The code in the sessions of a hypothesis.
    names
        Names of these sessions.
    level
        Level of every claim, in (0, 1).
    known
        Whether the gates allow a word about carriers.
    ranges
        R of every session, defined by the best of all decoders without SSL.
    """
    parts = [session.figures.whole.corruption(code.axis, code.dose) for session in code.sessions]
    rate = code.axis.rpartition(".")[2] == "rate"
    independent = (
        float(np.mean([s.figures.independent(code.dose) for s in code.sessions]))
        if rate and parts
        else None
    )
    reached = (
        sum(session.figures.range for session in code.sessions) / sum(ranges)
        if len(ranges)
        else math.nan
    )
    allowed = known and code.names_carriers
    return CodeFinding(
        finding=code.word(level),
        carriers_word=code.carriers_word(level) if allowed else "",
        redundant=allowed and code.redundant(level),
        K_s=_back(code.logarithm("K_s"), code), K_n=_back(code.logarithm("K_n"), code),
        carriers=_back(code.logarithm("carriers"), code),
        redundancy=_exponential(code.logarithm("redundancy"), 1.0),
        C_code=quantity(code.sample("C_code")), C_blind=quantity(code.sample("C_blind")),
        independent=independent, known_masks=all(part.known_masks for part in parts),
        linear=reached < MOSTLY_LINEAR,
        n_units=tuple(session.units for session in code.sessions), share=code.share,
        units=tuple(_named(code, names)), sentence="",
    )  # fmt: skip


def quantity(sample: Sample) -> Quantity | None:
    """Estimate of a sample with its 90 % interval; None where runs are missing."""
    return (
        Quantity(sample.estimate, *sample.interval(), len(sample.effects))
        if sample.complete
        else None
    )


def _back(sample: Sample, code: Code) -> Quantity | None:
    """Number of units from the logarithm of a share.

    It is scaled by the sessions' geometric mean number of units.
    """
    return _exponential(
        sample, math.exp(float(np.mean([math.log(session.units) for session in code.sessions])))
    )


def _exponential(sample: Sample, times: float) -> Quantity | None:
    if not sample.complete:
        return None
    low, high = sample.interval()
    return Quantity(
        times * math.exp(sample.estimate),
        times * math.exp(low),
        times * math.exp(high),
        len(sample.effects),
    )


def _named(code: Code, names: Sequence[str]) -> list[NamedUnit]:
    """Units that were chosen in some fold, the most often chosen first."""
    found = []
    for name, session in zip(names, code.sessions, strict=True):
        figures = session.figures
        own = [
            NamedUnit(name, unit, gained, lost, len(figures.whole.folds))
            for unit, gained, lost in zip(
                figures.units, figures.gained_by, figures.lost_by, strict=False
            )
            if gained or lost
        ]
        found += sorted(own, key=lambda unit: (-unit.gained, -unit.lost))
    return found
