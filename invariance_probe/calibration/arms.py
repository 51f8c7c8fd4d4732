"""Comparison of the arms: what each way of sharing dropout masks costs.

In: measured sessions of two simulated codes, one that a single neuron carries
(`one-neuron`) and one that all units carry (`distributed`). Out: the excess loss of
each arm over dose 0, at every dose.

The comparison shows why the estimand D takes shared draws as its reference. A reference
arm must not itself harm a code that survives dropout (H near 0). Nor may its draws make
the SSL task easier: with `paired` draws both views of a window lack the same units, and
a contrastive loss can match views by that.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from invariance_probe.calibration.banks import ARM_DOSES, DROPOUT
from invariance_probe.calibration.bench import MeasuredSession
from invariance_probe.calibration.row import Row

ARMS = {"independent": "delta", "shared": "H", "paired": "delta_paired"}
"""For each arm, the estimand that is its excess loss over dose 0."""


def arm_rows(measured: Sequence[MeasuredSession], tables: dict[str, Any]) -> list[Row]:
    """Summarise the excess loss of each arm over the doses.

    Parameters
    ----------
    measured
        Decodable sessions of both codes.
    tables
        Tables of the report. The mean and SD of each arm's excess loss, by code and
        dose, are added as the table `arms`.

    Returns
    -------
    rows
        One row per arm: its excess loss for the distributed code at the largest dose.
    """
    tables["arms"] = []
    rows = []
    for case in dict.fromkeys(m.case for m in measured):
        for dose in ARM_DOSES:
            found = {
                name: _ratios(measured, case, name, dose)
                for name in (*ARMS.values(), "D", "C_code", "C_blind")
            }
            if any(len(values) < 2 for values in found.values()):
                continue
            figures = {
                name: (float(values.mean()), float(values.std(ddof=1)))
                for name, values in found.items()
            }
            paired_reference = found["delta"] - found["delta_paired"]
            figures["D against paired"] = (
                float(paired_reference.mean()),
                float(paired_reference.std(ddof=1)),
            )
            tables["arms"].append(
                {"case": case, "dose": dose, "sessions": len(found["D"]), "figures": figures}
            )
            if case == "distributed" and dose == max(ARM_DOSES):
                rows += [
                    Row(
                        f"arms, {case}, p = {dose:g}",
                        f"harm of {arm} draws to a spread code",
                        "printed",
                        float(found[name].mean()),
                        *_interval(found[name]),
                        len(found[name]),
                        None,
                    )
                    for arm, name in ARMS.items()
                ]
    return rows


def _ratios(measured: Sequence[MeasuredSession], case: str, name: str, dose: float) -> np.ndarray:
    effects = [m.effect(name, DROPOUT, dose) for m in measured if m.case == case]
    return np.array([effect.ratio for effect in effects if effect.complete])


def _interval(values: np.ndarray) -> tuple[float, float]:
    half = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
