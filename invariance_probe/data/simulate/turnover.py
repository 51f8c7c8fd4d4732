"""Simulate sessions of one population whose units come and go.

In: the declared parameters (`TurnoverRecording`) and the name of a session. Out: a
`Recording` whose units keep their names over the sessions in which they survive. This
is simulated world G6.
"""

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import (
    ornstein_uhlenbeck,
    simulated_recording,
    spike_counts,
)
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import TurnoverRecording


def simulate_turnover(source: TurnoverRecording, session: str) -> Recording:
    """Simulate one session of a population that changes over days.

    A unit that survives keeps its name, rate and gain in all sessions. At each place of
    the electrode array the unit is replaced by another one at Poisson times of rate
    1 / survival_days. A unit is named by its place and by the number of units that were
    lost there before it. Session `NAME-i` is on day (i - 1) x days_between.

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Target `label` (time,). In the truth, `session_effect` is the factor on all
        gains in this session, and `day` is the day of the session.
    """
    tail = session.rpartition("-")[2]
    day = (int(tail) - 1 if source.sessions > 1 and tail.isdigit() else 0) * source.days_between
    names, rates, gains = zip(
        *(_unit(source, place, day) for place in range(source.units)), strict=True
    )
    rng = generator("simulate", source.seed, session)
    effect = float(np.exp(source.session_sd * rng.standard_normal()))
    gain = source.label_gain * effect * np.array(gains)
    label = ornstein_uhlenbeck(rng, source.bins, 1, source.label_tau_s, source.bin_s)
    counts = spike_counts(rng, source, label * gain, gain**2, np.array(rates) * source.bin_s)
    truth = {"session_effect": effect, "day": day, "label_tau_s": source.label_tau_s}
    return simulated_recording(
        source, session, counts, {"label": label[:, 0]}, truth, unit_ids=names
    )


def _unit(source: TurnoverRecording, place: int, day: float) -> tuple[str, float, float]:
    """Name, rate (Hz) and gain (in SDs) of the unit at one place of the array.

    Parameters
    ----------
    source
        Declares the mean survival in days.
    place
        Number of the place.
    day
        Day of the session.
    """
    losses = generator("simulate", source.seed, f"{source.session}/place {place}")
    age, count = float(losses.exponential(source.survival_days)), 0
    while age <= day:
        age, count = age + float(losses.exponential(source.survival_days)), count + 1
    name = f"{place}.{count}"
    own = generator("simulate", source.seed, f"{source.session}/unit {name}")
    return (
        name,
        float(np.clip(np.exp(np.log(5.0) + 0.6 * own.standard_normal()), 1.0, 20.0)),
        float(own.standard_normal()),
    )
