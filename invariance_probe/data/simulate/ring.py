"""Simulate units tuned to direction: groups of equal units and a single one.

In: the declared parameters (`RingRecording`) and the name of a session. Out: a
`Recording` with the direction as its circular target.
"""

import numpy as np
from scipy.special import i0e

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import (
    ornstein_uhlenbeck,
    simulated_recording,
    spike_counts,
)
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import RingRecording


def simulate_ring(source: RingRecording, session: str) -> Recording:
    """Simulate one session of units that encode a direction.

    The direction is that of a point in the plane whose coordinates are
    Ornstein-Uhlenbeck processes. Tuning is von Mises, with the same mean rate for every
    concentration. Preferred directions are evenly spaced. Each is shared by `copies`
    units, except the last one, which only a single unit has.

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets `direction` (time,), in radians, and `nuisance` (time, nuisance). In the
        truth, `alone` is the single unit, and `directions` the number of preferred
        directions.
    """
    own = generator("population", source.seed, session)
    groups = np.append(
        np.repeat(np.arange(source.directions - 1), source.copies), source.directions - 1
    )
    preferred = 2 * np.pi * (groups / source.directions + own.random())
    loadings = own.standard_normal((source.nuisances, source.units))
    loadings *= source.nuisance_gain / np.maximum(np.linalg.norm(loadings, axis=0), 1e-12)
    places = own.permutation(source.units)

    rng = generator("simulate", source.seed, session)
    x, y = ornstein_uhlenbeck(rng, source.bins, 2, source.direction_tau_s, source.bin_s).T
    direction = np.mod(np.arctan2(y, x), 2 * np.pi)
    nuisance = ornstein_uhlenbeck(
        rng, source.bins, source.nuisances, source.nuisance_tau_s, source.bin_s
    )
    kappa = source.concentration
    tuning = kappa * (np.cos(direction[:, None] - preferred) - 1) - np.log(
        i0e(kappa)
    )  # the mean over the ring is 1
    mean_counts = np.full(source.units, source.mean_counts)
    counts = np.empty((source.bins, source.units), np.int32)
    drive = tuning + nuisance @ loadings
    counts[:, places] = spike_counts(rng, source, drive, (loadings**2).sum(axis=0), mean_counts)
    truth = {
        "carriers": tuple(range(source.units)),
        "alone": int(places[-1]),
        "directions": source.directions,
    }
    return simulated_recording(
        source, session, counts, {"direction": direction, "nuisance": nuisance}, truth
    )
