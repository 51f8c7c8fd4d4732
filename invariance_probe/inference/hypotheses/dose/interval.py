"""Dose interval: where invariance is shown, and where sensitivity is shown.

In: p values of the claims at every dose. Out: the interval [d_L, d_U). Losses are not
assumed to grow monotonically with the dose.
"""

from collections.abc import Mapping

from invariance_probe.inference.findings import DoseInterval
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.multiplicity import holm_levels


def dose_interval(
    identity: float, kept: Mapping[float, float], lost: Mapping[float, float]
) -> DoseInterval:
    """Find the dose interval [d_L, d_U).

    d_L is the highest dose up to which invariance is shown at every dose, tested upward
    from the lowest. d_U is the lowest dose at which sensitivity is shown, with Holm's
    correction over doses (Holm 1979).

    Parameters
    ----------
    identity
        The dose that changes nothing; d_L if invariance is shown at no dose.
    kept
        P value of invariance by dose: that all losses are at most the margin.
    lost
        P value of sensitivity by dose: that all losses exceed the margin.
    """
    lower = identity
    for dose in sorted(kept):
        if kept[dose] > ALPHA:
            break
        lower = dose
    doses = sorted(lost)
    levels = holm_levels([lost[dose] for dose in doses])
    sensitive = [dose for dose, level in zip(doses, levels, strict=True) if lost[dose] <= level]
    return DoseInterval(lower, min(sensitive) if sensitive else None)
