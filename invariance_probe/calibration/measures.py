"""Calibrating the measures without SSL: time constants and decodability.

Simulated sessions of known truth go in; rows of what was asked and what was reached
come out. The finding of the code has a calibration of its own.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from invariance_probe.calibration.ground import Ground
from invariance_probe.calibration.row import Row, median_row, rate_row
from invariance_probe.data.sessions import find_sessions
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.plan.figures import Figures
from invariance_probe.plan.figures.session import LagFigures, NullFigures
from invariance_probe.plan.plan import Plan
from invariance_probe.study.study import Study

Sessions = Mapping[str, Sequence[Figures]]
"""What was measured on every session, by group of worlds."""

TAUS = (0.2, 0.8, 3.2)
"""Time constants of the worlds (s)."""


def measured_sessions(study: Study, ground: Ground) -> dict[str, list[Figures]]:
    """Measure the one measurement of every session.

    Parameters
    ----------
    study
        The study whose sessions are the worlds.
    ground
        Where they are measured.

    Returns
    -------
    sessions
        What was measured on every session, by group of worlds.
    """
    plan = Plan(study, find_sessions(study, ground.place.base))
    runs = [run for run in plan.baselines if run.method.kind == _measurement_of(run.group)]
    ground.make("measures", runs, plan.sessions)
    results = ground.store.results(runs)
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
    """Every figure about the measures.

    Figures whose worlds were not measured are left out.
    """
    rows = [*_time_rows(found), *_null_rows(found)]
    return [row for row in rows if row is not None]


def _lags(found: Sessions, group: str, reading: Callable[[LagFigures], float]) -> np.ndarray:
    """One figure of the test-lag curve of a group's sessions (session,)."""
    sessions = found.get(group, [])
    return np.array([reading(one) for one in sessions if isinstance(one, LagFigures)])


def _jump_p(found: Sessions, group: str) -> np.ndarray:
    """P value of jumps of the sessions that have one (session,)."""
    values = _lags(found, group, lambda one: one.jumps.p_value if one.jumps else np.nan)
    return values[np.isfinite(values)]


def _taus(found: Sessions, group: str) -> np.ndarray:
    """Time constants (s) of the sessions in which they are finite (session,)."""
    values = _lags(found, group, lambda one: one.tau_s)
    return values[np.isfinite(values)]


def _time_rows(found: Sessions) -> list[Row | None]:
    """G1 and G1b: whether time constants and jumps are recovered."""
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
    """P value of the null of a group's sessions (session,)."""
    sessions = found.get(group, [])
    return np.array([one.p_value for one in sessions if isinstance(one, NullFigures)])


def _null_rows(found: Sessions) -> list[Row | None]:
    """G8: how often a decoder beats its null where nothing is coded."""
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
