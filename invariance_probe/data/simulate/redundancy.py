"""Simulate a label that a chosen number of units carry.

Nuisances drive all units of the population, except the units that carry the label (the
carriers) if these are declared pure.

In: the declared parameters (`RedundancyRecording`) and the name of a session. Out: a
`Recording` whose truth gives the carriers and their information. This is simulated
world G2.
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
from invariance_probe.study.recordings import RedundancyRecording


def simulate_redundancy(source: RedundancyRecording, session: str) -> Recording:
    """Simulate one session with a chosen number of carriers.

    The label is an Ornstein-Uhlenbeck process of unit variance. Each of m carriers has
    the gain g_i = +-sqrt(J / (m mu_i)), where mu_i is its mean count per bin, so that
    the linear Fisher information of all together is about J. Shared noise of variance
    eps is added to the label before it reaches the carriers, which limits the
    information to J / (1 + eps J) (Moreno-Bote et al. 2014, doi:10.1038/nn.3807).

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets `label` (time,) and `nuisance` (time, nuisance). The truth gives the
        `carriers`, their `information` per bin, `n_eff`, the effective number of
        carriers (sum J_i)^2 / sum J_i^2, where J_i is the information of carrier i, and
        `label_tau_s`.
    """
    rng = generator("simulate", source.seed, session)
    bins, units = source.bins, source.units
    mean_counts = baseline_rates(rng, units) * source.bin_s
    order = rng.permutation(units)
    carriers = np.sort(order[: min(source.carriers, units)])
    if source.carrier_counts is not None:
        mean_counts[carriers] = source.carrier_counts
    label = ornstein_uhlenbeck(rng, bins, 1, source.label_tau_s, source.bin_s)[:, 0]
    nuisance = ornstein_uhlenbeck(rng, bins, source.nuisances, source.nuisance_tau_s, source.bin_s)
    shared = label + np.sqrt(source.shared_noise) * rng.standard_normal(bins)
    gains = np.zeros(units)
    signs = rng.choice([-1.0, 1.0], size=len(carriers))
    gains[carriers] = signs * np.sqrt(source.information / (len(carriers) * mean_counts[carriers]))
    loadings = (
        source.nuisance_gain
        / np.sqrt(max(1, source.nuisances))
        * rng.standard_normal((source.nuisances, units))
    )
    if source.carriers_are_pure:
        loadings[:, carriers] = 0
    drive = shared[:, None] * gains + nuisance @ loadings
    power = gains**2 * (1 + source.shared_noise) + (loadings**2).sum(axis=0)
    counts = spike_counts(rng, source, drive, power, mean_counts)
    each = gains[carriers] ** 2 * mean_counts[carriers]
    truth = {
        "carriers": tuple(int(i) for i in carriers),
        "information": float(each.sum() / (1 + source.shared_noise * each.sum())),
        "n_eff": float(each.sum() ** 2 / (each**2).sum()),
        "label_tau_s": source.label_tau_s,
    }
    return simulated_recording(
        source, session, counts, {"label": label, "nuisance": nuisance}, truth
    )
