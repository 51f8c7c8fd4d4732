"""Whether training under time jitter measures the time constant of a code.

In: measured sessions whose labels have one of three known time constants tau. Out: the
excess loss delta after training with time jitter, at every dose of jitter. If a
training dose measured tau, the dose at which delta first exceeds the margin would be
proportional to tau. The calibration shows that it is not, whereas the test-lag curve
(the covariance of the label with the decoded label, against the lag between them) finds
tau without SSL.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from invariance_probe.calibration.banks import JITTER, JITTER_DOSES, MARGIN
from invariance_probe.calibration.bench import MeasuredSession
from invariance_probe.calibration.row import Row


def training_dose_rows(measured: Sequence[MeasuredSession], tables: dict[str, Any]) -> list[Row]:
    """Find the lowest dose at which delta exceeds the margin, relative to tau.

    Parameters
    ----------
    measured
        Decodable sessions.
    tables
        Tables of the report. Delta by dose and time constant is added as the table
        `training_dose`.

    Returns
    -------
    rows
        One row per time constant for which delta exceeds the margin at some dose.
    """
    tables["training_dose"] = []
    rows = []
    for case in dict.fromkeys(m.case for m in measured):
        tau = float(case.rpartition("-")[2])
        curve = {dose: _ratios(measured, case, dose) for dose in JITTER_DOSES if dose > 0}
        if any(len(values) < 2 for values in curve.values()):
            continue
        means = {dose: float(values.mean()) for dose, values in curve.items()}
        known = [
            m.finding.tau_s for m in measured if m.case == case and m.finding.tau_s is not None
        ]
        tables["training_dose"].append(
            {
                "tau_s": tau,
                "sessions": len(next(iter(curve.values()))),
                "by_test_lag_s": float(np.median(known)) if known else None,
                "delta": {
                    f"{dose:g}": (means[dose], float(curve[dose].std(ddof=1))) for dose in means
                },
            }
        )
        # Doses at which delta exceeds the margin; empty if there is none.
        broken = [dose for dose, mean in means.items() if mean > MARGIN]
        figure = "training dose at which delta first passes m / tau"
        rows += (
            [
                Row(
                    f"G1, tau {tau:g} s",
                    figure,
                    "printed",
                    min(broken) / tau,
                    None,
                    None,
                    len(known),
                    None,
                )
            ]
            if broken
            else []
        )
    return rows


def _ratios(measured: Sequence[MeasuredSession], case: str, dose: float) -> np.ndarray:
    effects = [m.losses.effect("delta", JITTER, dose) for m in measured if m.case == case]
    return np.array([effect.ratio for effect in effects if effect.complete])
