"""One session opened for measuring: its recording, windows, folds and target, shared by all runs on it."""

from collections.abc import Callable
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
from invariance_probe.study.state_pairing import StatePairing
from invariance_probe.study.views import TimeJitter
from invariance_probe.training.checkpoints import Checkpoints


@dataclass(frozen=True, eq=False)
class Workbench:
    """What runs of one session have in common.

    Attributes
    ----------
    recording, windows, folds
        The data, cut into windows and folds.
    target
        The target at the windows' centres.
    device
        Where stacks live.
    base
        Folder that the paths of other sessions' recordings start from.
    checkpoints
        Where trainings are kept while they go on.
    """

    recording: Recording
    windows: Windows
    folds: tuple[Fold, ...]
    target: DecodedTarget
    device: torch.device
    base: Path = Path()
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    whole: Recording | None = None
    """The recording with what lies outside the states that the study's windows lie in; None where windows lie anywhere."""
    _nearest: dict[str, np.ndarray] = field(default_factory=dict)
    """Nearest neighbours that were looked for already, by training windows and settings: arms, shares and seeds have them in common."""
    _asleep: list[Asleep] = field(default_factory=list)
    """The windows outside the states of labelled windows, once they were asked for."""
    _others: "dict[str, Workbench]" = field(default_factory=dict)
    """Benches of several sessions that this one's runs are trained on, by their companions."""

    @classmethod
    def of(
        cls,
        recording: Recording,
        run: Run,
        device: torch.device,
        base: Path = Path(),
        checkpoints: Checkpoints | None = None,
    ) -> "Workbench":
        """Cut a recording as a run declares it."""
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
            base,
            checkpoints or Checkpoints(),
            whole,
        )

    @cached_property
    def activity(self) -> Tensor:
        """The activity (time, unit), int32 counts or float32 signals."""
        return torch.from_numpy(self.recording.activity).to(self.device)

    @cached_property
    def starts(self) -> Tensor:
        """First bin of every window (window,)."""
        return torch.from_numpy(self.windows.starts).to(self.device)

    @cached_property
    def timeline(self) -> Timeline:
        """Where the windows lie."""
        stretches = torch.from_numpy(self.windows.stretch).to(self.device)
        return Timeline(self.starts, stretches, self.windows.length, self.recording.bin_s)

    @property
    def all_windows(self) -> Tensor:
        """Every window's index."""
        return torch.arange(len(self.windows.starts), device=self.device)

    def train_windows(self, run: Run) -> np.ndarray:
        """Return the training windows of a run's fold and fraction, ascending."""
        assert run.fold is not None
        return part_of(self.folds[run.fold].train, run.fraction)

    def validation(self, train: np.ndarray, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """Cut training windows in time into a fitted part and the last fifth.

        The first half of that fifth may choose (when to stop a network), the second half scores (`score_part`), so
        that a decoder that chose is not scored on what it chose by.
        """
        return validation_split(
            self.windows, train, round(run.folds.embargo_s / self.recording.bin_s)
        )

    def scaling(self, parts: list[np.ndarray], dtype: torch.dtype) -> Scaling:
        """Measure each run's standardisation over the bins of its windows."""
        return Scaling.of(
            self.recording.activity, [self.bins_of(part) for part in parts], dtype, self.device
        )

    def bins_of(self, part: np.ndarray) -> np.ndarray:
        """Bins that some windows (window,) cover, ascending and each once (bin,)."""
        return np.unique(self.windows.starts[part][:, None] + np.arange(self.windows.length))

    def views(self, runs: list[Run], parts: list[np.ndarray], dtype: torch.dtype) -> ViewMaker:
        """Return the view maker of stacked runs that are standardised by the given windows."""
        return self.view_maker(runs, parts, dtype, None)

    def view_maker(
        self,
        runs: list[Run],
        parts: list[np.ndarray],
        dtype: torch.dtype,
        presence: Presence | None,
    ) -> ViewMaker:
        """Return the view maker of stacked runs, of windows that lack some units where `presence` says so.

        Windows asleep come after all others, where runs pair with some: they can be shown, and are in no part.
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
        """Return the bench of that name which was made before, or make it."""
        if name not in self._others:
            self._others[name] = make()
        return self._others[name]

    def partners(self, run: Run, train: np.ndarray) -> Partners:
        """Return the local pairs that a run's pairing admits."""
        jitter = run.views.jitter if run.views else TimeJitter()
        return find_partners(train, self.windows.stretch, jitter, self.recording.bin_s)

    def distant(self, run: Run, train: np.ndarray) -> Distant | None:
        """Return the distant partners of a run's training windows, by its arm; None where all its pairs are local."""
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
        """Return the windows outside the states of a run's labelled windows."""
        if not self._asleep:
            assert self.whole is not None
            offline = Offline.of(
                self.whole, run.window, generator("mining", run.study_seed, run.session)
            )
            self._asleep.append(Asleep(self.recording, self.windows, self.folds, offline))
        return self._asleep[0]

    def shown(self, runs: list[Run], asleep: bool = False) -> tuple[np.ndarray, Timeline]:
        """Return the activity (time, unit) that stacked runs may be shown, and where its windows lie: labelled ones, then those asleep.

        Those asleep are there where some run pairs with them, or where they are asked for.
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
        """Number of every window's session (window,): all 0, where a model sees one."""
        return np.zeros(len(self.windows.starts), dtype=np.int64)

    def _ground(self, train: np.ndarray, pairing: MinedPairing) -> Ground:
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
        """Return a stream's key for every run: the same at all doses and arms."""
        return [stream_key(name, run.study_seed, run.session, run.seed, run.fold) for run in runs]

    @staticmethod
    def generators(name: StreamName, runs: list[Run]) -> list[np.random.Generator]:
        """Return a fresh generator at a stream's start for every run."""
        return [generator(name, run.study_seed, run.session, run.seed, run.fold) for run in runs]


def _columns(guide: Target, values: np.ndarray) -> np.ndarray:
    """Return a guide's classes (window,), or standardised columns (window, column), in which windows are near."""
    if guide.kind == "categorical":
        return values
    columns = (
        np.stack([np.cos(values), np.sin(values)], axis=1)
        if guide.kind == "circular"
        else without_offset(values)
    )
    return columns / np.maximum(columns.std(axis=0), 1e-30)


def score_part(held: np.ndarray) -> np.ndarray:
    """Return the half of a validation part that candidate ceilings are compared on."""
    return held[len(held) // 2 :]


def inner_folds(parts: list[np.ndarray], count: int, folds: int, device: torch.device) -> Tensor:
    """Cut each run's windows into contiguous inner folds: (run, window), -1 for windows that are not in its part."""
    inner = np.full((len(parts), count), -1, dtype=np.int64)
    for i, part in enumerate(parts):
        inner[i, part] = np.arange(len(part)) * folds // len(part)
    return torch.from_numpy(inner).to(device)
