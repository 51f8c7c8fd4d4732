"""The ridge penalty of each training part, chosen with all units inside it.

In: the session's moments and candidate penalties. Out: one penalty per training part,
the one with the smallest squared error on the part's own blocks, each held out in turn.
The file also holds the Cholesky solvers that the code's decoders share.

Leaving out fold f and holding block b for choosing uses the same rows as leaving out b
and holding f. So one factorisation serves both.
"""

from itertools import combinations

import numpy as np
from scipy.linalg import lapack

from invariance_probe.errors import TrainingError
from invariance_probe.probing.code.moments import Moments, System

Part = frozenset[int]
"""The blocks that a training part leaves out."""


def choose_penalties(
    moments: Moments, left_out: int, penalties: tuple[float, ...]
) -> dict[Part, float]:
    """Choose a ridge penalty for every training part of a session.

    Inside a part, each of its blocks is held out in turn. Held-out rows that the
    embargo of a left-out block forbids do not count.

    Parameters
    ----------
    moments
        Moments of the session.
    left_out
        How many blocks a training part leaves out.
    penalties
        Candidates; the first of equally good ones is chosen.
    """
    count = len(moments.blocks)
    errors: dict[Part, np.ndarray] = {
        frozenset(out): np.zeros(len(penalties)) for out in combinations(range(count), left_out)
    }
    for out in combinations(range(count), left_out + 1):
        system = System.of(moments.training(out), moments.features)
        solved = np.stack(
            [solve(system.ridge(penalty), system.right) for penalty in penalties], axis=1
        )
        vectors = system.raw(solved)
        flat = vectors.reshape(len(vectors), -1)
        for held in out:
            rest = frozenset(out) - {held}
            products = (flat * (moments.block(held, rest) @ flat)).sum(axis=0)
            errors[rest] += products.reshape(len(penalties), -1).sum(axis=1)
    return {out: penalties[int(found.argmin())] for out, found in errors.items()}


def factor(matrix: np.ndarray) -> np.ndarray:
    """Lower Cholesky factor of a symmetric matrix.

    The upper triangle of the result is not cleared and must not be read.

    Raises
    ------
    TrainingError
        When the matrix is not positive definite.
    """
    # LAPACK reads column by column: the transpose of a C-ordered matrix lies that way.
    lower, failed = lapack.dpotrf(matrix.T, lower=1, clean=0)
    if failed:
        raise TrainingError(
            f"the inputs' covariance of {len(matrix)} columns could not be factorised "
            f"(row {failed}); use a larger penalty, or leave out units that repeat others"
        )
    return np.asarray(lower)


def solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a positive definite system for several right-hand sides.

    Parameters
    ----------
    matrix
        (row, row).
    right
        Right-hand sides (row, column).

    Returns
    -------
    (row, column).
    """
    solved, _ = lapack.dpotrs(factor(matrix), right, lower=1)
    return np.asarray(solved)


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a positive definite matrix."""
    lower, _ = lapack.dpotri(factor(matrix), lower=1)
    full = np.tril(lower)
    return full + np.tril(full, -1).T
