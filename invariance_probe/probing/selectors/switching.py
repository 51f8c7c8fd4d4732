"""Whether a decoder relies on the same units in every epoch, by permutation.

In: sums over blocks, the epoch of each block, and a penalty. Out: the overlap of the
epochs' reliance, the mean overlap when blocks are dealt to epochs at random, and the
share of permutations with as little overlap. A small p says that reliance moves between
epochs by more than chance and noise.

The overlap alone says nothing: two estimates of one distributed code overlap little,
and so do epochs that switch. A permutation keeps the noise, the number of units and how
distributed the code is. The test does not tell a set that switches from a decoder that
drifts. Blocks are taken to be exchangeable, so they must be longer than what activity
remembers: with blocks of one memory the test was below .05 in up to .115 of sessions
where nothing changes (reports/messengers/switching.md has those that it uses).
"""

import numpy as np

from invariance_probe.plan.figures.units import MODES, Mode, SwitchingTest
from invariance_probe.probing.decoders.ridge import UNIT
from invariance_probe.probing.selectors.moments import BlockMoments

AT_ONCE = 64
"""Permutations that are scored together."""
MODES_REMEMBERED = 4
"""Number of leading components of activity whose memory counts."""
MEMORIES = 4
"""Wanted length of a block, in memories."""
FEWEST_MEMORIES = 2
"""Shortest block that is tested, in memories."""
FEWEST_BLOCKS = 4
"""Fewest blocks of an epoch."""


def memory_bins(x: np.ndarray) -> float:
    """How long activity remembers, in bins, at least 1.

    That is the number of bins over which the autocorrelation of a leading component
    falls to 1/e of that at lag 1, for the component that remembers longest. Noise that
    is new in every bin does not shorten it.

    Parameters
    ----------
    x
        Activity (row, unit).
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
    """Number of blocks that an epoch is cut into.

    Parameters
    ----------
    shortest
        Bins of the shortest epoch.
    memory
        How long activity remembers (bins).
    wanted
        Most blocks.

    Returns
    -------
    At least `FEWEST_BLOCKS`, or 0 where even the fewest would be too short.
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
        Of all blocks of the session.
    epoch
        Epoch of every block (block,), 0, 1 ...
    penalty
        Ridge penalty, as in `BlockMoments.parts`.
    permutations
        How many times blocks are dealt to epochs anew; epochs keep their numbers of
        blocks.
    rng
        Random generator for the permutations.

    Returns
    -------
    The test by mode, `refit` and `fixed`.

    References
    ----------
    Phipson & Smyth 2010, doi:10.2202/1544-6115.1585 (the observed order counts as one
    permutation).
    """
    orders = np.stack([epoch, *(rng.permutation(epoch) for _ in range(permutations))])
    found = {mode: np.empty(len(orders)) for mode in MODES}
    for start in range(0, len(orders), AT_ONCE):
        own = orders[start : start + AT_ONCE]
        # member is (order, epoch, block)
        member = (own[:, None, :] == np.arange(int(epoch.max()) + 1)[:, None]).astype(np.float64)
        for mode, shares in reliance(moments, member, penalty).items():
            found[mode][start : start + AT_ONCE] = mean_overlap(shares)
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
    """Share of each unit in what a decoder loses without it, by mode.

    With w the ridge decoder of an epoch's blocks, C their covariance, R the ridge and P
    = (C + R)^-1, the squared error rises by w^2 (C + 2 R) on the diagonal where unit u
    is held at its mean (`fixed`), and the penalised error by w^2 / P where the decoder
    is fitted again (`refit`).

    Parameters
    ----------
    moments
        Of all blocks of the session.
    member
        Which blocks each epoch has, 0 or 1 (..., epoch, block).
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
    """Mean cosine between the shares of all pairs of epochs (...,).

    It is 1 where the shares are the same, and 0 where no unit is in common.

    Parameters
    ----------
    shares
        (..., epoch, unit).
    """
    units = shares / np.sqrt((shares**2).sum(axis=-1, keepdims=True))
    cosines = units @ np.swapaxes(units, -1, -2)
    epochs = shares.shape[-2]
    return (cosines.sum(axis=(-2, -1)) - epochs) / (epochs * (epochs - 1))
