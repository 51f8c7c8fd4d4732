"""The ridge penalty of each training part, chosen with all units on blocks inside it.

Leaving out fold f and holding block b for choosing uses the same rows as leaving out b and holding f, so one
factorisation serves both.
"""

from collections.abc import Iterable
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
    """Choose a penalty for every training part that leaves out so many blocks, by leaving out each other block in turn."""
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
    """Lower Cholesky factor of a symmetric matrix; the upper triangle holds nothing that may be read.

    Raises
    ------
    TrainingError
        When the matrix is not positive definite.
    """
    lower, failed = lapack.dpotrf(
        matrix.T, lower=1, clean=0
    )  # transposed it lies as LAPACK reads it
    if failed:
        raise TrainingError(
            f"the inputs' covariance of {len(matrix)} columns could not be factorised (row {failed}); use a larger penalty, or "
            "leave out units that repeat others"
        )
    return np.asarray(lower)


def solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a positive definite system for several right-hand sides."""
    solved, _ = lapack.dpotrs(factor(matrix), right, lower=1)
    return np.asarray(solved)


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a positive definite matrix."""
    lower, _ = lapack.dpotri(factor(matrix), lower=1)
    full = np.tril(lower)
    return full + np.tril(full, -1).T


def parts(count: int, left_out: int) -> Iterable[Part]:
    """Every set of so many blocks of `count`."""
    return (frozenset(out) for out in combinations(range(count), left_out))
