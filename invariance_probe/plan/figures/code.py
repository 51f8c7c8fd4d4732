"""Quantities of the measurement `code`: held-out errors and their summaries.

They say what decoders without SSL show about the code of a session (docs/code.md). All
quantities follow from sums of errors over the windows of each held-out fold, which are
stored. They are also stored with each block of the session left out in turn, for the
jackknife. Nothing here fits a decoder. The quantities are

* K_s, the fewest units that suffice for half of the R2 of all units, and K_n, the fewest
  units whose loss leaves less than half of it. Both are the fewest that a greedy search
  found, read off dropping curves (error against the number of units gained or lost);
* J = R2 / (1 - R2), the linear information, which adds up over independent units;
* redundancy, the summed J of two halves of the units over that of all units;
* R_code, the range: the loss of the best constant less that of the decoder of all units;
* C_code, the loss of decoders that are refitted on what survives a corruption, less that
  of all units; and C_blind, the loss of one decoder that is not told what was corrupted,
  less that on clean inputs. Both are in units of R_code.

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
"""Number of standard errors by which a decoder must beat the best constant.

A session whose decoder does not has no K_s, K_n and redundancy.
"""

CurveName = Literal[
    "gained", "lost", "lost: most harm now", "lost: by own R2", "lost: in order of gain", "random"
]
"""Names of the dropping curves of a session.

`gained`: units are added, the most useful first. `lost`: units are removed, in each fold
in that one of the three orders which loses half of the information first in its training
part. The orders have curves of their own: `most harm now`, `by own R2` (of each unit
alone), and `in order of gain`. `random`: units are removed in random order.
"""
Scale = Literal["r2", "information"]
"""What is halved to define K_s and K_n: R2, or linear information J."""
Fold = tuple[float, ...]
"""Sums over the held-out windows of each fold: (fold,)."""


def information(r2: float) -> float:
    """Return the linear information J = R2 / (1 - R2).

    R2 is first clipped to [0, `LARGEST_R2`].

    Examples
    --------
    >>> information(0.5), information(-0.2)
    (1.0, 0.0)
    """
    clipped = min(max(r2, 0.0), LARGEST_R2)
    return clipped / (1 - clipped)


def r2_of(information: float) -> float:
    """Return R2 = J / (1 + J), given linear information J.

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
        The curve: how units are gained or lost.
    errors
        Sums of squared errors over the target's variance (step, fold), after 0, 1, 2 ...
        units. They end one step after the pooled curve has crossed half of R2 and half
        of J.
    orders
        The order in which units are lost in each fold (fold,); only for the curve `lost`.
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
        Empty if the corruption leaves no inputs intact.
    blind
        Sums of losses, on corrupted inputs, of the one decoder that is not told what was
        corrupted, mean over draws of the corruption (fold,).
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

    For classes, losses are in nats. For other targets they are squared errors over the
    variance, each summed over the target's columns. The linear errors are always squared
    errors; for classes they are those of a regression on one-hot columns.

    Attributes
    ----------
    folds
        Numbers of the folds that were held out (fold,).
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
        Sums of squared errors of decoders of each half of the units, in random splits
        (split, half, fold).
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
        """Return the dropping curve with a given name.

        Raises
        ------
        KeyError
            When it was not measured.
        """
        for curve in self.curves:
            if curve.name == name:
                return curve
        known = ", ".join(repr(curve.name) for curve in self.curves)
        raise KeyError(f"no dropping curve {name!r} was measured; measured: {known}")

    @property
    def range(self) -> float:
        """R_code: loss of the best constant less that of all units, per window."""
        return (sum(self.floor) - sum(self.everything)) / sum(self.windows)

    @property
    def range_se(self) -> float:
        """Standard error of R_code: SD over the held-out blocks / sqrt(their number).

        Each block contributes its own range per window, and blocks have equal weight.
        """
        gains = np.subtract(self.floor, self.everything) / np.array(self.windows)
        return float(gains.std(ddof=1) / np.sqrt(len(gains)))

    @property
    def decodable(self) -> bool:
        """Whether the decoder of all units clearly beats the best constant.

        It must do so by more than `BEATS_FLOOR` standard errors.
        """
        return self.range > BEATS_FLOOR * self.range_se

    @property
    def r2(self) -> float:
        """Pooled held-out R2 of ridge regression on all units."""
        return self._r2(self.linear)

    @property
    def information(self) -> float:
        """Linear information J of all units, from their pooled R2."""
        return information(self.r2)

    def along(self, name: CurveName) -> tuple[float, ...]:
        """Return the linear information J at every step of a dropping curve (step,)."""
        return tuple(information(self._r2(errors)) for errors in self.curve(name).errors)

    @property
    def k_s(self) -> float | None:
        """K_s: fewest units found that reach half of the R2 of all units.

        It is interpolated between whole numbers; None if nothing is decoded.
        """
        return self.crossing("gained")

    @property
    def k_n(self) -> float | None:
        """K_n: fewest units found whose loss leaves less than half of R2.

        It is interpolated between whole numbers; None if nothing is decoded.
        """
        return self.crossing("lost")

    @property
    def k_s_of_information(self) -> float | None:
        """K_s defined by half of J instead of half of R2.

        With units of unequal information K_s depends on the level of R2; this does not.
        """
        return self.crossing("gained", "information")

    @property
    def k_n_of_information(self) -> float | None:
        """K_n defined by half of J instead of half of R2.

        With units of unequal information K_n depends on the level of R2; this does not.
        """
        return self.crossing("lost", "information")

    @property
    def carriers(self) -> float | None:
        """K_s + K_n: number of equal, independent units that would give these curves."""
        k_s, k_n = self.k_s, self.k_n
        return None if k_s is None or k_n is None else k_s + k_n

    @property
    def redundancy(self) -> float | None:
        """Summed information of two halves of the units, over that of all units.

        It is the mean over random splits of [J(one half) + J(the other half)] / J(all).
        None without splits, or if nothing is decoded.
        """
        whole = self.information
        if not whole or not self.halves:
            return None
        sums = [sum(information(self._r2(half)) for half in split) for split in self.halves]
        return sum(sums) / len(sums) / whole

    def corruption(self, axis: str, dose: float) -> CorruptionErrors:
        """Return the errors under one corruption.

        Parameters
        ----------
        axis
            The swept path, such as `unit_dropout.rate`.
        dose
            Its dose.

        Returns
        -------
        errors
            The errors under that corruption.

        Raises
        ------
        KeyError
            When it was not measured.
        """
        for found in self.corruptions:
            if (found.axis, found.dose) == (axis, dose):
                return found
        known = ", ".join(f"{found.axis} at {found.dose:g}" for found in self.corruptions) or "none"
        raise KeyError(f"no corruption {axis} at {dose:g} was measured; measured: {known}")

    def c_code(self, axis: str, dose: float) -> float | None:
        """Return C_code: what decoding loses under a corruption, in units of R_code.

        It is the loss of decoders refitted on what survives the corruption, less that on
        all inputs, over R_code. It equals `c_blind` if the corruption leaves no inputs
        intact.

        Parameters
        ----------
        axis
            The swept path.
        dose
            Its dose.

        Returns
        -------
        c_code
            None if R_code is not above 0.
        """
        found = self.corruption(axis, dose)
        return self._part_of_range(found.masked if found.known_masks else found.blind)

    def c_blind(self, axis: str, dose: float) -> float | None:
        """Return C_blind: what a decoder loses that is not told what was corrupted.

        It is the loss of this one decoder under the corruption, less that on clean
        inputs, over R_code.

        Parameters
        ----------
        axis
            The swept path.
        dose
            Its dose.

        Returns
        -------
        c_blind
            None if R_code is not above 0.
        """
        return self._part_of_range(self.corruption(axis, dose).blind)

    def independent(self, rate: float) -> float:
        """Return the C_code of a code of independent units with as much information.

        This reference code has many equal and independent units. Losing a part p of them
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
        """Return the number of units at which a curve first crosses one half.

        The curve is pooled over folds; between steps J is interpolated.

        Parameters
        ----------
        name
            The curve.
        scale
            Whether half of the R2 or half of the J of all units is crossed.

        Returns
        -------
        step
            Number of units, not rounded; None if nothing is decoded, or if the curve ends
            before it crosses.
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
    """All quantities of the measurement `code` of one session.

    Attributes
    ----------
    units
        Names of the units that vary in every training part; others are left out.
    window_count, length_bins, stride_bins, bin_s
        Number of windows of the session, of bins per window and from one window to the
        next, and bin length in seconds.
    loss
        Unit of the losses.
    whole
        Held-out errors of the whole session.
    deleted
        Held-out errors of the session without one of its blocks, for each block; units
        are chosen and decoders fitted anew. Empty without a jackknife.
    gained_by, lost_by
        Number of folds in which each unit is among the first K_s gained, and among the
        first K_n lost, where both are rounded up (unit,).
    autocorrelation_s
        First lag, in seconds, at which the autocorrelation is below 1/e; the longer of
        the two for the target and for the decoder's errors.
    copies
        Pairs of units that are copies of each other.
    sums
        Units that are the sum of others: each entry names such a unit and those others.
    distinct
        The same quantities without the units that repeat others; None if no unit does.
    n_eff, red_idx
        Exploratory measures: the effective number of units that carry the target, at
        most the number of units, and redundancy, both from the masks of unit dropout.
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
    stride_bins: int = 1
    kind: Literal["code"] = "code"

    @cached_property
    def k_s(self) -> float | None:
        """K_s of the whole session: the fewest units found that suffice.

        None if the decoder does not beat the best constant by 4 standard errors.
        """
        return self.whole.k_s if self.whole.decodable else None

    @cached_property
    def k_n(self) -> float | None:
        """K_n of the whole session: the fewest units found that are needed.

        None if the decoder does not beat the best constant by 4 standard errors.
        """
        return self.whole.k_n if self.whole.decodable else None

    @property
    def carriers(self) -> float | None:
        """K_s + K_n of the whole session; None if either is None."""
        return None if self.k_s is None or self.k_n is None else self.k_s + self.k_n

    @property
    def redundancy(self) -> float | None:
        """Redundancy of the whole session.

        None if the decoder does not beat the best constant by 4 standard errors.
        """
        return self.whole.redundancy if self.whole.decodable else None

    @property
    def range(self) -> float:
        """R_code of the whole session; see `HeldOutErrors.range`."""
        return self.whole.range

    def c_code(self, axis: str, dose: float) -> float | None:
        """Return C_code of the whole session; see `HeldOutErrors.c_code`.

        Parameters
        ----------
        axis
            The swept path.
        dose
            Its dose.

        Returns
        -------
        c_code
            None if R_code is not above 0.
        """
        return self.whole.c_code(axis, dose)

    def c_blind(self, axis: str, dose: float) -> float | None:
        """Return C_blind of the whole session; see `HeldOutErrors.c_blind`.

        Parameters
        ----------
        axis
            The swept path.
        dose
            Its dose.

        Returns
        -------
        c_blind
            None if R_code is not above 0.
        """
        return self.whole.c_blind(axis, dose)

    def independent(self, rate: float) -> float:
        """Return the C_code of independent units; see `HeldOutErrors.independent`."""
        return self.whole.independent(rate)

    def table(self) -> Iterator[dict[str, Any]]:
        """Yield every stored sum as one row of a table.

        Yields
        ------
        row
            A dictionary with the deleted block (empty for the whole session), what was
            summed, the name of a curve or corruption, the step or split, the fold, and
            the value of the sum.
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
    """Yield the stored sums: what was summed, name, step, and values by fold."""
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
