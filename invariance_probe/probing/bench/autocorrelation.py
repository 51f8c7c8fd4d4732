"""Autocorrelation time: the lag at which autocorrelation falls below 1/e.

In: a series of values or class labels, one row per window, and the stretch (a trial or
gap-free piece of the recording) that each window lies in. Out: the first lag, in
windows, at which the autocorrelation is below 1/e. Windows from different stretches are
never compared.
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
        Stretch of each window (window,). Only pairs of windows from one stretch are
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
    """First lag (in windows) at which chance-corrected agreement is below 1/e.

    Agreement is the proportion of pairs of windows with the same class. It is corrected
    as (agreement - chance) / (1 - chance), where chance is the agreement of two windows
    drawn at random.

    Parameters
    ----------
    labels
        Class of each window (window,), counted from 0.
    stretch
        Stretch of each window (window,). Only pairs of windows from one stretch are
        compared.

    Returns
    -------
    Lag in windows, at least 1. If the agreement never falls below 1/e, the longest lag
    at which a stretch still holds a pair of windows.
    """
    chance = float(((np.bincount(labels) / len(labels)) ** 2).sum())
    return _first(
        lambda lag: labels[lag:] == labels[:-lag], stretch, chance + (1 - chance) / math.e
    )


def _first(products: Callable[[int], np.ndarray], stretch: np.ndarray, limit: float) -> int:
    """First lag at which the mean product within stretches is below the limit.

    Parameters
    ----------
    products
        From a lag to one value per pair of windows with that lag (pair,).
    stretch
        Stretch of each window (window,).
    limit
        Value that the mean must fall below.

    Returns
    -------
    Lag in windows, at least 1. If the mean never falls below the limit, the longest lag
    at which a stretch still holds a pair of windows.
    """
    lag = 1
    for lag in range(1, len(stretch)):
        same = stretch[lag:] == stretch[:-lag]
        if not same.any():
            return max(1, lag - 1)
        if float(products(lag)[same].mean()) < limit:
            return lag
    return lag
