"""Augmentation decodability: whether a representation shows a corruption.

In: representations of clean and of corrupted windows. Out: how often the corrupted one
of a pair is picked. High: the representation carries the corruption along (it is
equivariant to it, or leaks it). Low: it is invariant.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

MOST_FITTED = 2000
"""Most training windows that are fitted, evenly spaced."""
PENALTY = 1.0
"""Weight of half the squared coefficients.

It stands against the summed log-loss of the pairs.
"""


def detectability(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]
) -> float:
    """How often a logistic classifier picks the corrupted one of a pair.

    A value of .5 means that the corruption is invisible, 1 that it is plainly visible.
    The two orders of a pair are one question, so the classifier is antisymmetric:
    without intercept, on the difference of the two windows' features. These are the
    standardised dimensions and their squares, so that a shift is seen and a shrinkage
    too. With both orders counted, accuracy and balanced accuracy are the same number; a
    tie counts half.

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
    # Which of the two stands first; the loss does not depend on it.
    order = np.where(np.arange(len(seen)) % 2 == 0, 1, -1)
    classifier = LogisticRegression(C=1 / PENALTY, fit_intercept=False, max_iter=1000)
    classifier.fit(seen[:, live] / scale[live] * order[:, None], order)
    decision = (difference(test)[:, live] / scale[live]) @ classifier.coef_[0]
    return float((decision > 0).mean() + 0.5 * (decision == 0).mean())
