"""A session with all of its windows, also those without a target.

In: an opened session, whose windows have a target. Out: a bench for training with all
windows in order of time. In each fold, a window without a target trains unless it
touches the test part or its embargo, or lies among its windows in time. Activity is
standardised over the windows with a target, so that encoders can be used on the session's
own bench.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.data.folds import Fold, clear_of
from invariance_probe.data.labels import LabelledWindows
from invariance_probe.plan.roles import FoldRun
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.losses import DecodedTarget
from invariance_probe.probing.bench.workbench import Workbench


def bench_of_every_window(bench: Workbench, cut: LabelledWindows, run: Run) -> "UnlabelledBench":
    """Add the windows without a target to the training parts of a session's folds.

    Parameters
    ----------
    bench
        The opened session.
    cut
        Its windows, with a target or without.
    run
        A run on the session, whose embargo is kept.
    """
    embargo = round(run.folds.embargo_s / bench.recording.bin_s)
    numbers = np.flatnonzero(cut.labelled)
    folds = []
    for fold in bench.folds:
        clear = clear_of(bench.recording, cut.every, numbers[fold.test], embargo)
        train = np.union1d(numbers[fold.train], np.flatnonzero(clear & ~cut.labelled))
        folds.append(Fold(train, numbers[fold.test], fold.test_blocks))
    unknown = torch.zeros(
        (len(cut.every.starts), *bench.target.values.shape[1:]),
        dtype=bench.target.values.dtype,
        device=bench.device,
    )
    unknown[torch.from_numpy(numbers)] = bench.target.values
    return UnlabelledBench(
        bench.recording,
        cut.every,
        tuple(folds),
        DecodedTarget(unknown, bench.target.scale, bench.target.classes),
        bench.device,
        bench.elsewhere,
        bench.checkpoints,
        bench.whole,
        labelled=cut.labelled,
        own=bench,
    )


@dataclass(frozen=True, eq=False)
class UnlabelledBench(Workbench):
    """A session with all of its windows, on which models are trained.

    Attributes
    ----------
    labelled
        Whether each window has a target (window,).
    own
        The session's own bench, whose windows have a target.
    """

    labelled: np.ndarray = field(kw_only=True)
    own: Workbench = field(kw_only=True)

    @property
    def decoded_windows(self) -> Tensor:
        """Indices of the windows that have a target (window,)."""
        return torch.from_numpy(np.flatnonzero(self.labelled)).to(self.device)

    def train_windows(self, run: FoldRun) -> np.ndarray:
        """Return the training windows of a run's fold.

        If the run trains on a fraction of the windows, windows without a target are used
        as far as that fraction of the others reaches.

        Parameters
        ----------
        run
            The run.

        Returns
        -------
        Indices of windows (window,), ascending.
        """
        train = self.folds[run.fold].train
        with_target = np.flatnonzero(self.labelled)[self.own.train_windows(run)]
        if run.fraction == 1:
            return train
        return train[train <= with_target[-1]]

    def scaling(self, parts: list[np.ndarray], dtype: torch.dtype) -> Scaling:
        """Compute the mean and SD of each unit over each run's windows with a target.

        Parameters
        ----------
        parts
            Windows of each run, each (window,).
        dtype
            Floating type of standardised activity.
        """
        return super().scaling([part[self.labelled[part]] for part in parts], dtype)
