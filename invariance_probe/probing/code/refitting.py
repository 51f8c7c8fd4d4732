"""A linear decoder of all units that can be refitted on any subset of them.

In: normal equations A w = b. Out: weights of all columns, or of those that a mask
keeps. Refitting on kept columns S solves A_SS w = b_S. Where fewer columns are removed
than kept, it is cheaper to take the removed ones R out of the inverse: w = W - B_R
B_RR^-1 W_R with B = A^-1 and W = B b.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from invariance_probe.probing.code.penalties import inverse, solve


@dataclass(frozen=True, eq=False)
class Refittable:
    """A decoder given by its normal equations A w = b.

    Attributes
    ----------
    matrix
        A (feature, feature).
    right
        b (feature, column).
    """

    matrix: np.ndarray
    right: np.ndarray

    @cached_property
    def inverse(self) -> np.ndarray:
        """The inverse of A (feature, feature)."""
        return inverse(self.matrix)

    @cached_property
    def weights(self) -> np.ndarray:
        """Weights of all units (feature, column)."""
        return self.inverse @ self.right

    def on(self, kept: np.ndarray) -> np.ndarray:
        """Refit the decoder on the columns that each mask keeps.

        Parameters
        ----------
        kept
            Masks (mask, feature), true where a column is kept.

        Returns
        -------
        Weights (feature, mask, column); zero for columns that are not kept.
        """
        found = np.zeros((len(self.right), len(kept), self.right.shape[1]))
        removed = np.zeros_like(found)
        few = kept.sum(axis=1) <= kept.shape[1] / 2
        for number, mask in enumerate(kept):
            own = np.flatnonzero(mask if few[number] else ~mask)
            if not len(own):
                continue
            if few[number]:
                found[own, number] = solve(self.matrix[np.ix_(own, own)], self.right[own], True)
            else:
                removed[own, number] = solve(
                    self.inverse[np.ix_(own, own)], self.weights[own], True
                )
        if not few.all():
            taken = removed[:, ~few]
            spread = (self.inverse @ taken.reshape(len(taken), -1)).reshape(taken.shape)
            found[:, ~few] = np.where(kept[~few].T[:, :, None], self.weights[:, None] - spread, 0.0)
        return found
