"""One session opened for measuring, shared by all runs on it.

In: a recording and a run that declares windows, folds and target. Out: a `Workbench`
with these, and with what runs need to make augmented views and pairs of windows:
standardisation, partners of windows and random sequences. Nothing is trained or decoded
here.

Runs that train together as one batched model are called stacked; a stack has one model
per run.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.mining import (
    Distant,
    SearchInputs,
    distant_partners,
    nearest_table,
)
from invariance_probe.augmentations.pairing import Partners, find_partners
from invariance_probe.augmentations.presence import Presence
from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.augmentations.stream_views import StreamViews
from invariance_probe.augmentations.views import ViewMaker
from invariance_probe.data.arrays import without_offset
from invariance_probe.data.cache import cached_other
from invariance_probe.data.folds import Fold, make_folds, part_of, validation_split
from invariance_probe.data.labels import LabelledWindows, labelled_windows
from invariance_probe.data.recording import Recording
from invariance_probe.data.states import UnlabelledWindows, restricted
from invariance_probe.data.windows import Windows, covered_bins
from invariance_probe.methods.base import Timeline
from invariance_probe.plan.roles import FoldRun
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.losses import DecodedTarget
from invariance_probe.probing.bench.sleep_windows import SleepWindows
from invariance_probe.randomness import StreamName, generator, stream_key
from invariance_probe.study.pairing import MinedPairing, source_of
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import AnySource
from invariance_probe.study.session import OtherSession, Session
from invariance_probe.study.state_pairing import StatePairing
from invariance_probe.training.checkpoints import Checkpoints


@dataclass(frozen=True)
class Elsewhere:
    """Where the recordings of other sessions come from that some runs read.

    Attributes
    ----------
    base
        Folder that the paths of recordings start from.
    sources
        Source of every other session, by its name.
    """

    base: Path = Path()
    sources: Mapping[str, AnySource] = field(default_factory=dict)

    @classmethod
    def of(cls, sessions: Iterable[Session], base: Path = Path()) -> "Elsewhere":
        """Collect the sources of a study's sessions.

        Parameters
        ----------
        sessions
            The sessions that runs may read.
        base
            Folder that the paths of recordings start from.
        """
        return cls(base, {session.name: session.source for session in sessions})

    def open(self, other: OtherSession, names: Collection[str]) -> Recording:
        """Open another session, once in this process.

        Parameters
        ----------
        other
            The session as a run was planned with it.
        names
            The arrays over time that are read of it.

        Raises
        ------
        DataError
            When its data are no longer those of the plan.
        """
        return cached_other(other, self.sources[other.name], self.base, names)


@dataclass(frozen=True, eq=False)
class Workbench:
    """An opened session: what all runs on it have in common.

    Attributes
    ----------
    recording, windows, folds
        The recording, restricted to the states that windows may lie in if the study
        names any, with its windows that have a target, and their folds.
    target
        The target at the windows' centres.
    device
        Device that holds the models and tensors.
    elsewhere
        Where the recordings of other sessions come from.
    checkpoints
        Where unfinished training is saved.
    """

    recording: Recording
    windows: Windows
    folds: tuple[Fold, ...]
    target: DecodedTarget
    device: torch.device
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    whole: Recording | None = None
    """The unrestricted recording; None if windows may lie in all states."""
    cut: LabelledWindows | None = None
    """All windows, with those that have no target; None if the bench joins sessions."""
    _nearest: dict[str, np.ndarray] = field(default_factory=dict)
    """Cached tables of nearest neighbours, by training windows and settings.

    Runs that differ only in their arm, their seed or their share of distant pairs use
    the same table.
    """
    _asleep: list[SleepWindows] = field(default_factory=list)
    """Cached windows outside the labelled states (for example sleep).

    Empty until they are first needed.
    """
    _others: "dict[str, Workbench]" = field(default_factory=dict)
    """Cached benches that join this session with others for training.

    The key is the declaration of these others.
    """

    @classmethod
    def of(
        cls,
        recording: Recording,
        run: Run,
        device: torch.device,
        elsewhere: Elsewhere | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> "Workbench":
        """Open a recording with the windows, folds and target that a run declares.

        Parameters
        ----------
        recording
            The whole recording.
        run
            The run whose window, folds and target are used.
        device
            Device that holds the models and tensors.
        elsewhere
            Where the recordings of other sessions come from; needed by runs that read
            any.
        checkpoints
            Where unfinished training is saved; nowhere if omitted.

        Raises
        ------
        DataError
            When windows, folds or the target cannot be made from the recording.
        """
        whole, recording = (
            (recording if run.window.within else None),
            restricted(recording, run.window),
        )
        values = recording.target(run.target)
        cut = labelled_windows(recording, run.window, values, run.target)
        return cls(
            recording,
            cut.windows,
            make_folds(recording, cut.windows, run.folds),
            DecodedTarget.of(run.target, cut.values, device),
            device,
            elsewhere or Elsewhere(),
            checkpoints or Checkpoints(),
            whole,
            cut,
        )

    @cached_property
    def activity(self) -> Tensor:
        """Activity (time, unit), int32 counts or float32 signals."""
        return torch.from_numpy(self.recording.activity).to(self.device)

    @cached_property
    def starts(self) -> Tensor:
        """First bin of each window (window,)."""
        return torch.from_numpy(self.windows.starts).to(self.device)

    @property
    def step_s(self) -> float:
        """Seconds from one window to the next of its stretch."""
        return self.windows.stride * self.recording.bin_s

    @cached_property
    def timeline(self) -> Timeline:
        """Where the windows lie in time."""
        stretches = torch.from_numpy(self.windows.stretch).to(self.device)
        return Timeline(self.starts, stretches, self.windows.length, self.recording.bin_s)

    @property
    def all_windows(self) -> Tensor:
        """Index of each window (window,)."""
        return torch.arange(len(self.windows.starts), device=self.device)

    @property
    def decoded_windows(self) -> Tensor:
        """Indices of the windows of the session that is measured (window,).

        On a bench for training they are some of all windows.
        """
        return self.all_windows

    def train_windows(self, run: FoldRun) -> np.ndarray:
        """Return the training windows of a run's fold.

        If the run trains on a fraction of the windows, only that fraction is returned.

        Parameters
        ----------
        run
            The run.

        Returns
        -------
        Indices of windows (window,), ascending.
        """
        return part_of(self.folds[run.fold].train, run.fraction)

    def validation(self, train: np.ndarray, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """Split training windows in time; the last fifth is for validation.

        The first half of that fifth may be used to make choices, such as when to stop
        training a network. The second half (`score_part`) is used to score. No decoder
        is therefore scored on windows by which it was chosen.

        Parameters
        ----------
        train
            Training windows (window,), ascending.
        run
            The run, whose embargo is read.

        Returns
        -------
        Windows to fit on and windows to validate on, each (window,), ascending. Windows
        within the embargo of the validation windows are left out of the first part,
        unless that would remove more than half of it.
        """
        return validation_split(
            self.windows, train, round(run.folds.embargo_s / self.recording.bin_s)
        )

    def scaling(self, parts: list[np.ndarray], dtype: torch.dtype) -> Scaling:
        """Compute the mean and SD of each unit over each run's windows.

        Parameters
        ----------
        parts
            Windows of each run, each (window,).
        dtype
            Floating type of standardised activity.
        """
        return Scaling.of(
            self.recording.activity, [self.bins_of(part) for part in parts], dtype, self.device
        )

    def bins_of(self, part: np.ndarray) -> np.ndarray:
        """Return the bins that given windows cover, each bin once.

        Parameters
        ----------
        part
            Indices of windows (window,).

        Returns
        -------
        Indices of bins (bin,), ascending.
        """
        return covered_bins(self.windows.starts[part], self.windows.length)

    def views(
        self, runs: Sequence[FoldRun], parts: list[np.ndarray], dtype: torch.dtype
    ) -> ViewMaker:
        """Make the object that draws the augmented views of stacked runs.

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
        return self.view_maker(runs, parts, dtype, None)

    def view_maker(
        self,
        runs: Sequence[FoldRun],
        parts: list[np.ndarray],
        dtype: torch.dtype,
        presence: Presence | None,
    ) -> ViewMaker:
        """Make the object that draws views, also where sessions lack some units.

        If a run pairs with windows outside the labelled states (`bench.asleep`), these
        windows come after all labelled ones. They can be shown to a model, but they are
        not training windows, and activity is not standardised over them.

        Parameters
        ----------
        runs
            The stacked runs.
        parts
            Training windows of each run, over which its activity is standardised, each
            (window,).
        dtype
            Floating type of standardised activity.
        presence
            Which units each window's session has; None if all sessions have all units.
        """
        keys, scaling = self.keys("views", runs), self.scaling(parts, dtype)
        activity, timeline = self.shown(runs)
        shown = (
            self.activity
            if activity is self.recording.activity
            else torch.from_numpy(activity).to(self.device)
        )
        optimisation = runs[0].optimisation
        return ViewMaker(
            shown,
            self.windows.length,
            timeline.starts,
            [run.condition for run in runs],
            keys,
            scaling,
            parts,
            presence,
            labelled=len(self.recording.activity),
            base=self.elsewhere.base,
            native=optimisation is not None and optimisation.kernels == "native",
            stream=self._stream_views(runs[0].condition.views.stream, parts, dtype),
        )

    def _stream_views(
        self, name: str, parts: list[np.ndarray], dtype: torch.dtype
    ) -> StreamViews | None:
        """Prepare the stream that second views show; None if it has no name.

        The other parameters are those of `views`.
        """
        if not name:
            return None
        length_s = self.windows.length * self.recording.bin_s
        return StreamViews.of(
            self.recording.stream(name), self.windows.starts, length_s, parts, dtype, self.device
        )

    def cached(self, name: str, make: "Callable[[], Workbench]") -> "Workbench":
        """Return a cached bench; make and cache it the first time.

        Parameters
        ----------
        name
            Key in the cache.
        make
            Makes the bench; called only if the cache has none of that name.
        """
        if name not in self._others:
            self._others[name] = make()
        return self._others[name]

    def partners(self, run: FoldRun, train: np.ndarray) -> Partners:
        """Find the nearby windows that each training window may be paired with.

        Parameters
        ----------
        run
            The run, whose pairing says how far apart the two windows may lie.
        train
            Its training windows (window,), ascending.
        """
        jitter = run.condition.views.jitter
        return find_partners(train, self.windows.stretch, jitter, self.step_s)

    def distant(self, run: FoldRun, train: np.ndarray) -> Distant | None:
        """Find the distant windows that training windows may be paired with.

        Parameters
        ----------
        run
            The run. Its pairing says what makes a distant window a partner, and its arm
            whether partners are mined or come from a control.
        train
            Its training windows (window,), ascending.

        Returns
        -------
        The partners of each training window; None if the run only makes pairs of nearby
        windows.
        """
        pairing = run.condition.views.pairing
        if isinstance(pairing, StatePairing):
            return self.asleep(run).distant(pairing, run, train) if pairing.share else None
        if not isinstance(pairing, MinedPairing) or not pairing.share:
            return None
        inputs = self._search_inputs(train, pairing)
        settings = pairing.model_copy(update={"share": 0.0, "nuisance": ""}).canonical()
        searched = f"{run.fold} {run.fraction!r} {settings}"
        if searched not in self._nearest:
            self._nearest[searched] = nearest_table(pairing, inputs)
        rng = generator("mining", run.study_seed, run.session, run.seed, run.fold)
        return distant_partners(
            pairing, source_of(run.axis, run.arm), inputs, self._nearest[searched], rng
        )

    def asleep(self, run: Run) -> SleepWindows:
        """Return the windows outside the labelled states, such as sleep.

        They are cut on the first call. The states are those of the run's `window`.
        """
        if not self._asleep:
            assert self.whole is not None
            unlabelled = UnlabelledWindows.of(
                self.whole, run.window, generator("mining", run.study_seed, run.session)
            )
            self._asleep.append(SleepWindows(self.recording, self.windows, self.folds, unlabelled))
        return self._asleep[0]

    def shown(self, runs: Sequence[FoldRun], asleep: bool = False) -> tuple[np.ndarray, Timeline]:
        """Return the activity that stacked runs may read, and its windows.

        Labelled windows come first. Sleep windows (those outside the labelled states)
        follow if some run pairs with them.

        Parameters
        ----------
        runs
            The stacked runs.
        asleep
            Whether to include sleep windows even if no run pairs with them.

        Returns
        -------
        Activity (time, unit), and where its windows lie in time.
        """
        pairings = [run.condition.views.pairing for run in runs]
        if not asleep and not any(
            isinstance(pairing, StatePairing) and pairing.share for pairing in pairings
        ):
            return self.recording.activity, self.timeline
        beside = self.asleep(runs[0])
        places = [
            torch.from_numpy(array).to(self.device) for array in (beside.starts, beside.stretch)
        ]
        return beside.activity, Timeline(
            places[0], places[1], self.windows.length, self.recording.bin_s
        )

    @property
    def session_of(self) -> np.ndarray:
        """Index of the session that each window belongs to (window,): all 0 here.

        A bench that joins several sessions (`bench.pooled`) has other values.
        """
        return np.zeros(len(self.windows.starts), dtype=np.int64)

    def _search_inputs(self, train: np.ndarray, pairing: MinedPairing) -> SearchInputs:
        """Collect what the search for distant partners reads of training windows.

        Parameters
        ----------
        train
            Training windows (window,), ascending.
        pairing
            The declared pairing. It gives the smallest distance between partners, and
            the guide: an array that says which windows are alike, if not activity.
        """
        starts = self.windows.starts[train]
        activity = self.recording.activity[starts[:, None] + np.arange(self.windows.length)].mean(
            axis=1
        )
        target = self.target.values.cpu().numpy()[train]
        counts = self.recording.activity_kind == "counts"
        session = self.session_of[train]
        times, gap = (
            (session.astype(np.float64), 0.5)
            if pairing.elsewhere
            else (starts * self.recording.bin_s, pairing.gap_s)
        )
        inputs = SearchInputs(
            train, self.windows.stretch[train], activity, counts, times, target, self.step_s, gap
        )
        if pairing.guide is None:
            return inputs
        values = self.recording.target(pairing.guide)[self.windows.centres][train]
        labelled = np.zeros(len(train), dtype=bool)
        for one in np.unique(session):
            labelled[part_of(np.flatnonzero(session == one), pairing.labelled)] = True
        return replace(inputs, guide=_columns(pairing.guide, values), labelled=labelled)

    @staticmethod
    def keys(name: StreamName, runs: Sequence[Run]) -> list[int]:
        """Return each run's key of a random sequence.

        The key is the same at all doses and arms.

        Parameters
        ----------
        name
            Name of the random sequence.
        runs
            The stacked runs.
        """
        return [stream_key(name, run.study_seed, run.session, run.seed, run.fold) for run in runs]

    @staticmethod
    def generators(name: StreamName, runs: Sequence[Run]) -> list[np.random.Generator]:
        """Make each run's generator, at the start of a random sequence.

        Parameters
        ----------
        name
            Name of the random sequence.
        runs
            The stacked runs.
        """
        return [generator(name, run.study_seed, run.session, run.seed, run.fold) for run in runs]


def _columns(guide: Target, values: np.ndarray) -> np.ndarray:
    """Prepare the values of a guide for the search of similar windows.

    Parameters
    ----------
    guide
        The declared guide, an array of the recording that says which windows are alike.
    values
        Its values at the windows' centres, (window,) or (window, column).

    Returns
    -------
    Classes (window,), or columns (window, column) divided by their standard deviations.
    """
    if guide.kind == "categorical":
        return values
    columns = (
        np.stack([np.cos(values), np.sin(values)], axis=1)
        if guide.kind == "circular"
        else without_offset(values)
    )
    return columns / np.maximum(columns.std(axis=0), 1e-30)


def score_part(held: np.ndarray) -> np.ndarray:
    """Return the second half of validation windows.

    On it the candidates for the ceiling (the best decoder without SSL) are compared.

    Parameters
    ----------
    held
        Validation windows (window,), ascending.

    Returns
    -------
    (window,), ascending.
    """
    return held[len(held) // 2 :]


def inner_folds(parts: list[np.ndarray], count: int, folds: int, device: torch.device) -> Tensor:
    """Cut each run's windows into contiguous inner folds.

    A probe chooses its penalty by cross-validation over them.

    Parameters
    ----------
    parts
        Windows of each run, each (window,), ascending.
    count
        Number of windows in the session.
    folds
        Number of inner folds.
    device
        Device of the result.

    Returns
    -------
    The inner fold of each window (run, window) int64; -1 for windows that are not
    among the run's own.
    """
    inner = np.full((len(parts), count), -1, dtype=np.int64)
    for i, part in enumerate(parts):
        inner[i, part] = np.arange(len(part)) * folds // len(part)
    return torch.from_numpy(inner).to(device)
