"""Plant targets of known redundancy in a recording's own activity.

Such targets are positive and negative controls: the right verdict about them is known.
In: a recording of spike counts. Out: a recording whose target is computed from one half
of the counts, and whose activity is the other half. Nothing is trained or judged here.
"""

from dataclasses import replace

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.plan.plan import PLANTED
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import Planted


def plant(recording: Recording, declared: Planted, session: str) -> Recording:
    """Plant a target that is computed from one half of every spike count.

    Every count is split into two binomial halves. The first halves give the target, the
    second halves are the activity of the new recording. There are two kinds of target:

    `one_unit`: the first half-counts of one unit. Target and unit are shifted together
    by half the session against all other units. Without the shift, units with similar
    rates would predict the target too; with it, only the one unit does. A verdict of
    `spread`, `invariant` or `tolerated` is wrong.

    `projection`: the leading principal component of the standardised first halves. Many
    units predict it, because it is what they have in common. A verdict of `sensitive` is
    wrong. (A projection with random weights would be mostly noise of single units, which
    no decoder of real recordings finds.)

    Parameters
    ----------
    recording
        The recording to plant in, of counts.
    declared
        Which target to plant.
    session
        Name of the planted session, which also seeds the split.

    Returns
    -------
    planted
        The new recording.

    Raises
    ------
    DataError
        When the activity is not counts.
    """
    if recording.activity_kind != "counts":
        raise DataError(
            f"session {recording.session!r}: a control target can only be planted in spike "
            "counts, but this session holds continuous signals"
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
        known={},
    )


def carrier(counts: np.ndarray) -> int:
    """Choose the unit whose two half-counts correlate best.

    One half of its counts then predicts the other, which makes the planted target
    decodable. The correlation of the binomial halves x1 and x2 = x - x1 is
    (variance - mean) / (variance + mean), because Cov(x1, x2) = (variance - mean) / 4.
    Only the quarter of units with the highest mean counts is considered.

    Parameters
    ----------
    counts
        (time, unit).

    Returns
    -------
    unit
        Index of the unit.
    """
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    agreement = np.divide(
        variance - mean, variance + mean, out=np.full(len(mean), -np.inf), where=variance > 0
    )
    often = mean >= np.quantile(mean, 0.75)
    return int(np.argmax(np.where(often, agreement, -np.inf)))


def leading_component(counts: np.ndarray) -> np.ndarray:
    """Scores on the leading principal component of standardised counts.

    Parameters
    ----------
    counts
        (time, unit). Units that never vary are ignored.

    Returns
    -------
    scores
        (time,).
    """
    live = counts[:, counts.std(axis=0) > 0]
    standard = (live - live.mean(axis=0)) / live.std(axis=0)
    return standard @ np.linalg.eigh(standard.T @ standard)[1][:, -1]
