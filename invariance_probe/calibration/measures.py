"""Calibrating what is measured without SSL: time constants, jumps, carriers, redundancy, and whether anything is decodable."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import stats

from invariance_probe.calibration.counting import STUDIES
from invariance_probe.calibration.row import Row, median_row, met, rate_row
from invariance_probe.data.sessions import find_sessions
from invariance_probe.executors.jobs import Event, Place
from invariance_probe.executors.local import run_local
from invariance_probe.inference.looks import ALPHA
from invariance_probe.results.store import Store
from invariance_probe.study.plan import Plan
from invariance_probe.study.study import Study

Sessions = Mapping[str, Sequence[Mapping[str, float]]]
"""What was measured of every session, by group of worlds."""

TAUS = (0.2, 0.8, 3.2)
STUDY = 8
"""Sessions of a study about RedIdx."""


def measured_sessions(
    study: Study, store: Store, place: Place, workers: int, train: bool, on_event: Callable[[Event], None]
) -> dict[str, list[dict[str, float]]]:
    """Measure every session's one measurement, where the store lacks it and `train` is true."""
    plan = Plan(study, find_sessions(study, place.base))
    runs = [run for run in plan.baselines if run.method.kind == _measurement_of(run.group)]
    results = store.results(runs)
    missing = [run for run in runs if run.key() not in results]
    if train and missing:
        on_event({"event": "stage", "stage": "measures", "runs": len(missing), "reused": len(results), "model_steps": 0})
        run_local(missing, plan.sessions, place, workers, on_event)
        results |= store.results(missing)
    found: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        if run.key() in results:
            found.setdefault(run.group, []).append(results[run.key()].diagnostics)
    return found


def _measurement_of(group: str) -> str:
    family = group.partition("-")[0]
    return {"smoothness": "test_lag", "switching": "test_lag", "nothing": "shift_null"}.get(family, "code")


def measure_rows(found: Sessions) -> list[Row]:
    """Return every figure about the measures; one whose worlds were not measured is left out."""
    rows = [*_time_rows(found), *_carrier_rows(found), *_redundancy_rows(found), *_null_rows(found)]
    return [row for row in rows if row is not None]


def _values(found: Sessions, group: str, name: str) -> np.ndarray:
    return np.array([session[name] for session in found.get(group, []) if np.isfinite(session.get(name, np.nan))])


def _time_rows(found: Sessions) -> list[Row | None]:
    rows = []
    for tau in TAUS:
        smooth, jumpy = f"smoothness-{tau:g}", f"switching-{tau:g}"
        here, there = f"G1, tau {tau:g} s", f"G1b, tau {tau:g} s"
        low, high = _values(found, smooth, "tau_low_s"), _values(found, smooth, "tau_high_s")
        rows += [
            median_row(here, "tau by test lag / tau, median", "0.9 to 1.1", _values(found, smooth, "tau_s") / tau),
            rate_row(
                here,
                "90 % interval of one session covers tau",
                "printed",
                (low <= tau) & (tau <= high) if len(low) == len(high) else low,
            ),
            rate_row(here, "jumps claimed, but it flows", "<= 0.07", _values(found, smooth, "kurtosis_p") <= ALPHA),
            rate_row(there, "jumps found", ">= 0.8", _values(found, jumpy, "kurtosis_p") <= ALPHA),
            median_row(
                there, "tau by test lag / tau, median: the same curve", "0.9 to 1.1", _values(found, jumpy, "tau_s") / tau
            ),
        ]
    triples = list(zip(*(_values(found, f"smoothness-{tau:g}", "tau_s") for tau in TAUS), strict=False))
    return [*rows, rate_row("G1", "three taus in the right order", ">= 0.95", np.array([a < b < c for a, b, c in triples]))]


def _carrier_rows(found: Sessions) -> list[Row | None]:
    rows = []
    for carriers in (1, 3, 6, 15, 60):
        about, group = f"G2, {carriers} of 60 carriers", f"carriers-{carriers}"
        asked = "0.8 to 1.2" if carriers <= 15 else "printed"
        rows.append(median_row(about, "N_eff / carriers, median", asked, _values(found, group, "n_eff") / carriers))
        rows.append(median_row(about, "RedIdx of additive carriers, median", "-0.05 to 0.05", _values(found, group, "red_idx")))
    return rows


def _redundancy_rows(found: Sessions) -> list[Row]:
    rows = []
    cases = (
        ("carriers-60", "G2, additive, null at the bank's own mean", "<= 0.07"),
        ("shared-noise-0.1", "G2, eps = .1", ">= 0.8"),
        ("shared-noise-1", "G2, eps = 1", ">= 0.8"),
    )
    for group, about, asked in cases:
        values, rng = _values(found, group, "red_idx"), np.random.default_rng(3)
        if len(values) >= STUDY:
            drawn = (values - (values.mean() if asked.startswith("<=") else 0.0))[rng.integers(0, len(values), (STUDIES, STUDY))]
            claimed = stats.ttest_1samp(drawn, 0.0, axis=1, alternative="greater").pvalue <= ALPHA
            reached = float(claimed.mean())
            rows.append(
                Row(about, f"RedIdx > 0 claimed, {STUDY} sessions", asked, reached, None, None, len(values), met(asked, reached))
            )
    return rows


def _null_rows(found: Sessions) -> list[Row | None]:
    asked = {"independent": "<= 0.07", "constant_rates": "<= 0.07", "common_trend": "printed", "trial_constant": "printed"}
    figure = "raw decoder beats its linear-shift null"
    return [
        rate_row(f"G8, {case.replace('_', ' ')}", figure, bound, _values(found, f"nothing-{case}", "p_value") <= ALPHA)
        for case, bound in asked.items()
    ]
