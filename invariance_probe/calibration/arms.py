"""Which arm is the reference: what each way of drawing a mask costs.

Measured sessions of known truth go in; the excess loss of each arm at every dose comes
out.

A reference must do no harm of its own to a code that loses nothing (H near 0). It must
not be helped, more than dose 0 is, by a task that the draw gives away. `paired` draws
are an instance label that a contrastive loss can solve.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from invariance_probe.calibration.banks import ARM_DOSES, DROPOUT
from invariance_probe.calibration.ground import Measured
from invariance_probe.calibration.row import Row

ARMS = {"independent": "delta", "shared": "H", "paired": "delta_paired"}
"""The excess loss over dose 0 in each arm, by the name of its estimand."""


def arm_rows(measured: Sequence[Measured], tables: dict[str, Any]) -> list[Row]:
    """The harm that each arm does to a spread code at the strongest dose.

    Parameters
    ----------
    measured
        The decodable sessions of the bank.
    tables
        Tables of the report; the effects of every arm at every dose go to `arms`.

    Returns
    -------
    rows
        One figure per arm.
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


def _ratios(measured: Sequence[Measured], case: str, name: str, dose: float) -> np.ndarray:
    effects = [m.effect(name, DROPOUT, dose) for m in measured if m.case == case]
    return np.array([effect.ratio for effect in effects if effect.complete])


def _interval(values: np.ndarray) -> tuple[float, float]:
    half = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)
