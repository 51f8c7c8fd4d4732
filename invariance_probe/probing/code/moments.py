"""Second moments of inputs and target per block, and ridge systems from them.

In: inputs and target of each window, and the folds. Out: the moments of any training
part or held-out block, standardised for ridge regression. The data are read once; the
systems are solved elsewhere.

Moments are sums of products of the columns of a table that holds the inputs, a 1, and
the target. Their matrices have the axes (side, side), one side for each of these
columns. A training part is the session without some blocks and without the windows
within the embargo of these blocks. So its moments are a sum of blocks' moments less the
moments of a few embargoed windows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from invariance_probe.data.folds import Fold
from invariance_probe.probing.code.blocks import BlockMatrices
from invariance_probe.probing.decoders.ridge import UNIT

SMALLEST_VARIANCE = 1e-12
"""Smallest variance of a column that is used, relative to the largest one.

Both are variances in one training part. Columns that vary less get no weight.
"""
STRIP = 256
"""Rows of a large matrix that are computed at once, so that no second matrix is held."""
Rows = Callable[[np.ndarray], Iterable[tuple[np.ndarray, np.ndarray]]]
"""A function from windows to their inputs (row, feature), in chunks.

Each chunk comes with the window of each row (row,).
"""


@dataclass(frozen=True, eq=False)
class Moments:
    """Second moments, by block, of a table of inputs, a 1 and the target.

    Attributes
    ----------
    blocks
        Moments of each block, whose side is features + 1 + columns.
    edges
        Rows of the table that lie within the embargo of some block (row, side).
    edge_block
        Block that each of these rows is in (row,).
    edge_folds
        Whether each of these rows lies within the embargo of each block (row, block).
    features
        Number of input columns.
    """

    blocks: BlockMatrices
    edges: np.ndarray
    edge_block: np.ndarray
    edge_folds: np.ndarray
    features: int

    @classmethod
    def of(
        cls,
        rows: Rows,
        features: int,
        target: np.ndarray,
        folds: tuple[Fold, ...],
        known: Iterable[np.ndarray] | None = None,
    ) -> "Moments":
        """Compute the moments of the test block of each fold.

        Parameters
        ----------
        rows
            Returns the inputs of given windows. It may return several versions of a
            window, each as a row of its own.
        features
            Number of input columns.
        target
            Regression targets (window, column).
        folds
            The blocks that are held out in turn, with their training windows.
        known
            Moments of each block (side, side), if they were computed elsewhere.
        """
        forbidden = forbidden_by(folds, len(target))
        on_edge: np.ndarray = np.any(forbidden, axis=1)
        side = features + 1 + target.shape[1]
        edges, windows_on_edge = [], []
        blocks = BlockMatrices(len(folds), side)
        for number, gram in enumerate(known or ()):
            blocks[number] = gram
        for number, fold in enumerate(folds):
            gram = np.zeros((side, side) if known is None else 0)
            # Known moments need no rows but those on an edge.
            for x, windows in rows(fold.test if known is None else fold.test[on_edge[fold.test]]):
                table = np.hstack([x, np.ones((len(x), 1)), target[windows]])
                if known is None:
                    gram += table.T @ table
                edges.append(table[on_edge[windows]])
                windows_on_edge.append(windows[on_edge[windows]])
            if known is None:
                blocks[number] = gram
        of_edge = np.concatenate(windows_on_edge)
        block_of = np.empty(len(target), dtype=np.int64)
        for number, fold in enumerate(folds):
            block_of[fold.test] = number
        return cls(blocks, np.concatenate(edges), block_of[of_edge], forbidden[of_edge], features)

    @cached_property
    def total(self) -> np.ndarray:
        """Moments of the whole session (side, side)."""
        return self.blocks.sum()

    def training(self, left_out: Iterable[int]) -> np.ndarray:
        """Second moments of the session without some blocks (side, side).

        Parameters
        ----------
        left_out
            Blocks to leave out; windows within their embargo are left out too.
        """
        out = list(left_out)
        removed = self.edge_folds[:, out].any(axis=1) & ~np.isin(self.edge_block, out)
        rows = self.edges[removed]
        found = self.blocks[out[0]].copy()
        for block in out[1:]:
            found += self.blocks[block]
        np.subtract(self.total, found, out=found)
        found -= rows.T @ rows
        return found

    def block(self, block: int, clear_of: Iterable[int] = ()) -> np.ndarray:
        """Moments of one block (side, side).

        Parameters
        ----------
        block
            Number of the block.
        clear_of
            Other blocks. Rows within their embargo are left out.
        """
        removed = self.edge_folds[:, list(clear_of)].any(axis=1) & (self.edge_block == block)
        rows = self.edges[removed]
        whole = self.blocks[block]
        return whole - rows.T @ rows if len(rows) else whole

    def keeping(self, kept: np.ndarray) -> "Moments":
        """Keep some of the input columns only.

        Parameters
        ----------
        kept
            Whether each input column is kept (feature,), bool.
        """
        side = np.flatnonzero(
            np.concatenate([kept, np.ones(self.blocks.side - self.features, dtype=bool)])
        )
        return Moments(
            self.blocks.keeping(side),
            self.edges[:, side],
            self.edge_block,
            self.edge_folds,
            int(kept.sum()),
        )


def forbidden_by(folds: tuple[Fold, ...], windows: int) -> np.ndarray:
    """Which windows lie within the embargo of each held-out block.

    Parameters
    ----------
    folds
        The blocks that are held out in turn, with their training windows.
    windows
        Number of windows.

    Returns
    -------
    (window, block), true where a window is neither in the block nor in its training
    part.
    """
    forbidden = np.ones((windows, len(folds)), dtype=bool)
    for number, fold in enumerate(folds):
        forbidden[fold.train, number] = False
        forbidden[fold.test, number] = False
    return forbidden


def _strips(rows: int) -> Iterator[slice]:
    """Cut the rows of a matrix into strips."""
    for first in range(0, rows, STRIP):
        yield slice(first, first + STRIP)


@dataclass(frozen=True, eq=False)
class HeldOutMoments:
    """Moments of held-out rows, standardised as the training part is.

    Here x are the standardised inputs of a row and y is its target, less the training
    mean.

    Attributes
    ----------
    gram
        Sum of x x' (feature, feature).
    right
        Sum of x y' (feature, column).
    power
        Sum of y' y, which is the squared error of the training mean.
    rows
        Number of rows.
    """

    gram: np.ndarray
    right: np.ndarray
    power: float
    rows: int

    def errors(self, weights: np.ndarray) -> np.ndarray:
        """Sum the squared errors of several decoders (decoder,).

        Parameters
        ----------
        weights
            Weights on standardised inputs (feature, decoder, column).
        """
        flat = weights.reshape(len(weights), -1)
        curved = (flat * (self.gram @ flat)).sum(axis=0).reshape(weights.shape[1:])
        return self.power + (curved - 2 * (weights * self.right[:, None, :]).sum(axis=0)).sum(
            axis=1
        )


@dataclass(frozen=True, eq=False)
class System:
    """The system of a ridge regression: a training part's moments per row.

    Inputs are standardised and the target is centred.

    Attributes
    ----------
    mean, inverse_sd
        Mean and inverse standard deviation of each input column (feature,); the latter
        is zero for columns that do not vary.
    target_mean
        Mean of the target (column,).
    correlation
        Correlation of the inputs (feature, feature).
    right
        Covariances of standardised inputs with the target (feature, column).
    power
        Variance of the target, summed over columns.
    """

    mean: np.ndarray
    inverse_sd: np.ndarray
    target_mean: np.ndarray
    correlation: np.ndarray
    right: np.ndarray
    power: float

    @classmethod
    def of(cls, moments: np.ndarray, features: int, overwrite: bool = False) -> "System":
        """Standardise the moments of a training part.

        Parameters
        ----------
        moments
            Moments of the training part (side, side), as `Moments.training` returns
            them.
        features
            Number of input columns.
        overwrite
            Whether the correlation may take the place of the moments, which are then
            lost.
        """
        rows = moments[features, features]
        mean, target_mean = (
            moments[:features, features] / rows,
            moments[features + 1 :, features] / rows,
        )
        products = moments[:features, :features]
        covariance = np.divide(products, rows, out=products if overwrite else None)
        for strip in _strips(features):
            covariance[strip] -= mean[strip, None] * mean
        variance = np.diagonal(covariance)
        live = variance > SMALLEST_VARIANCE * max(variance.max(initial=0.0), 1e-300)
        inverse_sd = np.where(live, 1 / np.sqrt(np.where(live, variance, 1.0)), 0.0)
        for strip in _strips(features):
            covariance[strip] *= inverse_sd[strip, None] * inverse_sd
        right = (
            moments[:features, features + 1 :] / rows - mean[:, None] * target_mean
        ) * inverse_sd[:, None]
        power = np.diagonal(moments)[features + 1 :] / rows - target_mean**2
        return cls(mean, inverse_sd, target_mean, covariance, right, float(power.sum()))

    def ridge(self, penalty: float, overwrite: bool = False) -> np.ndarray:
        """Return the correlation of the inputs with a ridge on its diagonal.

        Parameters
        ----------
        penalty
            Ridge penalty; `UNIT` times this is added to the diagonal.
        overwrite
            Whether it may take the place of the correlation, which is then lost.

        Returns
        -------
        (feature, feature).
        """
        matrix = self.correlation if overwrite else self.correlation.copy()
        np.einsum("ii->i", matrix)[:] += UNIT * penalty
        return matrix

    def tested(self, moments: np.ndarray) -> HeldOutMoments:
        """Standardise held-out moments by the training part's means and SDs.

        Parameters
        ----------
        moments
            Moments of held-out rows (side, side).
        """
        features = len(self.mean)
        rows, inputs, targets = (
            moments[features, features],
            slice(0, features),
            slice(features + 1, None),
        )
        sums, target_sums = moments[inputs, features], moments[targets, features]
        deviation = sums - rows * self.mean
        gram = moments[inputs, inputs].copy()
        for strip in _strips(features):
            gram[strip] -= self.mean[strip, None] * sums
            gram[strip] -= deviation[strip, None] * self.mean
            gram[strip] *= self.inverse_sd[strip, None] * self.inverse_sd
        right = (
            moments[inputs, targets]
            - self.mean[:, None] * target_sums
            - deviation[:, None] * self.target_mean
        )
        power = (
            np.diagonal(moments)[targets]
            - 2 * self.target_mean * target_sums
            + rows * self.target_mean**2
        )
        return HeldOutMoments(
            gram, right * self.inverse_sd[:, None], float(power.sum()), round(rows)
        )

    def raw(self, weights: np.ndarray) -> np.ndarray:
        """Write decoders as vectors over the table's columns (inputs, 1, target).

        A vector holds the weights on inputs before standardisation, the intercept, and
        -1 for its target column. Its product with a row of the table is the prediction
        minus the target, which is minus the error. Sums of squared errors then follow
        from moments.

        Parameters
        ----------
        weights
            Weights on standardised inputs (feature, decoder, column).

        Returns
        -------
        (side, decoder, column).
        """
        unscaled = weights * self.inverse_sd[:, None, None]
        intercept = self.target_mean - np.tensordot(self.mean, unscaled, 1)
        minus = -np.broadcast_to(
            np.eye(weights.shape[2])[:, None, :], (weights.shape[2], *weights.shape[1:])
        )
        return np.concatenate([unscaled, intercept[None], minus])
