"""Simulate a label that only a few units carry.

These units, the carriers, may be replaced by others in the second half of the session.
In: the declared parameters (`MessengerRecording`) and the name of a session. Out: a
`Recording` whose truth gives the carriers of each half. This is simulated world G5.
"""

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import (
    baseline_rates,
    ornstein_uhlenbeck,
    simulated_recording,
    spike_counts,
)
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import MessengerRecording


def simulate_messenger(source: MessengerRecording, session: str) -> Recording:
    """Simulate one session in which a few units carry the label.

    The gains of the carriers are set as in `simulate_redundancy`.

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets `label` (time,), `nuisance` (time, nuisance) and `epoch` (time,), which
        is 0 in the first half of the session and 1 in the second. In the truth,
        `carriers` are the carrying units of each half, and `transfer` is 1 if they are
        the same in both halves, otherwise 0.
    """
    rng = generator("simulate", source.seed, session)
    units, bins = source.units, source.bins
    mean_counts = baseline_rates(rng, units) * source.bin_s
    order = rng.permutation(units)
    count = min(source.carriers, units // 2 if source.switches else units)
    sets = [
        np.sort(order[:count]),
        np.sort(order[count : 2 * count] if source.switches else order[:count]),
    ]
    signs = rng.choice([-1.0, 1.0], size=units)
    loadings = (
        source.nuisance_gain
        / np.sqrt(max(1, source.nuisances))
        * rng.standard_normal((source.nuisances, units))
    )
    gains = np.zeros((2, units))
    for epoch, carriers in enumerate(sets):
        gains[epoch, carriers] = signs[carriers] * np.sqrt(
            source.information / (count * mean_counts[carriers])
        )
    label = ornstein_uhlenbeck(rng, bins, 1, source.label_tau_s, source.bin_s)
    nuisance = ornstein_uhlenbeck(rng, bins, source.nuisances, source.nuisance_tau_s, source.bin_s)
    epoch_of = (np.arange(bins) >= bins // 2).astype(np.int64)
    own = gains[epoch_of]
    counts = spike_counts(
        rng,
        source,
        label * own + nuisance @ loadings,
        own**2 + (loadings**2).sum(axis=0),
        mean_counts,
    )
    truth = {
        "carriers": tuple(tuple(int(i) for i in s) for s in sets),
        "transfer": 0.0 if source.switches else 1.0,
    }
    targets = {"label": label[:, 0], "nuisance": nuisance, "epoch": epoch_of}
    return simulated_recording(source, session, counts, targets, truth)
