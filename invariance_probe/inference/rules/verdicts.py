"""The verdict words of science.md 3.1 and 3.2, and the claims each one needs.

In: p values of one-sided claims against the margin m. Out: the p value of every word,
and the word that is shown at a level. Nothing is estimated or adjusted here.

A finding of learning needs its claims to hold under every recipe of a panel. This is an
intersection-union test (Berger 1982, doi:10.1080/00401706.1982.10487790): its p value
is the largest of theirs. All functions hold for one study and, elementwise, for
thousands of simulated ones: p values may be arrays (study,).
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from invariance_probe.inference.rules.interim_analyses import ALPHA

UNCALIBRATED = "uncalibrated method"
"""Word that takes the place of a verdict where the method has no licence."""
INCONCLUSIVE, RECIPE_DEPENDENT = "inconclusive", "recipe-dependent"

PValues = Mapping[str, ArrayLike]
"""P values by the name of a claim, such as `D <= m`."""

FREE = ("D <= m", "H <= m", "delta <= m")
COSTLY = ("D > m",)
JITTER_FREE = ("delta <= m", "delta(n/3) <= m")
JITTER_COSTLY = ("delta > m", "delta(n/3) > m")
"""The claims that a finding of learning needs under one recipe."""
WORDS = ("invariant", "tolerated", "sensitive", "competition", RECIPE_DEPENDENT)
JITTER_WORDS = ("tolerated", "sensitive", RECIPE_DEPENDENT)
CARRIERS_WORDS = ("few", "between", "spread")

SUPPORTED = {
    "invariant": {"invariant"}, "tolerated": {"invariant", "tolerated"}, "sensitive": {"sensitive"},
    "distributed": {"spread"}, "few": {"few"}, "beneficial": {"beneficial"},
}  # fmt: skip
"""Words that support each prediction."""
CONTRADICTED = {
    "invariant": {"sensitive", "tolerated"}, "tolerated": {"sensitive"},
    "sensitive": {"invariant", "tolerated"}, "distributed": {"few"}, "few": {"spread"},
    "beneficial": {"harmful"},
}  # fmt: skip
"""Words that contradict each prediction; all other words leave it open."""


def together(p_values: PValues, needed: Sequence[str]) -> Any:
    """P value of the claim that all needed claims hold: the largest of theirs.

    Parameters
    ----------
    p_values
        P values by the name of a claim.
    needed
        Names of the claims that are needed.
    """
    return _largest([p_values[name] for name in needed])


def learning_p(recipes: Sequence[PValues], jitter: bool, all_pass: bool = True) -> dict[str, Any]:
    """P value of every finding of learning.

    Parameters
    ----------
    recipes
        P values of the claims under each recipe that passes its gates.
    jitter
        Whether the axis is a jitter, which has no shared draw.
    all_pass
        Whether `recipes` are all recipes of the panel. If not, only `recipe-dependent`
        can be shown.

    Returns
    -------
    p values
        By finding: `free`, `costly`, `dearer` (delta > m under every recipe) and
        `recipe-dependent`. A finding that cannot be shown has p = 1.
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
        # Bonferroni over recipes: the smallest p values were picked among theirs
        found[RECIPE_DEPENDENT] = np.minimum(1.0, len(recipes) * opposite)
    return found


def word_p(code: PValues, learning: PValues, jitter: bool) -> dict[str, Any]:
    """P value of every word about a dose: that of the claims it needs together.

    Parameters
    ----------
    code
        P values of `C_code <= m` and `C_code > m`; not read for a jitter.
    learning
        P values of the findings of learning, from `learning_p`.
    jitter
        Whether the axis is a jitter, which has fewer words.

    Returns
    -------
    p values
        By word.
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
    """P value that longer training shows a recipe to be undertrained.

    An undertrained recipe finds the corruption harmful, and its representation still
    improves at dose 0. Neither sign is enough alone: longer training of a sound recipe
    lowers H or delta by up to a third of R where the code is weak or carried by one
    unit, while it leaves the loss at dose 0 as it is or raises it
    (reports/calibration/learning). But a loss at dose 0 that falls by more than the
    margin is sign enough.

    Parameters
    ----------
    lowered
        P values of the claims that longer training lowers something: `L(0) > 0`,
        `L(0) > m` and `harm > 0`. Harm is H, or delta for a jitter.
    """
    return np.minimum(np.maximum(lowered["L(0) > 0"], lowered["harm > 0"]), lowered["L(0) > m"])


def carriers_p(p_values: PValues) -> dict[str, Any]:
    """P value of every word about how many units carry the target.

    The bounds are those of science.md 3.1.
    """
    return {
        "few": p_values["carriers below"],
        "between": np.maximum(p_values["carriers above"], p_values["K_n below"]),
        "spread": p_values["K_n above"],
    }


def decide(p_values: PValues, level: float = ALPHA, otherwise: str = INCONCLUSIVE) -> str:
    """Word shown at a level; the one with the smallest p if several are.

    Parameters
    ----------
    p_values
        P value of every word.
    level
        Level of the test, in (0, 1).
    otherwise
        What is returned where no word is shown.
    """
    word = min(p_values, key=lambda name: float(np.asarray(p_values[name])))
    return word if float(np.asarray(p_values[word])) <= level else otherwise


def decide_many(
    p_values: PValues, level: ArrayLike = ALPHA, otherwise: str = INCONCLUSIVE
) -> np.ndarray:
    """Choose the verdict word of many studies, as `decide` does for one.

    Parameters
    ----------
    p_values
        P values by word, each (study,); scalars are broadcast.
    level
        Level of the test in (0, 1), one for all studies or (study,).
    otherwise
        What is returned where no word can be established.

    Returns
    -------
    words
        One per study (study,).
    """
    names = list(p_values)
    table = np.stack(
        np.broadcast_arrays(*(np.asarray(p_values[name], dtype=float) for name in names))
    )
    found = np.array(names, dtype=object)[table.argmin(axis=0)]
    return np.where(table.min(axis=0) <= level, found, otherwise)


def outcome(predicts: str, word: str) -> str:
    """Whether a shown word supports, contradicts or leaves open a prediction.

    Parameters
    ----------
    predicts
        The declared prediction, one of the keys of `SUPPORTED`.
    word
        The verdict's word.

    Returns
    -------
    outcome
        `supported`, `contradicted` or `open`.
    """
    if word in SUPPORTED[predicts]:
        return "supported"
    return "contradicted" if word in CONTRADICTED[predicts] else "open"


def _largest(values: Sequence[Any]) -> Any:
    return reduce(np.maximum, values)


def _smallest(values: Sequence[Any]) -> Any:
    return reduce(np.minimum, values)
