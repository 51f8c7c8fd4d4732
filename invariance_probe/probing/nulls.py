"""Is anything decodable, and does the target move: measurements of a whole session that come before any SSL.

References
----------
Harris 2020, arXiv:2012.06862 (linear shift: a target's own past and future are its fairest null).
"""

import numpy as np
import torch

from invariance_probe.augmentations.pairing import find_partners
from invariance_probe.probing.readout import Measured
from invariance_probe.probing.ridge import fit_ridge
from invariance_probe.probing.trained import Progress
from invariance_probe.probing.workbench import Workbench, inner_folds
from invariance_probe.study.probes import RidgeProbe
from invariance_probe.study.run import Run, RunResult


def measure_shift_null(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Hold the raw decoder against the same decoder on linearly shifted targets.

    Activity is taken from the middle half of the windows; the target is read up to a quarter of the session
    earlier or later, so every alignment uses as much data. A least-squares decoder (of one column a class for
    classes) is refitted, penalty and all, for every shift.
    """
    return [Measured(run, _shift_null(bench, run)) for run in runs]


def _shift_null(bench: Workbench, run: Run) -> RunResult:
    shifts = run.method.shifts  # type: ignore[union-attr]
    count = len(bench.windows.starts)
    half = max(1, shifts // 2)
    spacing = max(1, count // 4 // half)
    margin = spacing * half
    middle = np.arange(margin, count - margin)
    lags = np.array([0, *(sign * spacing * i for i in range(1, half + 1) for sign in (-1, 1))])
    columns = bench.target.columns()
    shifted = torch.cat([columns[torch.from_numpy(middle + lag)] for lag in lags], dim=1)
    losses = _refitted(bench, middle, shifted, len(lags))
    p_value = (1 + int((losses[1:] <= losses[0]).sum())) / len(lags)
    found = {"p_value": p_value, "shift_s": spacing * bench.recording.bin_s, "target_time_s": _target_time(bench)}
    return RunResult(run.key(), "done", diagnostics=found)


def _refitted(bench: Workbench, middle: np.ndarray, shifted: torch.Tensor, groups: int) -> np.ndarray:
    """Return the held-out squared error of every alignment, over all folds."""
    probe = RidgeProbe()
    place = np.full(len(bench.windows.starts), -1)
    place[middle] = np.arange(len(middle))
    parts, tests = [], []
    for fold in bench.folds:
        parts.append(kept[kept >= 0] if (kept := place[fold.train]).size else kept)
        tests.append(kept[kept >= 0] if (kept := place[fold.test]).size else kept)
    usable = [i for i in range(len(parts)) if len(parts[i]) >= 2 * probe.inner_folds and len(tests[i])]
    inputs = bench.scaling([middle], torch.float64).apply(bench.activity[bench.starts[torch.from_numpy(middle)]][None, :, None])
    x = inputs.flatten(2)
    total = np.zeros(groups)
    for i in usable:
        inner = inner_folds([parts[i]], len(middle), probe.inner_folds, bench.device)
        predictions = fit_ridge(x, shifted[None], inner, probe.penalties, groups).predict(x)[0]
        test = torch.from_numpy(tests[i])
        total += (predictions - shifted)[test].square().view(len(test), groups, -1).sum((0, 2)).cpu().numpy()
    return total


def _target_time(bench: Workbench) -> float:
    """Return the time in seconds at which the target's autocorrelation first falls below 1/e, inside stretches."""
    values = bench.target.columns().cpu().numpy()
    values = values - values.mean(axis=0)
    variance = float((values**2).mean())
    stretch = bench.windows.stretch
    for lag in range(1, len(values) // 4):
        same = stretch[lag:] == stretch[:-lag]
        if not same.any():
            break
        if float((values[lag:] * values[:-lag])[same].mean()) < variance / np.e:
            return lag * bench.recording.bin_s
    return lag * bench.recording.bin_s


def measure_persistence(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Correlate the target with itself over the lags of a run's pairing (classes: agreement beyond chance)."""
    return [Measured(run, RunResult(run.key(), "done", diagnostics={"rho": _persistence(bench, run)})) for run in runs]


def _persistence(bench: Workbench, run: Run) -> float:
    assert run.views is not None
    everything = np.arange(len(bench.windows.starts))
    partners = find_partners(everything, bench.windows.stretch, run.views.pairing, bench.recording.bin_s)
    if not len(partners.anchors):
        return 1.0
    values = bench.target.columns().cpu().numpy()
    centred = values - values.mean(axis=0)
    total = partners.first_count + partners.second_count
    covariance = 0.0
    for low, count in ((partners.first, partners.first_count), (partners.second, partners.second_count)):
        for lag in range(int(low.min()), int((low + count).max())):
            has = (low <= lag) & (lag < low + count)
            anchors = partners.anchors[has]
            covariance += float(((centred[anchors] * centred[anchors + lag]).sum(axis=1) / total[has]).sum())
    variance = float((centred[partners.anchors] ** 2).sum())
    return covariance / variance if variance > 0 else 1.0
