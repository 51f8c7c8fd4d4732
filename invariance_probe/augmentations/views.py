"""Turn a batch of window indices into training views, for stacked runs.

Stacked runs are models that are trained together; the first axis is the run. A view is
made in this order: the base (the whole activity, or one half of every spike count),
transforms of counts, the gain, standardisation by the mean and SD of the training part,
and transforms of standardised activity. Within each of these steps,
transforms act in the order declared.

The arm concerns the swept transform only: `independent` draws its corruption for each
view, `paired` once for both views of a pair, and `shared` once per step for the whole
batch and both views.

In: activity of one recording, and windows per run. Out: views (run, row, time, unit).
Which windows form a pair is decided elsewhere (`pairing`), and adversaries act later, in
training.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations import TRANSFORMS
from invariance_probe.augmentations.adversarial import random_counterpart
from invariance_probe.augmentations.amplitude import ModulateGain
from invariance_probe.augmentations.blocks import MixWindows
from invariance_probe.augmentations.own import OwnCorruption
from invariance_probe.augmentations.population import DropUnits
from invariance_probe.augmentations.presence import Presence
from invariance_probe.augmentations.random_bits import Draws, key_tensor
from invariance_probe.augmentations.splitting import CountHalves, Whole
from invariance_probe.data.arrays import varies
from invariance_probe.errors import TrainingError
from invariance_probe.kernels import draws
from invariance_probe.plan.run import Run
from invariance_probe.study.adversaries import Adversary
from invariance_probe.study.transforms import (
    OwnTransform,
    Transform,
    at_identity,
    cuts_bins,
    is_idle,
    title_of,
)
from invariance_probe.study.views import Views

GATHERED_VALUES = 1 << 24
"""Largest number of values of activity that are gathered at once for statistics."""
LANES = 8
"""Groups of units are multiples of this many."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Standardisation by mean and SD of each run's training part.

    Both are computed from whole counts, even if a view shows halves.

    Attributes
    ----------
    mean
        Mean of each unit (run, 1, 1, unit).
    inverse_sd
        1 / SD of each unit (run, 1, 1, unit). It is 0 for a unit that is constant in the
        training part, so that the standardised unit is 0 everywhere.
    square_roots
        Whether sqrt(x + 1/4) is standardised instead of x.
    """

    mean: Tensor
    inverse_sd: Tensor
    square_roots: bool = False

    @classmethod
    def of(
        cls,
        activity: np.ndarray,
        bins: list[np.ndarray],
        dtype: torch.dtype,
        device: torch.device,
        square_roots: bool = False,
    ) -> "Scaling":
        """Measure mean and standard deviation over each run's training bins.

        Parameters
        ----------
        activity
            (time, unit).
        bins
            Training bins of each run, each (bin,).
        dtype, device
            Floating type and device of the statistics.
        square_roots
            Whether sqrt(x + 1/4) is standardised instead of x.
        """
        means, sds = (
            np.stack(found)
            for found in zip(*(_mean_sd(activity, b, square_roots) for b in bins), strict=True)
        )
        inverse = np.divide(1.0, sds, out=np.zeros_like(sds), where=varies(means, sds))
        shape = (len(bins), 1, 1, -1)
        mean, inverse_sd = (
            torch.from_numpy(x).to(device, dtype).view(shape) for x in (means, inverse)
        )
        return cls(mean, inverse_sd, square_roots)

    def apply(self, windows: Tensor, scale: float = 1.0, native: bool = False) -> Tensor:
        """Standardise windows.

        Parameters
        ----------
        windows
            Counts or signals (run, batch, time, unit).
        scale
            Factor on the activity before standardisation.
        native
            Whether compiled (native) kernels may compute the same result faster.

        Returns
        -------
        windows
            Standardised activity (run, batch, time, unit).
        """
        counts = windows.dtype == torch.int16 and self.mean.dtype == torch.float32
        if native and counts and not self.square_roots:
            return draws.standardise(windows, scale, self.mean, self.inverse_sd)
        values = windows.to(self.mean.dtype)
        if scale != 1.0:
            values = values * scale
        if self.square_roots:
            values = (values + 0.25).sqrt()
        # Windows may be large, so the difference is not copied again.
        return (values - self.mean).mul_(self.inverse_sd)


def _mean_sd(
    activity: np.ndarray, bins: np.ndarray, square_roots: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each unit over some bins, each (unit,).

    Large recordings are read in groups of units, whose numbers do not depend on each
    other.
    """
    at_once = max(LANES, GATHERED_VALUES // max(1, len(bins)) // LANES * LANES)
    found = []
    for first in range(0, activity.shape[1], at_once):
        whole = at_once >= activity.shape[1]
        values = activity[bins] if whole else activity[bins, first : first + at_once]
        if square_roots:
            values = np.sqrt(values + 0.25)
        found.append((values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)))
    if len(found) == 1:
        return found[0]
    means, sds = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return means, sds


class ViewMaker:
    """Makes the views of stacked runs.

    A run's views do not depend on the other runs of the stack.

    Parameters
    ----------
    activity
        (time, unit), int32 counts or float32 signals.
    length_bins
        Bins per window.
    starts
        First bin of each window (window,).
    runs
        The stacked runs, whose views differ in doses and arms only.
    keys
        Key of each run's random numbers (`randomness.stream_key` of `views`).
    scaling
        Standardisation of each run.
    parts
        Training windows of each run, from which `cutmix` takes other windows.
    presence
        The units of each window's session, if windows come from several sessions; None
        if all windows have all units.
    labelled
        Number of first bins that belong to labelled windows; None if all bins do. The
        halves of their counts do not depend on the bins after them.
    base
        Folder of the study, in which the module of a user-defined augmentation is looked
        for first.

    Raises
    ------
    StudyError
        When a user-defined augmentation cannot be imported, or is not what the study
        declares.
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
        base: Path = Path(),
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
            if not (transform := _stacked(kind, views, scaling.mean, base)).idle
        ]
        # The gain turns counts into floats, so it comes after all that need counts.
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
        """What both views of a pair are made from, prepared when first needed."""
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
            Indices of the windows for the first and second views, each (run, batch).

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
        """Show both views their part of the activity, before any transform.

        Parameters
        ----------
        step
            Update step.
        first, second
            Indices of the windows for the first and second views, each (run, batch).

        Returns
        -------
        first, second
            Activity of each view from the base, not standardised
            (run, batch, time, unit).
        """
        bins = self._bins(first)
        places = (bins, bins if second is first else self._bins(second))
        return self.base.views(self.keys, step, places)

    def single(self, step: int, windows: Tensor) -> Tensor:
        """Make one corrupted view of whole activity, for evaluation.

        Counts are not split. No model trains on this view, so a random corruption of
        the same strength replaces an adversary (`augmentations.adversarial`).

        Parameters
        ----------
        step
            Index of the draw.
        windows
            Indices of the windows (run, batch).

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
        """Standardised, uncorrupted activity of the same windows for each run.

        Parameters
        ----------
        windows
            Indices of the windows (batch,).

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
        """Standardised, uncorrupted activity of each run's own windows.

        Parameters
        ----------
        windows
            Indices of the windows (run, batch).

        Returns
        -------
        activity
            (run, batch, time, unit).
        """
        activity = self.scaling.apply(self.whole.activity[self._bins(windows)])
        return activity if self.presence is None else self.presence.keep(activity, windows)

    def _bins(self, windows: Tensor) -> Tensor:
        """Bins of some windows (..., time)."""
        return self.starts[windows].unsqueeze(-1) + torch.arange(
            self.shape[0], device=windows.device
        )

    def _finish(
        self, activity: Tensor, windows: Tensor, step: int, view: int, base: CountHalves | Whole
    ) -> Tensor:
        """Turn activity from the base into a view.

        All transforms and the standardisation are applied.

        Parameters
        ----------
        activity
            Output of the base (run, batch, time, unit).
        windows
            Indices of the windows (run, batch).
        step
            Update step.
        view
            Index of the view, 0 or 1.
        base
            The base that gave the activity.
        """
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
        """Draw and apply one transform.

        Views and windows share random numbers as each run's arm says. Parameters are
        those of `_finish`.
        """
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
        """Activity, as the base shows it, of training windows chosen at random.

        `number` holds uniform random numbers on (0, 1), one per window (run, batch). The
        other parameters are those of `_finish`.
        """
        assert self.pool is not None
        windows, lengths = self.pool
        bins = self._bins(windows.gather(1, (number * lengths.unsqueeze(1)).to(torch.int64)))
        return base.views(self.keys, step, (bins, bins))[view]


def _check_lengths(views: list[Views], length_bins: int) -> None:
    """Refuse transforms of some bins of a window if windows have only one bin."""
    cutting = {
        title_of(t) for view in views for t in view.transforms if cuts_bins(t) and not is_idle(t)
    }
    if cutting and length_bins == 1:
        raise TrainingError(
            f"{', '.join(sorted(cutting))} changes only some bins of a window, but "
            "window.length_bins is 1; use longer windows"
        )


def _pool(parts: list[np.ndarray] | None, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pad the training windows of all runs to one tensor (run, window).

    Returns it with their number in each run (run,).
    """
    if parts is None:
        raise TrainingError(
            "cutmix needs other training windows to paste in, but these views were made without "
            "any; pass them to `ViewMaker` as `parts`"
        )
    windows = [torch.from_numpy(part).to(device) for part in parts]
    lengths = torch.tensor([len(part) for part in parts], device=device)
    return torch.nn.utils.rnn.pad_sequence(windows, batch_first=True), lengths


def _native(runs: list[Run], activity: Tensor) -> bool:
    """Whether the views of stacked runs are computed by native kernels."""
    optimisation = runs[0].optimisation
    return (
        optimisation is not None
        and optimisation.kernels == "native"
        and activity.device.type == "cpu"
    )


def _kinds(views: list[Views]) -> list[str]:
    """Kinds of transforms that change something in any run, in order of first mention."""
    declared = [transform for view in views for transform in view.transforms]
    used = {transform.kind for transform in declared if not is_idle(transform)}
    return [kind for kind in dict.fromkeys(one.kind for one in declared) if kind in used]


def _stacked(kind: str, views: list[Views], rates: Tensor, base: Path) -> Any:
    """Build one transform from the declarations of one kind in K runs.

    A run that does not declare this kind gets the dose at which it changes nothing.
    `rates` is the mean training activity of each unit (run, 1, 1, unit), and `base` the
    folder of the study.
    """
    declared: list[Transform | None] = [
        next((t for t in view.transforms if t.kind == kind), None) for view in views
    ]
    example = next(t for t in declared if t is not None)
    filled = [t or at_identity(example) for t in declared]
    if isinstance(example, OwnTransform):
        own = [t for t in filled if isinstance(t, OwnTransform)]
        return OwnCorruption.of(own, rates.flatten(1), base)
    return TRANSFORMS[kind].of(filled, rates.flatten(1))  # type: ignore[attr-defined]


def _idle(views: Views) -> bool:
    """Whether nothing corrupts these views."""
    return all(is_idle(stage) for stage in views.corruptions)


def _adversaries(views: list[Views]) -> list[Adversary]:
    """The adversary of each run; empty if no run declares one.

    A run that declares none gets the adversary of the others, at the dose at which it
    changes nothing.
    """
    declared = next((view.adversary for view in views if view.adversary is not None), None)
    if declared is None:
        return []
    return [view.adversary or at_identity(declared) for view in views]


def _arms(transform: Any, runs: list[Run], device: torch.device) -> tuple[Tensor, Tensor]:
    """Which runs share the random numbers of a transform.

    Returns two boolean tensors (run,): whether all windows of a batch share them, and
    whether both views share them.
    """
    implementations = {**TRANSFORMS, "own": OwnCorruption}
    kind = next(kind for kind, one in implementations.items() if isinstance(transform, one))
    arms = [run.arm if run.axis.split(".")[0] == kind else "independent" for run in runs]
    shared = [arm == "shared" for arm in arms]
    common = [arm in ("shared", "paired") for arm in arms]
    return torch.tensor(shared, device=device), torch.tensor(common, device=device)
