"""Dose interval: where invariance is shown, and from where sensitivity is.

In: p values of the claims at every dose. Out: the interval [d_L, d_U). No monotone
curve is assumed.
"""

from collections.abc import Mapping

from invariance_probe.inference.findings import DoseInterval
from invariance_probe.inference.rules.interim_analyses import ALPHA
from invariance_probe.inference.rules.multiplicity import holm_levels


def dose_interval(
    identity: float, kept: Mapping[float, float], lost: Mapping[float, float]
) -> DoseInterval:
    """Find the dose interval [d_L, d_U).

    Parameters
    ----------
    identity
        The dose that changes nothing.
    kept
        For every dose, the p value that all `<= m` claims hold together. Doses are
        tested upward until one fails.
    lost
        For every dose, the p value that all `> m` claims hold together. Holm's
        procedure (Holm 1979) runs over the doses.
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
