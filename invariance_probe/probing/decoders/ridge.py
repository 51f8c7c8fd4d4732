"""Closed-form ridge regression for stacked runs, by one Gram matrix per fold.

In: features and targets of several runs that are computed together (stacked; the run is
the first axis), and inner folds, which split each run's training rows. Out:
coefficients of each run, with the penalty that does best over its inner folds.

The Gram matrix of each inner fold is computed once. The Gram matrix of the rows outside
a fold is the sum of all of them less that of the fold. The squared error of a
coefficient vector v on a fold with Gram matrix G is v' G v. So the samples are read
only once. Inputs that are too large to be held as one table are added up in chunks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.plan.memory import TABLE_VALUES

LANES = 8
"""Matrices are padded with zeros to a multiple of this many columns.

They then have the same memory layout for every run of a stack, and are multiplied and
solved alike to the last bit. So a fit does not depend on what is stacked with it.
"""
UNIT = 0.01
"""Ridge, per training row, that a declared penalty of 1 stands for.

It acts on standardised features.
"""
SOLVED_VALUES = 1 << 25
"""Largest number of values of the matrices that are factored at once."""


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """Fitted ridge regressions of stacked runs.

    Attributes
    ----------
    coefficients
        Coefficients of features that are not standardised (run, dim, column).
    intercepts
        (run, 1, column).
    penalties
        Chosen penalties (run, group).
    """

    coefficients: Tensor
    intercepts: Tensor
    penalties: Tensor

    def predict(self, x: Tensor) -> Tensor:
        """Predict the target columns (run, row, column).

        Parameters
        ----------
        x
            Features (run, row, dim).
        """
        weights = _padded(self.coefficients)
        read = [
            torch.bmm(part.to(self.coefficients.dtype), weights)[..., : self.intercepts.shape[2]]
            for part in row_chunks(x)
        ]
        return (read[0] if len(read) == 1 else torch.cat(read, dim=1)) + self.intercepts

    def weights(self) -> Tensor:
        """Coefficients of features that are not standardised (run, dim, column)."""
        return self.coefficients

    def chosen(self, runs: list[int]) -> "RidgeFit":
        """Select the fits of some runs.

        Parameters
        ----------
        runs
            Positions of the runs in the stack; a position may be repeated.
        """
        return RidgeFit(self.coefficients[runs], self.intercepts[runs], self.penalties[runs])


def fit_ridge(
    x: Tensor, y: Tensor, inner: Tensor, penalties: tuple[float, ...], groups: int = 1
) -> RidgeFit:
    """Fit ridge regressions, each with its best penalty over inner folds.

    Parameters
    ----------
    x
        Features (run, row, dim).
    y
        Targets (run, row, column).
    inner
        Inner fold of each row (run, row), 0, 1 ...; -1 for rows that are not used.
    penalties
        Candidate penalties, in units of `UNIT` times the number of training rows.
    groups
        Number of equal groups of successive columns; each group chooses its own
        penalty.
    """
    features, targets = x.shape[2], y.shape[2]
    folds = int(inner.max()) + 1
    grams: dict[int, Tensor] = {}
    for rows, columns, fold_of in zip(
        row_chunks(x), row_chunks(y, x), row_chunks(inner, x), strict=True
    ):
        table = _table(rows, columns)
        for g in range(folds):
            own = (fold_of == g).unsqueeze(2)
            # Folds are contiguous, so that most chunks have rows of one fold only.
            if g not in grams or bool(own.any()):
                gram = torch.bmm((table * own).transpose(1, 2), table)
                grams[g] = grams[g].add_(gram) if g in grams else gram
    parts = torch.stack([grams[g] for g in range(folds)], dim=1)
    return _fit_grams(parts, features, targets, penalties, groups)


def row_chunks(x: Tensor, like: Tensor | None = None) -> Iterator[Tensor]:
    """Cut rows into successive chunks; tables of usual size stay whole.

    Parameters
    ----------
    x
        (run, row, ...).
    like
        A table (run, row, dim) of the same rows, whose chunks are used; `x` itself if
        omitted.
    """
    table = x if like is None else like
    rows = table.shape[1]
    at_once = max(1, TABLE_VALUES // max(1, table.shape[2]))
    return iter((x,)) if rows <= at_once else iter(x.split(at_once, dim=1))


def _table(x: Tensor, y: Tensor) -> Tensor:
    """Put features, a column of ones and targets side by side, each of them padded."""
    x, y = _padded(x.to(torch.float64)), _padded(y.to(torch.float64))
    return _padded(torch.cat([x, torch.ones_like(x[..., :1]), y], dim=2))


def _fit_grams(
    parts: Tensor, features: int, targets: int, penalties: tuple[float, ...], groups: int = 1
) -> RidgeFit:
    """Fit ridge regressions to the Gram matrices of the inner folds' rows.

    Parameters
    ----------
    parts
        Gram matrices (run, inner fold, side, side) of the columns (features, 1,
        targets), as `_table` pads them.
    features, targets
        Number of feature and of target columns, without the padding.
    penalties, groups
        As for `fit_ridge`.
    """
    dim, columns = features + -features % LANES, targets + -targets % LANES
    candidates = torch.tensor(penalties, dtype=torch.float64, device=parts.device)
    matrices = max(1, SOLVED_VALUES // (parts.shape[-1] ** 2 * len(penalties)))
    at_once = max(1, matrices // parts.shape[1])
    fits = [
        _fit_some(some, dim, columns, targets, candidates, groups, matrices)
        for some in parts.split(at_once)
    ]
    coefficients, best = (
        torch.cat(found) if len(fits) > 1 else found[0] for found in zip(*fits, strict=True)
    )
    return RidgeFit(coefficients[:, :features], coefficients[:, dim:], candidates[best])


def _fit_some(
    parts: Tensor,
    dim: int,
    columns: int,
    targets: int,
    candidates: Tensor,
    groups: int,
    matrices: int,
) -> tuple[Tensor, Tensor]:
    """Fit the ridge regressions of some runs.

    Parameters
    ----------
    parts
        Gram matrices of the inner folds (run, inner fold, side, side).
    dim, columns
        Number of features and of target columns, both padded.
    targets
        Number of target columns without the padding.
    candidates
        Candidate penalties (penalty,).
    groups
        Number of groups of columns that choose their own penalty.
    matrices
        Number of Gram matrices that are solved at once with all penalties.

    Returns
    -------
    Coefficients with the intercepts last (run, dim + 1, column), and the position of
    the chosen penalty (run, group).
    """
    whole = parts.sum(1, keepdim=True)
    # held_out is (run, penalty, column), best (run, group), solved (run, penalty, dim + 1, column)
    errors = [
        _squared_errors(_solve(whole - some, dim, columns, candidates), some).sum(1)
        for some in parts.split(max(1, matrices), dim=1)
    ]
    held_out = (errors[0] if len(errors) == 1 else torch.stack(errors).sum(0))[..., :targets]
    best = held_out.reshape(*held_out.shape[:2], groups, -1).sum(3).argmin(1)
    solved = _solve(whole, dim, columns, candidates)[:, 0, :, :, :targets]
    chosen = best.repeat_interleave(targets // groups, dim=1)[:, None, None, :].expand(
        -1, 1, dim + 1, -1
    )
    return solved.gather(1, chosen).squeeze(1), best


def _padded(x: Tensor) -> Tensor:
    """Append columns of zeros, up to a multiple of `LANES`; they get no weight."""
    return torch.nn.functional.pad(x, (0, -x.shape[-1] % LANES))


def _solve(gram: Tensor, dim: int, columns: int, penalties: Tensor) -> Tensor:
    """Solve for the coefficients, with the intercept last, from Gram matrices.

    Parameters
    ----------
    gram
        Gram matrices of the padded columns (features, 1, targets) (run, part, side,
        side).
    dim
        Number of features.
    columns
        Number of target columns.
    penalties
        Candidate penalties (penalty,).

    Returns
    -------
    (run, part, penalty, dim + 1, column).
    """
    targets = slice(dim + 1, dim + 1 + columns)
    rows = gram[..., dim, dim][..., None]
    mean_x, mean_y = gram[..., dim, :dim] / rows, gram[..., dim, targets] / rows
    covariance = (
        gram[..., :dim, :dim] / rows[..., None] - mean_x[..., :, None] * mean_x[..., None, :]
    )
    with_y = (
        gram[..., :dim, targets] / rows[..., None] - mean_x[..., :, None] * mean_y[..., None, :]
    )
    variance = covariance.diagonal(dim1=-2, dim2=-1)
    live = variance > 1e-12 * variance.amax(-1, keepdim=True).clamp_min(1e-300)
    inverse_sd = torch.where(live, variance.clamp_min(1e-300).rsqrt(), 0.0)
    correlation = covariance * inverse_sd[..., :, None] * inverse_sd[..., None, :]
    right = with_y * inverse_sd[..., :, None]
    at_once = max(1, SOLVED_VALUES // correlation.numel())
    found = [_penalised(correlation, right, some) for some in penalties.split(at_once)]
    weights = found[0] if len(found) == 1 else torch.cat(found, dim=-3)
    weights = weights * inverse_sd[..., None, :, None]
    intercept = mean_y[..., None, None, :] - (weights * mean_x[..., None, :, None]).sum(
        -2, keepdim=True
    )
    return torch.cat([weights, intercept], dim=-2)


def _penalised(correlation: Tensor, right: Tensor, penalties: Tensor) -> Tensor:
    """Solve for weights on standardised features at each penalty.

    Parameters
    ----------
    correlation
        Correlations of the features (..., dim, dim).
    right
        Covariances of standardised features with the targets (..., dim, column).
    penalties
        Penalties (penalty,).

    Returns
    -------
    (..., penalty, dim, column).
    """
    shape = (*correlation.shape[:-2], len(penalties), -1, -1)
    matrix = correlation.unsqueeze(-3).expand(shape).clone()
    matrix.diagonal(dim1=-2, dim2=-1).add_((UNIT * penalties)[:, None])
    factor, _ = torch.linalg.cholesky_ex(matrix)
    del matrix
    return torch.cholesky_solve(right.unsqueeze(-3).expand(shape), factor)


def _squared_errors(solved: Tensor, grams: Tensor) -> Tensor:
    """Sum the squared errors of each solution on the Gram matrix of its own part.

    Parameters
    ----------
    solved
        Coefficients (run, part, penalty, dim + 1, column).
    grams
        Gram matrices of the held-out rows (run, part, side, side).

    Returns
    -------
    (run, part, penalty, column).
    """
    columns = solved.shape[-1]
    minus = -torch.eye(columns, dtype=solved.dtype, device=solved.device)
    vector = torch.cat([solved, minus.expand(*solved.shape[:-2], -1, -1)], dim=-2)
    vector = torch.nn.functional.pad(vector, (0, 0, 0, grams.shape[-1] - vector.shape[-2]))
    if grams.shape[-1] ** 2 * vector.shape[2] <= SOLVED_VALUES:
        products = grams.unsqueeze(2) @ vector  # this repeats the Gram matrix for each penalty
    else:
        products = torch.stack([grams @ vector[:, :, i] for i in range(vector.shape[2])], dim=2)
    return (vector * products).sum(-2)
