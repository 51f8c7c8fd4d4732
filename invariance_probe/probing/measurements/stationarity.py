"""Is a target the same all session long? What a circular shift takes for granted.

A circular shift is exact when the target is stationary, whatever the activity does; so the target alone is looked at.
"""

import warnings

import numpy as np
from statsmodels.tools.sm_exceptions import InterpolationWarning
from statsmodels.tsa.stattools import kpss

PARTS = 30
"""Parts of a session whose means are tested: at single bins the automatic lag is too short for slow targets, and the test
rejected 12 to 35 % of stationary processes (tau 2 s, bins of .1 s, 60 to 900 s); on the means of parts, 2 to 9 %."""


def stationarity_p(columns: np.ndarray) -> float:
    """Return the smallest p value, from .01 to .1, of the level and the power of every column being the same all along.

    The KPSS test of level stationarity (Kwiatkowski et al. 1992, J Econometrics 54:159) on the means of `PARTS`
    successive parts; an augmented Dickey-Fuller test would not do, as it takes a trend that a fast process rides on
    for stationary. The columns are not corrected for: the p value is for a warning.

    Parameters
    ----------
    columns
        (window, column), at least 2 x `PARTS` windows, else 1 is returned.
    """
    length = len(columns) // PARTS
    if length < 2:
        return 1.0
    centred = columns - columns.mean(axis=0)
    moments = np.concatenate([centred, centred**2], axis=1)[: length * PARTS]
    means = moments.reshape(PARTS, length, -1).mean(axis=1)
    varying = means[:, means.std(axis=0) > 1e-12 * np.abs(moments).max(axis=0)]
    return min((_kpss_p(series) for series in varying.T), default=1.0)


def _kpss_p(series: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InterpolationWarning)  # p is only tabled from .01 to .1
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # the result's type will change; its second element is p in both
        return float(kpss(series, regression="c", nlags="auto")[1])
