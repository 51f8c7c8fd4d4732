"""Calibrating the measures without SSL: time constants and decodability.

Simulated sessions of known truth go in; rows of what was asked and what was reached
come out. The finding of the code has a calibration of its own.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from invariance_probe.calibration.ground import Ground
from invariance_probe.calibration.row import Row, median_row, rate_row
from invariance_probe.data.sessions import find_sessions
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.plan.plan import Plan
from invariance_probe.study.study import Study

Sessions = Mapping[str, Sequence[Mapping[str, float]]]
"""What was measured on every session, by group of worlds."""

TAUS = (0.2, 0.8, 3.2)
"""Time constants of the worlds (s)."""


def measured_sessions(study: Study, ground: Ground) -> dict[str, list[dict[str, float]]]:
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
    found: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        if run.key() in results:
            found.setdefault(run.group, []).append(results[run.key()].diagnostics)
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


def _values(found: Sessions, group: str, name: str) -> np.ndarray:
    """The known values of one measure over a group's sessions (session,)."""
    every = _every(found, group, name)
    return every[np.isfinite(every)]


def _every(found: Sessions, group: str, name: str) -> np.ndarray:
    """One measure of every session of a group (session,); NaN where it is unknown."""
    return np.array([session.get(name, np.nan) for session in found.get(group, [])])


def _time_rows(found: Sessions) -> list[Row | None]:
    """G1 and G1b: whether time constants and jumps are recovered."""
    rows = []
    for tau in TAUS:
        smooth, jumpy = f"smoothness-{tau:g}", f"switching-{tau:g}"
        here, there = f"G1, tau {tau:g} s", f"G1b, tau {tau:g} s"
        low, high = (_every(found, smooth, name) for name in ("tau_low_s", "tau_high_s"))
        known = np.isfinite(low) & np.isfinite(high)
        rows += [
            median_row(
                here,
                "tau by test lag / tau, median",
                "0.9 to 1.1",
                _values(found, smooth, "tau_s") / tau,
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
                _values(found, smooth, "kurtosis_p") <= ALPHA,
            ),
            rate_row(there, "jumps found", ">= 0.8", _values(found, jumpy, "kurtosis_p") <= ALPHA),
            median_row(
                there,
                "tau by test lag / tau, median: the same curve",
                "0.9 to 1.1",
                _values(found, jumpy, "tau_s") / tau,
            ),
        ]
    taus = [_every(found, f"smoothness-{tau:g}", "tau_s") for tau in TAUS]
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
            _values(found, f"nothing-{case}", "p_value") <= ALPHA,
        )
        for case, bound in asked.items()
    ]
