"""Test whether a target is stationary, as a null of circular shifts assumes.

In: the target's columns. Out: a p value, by which a report decides whether to warn. A
null of circular shifts is exact if the target is stationary, whatever the activity
does, so only the target is tested.
"""

import warnings

import numpy as np
from statsmodels.tools.sm_exceptions import InterpolationWarning
from statsmodels.tsa.stattools import kpss

PARTS = 30
"""Number of successive parts of a session whose means are tested.

On single bins, the test's automatic choice of lag is too short for slow targets: it
rejected 12 to 35 % of simulated stationary targets (time constant 2 s, bins of 0.1 s,
sessions of 60 to 900 s). On the means of parts it rejected 2 to 9 %.
"""


def stationarity_p(columns: np.ndarray) -> float:
    """P value for the hypothesis that a target's mean and power are constant.

    The KPSS test of level stationarity (Kwiatkowski et al. 1992, J Econometrics 54:159)
    is applied to the means of `PARTS` successive parts. An augmented Dickey-Fuller test
    would be unsuitable, because it takes fast fluctuations around a trend for
    stationary. The p value is not corrected for the number of columns, as it is only
    used for a warning.

    Parameters
    ----------
    columns
        Columns of the target (window, column).

    Returns
    -------
    The smallest p value over the columns and their squares, from .01 to .1; 1 if no
    column varies, or if there are fewer than 2 x `PARTS` windows.
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
        # The type of the result will change; p stays its second element.
        warnings.simplefilter("ignore", FutureWarning)
        return float(kpss(series, regression="c", nlags="auto")[1])
