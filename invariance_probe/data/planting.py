"""Targets of known redundancy, planted in a recording's own activity: the positive and negative control of a verdict."""

from dataclasses import replace

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.plan.plan import PLANTED
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import Planted


def plant(recording: Recording, declared: Planted, session: str) -> Recording:
    """Return a recording of second halves of all counts, whose one target is made of first halves.

    `one_unit`: the first halves of one unit, which is moved against all others by half the session. Where it was, the others
    predict it (they share its rate), so its halves would be a target that many units carry; moved, nobody else carries it.
    It must not be called `spread`, `invariant` or `tolerated`.
    `projection`: the leading principal component of the standardised first halves, which many units carry by what they share.
    It must not be called `sensitive`. (A projection with random weights is mostly the noise of its units: on real
    recordings no decoder finds it.)

    Raises
    ------
    DataError
        When the activity is not counts.
    """
    if recording.activity_kind != "counts":
        raise DataError(
            f"session {recording.session!r}: a target can only be planted in spike counts, not in signals"
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
    """Return which unit of counts (time, unit) has halves that agree best: the largest (variance - mean) / (variance + mean).

    That is the correlation of the binomial halves x1 and x2 = x - x1: Cov(x1, x2) = (variance - mean) / 4.
    """
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    agreement = np.divide(
        variance - mean, variance + mean, out=np.full(len(mean), -np.inf), where=variance > 0
    )
    often = mean >= np.quantile(mean, 0.75)
    return int(np.argmax(np.where(often, agreement, -np.inf)))


def leading_component(counts: np.ndarray) -> np.ndarray:
    """Return the score (time,) of the leading principal component of standardised counts (time, unit)."""
    live = counts[:, counts.std(axis=0) > 0]
    standard = (live - live.mean(axis=0)) / live.std(axis=0)
    return standard @ np.linalg.eigh(standard.T @ standard)[1][:, -1]
