"""One hypothesis: its sessions, effects and what is shown of the code."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recompute.code import SessionCode
from recompute.losses import Losses, minus
from recompute.samples import Sample, scope
from recompute.tables import Tables

CLEAR, FEWEST_UNITS = 1.1, 20
"""A bound is clear of the share by this factor; with fewer units there is no word."""


@dataclass(eq=False)
class Hypothesis:
    """One claim about a dose, with the tables that bear on it."""

    tables: Tables
    declared: dict[str, Any]

    @property
    def id(self) -> str:
        """Its name in the study."""
        return str(self.declared["id"])

    @cached_property
    def reported(self) -> dict[str, Any]:
        """What report.json says of it."""
        return next(h for h in self.tables.report["hypotheses"] if h["id"] == self.id)

    @property
    def axis(self) -> str:
        """The swept path."""
        return str(self.declared["axis"])

    @property
    def dose(self) -> float:
        """The primary dose."""
        return float(self.declared["dose"])

    @property
    def margin(self) -> float:
        """The margin in units of R."""
        return float(self.declared["margin"]["fraction_of_range"])

    @property
    def jitter(self) -> bool:
        """Whether it is about a jitter in time."""
        return self.axis.startswith("time_jitter.")

    @property
    def about_units(self) -> bool:
        """Whether it predicts how many units carry the target."""
        return self.declared["predicts"] in ("distributed", "few")

    @cached_property
    def covered(self) -> list[str]:
        """The sessions that it is about."""
        if any(recording.get("pilot") for recording in self.tables.study["recordings"]):
            return list(self.reported["sessions"])  # no table says which sessions are pilots
        group = self.declared.get("group")
        sessions = self.tables.sessions
        return [str(name) for name in sessions.session[(sessions.group == group) | (group is None)]]

    @cached_property
    def names(self) -> list[str]:
        """Those of them that can be decoded."""
        return [name for name in self.covered if self.tables.sound(name)]

    @cached_property
    def subjects(self) -> list[str]:
        """The subject of every decodable session."""
        known = dict(zip(self.tables.sessions.session, self.tables.sessions.subject, strict=True))
        return [known[name] for name in self.names]

    @property
    def losses(self) -> list[Losses]:
        """The losses of the decodable sessions."""
        return [self.tables.losses[name] for name in self.names]

    def over(self, make: Callable[[Losses], np.ndarray]) -> Sample:
        """An effect in every decodable session, over R."""
        effects = [make(losses) for losses in self.losses]
        ranges = [
            losses.ranges_of(effect) for losses, effect in zip(self.losses, effects, strict=True)
        ]
        return Sample(effects, ranges, self.subjects)

    def learned(
        self, name: str, dose: float | None = None, setting: str = "", axis: str = ""
    ) -> Sample:
        """D, H, delta or delta_paired under a setting."""
        at = self.dose if dose is None else dose
        return self.over(lambda losses: losses.difference(name, axis or self.axis, at, setting))

    def change(self, name: str, setting: str) -> Sample:
        """By how much D, H or delta differs from the declared recipe's, in units of its R."""
        own = [losses.difference(name, self.axis, self.dose) for losses in self.losses]
        effects = [
            minus(losses.difference(name, self.axis, self.dose, setting), effect)
            for losses, effect in zip(self.losses, own, strict=True)
        ]
        return Sample(
            effects,
            [losses.ranges_of(effect) for losses, effect in zip(self.losses, own, strict=True)],
            self.subjects,
        )

    def excess(self, train: float, test: float) -> Sample:
        """(L(d, e) - L(0, 0)) / R."""
        return self.over(
            lambda losses: losses.excess(self.axis, train, test, self.tables.identity(self.axis))
        )

    @cached_property
    def noise(self) -> Sample:
        """Dose 0 with other seeds less dose 0."""

        def contrast(losses: Losses) -> np.ndarray:
            others = losses.array(
                ("ssl", "", "", 0.0, "none", None), range(losses.seeds, 2 * losses.seeds)
            )
            return minus(others, losses.ssl("", 0.0, "none"))

        return self.over(contrast)

    # The code

    @cached_property
    def codes(self) -> list[SessionCode]:
        """The code of every decodable session.

        Empty where the code of some session was not measured, and for a jitter.
        """
        found = [self.tables.codes[name] for name in self.names if name in self.tables.codes]
        return found if found and len(found) == len(self.names) and not self.jitter else []

    def code_sample(self, name: str, dose: float | None = None) -> Sample:
        """C_code or C_blind, or the log of a share (K_s, K_n, carriers) or of redundancy."""
        at = self.dose if dose is None else dose
        if name in ("C_code", "C_blind"):
            effects = [
                code.values(lambda sums: sums.lost(name, self.axis, at)) for code in self.codes
            ]
            ranges = [code.values(lambda sums: sums.range) for code in self.codes]
        else:
            effects = [code.logarithm(name) for code in self.codes]
            ranges = [np.ones_like(effect) for effect in effects]
        if scope(self.subjects) == "these recordings" and any(
            effect.shape[1] < 2 for effect in effects
        ):
            effects = [
                np.full((1, 1), math.nan) for _ in effects
            ]  # no variance without a jackknife
        return Sample(effects, ranges, self.subjects)

    @cached_property
    def has_code(self) -> bool:
        """Whether C_code is known in every session."""
        return bool(self.codes) and self.code_sample("C_code").complete

    @cached_property
    def code_claims(self) -> dict[str, float]:
        """The p values of C_code <= m and > m."""
        if not self.has_code:
            return {}
        sample = self.code_sample("C_code")
        return {
            "C_code <= m": sample.at_most(self.margin),
            "C_code > m": sample.more_than(self.margin),
        }

    @cached_property
    def names_carriers(self) -> bool:
        """Whether a word about carriers is allowed."""
        return (
            self.has_code
            and min(c.n_units for c in self.codes) >= FEWEST_UNITS
            and self.code_sample("carriers").complete
        )

    @cached_property
    def carriers(self) -> dict[str, float]:
        """The p values of few, between and spread."""
        if not self.names_carriers:
            return {"few": 1.0, "between": 1.0, "spread": 1.0}
        share, both, k_n = (
            float(self.declared.get("share", 0.25)),
            self.code_sample("carriers"),
            self.code_sample("K_n"),
        )
        low, high = math.log(share / CLEAR), math.log(share * CLEAR)
        return {
            "few": both.at_most(low),
            "between": max(both.more_than(low), k_n.at_most(high)),
            "spread": k_n.more_than(high),
        }

    def code_quantities(self) -> Iterator[tuple[str, tuple[float, float, float] | None]]:
        """Every quantity of the code with its 90 % interval; None where it is not known."""
        mean_units = math.exp(float(np.mean([math.log(code.n_units) for code in self.codes])))
        for name in ("C_code", "C_blind", "K_s", "K_n", "carriers", "redundancy"):
            sample = self.code_sample(name)
            if not sample.complete or name.startswith("C_"):
                yield name, sample.quantity if sample.complete else None
                continue
            scale = 1.0 if name == "redundancy" else mean_units
            estimate, low, high = (scale * math.exp(value) for value in sample.quantity)
            yield name, (estimate, low, high)
