"""Recipes, gates and the word of a hypothesis (science.md 3)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from recompute.hypothesis import Hypothesis
from recompute.losses import minus
from recompute.samples import ALPHA, Sample, adjusted

RETAINED, MAY_COLLAPSE = 0.5, 0.1
A_THIRD = "a third of the data"
FREE, COSTLY = ("D <= m", "H <= m", "delta <= m"), ("D > m",)
JITTER_FREE, JITTER_COSTLY = ("delta <= m", "delta(n/3) <= m"), ("delta > m", "delta(n/3) > m")
SUPPORTED = {
    "invariant": {"invariant"}, "tolerated": {"invariant", "tolerated"}, "sensitive": {"sensitive"},
    "distributed": {"spread"}, "few": {"few"},
}  # fmt: skip
CONTRADICTED = {
    "invariant": {"sensitive", "tolerated"},
    "tolerated": {"sensitive"},
    "sensitive": {"invariant", "tolerated"},
    "distributed": {"few"},
    "few": {"spread"},
}


@dataclass(frozen=True, eq=False)
class Recipe:
    """What one recipe of a panel shows of a hypothesis."""

    name: str
    samples: dict[str, Sample]
    claims: dict[str, float]
    retention: float
    gates: dict[str, str]

    @property
    def passes(self) -> bool:
        """Whether its runs are there and no gate of its own failed."""
        return (
            all(sample.complete for sample in self.samples.values())
            and "failed" not in self.gates.values()
        )


@dataclass(eq=False)
class Judgement:
    """What the panel, the gates and the p values make of a hypothesis."""

    about: Hypothesis

    @cached_property
    def own_gates(self) -> pd.DataFrame:
        """The rows of gates.csv about it."""
        return self.about.tables.gates[self.about.tables.gates.hypothesis == self.about.id]

    def taken(self, name: str) -> str:
        """The outcome of a gate that no table of losses shows; empty where it was not judged."""
        found = self.own_gates.outcome[self.own_gates.name == name]
        return str(found.iloc[0]) if len(found) else ""

    @cached_property
    def noise_outcome(self) -> str:
        """A/A: shown different fails; not shown equivalent leaves no `<= m` claim."""
        if not self.about.noise.complete:
            return "not computed"
        if (
            min(
                self.about.noise.more_than(self.about.margin),
                self.about.noise.at_most(-self.about.margin),
            )
            <= ALPHA
        ):
            return "failed"
        equivalent = (
            max(
                self.about.noise.at_most(self.about.margin),
                self.about.noise.more_than(-self.about.margin),
            )
            <= ALPHA
        )
        return "passed" if equivalent else "not shown"

    @property
    def equivalent(self) -> bool:
        """Whether the A/A contrast leaves room for `<= m` claims."""
        if not self.about.noise.complete:
            return True
        return (
            max(
                self.about.noise.at_most(self.about.margin),
                self.about.noise.more_than(-self.about.margin),
            )
            <= ALPHA
        )

    @cached_property
    def panel(self) -> pd.DataFrame:
        """The rows of recipes.csv about it."""
        found = self.about.tables.recipes
        return found[found.hypothesis == self.about.id] if len(found) else found

    @cached_property
    def recipes(self) -> list[Recipe]:
        """The recipes that were trained, the declared one first."""
        return [
            self._recipe(str(row.name_), str(row.method)) for row in self._computed().itertuples()
        ]

    def _computed(self) -> pd.DataFrame:
        rows = self.panel.rename(columns={"name": "name_"})
        return rows[rows.computed == "True"] if len(rows) else rows

    def _recipe(self, name: str, method: str) -> Recipe:
        setting = "" if name == "declared" else f"recipe: {name}"
        if self.about.jitter:
            third = f"{setting}, {A_THIRD}" if setting else A_THIRD
            samples = {
                "delta": self.about.learned("delta", setting=setting),
                "delta(n/3)": self.about.learned("delta", setting=third),
            }
        else:
            samples = {
                estimand: self.about.learned(estimand, setting=setting)
                for estimand in ("D", "H", "delta")
            }
        if not all(sample.complete for sample in samples.values()):
            return Recipe(name, samples, {}, math.nan, {})
        clean = [
            losses.retention(losses.ssl("", 0.0, "none", setting)) for losses in self.about.losses
        ]
        shared = [
            losses.retention(losses.ssl(self.about.axis, self.about.dose, "shared", setting))
            for losses in self.about.losses
        ]
        best = (
            clean if self.about.jitter else [max(pair) for pair in zip(clean, shared, strict=True)]
        )
        at_most = self.equivalent and enough(clean)
        outcomes = {
            "retention": "passed" if enough(best) else "failed",
            "collapse": self._collapse(setting, method),
        }
        return Recipe(
            name, samples, self.claims_of(samples, at_most), float(np.median(clean)), outcomes
        )

    def claims_of(self, samples: Mapping[str, Sample], at_most: bool) -> dict[str, float]:
        """Both claims about every estimand; without a dose 0 to rely on, only those above m."""
        found = {}
        for name, sample in samples.items():
            found[f"{name} <= m"] = sample.at_most(self.about.margin) if at_most else 1.0
            found[f"{name} > m"] = sample.more_than(self.about.margin)
        return found if at_most or "D" not in samples else found | {"delta > m": 1.0}

    def _collapse(self, setting: str, method: str) -> str:
        rows = self.about.tables.results
        rows = rows[
            (rows.setting == setting)
            & (rows.axis == "")
            & (rows.test == "")
            & (rows.method == method)
        ]
        runs = rows[rows.session.isin(self.about.names)].drop_duplicates(
            ["session", "seed", "fold"]
        )
        return (
            "passed"
            if len(runs) and (runs.status != "done").sum() <= MAY_COLLAPSE * len(runs)
            else "failed"
        )

    @cached_property
    def trained_outcome(self) -> str:
        """Whether a recipe of more steps shows the declared one undertrained.

        Empty where that was not asked.
        """
        if self.about.tables.quick:
            return "not computed"
        if len(self.recipes) == 1 and (self.panel.computed == "True").all():
            return ""
        rows = self._computed()
        own = rows[rows.name_ == "declared"].iloc[0]
        longer = rows[(rows.method == own.method) & (rows.steps > own.steps)]
        if not len(longer):
            return "not computed"
        setting = f"recipe: {longer.loc[longer.steps.idxmax()].name_}"
        clean = self.about.over(
            lambda losses: minus(losses.ssl("", 0.0, "none"), losses.ssl("", 0.0, "none", setting))
        )
        samples = [
            clean,
            *(
                self._more(name, setting)
                for name in (("delta",) if self.about.jitter else ("H", "delta"))
            ),
        ]
        if not all(sample.complete for sample in samples):
            return "not computed"
        return (
            "failed"
            if min(sample.more_than(self.about.margin) for sample in samples) <= ALPHA
            else "passed"
        )

    def _more(self, name: str, setting: str) -> Sample:
        change = self.about.change(name, setting)
        return Sample([-effect for effect in change.effects], change.ranges, change.subjects)

    @cached_property
    def outcomes(self) -> dict[str, tuple[str, set[str]]]:
        """The outcome of every gate, and what it limits; those that losses show computed again."""
        limits = dict(zip(self.own_gates.name, self.own_gates.limits, strict=True))
        needed = min(3, len(self.about.covered))
        computed = {"decodable": "passed" if len(self.about.names) >= max(1, needed) else "failed"}
        if "noise" in limits:
            computed |= {
                "noise": self.noise_outcome,
                **(self.recipes[0].gates if self.recipes else {}),
            }
            computed |= {"trained": self.trained_outcome} if self.trained_outcome else {}
        found = {
            name: (computed.get(name, self.taken(name)), set(what.split("; ")))
            for name, what in limits.items()
        }
        if "noise" in found:  # what it limits depends on its outcome
            everything = found["noise"][0] == "failed"
            found["noise"] = (
                found["noise"][0],
                {"learning"} if everything else {"invariant", "tolerated", "competition"},
            )
        return found

    def failed(self, what: str, everything: bool = False) -> list[str]:
        """Gates that failed and limit something."""
        limited = {what, "everything"} if everything else {what}
        return [
            name
            for name, (outcome, limits) in self.outcomes.items()
            if outcome == "failed" and limited & limits
        ]

    @cached_property
    def learning(self) -> dict[str, float]:
        """The p values of free, costly, dearer (delta > m) and recipe-dependent over the panel."""
        free, costly = (JITTER_FREE, JITTER_COSTLY) if self.about.jitter else (FREE, COSTLY)
        below, above = (free, costly) if self.about.jitter else (FREE[:1], COSTLY)
        claims = [recipe.claims for recipe in self.recipes if recipe.passes]
        found = {"free": 1.0, "costly": 1.0, "dearer": 1.0, "recipe-dependent": 1.0}
        if claims and len(claims) == len(self.recipes):
            found["free"] = max(p[name] for p in claims for name in free)
            found["costly"] = max(p[name] for p in claims for name in costly)
            found["dearer"] = max(p["delta > m"] for p in claims)
        if len(claims) > 1:
            at_most = min(max(p[name] for name in below) for p in claims)
            more = min(max(p[name] for name in above) for p in claims)
            found["recipe-dependent"] = min(1.0, len(claims) * max(at_most, more))
        return found

    @property
    def missing(self) -> bool:
        """Whether runs of the declared recipe, or of the code, are missing."""
        declared = self.recipes[0].samples.values() if self.recipes else ()
        return (
            not declared
            or not all(s.complete for s in declared)
            or not (self.about.jitter or self.about.has_code)
        )

    @cached_property
    def shown(self) -> dict[str, float]:
        """The p value of every possible word, before a failed gate takes single words away."""
        if self.failed("everything"):
            return {}
        if self.about.about_units:
            return (
                self.about.carriers
                if self.about.has_code and not self.failed("carriers", True)
                else {}
            )
        if (
            not self.recipes
            or self.failed("learning", True)
            or self.failed("the axis", True)
            or self.missing
        ):
            return {}
        free, costly = self.learning["free"], self.learning["costly"]
        if self.about.jitter:
            words = {"tolerated": free, "sensitive": costly}
        else:
            kept, lost = self.about.code_claims["C_code <= m"], self.about.code_claims["C_code > m"]
            words = {
                "invariant": max(kept, free),
                "tolerated": max(lost, free),
                "sensitive": max(lost, costly),
                "competition": max(kept, costly, self.learning["dearer"]),
            }
        words["recipe-dependent"] = self.learning["recipe-dependent"]
        unclaimed = self.outcomes["noise"][1] if self.noise_outcome == "not shown" else set()
        return {word: 1.0 if word in unclaimed else p for word, p in words.items()}

    @property
    def words(self) -> dict[str, float]:
        """The same, with p = 1 for words that a failed gate takes away."""
        taken = {
            word
            for outcome, limits in self.outcomes.values()
            if outcome == "failed"
            for word in limits
        }
        return {word: 1.0 if word in taken else p for word, p in self.shown.items()}

    @property
    def p_value(self) -> float | None:
        """The smallest p value of its possible words."""
        return min((p for word, p in self.words.items() if word != "between"), default=None)

    def word(self, level: float) -> str:
        """The word at a level, or what stands in its place."""
        for what in (
            ("everything", "the axis")
            if self.about.about_units
            else ("everything", "the axis", "learning")
        ):
            if failed := self.failed(what):
                return self._without_word(failed)
        word = decide(self.shown, level) if self.shown else "inconclusive"
        failed = self.failed(word)
        return self._without_word(failed) if failed else word

    def _without_word(self, failed: list[str]) -> str:
        if failed == ["decodable"]:
            return "untestable: too few sessions can be decoded"
        if "movement" in failed and self.about.jitter:
            return "untestable: the target does not move on the axis"
        if failed == ["licence"]:
            return "uncalibrated method"
        return f"invalid: {', '.join(name for name in failed if name != 'licence')}"

    def verdict(self, level: float) -> str:
        """The word, and where Holm's level makes it fall what it would be unadjusted."""
        word = self.word(level)
        if word == "inconclusive" and self.words and (alone := decide(self.words, ALPHA)) != word:
            return f"inconclusive (unadjusted: {alone})"
        return word

    def outcome(self, level: float) -> str:
        """Whether the word supports or contradicts the prediction."""
        word, predicts = self.word(level), self.about.declared["predicts"]
        return (
            "supported"
            if word in SUPPORTED[predicts]
            else "contradicted"
            if word in CONTRADICTED[predicts]
            else "open"
        )

    @property
    def member(self) -> bool:
        """Whether it is judged as a confirmatory one, as it was registered."""
        standing = self.about.tables.report["registration"]
        known = [h["id"] for h in self.about.tables.study["hypotheses"]]
        departs = any(
            text.startswith(f"{self.about.id}: ")
            or not any(text.startswith(f"{one}: ") for one in known)
            for text in standing["deviations"]
        )
        registered = standing["sha256"] is not None and not departs and not self.about.tables.quick
        return registered and self.about.declared.get("role", "confirmatory") == "confirmatory"

    def status(self, level: float) -> str:
        """`confirmatory`, unless a gate or a recipe that the word needs is open."""
        word = self.word(level)
        limited = {
            word,
            "everything",
            "the axis",
            "carriers" if self.about.about_units else "learning",
        }
        is_open = any(
            o in ("not shown", "not computed") and limits & limited
            for o, limits in self.outcomes.values()
        )
        gaps = (
            not self.about.about_units
            and len(self.panel)
            and not (self.panel.computed == "True").all()
        )
        return "confirmatory" if self.member and not is_open and not gaps else "exploratory"

    def dose_interval(self) -> dict[str, float | None] | None:
        """Doses that are shown free upward from the identity, and the lowest that is shown lost."""
        kept, lost, names = {}, {}, ("delta",) if self.about.jitter else ("D", "H", "delta")
        clean = [losses.retention(losses.ssl("", 0.0, "none")) for losses in self.about.losses]
        for dose in self.about.tables.doses(self.about.axis):
            samples = {name: self.about.learned(name, dose) for name in names}
            code = None if self.about.jitter else self.about.code_sample("C_code", dose)
            if not all(s.complete for s in samples.values()) or (
                code is not None and not code.complete
            ):
                return None
            claims = self.claims_of(samples, self.equivalent and enough(clean))
            kept[dose] = max(claims[f"{name} <= m"] for name in names)
            lost[str(dose)] = (
                claims["delta > m"]
                if code is None
                else max(claims["D > m"], code.more_than(self.about.margin))
            )
        lower = self.about.tables.identity(self.about.axis)
        for dose in sorted(kept):
            if kept[dose] > ALPHA:
                break
            lower = dose
        above = [float(dose) for dose, p in adjusted(lost, holm=True).items() if p <= ALPHA]
        return {"lower": lower, "upper": min(above) if above else None}


def enough(kept: Sequence[float]) -> bool:
    """Whether each session keeps half of R, with one exception above four."""
    return sum(not value >= RETAINED for value in kept) <= (1 if len(kept) > 4 else 0)


def decide(p_values: Mapping[str, float], level: float, otherwise: str = "inconclusive") -> str:
    """The word of the smallest p value where it is shown."""
    word = min(p_values, key=p_values.__getitem__)
    return word if p_values[word] <= level else otherwise
