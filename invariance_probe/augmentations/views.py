"""From a batch of window indices to training views, for stacked runs.

The stages are pairing, the base, transforms on counts, the gain of counts,
standardisation by training statistics, and transforms on standardised activity. Within
a stage, transforms act in the order in which they are declared.

The arm concerns the swept transform only: `independent` draws for each view, `paired`
makes one draw for both views of a pair, and `shared` makes one draw per step for the
whole batch and both views.

In: activity of one recording, and windows per run. Out: views (run, row, time, unit).
Which windows pair is decided elsewhere (`pairing`), and adversaries act later, in
training.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations import TRANSFORMS
from invariance_probe.augmentations.adversarial import random_counterpart
from invariance_probe.augmentations.amplitude import ModulateGain
from invariance_probe.augmentations.blocks import MixWindows
from invariance_probe.augmentations.population import DropUnits
from invariance_probe.augmentations.presence import Presence
from invariance_probe.augmentations.random_bits import Draws, key_tensor
from invariance_probe.augmentations.splitting import CountHalves, Whole
from invariance_probe.data.arrays import varies
from invariance_probe.errors import TrainingError
from invariance_probe.kernels import draws
from invariance_probe.plan.run import Run
from invariance_probe.study.adversaries import Adversary
from invariance_probe.study.transforms import Transform, at_identity, cuts_bins, is_idle
from invariance_probe.study.views import Views


@dataclass(frozen=True, eq=False)
class Scaling:
    """Standardisation by the statistics of each run's training part.

    The statistics are of whole counts, also where a view shows halves.

    Attributes
    ----------
    mean
        (run, 1, 1, unit).
    inverse_sd
        1 / standard deviation (run, 1, 1, unit). Zero for a unit that is constant in
        the training part, so that it reads as zero everywhere.
    square_roots
        Whether square roots, sqrt(x + 1/4), are what is standardised.
    """

    mean: Tensor
    inverse_sd: Tensor
    square_roots: bool = False

    @classmethod
    def of(
        cls, activity: np.ndarray, bins: list[np.ndarray], dtype: torch.dtype, device: torch.device
    ) -> "Scaling":
        """Measure mean and standard deviation over each run's training bins.

        Parameters
        ----------
        activity
            (time, unit).
        bins
            Training bins of each run, each (bin,).
        dtype, device
            Floating type and place of the statistics.
        """
        means = np.stack([activity[b].mean(axis=0, dtype=np.float64) for b in bins])
        sds = np.stack([activity[b].std(axis=0, dtype=np.float64) for b in bins])
        inverse = np.divide(1.0, sds, out=np.zeros_like(sds), where=varies(means, sds))
        shape = (len(bins), 1, 1, -1)
        mean, inverse_sd = (
            torch.from_numpy(x).to(device, dtype).view(shape) for x in (means, inverse)
        )
        return cls(mean, inverse_sd)

    def apply(self, windows: Tensor, scale: float = 1.0, native: bool = False) -> Tensor:
        """Standardise windows.

        Parameters
        ----------
        windows
            Counts or signals (run, batch, time, unit).
        scale
            Factor on the activity before standardisation.
        native
            Whether the native kernels may compute; they return the same bits.

        Returns
        -------
        windows
            Standardised activity (run, batch, time, unit).
        """
        if self.square_roots:
            return (
                (windows.to(self.mean.dtype) * scale + 0.25).sqrt() - self.mean
            ) * self.inverse_sd
        if native and windows.dtype == torch.int16 and self.mean.dtype == torch.float32:
            return draws.standardise(windows, scale, self.mean, self.inverse_sd)
        return (windows.to(self.mean.dtype) * scale - self.mean) * self.inverse_sd


class ViewMaker:
    """Makes the views of stacked runs.

    A run's views do not depend on its partners in the stack.

    Parameters
    ----------
    activity
        (time, unit), int32 counts or float32 signals.
    length_bins
        Bins per window.
    starts
        First bin of every window (window,).
    runs
        The stacked runs; their views differ in doses and arms only.
    keys
        The `views` stream key of every run.
    scaling
        Standardisation of every run.
    parts
        Training windows of every run, which `cutmix` takes its other windows from.
    presence
        Which units a window's session has, where windows come from several sessions;
        None where all have all units.
    labelled
        Number of bins that belong to labelled windows; these bins come first. None
        where all do. Their draws do not depend on the bins after them.

    Raises
    ------
    TrainingError
        When views need training windows and are given none, or need windows of several
        bins and are given windows of one.
    """

    def __init__(
        self,
        activity: Tensor,
        length_bins: int,
        starts: Tensor,
        runs: list[Run],
        keys: list[int],
        scaling: Scaling,
        parts: list[np.ndarray] | None = None,
        presence: Presence | None = None,
        labelled: int | None = None,
    ) -> None:
        device = activity.device
        self.scaling = scaling
        self.presence = presence
        self.shape = (length_bins, activity.shape[1])
        self.starts = starts
        self.keys = key_tensor(keys, device)
        views = [run.views or Views() for run in runs]
        self.native = _native(runs, activity)
        _check_lengths(views, length_bins)
        self._halved, self._labelled = views[0].base.kind == "count_splitting", labelled
        self.whole = Whole(activity)
        transforms = [
            transform
            for kind in _kinds(views)
            if not (transform := _stacked(kind, views, scaling.mean)).idle
        ]
        # The gain makes floats of counts, so it comes after all that reads counts.
        self.transforms = sorted(
            transforms, key=lambda transform: isinstance(transform, ModulateGain)
        )
        self.pool = (
            _pool(parts, device)
            if any(isinstance(transform, MixWindows) for transform in transforms)
            else None
        )
        self.adversaries = _adversaries(views)
        self.counterpart: Any = (
            random_counterpart(self.adversaries, device) if self.adversaries else None
        )
        self.idle = torch.tensor([_idle(view) for view in views], device=device)
        self.arms = {id(transform): _arms(transform, runs, device) for transform in self.transforms}

    @cached_property
    def base(self) -> CountHalves | Whole:
        """What pairs are made of; counts are packed only once a pair is asked for."""
        if not self._halved:
            return self.whole
        return CountHalves.of(self.whole.activity, self.native, self._labelled)

    def pair(self, step: int, first: Tensor, second: Tensor) -> Tensor:
        """Make both views of a batch of pairs.

        Parameters
        ----------
        step
            Update step.
        first, second
            Windows of the first and of the second views, each (run, batch).

        Returns
        -------
        views
            Standardised activity (run, 2 batch, time, unit): all first views, then all
            second views.
        """
        halves = self.halves(step, first, second)
        shown = zip(halves, (first, second), strict=True)
        return torch.cat(
            [
                self._finish(half, windows, step, view, self.base)
                for view, (half, windows) in enumerate(shown)
            ],
            dim=1,
        )

    def halves(self, step: int, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """What both views are made of, before any transform.

        Parameters
        ----------
        step
            Update step.
        first, second
            Windows of the first and of the second views, each (run, batch).

        Returns
        -------
        first, second
            What the base gives each view, not standardised, each
            (run, batch, time, unit).
        """
        bins = self._bins(first)
        places = (bins, bins if second is first else self._bins(second))
        return self.base.views(self.keys, step, places)

    def single(self, step: int, windows: Tensor) -> Tensor:
        """Make one corrupted view of whole activity, without the base.

        No model trains on this view, so a random corruption of the same strength takes
        an adversary's place (`augmentations.adversarial`).

        Parameters
        ----------
        step
            Index of the draw.
        windows
            (run, batch).

        Returns
        -------
        view
            Standardised activity (run, batch, time, unit).
        """
        activity, _ = self.whole.views(self.keys, step, (bins := self._bins(windows), bins))
        finished = self._finish(activity, windows, step, 0, self.whole)
        if self.counterpart is None:
            return finished
        rows = torch.arange(windows.shape[1], device=windows.device).expand(len(self.keys), -1)
        address = Draws(self.keys, step, torch.zeros_like(self.keys), rows)
        return self.counterpart.apply(finished, self.counterpart.draw(address, self.shape))

    def clean(self, windows: Tensor) -> Tensor:
        """Standardised whole activity of windows that are the same for every run.

        Parameters
        ----------
        windows
            (batch,).

        Returns
        -------
        activity
            (run, batch, time, unit).
        """
        activity = self.scaling.apply(self.whole.activity[self._bins(windows)].unsqueeze(0))
        return (
            activity
            if self.presence is None
            else self.presence.keep(activity, windows.unsqueeze(0))
        )

    def clean_of(self, windows: Tensor) -> Tensor:
        """Standardised whole activity of each run's own windows.

        Parameters
        ----------
        windows
            (run, batch).

        Returns
        -------
        activity
            (run, batch, time, unit).
        """
        activity = self.scaling.apply(self.whole.activity[self._bins(windows)])
        return activity if self.presence is None else self.presence.keep(activity, windows)

    def _bins(self, windows: Tensor) -> Tensor:
        return self.starts[windows].unsqueeze(-1) + torch.arange(
            self.shape[0], device=windows.device
        )

    def _finish(
        self, activity: Tensor, windows: Tensor, step: int, view: int, base: CountHalves | Whole
    ) -> Tensor:
        """Apply all transforms and the standardisation to what the base gave."""
        for transform in self.transforms:
            if not transform.standardised:
                activity = self._corrupt(transform, activity, step, view, base)
        activity = self.scaling.apply(activity, base.scale, self.native)
        for transform in self.transforms:
            if transform.standardised:
                activity = self._corrupt(transform, activity, step, view, base)
        return activity if self.presence is None else self.presence.keep(activity, windows)

    def _corrupt(
        self, transform: Any, windows: Tensor, step: int, view: int, base: CountHalves | Whole
    ) -> Tensor:
        """Draw and apply one transform, with draws shared as each run's arm says."""
        shared, common = self.arms[id(transform)]
        rows = torch.arange(windows.shape[1], device=windows.device)
        address = Draws(
            self.keys, step, torch.where(common, 0, view), torch.where(shared.unsqueeze(1), 0, rows)
        )
        if self.native and isinstance(transform, DropUnits) and windows.dtype == torch.int16:
            return transform.lose(windows, address)
        draw = transform.draw(address, self.shape)
        if isinstance(transform, MixWindows):
            block, number = draw
            draw = block, self._others(number, step, view, base)
        return transform.apply(windows, draw)

    def _others(self, number: Tensor, step: int, view: int, base: CountHalves | Whole) -> Tensor:
        """Show the training windows that numbers on (0, 1) choose, as the base does."""
        assert self.pool is not None
        windows, lengths = self.pool
        bins = self._bins(windows.gather(1, (number * lengths.unsqueeze(1)).to(torch.int64)))
        return base.views(self.keys, step, (bins, bins))[view]


def _check_lengths(views: list[Views], length_bins: int) -> None:
    """Refuse transforms that take some bins of a window when windows have one."""
    cutting = {t.kind for view in views for t in view.transforms if cuts_bins(t) and not is_idle(t)}
    if cutting and length_bins == 1:
        raise TrainingError(
            f"{', '.join(sorted(cutting))} takes some bins of a window, and windows have 1; use "
            "longer windows"
        )


def _pool(parts: list[np.ndarray] | None, device: torch.device) -> tuple[Tensor, Tensor]:
    """Padded training windows of each run (run, window), and their number (run,)."""
    if parts is None:
        raise TrainingError(
            "cutmix pastes in windows of the training part, but these views were made "
            "without one; pass `parts` to `ViewMaker`"
        )
    windows = [torch.from_numpy(part).to(device) for part in parts]
    lengths = torch.tensor([len(part) for part in parts], device=device)
    return torch.nn.utils.rnn.pad_sequence(windows, batch_first=True), lengths


def _native(runs: list[Run], activity: Tensor) -> bool:
    """Whether the native kernels draw the views of stacked runs."""
    optimisation = runs[0].optimisation
    return (
        optimisation is not None
        and optimisation.kernels == "native"
        and activity.device.type == "cpu"
    )


def _kinds(views: list[Views]) -> list[str]:
    """Kinds of transforms that any run declares, in order."""
    return list(dict.fromkeys(transform.kind for view in views for transform in view.transforms))


def _stacked(kind: str, views: list[Views], rates: Tensor) -> Any:
    """Stack the transforms of one kind of K runs into one.

    A run without that transform gets the dose at which it changes nothing.
    """
    declared: list[Transform | None] = [
        next((t for t in view.transforms if t.kind == kind), None) for view in views
    ]
    example = next(t for t in declared if t is not None)
    identity = at_identity(example)
    return TRANSFORMS[kind].of([t or identity for t in declared], rates.flatten(1))  # type: ignore[attr-defined]


def _idle(views: Views) -> bool:
    """Whether nothing corrupts these views."""
    return all(is_idle(stage) for stage in views.corruptions)


def _adversaries(views: list[Views]) -> list[Adversary]:
    """The adversary of each of K runs; empty where no run declares one.

    A run that declares none gets the adversary of the others at its identity dose.
    """
    declared = next((view.adversary for view in views if view.adversary is not None), None)
    if declared is None:
        return []
    return [view.adversary or at_identity(declared) for view in views]


def _arms(transform: Any, runs: list[Run], device: torch.device) -> tuple[Tensor, Tensor]:
    """Which runs share draws: over the batch, and between views; each (run,)."""
    kind = next(
        kind for kind, implementation in TRANSFORMS.items() if isinstance(transform, implementation)
    )
    arms = [run.arm if run.axis.split(".")[0] == kind else "independent" for run in runs]
    shared = [arm == "shared" for arm in arms]
    common = [arm in ("shared", "paired") for arm in arms]
    return torch.tensor(shared, device=device), torch.tensor(common, device=device)
