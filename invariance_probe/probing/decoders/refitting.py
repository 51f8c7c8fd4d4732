"""Refit the decoder of raw activity on many alternative targets at once.

In: windows of a session, and courses: time series that the target might have taken, for
example the target shifted in time, or a random walk. Out: held-out squared errors of
each course, summed over folds. The ridge penalty is chosen anew for each course.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.probing.bench.size import is_large
from invariance_probe.probing.bench.workbench import Workbench, inner_folds
from invariance_probe.probing.decoders.overlapping import WindowInputs, fit_windows
from invariance_probe.probing.decoders.ridge import fit_ridge
from invariance_probe.study.probes import RidgeProbe

COLUMNS_AT_ONCE = 200
"""Number of target columns that are fitted together.

More would only fill the memory.
"""


@dataclass(frozen=True, eq=False)
class Refitted:
    """Held-out squared errors of each course.

    Attributes
    ----------
    errors
        Errors of the decoder (draw,), one draw for each course.
    floors
        Errors of the mean over the training windows (draw,).
    """

    errors: np.ndarray
    floors: np.ndarray

    @property
    def fractions(self) -> np.ndarray:
        """Error of the decoder over that of the best constant (draw,); 1 is chance."""
        return self.errors / self.floors


def inputs_of(bench: Workbench, windows: np.ndarray) -> Tensor:
    """Gather the standardised activity in all bins of chosen windows.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    windows
        Numbers of the windows (window,); activity is standardised over their bins.

    Returns
    -------
    (1, window, feature) float64.
    """
    bins = bench.starts[torch.from_numpy(windows)].unsqueeze(1) + torch.arange(
        bench.windows.length, device=bench.device
    )
    return (
        bench.scaling([windows], torch.float64).apply(bench.activity[bins].unsqueeze(0)).flatten(2)
    )


def refit_all(bench: Workbench, windows: np.ndarray, courses: np.ndarray) -> Refitted:
    """Refit the decoder on each course, as many at a time as memory allows.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    windows
        Numbers of the windows that are used (window,), ascending.
    courses
        Values of each course (draw, window, column).
    """
    large = is_large(bench)
    x = torch.zeros(0) if large else inputs_of(bench, windows)
    draws, _, columns = courses.shape
    at_once = max(1, COLUMNS_AT_ONCE // columns)
    parts = []
    for first in range(0, draws, at_once):
        part = courses[first : first + at_once]
        if large:
            parts.append(refit_large(bench, windows, part))
        else:
            flat = torch.from_numpy(part).to(bench.device).transpose(0, 1).flatten(1)
            parts.append(refit(bench, windows, x, flat, len(part)))
    return Refitted(
        np.concatenate([part.errors for part in parts]),
        np.concatenate([part.floors for part in parts]),
    )


def refit(
    bench: Workbench, windows: np.ndarray, x: Tensor, courses: Tensor, draws: int
) -> Refitted:
    """Refit the decoder on courses whose columns lie side by side.

    Folds are left out if they have no test window, or too few training windows, among
    the windows used.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    windows
        Numbers of the windows that are used (window,), ascending. Other windows are
        taken out of the folds.
    x
        Inputs of these windows (1, window, feature).
    courses
        Values of each course (window, draw x column).
    draws
        Number of courses; the penalty is chosen for each.
    """
    probe = RidgeProbe()
    place = np.full(len(bench.windows.starts), -1)
    place[windows] = np.arange(len(windows))
    errors, floors = np.zeros(draws), np.zeros(draws)
    for fold in bench.folds:
        train, test = (kept[kept >= 0] for kept in (place[fold.train], place[fold.test]))
        if len(train) < 2 * probe.inner_folds or not len(test):
            continue
        inner = inner_folds([train], len(windows), probe.inner_folds, bench.device)
        predictions = fit_ridge(x, courses[None], inner, probe.penalties, draws).predict(x)[0]
        held_out = torch.from_numpy(test).to(bench.device)
        mean = courses[torch.from_numpy(train).to(bench.device)].mean(0)
        errors += _by_draw((predictions - courses)[held_out], draws)
        floors += _by_draw((mean - courses)[held_out], draws)
    return Refitted(errors, floors)


def refit_large(bench: Workbench, windows: np.ndarray, courses: np.ndarray) -> Refitted:
    """Do the same as `refit` where windows are too many to be held as one table.

    Parameters
    ----------
    bench
        The session with its windows and folds.
    windows
        Numbers of the windows that are used (window,), ascending.
    courses
        Values of each course (draw, window, column); the penalty is chosen for each.
    """
    probe, inputs = RidgeProbe(), WindowInputs.of(bench, windows)
    draws, _, columns = courses.shape
    target = np.zeros((len(bench.windows.starts), draws * columns))
    for draw, course in enumerate(courses):
        target[windows, draw * columns : (draw + 1) * columns] = course
    used = [
        (train, test)
        for fold in bench.folds
        if len(train := np.intersect1d(fold.train, windows)) >= 2 * probe.inner_folds
        and len(test := np.intersect1d(fold.test, windows))
    ]
    fits = fit_windows(
        inputs, target, [train for train, _ in used], probe.inner_folds, probe.penalties, draws
    )
    errors, floors = np.zeros(draws), np.zeros(draws)
    for (train, test), fit in zip(used, fits, strict=True):
        actual = torch.from_numpy(target[test])
        errors += _by_draw(torch.from_numpy(inputs.predict(fit, test)) - actual, draws)
        floors += _by_draw(torch.from_numpy(target[train].mean(axis=0)) - actual, draws)
    return Refitted(errors, floors)


def _by_draw(residuals: Tensor, draws: int) -> np.ndarray:
    """Sum the squared residuals of each course (draw,).

    Parameters
    ----------
    residuals
        (window, draw x column).
    draws
        Number of courses.
    """
    return residuals.square().view(len(residuals), draws, -1).sum((0, 2)).cpu().numpy()
