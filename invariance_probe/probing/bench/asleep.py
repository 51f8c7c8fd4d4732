"""Windows outside the labelled states of one session, such as sleep.

In: the labelled windows of a session, and the windows outside the declared states
(`data.states.Offline`), which are called asleep here, whatever their state. Out: which
windows asleep may be partners of a run, and the activity that shows both kinds. Windows
asleep are numbered after all labelled windows, one version after the other. So they can
be shown as the second window of a pair, and are in no fold, no target and no probe.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from invariance_probe.augmentations.mining import Distant
from invariance_probe.augmentations.state_mining import (
    VERSION,
    Course,
    Sleep,
    alike_asleep,
    find_sleep,
    unbroken,
)
from invariance_probe.data.folds import Fold
from invariance_probe.data.recording import Recording
from invariance_probe.data.states import Offline
from invariance_probe.data.windows import Windows
from invariance_probe.plan.run import Run
from invariance_probe.study.state_pairing import StatePairing, StateSource, state_source_of


@dataclass(frozen=True, eq=False)
class Asleep:
    """Windows asleep, and the partners mined among them.

    Attributes
    ----------
    labelled, windows, folds
        The labelled part of the recording, cut into windows and folds.
    offline
        The windows of the rest of the recording.
    """

    labelled: Recording
    windows: Windows
    folds: tuple[Fold, ...]
    offline: Offline
    _mined: dict[str, np.ndarray] = field(default_factory=dict)
    """Cached tables of partners, by training windows, source and settings.

    Shares and seeds have them in common.
    """

    def distant(self, pairing: StatePairing, run: Run, train: np.ndarray) -> Distant:
        """Partners of a run's training windows, according to its arm.

        They depend neither on the seed nor on the share.

        Parameters
        ----------
        pairing
            The pairing across states.
        run
            The run, whose axis and arm say which sleep its partners come from.
        train
            Its training windows (window,), ascending.
        """
        source = state_source_of(run.axis, run.arm)
        sleep = self.sleep(pairing, run)
        windows = sleep.windows[source == "other_state"]
        searched = (
            f"{run.fold} {run.fraction!r} {source} "
            f"{pairing.model_copy(update={'share': 0.0}).canonical()}"
        )
        if searched not in self._mined:
            self._mined[searched] = self._table(pairing, source, sleep, train)
        table = self._mined[searched]
        return Distant(
            np.where(table >= 0, self.numbered(VERSION[source])[windows[table]], -1),
            (table >= 0).sum(axis=1),
            pairing.share,
        )

    def sleep(self, pairing: StatePairing, run: Run) -> Sleep:
        """Windows of sleep in which a run may find partners.

        They are far enough from labelled windows (`pairing.gap_s`), and do not lie
        between the windows of the run's test part or within the embargo of it.

        Parameters
        ----------
        pairing
            The pairing across states.
        run
            A run with a fold.
        """
        assert run.fold is not None
        offline, bin_s, test = self.offline, self.labelled.bin_s, self.folds[run.fold].test
        first, last = offline.inside[self.windows.starts[test[[0, -1]]]]
        reach = self.windows.length + round(run.folds.embargo_s / bin_s)
        tested = (offline.recorded + reach > first) & (offline.recorded < last + reach)
        allowed = (offline.far >= pairing.gap_s / bin_s - 1e-9) & ~tested
        return find_sleep(
            pairing, offline.state, offline.stretch, allowed, bin_s, self.labelled.session
        )

    def _table(
        self, pairing: StatePairing, source: StateSource, sleep: Sleep, train: np.ndarray
    ) -> np.ndarray:
        """Mine the partners of training windows.

        Parameters
        ----------
        pairing
            The pairing across states.
        source
            Which sleep the partners come from.
        sleep
            The windows of sleep that are allowed.
        train
            Training windows (window,), ascending.

        Returns
        -------
        Places among the windows of `sleep` (window, partner), -1 where there is none.
        """
        which, offline, reach = (
            source == "other_state",
            self.offline,
            np.arange(self.windows.length),
        )
        windows = sleep.windows[which]
        slept = offline.activity[VERSION[source]][offline.starts[windows][:, None] + reach].mean(
            axis=1
        )
        woken = self.labelled.activity[self.windows.starts[train][:, None] + reach].mean(axis=1)
        awake = Course(woken, unbroken(train, self.windows.stretch))
        asleep = Course(slept, unbroken(windows, offline.stretch))
        counts = self.labelled.activity_kind == "counts"
        return alike_asleep(pairing, awake, asleep, sleep.pools[which], counts, self.labelled.bin_s)

    def numbered(self, version: int) -> np.ndarray:
        """Number of each window asleep in one version (window,).

        Labelled windows have the numbers before.
        """
        count = len(self.offline.starts)
        return len(self.windows.starts) + version * count + np.arange(count)

    @cached_property
    def activity(self) -> np.ndarray:
        """Activity that all windows are read from (time, unit).

        The labelled bins come first, then the other bins, version after version.
        """
        return np.concatenate([self.labelled.activity, *self.offline.activity])

    @cached_property
    def starts(self) -> np.ndarray:
        """First bin in `activity` of every window, labelled or asleep (window,)."""
        versions, bins, _ = self.offline.activity.shape
        first = len(self.labelled.activity) + bins * np.arange(versions)[:, None]
        return np.concatenate([self.windows.starts, (first + self.offline.starts).ravel()])

    @cached_property
    def stretch(self) -> np.ndarray:
        """Stretch of every window, labelled or asleep (window,).

        Windows of different versions lie in different stretches.
        """
        first = self.windows.stretch.max() + 1
        apart = self.offline.stretch.max(initial=0) + 1
        versions = np.arange(len(self.offline.activity))[:, None]
        return np.concatenate(
            [self.windows.stretch, (first + apart * versions + self.offline.stretch).ravel()]
        )
