"""The relaxed removal of units: shares between 0 (removed) and 1 (kept).

In: a decoder's moments and the share of each unit. Out: the loss with its gradient in
the shares, and shares or sets from which exactly the budget of units is removed.

**A trap, and why gradients are never taken where every unit is kept.** Let a decoder W
read m * x, where m_j is the share of unit j. Then dL/dm_j = sum_c W_jc dL/dW_jc at m =
1, because m_j and the row W_j only occur as a product. If W minimises L, this is 0 for
each unit; if it was trained with a ridge sum_j lambda_j |W_j|^2, it is -2 lambda_j
|W_j|^2. So a "saliency of units" at m = 1 shows the norms of the decoder's weights and
nothing of the code. Refitting does not help: a decoder that is fitted again undoes any
scaling, up to the ridge. Selectors here therefore start from shares between 0 and 1
that sum to the number of units kept.

References
----------
Hooker et al. 2019, A benchmark for interpretability methods in deep neural networks,
NeurIPS 32 (why a decoder is fitted again).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from invariance_probe.probing.selectors.damage import pooled
from invariance_probe.probing.selectors.moments import FoldMoments
from invariance_probe.training.adversaries.masks import onto_budget as projected

Slope = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""A function from shares (unit,) to the loss and its gradient (unit,)."""


def relaxed_loss(parts: Sequence[FoldMoments], mode: str) -> Slope:
    """Return a function that computes the loss and its gradient at given shares.

    If all shares are 0 or 1, it is the loss with those units removed. `fixed`: a unit's
    contribution to the decoder is multiplied by its share. `refit`: the decoder is
    fitted while each unit is dropped with probability 1 - s, s being its share, so that
    it cannot undo a share by a larger weight. In expectation that is a ridge of (R + V
    (1 - s)) / s, where R is the ordinary ridge and V the unit's variance. With S the
    diagonal matrix of shares, C the covariance of the units and c that with the target,
    the decoder is w = S q with (C S + R + V (1 - S)) q = c. The gradient includes the
    change of the fit.

    Parameters
    ----------
    parts
        Moments of the blocks on which the loss is computed, one part per fold.
    mode
        `refit` or `fixed`.

    References
    ----------
    Wager, Wang & Liang 2013, Dropout training as adaptive regularization, NeurIPS 26.
    """
    whole = [pooled(part) for part in parts]
    everything = np.ones(len(parts[0].with_target), dtype=bool)
    decoders = [part.decoder(everything) for part in parts]

    def fixed(share: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = 0.0, np.zeros(len(share))
        for (gram, product, power), decoder in zip(whole, decoders, strict=True):
            w = share[:, None] * decoder
            slope = gram @ w - product
            loss += float((w * (slope - product)).sum()) + power
            gradient += 2 * (decoder * slope).sum(axis=1)
        return loss / len(parts), gradient / len(parts)

    def refit(share: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = 0.0, np.zeros(len(share))
        for part, (gram, product, power) in zip(parts, whole, strict=True):
            covariance = part.penalised - np.diag(part.ridge)
            variance = np.diag(covariance)
            own = np.diag(part.ridge + variance * (1 - share))
            q = np.linalg.solve(covariance * share + own, part.with_target)
            w = share[:, None] * q
            slope = gram @ w - product
            loss += float((w * (slope - product)).sum()) + power
            back = np.linalg.solve(share[:, None] * covariance + own, share[:, None] * 2 * slope)
            gradient += (q * (2 * slope - covariance @ back + variance[:, None] * back)).sum(axis=1)
        return loss / len(parts), gradient / len(parts)

    return refit if mode == "refit" else fixed


def onto_budget(values: np.ndarray, budget: int) -> np.ndarray:
    """Project values on the nearest shares that remove exactly the budget.

    Adversaries in training use the same projection.

    Parameters
    ----------
    values
        Shares before the projection (unit,).
    budget
        Number of units to remove.

    Returns
    -------
    Shares (unit,) in [0, 1] that sum to the number of units less the budget.
    """
    return projected(torch.from_numpy(values)[None, None], torch.tensor([budget]))[0, 0].numpy()


def lowest(shares: np.ndarray, budget: int) -> tuple[int, ...]:
    """Return the units with the smallest shares, as many as the budget.

    Parameters
    ----------
    shares
        (unit,).
    budget
        Number of units to remove.

    Returns
    -------
    Units in ascending order.
    """
    return tuple(sorted(int(u) for u in np.argsort(shares, kind="stable")[:budget]))
