"""Test by permutation whether a decoder relies on the same units throughout.

In: sums over blocks, the epoch of each block, and a ridge penalty. Reliance is the
share of each unit in what the decoder loses without it. Out: how much the reliance of
different epochs overlaps, the mean overlap when blocks are assigned to epochs at
random, and the proportion of these permutations with as little overlap. A small p says
that reliance differs between epochs by more than chance and noise.

The overlap alone says nothing: two estimates of one distributed code overlap little,
and so do epochs whose units differ. A permutation keeps the noise, the number of units
and how distributed the code is. The test does not tell a set of units that switches
from a decoder that drifts.

Blocks must be exchangeable, so they must be longer than the memory of the activity (its
autocorrelation time). With blocks of one memory, p was below .05 in up to 11.5 % of the
sessions in which nothing changes; reports/messengers/switching.md has the rates for the
block lengths that are used.
"""

import numpy as np

from invariance_probe.plan.figures.units import MODES, Mode, SwitchingTest
from invariance_probe.probing.decoders.ridge import UNIT
from invariance_probe.probing.selectors.moments import BlockMoments

PERMUTATIONS_AT_ONCE = 64
"""Number of permutations that are scored together."""
MODES_REMEMBERED = 4
"""Number of leading principal components whose memory is measured."""
MEMORIES = 4
"""Length of a block that is aimed at, in memories."""
FEWEST_MEMORIES = 2
"""Shortest block for which the test is made, in memories."""
FEWEST_BLOCKS = 4
"""Smallest number of blocks per epoch."""


def memory_bins(x: np.ndarray) -> float:
    """Memory of the activity, a measure of its autocorrelation time, in bins.

    It is the number of bins over which the autocorrelation of a leading principal
    component falls to 1/e of its value at lag 1, for the component in which this takes
    longest. So noise that is new in each bin does not shorten it.

    Parameters
    ----------
    x
        Activity (row, unit).

    Returns
    -------
    Number of bins, at least 1.
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
    """Number of blocks into which each epoch is cut.

    Parameters
    ----------
    shortest
        Length of the shortest epoch (bins).
    memory
        Memory of the activity (bins), from `memory_bins`.
    wanted
        Largest number of blocks.

    Returns
    -------
    At least `FEWEST_BLOCKS`, or 0 if even that few blocks would be too short.
    """
    blocks = max(FEWEST_BLOCKS, min(wanted, int(shortest / (MEMORIES * memory))))
    return blocks if shortest / blocks >= FEWEST_MEMORIES * memory else 0


def switching(
    moments: BlockMoments,
    epoch: np.ndarray,
    penalty: float,
    permutations: int,
    rng: np.random.Generator,
) -> dict[Mode, SwitchingTest]:
    """Test whether the reliance on units differs between epochs, in both modes.

    Parameters
    ----------
    moments
        Moments of all blocks of the session.
    epoch
        Epoch of each block (block,), 0, 1 ...
    penalty
        Ridge penalty, as in `BlockMoments.parts`.
    permutations
        Number of random assignments of blocks to epochs; every epoch keeps its number
        of blocks.
    rng
        Random generator for the permutations.

    Returns
    -------
    The test by mode: `refit` (the decoder is fitted again without a unit) and `fixed`
    (the unit is held at its mean).

    References
    ----------
    Phipson & Smyth 2010, doi:10.2202/1544-6115.1585 (the observed order counts as one
    permutation).
    """
    orders = np.stack([epoch, *(rng.permutation(epoch) for _ in range(permutations))])
    found = {mode: np.empty(len(orders)) for mode in MODES}
    for start in range(0, len(orders), PERMUTATIONS_AT_ONCE):
        own = orders[start : start + PERMUTATIONS_AT_ONCE]
        # member is (order, epoch, block)
        member = (own[:, None, :] == np.arange(int(epoch.max()) + 1)[:, None]).astype(np.float64)
        for mode, shares in reliance(moments, member, penalty).items():
            found[mode][start : start + PERMUTATIONS_AT_ONCE] = mean_overlap(shares)
    return {
        mode: SwitchingTest(
            mode=mode,
            overlap=float(o[0]),
            expected=float(o[1:].mean()),
            p_value=float((1 + (o[1:] <= o[0] + 1e-12).sum()) / len(o)),
        )
        for mode, o in found.items()
    }


def reliance(moments: BlockMoments, member: np.ndarray, penalty: float) -> dict[Mode, np.ndarray]:
    """Share of each unit in what a decoder loses without single units, by mode.

    Let w be the ridge decoder of an epoch's blocks, C their covariance, R the ridge and
    P = (C + R)^-1. If unit u is held at its mean (`fixed`), the squared error rises by
    w_u^2 (C_uu + 2 R_uu). If the decoder is fitted again (`refit`), the penalised error
    rises by w_u^2 / P_uu.

    Parameters
    ----------
    moments
        Moments of all blocks of the session.
    member
        Whether each block belongs to each epoch, 0 or 1 (..., epoch, block).
    penalty
        Ridge penalty, as in `BlockMoments.parts`.

    Returns
    -------
    Shares (..., epoch, unit), which sum to 1 over units.
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
    lost: dict[Mode, np.ndarray] = {
        "fixed": size * (variance + 2 * ridge),
        "refit": size / np.diagonal(inverse, axis1=1, axis2=2),
    }
    return {
        mode: (value / value.sum(axis=1, keepdims=True)).reshape(*member.shape[:-1], units)
        for mode, value in lost.items()
    }


def mean_overlap(shares: np.ndarray) -> np.ndarray:
    """Mean cosine between the reliance of all pairs of epochs (...,).

    It is 1 if the shares of all units are the same, and 0 if no unit has a share in two
    epochs.

    Parameters
    ----------
    shares
        Share of each unit in each epoch (..., epoch, unit).
    """
    units = shares / np.sqrt((shares**2).sum(axis=-1, keepdims=True))
    cosines = units @ np.swapaxes(units, -1, -2)
    epochs = shares.shape[-2]
    return (cosines.sum(axis=(-2, -1)) - epochs) / (epochs * (epochs - 1))
