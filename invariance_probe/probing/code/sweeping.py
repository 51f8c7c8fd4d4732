"""Sweep units in and out of a ridge regression, one after another.

In: normal equations, or their inverse. Out: the units in a greedy or a given order
(`Sweep`), and held-out squared errors of each nested set of units.

For normal equations A w = b, adding one more unit is a step of pivoted Cholesky on (A,
b), and removing one is the same step on (A^-1, A^-1 b): a block step with pivot D and
residual r raises or lowers the explained variance by r' D^-1 r. The weights of all
nested sets are then sums w_0 + sum_i u_i y_i', so that their errors follow from
cumulative sums: of the products of all u_i or, which costs less where the target has
fewer columns than a unit has input columns, of the weights themselves.

References
----------
Beale, Kendall & Mann 1967, doi:10.1093/biomet/54.3-4.357 (sweeping variables in and
out).
Golub & Van Loan 2013, Matrix Computations, section 4.2 (pivoted Cholesky
factorisation).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack, solve_triangular

from invariance_probe.probing.code.moments import HeldOutMoments
from invariance_probe.probing.code.penalties import factor

PANEL = 128
"""Rows of a greedy sweep's factor after which the rest of a large matrix is updated."""
BEYOND = 1.25
"""Factor by which a sweep runs beyond the crossing of half in training.

Held-out curves cross half at another step. One that crosses still later is swept again,
further.
"""


@dataclass(frozen=True, eq=False)
class Sweep:
    """Units that were added or removed one after another.

    Attributes
    ----------
    order
        The units, in this order (step,).
    columns
        Rows of the pivoted Cholesky factor (step x bin, feature).
    loads
        Components of the target on these rows (step x bin, column). Their squares are
        changes of the explained variance.
    bins
        Input columns per unit.
    """

    order: np.ndarray
    columns: np.ndarray
    loads: np.ndarray
    bins: int

    @property
    def changes(self) -> np.ndarray:
        """Change of the explained variance at each step (step,), not negative."""
        return (self.loads**2).sum(axis=1).reshape(len(self.order), -1).sum(axis=1)

    def first(self, steps: int) -> "Sweep":
        """Cut the sweep after a number of steps.

        Parameters
        ----------
        steps
            Number of steps to keep.
        """
        return Sweep(
            self.order[:steps],
            self.columns[: steps * self.bins],
            self.loads[: steps * self.bins],
            self.bins,
        )


def greedy(
    matrix: np.ndarray,
    right: np.ndarray,
    bins: int,
    enough: float,
    least: int = 0,
    panel: int | None = None,
) -> Sweep:
    """Sweep units greedily: the next unit is the one with the largest change.

    The change is that of the explained variance. The sweep runs well beyond the step at
    which the changes sum to `enough`, because held-out curves may cross half later.

    Parameters
    ----------
    matrix
        Normal equations to add units, or their inverse to remove them (feature,
        feature).
    right
        Right-hand side, or its solution (feature, column).
    bins
        Input columns per unit, which lie side by side.
    enough
        Explained variance that the changes have to sum to. The sweep ends at about
        `BEYOND` times the step that reaches it (`round_up`).
    least
        Smallest number of steps, unless there are fewer units.
    panel
        Number of rows of the factor after which what is left of the matrix is updated,
        so that a step reads few rows; None if every step reads all rows before it. Only
        rounding differs.
    """
    features, units = len(matrix), len(matrix) // bins
    rest, updated = matrix, 0
    pivots = _own_blocks(matrix, bins)
    residual, columns, order = (
        right.copy(),
        np.empty((units * bins, features)),
        np.empty(units, dtype=np.int64),
    )
    loads, summed, steps = np.empty((units * bins, right.shape[1])), 0.0, units
    left = np.ones(units, dtype=bool)
    step = 0
    while step < steps:
        scores = np.where(left, _scores(pivots, residual, bins), -np.inf)
        unit = order[step] = int(scores.argmax())
        own, rows = slice(unit * bins, (unit + 1) * bins), slice(step * bins, (step + 1) * bins)
        if panel is not None and step * bins - updated >= panel:
            since = columns[updated : step * bins]
            explained = since.T @ since
            rest, updated = np.subtract(rest, explained, out=explained), step * bins
        known = columns[updated : step * bins]
        lower = factor(pivots[unit])
        columns[rows] = _forward(lower, rest[own] - known[:, own].T @ known)
        loads[rows] = _forward(lower, residual[own])
        residual -= columns[rows].T @ loads[rows]
        by_unit = columns[rows].T.reshape(units, bins, bins)
        pivots -= by_unit**2 if bins == 1 else by_unit @ by_unit.transpose(0, 2, 1)
        pivots[unit], left[unit] = np.eye(bins), False  # keep it invertible; its score is masked
        step, before, summed = step + 1, summed, summed + float(scores[unit])
        if before < enough <= summed:
            steps = min(units, max(least, round_up(step)))
    return Sweep(order[:step], columns[: step * bins], loads[: step * bins], bins)


def round_up(crossing: float) -> int:
    """Number of steps to sweep if the training data cross half at a given step.

    Parameters
    ----------
    crossing
        Step of the crossing, not rounded.
    """
    return int(BEYOND * crossing) + 3


def in_order(matrix: np.ndarray, right: np.ndarray, order: np.ndarray, bins: int) -> Sweep:
    """Sweep units in a given order.

    Parameters
    ----------
    matrix, right, bins
        As for `greedy`.
    order
        The units, in this order (step,).
    """
    own = features_of(order, bins)
    lower = factor(matrix[np.ix_(own, own)], overwrite=True)
    return Sweep(order, _forward(lower, matrix[own]), _forward(lower, right[own]), bins)


def features_of(units: np.ndarray, bins: int) -> np.ndarray:
    """Input columns of given units (unit x bin,).

    Parameters
    ----------
    units
        Numbers of the units (unit,).
    bins
        Input columns per unit, which lie side by side.
    """
    return (units[:, None] * bins + np.arange(bins)).ravel()


def errors_gained(sweep: Sweep, tested: HeldOutMoments, by_weights: bool = False) -> np.ndarray:
    """Held-out squared errors after each unit is added.

    Parameters
    ----------
    sweep
        A sweep of the normal equations.
    tested
        Moments of a held-out block.
    by_weights
        Whether the errors are those of each nested set's weights, one by one.

    Returns
    -------
    (step + 1,), from no unit to all units of the sweep.
    """
    own = features_of(sweep.order, sweep.bins)
    if not len(own):
        return np.array([tested.power])
    upper, _ = lapack.dtrtri(np.ascontiguousarray(sweep.columns[:, own].T), lower=1)
    basis = np.tril(upper)
    if by_weights:
        weights = np.zeros((len(tested.gram), len(sweep.order) + 1, tested.right.shape[1]))
        weights[own, 1:] = _cumulated_weights(sweep, basis)
        return tested.errors(weights)
    gram = tested.gram[np.ix_(own, own)]
    linear = -(sweep.loads * (basis @ tested.right[own])).sum(axis=1)
    return _cumulated(tested.power, linear, sweep, basis @ gram @ basis.T)


def errors_lost(
    sweep: Sweep, weights: np.ndarray, tested: HeldOutMoments, by_weights: bool = False
) -> np.ndarray:
    """Held-out squared errors after each unit is removed.

    Parameters
    ----------
    sweep
        A sweep of the inverse of the normal equations.
    weights
        Weights of all units (feature, column).
    tested
        Moments of a held-out block.
    by_weights
        Whether the errors are those of each nested set's weights, one by one.

    Returns
    -------
    (step + 1,); the first value is with all units.
    """
    if by_weights:
        nested = np.repeat(weights[:, None], len(sweep.order) + 1, axis=1)
        nested[:, 1:] -= _cumulated_weights(sweep, sweep.columns)
        return tested.errors(nested)
    fitted = tested.gram @ weights
    power = tested.power + float((weights * (fitted - 2 * tested.right)).sum())
    linear = -(sweep.loads * (sweep.columns @ (fitted - tested.right))).sum(axis=1)
    return _cumulated(power, linear, sweep, sweep.columns @ tested.gram @ sweep.columns.T)


def _cumulated_weights(sweep: Sweep, rows: np.ndarray) -> np.ndarray:
    """Weights that a sweep has added or removed by each step (feature, step, column).

    Parameters
    ----------
    sweep
        The sweep.
    rows
        Weights that belong to each of its loads (step x bin, feature).
    """
    steps = len(sweep.order)
    by_step = rows.reshape(steps, sweep.bins, -1).transpose(0, 2, 1) @ sweep.loads.reshape(
        steps, sweep.bins, -1
    )
    return np.asarray(np.cumsum(by_step, axis=0).transpose(1, 0, 2))


def _cumulated(power: float, linear: np.ndarray, sweep: Sweep, products: np.ndarray) -> np.ndarray:
    """Errors after every step of a sweep (step + 1,), by cumulative sums.

    With l = `linear`, p = `products` and y = `sweep.loads`, they are power + 2 sum_i
    l_i + sum_ij (y_i . y_j) p_ij over the first rows of the sweep.

    Parameters
    ----------
    power
        Error before the first step.
    linear
        Linear change of the error with each row of the sweep (step x bin,).
    products
        Products of the rows under the held-out moments (step x bin, step x bin).
    """
    pairs = products * (sweep.loads @ sweep.loads.T)
    added = 2 * linear + 2 * np.tril(pairs, -1).sum(axis=1) + pairs.diagonal()
    return np.concatenate([[power], power + np.cumsum(added)[sweep.bins - 1 :: sweep.bins]])


def unit_gains(matrix: np.ndarray, right: np.ndarray, bins: int) -> np.ndarray:
    """Variance of the target that each unit explains by itself (unit,).

    Parameters
    ----------
    matrix, right, bins
        As for `greedy`, with the normal equations.
    """
    return _scores(_own_blocks(matrix, bins), right, bins)


def _own_blocks(matrix: np.ndarray, bins: int) -> np.ndarray:
    """Blocks of a matrix on its diagonal, one per unit (unit, bin, bin)."""
    units = np.arange(len(matrix) // bins)
    return matrix.reshape(len(units), bins, len(units), bins)[units, :, units].copy()


def _scores(pivots: np.ndarray, residual: np.ndarray, bins: int) -> np.ndarray:
    """Change of the explained variance if each unit came next (unit,)."""
    if bins == 1:
        return (residual**2).sum(axis=1) / pivots[:, 0, 0]
    own = residual.reshape(len(pivots), bins, -1)
    return (own * np.linalg.solve(pivots, own)).sum(axis=(1, 2))


def _forward(lower: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve a lower triangular system by forward substitution."""
    if len(lower) == 1:
        return right / lower[0, 0]
    return np.asarray(solve_triangular(lower, right, lower=True, check_finite=False))
