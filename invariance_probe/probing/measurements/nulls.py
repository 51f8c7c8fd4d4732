"""Null tests of decodability, and how slowly the target changes.

In: an opened session. Out, for the nulls: the rank of the raw decoder's loss among its
losses on other time courses of the target, which the activity cannot encode
(docs/science.md, Is it decodable at all). The raw decoder is ridge regression on
standardised activity; classes are decoded as one column per class. It is refitted on
each course, and its penalty chosen anew. Out, for persistence: the correlation of the
target with itself over the lags between paired windows. No encoder is trained here.

References
----------
Harris 2020, arXiv:2012.06862 (linear and circular shifts, other sessions,
pseudo-sessions).
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from invariance_probe.augmentations.pairing import find_partners
from invariance_probe.data.alternatives import (
    alternative_courses,
    columns_of,
    cut_sessions,
    exchange_trials,
)
from invariance_probe.data.cache import cached_other
from invariance_probe.data.labels import labelled_windows
from invariance_probe.data.recording import Recording
from invariance_probe.data.states import restricted
from invariance_probe.errors import DataError
from invariance_probe.plan.figures.session import NullFigures, PersistenceFigures
from invariance_probe.plan.roles import SessionMeasurement
from invariance_probe.plan.run import RunResult
from invariance_probe.probing.bench.autocorrelation import first_lag
from invariance_probe.probing.bench.workbench import Workbench
from invariance_probe.probing.decoders.readout import Measurement
from invariance_probe.probing.decoders.refitting import Refitted, refit_all
from invariance_probe.probing.measurements.stationarity import stationarity_p
from invariance_probe.probing.measurements.trained import Progress
from invariance_probe.randomness import generator
from invariance_probe.study.baselines import CircularNull, PseudoNull, SessionNull, ShiftNull
from invariance_probe.study.design import Window
from invariance_probe.study.probes import Target
from invariance_probe.study.recordings import AnySource
from invariance_probe.study.session import OtherSession

FEWEST_USABLE = 19
"""Smallest number of null targets that vary over time.

With fewer, p cannot reach .05.
"""


def measure_shift_null(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Compare decoding of the target with decoding of the target shifted in time.

    Activity is taken from the middle half of the windows. The target is read up to a
    quarter of the session earlier or later, so that every shift uses the same amount of
    data. Each loss is divided by that of the best constant prediction of the same part
    of the target.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of this null.
    on_progress
        Not called: no encoder is trained.
    """
    return [Measurement(run, _shift_null(bench, run)) for run in runs]


def measure_circular_null(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Compare decoding of the target with decoding of circular shifts of it.

    The shifts are spaced evenly over the session. With the unshifted target they form a
    group (but for rounding), so the rank is exact for a stationary target whose end
    continues at its beginning. A test of stationarity is therefore part of the result.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of this null.
    on_progress
        Not called: no encoder is trained.
    """
    return [Measurement(run, _circular_null(bench, run)) for run in runs]


def measure_session_null(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Compare decoding of the target with decoding of other sessions' targets.

    All targets are cut to one length.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of this null.
    on_progress
        Not called: no encoder is trained.
    """
    return [Measurement(run, _session_null(bench, run)) for run in runs]


def measure_pseudo_null(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Compare decoding of the target with decoding of pseudo-sessions.

    A pseudo-session has targets that the experimenter's randomisation could equally
    have produced. They are read from an array of the recording, or else whole trials
    exchange their targets at random.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs of this null.
    on_progress
        Not called: no encoder is trained.
    """
    return [Measurement(run, _pseudo_null(bench, run)) for run in runs]


def rank_p(observed: float, null: np.ndarray) -> float:
    """P value of a loss by its rank among null losses.

    p = (1 + number of null losses not above it) / (1 + number of null losses).

    Parameters
    ----------
    observed
        Loss on the true target.
    null
        Losses on the null targets (draw,).

    Examples
    --------
    >>> rank_p(0.5, np.array([0.9, 0.5, 1.0, 1.1]))
    0.4
    """
    return (1 + int((null <= observed).sum())) / (1 + len(null))


def _shift_null(bench: Workbench, run: SessionMeasurement) -> RunResult:
    each_way = -(-run.declared(ShiftNull).shifts // 2)
    columns = bench.target.columns().cpu().numpy()
    count = len(columns)
    spacing = max(1, count // 4 // each_way)
    margin = spacing * each_way
    middle = np.arange(margin, count - margin)
    lags = [0, *(sign * spacing * i for i in range(1, each_way + 1) for sign in (-1, 1))]
    ranked = _ranked(
        bench, run, refit_all(bench, middle, np.stack([columns[middle + lag] for lag in lags]))
    )
    return _result(
        run,
        replace(ranked, shift_s=spacing * bench.step_s, target_time_s=_target_time(bench)),
    )


def _circular_null(bench: Workbench, run: SessionMeasurement) -> RunResult:
    shifts = run.declared(CircularNull).shifts
    columns = bench.target.columns().cpu().numpy()
    count = len(columns)
    courses = [np.roll(columns, round(i * count / (shifts + 1)), axis=0) for i in range(shifts + 1)]
    ranked = _ranked(bench, run, refit_all(bench, np.arange(count), np.stack(courses)))
    return _result(
        run,
        replace(
            ranked,
            shift_s=count / (shifts + 1) * bench.step_s,
            stationarity_p=stationarity_p(columns),
        ),
    )


def _session_null(bench: Workbench, run: SessionMeasurement) -> RunResult:
    asked = run.declared(SessionNull)
    others, cuts = asked.others, asked.cuts
    elsewhere = bench.elsewhere
    raw = [
        _course(other, elsewhere.sources[other.name], elsewhere.base, run.target, run.window)
        for other in others
    ]
    own_course = _targets(bench.recording, run.window, run.target)
    own, *courses = columns_of(run.target.kind, [own_course, *raw])
    for other, course in zip(others, courses, strict=True):
        if course.shape[1] != own.shape[1]:
            raise DataError(
                f"session {run.session!r}: target {run.target.name!r} has {own.shape[1]} columns, "
                f"but {course.shape[1]} in session {other.name!r}; with this null, the target "
                "must have the same columns in all sessions"
            )
    length, start, places = cut_sessions(len(own), [len(course) for course in courses], cuts)
    drawn = [
        own[start : start + length],
        *(courses[which][first : first + length] for which, first in places),
    ]
    refitted = refit_all(bench, np.arange(start, start + length), np.stack(drawn))
    ranked = _ranked(bench, run, refitted)
    return _result(run, replace(ranked, others=len(others), cuts=cuts, windows=length))


def _pseudo_null(bench: Workbench, run: SessionMeasurement) -> RunResult:
    asked = run.declared(PseudoNull)
    array, draws = asked.array, asked.draws
    centres = bench.windows.centres
    if array is not None:
        own = bench.recording.targets[run.target.name]
        alternatives = alternative_courses(bench.recording, array, run.target)
        courses = columns_of(run.target.kind, [own[centres], *alternatives[:, centres]])
    else:
        rng = generator("null", run.study_seed, run.session)
        columns = bench.target.columns().cpu().numpy()
        trial = bench.recording.whole_trials[bench.windows.starts]
        courses = [columns, *(columns[exchange_trials(trial, rng)] for _ in range(draws))]
    refitted = refit_all(bench, np.arange(len(centres)), np.stack(courses))
    return _result(run, _ranked(bench, run, refitted))


@lru_cache(maxsize=256)
def _course(
    other: OtherSession, source: AnySource, base: Path, target: Target, window: Window
) -> np.ndarray:
    """Return another session's target at its windows' centres (window, ...)."""
    recording = cached_other(other, source, base, target.arrays_read() | window.arrays_read())
    recording = restricted(recording, window)
    recording.target(target)
    return _targets(recording, window, target)


def _targets(recording: Recording, window: Window, target: Target) -> np.ndarray:
    """Target of each window that has one, as the recording holds it (window, ...)."""
    values = np.asarray(recording.targets[target.name])
    return labelled_windows(recording, window, values, target).values


def _ranked(bench: Workbench, run: SessionMeasurement, refitted: Refitted) -> NullFigures:
    """Rank the loss on the true target among the losses on the null targets.

    Each loss is divided by that of the best constant prediction of the same target.
    Targets differ in variance, above all if they have heavy tails or are constant for
    part of the session; raw errors would rank these variances. Null targets that do not
    vary cannot be decoded and are left out.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    run
        The run.
    refitted
        Errors of the decoder on the true target (first) and on the null targets.

    Raises
    ------
    DataError
        When the true target does not vary, or too few of the null targets do.
    """
    varies = refitted.floors > 1e-12 * refitted.floors.max()
    drawn = int(varies[1:].sum())
    if not varies[0]:
        raise DataError(
            f"session {run.session!r}: target {run.target.name!r} does not vary in the windows "
            "from which the null decodes it, or too few of these windows are in training parts; "
            "use a longer recording, or another null"
        )
    if drawn < FEWEST_USABLE:
        raise DataError(
            f"session {run.session!r}: target {run.target.name!r} varies in only {drawn} draws of "
            f"the null, but at least {FEWEST_USABLE} are needed; use another null"
        )
    losses = refitted.fractions[varies]
    return NullFigures(
        p_value=rank_p(losses[0], losses[1:]),
        observed=float(losses[0]),
        draws=tuple(losses[1:].tolist()),
        trials=_trials(bench),
    )


def _result(run: SessionMeasurement, figures: NullFigures) -> RunResult:
    return RunResult(run.key(), "done", figures=figures)


def _trials(bench: Workbench) -> int:
    """Count the trials that hold a window; 0 if the recording has no trials."""
    if bench.recording.trials is None:
        return 0
    return len(np.unique(bench.recording.whole_trials[bench.windows.starts]))


def _target_time(bench: Workbench) -> float:
    """Lag in seconds at which the target's autocorrelation first falls below 1/e."""
    values = bench.target.columns().cpu().numpy()
    return first_lag(values, bench.windows.stretch) * bench.step_s


def measure_persistence(
    bench: Workbench, runs: list[SessionMeasurement], on_progress: Progress
) -> list[Measurement]:
    """Correlate the target with itself over the lags between paired windows.

    With time jitter, the two windows of a positive pair lie some lag apart. The result
    says how much of the target they have in common: its autocorrelation, averaged over
    the possible lags. For classes, each class is a column of zeros and ones, so that
    the result is agreement beyond chance.

    Parameters
    ----------
    bench
        The opened session: its windows, folds and target.
    runs
        Runs with views, whose time jitter sets the lags.
    on_progress
        Not called: no encoder is trained.
    """
    return [
        Measurement(
            run,
            RunResult(run.key(), "done", figures=PersistenceFigures(rho=_persistence(bench, run))),
        )
        for run in runs
    ]


def _persistence(bench: Workbench, run: SessionMeasurement) -> float:
    """Average the target's autocorrelation over the lags of a run's time jitter.

    It is 1 if no window has a partner, or if the target does not vary.
    """
    assert run.views is not None  # the plan gives this measurement its lags
    everything = np.arange(len(bench.windows.starts))
    partners = find_partners(everything, bench.windows.stretch, run.views.jitter, bench.step_s)
    if not len(partners.anchors):
        return 1.0
    values = bench.target.columns().cpu().numpy()
    centred = values - values.mean(axis=0)
    total = partners.first_count + partners.second_count
    covariance = 0.0
    for low, count in (
        (partners.first, partners.first_count),
        (partners.second, partners.second_count),
    ):
        for lag in range(int(low.min()), int((low + count).max())):
            has = (low <= lag) & (lag < low + count)
            anchors = partners.anchors[has]
            covariance += float(
                ((centred[anchors] * centred[anchors + lag]).sum(axis=1) / total[has]).sum()
            )
    variance = float((centred[partners.anchors] ** 2).sum())
    return covariance / variance if variance > 0 else 1.0
