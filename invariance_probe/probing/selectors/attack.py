"""An attack: one decoder, a budget of units, and losses counted in passes.

In: a decoder's moments on the choosing half, how many units go, and how many forward
passes may be spent. Out: every loss that a selector asks for, and the most harmful set
of the budget's size that was ever scored. Here everything has a closed form. Passes are
counted as for a decoder that has none, so that selectors are compared at equal cost and
not by how much the algebra favours them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from invariance_probe.probing.selectors.damage import Harm, Loss, Relief, harm, relief, set_losses
from invariance_probe.probing.selectors.moments import Part
from invariance_probe.probing.selectors.relaxation import Slope, relaxed_loss

GRADIENT = 3
"""Forward passes that a loss with its gradient counts for.

A backward pass costs about two forward ones.
"""


@dataclass(eq=False)
class Attack:
    """The search for the units whose removal harms a decoder most.

    Attributes
    ----------
    parts
        Moments of the choosing half.
    mode
        `refit` or `fixed`.
    budget
        Number of units to remove, from 1 to one less than there are.
    limit
        Forward passes that may be spent; None for as many as a selector wants.
    passes
        Passes spent so far.
    best, best_loss
        The most harmful set of the budget's size that was scored, and its loss.
    """

    parts: Sequence[Part]
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
        """Whether that many more passes may be spent."""
        return self.limit is None or self.passes + passes <= self.limit

    def left(self, wanted: int) -> int:
        """How many of the wanted passes may be spent."""
        return wanted if self.limit is None else max(0, min(wanted, self.limit - self.passes))

    def losses(self, removed: np.ndarray) -> np.ndarray:
        """Loss without each set (set,), one pass per set.

        Parameters
        ----------
        removed
            Units to remove (set, budget).
        """
        self.passes += len(removed)
        found = self._losses(removed)
        self._remember(removed, found)
        return found

    def harm(self, removed: Sequence[int]) -> np.ndarray:
        """Loss (unit,) when each other unit is removed too, one pass per unit."""
        others = self._others(removed)
        self.passes += len(others)
        found = self._harm(removed)
        if len(removed) == self.budget - 1:
            worst = others[int(found[others].argmax())]
            self._remember([[*removed, worst]], found[[worst]])
        return found

    def relief(self, kept: Sequence[int]) -> np.ndarray:
        """Loss (unit,) when each other unit is kept too, one pass per unit."""
        self.passes += self.units - len(kept)
        return self._relief(kept)

    def slope(self, shares: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and its gradient (unit,) at shares (unit,), for `GRADIENT` passes."""
        self.passes += GRADIENT
        return self._slope(shares)

    def _others(self, removed: Sequence[int]) -> list[int]:
        gone = set(removed)
        return [u for u in range(self.units) if u not in gone]

    def _remember(self, removed: Iterable[Iterable[int]], losses: np.ndarray) -> None:
        """Keep the set of the largest loss, in ascending order."""
        worst = int(losses.argmax())
        if losses[worst] > self.best_loss:
            self.best_loss = float(losses[worst])
            self.best = tuple(sorted(int(u) for u in list(removed)[worst]))

    @cached_property
    def _losses(self) -> Loss:
        return set_losses(self.parts, self.mode)

    @cached_property
    def _harm(self) -> Harm:
        return harm(self.parts, self.mode)

    @cached_property
    def _relief(self) -> Relief:
        return relief(self.parts, self.mode)

    @cached_property
    def _slope(self) -> Slope:
        return relaxed_loss(self.parts, self.mode)
