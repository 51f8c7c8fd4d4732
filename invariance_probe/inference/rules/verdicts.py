"""The verdicts of science.md 3.1 and 3.2, and the claims that each one needs.

In: p values of one-sided claims against the margin m, such as `D <= m`. Out: the p
value of each verdict, and the verdict that is shown at a level. A small p value speaks
for the claim or verdict, whose null hypothesis is the opposite. Nothing is estimated or
adjusted here.

A finding of learning needs its claims to hold under every training recipe of a panel.
This is an intersection-union test (Berger 1982, doi:10.1080/00401706.1982.10487790):
its p value is the largest of those of the claims. All functions but `decide` and
`outcome` work elementwise: a p value may be that of one study, or an array (study,) of
thousands of simulated ones.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from invariance_probe.inference.rules.interim_analyses import ALPHA

UNCALIBRATED = "uncalibrated method"
"""Stands in place of a verdict if no calibration licenses the method for it."""
INCONCLUSIVE, RECIPE_DEPENDENT = "inconclusive", "recipe-dependent"
"""The default verdict, and the verdict if recipes are shown to disagree."""

PValues = Mapping[str, ArrayLike]
"""P values by the name of a claim, such as `D <= m`."""

FREE = ("D <= m", "H <= m", "delta <= m")
"""Claims needed for `free`: training costs at most the margin m.

D is the cost of being made invariant, H that of the shared corruption, and delta = D +
H that of both.
"""
COSTLY = ("D > m",)
"""Claim needed for `costly`: being made invariant costs more than the margin m."""
JITTER_FREE = ("delta <= m", "delta(n/3) <= m")
"""Claims needed for `free` on a jitter, with all and with a third of the data."""
JITTER_COSTLY = ("delta > m", "delta(n/3) > m")
"""Claims needed for `costly` on a jitter, with all and with a third of the data."""
WORDS = ("invariant", "tolerated", "sensitive", "competition", RECIPE_DEPENDENT)
"""Verdicts that can be shown on a corruption."""
JITTER_WORDS = ("tolerated", "sensitive", RECIPE_DEPENDENT)
"""Verdicts that can be shown on a jitter."""
CARRIERS_WORDS = ("few", "between", "spread")
"""Verdicts that can be shown on how many units carry the target."""

SUPPORTED = {
    "invariant": {"invariant"}, "tolerated": {"invariant", "tolerated"}, "sensitive": {"sensitive"},
    "distributed": {"spread"}, "few": {"few"}, "beneficial": {"beneficial"},
}  # fmt: skip
"""Verdicts that support each prediction."""
CONTRADICTED = {
    "invariant": {"sensitive", "tolerated"}, "tolerated": {"sensitive"},
    "sensitive": {"invariant", "tolerated"}, "distributed": {"few"}, "few": {"spread"},
    "beneficial": {"harmful"},
}  # fmt: skip
"""Verdicts that contradict each prediction; all other verdicts leave it open."""


def together(p_values: PValues, needed: Sequence[str]) -> Any:
    """P value of the claim that several claims all hold: the largest of theirs.

    Parameters
    ----------
    p_values
        P values by the name of a claim.
    needed
        Names of the claims that have to hold.
    """
    return _largest([p_values[name] for name in needed])


def learning_p(recipes: Sequence[PValues], jitter: bool, all_pass: bool = True) -> dict[str, Any]:
    """P value of each finding about what training costs.

    Parameters
    ----------
    recipes
        P values of the claims under each training recipe that passes its gates.
    jitter
        Whether the axis is a jitter, which is judged by `delta` alone.
    all_pass
        Whether `recipes` are all recipes of the panel. If not, only `recipe-dependent`
        can be shown.

    Returns
    -------
    p values
        By finding: `free`, `costly`, `dearer` (delta > m under every recipe) and
        `recipe-dependent`. The p value of a finding that cannot be shown is 1.
    """
    free, costly = (JITTER_FREE, JITTER_COSTLY) if jitter else (FREE, COSTLY)
    # on a corruption `recipe-dependent` needs opposite claims about D alone, not H or delta
    below, above = (free, costly) if jitter else (FREE[:1], COSTLY)
    lower, upper = ([together(p, claims) for p in recipes] for claims in (below, above))
    found = {"free": 1.0, "costly": 1.0, "dearer": 1.0, RECIPE_DEPENDENT: 1.0}
    if recipes and all_pass:
        found["free"] = _largest([together(p, free) for p in recipes])
        found["costly"] = _largest(upper)
        found["dearer"] = _largest([p["delta > m"] for p in recipes])
    if len(recipes) > 1:
        opposite = np.maximum(_smallest(lower), _smallest(upper))
        # Bonferroni's correction over recipes, because each p is the smallest among them
        found[RECIPE_DEPENDENT] = np.minimum(1.0, len(recipes) * opposite)
    return found


def word_p(code: PValues, learning: PValues, jitter: bool) -> dict[str, Any]:
    """P value of each verdict on a dose: the largest among the claims it needs.

    Parameters
    ----------
    code
        P values of `C_code <= m` and `C_code > m`; not read for a jitter.
    learning
        P values of the findings of learning, from `learning_p`.
    jitter
        Whether the axis is a jitter, which has fewer verdicts.

    Returns
    -------
    p values
        By verdict.
    """
    free, costly, dearer = (learning[name] for name in ("free", "costly", "dearer"))
    if jitter:
        return {
            "tolerated": free,
            "sensitive": costly,
            RECIPE_DEPENDENT: learning[RECIPE_DEPENDENT],
        }
    kept, lost = code["C_code <= m"], code["C_code > m"]
    return {
        "invariant": np.maximum(kept, free),
        "tolerated": np.maximum(lost, free),
        "sensitive": np.maximum(lost, costly),
        "competition": _largest([kept, costly, dearer]),
        RECIPE_DEPENDENT: learning[RECIPE_DEPENDENT],
    }


def undertrained_p(lowered: PValues) -> Any:
    """P value of the claim that a recipe is undertrained, from longer training.

    A recipe counts as undertrained if longer training lowers both the loss at dose 0
    and the harm that the recipe finds in the corruption. The harm is H, the excess loss
    after training with shared draws of the corruption, or delta for a jitter. Neither
    is enough alone. Longer training of a sound recipe lowers the harm by up to a third
    of the decodable range if the code is weak or carried by one unit, while it leaves
    the loss at dose 0 unchanged or raises it (reports/calibration/learning). Yet a loss
    at dose 0 that falls by more than the margin m is enough.

    Parameters
    ----------
    lowered
        P values of the claims that longer training lowers the loss at dose 0 at all
        (`L(0) > 0`), lowers it by more than m (`L(0) > m`), and lowers the harm
        (`harm > 0`).
    """
    return np.minimum(np.maximum(lowered["L(0) > 0"], lowered["harm > 0"]), lowered["L(0) > m"])


def carriers_p(p_values: PValues) -> dict[str, Any]:
    """P value of each verdict on how many units carry the target.

    Parameters
    ----------
    p_values
        P values of four bounds (science.md 3.1): `carriers below` and `carriers above`
        for the sum K_s + K_n, and `K_n below` and `K_n above`. K_s units suffice for
        half of what all decode, and losing K_n leaves less than half.
    """
    return {
        "few": p_values["carriers below"],
        "between": np.maximum(p_values["carriers above"], p_values["K_n below"]),
        "spread": p_values["K_n above"],
    }


def decide(p_values: PValues, level: float = ALPHA, otherwise: str = INCONCLUSIVE) -> str:
    """Return the verdict that is shown at a level.

    If several are, it is the one with the smallest p value.

    Parameters
    ----------
    p_values
        P value of each verdict.
    level
        Level of the test, in (0, 1).
    otherwise
        What is returned if no verdict is shown.
    """
    word = min(p_values, key=lambda name: float(np.asarray(p_values[name])))
    return word if float(np.asarray(p_values[word])) <= level else otherwise


def decide_many(
    p_values: PValues, level: ArrayLike = ALPHA, otherwise: str = INCONCLUSIVE
) -> np.ndarray:
    """Choose the verdict of many studies at once, as `decide` does for one.

    Parameters
    ----------
    p_values
        P values by verdict, each (study,); scalars are broadcast.
    level
        Level of the test in (0, 1), one for all studies or (study,).
    otherwise
        What is returned if no verdict is shown.

    Returns
    -------
    words
        (study,) the verdict on each study.
    """
    names = list(p_values)
    table = np.stack(
        np.broadcast_arrays(*(np.asarray(p_values[name], dtype=float) for name in names))
    )
    found = np.array(names, dtype=object)[table.argmin(axis=0)]
    return np.where(table.min(axis=0) <= level, found, otherwise)


def outcome(predicts: str, word: str) -> str:
    """Whether a verdict supports or contradicts a prediction, or leaves it open.

    Parameters
    ----------
    predicts
        The declared prediction, one of the keys of `SUPPORTED`.
    word
        The verdict.

    Returns
    -------
    outcome
        `supported`, `contradicted` or `open`.
    """
    if word in SUPPORTED[predicts]:
        return "supported"
    return "contradicted" if word in CONTRADICTED[predicts] else "open"


def _largest(values: Sequence[Any]) -> Any:
    """Elementwise maximum of p values."""
    return reduce(np.maximum, values)


def _smallest(values: Sequence[Any]) -> Any:
    """Elementwise minimum of p values."""
    return reduce(np.minimum, values)
