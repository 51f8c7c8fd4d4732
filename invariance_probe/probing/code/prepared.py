"""A session prepared for decoding: inputs, target, blocks and second moments.

In: a session with its windows and folds, and the run that measures its code. Out: a
`PreparedSession`, from which every decoder of the code is fitted. It holds the data and
their second moments; it fits nothing itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from invariance_probe.data.folds import Fold, make_folds
from invariance_probe.data.windows import covered_bins
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.probing.bench.size import is_large
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.code.inputs import Inputs, mean_square, rooted
from invariance_probe.probing.code.moments import Moments
from invariance_probe.probing.decoders.overlapping import SetMoments, WindowInputs


@dataclass(frozen=True, eq=False)
class PreparedSession:
    """A session prepared for decoders that are refitted on subsets of its units.

    Attributes
    ----------
    inputs
        Square roots of counts, or signals, standardised over the session.
    target
        Regression targets: the continuous columns, or one-hot classes (window, column).
    classes
        Number of classes; 0 for continuous and circular targets.
    scale
        Variance of the target, summed over columns, by which squared errors are
        divided; 1 for classes.
    folds
        Contiguous blocks with their training windows: each block is held out once.
    stretch
        Number of the trial or gap-free segment that each window lies in (window,).
    moments
        Second moments of inputs and target, by block.
    units
        Names of the units that vary in every training part.
    varying
        Positions of these units in the recording (unit,).
    large
        Whether the windows are too many to be held as one table.
    """

    inputs: Inputs
    target: np.ndarray
    classes: int
    scale: float
    folds: tuple[Fold, ...]
    stretch: np.ndarray
    moments: Moments
    units: tuple[str, ...]
    varying: np.ndarray
    large: bool = False

    @classmethod
    def of(cls, bench: Workbench, run: SessionMeasurement, blocks: int) -> "PreparedSession":
        """Cut a session into blocks and compute the second moments of each.

        Units that are constant in any training part are left out.

        Parameters
        ----------
        bench
            The session with its windows and folds.
        run
            The run that measures the code; its fold scheme and embargo are used.
        blocks
            Smallest number of blocks. The study's number of folds is used if it is
            larger.
        """
        recording, windows = bench.recording, bench.windows
        asked = run.folds.model_copy(update={"count": max(blocks, run.folds.count)})
        folds = make_folds(recording, windows, asked)
        activity = rooted(recording.activity, recording.activity_kind == "counts")
        seen = [covered_bins(windows.starts[fold.train], windows.length) for fold in folds]
        varying = np.flatnonzero(
            np.all([np.ptp(recording.activity[bins], axis=0) > 0 for bins in seen], axis=0)
        )
        activity = activity if len(varying) == activity.shape[1] else activity[:, varying]
        everywhere = covered_bins(windows.starts, windows.length)
        # Selecting all bins would only copy them.
        used = slice(None) if len(everywhere) == len(activity) else everywhere
        activity -= activity[used].mean(axis=0)
        activity /= np.maximum(np.sqrt(mean_square(activity[used])), 1e-300)
        target = bench.target.columns().cpu().numpy()
        inputs = Inputs(activity, windows.starts, windows.length)
        grams = _grams(inputs, target, folds) if is_large(bench) else None
        return cls(
            inputs, target, bench.target.classes, bench.target.scale, folds, windows.stretch,
            Moments.of(inputs.parts, inputs.features, target, folds, grams),
            tuple(recording.unit_ids[i] for i in varying), varying, is_large(bench),
        )  # fmt: skip

    def without(self, units: Iterable[int]) -> "PreparedSession":
        """Leave out some units.

        Parameters
        ----------
        units
            Positions in `self.units` of the units to leave out.
        """
        out, bins = set(units), self.inputs.length
        kept = np.array([unit not in out for unit in range(len(self.units))])
        return replace(
            self,
            inputs=replace(self.inputs, activity=self.inputs.activity[:, kept]),
            moments=self.moments.keeping(np.repeat(kept, bins)),
            units=tuple(unit for unit, stays in zip(self.units, kept, strict=True) if stays),
            varying=self.varying[kept],
        )


def _grams(inputs: Inputs, target: np.ndarray, folds: tuple[Fold, ...]) -> Iterator[np.ndarray]:
    """Compute second moments of each block of a large session, whose windows overlap.

    Parameters
    ----------
    inputs
        The windows.
    target
        Regression targets (window, column).
    folds
        The blocks.

    Yields
    ------
    Gram matrix of the columns (inputs, 1, target) of each block, in the order of columns
    of `Inputs`.
    """
    units = inputs.activity.shape[1]
    same = WindowInputs(
        inputs.activity, np.zeros(units), np.ones(units), inputs.starts, inputs.length
    )
    moments = SetMoments(same, target, [fold.test for fold in folds])
    by_unit = np.arange(inputs.features).reshape(inputs.length, units).T.ravel()
    order = np.concatenate(
        [by_unit, np.arange(inputs.features, inputs.features + 1 + len(target[0]))]
    )
    for block in range(len(folds)):
        yield moments.gram(block)[order[:, None], order]
