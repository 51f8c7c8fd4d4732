"""Refit the raw decoder on many courses of a target at once, fold by fold.

In: windows of a session and courses that the target might have taken. Out: held-out
squared errors of every course. Each course has a penalty of its own, chosen anew. A
course is one alternative time series of the target, for example shifted in time.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.probing.bench.workbench import Workbench, inner_folds
from invariance_probe.probing.decoders.ridge import fit_ridge
from invariance_probe.study.probes import RidgeProbe

COLUMNS_AT_ONCE = 200
"""Target columns that are fitted together; more would only fill the memory."""


@dataclass(frozen=True, eq=False)
class Refitted:
    """Held-out squared errors of every course.

    Attributes
    ----------
    errors
        Of the decoder (draw,).
    floors
        Of the training parts' means (draw,).
    """

    errors: np.ndarray
    floors: np.ndarray

    @property
    def fractions(self) -> np.ndarray:
        """The decoder's error over the best constant's (draw,): 1 is chance."""
        return self.errors / self.floors


def inputs_of(bench: Workbench, windows: np.ndarray) -> Tensor:
    """Standardised activity of chosen windows, all their bins.

    Parameters
    ----------
    bench
        The opened session.
    windows
        Chosen windows (window,); activity is standardised over their bins.

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
    """Refit the decoder on every course, a part of the courses at a time.

    Parameters
    ----------
    bench
        The opened session.
    windows
        Windows of the session that are used (window,), ascending.
    courses
        (draw, window, column).
    """
    x = inputs_of(bench, windows)
    draws, _, columns = courses.shape
    at_once = max(1, COLUMNS_AT_ONCE // columns)
    parts = []
    for first in range(0, draws, at_once):
        part = torch.from_numpy(courses[first : first + at_once]).to(bench.device)
        parts.append(refit(bench, windows, x, part.transpose(0, 1).flatten(1), len(part)))
    return Refitted(
        np.concatenate([part.errors for part in parts]),
        np.concatenate([part.floors for part in parts]),
    )


def refit(
    bench: Workbench, windows: np.ndarray, x: Tensor, courses: Tensor, draws: int
) -> Refitted:
    """Refit the decoder on courses that stand side by side.

    Folds with too few training windows among those used, or with no test window, are
    left out.

    Parameters
    ----------
    bench
        The opened session.
    windows
        Windows of the session that are used (window,), ascending; folds are cut down to
        them.
    x
        Their inputs (1, window, feature).
    courses
        (window, draw x column).
    draws
        Number of courses; each has a penalty of its own.
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


def _by_draw(residuals: Tensor, draws: int) -> np.ndarray:
    """Sum of squared residuals of every course (draw,)."""
    return residuals.square().view(len(residuals), draws, -1).sum((0, 2)).cpu().numpy()
