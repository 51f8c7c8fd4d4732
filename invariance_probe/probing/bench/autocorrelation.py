"""Autocorrelation time of a series: the lag at which its memory fades.

In: a series of values or class labels, one row per window, and the stretch that each
window lies in. Out: the first lag, in windows, at which the autocorrelation is below
1/e. Pairs of windows from different stretches are never compared.
"""

import math
from collections.abc import Callable

import numpy as np


def first_lag(values: np.ndarray, stretch: np.ndarray) -> int:
    """First lag (in windows) at which a series' autocorrelation is below 1/e.

    Parameters
    ----------
    values
        Series (window, column). The columns' autocorrelations are weighted by their
        variances.
    stretch
        Stretch of every window (window,). Only pairs of windows from one stretch are
        compared.

    Returns
    -------
    Lag in windows, at least 1. If the autocorrelation never falls below 1/e, the
    longest lag at which a stretch still holds a pair of windows.
    """
    centred = values - values.mean(axis=0)
    variance = float((centred**2).sum(axis=1).mean())
    return _first(
        lambda lag: (centred[lag:] * centred[:-lag]).sum(axis=1), stretch, variance / math.e
    )


def first_lag_of_classes(labels: np.ndarray, stretch: np.ndarray) -> int:
    """First lag (in windows) at which the agreement of class labels fades.

    Agreement is corrected for chance, (agreement - chance) / (1 - chance), where chance
    is the agreement of two windows drawn at random. The lag is the first at which this
    is below 1/e.

    Parameters
    ----------
    labels
        Class of every window (window,), counted from 0.
    stretch
        Stretch of every window (window,). Only pairs of windows from one stretch are
        compared.

    Returns
    -------
    Lag in windows, at least 1; as for `first_lag` where the agreement never fades.
    """
    chance = float(((np.bincount(labels) / len(labels)) ** 2).sum())
    return _first(
        lambda lag: labels[lag:] == labels[:-lag], stretch, chance + (1 - chance) / math.e
    )


def _first(products: Callable[[int], np.ndarray], stretch: np.ndarray, limit: float) -> int:
    """First lag at which the mean product within stretches is below the limit."""
    lag = 1
    for lag in range(1, len(stretch)):
        same = stretch[lag:] == stretch[:-lag]
        if not same.any():
            return max(1, lag - 1)
        if float(products(lag)[same].mean()) < limit:
            return lag
    return lag
