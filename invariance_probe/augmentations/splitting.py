"""The base: what makes two views of the same bins a task at all.

`CountHalves` gives each view one half of every spike count. A step splits every bin once, x1 ~ Bin(x, 1/2) and
x2 = x - x1, and the random bits are addressed by the bin, so overlapping or jittered windows of one step always
agree about the split. Given a Poisson rate the two halves are independent.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.counts import LANE_BITS, fair_halves, packed_ones
from invariance_probe.augmentations.random_bits import position
from invariance_probe.kernels import draws

SPLIT = 1
"""Purpose under which splits read their random bits."""
MORE = 1
"""Beside it, for counts that are larger than those of the bins which lay the bits out."""


@dataclass(frozen=True, eq=False)
class CountHalves:
    """Consistent halves of the counts of one recording.

    Attributes
    ----------
    counts
        Spike counts (time, unit), int16.
    ones
        The same, packed for binomial splitting (chunk, time, word).
    native
        Whether native kernels draw.
    more
        The chunks that only other bins than those which lay the bits out have; None where there are none.
    """

    counts: Tensor
    ones: Tensor
    native: bool = False
    more: Tensor | None = None
    scale: float = 2.0
    """What a half is multiplied with before standardisation, so that it has a whole count's mean."""

    @classmethod
    def of(
        cls, counts: Tensor, native: bool = False, laid_out_by: int | None = None
    ) -> "CountHalves":
        """Prepare the counts (time, unit) of a recording; native kernels draw the same halves, sooner.

        Where bits are read depends on the largest count among the first `laid_out_by` bins, of all when left out: the halves of
        these are then the same whatever comes after them.
        """
        ones = torch.stack(packed_ones(counts))
        own = max(1, -(-int(counts[:laid_out_by].max()) // LANE_BITS))
        return cls(
            counts.to(torch.int16), ones[:own], native, ones[own:] if own < len(ones) else None
        )

    def views(self, keys: Tensor, step: int, bins: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the first halves at `bins[0]` and the second halves at `bins[1]`, both (run, batch, time, unit)."""
        start = position(keys, step, SPLIT)
        first = self._first_half(start, bins[0])
        again = first if bins[1] is bins[0] else self._first_half(start, bins[1])
        return first, self.counts[bins[1]] - again

    def _first_half(self, start: Tensor, bins: Tensor) -> Tensor:
        half = self._drawn(self.ones, start, bins)
        return (
            half
            if self.more is None
            else half + self._drawn(self.more, position(start, MORE), bins)
        )

    def _drawn(self, ones: Tensor, start: Tensor, bins: Tensor) -> Tensor:
        units = self.counts.shape[-1]
        if self.native:
            return draws.fair_halves(ones, start, bins, units)
        return fair_halves([word[bins] for word in ones], start, bins, units)


@dataclass(frozen=True, eq=False)
class Whole:
    """Both views are given the whole activity (time, unit), counts or signals."""

    activity: Tensor
    scale: float = 1.0

    def views(self, keys: Tensor, step: int, bins: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the activity at both places, (run, batch, time, unit)."""
        first = self.activity[bins[0]]
        return first, first if bins[1] is bins[0] else self.activity[bins[1]]
