"""Figures of the code: held-out sums of errors, and what follows from them.

They are what refitted decoders say about a code without SSL. A `CodeFigures` holds sums
over the windows of every held-out fold, so each figure of a session (K_s, K_n,
redundancy, C_code, C_blind and their range; science.md 2.1) can be computed again from
an exported table. It also holds the sums with each block of the session left out in
turn, for the delete-a-block jackknife. Nothing here fits a decoder.

References
----------
Moreno-Bote et al. 2014, doi:10.1038/nn.3807 (information that saturates with the number
of units).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

LARGEST_R2 = 0.999
"""R2 is clipped to [0, this] before it becomes information."""
BEATS_FLOOR = 4.0
"""By how many standard errors a decoder must beat its floor.

A session whose decoder does not has no K_s and no K_n.
"""

CurveName = Literal[
    "gained", "lost", "lost: most harm now", "lost: by own R2", "lost: in order of gain", "random"
]
"""The dropping curves of a session.

`gained`: units are added, most useful first. `lost`: units are removed in the order
that is scored in each fold, one of the three that follow (named after `lost:`).
`random`: units are removed at random.
"""
Scale = Literal["r2", "information"]
"""What is halved at a crossing: R2, or the linear information J."""
Fold = tuple[float, ...]
"""One sum over held-out windows per fold: (fold,)."""


def information(r2: float) -> float:
    """Linear information J = R2 / (1 - R2), of R2 clipped to [0, `LARGEST_R2`].

    Examples
    --------
    >>> information(0.5), information(-0.2)
    (1.0, 0.0)
    """
    clipped = min(max(r2, 0.0), LARGEST_R2)
    return clipped / (1 - clipped)


def r2_of(information: float) -> float:
    """R2 = J / (1 + J), of linear information J.

    Examples
    --------
    >>> r2_of(1.0)
    0.5
    """
    return information / (1 + information)


@dataclass(frozen=True)
class DroppingCurve:
    """Decoding error against the number of units gained or lost.

    Attributes
    ----------
    name
        Which units come first.
    errors
        Sums of squared errors over the target's variance (step, fold). They run from no
        unit gained or lost to one step beyond the crossings of the pooled curve at half
        of R2 and at half of J.
    orders
        The order that was scored in each fold (fold,); for the curve `lost` only.
    """

    name: CurveName
    errors: tuple[Fold, ...]
    orders: tuple[str, ...] = ()


@dataclass(frozen=True)
class CorruptionErrors:
    """Held-out errors under one corruption of the inputs.

    Attributes
    ----------
    axis, dose
        The swept path and its dose.
    masked
        Sums of losses of decoders refitted on what survives, mean over masks (fold,).
        It is empty where the corruption leaves no inputs intact.
    blind
        Sums of losses of one decoder for unknown corruptions, on corrupted inputs, mean
        over draws (fold,).
    input_change
        Mean squared change of the standardised inputs, over their variance.
    """

    axis: str
    dose: float
    masked: Fold
    blind: Fold
    input_change: float

    @property
    def known_masks(self) -> bool:
        """Whether some inputs survive intact, so that a decoder can be refitted."""
        return bool(self.masked)


@dataclass(frozen=True)
class HeldOutErrors:
    """Held-out sums of errors of a session, or of all but one of its blocks.

    Losses are squared errors summed over columns, over the sum of the columns'
    variances; for classes they are nats. Linear errors are always squared errors; for
    classes they are those of one-hot regression.

    Attributes
    ----------
    folds
        Which folds were held out (fold,).
    windows
        Number of held-out windows in each (fold,).
    floor, everything
        Sums of losses of the best constant, and of the decoder that reads all units
        (fold,).
    linear_floor, linear
        Sums of squared errors of the training mean, and of ridge regression on all
        units (fold,).
    curves
        Dropping curves.
    halves
        Sums of squared errors of each half of random splits of the units (split, half,
        fold).
    corruptions
        Errors under each swept corruption.
    """

    folds: tuple[int, ...]
    windows: tuple[int, ...]
    floor: Fold
    everything: Fold
    linear_floor: Fold
    linear: Fold
    curves: tuple[DroppingCurve, ...]
    halves: tuple[tuple[Fold, Fold], ...]
    corruptions: tuple[CorruptionErrors, ...]

    def curve(self, name: CurveName) -> DroppingCurve:
        """The dropping curve of that name.

        Raises
        ------
        KeyError
            Where it was not measured.
        """
        for curve in self.curves:
            if curve.name == name:
                return curve
        known = ", ".join(repr(curve.name) for curve in self.curves)
        raise KeyError(f"no dropping curve {name!r}; there are {known}")

    @property
    def range(self) -> float:
        """R_code: mean loss per window of the best constant, less the decoder's.

        The decoder reads all units.
        """
        return (sum(self.floor) - sum(self.everything)) / sum(self.windows)

    @property
    def range_se(self) -> float:
        """Standard error of the range over folds; each fold is one block."""
        gains = np.subtract(self.floor, self.everything) / np.array(self.windows)
        return float(gains.std(ddof=1) / np.sqrt(len(gains)))

    @property
    def decodable(self) -> bool:
        """Whether the decoder of all units beats its floor.

        It must do so by more than `BEATS_FLOOR` standard errors.
        """
        return self.range > BEATS_FLOOR * self.range_se

    @property
    def r2(self) -> float:
        """Pooled held-out R2 of ridge regression on all units."""
        return self._r2(self.linear)

    @property
    def information(self) -> float:
        """Linear information J of all units."""
        return information(self.r2)

    def along(self, name: CurveName) -> tuple[float, ...]:
        """Linear information J along a dropping curve (step,)."""
        return tuple(information(self._r2(errors)) for errors in self.curve(name).errors)

    @property
    def k_s(self) -> float | None:
        """K_s: fewest units found that reach half of the R2 of all units.

        It is interpolated between steps; None where nothing is decoded.
        """
        return self.crossing("gained")

    @property
    def k_n(self) -> float | None:
        """K_n: fewest units found whose loss leaves less than half of R2.

        It is interpolated between steps; None where nothing is decoded.
        """
        return self.crossing("lost")

    @property
    def k_s_of_information(self) -> float | None:
        """K_s at half of J instead of half of R2.

        Unlike the other, it does not follow R2 where units are unequal.
        """
        return self.crossing("gained", "information")

    @property
    def k_n_of_information(self) -> float | None:
        """K_n at half of J instead of half of R2.

        Unlike the other, it does not follow R2 where units are unequal.
        """
        return self.crossing("lost", "information")

    @property
    def carriers(self) -> float | None:
        """K_s + K_n: the number of equal independent carriers with these curves."""
        k_s, k_n = self.k_s, self.k_n
        return None if k_s is None or k_n is None else k_s + k_n

    @property
    def redundancy(self) -> float | None:
        """Summed information of two halves of the units, over that of all units.

        It is the mean over random splits of [J(one half) + J(the other half)] / J(all);
        None without splits, or where nothing is decoded.
        """
        whole = self.information
        if not whole or not self.halves:
            return None
        sums = [sum(information(self._r2(half)) for half in split) for split in self.halves]
        return sum(sums) / len(sums) / whole

    def corruption(self, axis: str, dose: float) -> CorruptionErrors:
        """The errors under one corruption.

        Parameters
        ----------
        axis
            The swept path.
        dose
            Its dose.

        Returns
        -------
        errors
            The errors under that corruption.

        Raises
        ------
        KeyError
            Where it was not measured.
        """
        for found in self.corruptions:
            if (found.axis, found.dose) == (axis, dose):
                return found
        known = ", ".join(f"{found.axis} at {found.dose:g}" for found in self.corruptions) or "none"
        raise KeyError(f"no corruption {axis} at {dose:g} was measured; there are: {known}")

    def c_code(self, axis: str, dose: float) -> float | None:
        """C_code: what decoding loses with the corrupted inputs, in units of R_code.

        It is the loss of decoders refitted on what survives a corruption, less that on
        all inputs, over the range. It equals `c_blind` where the corruption leaves no
        inputs intact.

        Parameters
        ----------
        axis
            The swept path.
        dose
            Its dose.

        Returns
        -------
        c_code
            None where the range is not above 0.
        """
        found = self.corruption(axis, dose)
        return self._part_of_range(found.masked if found.known_masks else found.blind)

    def c_blind(self, axis: str, dose: float) -> float | None:
        """C_blind: what a decoder that cannot see the corruption loses by it.

        It is the loss of one decoder for unknown corruptions, less that on clean
        inputs, over the range R_code.

        Parameters
        ----------
        axis
            The swept path.
        dose
            Its dose.

        Returns
        -------
        c_blind
            None where the range is not above 0.
        """
        return self._part_of_range(self.corruption(axis, dose).blind)

    def independent(self, rate: float) -> float:
        """C_code of an independent code with as much information as this one.

        Its units are equal, many and independent. Losing a part p of information J
        leaves (1 - p) J, so R2 falls by p / (1 + (1 - p) J) of itself.

        Parameters
        ----------
        rate
            Part p of the units that is lost, in [0, 1].

        Returns
        -------
        c_code
            Loss in units of R_code.
        """
        return rate / (1 + (1 - rate) * self.information)

    def crossing(self, name: CurveName, scale: Scale = "r2") -> float | None:
        """First step at which a pooled curve crosses half of what all units have.

        The step is interpolated on the J scale.

        Parameters
        ----------
        name
            Which curve.
        scale
            Half of R2, or half of J.

        Returns
        -------
        step
            Number of units, not rounded; None where nothing is decoded, or where the
            curve ends before it crosses.
        """
        half = self.information / 2 if scale == "information" else information(self.r2 / 2)
        values = self.along(name)
        if not half:
            return None
        for step in range(1, len(values)):
            before, after = values[step - 1], values[step]
            if after >= half if name == "gained" else after < half:
                return step - 1 + (half - before) / (after - before)
        return None

    def _r2(self, errors: Fold) -> float:
        floor = sum(self.linear_floor)
        return 1 - sum(errors) / floor if floor > 0 else 0.0

    def _part_of_range(self, losses: Fold) -> float | None:
        lost, whole = sum(losses) - sum(self.everything), sum(self.floor) - sum(self.everything)
        return lost / whole if whole > 0 else None


@dataclass(frozen=True)
class CodeFigures:
    """What is measured about a session's code without SSL.

    Attributes
    ----------
    units
        Names of the units that vary in every training part.
    window_count, length_bins, bin_s
        Windows of the session, bins per window, and the length of a bin in seconds.
    loss
        Unit of the losses.
    whole
        Held-out errors of the whole session.
    deleted
        The same with each block left out in turn, with choosing and fitting repeated;
        empty without a jackknife.
    gained_by, lost_by
        In how many folds each unit was among the first K_s gained, and among the first
        K_n lost, both rounded up (unit,).
    autocorrelation_s
        First lag, in seconds, at which the autocorrelation is below 1/e: the longer one
        of the target's and of the decoder's errors'.
    copies
        Pairs of units that are copies of each other.
    sums
        Units that are the sum of others: each entry names such a unit and those others.
    distinct
        The same figures without the units that repeat others; None where there are
        none.
    n_eff, red_idx
        Exploratory: the effective number of carriers, at most the number of units, and
        redundancy, both from masks of single units.
    """

    units: tuple[str, ...]
    window_count: int
    length_bins: int
    bin_s: float
    loss: Literal["squared error", "nats"]
    whole: HeldOutErrors
    deleted: tuple[HeldOutErrors, ...] = ()
    gained_by: tuple[int, ...] = ()
    lost_by: tuple[int, ...] = ()
    autocorrelation_s: float | None = None
    copies: tuple[tuple[str, str], ...] = ()
    sums: tuple[tuple[str, ...], ...] = ()
    distinct: "CodeFigures | None" = None
    n_eff: float | None = None
    red_idx: float | None = None
    kind: Literal["code"] = "code"

    @cached_property
    def k_s(self) -> float | None:
        """K_s, the fewest units found that suffice.

        None where the decoder does not beat its floor by 4 standard errors.
        """
        return self.whole.k_s if self.whole.decodable else None

    @cached_property
    def k_n(self) -> float | None:
        """K_n, the fewest units found that are needed.

        None where the decoder does not beat its floor by 4 standard errors.
        """
        return self.whole.k_n if self.whole.decodable else None

    @property
    def carriers(self) -> float | None:
        """K_s + K_n; None where either is None."""
        return None if self.k_s is None or self.k_n is None else self.k_s + self.k_n

    @property
    def redundancy(self) -> float | None:
        """Redundancy of the whole session.

        None where the decoder does not beat its floor by 4 standard errors.
        """
        return self.whole.redundancy if self.whole.decodable else None

    @property
    def range(self) -> float:
        """R_code: mean loss per window of the best constant, less the decoder's.

        The decoder reads all units.
        """
        return self.whole.range

    def c_code(self, axis: str, dose: float) -> float | None:
        """C_code of the whole session; see `HeldOutErrors.c_code`.

        Parameters
        ----------
        axis
            The swept path.
        dose
            Its dose.

        Returns
        -------
        c_code
            None where the range is not above 0.
        """
        return self.whole.c_code(axis, dose)

    def c_blind(self, axis: str, dose: float) -> float | None:
        """C_blind of the whole session; see `HeldOutErrors.c_blind`.

        Parameters
        ----------
        axis
            The swept path.
        dose
            Its dose.

        Returns
        -------
        c_blind
            None where the range is not above 0.
        """
        return self.whole.c_blind(axis, dose)

    def independent(self, rate: float) -> float:
        """C_code of an independent code; see `HeldOutErrors.independent`."""
        return self.whole.independent(rate)

    def table(self) -> Iterator[dict[str, Any]]:
        """Every stored sum as one flat row.

        Yields
        ------
        row
            Deleted block (empty for the whole session), what, name, step, fold and
            value.
        """
        parts = [("", self.whole)]
        everywhere = set(self.whole.folds)
        parts += [(str(*(everywhere - set(part.folds))), part) for part in self.deleted]
        for deleted, part in parts:
            for what, name, step, errors in _sums(part):
                for fold, value in zip(part.folds, errors, strict=True):
                    yield {
                        "deleted": deleted,
                        "what": what,
                        "name": name,
                        "step": step,
                        "fold": fold,
                        "value": value,
                    }


def _sums(part: HeldOutErrors) -> Iterator[tuple[str, str, int | str, Fold]]:
    """Yield every stored sum: what, name, step, and values by fold."""
    yield "windows", "", "", part.windows
    for name in ("floor", "everything", "linear_floor", "linear"):
        yield name, "", "", getattr(part, name)
    for curve in part.curves:
        for step, errors in enumerate(curve.errors):
            yield "curve", curve.name, step, errors
    for number, split in enumerate(part.halves):
        for half, errors in zip(("a half", "the other half"), split, strict=True):
            yield half, "", number, errors
    for found in part.corruptions:
        name = f"{found.axis}={found.dose:g}"
        if found.known_masks:
            yield "masked", name, "", found.masked
        yield "blind", name, "", found.blind
