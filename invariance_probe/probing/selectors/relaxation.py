"""The relaxed removal of units: shares between 0 (removed) and 1 (kept).

In: decoders' moments and the share of every unit. Out: the loss with its gradient, and
shares or sets that hold a budget exactly.

**A trap, and why gradients are never taken where every unit is kept.** Let a decoder W
read m * x. Then dL/dm_j = sum_c W_jc dL/dW_jc, because m_j and the row W_j only meet as
a product. Where W is trained to the optimum of L this is 0 for every unit, and with a
ridge sum_j lambda_j |W_j|^2 in training it is -2 lambda_j |W_j|^2. So a "saliency of
units" at m = 1 reads the decoder's weight norms and nothing of the code. Refitting does
not help: a decoder that is fitted again undoes any scaling, up to the ridge. Selectors
here therefore start from shares inside, which sum to the number of units that stay.

References
----------
Hooker et al. 2019, A benchmark for interpretability methods in deep neural networks,
NeurIPS 32 (why a decoder is fitted again).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from invariance_probe.probing.selectors.damage import pooled
from invariance_probe.probing.selectors.moments import Part
from invariance_probe.training.adversaries.masks import onto_budget as projected

Slope = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""From shares (unit,) in [0, 1] to the loss and its gradient (unit,)."""


def relaxed_loss(parts: Sequence[Part], mode: str) -> Slope:
    """The loss and its gradient at any shares of units.

    At shares of 0 and 1 it is the loss of that removal. `fixed`: a unit's part in the
    decoder is multiplied by its share. `refit`: the decoder is fitted while each unit
    is dropped with probability 1 - s, so that it cannot undo a share by a larger
    weight; in expectation that is a ridge of (R + V (1 - s)) / s, V being the unit's
    variance. So w = S q with (C S + R + V (1 - S)) q = c, and the gradient passes
    through the fit.

    Parameters
    ----------
    parts
        Moments of the half that the loss is taken on.
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
    """Nearest shares of which exactly `budget` is taken away.

    This is the projection that adversaries use in training.

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
    """Round shares to a set exactly: the `budget` units of the smallest shares.

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
