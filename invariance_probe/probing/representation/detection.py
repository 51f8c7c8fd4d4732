"""Augmentation decodability: how well a representation shows a corruption.

In: representations of clean and of corrupted windows. Out: how often a classifier picks
the corrupted one of the two versions of a window. If often, the representation shows
the corruption (it is equivariant to it, or leaks it). If no more often than by chance,
it is invariant.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

MOST_FITTED = 2000
"""Largest number of training windows that the classifier is fitted on.

They are evenly spaced.
"""
PENALTY = 1.0
"""Ridge penalty of the classifier.

The objective is the log-loss summed over pairs, plus this times half of the squared
coefficients.
"""


def detectability(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]
) -> float:
    """How often a logistic classifier picks the corrupted one of a pair.

    A value of .5 means that the corruption cannot be seen, 1 that it always can. The
    classifier reads the difference of the two versions of a window in every
    standardised dimension and in its square. So it sees a shift as well as a shrinkage.
    It has no intercept: exchanging the two versions only changes the sign of its
    decision. Accuracy and balanced accuracy are therefore the same number. A tie counts
    half.

    Parameters
    ----------
    train, test
        Clean and corrupted representations of the same windows, both (row, dim).
    """
    mean, sd = train[0].mean(axis=0), train[0].std(axis=0)
    sd = np.where(sd > 0, sd, 1.0)

    def difference(pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        first, second = ((values - mean) / sd for values in pair)
        return np.concatenate([second - first, second**2 - first**2], axis=1)

    seen = difference(train)
    scale = np.sqrt((seen**2).mean(axis=0))
    live = scale > 0
    if not live.any():
        return 0.5
    # Exchange the versions in every other pair; the loss does not depend on it.
    order = np.where(np.arange(len(seen)) % 2 == 0, 1, -1)
    classifier = LogisticRegression(C=1 / PENALTY, fit_intercept=False, max_iter=1000)
    classifier.fit(seen[:, live] / scale[live] * order[:, None], order)
    decision = (difference(test)[:, live] / scale[live]) @ classifier.coef_[0]
    return float((decision > 0).mean() + 0.5 * (decision == 0).mean())
