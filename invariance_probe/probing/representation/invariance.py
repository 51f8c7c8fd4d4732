"""Label-free invariance S: how little a representation moves when corrupted.

S = 1 - E|f(x) - f(a x)|^2 / E|f(x) - f(x')|^2, where f(x) represents a window, f(a x)
its corrupted version, and f(x') another window. S is 1 where corruption moves nothing,
and 0 where a corrupted window is as far from itself as from another window. In:
representations, and how far corruption moves them. Out: S in the whole representation
and in parts of it.
"""

import torch
from torch import Tensor

from invariance_probe.plan.figures.examined import CorruptionFigures


def moved(change: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Squared length of each change, and of its projection on a row space.

    Parameters
    ----------
    change
        How a corruption moves each representation (run, row, dim).
    rows
        Projection on the row space of each run's probe (run, dim, dim), from
        `row_space`.

    Returns
    -------
    Two tensors (run, row).
    """
    wide = change.to(torch.float64)
    return wide.square().sum(2), torch.bmm(wide, rows).square().sum(2)


def row_space(weights: Tensor) -> Tensor:
    """Projection on the directions of the features that linear decoders read.

    Parameters
    ----------
    weights
        Weights of the decoders (run, dim, column).

    Returns
    -------
    Projection matrices (run, dim, dim).
    """
    left, values, _ = torch.linalg.svd(weights, full_matrices=False)
    kept = values > 1e-8 * values[:, :1]
    basis = left * kept.unsqueeze(1)
    return torch.bmm(basis, basis.transpose(1, 2))


def invariance(
    clean: Tensor, rows: Tensor, moves: tuple[Tensor, Tensor], classes: Tensor | None = None
) -> CorruptionFigures:
    """Compute S of one encoder; it is NaN where the representation does not vary.

    `invariance` is S in all dimensions. `invariance_row_space` is S after projection on
    the directions that the fitted probe reads. `invariance_within_class` compares a
    window with other windows of its own class only.

    Parameters
    ----------
    clean
        Representation of clean windows (row, dim).
    rows
        Projection on the probe's row space (dim, dim), from `row_space`.
    moves
        Mean squared length of each window's move (row,), in all dimensions and after
        projection.
    classes
        Class of each window (row,); None for a target without classes.
    """
    wide = clean.to(torch.float64)
    raw, projected = moves
    within_class = None
    if classes is not None:
        parts = [part for c in classes.unique() if int((part := classes == c).sum()) > 1]
        within = sum(float(raw[part].sum()) for part in parts)
        apart = sum(_strangers(wide[part]) * int(part.sum()) for part in parts)
        within_class = _share(within, apart)
    return CorruptionFigures(
        invariance=_share(float(raw.mean()), _strangers(wide)),
        invariance_row_space=_share(float(projected.mean()), _strangers(wide @ rows)),
        invariance_within_class=within_class,
    )


def _strangers(x: Tensor) -> float:
    """Mean squared distance between two different rows.

    Parameters
    ----------
    x
        (row, dim).
    """
    return 2 * float((x - x.mean(0)).square().sum()) / (len(x) - 1)


def _share(moves: float, apart: float) -> float:
    return 1 - moves / apart if apart > 0 else float("nan")
