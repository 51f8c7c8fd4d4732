"""Closed-form ridge regression for stacked runs, by one Gram matrix per fold.

In: features and targets of several runs that are computed together (stacked; the run is
the first axis), and inner folds, which split each run's training rows. Out:
coefficients of each run, with the penalty that does best over its inner folds.

The Gram matrix of each inner fold is computed once. The Gram matrix of the rows outside
a fold is the sum of all of them less that of the fold. The squared error of a
coefficient vector v on a fold with Gram matrix G is v' G v. So the samples are read
only once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

LANES = 8
"""Matrices are padded with zeros to a multiple of this many columns.

They then have the same memory layout for every run of a stack, and are multiplied and
solved alike to the last bit. So a fit does not depend on what is stacked with it.
"""
UNIT = 0.01
"""Ridge, per training row, that a declared penalty of 1 stands for.

It acts on standardised features.
"""


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
        read = torch.bmm(x.to(self.coefficients.dtype), _padded(self.coefficients))
        return read[..., : self.intercepts.shape[2]] + self.intercepts

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
    x, y = _padded(x.to(torch.float64)), _padded(y.to(torch.float64))
    dim, columns = x.shape[2], y.shape[2]
    table = _padded(torch.cat([x, torch.ones_like(x[..., :1]), y], dim=2))
    folds = int(inner.max()) + 1
    parts = torch.stack(
        [
            torch.bmm((table * (inner == g).unsqueeze(2)).transpose(1, 2), table)
            for g in range(folds)
        ],
        dim=1,
    )
    whole = parts.sum(1, keepdim=True)
    candidates = torch.tensor(penalties, dtype=torch.float64, device=x.device)
    # held_out is (run, penalty, column), best (run, group), solved (run, penalty, dim + 1, column)
    held_out = _squared_errors(_solve(whole - parts, dim, columns, candidates), parts).sum(1)[
        ..., :targets
    ]
    best = held_out.reshape(*held_out.shape[:2], groups, -1).sum(3).argmin(1)
    solved = _solve(whole, dim, columns, candidates)[:, 0, :, :, :targets]
    chosen = best.repeat_interleave(targets // groups, dim=1)[:, None, None, :].expand(
        -1, 1, dim + 1, -1
    )
    coefficients = solved.gather(1, chosen).squeeze(1)
    return RidgeFit(coefficients[:, :features], coefficients[:, dim:], candidates[best])


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
    ridge = torch.eye(dim, dtype=gram.dtype, device=gram.device) * (UNIT * penalties)[:, None, None]
    factor, _ = torch.linalg.cholesky_ex(correlation.unsqueeze(-3) + ridge)
    right = (with_y * inverse_sd[..., :, None]).unsqueeze(-3).expand(*factor.shape[:-2], -1, -1)
    weights = torch.cholesky_solve(right, factor) * inverse_sd[..., None, :, None]
    intercept = mean_y[..., None, None, :] - (weights * mean_x[..., None, :, None]).sum(
        -2, keepdim=True
    )
    return torch.cat([weights, intercept], dim=-2)


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
    return (vector * (grams.unsqueeze(2) @ vector)).sum(-2)
