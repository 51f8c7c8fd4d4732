"""Calibrate measures without SSL: time constants, jumps and decodability.

In: simulated sessions of three worlds. In world G1 (`smoothness`) the label moves
smoothly with a known time constant tau, in G1b (`switching`) it jumps, and in G8
(`nothing`) activity does not code it. Out: rows of the report, each a quantity with the
bound it should meet. The test-lag curve shows how the covariance of the label with the
decoded label falls with the lag between them; its decay gives tau. The same measurement
tests whether the label jumps. The finding of the code is calibrated elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from invariance_probe.calibration.bench import CalibrationBench
from invariance_probe.calibration.row import Row, median_row, rate_row
from invariance_probe.data.sessions import find_sessions
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.plan.figures import Figures
from invariance_probe.plan.figures.session import LagFigures, NullFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.study.study import Study

Sessions = Mapping[str, Sequence[Figures]]
"""Figures of every session, by name of its world, such as `smoothness-0.8`."""

TAUS = (0.2, 0.8, 3.2)
"""True time constants tau of the labels, in seconds."""


def measured_sessions(study: Study, bench: CalibrationBench) -> dict[str, list[Figures]]:
    """Measure on every session what its world tests.

    That is the test-lag curve or, where nothing is coded, the test of decodability.

    Parameters
    ----------
    study
        The study that declares the sessions.
    bench
        The store and the workers.

    Returns
    -------
    sessions
        Results of each measured session, by the name of its world.
    """
    plan = Plan(study, find_sessions(study, bench.settings.base))
    runs = [run for run in plan.baselines if run.method.kind == _measurement_of(run.group)]
    bench.measure_missing("measures", runs, plan.sessions)
    results = bench.store.results(runs)
    found: dict[str, list[Figures]] = {}
    for run in runs:
        result = results.get(run.key())
        if result is not None and result.figures is not None:
            found.setdefault(run.group, []).append(result.figures)
    return found


def _measurement_of(group: str) -> str:
    family = group.partition("-")[0]
    return "shift_null" if family == "nothing" else "test_lag"


def measure_rows(found: Sessions) -> list[Row]:
    """Return all rows about measures without SSL.

    Rows about worlds that were not measured are omitted.

    Parameters
    ----------
    found
        Figures of every session, by name of its world.
    """
    rows = [*_time_rows(found), *_null_rows(found)]
    return [row for row in rows if row is not None]


def _lags(found: Sessions, group: str, reading: Callable[[LagFigures], float]) -> np.ndarray:
    """Read one quantity of the test-lag curve in a world's sessions (session,)."""
    sessions = found.get(group, [])
    return np.array([reading(one) for one in sessions if isinstance(one, LagFigures)])


def _jump_p(found: Sessions, group: str) -> np.ndarray:
    """P values of the test for jumps, where it was computed (session,)."""
    values = _lags(found, group, lambda one: one.jumps.p_value if one.jumps else np.nan)
    return values[np.isfinite(values)]


def _taus(found: Sessions, group: str) -> np.ndarray:
    """Measured time constants in seconds, where they are finite (session,)."""
    values = _lags(found, group, lambda one: one.tau_s)
    return values[np.isfinite(values)]


def _time_rows(found: Sessions) -> list[Row | None]:
    """Return the rows about time constants and jumps (worlds G1 and G1b)."""
    rows = []
    for tau in TAUS:
        smooth, jumpy = f"smoothness-{tau:g}", f"switching-{tau:g}"
        here, there = f"G1, tau {tau:g} s", f"G1b, tau {tau:g} s"
        low = _lags(found, smooth, lambda one: one.tau_low_s)
        high = _lags(found, smooth, lambda one: one.tau_high_s)
        known = np.isfinite(low) & np.isfinite(high)
        rows += [
            median_row(
                here,
                "tau by test lag / tau, median",
                "0.9 to 1.1",
                _taus(found, smooth) / tau,
            ),
            rate_row(
                here,
                "90 % interval of one session covers tau",
                "printed",
                ((low <= tau) & (tau <= high))[known],
            ),
            rate_row(
                here,
                "jumps claimed, but it flows",
                "<= 0.07",
                _jump_p(found, smooth) <= ALPHA,
            ),
            rate_row(there, "jumps found", ">= 0.8", _jump_p(found, jumpy) <= ALPHA),
            median_row(
                there,
                "tau by test lag / tau, median: the same curve",
                "0.9 to 1.1",
                _taus(found, jumpy) / tau,
            ),
        ]
    taus = [_lags(found, f"smoothness-{tau:g}", lambda one: one.tau_s) for tau in TAUS]
    sessions = min(len(own) for own in taus)
    each = np.stack([own[:sessions] for own in taus], axis=1)
    each = each[np.isfinite(each).all(axis=1)]
    return [
        *rows,
        rate_row(
            "G1",
            "three taus in the right order",
            ">= 0.95",
            (np.diff(each, axis=1) > 0).all(axis=1),
        ),
    ]


def _null_p(found: Sessions, group: str) -> np.ndarray:
    """P values of the test that a decoder beats its null, for a world (session,)."""
    sessions = found.get(group, [])
    return np.array([one.p_value for one in sessions if isinstance(one, NullFigures)])


def _null_rows(found: Sessions) -> list[Row | None]:
    """Return the rows that say how often a decoder falsely beats its null (G8)."""
    asked = {
        "independent": "<= 0.07",
        "constant_rates": "<= 0.07",
        "common_trend": "printed",
        "trial_constant": "printed",
    }
    figure = "raw decoder beats its linear-shift null"
    return [
        rate_row(
            f"G8, {case.replace('_', ' ')}",
            figure,
            bound,
            _null_p(found, f"nothing-{case}") <= ALPHA,
        )
        for case, bound in asked.items()
    ]
