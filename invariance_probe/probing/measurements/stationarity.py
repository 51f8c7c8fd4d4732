"""Whether a target is the same all session long, as a circular shift assumes.

In: the target's columns. Out: a p value for a warning. A circular shift is exact when
the target is stationary, whatever the activity does; so only the target is tested.
"""

import warnings

import numpy as np
from statsmodels.tools.sm_exceptions import InterpolationWarning
from statsmodels.tsa.stattools import kpss

PARTS = 30
"""Number of parts of a session whose means are tested.

At single bins the automatic lag is too short for slow targets: the test rejected 12 to
35 % of stationary processes (tau 2 s, bins of .1 s, 60 to 900 s). On the means of parts
it rejected 2 to 9 %.
"""


def stationarity_p(columns: np.ndarray) -> float:
    """P value of the test that every column's level and power stay the same.

    The KPSS test of level stationarity (Kwiatkowski et al. 1992, J Econometrics 54:159)
    is applied to the means of `PARTS` successive parts. An augmented Dickey-Fuller test
    would not do, as it takes a trend that a fast process rides on for stationary. The p
    value is not corrected for the number of columns: it is for a warning.

    Parameters
    ----------
    columns
        Target (window, column), at least 2 x `PARTS` windows, else 1 is returned.

    Returns
    -------
    The smallest p value over columns and their squares, from .01 to .1; 1 where nothing
    can be tested.
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
        # The result's type will change; its second element is p in both.
        warnings.simplefilter("ignore", FutureWarning)
        return float(kpss(series, regression="c", nlags="auto")[1])
