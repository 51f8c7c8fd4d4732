"""Simulate sessions in which a study should find nothing.

In: the declared parameters (`NothingRecording`) and the name of a session. Out: a
`Recording` whose activity does not encode the label or, in the case `trial_constant`,
whose label never changes within a trial, so that a jitter in time cannot be tested.
This is simulated world G8.
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
from invariance_probe.study.recordings import NothingRecording

GAIN = 0.4
"""Standard deviation of the log-rate that is due to all latents together."""
LATENTS = 4
"""Number of latents that drive the population."""


def simulate_nothing(source: NothingRecording, session: str) -> Recording:
    """Simulate one session of the declared case.

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Recording
        Target `label` (time,). In the truth, `decodable` says whether activity encodes
        the label at all, which it does only in the case `trial_constant`.
    """
    if source.case in ("drift", "quiet"):
        return _drifting(source, session)
    rng = generator("simulate", source.seed, session)
    units, bins = source.units, source.bins
    mean_counts = baseline_rates(rng, units) * source.bin_s
    gains = GAIN / np.sqrt(LATENTS) * rng.standard_normal((LATENTS, units))
    latents = ornstein_uhlenbeck(rng, bins, LATENTS, source.label_tau_s, source.bin_s)
    label = ornstein_uhlenbeck(rng, bins, 1, source.label_tau_s, source.bin_s)[:, 0]
    trials = None
    if source.case == "constant_rates":
        latents = np.zeros_like(latents)
    if source.case == "common_trend":
        trend = np.linspace(-1, 1, bins)
        label = label + 2 * rng.choice([-1.0, 1.0]) * trend
        latents = latents + 2 * rng.choice([-1.0, 1.0], LATENTS) * trend[:, None]
    if source.case == "trial_constant":
        trials = np.arange(bins) // max(1, round(source.trial_s / source.bin_s))
        label = rng.standard_normal(int(trials[-1]) + 1)[trials]
        latents[:, 0] = label
    counts = spike_counts(rng, source, latents @ gains, (gains**2).sum(axis=0), mean_counts)
    truth = {"decodable": source.case == "trial_constant", "case": source.case}
    return simulated_recording(source, session, counts, {"label": label}, truth, trials=trials)


def _drifting(source: NothingRecording, session: str) -> Recording:
    """Simulate units with slowly drifting gains, and a label that none encodes.

    Each unit has a gain of its own, and all units share another one. In the case
    `quiet`, the label's standard deviation over the session is .15 in the middle 45 %
    of the session and rises to 1.8 at both ends.
    """
    rng = generator("simulate", source.seed, session)
    units, bins = source.units, source.bins
    mean_counts = baseline_rates(rng, units) * source.bin_s
    own = ornstein_uhlenbeck(rng, bins, units, source.gain_tau_s, source.bin_s)
    common = ornstein_uhlenbeck(rng, bins, 1, source.gain_tau_s, source.bin_s)
    label = ornstein_uhlenbeck(rng, bins, 1, source.label_tau_s, source.bin_s)[:, 0]
    if source.case == "quiet":
        label = label * (0.15 + 3 * np.maximum(np.abs(np.linspace(-1, 1, bins)) - 0.45, 0))
    power = np.full(units, 2 * source.gain_log_sd**2)
    counts = spike_counts(rng, source, source.gain_log_sd * (own + common), power, mean_counts)
    truth = {"decodable": False, "case": source.case}
    return simulated_recording(source, session, counts, {"label": label}, truth)
