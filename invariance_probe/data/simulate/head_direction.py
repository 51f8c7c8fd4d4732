"""Simulate head-direction cells awake, in NREM and in REM sleep.

All cells are tuned to one direction (von Mises). Awake, it is that of the head, which
turns with a smooth random velocity. Asleep, it drifts by itself: in REM sleep at about
waking speed, in NREM sleep faster. Awake only, slow nuisances drive the cells too. In:
the declared parameters (`HeadDirectionRecording`) and the name of a session. Out: a
`Recording` whose segments are the three states. This is simulated world G10.

References
----------
Peyrache, Lacroix, Petersen & Buzsaki 2015, Nat. Neurosci. 18:569 (the ring is kept
asleep, and drifts about ten times faster in NREM).
Senzai & Scanziani 2022, Science 377:999 (virtual head direction in REM).
"""

import numpy as np
from scipy.special import i0e

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import (
    baseline_rates,
    ornstein_uhlenbeck,
    simulated_recording,
    spike_counts,
)
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import HeadDirectionRecording

WAKE, NREM, REM = range(3)
"""Numbers of the states, in their order in time."""


def simulate_head_direction(source: HeadDirectionRecording, session: str) -> Recording:
    """Simulate one session: waking, NREM and REM, a third of the bins each.

    Each state is a segment of its own.

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets: `head_direction` (time,), in radians, NaN asleep; `direction` (time,),
        the direction that the cells encode in all states, which is known only in a
        simulation and should not be decoded by a study; `state` (time,), 0 awake, 1 in
        NREM, 2 in REM; and `nuisance` (time, nuisance).
    """
    rng = generator("simulate", source.seed, session)
    units, third = source.units, source.bins // 3
    state = np.minimum(np.arange(source.bins) // third, REM)
    mean_counts = baseline_rates(rng, units) * source.bin_s
    preferred = 2 * np.pi * rng.random(units)
    speed = np.array([1.0, source.nrem_compression, source.compression])[state]
    tau_bins = [
        source.turning_tau_s,
        source.turning_tau_s / source.nrem_compression,
        source.turning_tau_s / source.compression,
    ]
    velocity = np.concatenate([
        ornstein_uhlenbeck(rng, int((state == one).sum()), 1, tau_bins[one], source.bin_s)[:, 0]
        for one in (WAKE, NREM, REM)
    ])  # fmt: skip
    steps = source.turning_speed * source.bin_s * speed * velocity
    steps[np.flatnonzero(np.diff(state)) + 1] += (
        2 * np.pi * rng.random(2)
    )  # every state begins at another direction
    direction = np.mod(2 * np.pi * rng.random() + np.cumsum(steps), 2 * np.pi)
    kappa = (
        source.concentration * np.array([1.0, source.nrem_gain, source.rem_gain])[state][:, None]
    )
    tuning = kappa * (np.cos(direction[:, None] - preferred) - 1) - np.log(
        i0e(kappa)
    )  # the mean rate over all directions does not depend on kappa
    loadings = (
        source.nuisance_gain
        * rng.standard_normal((source.nuisances, units))
        / max(source.nuisances, 1) ** 0.5
    )
    awake = (state == WAKE)[:, None]
    nuisances = (
        ornstein_uhlenbeck(rng, source.bins, source.nuisances, source.nuisance_tau_s, source.bin_s)
        * awake
    )
    counts = spike_counts(
        rng, source, tuning + nuisances @ loadings, (loadings**2).sum(axis=0) * awake, mean_counts
    )
    targets = {
        "head_direction": np.where(state == WAKE, direction, np.nan),
        "direction": direction,
        "state": state,
        "nuisance": nuisances,
    }
    truth = {"compression": source.compression, "nrem_compression": source.nrem_compression}
    return simulated_recording(source, session, counts, targets, truth, segments=state)
