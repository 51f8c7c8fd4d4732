"""One session opened for measuring, shared by all runs on it.

In: a recording and a run that declares windows, folds and target. Out: a `Workbench`
with these, and with what runs need for views and pairs: standardisation, partners and
random sequences. Nothing is trained or decoded here.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.mining import Distant, Ground, distant_partners, nearest_table
from invariance_probe.augmentations.pairing import Partners, find_partners
from invariance_probe.augmentations.presence import Presence
from invariance_probe.augmentations.views import Scaling, ViewMaker
from invariance_probe.data.arrays import without_offset
from invariance_probe.data.folds import Fold, make_folds, part_of, validation_split
from invariance_probe.data.kept import kept_other
from invariance_probe.data.recording import Recording
from invariance_probe.data.states import Offline, restricted
from invariance_probe.data.windows import Windows, cut_windows
from invariance_probe.methods.base import Timeline
from invariance_probe.plan.run import Run
from invariance_probe.probing.bench.asleep import Asleep
from invariance_probe.probing.bench.losses import DecodedTarget
from invariance_probe.randomness import StreamName, generator, stream_key
from invariance_probe.study.pairing import MinedPairing, source_of
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import AnySource
from invariance_probe.study.session import OtherSession
from invariance_probe.study.state_pairing import StatePairing
from invariance_probe.study.views import TimeJitter
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
        return kept_other(other, self.sources[other.name], self.base, names)


@dataclass(frozen=True, eq=False)
class Workbench:
    """What the runs of one session have in common.

    Attributes
    ----------
    recording, windows, folds
        The recording inside the states that windows lie in, cut into windows and folds.
    target
        The target at the windows' centres.
    device
        Device on which stacked models and tensors live.
    elsewhere
        Where the recordings of other sessions come from.
    checkpoints
        Where trainings are saved while they run.
    """

    recording: Recording
    windows: Windows
    folds: tuple[Fold, ...]
    target: DecodedTarget
    device: torch.device
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    whole: Recording | None = None
    """The whole recording where windows lie in some states only; otherwise None."""
    _nearest: dict[str, np.ndarray] = field(default_factory=dict)
    """Cached nearest neighbours, by training windows and settings.

    Arms, shares and seeds have them in common.
    """
    _asleep: list[Asleep] = field(default_factory=list)
    """Cached windows outside the labelled states (for example sleep), once cut."""
    _others: "dict[str, Workbench]" = field(default_factory=dict)
    """Cached benches of several sessions to train on, by companions."""

    @classmethod
    def of(
        cls,
        recording: Recording,
        run: Run,
        device: torch.device,
        elsewhere: Elsewhere | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> "Workbench":
        """Cut a recording as a run declares it.

        Parameters
        ----------
        recording
            The whole recording.
        run
            The run whose window, folds and target are used.
        device
            Device on which stacked models and tensors live.
        elsewhere
            Where the recordings of other sessions come from; needed by runs that read
            any.
        checkpoints
            Where trainings are saved while they run; nowhere if omitted.

        Raises
        ------
        DataError
            When windows, folds or the target cannot be made from the recording.
        """
        whole, recording = (
            (recording if run.window.within else None),
            restricted(recording, run.window),
        )
        windows = cut_windows(recording, run.window.length_bins)
        folds = make_folds(recording, windows, run.folds)
        values = recording.target(run.target)[windows.centres]
        return cls(
            recording,
            windows,
            folds,
            DecodedTarget.of(run.target, values, device),
            device,
            elsewhere or Elsewhere(),
            checkpoints or Checkpoints(),
            whole,
        )

    @cached_property
    def activity(self) -> Tensor:
        """Activity (time, unit), int32 counts or float32 signals."""
        return torch.from_numpy(self.recording.activity).to(self.device)

    @cached_property
    def starts(self) -> Tensor:
        """First bin of every window (window,)."""
        return torch.from_numpy(self.windows.starts).to(self.device)

    @cached_property
    def timeline(self) -> Timeline:
        """Where the windows lie in time."""
        stretches = torch.from_numpy(self.windows.stretch).to(self.device)
        return Timeline(self.starts, stretches, self.windows.length, self.recording.bin_s)

    @property
    def all_windows(self) -> Tensor:
        """Index of every window (window,)."""
        return torch.arange(len(self.windows.starts), device=self.device)

    def train_windows(self, run: Run) -> np.ndarray:
        """Training windows of a run's fold, cut to the run's fraction.

        Parameters
        ----------
        run
            A run with a fold.

        Returns
        -------
        (window,), ascending.
        """
        assert run.fold is not None
        return part_of(self.folds[run.fold].train, run.fraction)

    def validation(self, train: np.ndarray, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """Split training windows in time; the last fifth is held out to validate.

        The first half of that fifth may choose (when to stop a network). The second
        half scores (`score_part`). So no decoder is scored on windows by which it was
        chosen.

        Parameters
        ----------
        train
            Training windows (window,), ascending.
        run
            The run, whose embargo is kept between both parts.

        Returns
        -------
        Windows to fit on and windows to validate on, as for `validation_split`.
        """
        return validation_split(
            self.windows, train, round(run.folds.embargo_s / self.recording.bin_s)
        )

    def scaling(self, parts: list[np.ndarray], dtype: torch.dtype) -> Scaling:
        """Measure each run's standardisation over the bins of its windows.

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
        """Bins that the given windows cover, each once and ascending.

        Parameters
        ----------
        part
            Indices of windows (window,).

        Returns
        -------
        (bin,).
        """
        return np.unique(self.windows.starts[part][:, None] + np.arange(self.windows.length))

    def views(self, runs: list[Run], parts: list[np.ndarray], dtype: torch.dtype) -> ViewMaker:
        """Make the view maker of stacked runs.

        Parameters
        ----------
        runs
            The stacked runs.
        parts
            Training windows of each run, by which it is standardised, each (window,).
        dtype
            Floating type of standardised activity.
        """
        return self.view_maker(runs, parts, dtype, None)

    def view_maker(
        self,
        runs: list[Run],
        parts: list[np.ndarray],
        dtype: torch.dtype,
        presence: Presence | None,
    ) -> ViewMaker:
        """Make the view maker of stacked runs whose windows may lack some units.

        Where some run pairs with windows outside the labelled states (`bench.asleep`),
        these windows come after all labelled ones. They can be shown, but they are in
        no training part.

        Parameters
        ----------
        runs
            The stacked runs.
        parts
            Training windows of each run, by which it is standardised, each (window,).
        dtype
            Floating type of standardised activity.
        presence
            Which units each window's session has; None where all have all units.
        """
        keys, scaling = self.keys("views", runs), self.scaling(parts, dtype)
        activity, timeline = self.shown(runs)
        shown = (
            self.activity
            if activity is self.recording.activity
            else torch.from_numpy(activity).to(self.device)
        )
        labelled = len(self.recording.activity)
        return ViewMaker(
            shown,
            self.windows.length,
            timeline.starts,
            runs,
            keys,
            scaling,
            parts,
            presence,
            labelled,
        )

    def kept(self, name: str, make: "Callable[[], Workbench]") -> "Workbench":
        """Look up a bench by name, and make it the first time.

        Parameters
        ----------
        name
            Key in the cache.
        make
            Called when there is no bench of that name yet.
        """
        if name not in self._others:
            self._others[name] = make()
        return self._others[name]

    def partners(self, run: Run, train: np.ndarray) -> Partners:
        """Local pairs that a run's pairing allows.

        Parameters
        ----------
        run
            The run.
        train
            Its training windows (window,), ascending.
        """
        jitter = run.views.jitter if run.views else TimeJitter()
        return find_partners(train, self.windows.stretch, jitter, self.recording.bin_s)

    def distant(self, run: Run, train: np.ndarray) -> Distant | None:
        """Distant partners of a run's training windows, according to its arm.

        Parameters
        ----------
        run
            The run.
        train
            Its training windows (window,), ascending.

        Returns
        -------
        The partners; None where all pairs of the run are local.
        """
        pairing = run.views.pairing if run.views else None
        if isinstance(pairing, StatePairing):
            return self.asleep(run).distant(pairing, run, train) if pairing.share else None
        if not isinstance(pairing, MinedPairing) or not pairing.share:
            return None
        ground = self._ground(train, pairing)
        settings = pairing.model_copy(update={"share": 0.0, "nuisance": ""}).canonical()
        searched = f"{run.fold} {run.fraction!r} {settings}"
        if searched not in self._nearest:
            self._nearest[searched] = nearest_table(pairing, ground)
        rng = generator("mining", run.study_seed, run.session, run.seed, run.fold)
        return distant_partners(
            pairing, source_of(run.axis, run.arm), ground, self._nearest[searched], rng
        )

    def asleep(self, run: Run) -> Asleep:
        """Windows outside the states of a run's labelled windows, cut once."""
        if not self._asleep:
            assert self.whole is not None
            offline = Offline.of(
                self.whole, run.window, generator("mining", run.study_seed, run.session)
            )
            self._asleep.append(Asleep(self.recording, self.windows, self.folds, offline))
        return self._asleep[0]

    def shown(self, runs: list[Run], asleep: bool = False) -> tuple[np.ndarray, Timeline]:
        """Activity that stacked runs may be shown, and where its windows lie.

        Labelled windows come first, then windows asleep. The latter are included where
        some run pairs with them.

        Parameters
        ----------
        runs
            The stacked runs.
        asleep
            Whether to include windows asleep even if no run pairs with them.

        Returns
        -------
        Activity (time, unit), and the timeline of all windows in it.
        """
        pairings = [run.views.pairing for run in runs if run.views]
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
        """Number of every window's session (window,); 0 for a model of one session."""
        return np.zeros(len(self.windows.starts), dtype=np.int64)

    def _ground(self, train: np.ndarray, pairing: MinedPairing) -> Ground:
        """Training windows with all that distant partners are searched by.

        Parameters
        ----------
        train
            Training windows (window,), ascending.
        pairing
            The mined pairing, which declares guide and gap.
        """
        starts = self.windows.starts[train]
        activity = self.recording.activity[starts[:, None] + np.arange(self.windows.length)].mean(
            axis=1
        )
        target = self.target.values.cpu().numpy()[train]
        counts, bin_s = self.recording.activity_kind == "counts", self.recording.bin_s
        session = self.session_of[train]
        times, gap = (
            (session.astype(np.float64), 0.5)
            if pairing.elsewhere
            else (starts * bin_s, pairing.gap_s)
        )
        ground = Ground(
            train, self.windows.stretch[train], activity, counts, times, target, bin_s, gap
        )
        if pairing.guide is None:
            return ground
        values = self.recording.target(pairing.guide)[self.windows.centres][train]
        labelled = np.zeros(len(train), dtype=bool)
        for one in np.unique(session):
            labelled[part_of(np.flatnonzero(session == one), pairing.labelled)] = True
        return replace(ground, guide=_columns(pairing.guide, values), labelled=labelled)

    @staticmethod
    def keys(name: StreamName, runs: list[Run]) -> list[int]:
        """Key of a random sequence for every run, the same at all doses and arms.

        Parameters
        ----------
        name
            Name of the random sequence.
        runs
            The stacked runs.
        """
        return [stream_key(name, run.study_seed, run.session, run.seed, run.fold) for run in runs]

    @staticmethod
    def generators(name: StreamName, runs: list[Run]) -> list[np.random.Generator]:
        """Fresh generator of a random sequence for every run.

        Parameters
        ----------
        name
            Name of the random sequence.
        runs
            The stacked runs.
        """
        return [generator(name, run.study_seed, run.session, run.seed, run.fold) for run in runs]


def _columns(guide: Target, values: np.ndarray) -> np.ndarray:
    """Values of a guide by whose distance windows count as near.

    Parameters
    ----------
    guide
        The declared guide.
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
    """Second half of a validation part, on which candidate ceilings are compared.

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

    Parameters
    ----------
    parts
        Windows of each run (window,), ascending.
    count
        Number of all windows of the session.
    folds
        Number of inner folds.
    device
        Device of the result.

    Returns
    -------
    (run, window) int64, the inner fold of every window; -1 for windows that are not in
    the run's part.
    """
    inner = np.full((len(parts), count), -1, dtype=np.int64)
    for i, part in enumerate(parts):
        inner[i, part] = np.arange(len(part)) * folds // len(part)
    return torch.from_numpy(inner).to(device)
