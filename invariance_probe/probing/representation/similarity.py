"""How similar two representations of the same windows are.

In: two representations. Out: one number, which changes with neither the rotation nor
the scale of either representation.
"""

import torch
from torch import Tensor


def debiased_cka(x: Tensor, y: Tensor) -> float:
    """Linear centred kernel alignment of two representations, from unbiased HSIC.

    CKA = HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)), where HSIC is the Hilbert-Schmidt
    independence criterion. It is 1 for representations that differ by a rotation and a
    scale, and about 0 for independent rows. The plain estimate is biased towards 1
    where rows are few relative to dimensions; this one is not, and it may fall below 0.
    Neither estimate allows for neighbours in time, which are not independent. So
    compare the value with that of two seeds of one model.

    Parameters
    ----------
    x, y
        (row, dim), the same rows; at least four.

    Returns
    -------
    CKA; NaN where a representation does not vary.

    References
    ----------
    Kornblith, Norouzi, Lee & Hinton 2019, arXiv:1905.00414 (CKA). Song, Smola, Gretton,
    Bedo & Borgwardt 2012, Journal of Machine Learning Research 13:1393 (unbiased HSIC).
    Murphy, Zylberberg & Fyshe 2024, arXiv:2405.01012 (why it matters).
    """
    a, b = _centred(x), _centred(y)
    own = unbiased_hsic(a, a) * unbiased_hsic(b, b)
    return unbiased_hsic(a, b) / own**0.5 if own > 0 else float("nan")


def unbiased_hsic(x: Tensor, y: Tensor) -> float:
    """Unbiased HSIC of linear kernels, computed without Gram matrices.

    HSIC is the Hilbert-Schmidt independence criterion. With K and L the Gram matrices
    without their diagonals, n (n - 3) HSIC = tr(K L) + (1'K1)(1'L1) / ((n - 1)(n - 2))
    - 2 (1'K L 1) / (n - 2).

    Parameters
    ----------
    x, y
        (row, dim), the same rows; at least four.
    """
    n = len(x)
    own_x, own_y = x.square().sum(1), y.square().sum(1)
    rows_x, rows_y = x @ x.sum(0) - own_x, y @ y.sum(0) - own_y  # K 1 and L 1
    trace = (x.T @ y).square().sum() - own_x @ own_y
    product = rows_x.sum() * rows_y.sum() / ((n - 1) * (n - 2))
    return float((trace + product - 2 * (rows_x @ rows_y) / (n - 2)) / (n * (n - 3)))


def shape_distance(x: Tensor, y: Tensor) -> float:
    """Angle between two representations after the best rotation: a metric.

    It is arccos of the nuclear norm of X'Y, both centred and scaled to unit norm.

    Parameters
    ----------
    x, y
        (row, dim), the same rows.

    Returns
    -------
    Radians, 0 to pi / 2; NaN where a representation does not vary.

    References
    ----------
    Williams, Kunz, Kornblith & Linderman 2021, arXiv:2110.14739 (generalized shape
    metrics).
    """
    a, b = _centred(x), _centred(y)
    norm = a.norm() * b.norm()
    if norm == 0:
        return float("nan")
    alike = torch.linalg.svdvals(a.T @ b).sum() / norm
    return float(alike.clamp(-1, 1).arccos())


def _centred(x: Tensor) -> Tensor:
    values = x.to(torch.float64)
    return values - values.mean(0)
