"""Label-free invariance S: how little a representation moves when corrupted.

S = 1 - E|f(x) - f(a x)|^2 / E|f(x) - f(x')|^2 compares the move of a window with the
distance of two different windows. It is 1 where nothing moves, and 0 where a corrupted
window is as far from itself as another window is. In: representations and their moves.
Out: S in the whole representation and in parts of it.
"""

import torch
from torch import Tensor

from invariance_probe.plan.figures.examined import CorruptionFigures


def moved(change: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Squared lengths of changes, and of their projections on a row space.

    Parameters
    ----------
    change
        (run, row, dim).
    rows
        Projections (run, dim, dim).

    Returns
    -------
    Two tensors (run, row).
    """
    wide = change.to(torch.float64)
    return wide.square().sum(2), torch.bmm(wide, rows).square().sum(2)


def row_space(weights: Tensor) -> Tensor:
    """Projection on what linear decoders read of their features.

    Parameters
    ----------
    weights
        Of the decoders (run, dim, column).

    Returns
    -------
    (run, dim, dim).
    """
    left, values, _ = torch.linalg.svd(weights, full_matrices=False)
    kept = values > 1e-8 * values[:, :1]
    basis = left * kept.unsqueeze(1)
    return torch.bmm(basis, basis.transpose(1, 2))


def invariance(
    clean: Tensor, rows: Tensor, moves: tuple[Tensor, Tensor], classes: Tensor | None = None
) -> CorruptionFigures:
    """S of one encoder; NaN where its representation does not vary.

    `invariance` is S in the representation as it is; `invariance_row_space` is S after
    projection on what the fitted probe reads of the target; `invariance_within_class`
    compares with other windows of the window's own class.

    Parameters
    ----------
    clean
        Representation of clean windows (row, dim).
    rows
        Projection on the probe's row space (dim, dim).
    moves
        Mean squared length of each window's move (row,), raw and projected.
    classes
        Class of each window (row,), where the target has classes.
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
    """Mean squared distance of two different rows of (row, dim)."""
    return 2 * float((x - x.mean(0)).square().sum()) / (len(x) - 1)


def _share(moves: float, apart: float) -> float:
    return 1 - moves / apart if apart > 0 else float("nan")
