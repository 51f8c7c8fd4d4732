"""How many dimensions activity shares with a second modality.

In: the square roots of a session's counts (signals as they are) and the target as a
second modality (time, channel). Out: the held-out canonical correlations, how many of
them no circular shift of the modality reaches, and the lag at which the two agree best.
Shared dimensions are common information; they say nothing of direction or cause.

References
----------
Hotelling 1936, doi:10.1093/biomet/28.3-4.321 (canonical correlations). Westfall & Young
1993, Resampling-based multiple testing (the distribution of the largest statistic).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from invariance_probe.data.arrays import varies
from invariance_probe.data.folds import Fold
from invariance_probe.plan.figures.session import SharedFigures, six_digits
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measured
from invariance_probe.probing.measurements.trained import Progress
from invariance_probe.randomness import generator

LEVEL = 0.05
"""Level of the step-down test.

A dimension that is not shared is counted in at most this fraction of sessions.
"""
CLEAR = 0.1
"""Smallest circular shift to either side, as a fraction of the session."""


def measure_shared_dimensions(
    bench: Workbench, runs: list[Run], on_progress: Progress
) -> list[Measured]:
    """Count the dimensions that activity shares with the target.

    Also find the lag at which the two agree best.

    Parameters
    ----------
    bench
        The opened session; its target is the second modality.
    runs
        Runs of this measurement.
    on_progress
        Not called.
    """
    return [Measured(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: Run) -> RunResult:
    method = run.method
    components, shifts = method.components, method.shifts  # type: ignore[union-attr]
    first, second = activity_of(bench), bench.target.columns().cpu().numpy()
    whitened = [Whitened.of(first, fold, components) for fold in bench.folds]
    observed = held_out_correlations(whitened, second, bench.folds, components)
    moves = drawn_shifts(len(second), shifts, generator("probe", run.study_seed, run.session))
    null = np.array(
        [
            held_out_correlations(whitened, np.roll(second, s, axis=0), bench.folds, components)
            for s in moves
        ]
    )
    p_values = step_down(observed, null)
    longest = round(method.longest_lag_s / bench.recording.bin_s)  # type: ignore[union-attr]
    lags = np.arange(-longest, longest + 1)
    profile = np.array(
        [lagged_agreement(first, second, bench, int(lag), components) for lag in lags]
    )
    best = int(lags[profile.argmax()])
    found = SharedFigures(
        dimensions=int((p_values <= LEVEL).sum()),
        lag_bins=best,
        lag_s=best * bench.recording.bin_s,
        correlations=tuple(observed.tolist()),
        p_values=tuple(p_values.tolist()),
        lags_s=six_digits(lags * bench.recording.bin_s),
        agreement=tuple(profile.tolist()),
    )
    return RunResult(run.key(), "done", figures=found)


def activity_of(bench: Workbench) -> np.ndarray:
    """The activity that is correlated with the second modality.

    Returns
    -------
    (window, feature): square roots of counts, whose noise is even, or signals as they
    are.
    """
    x = bench.recording.activity[
        bench.windows.starts[:, None] + np.arange(bench.windows.length)
    ].reshape(len(bench.windows.starts), -1)
    return np.sqrt(x) if bench.recording.activity_kind == "counts" else x.astype(np.float64)


@dataclass(frozen=True, eq=False)
class Whitened:
    """Leading principal components of standardised rows, whitened.

    Attributes
    ----------
    train, test
        Components of training and of test rows (row, component), scaled to unit
        variance over the training rows.
    """

    train: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, fold: Fold, components: int) -> "Whitened":
        """Fit the components on a fold's training rows.

        Parameters
        ----------
        x
            (row, feature). Features that are constant in the training rows take no
            part.
        fold
            Training and test rows.
        components
            Most components that are kept.
        """
        rows = x[fold.train]
        mean = rows.mean(axis=0)
        rows = rows - mean
        covariance = rows.T @ rows / len(rows)
        sd = np.sqrt(np.diag(covariance))
        inverse = np.divide(1.0, sd, out=np.zeros_like(sd), where=varies(mean, sd))
        values, vectors = np.linalg.eigh(covariance * inverse[:, None] * inverse)
        kept = np.flatnonzero(values > 1e-9 * max(values[-1], 1e-300))[::-1][:components]
        projection = inverse[:, None] * vectors[:, kept] / np.sqrt(values[kept])
        return cls(rows @ projection, (x[fold.test] - mean) @ projection)


def held_out_correlations(
    first: Sequence[Whitened], second: np.ndarray, folds: Sequence[Fold], components: int
) -> np.ndarray:
    """Canonical correlations on held-out rows, averaged over folds.

    Between whitened components the canonical directions are the singular vectors of the
    cross-covariance. Their signs are set by the training part, so a held-out
    correlation that is not real is as often negative as positive.

    Parameters
    ----------
    first
        The first side's components, one per fold.
    second
        The second side (row, channel).
    folds
        Training and test rows.
    components
        Most principal components of the second side.

    Returns
    -------
    (dimension,), in the order of the training part.
    """
    found = []
    for one, fold in zip(first, folds, strict=True):
        other = Whitened.of(second, fold, components)
        left, _, right = np.linalg.svd(one.train.T @ other.train, full_matrices=False)
        u, v = one.test @ left, other.test @ right.T
        u, v = u - u.mean(axis=0), v - v.mean(axis=0)
        found.append(
            (u * v).sum(axis=0)
            / np.maximum(np.sqrt((u**2).sum(axis=0) * (v**2).sum(axis=0)), 1e-300)
        )
    dimensions = min(map(len, found))
    return np.mean([correlations[:dimensions] for correlations in found], axis=0)


def drawn_shifts(rows: int, shifts: int, rng: np.random.Generator) -> np.ndarray:
    """Draw different circular shifts, none within a tenth of the session of 0.

    Parameters
    ----------
    rows
        Rows of the session.
    shifts
        Number of shifts.
    rng
        Random generator for the draws.

    Returns
    -------
    Shifts in rows (shift,); fewer where there are not as many.
    """
    allowed = np.arange(max(1, round(CLEAR * rows)), rows - round(CLEAR * rows))
    return rng.choice(allowed, size=min(shifts, len(allowed)), replace=False)


def step_down(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """P values of the dimensions, none smaller than the one before it.

    Every correlation is compared with the largest of all dimensions in every shift. The
    first dimension that is not shared fluctuates like the first one of a shift, not
    like the one of its own number: the training part orders what is left by how much it
    agrees by chance.

    Parameters
    ----------
    observed
        Held-out canonical correlations (dimension,), in the order of training.
    null
        The same under shifts (shift, dimension).

    Returns
    -------
    (dimension,).
    """
    beaten = (null.max(axis=1, keepdims=True) >= observed).sum(axis=0)
    return np.maximum.accumulate((1 + beaten) / (1 + len(null)))


def lagged_agreement(
    first: np.ndarray, second: np.ndarray, bench: Workbench, lag: int, components: int
) -> float:
    """Sum of squared held-out canonical correlations at one lag.

    Negative correlations count as 0. Windows whose partner is in another stretch, or in
    another part of the fold, are left out.

    Parameters
    ----------
    first, second
        The two sides (window, feature) and (window, channel).
    bench
        The opened session, for its stretches and folds.
    lag
        Bins by which the second side is read later; negative for earlier.
    components
        Most principal components of each side.
    """
    count = len(first)
    rows = np.arange(max(0, -lag), min(count, count - lag))
    rows = rows[bench.windows.stretch[rows] == bench.windows.stretch[rows + lag]]
    folds = []
    for fold in bench.folds:
        part = np.zeros(count, dtype=np.int8)
        part[fold.train], part[fold.test] = 1, 2
        same = part[rows] == part[rows + lag]
        folds.append(
            Fold(
                np.flatnonzero(same & (part[rows] == 1)),
                np.flatnonzero(same & (part[rows] == 2)),
                fold.test_blocks[:0],
            )
        )
    here, there = first[rows], second[rows + lag]
    found = held_out_correlations(
        [Whitened.of(here, fold, components) for fold in folds], there, folds, components
    )
    return float((np.maximum(found, 0) ** 2).sum())
