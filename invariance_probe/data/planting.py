"""Targets of known redundancy, planted in a recording's own activity: the positive and negative control of a verdict."""

from dataclasses import replace

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.errors import DataError
from invariance_probe.streams import generator
from invariance_probe.study.plan import PLANTED
from invariance_probe.study.recordings import Planted


def plant(recording: Recording, declared: Planted, session: str) -> Recording:
    """Return a recording of second halves of all counts, whose one target is made of first halves.

    A verdict on the halves of one unit must not be `invariant` or `recoverable`, and one on a random projection over all
    units must not be `sensitive` (science.md, section 3.4).

    Raises
    ------
    DataError
        When the activity is not counts.
    """
    if recording.activity_kind != "counts":
        raise DataError(f"session {recording.session!r}: a target can only be planted in spike counts, not in signals")
    rng = generator("simulate", 0, session)
    first = rng.binomial(recording.activity, 0.5)
    if declared.plant == "one_unit":
        values = first[:, int(np.argmax(recording.activity.mean(axis=0)))].astype(np.float64)
    else:
        live = first[:, first.std(axis=0) > 0]
        values = (live - live.mean(axis=0)) / live.std(axis=0) @ rng.standard_normal(live.shape[1])
    return replace(
        recording,
        session=session,
        group=f"planted {declared.plant}",
        activity=recording.activity - first,
        targets={PLANTED.name: values},
    )
