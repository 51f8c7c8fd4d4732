"""From a batch of window indices to training views, for stacked runs of one recording.

The stages are pairing, base, transforms on counts, the gain of counts, standardisation by training statistics,
transforms on standardised activity; within a stage transforms come as they are declared. The arms concern the swept
transform only: `independent` draws for each view, `paired` one draw for both views of a pair, `shared` one draw a step
for the whole batch and both views.
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
    """Standardisation by the statistics of each run's training part, on whole counts: tensors (run, 1, 1, unit)."""

    mean: Tensor
    inverse_sd: Tensor
    """Zero for a unit that is constant in the training part, which so reads as zero everywhere."""
    square_roots: bool = False
    """Whether square roots, sqrt(x + 1/4), are what is standardised."""

    @classmethod
    def of(
        cls, activity: np.ndarray, bins: list[np.ndarray], dtype: torch.dtype, device: torch.device
    ) -> "Scaling":
        """Measure mean and standard deviation of activity (time, unit) over each run's training bins."""
        means = np.stack([activity[b].mean(axis=0, dtype=np.float64) for b in bins])
        sds = np.stack([activity[b].std(axis=0, dtype=np.float64) for b in bins])
        inverse = np.divide(1.0, sds, out=np.zeros_like(sds), where=varies(means, sds))
        shape = (len(bins), 1, 1, -1)
        mean, inverse_sd = (
            torch.from_numpy(x).to(device, dtype).view(shape) for x in (means, inverse)
        )
        return cls(mean, inverse_sd)

    def apply(self, windows: Tensor, scale: float = 1.0, native: bool = False) -> Tensor:
        """Standardise windows (run, batch, time, unit), multiplied with `scale` first; native kernels do so to the same bits."""
        if self.square_roots:
            return (
                (windows.to(self.mean.dtype) * scale + 0.25).sqrt() - self.mean
            ) * self.inverse_sd
        if native and windows.dtype == torch.int16 and self.mean.dtype == torch.float32:
            return draws.standardise(windows, scale, self.mean, self.inverse_sd)
        return (windows.to(self.mean.dtype) * scale - self.mean) * self.inverse_sd


class ViewMaker:
    """Makes the views of stacked runs; a run's views do not depend on its partners in the stack.

    Parameters
    ----------
    activity
        (time, unit), int32 counts or float32 signals.
    length_bins
        Length of a window.
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
        Which units a window's session has, where windows are of several; None where all have all.
    labelled
        How many bins, the first ones, are those of labelled windows; None where all are. Draws do not depend on the others.

    Raises
    ------
    TrainingError
        When views need training windows and are given none, or need windows of several bins and are given single ones.
    """

    def __init__(
        self, activity: Tensor, length_bins: int, starts: Tensor, runs: list[Run], keys: list[int], scaling: Scaling,
        parts: list[np.ndarray] | None = None, presence: Presence | None = None, labelled: int | None = None,
    ) -> None:  # fmt: skip
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
        self.transforms = sorted(
            transforms, key=lambda transform: isinstance(transform, ModulateGain)
        )  # after what reads counts
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
        """Return both views of the windows `first` and `second` (run, batch), one after the other: (run, 2 batch, time, unit)."""
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
        """Return what both views are made of, before any transform and in the recording's own units: each (run, batch, time, unit)."""
        bins = self._bins(first)
        places = (bins, bins if second is first else self._bins(second))
        return self.base.views(self.keys, step, places)

    def single(self, step: int, windows: Tensor) -> Tensor:
        """Return one corrupted view of whole activity, without base: (run, batch, time, unit) from windows (run, batch).

        No model trains on it, so that an adversary's place is taken by a random corruption as strong.
        """
        activity, _ = self.whole.views(self.keys, step, (bins := self._bins(windows), bins))
        finished = self._finish(activity, windows, step, 0, self.whole)
        if self.counterpart is None:
            return finished
        rows = torch.arange(windows.shape[1], device=windows.device).expand(len(self.keys), -1)
        address = Draws(self.keys, step, torch.zeros_like(self.keys), rows)
        return self.counterpart.apply(finished, self.counterpart.draw(address, self.shape))

    def clean(self, windows: Tensor) -> Tensor:
        """Return standardised whole activity (run, batch, time, unit) of windows (batch,), the same for every run."""
        activity = self.scaling.apply(self.whole.activity[self._bins(windows)].unsqueeze(0))
        return (
            activity
            if self.presence is None
            else self.presence.keep(activity, windows.unsqueeze(0))
        )

    def clean_of(self, windows: Tensor) -> Tensor:
        """Return standardised whole activity (run, batch, time, unit) of each run's own windows (run, batch)."""
        activity = self.scaling.apply(self.whole.activity[self._bins(windows)])
        return activity if self.presence is None else self.presence.keep(activity, windows)

    def _bins(self, windows: Tensor) -> Tensor:
        return self.starts[windows].unsqueeze(-1) + torch.arange(
            self.shape[0], device=windows.device
        )

    def _finish(
        self, activity: Tensor, windows: Tensor, step: int, view: int, base: CountHalves | Whole
    ) -> Tensor:
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
        """Return the training windows that numbers on (0, 1) choose (run, batch), as the base shows them to a view."""
        assert self.pool is not None
        windows, lengths = self.pool
        bins = self._bins(windows.gather(1, (number * lengths.unsqueeze(1)).to(torch.int64)))
        return base.views(self.keys, step, (bins, bins))[view]


def _check_lengths(views: list[Views], length_bins: int) -> None:
    """Refuse to take some bins of windows that have one."""
    cutting = {t.kind for view in views for t in view.transforms if cuts_bins(t) and not is_idle(t)}
    if cutting and length_bins == 1:
        raise TrainingError(
            f"{', '.join(sorted(cutting))} takes some bins of a window, and windows have 1; use longer windows"
        )


def _pool(parts: list[np.ndarray] | None, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the training windows of every run, padded (run, window), and how many there are (run,)."""
    if parts is None:
        raise TrainingError(
            "cutmix takes its other windows from the training part, and these views were made without one; pass `parts`"
        )
    windows = [torch.from_numpy(part).to(device) for part in parts]
    lengths = torch.tensor([len(part) for part in parts], device=device)
    return torch.nn.utils.rnn.pad_sequence(windows, batch_first=True), lengths


def _native(runs: list[Run], activity: Tensor) -> bool:
    """Say whether native kernels draw the views of stacked runs."""
    optimisation = runs[0].optimisation
    return (
        optimisation is not None
        and optimisation.kernels == "native"
        and activity.device.type == "cpu"
    )


def _kinds(views: list[Views]) -> list[str]:
    return list(dict.fromkeys(transform.kind for view in views for transform in view.transforms))


def _stacked(kind: str, views: list[Views], rates: Tensor) -> Any:
    """Build a transform from the K declarations; a run that does not declare it has its identity dose."""
    declared: list[Transform | None] = [
        next((t for t in view.transforms if t.kind == kind), None) for view in views
    ]
    example = next(t for t in declared if t is not None)
    identity = at_identity(example)
    return TRANSFORMS[kind].of([t or identity for t in declared], rates.flatten(1))  # type: ignore[attr-defined]


def _idle(views: Views) -> bool:
    """Say whether nothing corrupts these views."""
    return all(is_idle(stage) for stage in views.corruptions)


def _adversaries(views: list[Views]) -> list[Adversary]:
    """Return the adversary of each of K runs, at its identity dose where a run declares none; empty where none does."""
    declared = next((view.adversary for view in views if view.adversary is not None), None)
    if declared is None:
        return []
    return [view.adversary or at_identity(declared) for view in views]


def _arms(transform: Any, runs: list[Run], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which runs share one draw over the batch, and which use one draw for both views (run,)."""
    kind = next(
        kind for kind, implementation in TRANSFORMS.items() if isinstance(transform, implementation)
    )
    arms = [run.arm if run.axis.split(".")[0] == kind else "independent" for run in runs]
    shared = [arm == "shared" for arm in arms]
    common = [arm in ("shared", "paired") for arm in arms]
    return torch.tensor(shared, device=device), torch.tensor(common, device=device)
