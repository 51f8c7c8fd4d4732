"""The finding of the code: what decoders without SSL show.

In: the held-out sums of errors of each session. Out: samples of the quantities of the
code, on which claims are tested, and the finding (science.md 2.1 and 3.1). Nothing here
depends on SSL.

The quantities are:

* `C_code`: what decoding loses under the corruption when the decoder is refitted on the
inputs that survive;
* `C_blind`: what it loses when one decoder has to do without knowing what survives;
* `K_s`: the fewest units that reach half of what all units decode;
* `K_n`: the fewest units whose loss leaves less than half of it;
* carriers: K_s + K_n, an estimate of how many units carry the target;
* redundancy: the information of two halves of the units together, over that of all
units.

`C_code` and `C_blind` are in units of R_code, the range from the best constant to the
decoder of all units.

For a population, a claim is tested by a t test over sessions. With too few sessions for
that, claims are about these recordings only, and the variance is that of a
delete-a-block jackknife (Efron & Stein 1981, doi:10.1214/aos/1176345462). Without each
block in turn, units are chosen and decoders fitted anew.
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
"""Factor by which the bound of a claim about numbers of units must clear the share.

K_s and K_n are biased by up to a tenth, which the factor allows for.
"""
REDUNDANT = 1.25
"""A code is called redundant if its redundancy is shown to be above this."""
FEWEST_UNITS = 20
"""Fewest units per session at which `few`, `between` or `spread` may be concluded."""
MOSTLY_LINEAR = 0.8
"""Fraction of R, the range of the best decoder, that linear decoders should reach.

If they reach less, the finding is said to hold for linear decoders.
"""
CODE = ("C_code", "C_blind")
"""Estimands of the code that depend on the dose."""


@dataclass(frozen=True, eq=False)
class SessionCode:
    """Quantities of one session's code, with their variance over test blocks.

    Attributes
    ----------
    figures
        Held-out errors of the decoders, for the whole session and with each block
        deleted in turn.
    """

    figures: CodeFigures

    @property
    def units(self) -> int:
        """Number of units that vary in every training part."""
        return len(self.figures.units)

    def measures(self, axis: str, dose: float) -> bool:
        """Whether decoding under a corruption was measured.

        Parameters
        ----------
        axis
            Path of the corruption's axis, such as `unit_dropout.rate`.
        dose
            Its dose.
        """
        return (axis, dose) in {(part.axis, part.dose) for part in self.figures.whole.corruptions}

    def effect(self, name: str, axis: str, dose: float) -> Effect:
        """Return `C_code` or `C_blind` as a loss, with R_code as its range.

        Parameters
        ----------
        name
            `C_code` or `C_blind`.
        axis
            Path of the corruption's axis, such as `unit_dropout.rate`.
        dose
            Its dose.

        Returns
        -------
        effect
            The loss that the corruption adds, not yet divided by R_code. Both are
            losses per window.
        """

        def lost(part: HeldOutErrors) -> float | None:
            found = part.c_code(axis, dose) if name == "C_code" else part.c_blind(axis, dose)
            return None if found is None else found * part.range

        return Effect(self._values(lost), self._values(lambda part: part.range))

    def share(self, name: str) -> Effect:
        """Return the logarithm of a number of units as a fraction of all units.

        Parameters
        ----------
        name
            Which number: `K_s`, `K_n`, or `carriers` for their sum.

        Returns
        -------
        effect
            Logarithm of the fraction, with a range of 1.
        """
        return self._logarithm(lambda part: _over(getattr(part, name.lower()), self.units))

    def redundancy(self) -> Effect:
        """Return the logarithm of the redundancy as an effect with a range of 1."""
        return self._logarithm(lambda part: part.redundancy)

    def _logarithm(self, measure: Callable[[HeldOutErrors], float | None]) -> Effect:
        """Return the logarithm of a measure, as an effect with a range of 1.

        It is NaN where the session cannot be decoded or the measure is undefined.
        """

        def logged(part: HeldOutErrors) -> float | None:
            found = measure(part)
            return math.log(found) if found else None

        values = self._values(logged) if self.figures.whole.decodable else np.full((1, 1), np.nan)
        return Effect(values, np.ones_like(values))

    def _values(self, measure: Callable[[HeldOutErrors], float | None]) -> np.ndarray:
        """Return a measure of the session, or its jackknife pseudo-values.

        Parameters
        ----------
        measure
            Computes the measure from held-out errors; None where it is undefined.

        Returns
        -------
        values
            The jackknife pseudo-values (1, block), whose mean is the measure. Blocks
            are merged until each is long enough to count as independent. Without a
            jackknife it is the measure itself (1, 1).
        """
        parts = [measure(part) for part in (self.figures.whole, *self.figures.deleted)]
        whole, *deleted = np.array(
            [math.nan if found is None else found for found in parts], dtype=float
        )
        if not len(deleted):
            return np.full((1, 1), whole)
        left_out = np.array(deleted)
        # their mean is the value of the whole session, their variance that of the jackknife
        pseudo_values = whole + (len(left_out) - 1) * (left_out.mean() - left_out)
        return Blocks.of(len(left_out), self.figures).merge(pseudo_values[None])


def _over(value: float | None, units: int) -> float | None:
    """Divide a number of units by that of all units; None stays None."""
    return None if value is None else value / units


@dataclass(frozen=True, eq=False)
class Code:
    """The code in the sessions of one hypothesis, at its primary dose.

    Attributes
    ----------
    sessions
        Quantities of the code in each session.
    subjects
        Subject of each session.
    axis, dose
        Axis and primary dose of the hypothesis.
    margin
        Margin m, in units of R_code.
    share
        Fraction of the units that separates `few` carriers from a `spread` target.
    """

    sessions: tuple[SessionCode, ...]
    subjects: tuple[str, ...]
    axis: str
    dose: float
    margin: float
    share: float

    def sample(self, name: str, dose: float | None = None) -> Sample:
        """Collect `C_code` or `C_blind` over the sessions.

        Parameters
        ----------
        name
            `C_code` or `C_blind`.
        dose
            Dose on the axis of the hypothesis; None for the primary dose.
        """
        at = self.dose if dose is None else dose
        return self._over([session.effect(name, self.axis, at) for session in self.sessions])

    def logarithm(self, name: str) -> Sample:
        """Collect the logarithm of a quantity of the code over the sessions.

        Parameters
        ----------
        name
            `redundancy`, or a number of units as a fraction of all units: `K_s`, `K_n`
            or `carriers`.
        """
        return self._over(
            [
                session.redundancy() if name == "redundancy" else session.share(name)
                for session in self.sessions
            ]
        )

    def _over(self, effects: Sequence[Effect]) -> Sample:
        """Build a sample of effects, one per session.

        If claims are about these recordings only, the sample is incomplete without a
        jackknife in every session.
        """
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
        """Whether C_code was measured in every session."""
        return bool(self.sessions) and self.sample("C_code").complete

    def p_values(self) -> dict[str, float]:
        """P values of the claims `C_code <= m` and `C_code > m`; 1 if not measured."""
        if not self.complete:
            return {"C_code <= m": 1.0, "C_code > m": 1.0}
        sample = self.sample("C_code")
        return {
            "C_code <= m": sample.p_at_most(self.margin),
            "C_code > m": sample.p_more_than(self.margin),
        }

    @property
    def names_carriers(self) -> bool:
        """Whether `few`, `between` or `spread` may be concluded about the units.

        Every session must have at least `FEWEST_UNITS` units, and K_s and K_n must be
        known in every session.
        """
        enough = all(session.units >= FEWEST_UNITS for session in self.sessions)
        return bool(self.sessions) and enough and self.logarithm("carriers").complete

    def carriers_p(self) -> dict[str, float]:
        """P values of `few`, `between` and `spread`; 1 if none may be concluded."""
        if not self.names_carriers:
            return dict.fromkeys(CARRIERS_WORDS, 1.0)
        carriers, k_n = self.logarithm("carriers"), self.logarithm("K_n")
        low, high = math.log(self.share / CLEAR), math.log(self.share * CLEAR)
        return carriers_p({
            "carriers below": carriers.p_at_most(low), "carriers above": carriers.p_more_than(low),
            "K_n below": k_n.p_at_most(high), "K_n above": k_n.p_more_than(high),
        })  # fmt: skip

    def carriers_word(self, level: float = ALPHA) -> str:
        """Return the finding about how many units carry the target, at a level.

        It is `few`, `between`, `spread` or `undecided`, and empty if none may be
        concluded (see `names_carriers`).
        """
        return decide(self.carriers_p(), level, "undecided") if self.names_carriers else ""

    def redundant(self, level: float = ALPHA) -> bool:
        """Whether redundancy is shown, at a level, to be above `REDUNDANT`."""
        sample = self.logarithm("redundancy")
        return sample.complete and sample.p_more_than(math.log(REDUNDANT)) <= level

    def word(self, level: float = ALPHA) -> str:
        """Return the finding about what the corruption costs decoding, at a level.

        It is `kept` (C_code <= m), `lost` (C_code > m), `undecided` or `not measured`.
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

        One value per session, at the primary dose.
        """
        return tuple(
            s.figures.whole.corruption(self.axis, self.dose).input_change for s in self.sessions
        )

    @property
    def copies(self) -> tuple[str, ...]:
        """Units that are copies or sums of others, written as `u1 + u2 = u3`."""
        return tuple(
            f"{' = '.join(pair) if what == 'copy' else ' + '.join(pair[1:]) + ' = ' + pair[0]}"
            for session in self.sessions
            for what, pairs in (("copy", session.figures.copies), ("sum", session.figures.sums))
            for pair in pairs
        )

    def without_copies(self) -> "Code":
        """The same code, measured without units that are copies or sums of others."""
        distinct = tuple(
            SessionCode(session.figures.distinct or session.figures) for session in self.sessions
        )
        return Code(distinct, self.subjects, self.axis, self.dose, self.margin, self.share)


def code_finding(
    code: Code, names: Sequence[str], level: float, may_name_carriers: bool, ranges: Sequence[float]
) -> CodeFinding:
    """Build the finding of the code at a level, without its sentence.

    Parameters
    ----------
    code
        The code in the sessions of a hypothesis.
    names
        Names of these sessions.
    level
        Level at which every claim is tested, in (0, 1).
    may_name_carriers
        Whether the gates allow a word about how many units carry the target.
    ranges
        Decodable range R of every session, up to the best of all decoders without SSL.
        It tells how much of what can be decoded linear decoders reach.
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
    allowed = may_name_carriers and code.names_carriers
    return CodeFinding(
        finding=code.word(level),
        carriers_word=code.carriers_word(level) if allowed else "",
        redundant=allowed and code.redundant(level),
        K_s=_as_unit_count(code.logarithm("K_s"), code),
        K_n=_as_unit_count(code.logarithm("K_n"), code),
        carriers=_as_unit_count(code.logarithm("carriers"), code),
        redundancy=_exponential(code.logarithm("redundancy"), 1.0),
        C_code=quantity(code.sample("C_code")), C_blind=quantity(code.sample("C_blind")),
        independent=independent, known_masks=all(part.known_masks for part in parts),
        linear=reached < MOSTLY_LINEAR,
        n_units=tuple(session.units for session in code.sessions), share=code.share,
        units=tuple(_named(code, names)), sentence="",
    )  # fmt: skip


def quantity(sample: Sample) -> Quantity | None:
    """Return an estimate with its 90 % interval; None if values are missing."""
    return (
        Quantity(sample.estimate, *sample.interval(), len(sample.effects))
        if sample.complete
        else None
    )


def _as_unit_count(sample: Sample, code: Code) -> Quantity | None:
    """Convert the logarithm of a fraction of the units to a number of units.

    Fractions are multiplied by the geometric mean of the sessions' numbers of units.
    """
    return _exponential(
        sample, math.exp(float(np.mean([math.log(session.units) for session in code.sessions])))
    )


def _exponential(sample: Sample, times: float) -> Quantity | None:
    """Return an estimate and its interval on the linear scale, times a factor."""
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
    """List the units that were chosen in some fold, the most often chosen first.

    They are the units among the first K_s or K_n of the session's dropping curves.
    """
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
