"""All decoders of one training part, with their errors on left-out blocks.

In: the session's moments, a training part with its ridge penalty, and masks. Out:
held-out squared errors (`PartErrors`). Pooling over training parts happens elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.probing.code.dropping import Dropped, Wanted, drop
from invariance_probe.probing.code.moments import Moments, System
from invariance_probe.probing.code.penalties import Part
from invariance_probe.probing.code.refitting import Refittable


@dataclass(frozen=True, eq=False)
class Fitted:
    """Ridge regression of a training part.

    Attributes
    ----------
    system
        The training part, standardised.
    decoder
        Ridge regression on all units, which can be refitted on some.
    """

    system: System
    decoder: Refittable

    @classmethod
    def of(cls, moments: Moments, part: Part, penalty: float) -> "Fitted":
        """Fit the ridge regression of a training part.

        Parameters
        ----------
        moments
            Moments of the session.
        part
            The blocks that the training part leaves out.
        penalty
            Ridge penalty.
        """
        system = System.of(moments.training(part), moments.features)
        return cls(system, Refittable(system.ridge(penalty), system.right))


@dataclass(frozen=True, eq=False)
class PartErrors:
    """Held-out squared errors of one training part.

    They are sums over each block (block,) that the part leaves out, in ascending order.

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
        Weights of all units, as vectors over a table's columns (side, column).
    """

    floors: tuple[float, ...]
    linear: tuple[float, ...]
    masked: np.ndarray
    dropped: Dropped
    weights: np.ndarray


def part_errors(
    moments: Moments, part: Part, penalty: float, bins: int, masks: np.ndarray, wanted: Wanted
) -> PartErrors:
    """Fit a training part and score it on the blocks that it leaves out.

    Parameters
    ----------
    moments
        Moments of the session.
    part
        The blocks that the training part leaves out.
    penalty
        Ridge penalty, used for all units and for every refit.
    bins
        Input columns per unit.
    masks
        Inputs that are kept (mask, feature).
    wanted
        How far dropping curves have to run, and which are measured.
    """
    fitted = Fitted.of(moments, part, penalty)
    system, decoder = fitted.system, fitted.decoder
    tested = [system.tested(moments.block(block)) for block in sorted(part)]
    refitted = decoder.on(masks)
    everything = decoder.weights[:, None, :]
    return PartErrors(
        tuple(block.power for block in tested),
        tuple(float(block.errors(everything)[0]) for block in tested),
        np.array([block.errors(refitted) for block in tested]),
        drop(decoder, system.power, bins, tested, wanted),
        system.raw(everything)[:, 0],
    )


def pooled(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Errors of several folds side by side (step, fold), cut to the shortest."""
    shortest = min(len(curve) for curve in curves)
    return np.stack([curve[:shortest] for curve in curves], axis=1)
