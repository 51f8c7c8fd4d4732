"""An attack: a search for the units whose removal harms one decoder most.

In: a decoder's moments on the half of a session that chooses, how many units are
removed, and how many forward passes (computations of the decoder's loss) may be spent.
Out: the losses that a selector queries, and the most harmful set of the budget's size
that was ever scored. Here every loss has a closed form. Passes are nevertheless counted
as for a decoder without one, so that selectors are compared at equal cost and not by
how much the algebra favours them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from invariance_probe.probing.selectors.damage import (
    Loss,
    LossIfKept,
    LossIfRemoved,
    losses_if_kept,
    losses_if_removed,
    set_losses,
)
from invariance_probe.probing.selectors.moments import FoldMoments
from invariance_probe.probing.selectors.relaxation import Slope, relaxed_loss

GRADIENT = 3
"""Number of forward passes that a loss with its gradient counts as.

A backward pass costs about two forward ones.
"""


@dataclass(eq=False)
class Attack:
    """The search for the units whose removal harms a decoder most.

    Attributes
    ----------
    parts
        Moments of the half that chooses, one part per fold.
    mode
        `refit` or `fixed`: whether the decoder is fitted again without the units.
    budget
        Number of units to remove, at least 1 and fewer than all.
    limit
        Number of forward passes that may be spent; None if they are not limited.
    passes
        Number of passes spent so far.
    best, best_loss
        The most harmful set of the budget's size that was scored, and its loss.
    """

    parts: Sequence[FoldMoments]
    mode: str
    budget: int
    limit: int | None = None
    passes: int = 0
    best: tuple[int, ...] = ()
    best_loss: float = field(default=-np.inf)

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.parts[0].with_target)

    def affords(self, passes: int) -> bool:
        """Whether a number of further passes may be spent."""
        return self.limit is None or self.passes + passes <= self.limit

    def left(self, wanted: int) -> int:
        """Number of the wanted passes that may still be spent."""
        return wanted if self.limit is None else max(0, min(wanted, self.limit - self.passes))

    def losses(self, removed: np.ndarray) -> np.ndarray:
        """Compute the loss without each of several sets (set,), one pass per set.

        Parameters
        ----------
        removed
            Units to remove (set, budget).
        """
        self.passes += len(removed)
        found = self._losses(removed)
        self._remember(removed, found)
        return found

    def loss_if_removed(self, removed: Sequence[int]) -> np.ndarray:
        """Loss if one more unit is removed, for each unit (unit,).

        It costs one pass per unit that is not removed yet.

        Parameters
        ----------
        removed
            Units that are removed already.
        """
        others = self._others(removed)
        self.passes += len(others)
        found = self._losses_if_removed(removed)
        if len(removed) == self.budget - 1:
            worst = others[int(found[others].argmax())]
            self._remember([[*removed, worst]], found[[worst]])
        return found

    def loss_if_kept(self, kept: Sequence[int]) -> np.ndarray:
        """Loss if one more unit is kept, for each unit (unit,).

        It costs one pass per unit that is not kept yet.

        Parameters
        ----------
        kept
            Units that are kept already; all others are removed.
        """
        self.passes += self.units - len(kept)
        return self._losses_if_kept(kept)

    def slope(self, shares: np.ndarray) -> tuple[float, np.ndarray]:
        """Compute the loss and its gradient (unit,), for `GRADIENT` passes.

        Parameters
        ----------
        shares
            How much of each unit is kept (unit,), from 0 (removed) to 1 (kept).
        """
        self.passes += GRADIENT
        return self._slope(shares)

    def _others(self, removed: Sequence[int]) -> list[int]:
        gone = set(removed)
        return [u for u in range(self.units) if u not in gone]

    def _remember(self, removed: Iterable[Iterable[int]], losses: np.ndarray) -> None:
        """Store the set with the largest loss if no earlier set had a larger one."""
        worst = int(losses.argmax())
        if losses[worst] > self.best_loss:
            self.best_loss = float(losses[worst])
            self.best = tuple(sorted(int(u) for u in list(removed)[worst]))

    @cached_property
    def _losses(self) -> Loss:
        return set_losses(self.parts, self.mode)

    @cached_property
    def _losses_if_removed(self) -> LossIfRemoved:
        return losses_if_removed(self.parts, self.mode)

    @cached_property
    def _losses_if_kept(self) -> LossIfKept:
        return losses_if_kept(self.parts, self.mode)

    @cached_property
    def _slope(self) -> Slope:
        return relaxed_loss(self.parts, self.mode)
