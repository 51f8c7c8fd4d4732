"""The time constant of a code: decoded target against earlier true target.

In: an opened session. Out: the test-lag curve of the raw decoder (ridge regression on
standardised activity), its time constant with a bootstrap interval, and the kurtosis of
the decoded target's increments. No encoder is trained here.

The curve compares the target y_t with what is decoded a lag w later, yhat_{t+w}:
r(w) = Cov(y_t, yhat_{t+w}) / Cov(y_t, yhat_t), for held-out predictions of one fixed
decoder. The lag at which r falls to 1/e is the time constant of this target in this
code. The target itself changes slowly, with autocorrelation rho_y; r / rho_y is the
part of the curve that this does not explain. Training at several doses of jitter does
not give a time constant.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import stats

from invariance_probe.plan.figures.session import Jumps, LagFigures, six_digits
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.size import is_large
from invariance_probe.probing.bench.workbench import Workbench, inner_folds
from invariance_probe.probing.decoders.overlapping import WindowInputs, fit_windows
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.probing.decoders.ridge import fit_ridge
from invariance_probe.probing.measurements.trained import Progress
from invariance_probe.randomness import generator
from invariance_probe.study.baselines import TestLag
from invariance_probe.study.probes import RidgeProbe

PIECES = 40
"""Number of contiguous pieces of a session that the bootstrap resamples."""
LAGS = 60
"""Largest number of lags besides 0; they are spaced geometrically."""


@dataclass(frozen=True, eq=False)
class LagCurve:
    """Sums from which the test-lag curve of a session is computed.

    The session is cut into contiguous pieces, so that a bootstrap can resample them.

    Attributes
    ----------
    lags
        Lags in bins (lag,), 0 first.
    decoded
        Sums over windows of the target times the prediction a lag later (piece, lag).
    target
        Sums over windows of the target times the target a lag later (piece, lag).
    counts
        Number of products in each sum (piece, lag).
    """

    lags: np.ndarray
    decoded: np.ndarray
    target: np.ndarray
    counts: np.ndarray

    def r(self, pieces: np.ndarray | None = None) -> np.ndarray:
        """Compute the test-lag curve r at each lag (lag,).

        Parameters
        ----------
        pieces
            Indices of the pieces to use, which may repeat; all pieces if omitted.
        """
        return self._normalised(self.decoded, pieces)

    def rho(self) -> np.ndarray:
        """Compute the target's own autocorrelation at each lag (lag,)."""
        return self._normalised(self.target, None)

    def tau(self, step_s: float, pieces: np.ndarray | None = None) -> float:
        """Compute the time constant: the lag at which r first falls to 1/e.

        Parameters
        ----------
        bin_s
            Length of a bin (s).
        pieces
            Indices of the pieces to use, which may repeat; all pieces if omitted.

        Returns
        -------
        Time constant in seconds, by log-linear interpolation between lags; infinite if
        r does not fall to 1/e.
        """
        return crossing(self.lags * step_s, self.r(pieces))

    def _normalised(self, sums: np.ndarray, pieces: np.ndarray | None) -> np.ndarray:
        chosen = slice(None) if pieces is None else pieces
        means = sums[chosen].sum(axis=0) / np.maximum(self.counts[chosen].sum(axis=0), 1)
        return means / means[0] if means[0] > 0 else np.full(len(means), np.nan)


def crossing(lags: np.ndarray, r: np.ndarray) -> float:
    """Lag at which a curve that starts at 1 first falls to 1/e.

    Parameters
    ----------
    lags
        Lags (lag,), ascending from 0.
    r
        The curve (lag,).

    Returns
    -------
    The lag in the unit of `lags`, by log-linear interpolation; infinite if the curve
    does not fall to 1/e or is not finite.
    """
    below = np.flatnonzero(r <= 1 / math.e)
    if not len(below) or not np.isfinite(r).all():
        return float("inf")
    i = int(below[0])
    high, low = np.log(r[i - 1]), np.log(max(r[i], 1e-3))
    return float(lags[i - 1] + (lags[i] - lags[i - 1]) * (high + 1) / (high - low))


def measure_test_lag(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Measure the raw decoder's test-lag curve and its time constant.

    Also test whether the decoded target moves by jumps, by the kurtosis of its
    increments.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of this measurement.
    on_progress
        Not called: no encoder is trained.
    """
    return [Measurement(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: SessionMeasurement) -> RunResult:
    resamples = run.declared(TestLag).resamples
    rng = generator("bootstrap", run.study_seed, run.session)
    step_s = bench.step_s
    predicted, fold_of = held_out(bench)
    target = bench.target.columns().cpu().numpy()
    stretch = joined(bench.windows.stretch, fold_of)
    curve = lag_curve(target, predicted, stretch)
    tau = curve.tau(step_s)
    taus = [
        curve.tau(step_s, rng.integers(0, len(curve.counts), len(curve.counts)))
        for _ in range(resamples)
    ]
    # This method does not interpolate; between infinite time constants that would give NaN.
    low, high = np.quantile(taus, [0.05, 0.95], method="inverted_cdf")
    # Increments span half of the time constant.
    step = max(1, round(tau / step_s / 2)) if np.isfinite(tau) else 1
    kurtosis, surrogates = increment_kurtosis(predicted, stretch, step, resamples, rng)
    jumps = None
    if np.isfinite(kurtosis):
        jumps = Jumps(
            increment_s=step * step_s,
            kurtosis=kurtosis - float(surrogates.mean()),
            p_value=(1 + int((surrogates >= kurtosis).sum())) / (1 + resamples),
        )
    found = LagFigures(
        tau_s=tau,
        tau_low_s=float(low),
        tau_high_s=float(high),
        tau_target_s=crossing(curve.lags * step_s, curve.rho()),
        lags_s=six_digits(curve.lags * step_s),
        r=tuple(curve.r().tolist()),
        rho=tuple(curve.rho().tolist()),
        jumps=jumps,
    )
    return RunResult(run.key(), "done", figures=found)


def held_out(bench: Workbench) -> tuple[np.ndarray, np.ndarray]:
    """Predict each window's target with the raw decoder, by cross-validation.

    Returns
    -------
    Predictions (window, column), each by a decoder that was not fitted on that window;
    and the fold in whose test part the window lies (window,).
    """
    probe = RidgeProbe()
    count = len(bench.windows.starts)
    bins = bench.starts.unsqueeze(1) + torch.arange(bench.windows.length, device=bench.device)
    columns = bench.target.columns()
    predicted, fold_of = np.zeros(columns.shape), np.full(count, -1)
    if is_large(bench):
        inputs, target = WindowInputs.of(bench, np.arange(count)), columns.cpu().numpy()
        parts = [fold.train for fold in bench.folds]
        fits = fit_windows(inputs, target, parts, probe.inner_folds, probe.penalties)
        for i, (fold, fit) in enumerate(zip(bench.folds, fits, strict=True)):
            predicted[fold.test], fold_of[fold.test] = inputs.predict(fit, fold.test), i
        return predicted, fold_of
    for i, fold in enumerate(bench.folds):
        x = (
            bench.scaling([fold.train], torch.float64)
            .apply(bench.activity[bins].unsqueeze(0))
            .flatten(2)
        )
        inner = inner_folds([fold.train], count, probe.inner_folds, bench.device)
        values = fit_ridge(x, columns[None], inner, probe.penalties).predict(x)[0].cpu().numpy()
        predicted[fold.test], fold_of[fold.test] = values[fold.test], i
    return predicted, fold_of


def joined(stretch: np.ndarray, fold_of: np.ndarray) -> np.ndarray:
    """Number the sequences of windows that lie in one stretch and one fold.

    A stretch is a trial or gap-free piece of the recording.

    Parameters
    ----------
    stretch
        Stretch of each window (window,).
    fold_of
        Fold in whose test part every window lies (window,).

    Returns
    -------
    Number of the sequence that each window lies in (window,), from 0.
    """
    return np.concatenate([[0], np.cumsum((np.diff(stretch) != 0) | (np.diff(fold_of) != 0))])


def lag_curve(target: np.ndarray, predicted: np.ndarray, stretch: np.ndarray) -> LagCurve:
    """Sum the lagged products of target and predictions over a session's pieces.

    Parameters
    ----------
    target, predicted
        True and decoded target, each (window, column).
    stretch
        Stretch of each window (window,), numbered from 0. Two windows of different
        stretches are never multiplied.

    Returns
    -------
    Sums at lag 0 and at up to `LAGS` further lags. The longest lag is at most half of
    the longest stretch.
    """
    longest = int(np.bincount(stretch).max())
    lags = np.unique(
        np.concatenate(
            [[0], np.round(np.geomspace(1, max(1, longest // 2), LAGS)).astype(np.int64)]
        )
    )
    y, z = target - target.mean(axis=0), predicted - predicted.mean(axis=0)
    piece = np.arange(len(y)) * PIECES // len(y)
    decoded, own, counts = (np.zeros((PIECES, len(lags))) for _ in range(3))
    for i, lag in enumerate(lags):
        first = np.flatnonzero(stretch[: len(y) - lag] == stretch[lag:])
        for sums, later in ((decoded, z), (own, y)):
            sums[:, i] = np.bincount(
                piece[first], (y[first] * later[first + lag]).sum(axis=1), PIECES
            )
        counts[:, i] = np.bincount(piece[first], minlength=PIECES)
    usable = counts.sum(axis=0) > 0
    return LagCurve(lags[usable], decoded[:, usable], own[:, usable], counts[:, usable])


def increment_kurtosis(
    decoded: np.ndarray, stretch: np.ndarray, step: int, surrogates: int, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """Compare the kurtosis of the decoded target's increments with surrogates.

    A code that moves by jumps has many small and a few large increments, so a high
    kurtosis. Each column is first transformed by its ranks to a Gaussian distribution,
    so that a skewed prediction does not count as jumps. A surrogate has the same power
    spectrum and random phases (Theiler et al. 1992, Physica D 58:77). It is transformed
    in the same way, because ranks exaggerate the few extremes of a slow series.

    Parameters
    ----------
    decoded
        Decoded target (window, column).
    stretch
        Stretch of each window (window,). No increment crosses from one to another.
    step
        Bins that an increment spans.
    surrogates
        Number of surrogates.
    rng
        Random generator for the phases.

    Returns
    -------
    Kurtosis averaged over columns, and the same for each surrogate (surrogate,). Both
    are NaN if no stretch is longer than an increment.
    """
    inside = stretch[step:] == stretch[:-step]
    if not inside.any():
        return float("nan"), np.full(surrogates, np.nan)

    def kurtosis(x: np.ndarray) -> float:
        return float(stats.kurtosis((x[step:] - x[:-step])[inside], axis=0).mean())

    gaussian = _gaussian_by_rank(decoded)
    spectrum = np.abs(np.fft.rfft(gaussian, axis=0))
    found = np.empty(surrogates)
    for i in range(surrogates):
        phases = np.exp(2j * np.pi * rng.random(spectrum.shape))
        found[i] = kurtosis(
            _gaussian_by_rank(np.fft.irfft(spectrum * phases, len(gaussian), axis=0))
        )
    return kurtosis(gaussian), found


def _gaussian_by_rank(x: np.ndarray) -> np.ndarray:
    """Replace the values of each column by normal quantiles of their ranks.

    Parameters
    ----------
    x
        (window, column).
    """
    quantiles, found = _quantiles(len(x)), np.empty(x.shape)
    for column in range(x.shape[1]):
        values = x[:, column]
        order = np.argsort(values)
        ordered = values[order]
        if (ordered[1:] == ordered[:-1]).any():  # ties share their mean rank, a multiple of 1/2
            found[:, column] = quantiles[(2 * stats.rankdata(values)).astype(np.int64)]
        else:
            found[order, column] = quantiles[2::2]
    return found


@lru_cache(maxsize=1)
def _quantiles(count: int) -> np.ndarray:
    """Normal quantiles of the ranks 0, 1/2, 1, 3/2 ... count (2 count + 1,)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(stats.norm.ppf((np.arange(2 * count + 1) / 2 - 0.5) / count))
