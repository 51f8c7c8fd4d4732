"""Counting what a panel says about learning, over studies from a bank.

What every recipe costs in single sessions goes in. The word of every study comes out,
by the rules of `inference`, and how often a recipe that was held out of the panel
contradicts it. The gates `retention`, `noise` and `trained` are applied; the others are
not simulated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.calibration.banks import DOSE, DROPOUT, MARGIN
from invariance_probe.calibration.counting import BOOTSTRAPS, STUDIES, Bank, bound, draw
from invariance_probe.calibration.ground import Measured
from invariance_probe.calibration.learning_banks import HELD_OUT, LONGER_OF, PANEL
from invariance_probe.inference.evidence.estimands import Effect, SessionLosses, at
from invariance_probe.inference.hypotheses.gates import RETAINED
from invariance_probe.inference.power.spreads import marked
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.many_studies import PValues, p_over_units
from invariance_probe.inference.rules.verdicts import (
    decide_many,
    learning_p,
    undertrained_p,
    word_p,
)
from invariance_probe.plan.recipes import label_of
from invariance_probe.study.panel import DECLARED

ARMED = ("D", "H", "delta")
"""Estimands of learning."""
RECIPES = (*PANEL, *(held_out.name for held_out in HELD_OUT))
"""Every recipe: those of the panel, then those held out of it."""
CHANGES = ("L(0)", "H", "delta")
"""What longer training may change, which the gate `trained` looks at."""
JUDGES = tuple(held_out.name for held_out in HELD_OUT if held_out.judges)
"""Held-out recipes that printed words are compared with."""
CODE, NOISE = "C_code", "noise"


@dataclass(frozen=True, eq=False)
class LearningBank:
    """Sessions of one cell that were trained by all recipes.

    Attributes
    ----------
    values
        Unscaled effects of every session (session,), by name: `C_code` and `noise`; and
        for every recipe `D`, `H`, `delta`, the loss `L(0)` at dose 0, and the parts
        `kept` and `kept_shared` of the range that dose 0 and the shared arm keep. A
        recipe is marked as in `D [longer]`.
    range, code_range
        R and R_code (session,).
    """

    values: Mapping[str, np.ndarray]
    range: np.ndarray
    code_range: np.ndarray

    def __len__(self) -> int:
        return len(self.range)

    def mean(self, name: str) -> float:
        """The bank's own ratio of effect to range."""
        return float(self.values[name].mean() / self._range_of(name).mean())

    def sd(self, name: str) -> float:
        """SD of an effect over sessions, in units of the mean range."""
        return (
            float(self.values[name].std(ddof=1) / self._range_of(name).mean())
            if len(self) > 1
            else 0.0
        )

    def p_values(self, name: str, studies: np.ndarray, margin: float) -> PValues:
        """The p values of `<= margin` and of `> margin`.

        Parameters
        ----------
        name
            The effect.
        studies
            Which sessions each study drew (study, session).
        margin
            The margin, in units of the range.

        Returns
        -------
        at_most, more
            (study,) each.
        """
        return p_over_units((self.values[name] - margin * self._range_of(name))[studies])

    def resampled(self, chosen: np.ndarray) -> "LearningBank":
        """The bank of some of its sessions.

        Parameters
        ----------
        chosen
            Places of the sessions, which may repeat (session,).

        Returns
        -------
        bank
            The chosen sessions.
        """
        return LearningBank(
            {n: x[chosen] for n, x in self.values.items()},
            self.range[chosen],
            self.code_range[chosen],
        )

    def of(self, names: Sequence[str]) -> Bank:
        """Some of its effects as a bank whose sizes can be counted."""
        ones = np.ones(len(self))
        return Bank(
            {n: self.values[n] for n in names}, {n: self._range_of(n) for n in names}, ones, ones
        )

    def _range_of(self, name: str) -> np.ndarray:
        return self.code_range if name == CODE else self.range


def learning_bank(found: Sequence[Mapping[str, float]]) -> LearningBank:
    """The bank of sessions, from the values of each."""
    names = found[0].keys() if found else ()
    columns = {name: np.array([values[name] for values in found]) for name in names}
    nothing = np.zeros(0)
    return LearningBank(columns, columns.pop("range", nothing), columns.pop("code_range", nothing))


def session_values(one: Measured) -> dict[str, float] | None:
    """What a bank holds of one session, with `range` and `code_range`.

    It is None where runs failed.
    """
    losses = one.losses
    effects = {CODE: one.effect(CODE, DROPOUT, DOSE), NOISE: one.effect(NOISE, DROPOUT, DOSE)}
    for recipe in RECIPES:
        effects |= {
            marked(name, recipe): losses.effect(name, DROPOUT, DOSE, 1.0, _setting(recipe))
            for name in ARMED
        }
    if not all(effect.complete for effect in effects.values()):
        return None
    found = {name: float(effect.values.mean()) for name, effect in effects.items()}
    for recipe in RECIPES:
        clean, shared = _arms(losses, recipe)
        found |= {
            marked("L(0)", recipe): float(clean.mean()),
            marked("kept", recipe): losses.retention(clean),
            marked("kept_shared", recipe): losses.retention(shared),
        }
    return found | {"range": _mean_range(effects["D"]), "code_range": _mean_range(effects[CODE])}


def _setting(recipe: str) -> str:
    return label_of(recipe)


def _arms(losses: SessionLosses, recipe: str) -> tuple[np.ndarray, np.ndarray]:
    setting = _setting(recipe)
    return losses.ssl(at("", 0.0, "none", setting)), losses.ssl(
        at(DROPOUT, DOSE, "shared", setting)
    )


def _mean_range(effect: Effect) -> float:
    return float(effect.range.mean())


def words(bank: LearningBank, studies: np.ndarray, recipes: Sequence[str] = PANEL) -> np.ndarray:
    """The word of every study, judged under some recipes.

    Parameters
    ----------
    bank
        The bank.
    studies
        Which sessions each study drew (study, session).
    recipes
        The panel, the declared recipe first.

    Returns
    -------
    words
        (study,).
    """
    below, above = bank.p_values(NOISE, studies, MARGIN)
    far_below, not_low = bank.p_values(NOISE, studies, -MARGIN)
    equivalent = np.maximum(below, not_low) <= ALPHA
    panel = [_claims(bank, studies, recipe, equivalent) for recipe in recipes]
    kept, lost = bank.p_values(CODE, studies, MARGIN)
    found = decide_many(
        word_p({"C_code <= m": kept, "C_code > m": lost}, learning_p(panel, False), False)
    )
    found[_weak(bank, studies, recipes[0], at_best=True)] = "invalid: retention"
    if len(recipes) > 1:
        found[undertrained(bank, studies, recipes[0])] = "invalid: trained"
    found[np.minimum(above, far_below) <= ALPHA] = "invalid: noise"
    return found


def _claims(
    bank: LearningBank, studies: np.ndarray, recipe: str, equivalent: np.ndarray
) -> dict[str, np.ndarray]:
    """The p values of all claims under a recipe.

    They are 1 for claims that its gates take away.
    """
    fails = _weak(bank, studies, recipe, at_best=True)
    relies = equivalent & ~_weak(bank, studies, recipe, at_best=False)
    found = {}
    for name in ARMED:
        at_most, more = bank.p_values(marked(name, recipe), studies, MARGIN)
        found[f"{name} <= m"] = np.where(relies, at_most, 1.0)
        found[f"{name} > m"] = np.where(relies if name == "delta" else ~fails, more, 1.0)
    return found


def _weak(bank: LearningBank, studies: np.ndarray, recipe: str, at_best: bool) -> np.ndarray:
    """Which studies fail the gate `retention`.

    It is judged by dose 0, or with `at_best` by the better of dose 0 and the shared
    arm.
    """
    kept = bank.values[marked("kept", recipe)]
    if at_best:
        kept = np.maximum(kept, bank.values[marked("kept_shared", recipe)])
    # The gate allows one exception above four sessions (science.md 3.4).
    allowed = 1 if studies.shape[1] > 4 else 0
    return (kept[studies] < RETAINED).sum(axis=1) > allowed


def undertrained(bank: LearningBank, studies: np.ndarray, recipe: str) -> np.ndarray:
    """In which studies longer training shows a recipe undertrained.

    This is the rule of `gates.trained`.

    Parameters
    ----------
    bank
        The bank.
    studies
        Which sessions each study drew (study, session).
    recipe
        A key of `LONGER_OF`.

    Returns
    -------
    undertrained
        (study,).
    """
    p = {
        "L(0) > 0": lowered_p(bank, studies, recipe, "L(0)", 0.0),
        "L(0) > m": lowered_p(bank, studies, recipe, "L(0)", MARGIN),
        "harm > 0": lowered_p(bank, studies, recipe, "H", 0.0),
    }
    return undertrained_p(p) <= ALPHA


def lowered(
    bank: LearningBank, studies: np.ndarray, recipe: str, what: str, by: float
) -> np.ndarray:
    """In which studies longer training is shown to lower a loss.

    Parameters
    ----------
    bank
        The bank.
    studies
        Which sessions each study drew (study, session).
    recipe
        A key of `LONGER_OF`.
    what
        `L(0)`, `H` or `delta`.
    by
        By more than this part of the range.

    Returns
    -------
    shown
        (study,).
    """
    return lowered_p(bank, studies, recipe, what, by) <= ALPHA


def lowered_p(
    bank: LearningBank, studies: np.ndarray, recipe: str, what: str, by: float
) -> np.ndarray:
    """The p value that longer training lowers a loss by more than a part of R.

    Parameters
    ----------
    bank
        The bank.
    studies
        Which sessions each study drew (study, session).
    recipe
        A key of `LONGER_OF`.
    what
        `L(0)`, `H` or `delta`.
    by
        The part of the range.

    Returns
    -------
    p
        (study,).
    """
    change = bank.values[marked(what, recipe)] - bank.values[marked(what, LONGER_OF[recipe])]
    return p_over_units((change - by * bank.range)[studies])[1]


def contradicted_by(bank: LearningBank, recipe: str, beyond: float = 0.0) -> tuple[str, ...]:
    """The words that a recipe's means over the bank contradict.

    Parameters
    ----------
    bank
        The bank.
    recipe
        The recipe.
    beyond
        By how much the means must lie on the other side of the margin, as a part of the
        range.

    Returns
    -------
    words
        The contradicted words.
    """
    D, H, delta = (bank.mean(marked(name, recipe)) for name in ARMED)
    found = ["invariant", "tolerated"] if max(D, H, delta) > MARGIN + beyond else []
    if MARGIN - beyond >= D:
        found += ["sensitive", "competition"]
    elif delta <= MARGIN - beyond:
        found.append("competition")
    return tuple(found)


@dataclass(frozen=True)
class Rate:
    """How often something happens over studies, and its upper bound."""

    reached: float
    upper: float


def rate(
    bank: LearningBank,
    sessions: int,
    rng: np.random.Generator,
    hit: Callable[[LearningBank, np.ndarray], np.ndarray],
) -> Rate:
    """How often something holds over studies drawn from a bank.

    Parameters
    ----------
    bank
        The bank.
    sessions
        Sessions per study.
    rng
        Where the draws come from.
    hit
        Says for which studies (study, session) of a bank it holds.

    Returns
    -------
    rate
        With the bound of every size (`counting.bound`).
    """
    reached = float(hit(bank, draw(rng, len(bank), sessions)).mean())
    again = []
    for _ in range(BOOTSTRAPS // 2):
        resampled = bank.resampled(rng.integers(0, len(bank), len(bank)))
        again.append(hit(resampled, draw(rng, len(bank), sessions, STUDIES // 10)).mean())
    return Rate(reached, bound(float(np.quantile(again, 0.95)), sessions, len(bank)))


def shares(bank: LearningBank, studies: np.ndarray, recipes: Sequence[str]) -> dict[str, float]:
    """Share of every word over studies, judged under some recipes.

    Parameters
    ----------
    bank
        The bank.
    studies
        Which sessions each study drew (study, session).
    recipes
        The panel, the declared recipe first.

    Returns
    -------
    shares
        By word, in [0, 1].
    """
    found = words(bank, studies, recipes)
    return {str(word): float((found == word).mean()) for word in sorted(set(found))}


def alone() -> tuple[str, ...]:
    """The panel of a study that judges the declared recipe alone."""
    return (DECLARED,)
