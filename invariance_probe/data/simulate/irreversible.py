"""G9: a code whose label rises at once and decays slowly, which runs otherwise backwards; and its reversible twin."""

import numpy as np
from scipy.signal import lfilter

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import baseline_rates, ornstein_uhlenbeck, simulated_recording, spike_counts
from invariance_probe.streams import generator
from invariance_probe.study.recordings import IrreversibleRecording


def simulate_irreversible(source: IrreversibleRecording, session: str) -> Recording:
    """Simulate one session: shot-noise labels and reversible OU nuisances drive all units log-linearly.

    The part `forwards` of the shots rises at once and decays with time constant tau, and the rest is the same run backwards. Whatever
    that part, the label's autocorrelation is exp(-lag / tau) and its marginal a gamma distribution of shape k, the mean number of shots
    in tau (standardised, so its skewness is 2 / sqrt(k)). Only the third order tells the directions of time apart: for the standardised
    label, E[x(t)^2 x(t + w) - x(t) x(t + w)^2] = (2 forwards - 1) (2 / sqrt(k)) (exp(-w / tau) - exp(-2 w / tau)), by Campbell's theorem.
    """
    rng = generator("simulate", source.seed, session)
    bins, units = source.bins, source.units
    mean_counts = baseline_rates(rng, units) * source.bin_s
    label = shot_noise(rng, source)
    nuisance = ornstein_uhlenbeck(rng, bins, source.nuisances, source.nuisance_tau_s, source.bin_s)
    gains = source.label_gain * np.sqrt(3) * rng.uniform(-1, 1, (source.label_dimensions, units))
    loadings = source.nuisance_gain / np.sqrt(max(1, source.nuisances)) * rng.standard_normal((source.nuisances, units))
    root = np.sqrt(source.shots)
    log_mean = (-source.shots * np.log(1 - gains / root) - gains * root).sum(axis=0)  # log E exp(gain x) of a standardised gamma
    power = 2 * log_mean + (loadings**2).sum(axis=0)
    counts = spike_counts(rng, source, label @ gains + nuisance @ loadings, power, mean_counts)
    asymmetry = (2 * source.forwards - 1) * 2 / root
    truth = {"label_tau_s": source.label_tau_s, "forwards": source.forwards, "asymmetry": float(asymmetry)}
    return simulated_recording(source, session, counts, {"label": label, "nuisance": nuisance}, truth)


def shot_noise(rng: np.random.Generator, source: IrreversibleRecording) -> np.ndarray:
    """Return the standardised labels (bins, dimension): shots of exponential size at Poisson times, forwards and backwards in time."""
    rates = source.shots * np.array([source.forwards, 1 - source.forwards])
    ahead, back = (_decaying_shots(rng, source, shots) for shots in rates)
    return (ahead + back[::-1] - source.shots) / np.sqrt(source.shots)


def _decaying_shots(rng: np.random.Generator, source: IrreversibleRecording, shots: float) -> np.ndarray:
    """Return stationary processes (bins, dimension) that decay with tau and jump by exponential sizes, `shots` times a tau.

    Their law at any time is a gamma distribution of shape `shots`; the first bin is drawn from it.
    """
    step = source.bin_s / source.label_tau_s
    shape = (source.bins, source.label_dimensions)
    number = rng.poisson(shots * step, shape)
    where = np.repeat(np.arange(number.size), number.ravel())
    left = rng.exponential(size=len(where)) * np.exp(-step * rng.random(len(where)))  # a shot has decayed by the end of its bin
    arrivals = np.bincount(where, weights=left, minlength=number.size).reshape(shape)
    arrivals[0] = rng.gamma(shots, size=source.label_dimensions) if shots else 0.0
    return lfilter([1.0], [1.0, -np.exp(-step)], arrivals, axis=0)
