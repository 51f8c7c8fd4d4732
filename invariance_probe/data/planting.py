"""Targets of known redundancy, planted in a recording's own activity.

They are positive and negative controls of a verdict. In: a recording of counts. Out: a
recording whose target is made of one half of its counts, and whose activity is the
other half. Nothing is trained or judged here.
"""

from dataclasses import replace

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.plan.plan import PLANTED
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import Planted


def plant(recording: Recording, declared: Planted, session: str) -> Recording:
    """Make a recording of second halves with a target made of first halves.

    Every count is split into two binomial halves. The plants are:

    `one_unit`: the first half-counts of one unit. Target and unit are both moved by
    half the session against all other units. Unmoved, the other units would predict the
    target, because they share the unit's rate, so that many units would carry it.
    Moved, no other unit carries it. It must not be called `spread`, `invariant` or
    `tolerated`.

    `projection`: the leading principal component of the standardised first halves,
    which many units carry because of what they share. It must not be called
    `sensitive`. (A projection with random weights is mostly the noise of its units: on
    real recordings no decoder finds it.)

    Parameters
    ----------
    recording
        The recording to plant in, of counts.
    declared
        Which target to plant.
    session
        Name of the planted session, which also seeds the split.

    Raises
    ------
    DataError
        When the activity is not counts.
    """
    if recording.activity_kind != "counts":
        raise DataError(
            f"session {recording.session!r}: a target can only be planted in spike counts, "
            "not in signals"
        )
    first = generator("simulate", 0, session).binomial(recording.activity, 0.5)
    second = recording.activity - first
    if declared.plant == "one_unit":
        unit, shift = carrier(recording.activity), len(first) // 2
        second[:, unit] = np.roll(second[:, unit], shift)
        values = np.roll(first[:, unit], shift).astype(np.float64)
    else:
        values = leading_component(first)
    return replace(
        recording,
        session=session,
        group=f"planted {declared.plant}",
        activity=second,
        targets={PLANTED.name: values},
    )


def carrier(counts: np.ndarray) -> int:
    """Choose the unit whose half-counts correlate best.

    The correlation of the binomial halves x1 and x2 = x - x1 is (variance - mean) /
    (variance + mean), because Cov(x1, x2) = (variance - mean) / 4. Only the quarter of
    units with the highest mean counts is considered.

    Parameters
    ----------
    counts
        (time, unit).

    Returns
    -------
    Index of the unit.
    """
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    agreement = np.divide(
        variance - mean, variance + mean, out=np.full(len(mean), -np.inf), where=variance > 0
    )
    often = mean >= np.quantile(mean, 0.75)
    return int(np.argmax(np.where(often, agreement, -np.inf)))


def leading_component(counts: np.ndarray) -> np.ndarray:
    """Score of the leading principal component of standardised counts.

    Parameters
    ----------
    counts
        (time, unit); units that never vary are left out.

    Returns
    -------
    (time,).
    """
    live = counts[:, counts.std(axis=0) > 0]
    standard = (live - live.mean(axis=0)) / live.std(axis=0)
    return standard @ np.linalg.eigh(standard.T @ standard)[1][:, -1]
