"""The words of science.md 3.1 and 3.2, and which claims each of them needs.

Every claim is one-sided against the margin m. A finding of learning is a claim under every
recipe of a panel together, an intersection-union test (Berger 1982,
doi:10.1080/00401706.1982.10487790): its p value is the largest. What is written here holds for
one study and, elementwise, for thousands of simulated ones: p values may be arrays (study,).
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from invariance_probe.inference.rules.interim_analyses import ALPHA

EXPERIMENTAL = "experimental: "
"""What the word of an experimental hypothesis begins with; it never counts as confirmatory."""
UNCALIBRATED = "uncalibrated method"
"""The word in place of a verdict where the method has no licence."""
INCONCLUSIVE, RECIPE_DEPENDENT = "inconclusive", "recipe-dependent"

PValues = Mapping[str, ArrayLike]
"""p values by the name of a claim, such as `D <= m`."""

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
"""The words that support each prediction."""
CONTRADICTED = {
    "invariant": {"sensitive", "tolerated"}, "tolerated": {"sensitive"}, "sensitive": {"invariant", "tolerated"},
    "distributed": {"few"}, "few": {"spread"}, "beneficial": {"harmful"},
}  # fmt: skip
"""The words that contradict each prediction; all others leave it open."""


def together(p_values: PValues, needed: Sequence[str]) -> Any:
    """Return the p value that claims hold together: the largest."""
    return _largest([p_values[name] for name in needed])


def learning_p(recipes: Sequence[PValues], jitter: bool, all_pass: bool = True) -> dict[str, Any]:
    """Return the p value of every finding of learning.

    Parameters
    ----------
    recipes
        The p values of the claims under each recipe that passes its gates.
    jitter
        Whether the axis is a jitter, which has no shared draw.
    all_pass
        Whether these are all recipes of the panel; else nothing but `recipe-dependent` can be
        shown.
    """
    free, costly = (JITTER_FREE, JITTER_COSTLY) if jitter else (FREE, COSTLY)
    # "opposite claims shown under two recipes" are about D alone
    below, above = (free, costly) if jitter else (FREE[:1], COSTLY)
    lower, upper = ([together(p, claims) for p in recipes] for claims in (below, above))
    found = {"free": 1.0, "costly": 1.0, "dearer": 1.0, RECIPE_DEPENDENT: 1.0}
    if recipes and all_pass:
        found["free"] = _largest([together(p, free) for p in recipes])
        found["costly"] = _largest(upper)
        found["dearer"] = _largest([p["delta > m"] for p in recipes])
    if len(recipes) > 1:
        opposite = np.maximum(_smallest(lower), _smallest(upper))
        found[RECIPE_DEPENDENT] = np.minimum(1.0, len(recipes) * opposite)
    return found


def word_p(code: PValues, learning: PValues, jitter: bool) -> dict[str, Any]:
    """Return the p value of every word about a dose: that of the claims which it needs together.

    Parameters
    ----------
    code
        p values of `C_code <= m` and `C_code > m`; not read for a jitter.
    learning
        What `learning_p` returned.
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
    """Return the p value that longer training shows a recipe undertrained.

    An undertrained recipe finds the corruption harmful, and its representation still betters at dose 0. Either alone is no sign:
    longer training of a sound recipe lowers H or delta by up to a third of R where the code is weak or carried by one unit, while
    it leaves the loss at dose 0 as it is or raises it (reports/calibration/learning). A loss at dose 0 that falls by more than the
    margin is sign enough.

    Parameters
    ----------
    lowered
        p values that longer training lowers something: `L(0) > 0`, `L(0) > m`, and `harm > 0`, where harm is H, and delta of a
        jitter.
    """
    return np.minimum(np.maximum(lowered["L(0) > 0"], lowered["harm > 0"]), lowered["L(0) > m"])


def carriers_p(p_values: PValues) -> dict[str, Any]:
    """Return the p value of every word about how many units carry the target (science.md 3.1)."""
    return {
        "few": p_values["carriers below"],
        "between": np.maximum(p_values["carriers above"], p_values["K_n below"]),
        "spread": p_values["K_n above"],
    }


def decide(p_values: PValues, level: float = ALPHA, otherwise: str = INCONCLUSIVE) -> str:
    """Return the word that is shown at a level; the one of the smallest p value where several are."""
    word = min(p_values, key=lambda name: float(np.asarray(p_values[name])))
    return word if float(np.asarray(p_values[word])) <= level else otherwise


def decide_many(
    p_values: PValues, level: ArrayLike = ALPHA, otherwise: str = INCONCLUSIVE
) -> np.ndarray:
    """Return the word of every study (study,), as `decide` does for one."""
    names = list(p_values)
    table = np.stack(
        np.broadcast_arrays(*(np.asarray(p_values[name], dtype=float) for name in names))
    )
    found = np.array(names, dtype=object)[table.argmin(axis=0)]
    return np.where(table.min(axis=0) <= level, found, otherwise)


def outcome(predicts: str, word: str) -> str:
    """Return whether a word that was shown supports or contradicts a prediction, or leaves it open."""
    word = word.removeprefix(EXPERIMENTAL)
    if word in SUPPORTED[predicts]:
        return "supported"
    return "contradicted" if word in CONTRADICTED[predicts] else "open"


def _largest(values: Sequence[Any]) -> Any:
    return reduce(np.maximum, values)


def _smallest(values: Sequence[Any]) -> Any:
    return reduce(np.minimum, values)
