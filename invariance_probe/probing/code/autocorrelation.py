"""How long a series remembers: the first lag at which its autocorrelation is below 1/e, inside stretches."""

import math
from collections.abc import Callable

import numpy as np


def first_lag(values: np.ndarray, stretch: np.ndarray) -> int:
    """First lag (in windows) at which the autocorrelation of a series is below 1/e.

    Parameters
    ----------
    values
        (window, column); columns weigh by their variance.
    stretch
        Stretch of every window (window,); pairs of windows lie in one.

    Returns
    -------
    At least 1; the longest lag that pairs of windows have where none is below.
    """
    centred = values - values.mean(axis=0)
    variance = float((centred**2).sum(axis=1).mean())
    return _first(
        lambda lag: (centred[lag:] * centred[:-lag]).sum(axis=1), stretch, variance / math.e
    )


def first_lag_of_classes(labels: np.ndarray, stretch: np.ndarray) -> int:
    """The same of classes (window,), by (agreement - chance) / (1 - chance), with chance that of two random windows."""
    chance = float(((np.bincount(labels) / len(labels)) ** 2).sum())
    return _first(
        lambda lag: labels[lag:] == labels[:-lag], stretch, chance + (1 - chance) / math.e
    )


def _first(products: Callable[[int], np.ndarray], stretch: np.ndarray, limit: float) -> int:
    lag = 1
    for lag in range(1, len(stretch)):
        same = stretch[lag:] == stretch[:-lag]
        if not same.any():
            return max(1, lag - 1)
        if float(products(lag)[same].mean()) < limit:
            return lag
    return lag
