"""Closed-form ridge for stacked runs: all folds and penalties from few Grams.

In: features, targets and inner folds of every run. Out: coefficients of every run, with
the penalty that does best over its inner folds. The Gram matrices of the inner folds
are taken once. A training part is their sum without one, and the squared error of a
coefficient vector v on a part is v' G v. So the samples are read only once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

LANES = 8
"""Matrices are filled up to rows of a multiple of this many numbers.

Then they lie alike in memory for every run of a stack, and are multiplied and solved
alike to the last bit: a fit does not depend on what is stacked with it.
"""
UNIT = 0.01
"""A penalty of 1 is this many times the number of training rows.

Penalties act on standardised features.
"""


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """Fitted ridge regressions of stacked runs.

    Attributes
    ----------
    coefficients
        Of raw features (run, dim, column).
    intercepts
        (run, 1, column).
    penalties
        Chosen penalties (run, group).
    """

    coefficients: Tensor
    intercepts: Tensor
    penalties: Tensor

    def predict(self, x: Tensor) -> Tensor:
        """Predictions (run, row, column) for features (run, row, dim)."""
        read = torch.bmm(x.to(self.coefficients.dtype), _padded(self.coefficients))
        return read[..., : self.intercepts.shape[2]] + self.intercepts

    def weights(self) -> Tensor:
        """Weights of raw features (run, dim, column)."""
        return self.coefficients

    def chosen(self, runs: list[int]) -> "RidgeFit":
        """The fits of some of the runs; a run that is named twice comes twice."""
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
        Candidates, in units of `UNIT` times the number of training rows.
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
    """Add columns of zeros, which get no weight, up to a multiple of `LANES`."""
    return torch.nn.functional.pad(x, (0, -x.shape[-1] % LANES))


def _solve(gram: Tensor, dim: int, columns: int, penalties: Tensor) -> Tensor:
    """Coefficients, with the intercept last, from Gram matrices.

    Grams are (run, part, all, all), coefficients (run, part, penalty, dim + 1, column).
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
    """Sum of squared errors of each solution on its own part's Gram.

    The result is (run, part, penalty, column).
    """
    columns = solved.shape[-1]
    minus = -torch.eye(columns, dtype=solved.dtype, device=solved.device)
    vector = torch.cat([solved, minus.expand(*solved.shape[:-2], -1, -1)], dim=-2)
    vector = torch.nn.functional.pad(vector, (0, 0, 0, grams.shape[-1] - vector.shape[-2]))
    return (vector * (grams.unsqueeze(2) @ vector)).sum(-2)
