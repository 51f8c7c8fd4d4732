"""The base of an augmentation: what each view shows of its bins' activity.

`CountHalves` shows each view one half of every spike count, so that two views of the
same bins differ even if nothing else corrupts them. In each step every bin is split
once, x1 ~ Bin(x, 1/2) and x2 = x - x1. The random bits belong to the bin, so overlapping
or jittered windows of one step always have the same split. Given a Poisson rate the two
halves are independent. `Whole` shows both views the whole activity.

In: the activity of a recording, and the bins of each view in stacked runs, which are
trained together. Out: the activity of both views (run, batch, time, unit), neither
corrupted nor standardised.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.augmentations.counts import LANE_BITS, fair_halves, packed_ones
from invariance_probe.augmentations.random_bits import position
from invariance_probe.kernels import draws

SPLIT = 1
"""Number that keeps the random bits of splits apart from those of transforms."""
MORE = 1
"""Part of the address of the random bits for `CountHalves.more`."""


@dataclass(frozen=True, eq=False)
class CountHalves:
    """Show each view one half of every spike count.

    Attributes
    ----------
    counts
        Spike counts (time, unit), int16.
    ones
        The same counts, packed for binomial splitting (chunk, time, word): each chunk
        holds up to sixteen spikes of every count (`counts.packed_ones`).
    native
        Whether compiled (native) kernels draw the halves.
    more
        Further chunks for larger counts that occur only after the first `laid_out_by`
        bins (see `of`); None if there are no such counts.
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
            Whether compiled (native) kernels draw the same halves in less time.
        laid_out_by
            Number of first bins whose halves must not depend on the bins after them. The
            address of the random bits depends on the largest count among these bins; if
            omitted, among all bins.
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
            First halves of the counts in `bins[0]`, and second halves of those in
            `bins[1]`, each (run, batch, time, unit).
        """
        start = position(keys, step, SPLIT)
        first = self._first_half(start, bins[0])
        again = first if bins[1] is bins[0] else self._first_half(start, bins[1])
        return first, self.counts[bins[1]] - again

    def _first_half(self, start: Tensor, bins: Tensor) -> Tensor:
        """First half of the counts in some bins (run, batch, time, unit)."""
        half = self._drawn(self.ones, start, bins)
        return (
            half
            if self.more is None
            else half + self._drawn(self.more, position(start, MORE), bins)
        )

    def _drawn(self, ones: Tensor, start: Tensor, bins: Tensor) -> Tensor:
        """Draw the first half of packed counts in some bins (run, batch, time, unit)."""
        units = self.counts.shape[-1]
        if self.native:
            return draws.fair_halves(ones, start, bins, units)
        return fair_halves([word[bins] for word in ones], start, bins, units)


@dataclass(frozen=True, eq=False)
class Whole:
    """Show both views the whole activity.

    Attributes
    ----------
    activity
        (time, unit), counts or signals.
    scale
        Factor before standardisation, which is 1 for whole activity.
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
