"""How many dimensions activity shares with a second modality.

In: the square roots of a session's counts (signals as they are), and a target that is a
second modality (time, channel), such as a field potential. Out: the canonical
correlations of the two on held-out windows; how many of them are larger than under
circular shifts of the second modality; and the lag at which the two sides are most
correlated. Shared dimensions are common information; they say nothing about direction
or cause.

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
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.probing.measurements.trained import Progress
from invariance_probe.randomness import generator
from invariance_probe.study.baselines import SharedDimensions

LEVEL = 0.05
"""Level of the test of the number of shared dimensions.

In at most this fraction of sessions is a dimension counted that is not shared.
"""
CLEAR = 0.1
"""Smallest circular shift to either side, as a fraction of the session."""


def measure_shared_dimensions(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Count the dimensions that activity shares with the target.

    Also find the lag at which the two are most correlated.

    Parameters
    ----------
    bench
        The opened session; its target is the second modality.
    runs
        Runs of this measurement.
    on_progress
        Not called: nothing is trained.
    """
    return [Measurement(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: SessionMeasurement) -> RunResult:
    method = run.declared(SharedDimensions)
    components, shifts = method.components, method.shifts
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
    longest = round(method.longest_lag_s / bench.step_s)
    lags = np.arange(-longest, longest + 1)
    profile = np.array(
        [lagged_agreement(first, second, bench, int(lag), components) for lag in lags]
    )
    best = int(lags[profile.argmax()])
    found = SharedFigures(
        dimensions=int((p_values <= LEVEL).sum()),
        lag_bins=best,
        lag_s=best * bench.step_s,
        correlations=tuple(observed.tolist()),
        p_values=tuple(p_values.tolist()),
        lags_s=six_digits(lags * bench.step_s),
        agreement=tuple(profile.tolist()),
    )
    return RunResult(run.key(), "done", figures=found)


def activity_of(bench: Workbench) -> np.ndarray:
    """Return the activity that is correlated with the second modality.

    Returns
    -------
    (window, feature) float64, a feature being one unit in one bin of the window: square
    roots of counts, whose noise variance depends little on the rate, or signals as they
    are.
    """
    x = bench.recording.activity[
        bench.windows.starts[:, None] + np.arange(bench.windows.length)
    ].reshape(len(bench.windows.starts), -1)
    return np.sqrt(x) if bench.recording.activity_kind == "counts" else x.astype(np.float64)


@dataclass(frozen=True, eq=False)
class Whitened:
    """Leading principal components of standardised windows, whitened.

    Attributes
    ----------
    train, test
        Components of training and of test windows (window, component), scaled to unit
        variance over the training windows.
    """

    train: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, fold: Fold, components: int) -> "Whitened":
        """Fit the components on a fold's training windows.

        Parameters
        ----------
        x
            Values to be whitened (window, feature). Features that are constant in the
            training windows are ignored.
        fold
            Training and test windows.
        components
            Largest number of components.
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
    """Compute canonical correlations on test windows, averaged over folds.

    The canonical directions of whitened components are the singular vectors of their
    cross-covariance. Directions and their signs are fitted on training windows, so a
    dimension that is not shared has a held-out correlation that is as often negative as
    positive.

    Parameters
    ----------
    first
        Whitened components of the first side, one per fold.
    second
        The second side (window, channel).
    folds
        Training and test windows of each fold.
    components
        Largest number of principal components of the second side.

    Returns
    -------
    Held-out correlations (dimension,), in descending order of the training
    correlations.
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
    """Draw circular shifts of at least a tenth of the session to either side.

    Parameters
    ----------
    rows
        Number of windows of the session.
    shifts
        Number of shifts.
    rng
        Random generator for the draws.

    Returns
    -------
    Different shifts in windows (shift,); fewer than `shifts` if the session has too few
    windows.
    """
    allowed = np.arange(max(1, round(CLEAR * rows)), rows - round(CLEAR * rows))
    return rng.choice(allowed, size=min(shifts, len(allowed)), replace=False)


def step_down(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Test the canonical correlations one after the other (step-down test).

    Each correlation is compared with the largest correlation of each circular shift.
    Comparing dimension k with dimension k of the shifts would be too lenient: after the
    shared dimensions, training selects the direction with the strongest chance
    correlation, as it does for the first dimension of a shift.

    Parameters
    ----------
    observed
        Held-out canonical correlations (dimension,), in descending order of the
        training correlations.
    null
        The same under circular shifts (shift, dimension).

    Returns
    -------
    P values (dimension,), none smaller than the one before it.
    """
    beaten = (null.max(axis=1, keepdims=True) >= observed).sum(axis=0)
    return np.maximum.accumulate((1 + beaten) / (1 + len(null)))


def lagged_agreement(
    first: np.ndarray, second: np.ndarray, bench: Workbench, lag: int, components: int
) -> float:
    """Sum the squared held-out canonical correlations at one lag.

    Negative correlations count as 0. Left out are windows whose partner, a lag later,
    is in another trial or gap-free segment, or in another part (training or test) of
    the fold.

    Parameters
    ----------
    first, second
        The two sides: activity (window, feature), second modality (window, channel).
    bench
        The opened session, for its stretches and folds.
    lag
        Lag in windows by which the second side is read later; negative for earlier.
    components
        Largest number of principal components of each side.
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
