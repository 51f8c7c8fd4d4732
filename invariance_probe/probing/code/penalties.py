"""The ridge penalty of each training part, chosen with all units inside it.

In: the session's moments and candidate penalties. A training part is what remains of
the session when some blocks are left out. Out: one penalty per training part, the one
with the smallest squared error when each of the part's own blocks is held out in turn.
The file also holds the Cholesky solvers that the decoders of the code share.

Leaving out block f for the test and block b for the choice uses the same training rows
as leaving out b for the test and f for the choice. So one factorisation serves both.

In large sessions a factorisation is dear, and few penalties are tried: the search starts
at one of them and goes on while the error falls.
"""

from itertools import combinations
from statistics import mode

import numpy as np
from scipy.linalg import lapack

from invariance_probe.errors import TrainingError
from invariance_probe.probing.code.moments import STRIP, Moments, System

LeftOut = frozenset[int]
"""A training part, given by the numbers of the blocks that it leaves out."""


def choose_penalties(
    moments: Moments, left_out: int, penalties: tuple[float, ...], near: float | None = None
) -> dict[LeftOut, float]:
    """Choose a ridge penalty for each training part of a session.

    Inside a part, each of its blocks is held out in turn. Held-out rows within the
    embargo of a block that the part leaves out are not scored.

    Parameters
    ----------
    moments
        Moments of the session.
    left_out
        How many blocks a training part leaves out.
    penalties
        Candidates; the first of equally good ones is chosen.
    near
        The candidate at which the search starts. It and its neighbours are tried, then
        the neighbours of each part's best candidate, until these have larger errors.
        If omitted, all candidates are tried.

    Returns
    -------
    Penalty of each training part.
    """
    parts = combinations(range(len(moments.blocks)), left_out)
    errors = {frozenset(out): np.full(len(penalties), np.inf) for out in parts}
    ascending = np.argsort(penalties, kind="stable")
    tried = np.arange(len(penalties))
    if near is not None:
        rank = int(np.flatnonzero(ascending == penalties.index(near))[0])
        tried = ascending[max(0, rank - 1) : rank + 2]
    while len(tried):
        for part, found in _held_out_errors(
            moments, left_out, tuple(penalties[place] for place in tried)
        ).items():
            errors[part][tried] = found
        tried = _neighbours(np.stack(list(errors.values())), ascending)
    return {out: penalties[int(found.argmin())] for out, found in errors.items()}


def _held_out_errors(
    moments: Moments, left_out: int, penalties: tuple[float, ...]
) -> dict[LeftOut, np.ndarray]:
    """Squared errors of some penalties in each training part (penalty,).

    Parameters
    ----------
    moments, left_out
        As for `choose_penalties`.
    penalties
        The penalties.
    """
    count = len(moments.blocks)
    errors: dict[LeftOut, np.ndarray] = {
        frozenset(out): np.zeros(len(penalties)) for out in combinations(range(count), left_out)
    }
    for out in combinations(range(count), left_out + 1):
        system = System.of(moments.training(out), moments.features, overwrite=True)
        solved = np.stack(
            [solve(system.ridge(penalty), system.right, overwrite=True) for penalty in penalties],
            axis=1,
        )
        vectors = system.raw(solved)
        flat = vectors.reshape(len(vectors), -1)
        for held in out:
            rest = frozenset(out) - {held}
            products = (flat * (moments.block(held, rest) @ flat)).sum(axis=0)
            errors[rest] += products.reshape(len(penalties), -1).sum(axis=1)
    return errors


def _neighbours(errors: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Candidates beside the best one of any part that were not tried yet.

    Parameters
    ----------
    errors
        Squared errors (part, penalty), infinite for penalties that were not tried.
    ascending
        Positions of the penalties in ascending order.
    """
    best = np.flatnonzero(np.isin(ascending, errors.argmin(axis=1)))
    beside = np.unique(np.concatenate([best - 1, best + 1]).clip(0, len(ascending) - 1))
    return np.array([place for place in ascending[beside] if np.isinf(errors[0, place])], dtype=int)


def usual(chosen: dict[LeftOut, float]) -> float:
    """Penalty that most training parts have, from which another search may start.

    Parameters
    ----------
    chosen
        Penalty of each training part.
    """
    return mode(chosen.values())


def factor(matrix: np.ndarray, overwrite: bool = False) -> np.ndarray:
    """Compute the lower Cholesky factor of a symmetric matrix.

    The upper triangle of the result is not cleared and must not be read.

    Parameters
    ----------
    matrix
        The matrix (row, row).
    overwrite
        Whether the factor may take the place of the matrix, which is then lost.

    Raises
    ------
    TrainingError
        When the matrix is not positive definite.
    """
    # LAPACK reads column by column: the transpose of a C-ordered matrix lies that way.
    lower, failed = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=overwrite)
    if failed:
        raise TrainingError(
            f"the decoder cannot be fitted, because the covariance of its {len(matrix)} input "
            f"columns is not positive definite (first failure: row {failed}); use a larger "
            "penalty, or remove units that duplicate others"
        )
    return np.asarray(lower)


def solve(matrix: np.ndarray, right: np.ndarray, overwrite: bool = False) -> np.ndarray:
    """Solve a positive definite system for several right-hand sides.

    Parameters
    ----------
    matrix
        The system's matrix (row, row).
    right
        Right-hand sides (row, column).
    overwrite
        Whether the matrix may be lost.

    Returns
    -------
    Solutions (row, column).
    """
    solved, _ = lapack.dpotrs(factor(matrix, overwrite), right, lower=1)
    return np.asarray(solved)


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Invert a positive definite matrix."""
    lower, _ = lapack.dpotri(factor(matrix), lower=1, overwrite_c=1)
    full = lower.T
    # The upper triangle is copied to the lower one in strips, to hold one matrix only.
    for first in range(0, len(full), STRIP):
        own, before = slice(first, first + STRIP), slice(0, first)
        full[own, before] = full[before, own].T
        full[own, own] = np.triu(full[own, own]) + np.triu(full[own, own], 1).T
    return np.asarray(full)
