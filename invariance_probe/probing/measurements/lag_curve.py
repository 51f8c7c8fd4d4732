"""The time constant of a code: decoded target against earlier true target.

In: an opened session. Out: the test-lag curve of the raw decoder, its time constant
with a bootstrap interval, and the kurtosis of the decoded target's increments. No
encoder is trained here.

r(w) = Cov(y_t, yhat_{t+w}) / Cov(y_t, yhat_t), of held-out predictions of one fixed
decoder. Its 1/e crossing is the time constant of the (target, code) pair; r / rho_y is
the part that is not the target's own persistence. Training doses do not give a time
constant (science.md, section 3.2).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from invariance_probe.plan.figures.session import Jumps, LagFigures, six_digits
from invariance_probe.plan.run import Run, RunResult
from invariance_probe.probing.bench.workbench import Workbench, inner_folds
from invariance_probe.probing.decoders.readout import Measured
from invariance_probe.probing.decoders.ridge import fit_ridge
from invariance_probe.probing.measurements.trained import Progress
from invariance_probe.randomness import generator
from invariance_probe.study.probes import RidgeProbe

PIECES = 40
"""Number of contiguous pieces of a session that the bootstrap draws from."""
LAGS = 60
"""Most lags of the curve besides 0, spaced geometrically."""


@dataclass(frozen=True, eq=False)
class LagCurve:
    """Lagged products by piece: target x prediction, and target x target.

    Attributes
    ----------
    lags
        Lags in bins (lag,), 0 first.
    decoded, target
        Sums of products (piece, lag).
    counts
        Number of products (piece, lag).
    """

    lags: np.ndarray
    decoded: np.ndarray
    target: np.ndarray
    counts: np.ndarray

    def r(self, pieces: np.ndarray | None = None) -> np.ndarray:
        """Lagged agreement r at every lag (lag,), of all pieces or of chosen ones."""
        return self._normalised(self.decoded, pieces)

    def rho(self) -> np.ndarray:
        """The target's own autocorrelation at every lag (lag,)."""
        return self._normalised(self.target, None)

    def tau(self, bin_s: float, pieces: np.ndarray | None = None) -> float:
        """Time constant: the first 1/e crossing of r.

        Parameters
        ----------
        bin_s
            Length of a bin (s).
        pieces
            Chosen pieces, which may repeat; all pieces if omitted.

        Returns
        -------
        Seconds, by log-linear interpolation between lags; infinite where r does not
        cross 1/e.
        """
        return crossing(self.lags * bin_s, self.r(pieces))

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
    In the unit of the lags, by log-linear interpolation; infinite where the curve does
    not cross 1/e or is not finite.
    """
    below = np.flatnonzero(r <= 1 / math.e)
    if not len(below) or not np.isfinite(r).all():
        return float("inf")
    i = int(below[0])
    high, low = np.log(r[i - 1]), np.log(max(r[i], 1e-3))
    return float(lags[i - 1] + (lags[i] - lags[i - 1]) * (high + 1) / (high - low))


def measure_test_lag(bench: Workbench, runs: list[Run], on_progress: Progress) -> list[Measured]:
    """Measure the raw decoder's test-lag curve and its time constant.

    It also measures whether the code moves by jumps, by the kurtosis of the decoded
    target's increments.

    Parameters
    ----------
    bench
        The opened session.
    runs
        Runs of this measurement.
    on_progress
        Not called.
    """
    return [Measured(run, _measure(bench, run)) for run in runs]


def _measure(bench: Workbench, run: Run) -> RunResult:
    resamples = run.method.resamples  # type: ignore[union-attr]
    rng = generator("bootstrap", run.study_seed, run.session)
    bin_s = bench.recording.bin_s
    predicted, fold_of = held_out(bench)
    target = bench.target.columns().cpu().numpy()
    stretch = joined(bench.windows.stretch, fold_of)
    curve = lag_curve(target, predicted, stretch)
    tau = curve.tau(bin_s)
    taus = [
        curve.tau(bin_s, rng.integers(0, len(curve.counts), len(curve.counts)))
        for _ in range(resamples)
    ]
    # This method does not interpolate: between infinite time constants that would give NaN.
    low, high = np.quantile(taus, [0.05, 0.95], method="inverted_cdf")
    # Increments span half of the time constant.
    step = max(1, round(tau / bin_s / 2)) if np.isfinite(tau) else 1
    kurtosis, surrogates = increment_kurtosis(predicted, stretch, step, resamples, rng)
    jumps = None
    if np.isfinite(kurtosis):
        jumps = Jumps(
            increment_s=step * bin_s,
            kurtosis=kurtosis - float(surrogates.mean()),
            p_value=(1 + int((surrogates >= kurtosis).sum())) / (1 + resamples),
        )
    found = LagFigures(
        tau_s=tau,
        tau_low_s=float(low),
        tau_high_s=float(high),
        tau_target_s=crossing(curve.lags * bin_s, curve.rho()),
        lags_s=six_digits(curve.lags * bin_s),
        r=tuple(curve.r().tolist()),
        rho=tuple(curve.rho().tolist()),
        jumps=jumps,
    )
    return RunResult(run.key(), "done", figures=found)


def held_out(bench: Workbench) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of the raw decoder for held-out windows.

    Returns
    -------
    Predictions (window, column), each by the decoder of the fold that holds the window
    out; and that fold's number (window,).
    """
    probe = RidgeProbe()
    count = len(bench.windows.starts)
    bins = bench.starts.unsqueeze(1) + torch.arange(bench.windows.length, device=bench.device)
    columns = bench.target.columns()
    predicted, fold_of = np.zeros(columns.shape), np.full(count, -1)
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
    """Number the runs of successive windows of one stretch and one fold.

    Parameters
    ----------
    stretch
        Stretch of every window (window,).
    fold_of
        Fold of every window (window,).

    Returns
    -------
    Number of each window's run (window,), from 0.
    """
    return np.concatenate([[0], np.cumsum((np.diff(stretch) != 0) | (np.diff(fold_of) != 0))])


def lag_curve(target: np.ndarray, predicted: np.ndarray, stretch: np.ndarray) -> LagCurve:
    """Lagged products of target and predictions, by piece of the session.

    Parameters
    ----------
    target, predicted
        (window, column).
    stretch
        Stretch of every window (window,), numbered from 0; products never cross from
        one to another.

    Returns
    -------
    The curve at 0 and up to `LAGS` lags, to half of the longest stretch at most.
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
    """Kurtosis of the decoded target's increments, beside Gaussian surrogates.

    It says whether a code moves by jumps. Each column is first given Gaussian marginals
    by its ranks, so that a skewed readout does not count as jumps. A surrogate has the
    same power at every frequency and random phases (Theiler et al. 1992, Physica D
    58:77). Surrogates go through the same ranking, since a slow series visits few
    extremes, which ranks stretch.

    Parameters
    ----------
    decoded
        (window, column).
    stretch
        Stretch of each window (window,); increments never cross from one to another.
    step
        Bins that an increment spans.
    surrogates
        Number of surrogates.
    rng
        Random generator for the random phases.

    Returns
    -------
    Kurtosis averaged over columns, and that of each surrogate (surrogate,). NaN where
    no stretch is longer than an increment.
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
    return stats.norm.ppf((stats.rankdata(x, axis=0) - 0.5) / len(x))
