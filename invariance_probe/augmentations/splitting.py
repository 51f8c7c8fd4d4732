"""The base: what makes two views of the same bins a task at all.

`CountHalves` gives each view one half of every spike count. Each step splits every bin
once, x1 ~ Bin(x, 1/2) and x2 = x - x1. The random bits are addressed by the bin, so
overlapping or jittered windows of one step always agree about the split. Given a
Poisson rate the two halves are independent. `Whole` gives both views the whole
activity.

In: the activity of a recording and the bins of each view. Out: the activity of both
views (run, batch, time, unit), neither corrupted nor standardised.
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
"""Added to the address of the chunks of counts in `CountHalves.more`."""


@dataclass(frozen=True, eq=False)
class CountHalves:
    """Consistent halves of the counts of one recording.

    Attributes
    ----------
    counts
        Spike counts (time, unit), int16.
    ones
        The same counts, packed for binomial splitting (chunk, time, word).
    native
        Whether the native kernels draw the halves.
    more
        Further chunks, needed only by bins after the first `laid_out_by` (see `of`),
        because their counts are larger; None where there are none.
    """

    counts: Tensor
    ones: Tensor
    native: bool = False
    more: Tensor | None = None
    scale: float = 2.0
    """Factor before standardisation that gives a half the mean of a whole count."""

    @classmethod
    def of(
        cls, counts: Tensor, native: bool = False, laid_out_by: int | None = None
    ) -> "CountHalves":
        """Prepare the counts of a recording.

        Parameters
        ----------
        counts
            (time, unit), non-negative integers.
        native
            Whether the native kernels draw: the same halves, in less time.
        laid_out_by
            The address of the random bits depends on the largest count among so many
            first bins; among all bins if omitted. The halves of these bins are then
            the same, whatever bins come after them.
        """
        ones = torch.stack(packed_ones(counts))
        own = max(1, -(-int(counts[:laid_out_by].max()) // LANE_BITS))
        return cls(
            counts.to(torch.int16), ones[:own], native, ones[own:] if own < len(ones) else None
        )

    def views(self, keys: Tensor, step: int, bins: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Split the counts of one step between the two views.

        Parameters
        ----------
        keys
            Stream key of each run (run,).
        step
            Update step.
        bins
            Bins of each view's windows, each (run, batch, time).

        Returns
        -------
        first, second
            First halves at `bins[0]` and second halves at `bins[1]`, each
            (run, batch, time, unit).
        """
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
    """Give both views the whole activity.

    Attributes
    ----------
    activity
        (time, unit), counts or signals.
    scale
        Factor before standardisation: none is needed.
    """

    activity: Tensor
    scale: float = 1.0

    def views(self, keys: Tensor, step: int, bins: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Look up the whole activity at the bins of each view.

        Parameters
        ----------
        keys, step
            Not used: nothing is drawn.
        bins
            Bins of each view's windows, each (run, batch, time).

        Returns
        -------
        first, second
            Each (run, batch, time, unit).
        """
        first = self.activity[bins[0]]
        return first, first if bins[1] is bins[0] else self.activity[bins[1]]
