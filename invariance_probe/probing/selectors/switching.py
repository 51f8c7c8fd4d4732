"""Whether a decoder relies on the same units in every epoch: a permutation test over blocks.

In: sums over blocks, which epoch each block is in, and a penalty. Out: the overlap of the epochs' reliance, the overlap that blocks dealt to
epochs at random have, and the share of permutations with as little. Small p: reliance moves between epochs by more than chance and noise.

The overlap alone says nothing: two estimates of one distributed code overlap little, and so do epochs that switch. What a permutation keeps
is the noise, the number of units and how distributed the code is. What it does not tell apart is a set that switches and a decoder that
drifts. Blocks are taken to be exchangeable, so they must be longer than what activity remembers: with blocks of one memory the test was
below .05 in up to .115 of sessions where nothing changes (reports/messengers/switching.md has those that it uses).
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.probing.decoders.ridge import UNIT
from invariance_probe.probing.selectors.damage import MODES
from invariance_probe.probing.selectors.moments import BlockMoments

AT_ONCE = 64
"""Permutations that are scored together."""
MODES_REMEMBERED = 4
"""Leading components of activity whose memory counts."""
MEMORIES = 4
"""How many memories long a block is wanted."""
FEWEST_MEMORIES = 2
"""Blocks that are shorter are not tested."""
FEWEST_BLOCKS = 4
"""In an epoch."""


@dataclass(frozen=True)
class Switching:
    """The overlap of epochs' reliance, in [0, 1], what it is under permutation on average, and its p value (small where units switch)."""

    overlap: float
    expected: float
    p_value: float


def memory_bins(x: np.ndarray) -> float:
    """Return how long activity (row, unit) remembers, at least 1.

    That is over how many bins the autocorrelation of a leading component falls to 1/e of that at lag 1, for the component that remembers
    longest. Noise that is new in every bin does not shorten it.
    """
    x = x - x.mean(axis=0)
    scores = x @ np.linalg.eigh(x.T @ x)[1][:, -MODES_REMEMBERED:]
    rows = len(scores)
    spectrum = np.fft.rfft(scores, 2 * rows, axis=0)
    autocorrelation = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[: rows // 2]
    autocorrelation /= autocorrelation[0]
    found = 1
    for own in autocorrelation.T:
        if own[1] > 2 / np.sqrt(rows):
            below = np.flatnonzero(own[1:] < own[1] / np.e)
            found = max(found, int(below[0]) if len(below) else rows)
    return float(found)


def blocks_of(shortest: int, memory: float, wanted: int) -> int:
    """Return how many blocks an epoch is cut into, given the bins of the shortest epoch; 0 where even the fewest would be too short."""
    blocks = max(FEWEST_BLOCKS, min(wanted, int(shortest / (MEMORIES * memory))))
    return blocks if shortest / blocks >= FEWEST_MEMORIES * memory else 0


def switching(
    moments: BlockMoments,
    epoch: np.ndarray,
    penalty: float,
    permutations: int,
    rng: np.random.Generator,
) -> dict[str, Switching]:
    """Test both ways of relying on units, by mode.

    Parameters
    ----------
    moments
        Of all blocks of the session.
    epoch
        Epoch of every block (block,), 0, 1 ...
    penalty
        Of the ridge, as in `BlockMoments.parts`.
    permutations
        How many times blocks are dealt to epochs anew; epochs keep their numbers of blocks.

    References
    ----------
    Phipson & Smyth 2010, doi:10.2202/1544-6115.1585 (the observed order counts as one permutation).
    """
    orders = np.stack([epoch, *(rng.permutation(epoch) for _ in range(permutations))])
    found = {mode: np.empty(len(orders)) for mode in MODES}
    for start in range(0, len(orders), AT_ONCE):
        own = orders[start : start + AT_ONCE]
        member = (own[:, None, :] == np.arange(int(epoch.max()) + 1)[:, None]).astype(
            np.float64
        )  # (order, epoch, block)
        for mode, shares in reliance(moments, member, penalty).items():
            found[mode][start : start + AT_ONCE] = mean_overlap(shares)
    return {
        mode: Switching(
            float(o[0]), float(o[1:].mean()), float((1 + (o[1:] <= o[0] + 1e-12).sum()) / len(o))
        )
        for mode, o in found.items()
    }


def reliance(moments: BlockMoments, member: np.ndarray, penalty: float) -> dict[str, np.ndarray]:
    """Return the share of each unit in what a decoder loses without it (..., epoch, unit), summing to 1, by mode.

    With w the ridge decoder of an epoch's blocks, C their covariance, R the ridge and P = (C + R)^-1, the squared error rises by
    w^2 (C + 2 R) on the diagonal where unit u is held at its mean (`fixed`), and the penalised error by w^2 / P where it is fitted
    again (`refit`).

    Parameters
    ----------
    member
        Which blocks each epoch has, 0 or 1 (..., epoch, block).
    """
    blocks = member.shape[-1]
    flat = member.reshape(-1, blocks)
    rows = flat @ moments.rows
    mean_x, mean_y = flat @ moments.x / rows[:, None], flat @ moments.y / rows[:, None]
    units = mean_x.shape[1]
    covariance = (flat @ moments.xx.reshape(blocks, -1)).reshape(-1, units, units) / rows[
        :, None, None
    ]
    covariance -= mean_x[:, :, None] * mean_x[:, None, :]
    with_target = (flat @ moments.xy.reshape(blocks, -1)).reshape(
        -1, units, mean_y.shape[1]
    ) / rows[:, None, None]
    with_target -= mean_x[:, :, None] * mean_y[:, None, :]
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    ridge = UNIT * penalty * np.maximum(variance, 1e-12)
    inverse = np.linalg.inv(covariance + ridge[:, :, None] * np.eye(units))
    size = ((inverse @ with_target) ** 2).sum(axis=2)
    lost = {
        "fixed": size * (variance + 2 * ridge),
        "refit": size / np.diagonal(inverse, axis1=1, axis2=2),
    }
    return {
        mode: (value / value.sum(axis=1, keepdims=True)).reshape(*member.shape[:-1], units)
        for mode, value in lost.items()
    }


def mean_overlap(shares: np.ndarray) -> np.ndarray:
    """Return the mean cosine of all pairs of epochs (...,) between their shares (..., epoch, unit): 1 the same, 0 no unit in common."""
    units = shares / np.sqrt((shares**2).sum(axis=-1, keepdims=True))
    cosines = units @ np.swapaxes(units, -1, -2)
    epochs = shares.shape[-2]
    return (cosines.sum(axis=(-2, -1)) - epochs) / (epochs * (epochs - 1))
