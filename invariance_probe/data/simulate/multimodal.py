"""Simulate spikes and a second modality that share latents.

Each modality also has private latents. In: the declared parameters
(`MultimodalRecording`) and the name of a session. Out: a `Recording` whose target is
the second modality. This is simulated world G4.
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
from invariance_probe.study.recordings import MultimodalRecording


def simulate_multimodal(source: MultimodalRecording, session: str) -> Recording:
    """Simulate one session of spikes and a second modality.

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Targets `modality` (time, channel), the second modality, which follows the
        spikes after `lag_bins`; `private` (time, latent), the latents that drive only
        the spikes; and, if there are any, `common` (time, latent), the shared latents.
    """
    rng = generator("simulate", source.seed, session)
    units, bins, shared = source.units, source.bins, source.common
    mean_counts = baseline_rates(rng, units) * source.bin_s
    total = shared + source.private
    gains = source.latent_gain / np.sqrt(total) * rng.standard_normal((total, units))
    mixing = rng.standard_normal((total, source.channels)) / np.sqrt(total)
    reach = abs(source.lag_bins)
    common = ornstein_uhlenbeck(rng, bins + 2 * reach, shared, source.latent_tau_s, source.bin_s)
    own = ornstein_uhlenbeck(rng, bins, source.private, source.latent_tau_s, source.bin_s)
    other = ornstein_uhlenbeck(rng, bins, source.private, source.latent_tau_s, source.bin_s)
    here = common[reach : reach + bins]
    there = common[reach - source.lag_bins : reach - source.lag_bins + bins]
    signal = np.concatenate([there, other], axis=1) @ mixing
    modality = signal + rng.standard_normal(signal.shape) * np.sqrt(
        (mixing**2).sum(axis=0) / source.snr
    )
    counts = spike_counts(
        rng,
        source,
        np.concatenate([here, own], axis=1) @ gains,
        (gains**2).sum(axis=0),
        mean_counts,
    )
    targets = {"modality": modality, "private": own, **({"common": here} if shared else {})}
    truth = {"common": shared, "lag_s": source.lag_bins * source.bin_s}
    return simulated_recording(source, session, counts, targets, truth)
