"""Windows outside the labelled states of one session, such as sleep.

A study may restrict its windows to some states of the recording, for example waking
(`window.within`). The windows in these states are called labelled or waking here. All
other windows are called sleep windows, whatever their state. Their activity comes in
three versions: as recorded, with bins shuffled in time, and with units permuted.

In: the labelled windows of a session, and its sleep windows (`data.states.UnlabelledWindows`).
Out: the sleep windows with which a run may pair its waking windows, and one array of
activity from which both kinds are read.

Sleep windows are numbered after all labelled windows, one version after the other. They
can therefore be the second window of a pair, but they are in no fold, have no target
and reach no probe.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from invariance_probe.augmentations.mining import Distant
from invariance_probe.augmentations.state_mining import (
    VERSION,
    PartnerPools,
    WindowSequence,
    alike_asleep,
    find_partner_pools,
    unbroken,
)
from invariance_probe.data.folds import Fold
from invariance_probe.data.recording import Recording
from invariance_probe.data.states import UnlabelledWindows
from invariance_probe.data.windows import Windows
from invariance_probe.plan.roles import FoldRun
from invariance_probe.study.state_pairing import StatePairing, StateSource, state_source_of


@dataclass(frozen=True, eq=False)
class SleepWindows:
    """The sleep windows of a session, and the partners mined among them.

    Attributes
    ----------
    labelled, windows, folds
        The labelled part of the recording, with its windows and folds.
    unlabelled
        The sleep windows, which lie in the rest of the recording.
    """

    labelled: Recording
    windows: Windows
    folds: tuple[Fold, ...]
    unlabelled: UnlabelledWindows
    _mined: dict[str, np.ndarray] = field(default_factory=dict)
    """Cached tables of partners, by training windows, source and settings.

    Runs that differ only in their seed, or in the share of pairs with sleep, use the
    same table.
    """

    def distant(self, pairing: StatePairing, run: FoldRun, train: np.ndarray) -> Distant:
        """Find the sleep windows that training windows may be paired with.

        They depend neither on the seed nor on the share of pairs with sleep.

        Parameters
        ----------
        pairing
            The declared pairing of waking with sleep.
        run
            The run. Its axis and arm say which sleep its partners come from: the
            declared states, or a control.
        train
            The run's training windows (window,), ascending.

        Returns
        -------
        The partners of each training window, numbered as in `starts`.
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

    def sleep(self, pairing: StatePairing, run: FoldRun) -> PartnerPools:
        """Select the sleep windows among which a run may find partners.

        They lie at least `pairing.gap_s` from labelled windows. They lie neither
        between the test windows of the run's fold nor within the embargo around them.

        Parameters
        ----------
        pairing
            The declared pairing of waking with sleep.
        run
            The run.
        """
        unlabelled, bin_s, test = self.unlabelled, self.labelled.bin_s, self.folds[run.fold].test
        first, last = unlabelled.inside[self.windows.starts[test[[0, -1]]]]
        reach = self.windows.length + round(run.folds.embargo_s / bin_s)
        tested = (unlabelled.recorded + reach > first) & (unlabelled.recorded < last + reach)
        allowed = (unlabelled.far >= pairing.gap_s / bin_s - 1e-9) & ~tested
        return find_partner_pools(
            pairing, unlabelled.state, unlabelled.stretch, allowed, bin_s, self.labelled.session
        )

    def _table(
        self, pairing: StatePairing, source: StateSource, sleep: PartnerPools, train: np.ndarray
    ) -> np.ndarray:
        """Mine the partners of training windows.

        Parameters
        ----------
        pairing
            The declared pairing of waking with sleep.
        source
            Which sleep the partners come from: the declared states, or a control.
        sleep
            The sleep windows that may be partners, for each of the two sets of states.
        train
            Training windows (window,), ascending.

        Returns
        -------
        Partners of each training window (window, partner), as positions in the list of
        sleep windows that `source` selects from `sleep`; -1 where there is no partner.
        """
        which, unlabelled, reach = (
            source == "other_state",
            self.unlabelled,
            np.arange(self.windows.length),
        )
        windows = sleep.windows[which]
        slept = unlabelled.activity[VERSION[source]][
            unlabelled.starts[windows][:, None] + reach
        ].mean(axis=1)
        woken = self.labelled.activity[self.windows.starts[train][:, None] + reach].mean(axis=1)
        awake = WindowSequence(woken, unbroken(train, self.windows.stretch))
        asleep = WindowSequence(slept, unbroken(windows, unlabelled.stretch))
        counts = self.labelled.activity_kind == "counts"
        return alike_asleep(pairing, awake, asleep, sleep.pools[which], counts, self.labelled.bin_s)

    def numbered(self, version: int) -> np.ndarray:
        """Position in `starts` of each sleep window of one version (window,).

        Parameters
        ----------
        version
            Index of the version, as in `data.states`: recorded, shuffled or permuted.
        """
        count = len(self.unlabelled.starts)
        return len(self.windows.starts) + version * count + np.arange(count)

    @cached_property
    def activity(self) -> np.ndarray:
        """Activity that all windows are read from (time, unit).

        The labelled bins come first, then the bins of sleep, one version after the
        other.
        """
        return np.concatenate([self.labelled.activity, *self.unlabelled.activity])

    @cached_property
    def starts(self) -> np.ndarray:
        """First bin in `activity` of each window, waking or sleep (window,)."""
        versions, bins, _ = self.unlabelled.activity.shape
        first = len(self.labelled.activity) + bins * np.arange(versions)[:, None]
        return np.concatenate([self.windows.starts, (first + self.unlabelled.starts).ravel()])

    @cached_property
    def stretch(self) -> np.ndarray:
        """Number of the gap-free segment that each window lies in (window,).

        The order is that of `starts`. Windows of different versions lie in different
        stretches.
        """
        first = self.windows.stretch.max() + 1
        apart = self.unlabelled.stretch.max(initial=0) + 1
        versions = np.arange(len(self.unlabelled.activity))[:, None]
        return np.concatenate(
            [self.windows.stretch, (first + apart * versions + self.unlabelled.stretch).ravel()]
        )
