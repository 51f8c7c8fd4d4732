"""Damage: the exact held-out loss of a decoder without some units.

In: the moments of `moments.py`, a mode, and the units that are removed. Out: losses in
units of the target's variance, unit by unit or for many sets of one size at once.

There are two modes. `refit`: the decoder is fitted again without the units; this
measures the information that the others hold. `fixed`: the decoder keeps its weights
and the units are held at their training mean, so that the removal shifts no rate; this
measures how much this decoder relies on them.
"""

from collections.abc import Callable, Sequence

import numpy as np

from invariance_probe.probing.selectors.moments import FoldMoments

LossIfRemoved = Callable[[Sequence[int]], np.ndarray]
"""A function from removed units to the loss if one more unit is removed.

The loss is (unit,), one for each further unit.
"""
LossIfKept = Callable[[Sequence[int]], np.ndarray]
"""A function from kept units to the loss if one more unit is kept.

The loss is (unit,), one for each further unit.
"""
Loss = Callable[[np.ndarray], np.ndarray]
"""A function from sets of removed units to the loss without each set (set,).

Sets are given as (set, unit of the set).
"""


def losses_without(parts: Sequence[FoldMoments], removed: Sequence[int], mode: str) -> np.ndarray:
    """Held-out loss on each block without some units.

    Parameters
    ----------
    parts
        Moments of the blocks on which the loss is computed, one part per fold.
    removed
        Units to remove.
    mode
        `refit` or `fixed`.

    Returns
    -------
    (block,), in units of the target's variance.
    """
    kept = np.ones(len(parts[0].with_target), dtype=bool)
    kept[list(removed)] = False
    if mode == "refit":
        return np.concatenate([part.losses(part.decoder(kept)) for part in parts])
    return np.concatenate(
        [part.losses(part.decoder(np.ones_like(kept)) * kept[:, None]) for part in parts]
    )


def decodable_range(parts: Sequence[FoldMoments]) -> np.ndarray:
    """Loss of the best constant less that of the decoder of all units (block,).

    Parameters
    ----------
    parts
        Moments of the blocks on which the loss is computed, one part per fold.
    """
    return np.concatenate([part.powers for part in parts]) - losses_without(parts, (), "refit")


def losses_if_removed(parts: Sequence[FoldMoments], mode: str) -> LossIfRemoved:
    """Return a function that computes the loss if one more unit is removed.

    Losses are averaged over the blocks by their weights. With P the inverse of the kept
    units' penalised covariance and w the decoder, leaving unit u out changes the
    decoder by -P[:, u] w[u] / P[u, u] when it is fitted again, and by -w[u] at u when
    it is not.

    Parameters
    ----------
    parts
        Moments of the blocks on which the loss is computed, one part per fold.
    mode
        `refit` or `fixed`.
    """
    whole = [pooled(part) for part in parts]
    everything = np.ones(len(parts[0].with_target), dtype=bool)
    decoders = [part.decoder(everything) for part in parts]

    def fixed(removed: Sequence[int]) -> np.ndarray:
        total = np.zeros(len(everything))
        for (gram, product, power), decoder in zip(whole, decoders, strict=True):
            w = decoder.copy()
            w[list(removed)] = 0
            slope = gram @ w - product
            total += (
                (w * (slope - product)).sum()
                + power
                - 2 * (w * slope).sum(axis=1)
                + np.diag(gram) * (w**2).sum(axis=1)
            )
        return total / len(parts)

    def refit(removed: Sequence[int]) -> np.ndarray:
        kept = everything.copy()
        kept[list(removed)] = False
        total = np.zeros(len(everything))
        for part, (gram, product, power) in zip(parts, whole, strict=True):
            inverse = np.linalg.inv(part.penalised[np.ix_(kept, kept)])
            w = inverse @ part.with_target[kept]
            inner, target = gram[np.ix_(kept, kept)], product[kept]
            slope = inner @ w - target
            step = w / np.diag(inverse)[:, None]
            curvature = (inverse * (inner @ inverse)).sum(axis=0)
            change = -2 * (step * (inverse @ slope)).sum(axis=1) + curvature * (step**2).sum(axis=1)
            total[kept] += (w * (slope - target)).sum() + power + change
        return total / len(parts)

    return refit if mode == "refit" else fixed


def losses_if_kept(parts: Sequence[FoldMoments], mode: str) -> LossIfKept:
    """Return a function that computes the loss if one more unit is kept.

    Losses are averaged over the blocks by their weights. With P the inverse of the kept
    units' penalised covariance and w their decoder, adding unit u changes the decoder
    along e = (-P a_u, 1), where a_u is the unit's covariance with the kept units. The
    length of the step brings the unit's own normal equation to zero.

    Parameters
    ----------
    parts
        Moments of the blocks on which the loss is computed, one part per fold.
    mode
        `refit` or `fixed`.
    """
    whole = [pooled(part) for part in parts]
    decoders = [part.decoder(np.ones(len(part.with_target), dtype=bool)) for part in parts]

    def fixed(kept: Sequence[int]) -> np.ndarray:
        total = np.zeros(len(decoders[0]))
        for (gram, product, power), decoder in zip(whole, decoders, strict=True):
            w = np.zeros_like(decoder)
            w[list(kept)] = decoder[list(kept)]
            slope = gram @ w - product
            change = 2 * (decoder * slope).sum(axis=1) + np.diag(gram) * (decoder**2).sum(axis=1)
            total += (w * (slope - product)).sum() + power + change
        return total / len(parts)

    def refit(kept: Sequence[int]) -> np.ndarray:
        inside = list(kept)
        total = np.zeros(len(decoders[0]))
        for part, (gram, product, power) in zip(parts, whole, strict=True):
            covariance = part.penalised[inside]  # (kept, unit)
            reach = np.linalg.solve(
                covariance[:, inside], np.column_stack([covariance, part.with_target[inside]])
            )
            direction, w = -reach[:, : len(part.penalised)], reach[:, len(part.penalised) :]
            own = np.diag(part.penalised) + (direction * covariance).sum(axis=0)
            own[inside] = 1.0  # a unit that is kept already moves nothing
            step = (part.with_target - covariance.T @ w) / own[:, None]
            slope = gram[:, inside] @ w - product
            along = slope + direction.T @ slope[inside]
            curvature = np.diag(gram) + (
                direction * (2 * gram[inside] + gram[np.ix_(inside, inside)] @ direction)
            ).sum(axis=0)
            loss = (w * (slope[inside] - product[inside])).sum() + power
            total += loss + 2 * (step * along).sum(axis=1) + curvature * (step**2).sum(axis=1)
        return total / len(parts)

    return refit if mode == "refit" else fixed


def set_losses(parts: Sequence[FoldMoments], mode: str) -> Loss:
    """Return a function that computes the loss without each of many sets.

    All sets have one size. Losses are averaged over the blocks by their weights.
    Removing set S changes the decoder w by -M[:, S] t. If it is fitted again, M is the
    inverse P of the penalised covariance and P[S, S] t = w[S]; if it is fixed, M is the
    identity and t = w[S]. The loss is quadratic in t, and its coefficients are computed
    once.

    Parameters
    ----------
    parts
        Moments of the blocks on which the loss is computed, one part per fold.
    mode
        `refit` or `fixed`.
    """
    moved = []
    for part in parts:
        gram, product, power = pooled(part)
        w = part.decoder(np.ones(len(gram), dtype=bool))
        slope = gram @ w - product
        inverse = np.linalg.inv(part.penalised) if mode == "refit" else np.eye(len(gram))
        moved.append(
            (
                w,
                inverse,
                inverse @ slope,
                inverse @ gram @ inverse,
                (w * (slope - product)).sum() + power,
            )
        )

    def losses(removed: np.ndarray) -> np.ndarray:
        pairs = removed[:, :, None], removed[:, None, :]
        total = np.zeros(len(removed))
        for w, inverse, slope, curvature, loss in moved:
            step = np.linalg.solve(inverse[pairs], w[removed])
            total += loss + (step * (curvature[pairs] @ step - 2 * slope[removed])).sum(axis=(1, 2))
        return total / len(moved)

    return losses


def pooled(part: FoldMoments) -> tuple[np.ndarray, np.ndarray, float]:
    """Average the moments of a part's test blocks by the blocks' weights.

    Returns
    -------
    X'X (unit, unit), X'Y (unit, column) and |Y|^2, per row.
    """
    return (
        np.tensordot(part.weights, part.grams, 1), np.tensordot(part.weights, part.products, 1),
        float(part.weights @ part.powers),
    )  # fmt: skip
