"""Count verdicts from a panel of recipes, and how often they are wrong.

A bank holds the sessions of one simulated code (cell), each trained under all recipes:
those of the panel, and others that are held out of it. In: the effects D, H and delta
of each recipe in each session. Studies are drawn from the bank with replacement. Out:
the verdict of each study by the rules of `inference`, and how often a held-out recipe
contradicts it. Of the gates only `retention`, `noise` and `trained` are applied.

Names are like `D` for the declared recipe and `D [longer]` for another one. `noise` is
the A/A contrast: the loss at dose 0 with other seeds, minus that at dose 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.calibration.banks import DOSE, DROPOUT, MARGIN
from invariance_probe.calibration.bench import MeasuredSession
from invariance_probe.calibration.counting import (
    BOOTSTRAPS,
    STUDIES,
    Bank,
    BoundedRate,
    bound,
    draw,
)
from invariance_probe.calibration.learning_banks import HELD_OUT, LONGER_OF, PANEL
from invariance_probe.inference.evidence.estimands import Effect, SessionLosses, at
from invariance_probe.inference.hypotheses.gates import RETAINED
from invariance_probe.inference.power.spreads import marked
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.many_studies import PValues, p_over_replicates
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
"""All recipes: those of the panel, then those held out of it."""
CHANGES = ("L(0)", "H", "delta")
"""Quantities that longer training may lower; L(0) is the loss at dose 0."""
JUDGES = tuple(held_out.name for held_out in HELD_OUT if held_out.judges)
"""Held-out recipes against which the panel's verdicts are checked."""
CODE, NOISE = "C_code", "noise"
"""Names of the estimand of the code, and of the A/A contrast."""


@dataclass(frozen=True, eq=False)
class LearningBank:
    """Sessions of one simulated code (cell) that were trained under all recipes.

    Attributes
    ----------
    values
        Quantities of each session (session,), by name. `C_code` and `noise` (the A/A
        contrast), and for each recipe `D`, `H`, `delta` and the loss `L(0)` at dose 0,
        are in units of the loss. `kept` and `kept_shared` are the fractions of the
        decodable range that representations trained at dose 0, or in the shared arm,
        retain.
    range, code_range
        The decodable ranges R and R_code (session,).
    """

    values: Mapping[str, np.ndarray]
    range: np.ndarray
    code_range: np.ndarray

    def __len__(self) -> int:
        return len(self.range)

    def mean(self, name: str) -> float:
        """Mean of an effect over sessions, divided by the mean decodable range."""
        return float(self.values[name].mean() / self._range_of(name).mean())

    def sd(self, name: str) -> float:
        """SD of an effect over sessions, divided by the mean decodable range."""
        return (
            float(self.values[name].std(ddof=1) / self._range_of(name).mean())
            if len(self) > 1
            else 0.0
        )

    def p_values(self, name: str, studies: np.ndarray, margin: float) -> PValues:
        """Test the claims `<= margin` and `> margin` in each study.

        Parameters
        ----------
        name
            Name of the effect in `values`.
        studies
            Indices of the sessions that each study consists of (study, session).
        margin
            The margin, in units of the decodable range.

        Returns
        -------
        at_most, more
            P value of each claim (study,).
        """
        return p_over_replicates((self.values[name] - margin * self._range_of(name))[studies])

    def resampled(self, chosen: np.ndarray) -> "LearningBank":
        """Return the bank that consists of the chosen sessions.

        Parameters
        ----------
        chosen
            Indices of sessions, which may repeat (session,).
        """
        return LearningBank(
            {n: x[chosen] for n, x in self.values.items()},
            self.range[chosen],
            self.code_range[chosen],
        )

    def of(self, names: Sequence[str]) -> Bank:
        """Return the named effects as a `counting.Bank`, to count false claims."""
        ones = np.ones(len(self))
        return Bank(
            {n: self.values[n] for n in names}, {n: self._range_of(n) for n in names}, ones, ones
        )

    def _range_of(self, name: str) -> np.ndarray:
        return self.code_range if name == CODE else self.range


def learning_bank(found: Sequence[Mapping[str, float]]) -> LearningBank:
    """Build a bank from the quantities of each session (see `session_values`)."""
    names = found[0].keys() if found else ()
    columns = {name: np.array([values[name] for values in found]) for name in names}
    nothing = np.zeros(0)
    return LearningBank(columns, columns.pop("range", nothing), columns.pop("code_range", nothing))


def session_values(one: MeasuredSession) -> dict[str, float] | None:
    """Read the quantities of one session that a `LearningBank` needs.

    Parameters
    ----------
    one
        What was measured on the session.

    Returns
    -------
    values
        The quantities by name, with `range` and `code_range`; None if a run is missing
        or has failed.
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


def verdicts_of(
    bank: LearningBank, studies: np.ndarray, recipes: Sequence[str] = PANEL
) -> np.ndarray:
    """Give the verdict of each study, judged under a panel of recipes.

    Parameters
    ----------
    bank
        The bank.
    studies
        Indices of the sessions that each study consists of (study, session).
    recipes
        Names of the panel's recipes, the declared one first.

    Returns
    -------
    words
        Verdict of each study, such as `sensitive` or `invalid: noise` (study,).
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
    """P values (study,) of all claims about learning under one recipe, by claim.

    They are 1 where a gate forbids the claim. `equivalent` says for each study whether
    dose 0 with other seeds was shown to be equivalent to dose 0.
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
    """Decide which studies fail the gate `retention` (study,).

    The gate reads the representations trained at dose 0 or, with `at_best`, the better
    of those at dose 0 and in the shared arm.
    """
    kept = bank.values[marked("kept", recipe)]
    if at_best:
        kept = np.maximum(kept, bank.values[marked("kept_shared", recipe)])
    # The gate allows one exception in studies of more than four sessions.
    allowed = 1 if studies.shape[1] > 4 else 0
    return (kept[studies] < RETAINED).sum(axis=1) > allowed


def undertrained(bank: LearningBank, studies: np.ndarray, recipe: str) -> np.ndarray:
    """Decide in which studies a recipe is shown to be trained too little.

    The rule is that of the gate `trained` (`inference.hypotheses.gates`), which
    compares the recipe with a longer one.

    Parameters
    ----------
    bank
        The bank.
    studies
        Indices of the sessions that each study consists of (study, session).
    recipe
        Name of the recipe, a key of `LONGER_OF`.

    Returns
    -------
    undertrained
        Boolean (study,).
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
    """Decide in which studies longer training is shown to lower a loss.

    Parameters
    ----------
    bank
        The bank.
    studies
        Indices of the sessions that each study consists of (study, session).
    recipe
        Name of the recipe that is trained longer, a key of `LONGER_OF`.
    what
        What is lowered: `L(0)`, `H` or `delta`.
    by
        Threshold of the decrease, as a fraction of the decodable range R.

    Returns
    -------
    shown
        Boolean (study,): whether a decrease by more than `by` is shown.
    """
    return lowered_p(bank, studies, recipe, what, by) <= ALPHA


def lowered_p(
    bank: LearningBank, studies: np.ndarray, recipe: str, what: str, by: float
) -> np.ndarray:
    """Test in each study whether longer training lowers a loss.

    Parameters
    ----------
    bank
        The bank.
    studies
        Indices of the sessions that each study consists of (study, session).
    recipe
        Name of the recipe that is trained longer, a key of `LONGER_OF`.
    what
        What is lowered: `L(0)`, `H` or `delta`.
    by
        Threshold of the decrease, as a fraction of the decodable range R.

    Returns
    -------
    p
        P value of a decrease by more than `by` (study,).
    """
    change = bank.values[marked(what, recipe)] - bank.values[marked(what, LONGER_OF[recipe])]
    return p_over_replicates((change - by * bank.range)[studies])[1]


def contradicted_by(bank: LearningBank, recipe: str, beyond: float = 0.0) -> tuple[str, ...]:
    """List the verdicts that a recipe's mean effects over the bank contradict.

    Parameters
    ----------
    bank
        The bank.
    recipe
        Name of the recipe.
    beyond
        How far the means must lie on the other side of the margin to contradict, as a
        fraction of the decodable range.

    Returns
    -------
    words
        The contradicted verdicts.
    """
    D, H, delta = (bank.mean(marked(name, recipe)) for name in ARMED)
    found = ["invariant", "tolerated"] if max(D, H, delta) > MARGIN + beyond else []
    if MARGIN - beyond >= D:
        found += ["sensitive", "competition"]
    elif delta <= MARGIN - beyond:
        found.append("competition")
    return tuple(found)


def rate(
    bank: LearningBank,
    sessions: int,
    rng: np.random.Generator,
    hit: Callable[[LearningBank, np.ndarray], np.ndarray],
) -> BoundedRate:
    """Count for what fraction of studies a statement is true.

    Parameters
    ----------
    bank
        The bank.
    sessions
        Sessions per study.
    rng
        Random-number generator that draws studies and resamples the bank.
    hit
        Function from a bank and studies (study, session) to whether the statement is
        true of each study (study,).

    Returns
    -------
    rate
        The fraction, with its upper bound (`counting.bound`).
    """
    reached = float(hit(bank, draw(rng, len(bank), sessions)).mean())
    again = []
    for _ in range(BOOTSTRAPS // 2):
        resampled = bank.resampled(rng.integers(0, len(bank), len(bank)))
        again.append(hit(resampled, draw(rng, len(bank), sessions, STUDIES // 10)).mean())
    return BoundedRate(reached, bound(float(np.quantile(again, 0.95)), sessions, len(bank)))


def shares(bank: LearningBank, studies: np.ndarray, recipes: Sequence[str]) -> dict[str, float]:
    """Count what fraction of studies gives each verdict.

    Parameters
    ----------
    bank
        The bank.
    studies
        Indices of the sessions that each study consists of (study, session).
    recipes
        Names of the panel's recipes, the declared one first.

    Returns
    -------
    shares
        Fraction of studies by verdict, in [0, 1].
    """
    found = verdicts_of(bank, studies, recipes)
    return {str(word): float((found == word).mean()) for word in sorted(set(found))}


def alone() -> tuple[str, ...]:
    """Return the panel of a study that is judged under the declared recipe alone."""
    return (DECLARED,)
