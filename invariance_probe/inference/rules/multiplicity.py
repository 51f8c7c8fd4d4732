"""Corrections for several claims: Holm's, and Benjamini and Hochberg's.

In: one p value per claim, in any order. Out: levels or adjusted p values in the same
order.

References
----------
Holm 1979, A simple sequentially rejective multiple test procedure, Scand J Stat 6:65.
Benjamini & Hochberg 1995, Controlling the false discovery rate, J R Stat Soc B 57:289.
"""

from collections.abc import Sequence

import numpy as np

from invariance_probe.inference.rules.interim_analyses import ALPHA


def holm_levels(p_values: Sequence[float]) -> list[float]:
    """Level at which Holm's step-down procedure tests each hypothesis.

    The smallest p value is tested at alpha / n, the next at alpha / (n - 1), and so on,
    where alpha is `ALPHA` (.05). Once a p value exceeds its level, all larger p values
    are assigned that same level.

    Parameters
    ----------
    p_values
        One p value per hypothesis, in any order.

    Returns
    -------
    levels
        One level per hypothesis, in the order of `p_values`.

    Examples
    --------
    >>> holm_levels([0.04, 0.001])
    [0.05, 0.025]
    >>> holm_levels([0.04, 0.03])
    [0.025, 0.025]
    """
    levels = [ALPHA] * len(p_values)
    level = ALPHA / max(1, len(p_values))
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        levels[i] = level
        if p_values[i] <= level and rank + 1 < len(p_values):
            level = ALPHA / (len(p_values) - rank - 1)
    return levels


def holm_adjusted(p_values: Sequence[float]) -> np.ndarray:
    """P values adjusted by Holm's procedure.

    Parameters
    ----------
    p_values
        One p value per hypothesis, in any order.

    Returns
    -------
    adjusted
        At most 1, in the order of `p_values`.

    Examples
    --------
    >>> holm_adjusted([0.04, 0.001]).tolist()
    [0.04, 0.002]
    """
    p = np.asarray(p_values)
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1.0)


def benjamini_hochberg_adjusted(p_values: Sequence[float]) -> np.ndarray:
    """P values adjusted by Benjamini and Hochberg's procedure.

    Parameters
    ----------
    p_values
        One p value per hypothesis, in any order.

    Returns
    -------
    adjusted
        At most 1, in the order of `p_values`.

    Examples
    --------
    >>> benjamini_hochberg_adjusted([0.04, 0.01]).tolist()
    [0.04, 0.02]
    """
    p = np.asarray(p_values)
    order = np.argsort(p)
    raw = p[order] / (np.arange(1, len(p) + 1) / len(p))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum.accumulate(raw[::-1])[::-1]
    return np.minimum(adjusted, 1.0)
