"""Second moments of a session's blocks, for ridge decoders of sets of units.

In: features and targets of rows (windows) that are numbered by block. Blocks are cut
into folds. Out: for each fold the training moments of a decoder and the moments of the
blocks that test it. Choosing and scoring sets of units needs nothing else; neither is
done here.
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.probing.decoders.ridge import UNIT

FOLDS = 4
"""Number of folds of a half's blocks.

A decoder is fitted on all folds but one and tested on that one.
"""


@dataclass(frozen=True, eq=False)
class BlockMoments:
    """Sums over the rows of each block.

    Attributes
    ----------
    rows
        Number of rows (block,).
    x, y
        Sums of features (block, unit) and targets (block, column).
    xx, xy, yy
        Sums of products of features (block, unit, unit), of features with targets
        (block, unit, column), and of squared targets (block,).
    """

    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, block: np.ndarray) -> "BlockMoments":
        """Sum over the rows of each block.

        Parameters
        ----------
        x
            Features (row, unit).
        y
            Targets (row, column).
        block
            Block of each row (row,), 0, 1 ...
        """
        x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        parts = [(x[block == k], y[block == k]) for k in range(int(block.max()) + 1)]
        return cls(
            np.array([len(a) for a, _ in parts], dtype=np.float64),
            np.stack([a.sum(axis=0) for a, _ in parts]),
            np.stack([b.sum(axis=0) for _, b in parts]), np.stack([a.T @ a for a, _ in parts]),
            np.stack([a.T @ b for a, b in parts]), np.array([(b**2).sum() for _, b in parts]),
        )  # fmt: skip

    def parts(self, penalty: float, weights: np.ndarray | None = None) -> list["FoldMoments"]:
        """Moments of one decoder for each fold of successive blocks.

        Each decoder is fitted on the other folds and tested on its own.

        Parameters
        ----------
        penalty
            Ridge penalty, in units of `UNIT` times the number of rows, on features of
            unit variance.
        weights
            Weight of each block (block,), in training and test; 1 if omitted.
        """
        weights = np.ones(len(self.rows)) if weights is None else weights
        fold = np.arange(len(self.rows)) * FOLDS // len(self.rows)
        return [
            self._part(
                penalty, np.where(fold == k, 0.0, weights), np.flatnonzero(fold == k), weights
            )
            for k in range(FOLDS)
        ]

    def held_out(self, penalty: float, test: np.ndarray) -> "FoldMoments":
        """Moments of one decoder that is fitted on all but some blocks.

        Parameters
        ----------
        penalty
            Ridge penalty, as in `parts`.
        test
            Numbers of the blocks that are held out to test it (test block,).
        """
        weights = np.ones(len(self.rows))
        train = weights.copy()
        train[test] = 0.0
        return self._part(penalty, train, test, weights)

    def _part(
        self, penalty: float, train: np.ndarray, test: np.ndarray, weights: np.ndarray
    ) -> "FoldMoments":
        """Moments of a decoder, centred at the means of its training rows.

        Parameters
        ----------
        penalty
            Ridge penalty, as in `parts`.
        train
            Weight of each block in training (block,); 0 for blocks that are not
            fitted.
        test
            Numbers of the blocks that test it (test block,).
        weights
            Weight of each block (block,), used to average over the test blocks.
        """
        total = float(train @ self.rows)
        mean_x, mean_y = train @ self.x / total, train @ self.y / total
        covariance = np.tensordot(train, self.xx, 1) / total - np.outer(mean_x, mean_x)
        with_target = np.tensordot(train, self.xy, 1) / total - np.outer(mean_x, mean_y)
        rows, x, y = self.rows[test, None], self.x[test], self.y[test]
        shifted = x[:, :, None] * mean_x
        grams = (
            self.xx[test]
            - shifted
            - shifted.transpose(0, 2, 1)
            + rows[:, :, None] * np.outer(mean_x, mean_x)
        )
        products = (
            self.xy[test]
            - x[:, :, None] * mean_y
            - mean_x[:, None] * (y - rows * mean_y)[:, None, :]
        )
        powers = self.yy[test] - 2 * y @ mean_y + self.rows[test] * (mean_y @ mean_y)
        ridge = UNIT * penalty * np.maximum(np.diag(covariance), 1e-12)
        return FoldMoments(
            covariance + np.diag(ridge), with_target,
            grams / rows[:, :, None], products / rows[:, :, None],
            powers / self.rows[test], weights[test] / weights[test].sum(), ridge,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class FoldMoments:
    """A decoder's training moments and the moments of the blocks that test it.

    Features X and targets Y are centred at their means over the training rows.

    Attributes
    ----------
    penalised
        Covariance of the features over training rows, plus the ridge (unit, unit).
    with_target
        Covariance of the features with the target (unit, column).
    grams, products, powers
        Moments per row of each test block: X'X (block, unit, unit), X'Y (block, unit,
        column), |Y|^2 (block,).
    weights
        Weight of each test block in the part's loss (block,), summing to 1.
    ridge
        The ridge on the diagonal of `penalised` (unit,).
    """

    penalised: np.ndarray
    with_target: np.ndarray
    grams: np.ndarray
    products: np.ndarray
    powers: np.ndarray
    weights: np.ndarray
    ridge: np.ndarray

    def decoder(self, kept: np.ndarray) -> np.ndarray:
        """Fit the weights of a decoder that reads the kept units only (unit, column).

        Parameters
        ----------
        kept
            Whether each unit is kept (unit,), bool; the others get weight 0.
        """
        found = np.zeros_like(self.with_target)
        found[kept] = np.linalg.solve(self.penalised[np.ix_(kept, kept)], self.with_target[kept])
        return found

    def losses(self, decoder: np.ndarray) -> np.ndarray:
        """Mean squared error of a decoder in every test block (block,).

        Parameters
        ----------
        decoder
            Its weights (unit, column).
        """
        return (decoder * (self.grams @ decoder - 2 * self.products)).sum(axis=(1, 2)) + self.powers
