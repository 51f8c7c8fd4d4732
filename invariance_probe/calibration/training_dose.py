"""Training doses do not measure time: the test-lag curve does it better (P1).

Sessions with labels of three known time constants go in; delta against the training
jitter comes out. If a training dose measured tau, the dose at which delta first passes
the margin would have to be proportional to tau.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from invariance_probe.calibration.banks import JITTER, JITTER_DOSES, MARGIN
from invariance_probe.calibration.ground import Measured
from invariance_probe.calibration.row import Row


def training_dose_rows(measured: Sequence[Measured], tables: dict[str, Any]) -> list[Row]:
    """For every tau, the dose that breaks the code, divided by tau.

    Parameters
    ----------
    measured
        Decodable sessions of the bank.
    tables
        Tables of the report; the curves go to `training_dose`.

    Returns
    -------
    rows
        One figure per time constant whose code some dose breaks.
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
        # Empty where no dose breaks the code.
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


def _ratios(measured: Sequence[Measured], case: str, dose: float) -> np.ndarray:
    effects = [m.losses.effect("delta", JITTER, dose) for m in measured if m.case == case]
    return np.array([effect.ratio for effect in effects if effect.complete])
