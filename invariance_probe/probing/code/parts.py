"""Fit all decoders of one training part and score them on held-out blocks.

In: the session's moments, a training part (the windows that remain when some blocks are
held out) with its ridge penalty, and masks of the inputs. Out: held-out squared errors
(`PartErrors`). Errors are pooled over training parts elsewhere.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from invariance_probe.plan.figures.code import CurveName
from invariance_probe.probing.code.dropping import CurveRequest, Dropped, drop, drop_further
from invariance_probe.probing.code.moments import HeldOutMoments, Moments, System
from invariance_probe.probing.code.penalties import LeftOut
from invariance_probe.probing.code.refitting import Refittable


@dataclass(frozen=True, eq=False)
class Fitted:
    """Ridge regression of a training part.

    Attributes
    ----------
    system
        Moments of the training part, standardised. The decoder's matrix has taken the
        place of the correlation.
    decoder
        Ridge regression on all units, which can be refitted on some.
    """

    system: System
    decoder: Refittable

    @classmethod
    def of(cls, moments: Moments, part: LeftOut, penalty: float) -> "Fitted":
        """Fit the ridge regression of a training part.

        Parameters
        ----------
        moments
            Moments of the session.
        part
            Numbers of the blocks that the training part leaves out.
        penalty
            Ridge penalty.
        """
        system = System.of(moments.training(part), moments.features, overwrite=True)
        return cls(system, Refittable(system.ridge(penalty, overwrite=True), system.right))

    def tested(self, moments: Moments, part: LeftOut) -> list[HeldOutMoments]:
        """Moments of the blocks that the part leaves out, in ascending order.

        Parameters
        ----------
        moments
            Moments of the session.
        part
            Numbers of the blocks that the training part leaves out.
        """
        return [self.system.tested(moments.block(block)) for block in sorted(part)]


@dataclass(frozen=True, eq=False)
class PartErrors:
    """Held-out squared errors of the decoders of one training part.

    They are sums over each block that the part leaves out (block,), in ascending order
    of the blocks' numbers.

    Attributes
    ----------
    floors
        Errors of the training mean (block,).
    linear
        Errors of ridge regression on all units (block,).
    masked
        Errors of ridge regressions refitted on what each mask keeps (block, mask).
    dropped
        Dropping curves.
    weights
        Weights of all units, as vectors over the columns (inputs, 1, target) of a
        table, as `System.raw` returns them (side, column).
    """

    floors: tuple[float, ...]
    linear: tuple[float, ...]
    masked: np.ndarray
    dropped: Dropped
    weights: np.ndarray


def part_errors(
    moments: Moments,
    part: LeftOut,
    penalty: float,
    bins: int,
    masks: np.ndarray,
    request: CurveRequest,
) -> PartErrors:
    """Fit a training part's decoders and score them on the blocks it leaves out.

    Parameters
    ----------
    moments
        Moments of the session.
    part
        Numbers of the blocks that the training part leaves out.
    penalty
        Ridge penalty, used for all units and for each refit.
    bins
        Input columns per unit.
    masks
        Inputs that are kept (mask, feature).
    request
        Which dropping curves to measure, and how far to run each.
    """
    fitted = Fitted.of(moments, part, penalty)
    system, decoder = fitted.system, fitted.decoder
    tested = fitted.tested(moments, part)
    refitted = decoder.on(masks)
    everything = decoder.weights[:, None, :]
    return PartErrors(
        tuple(block.power for block in tested),
        tuple(float(block.errors(everything)[0]) for block in tested),
        np.array([block.errors(refitted) for block in tested]),
        drop(decoder, system.power, bins, tested, request),
        system.raw(everything)[:, 0],
    )


def run_further(
    moments: Moments,
    part: LeftOut,
    penalty: float,
    bins: int,
    request: CurveRequest,
    before: PartErrors,
    lacking: Collection[CurveName],
) -> PartErrors:
    """Run some dropping curves of a training part further than before.

    The refits on masks are not repeated.

    Parameters
    ----------
    moments, part, penalty, bins, request
        As for `part_errors`.
    before
        The part's errors so far.
    lacking
        The curves that have to run further.
    """
    fitted = Fitted.of(moments, part, penalty)
    dropped = drop_further(
        fitted.decoder,
        fitted.system.power,
        bins,
        fitted.tested(moments, part),
        request,
        before.dropped,
        lacking,
    )
    return replace(before, dropped=dropped)


def pooled(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Put the errors of several folds side by side (step, fold).

    Curves are cut to the length of the shortest.

    Parameters
    ----------
    curves
        Errors (step,) of each fold.
    """
    shortest = min(len(curve) for curve in curves)
    return np.stack([curve[:shortest] for curve in curves], axis=1)
