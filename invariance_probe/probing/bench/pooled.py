"""Several sessions on which one SSL model is trained.

They are the run's own session and its companions: other sessions that the study wants
the model to learn from as well. In: an opened session and a run. Out: a bench that
joins all of these sessions, in which the windows of the run's own session come first.

Each session has its own units, and so its own rows in the
first weight matrix of the encoder. Only the rows of the run's own session are used to
decode.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.presence import Presence
from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.data.folds import part_of
from invariance_probe.data.joined import Joined, join
from invariance_probe.data.labels import labelled_windows
from invariance_probe.methods.base import Timeline
from invariance_probe.plan.roles import FoldRun, TrainedModel
from invariance_probe.probing.bench.losses import DecodedTarget
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.study.session import Companions


def pooled_bench(bench: Workbench, run: TrainedModel, companions: Companions) -> "PooledBench":
    """Join a session with its companions, and open the joined recording.

    Of the session itself, only windows with a target are used, and so they are of
    companions if the method reads the target.

    Parameters
    ----------
    bench
        The opened session.
    run
        A run on it.
    companions
        The other sessions.
    """
    read = run.arrays_read()
    joined = join(
        [
            bench.recording,
            *(bench.elsewhere.open(other, read) for other in companions.sessions),
        ]
    )
    values = joined.recording.target(run.target)
    cut = labelled_windows(joined.recording, run.window, values, run.target)
    own = cut.every.starts < len(bench.recording.activity)
    kept = cut.labelled | (not run.method.reads_target) & ~own
    windows = cut.every.only(kept)
    others = np.arange(len(bench.windows.starts), len(windows.starts))
    folds = tuple(replace(fold, train=np.concatenate([fold.train, others])) for fold in bench.folds)
    of_windows = np.zeros((len(kept), *values.shape[1:]), dtype=values.dtype)
    of_windows[cut.labelled] = cut.values
    target = DecodedTarget.of(run.target, of_windows[kept], bench.device)
    return PooledBench(
        joined.recording,
        windows,
        folds,
        target,
        bench.device,
        bench.elsewhere,
        bench.checkpoints,
        joined=joined,
    )


@dataclass(frozen=True, eq=False)
class PooledBench(Workbench):
    """A session and its companions as one recording.

    Every fold trains on all windows of the companions.

    Attributes
    ----------
    joined
        The joined recording, with the session that each bin and each unit belongs to.
    """

    joined: Joined = field(kw_only=True)

    @property
    def decoded_windows(self) -> Tensor:
        """Indices of the windows of the run's own session (window,)."""
        return torch.from_numpy(np.flatnonzero(self.session_of == 0)).to(self.device)

    @cached_property
    def session_of(self) -> np.ndarray:
        """Index of the session that each window belongs to (window,)."""
        return self.joined.session[self.windows.starts]

    @cached_property
    def timeline(self) -> Timeline:
        """Where the windows lie in time, and the session and subject of each."""
        sessions = torch.from_numpy(self.session_of).to(self.device)
        subjects = torch.from_numpy(self.joined.subject[self.session_of]).to(self.device)
        return replace(super().timeline, sessions=sessions, subjects=subjects)

    def train_windows(self, run: FoldRun) -> np.ndarray:
        """Return the training windows of a run's fold.

        If the run trains on a fraction of the windows, that fraction of each session's
        windows is taken.

        Parameters
        ----------
        run
            The run.

        Returns
        -------
        Indices of windows (window,), ascending.
        """
        train = self.folds[run.fold].train
        of = self.session_of[train]
        return np.concatenate(
            [part_of(train[of == session], run.fraction) for session in np.unique(of)]
        )

    def scaling(self, parts: list[np.ndarray], dtype: torch.dtype) -> Scaling:
        """Compute each run's standardisation, session by session.

        The mean and standard deviation of a unit are taken over the bins of its own
        session's windows.

        Parameters
        ----------
        parts
            Windows of each run over which to standardise, each (window,).
        dtype
            Floating type of standardised activity.
        """
        each = []
        for session, present in enumerate(self.joined.present):
            own = [part[self.session_of[part] == session] for part in parts]
            each.append((present, super().scaling(own, dtype)))
        mean, inverse = (torch.zeros_like(each[0][1].mean) for _ in range(2))
        for present, scaling in each:
            mean[..., present], inverse[..., present] = (
                scaling.mean[..., present],
                scaling.inverse_sd[..., present],
            )
        return Scaling(mean, inverse)

    def views(
        self, runs: Sequence[FoldRun], parts: list[np.ndarray], dtype: torch.dtype
    ) -> ViewMaker:
        """Make the object that draws the views of stacked runs on several sessions.

        Units that a window's session lacks stay at zero.

        Parameters
        ----------
        runs
            The stacked runs.
        parts
            Training windows of each run, over which its activity is standardised, each
            (window,).
        dtype
            Floating type of standardised activity.
        """
        where = torch.from_numpy(self.session_of).to(self.device)
        presence = Presence.of(where, torch.from_numpy(self.joined.present).to(self.device), dtype)
        return self.view_maker(runs, parts, dtype, presence)
