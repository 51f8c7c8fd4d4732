"""Scores that are usually reported beside a decoding loss: R2, accuracy, F1.

In: predictions and true values of test windows. Out: their `Scores`. No verdict rests
on them.
"""

import numpy as np
from sklearn import metrics

from invariance_probe.plan.figures.decoded import Scores

NARROW, WIDE = np.pi / 8, 3 * np.pi / 16
"""Angular errors (radians) below which a decoded direction counts as right.

`NARROW` is half of the angle between two neighbours of eight directions, and `WIDE` is
one and a half times that.
"""


def direction_scores(predicted: np.ndarray, actual: np.ndarray) -> Scores:
    """Proportion of test windows whose decoded angle counts as right.

    `accuracy` counts errors below pi / 8, and `accuracy_wide` errors below 3 pi / 16.

    Parameters
    ----------
    predicted, actual
        Cosine and sine (window, 2); predictions need not have length 1.

    References
    ----------
    Azabou et al. 2021, arXiv:2102.10106, section 4 (reach direction).
    """
    error = np.angle(
        np.exp(
            1j
            * (
                np.arctan2(predicted[:, 1], predicted[:, 0])
                - np.arctan2(actual[:, 1], actual[:, 0])
            )
        )
    )
    return Scores(
        accuracy=float((np.abs(error) < NARROW).mean()),
        accuracy_wide=float((np.abs(error) < WIDE).mean()),
    )


def class_scores(predicted: np.ndarray, actual: np.ndarray) -> Scores:
    """Accuracy, balanced accuracy, and F1 averaged in two ways.

    F1 is averaged over classes with equal weights, and with their frequencies as
    weights. Classes that are absent from the test windows do not enter the averages.

    Parameters
    ----------
    predicted, actual
        Classes (window,).
    """
    held = np.unique(actual)
    f1 = {"labels": held, "zero_division": 0.0}
    return Scores(
        accuracy=float((predicted == actual).mean()),
        balanced_accuracy=float(
            metrics.recall_score(actual, predicted, labels=held, average="macro", zero_division=0.0)
        ),
        f1_macro=float(metrics.f1_score(actual, predicted, average="macro", **f1)),
        f1_weighted=float(metrics.f1_score(actual, predicted, average="weighted", **f1)),
    )


def column_scores(predicted: np.ndarray, actual: np.ndarray) -> Scores:
    """R2 relative to the mean of the test windows; None for a constant target.

    Columns are weighted by their variance over the test windows.

    Parameters
    ----------
    predicted, actual
        (window, column).
    """
    if len(actual) < 2 or not np.ptp(actual, axis=0).any():
        return Scores()
    return Scores(r2=float(metrics.r2_score(actual, predicted, multioutput="variance_weighted")))
