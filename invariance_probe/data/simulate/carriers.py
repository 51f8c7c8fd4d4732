"""Simulate a population in which a declared number of neurons carry a label.

The neurons that carry the label are called carriers. In: how many there are, how the
information is divided among them, what noise they share, and how they are recorded.
Out: spike counts and the label. The population (rates, gains, loadings) has its own
random sequence, so that recordings of different lengths have the same code.
"""

from dataclasses import dataclass

import numpy as np

from invariance_probe.data.recording import Recording
from invariance_probe.data.simulate.latents import (
    baseline_rates,
    ornstein_uhlenbeck,
    simulated_recording,
    spike_counts,
)
from invariance_probe.randomness import generator
from invariance_probe.study.recordings import CarriersRecording


@dataclass(frozen=True, eq=False)
class Population:
    """Parameters of a population, the same in all its recordings.

    The carriers are the first neurons.

    Attributes
    ----------
    mean_counts
        Mean count per bin (neuron,).
    gains
        Change of the log-rate when the label changes by 1 (neuron,).
    loadings
        Change of the log-rate when a nuisance changes by 1 (nuisance, neuron). The norm
        over nuisances is the same for every neuron.
    places
        Column of the recording in which each simulated unit is put (unit,).
    """

    mean_counts: np.ndarray
    gains: np.ndarray
    loadings: np.ndarray
    places: np.ndarray

    @property
    def information(self) -> np.ndarray:
        """Linear Fisher information of each neuron alone, per bin (neuron,)."""
        return self.mean_counts * self.gains**2


def simulate_carriers(source: CarriersRecording, session: str) -> Recording:
    """Simulate one session of a population with a declared number of carriers.

    Carrier i has the gain g_i = +-sqrt(J_i / mu_i), where J_i is its linear Fisher
    information and mu_i its mean count per bin; all carriers together have J = sum J_i.
    Noise of variance eps that all carriers encode as if it were the label limits their
    information to J / (1 + eps J).

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session; each has its own population and random numbers.

    Returns
    -------
    Recording
        Targets `label` (time,) and `nuisance` (time, nuisance). The truth gives the
        units that carry the label (`carriers`), the number of carrier neurons
        (`neurons`), their `information` per bin, and `label_tau_s`.

    References
    ----------
    Moreno-Bote et al. 2014, Nat. Neurosci. 17:1410, doi:10.1038/nn.3807
    (information-limiting correlations).
    """
    population = draw_population(source, session)
    rng = generator("simulate", source.seed, session)
    bins, bin_s = source.bins, source.bin_s
    label = ornstein_uhlenbeck(rng, bins, 1, source.label_tau_s, bin_s)
    shared = ornstein_uhlenbeck(rng, bins, 1, source.label_tau_s, bin_s)
    nuisance = ornstein_uhlenbeck(rng, bins, source.nuisances, source.nuisance_tau_s, bin_s)
    drive = (
        label + source.common_noise * shared
    ) * population.gains + nuisance @ population.loadings
    noise = source.common_noise**2
    power = (1 + noise) * population.gains**2 + (population.loadings**2).sum(axis=0)
    neurons = spike_counts(rng, source, drive, power, population.mean_counts)
    counts = np.empty((bins, source.units), np.int32)
    counts[:, population.places] = _recorded(rng, source, neurons)
    total = float(population.information.sum())
    truth = {
        "carriers": tuple(
            sorted(int(i) for i in population.places[: source.carriers * source.units_per_carrier])
        ),
        "neurons": source.carriers,
        "information": total / (1 + noise * total),
        "label_tau_s": source.label_tau_s,
    }
    target = np.sign(label[:, 0]) * np.abs(label[:, 0]) ** source.target_power
    return simulated_recording(
        source, session, counts, {"label": target, "nuisance": nuisance}, truth
    )


def draw_population(source: CarriersRecording, session: str) -> Population:
    """Draw the rates, gains and loadings of a session's population.

    Parameters
    ----------
    source
        Declared parameters of the simulation.
    session
        Name of the session.

    Returns
    -------
    Population
        The same for every recording of the session, whatever its number of bins.
    """
    rng = generator("population", source.seed, session)
    neurons = source.carriers + source.units - source.carriers * source.units_per_carrier
    carries = np.arange(neurons) < source.carriers
    mean_counts = baseline_rates(rng, neurons) * source.bin_s
    if source.carrier_counts is not None:
        mean_counts[carries] = source.carrier_counts
    weights = np.exp(source.information_log_sd * rng.standard_normal(source.carriers))
    information = np.zeros(neurons)
    information[carries] = source.information * weights / weights.sum()
    information[~carries] = source.weak_information / max(1, neurons - source.carriers)
    gains = rng.choice([-1.0, 1.0], size=neurons) * np.sqrt(information / mean_counts)
    loadings = rng.standard_normal((source.nuisances, neurons))
    loadings *= source.nuisance_gain / np.maximum(np.linalg.norm(loadings, axis=0), 1e-12)
    return Population(mean_counts, gains, loadings, rng.permutation(source.units))


def _recorded(
    rng: np.random.Generator, source: CarriersRecording, neurons: np.ndarray
) -> np.ndarray:
    """Turn the counts of neurons into the counts of recorded units.

    A carrier can be recorded once, as several noisy copies, or divided into several
    units.

    Parameters
    ----------
    rng
        Random generator.
    source
        Declares the number of carriers, and of copies or parts of each.
    neurons
        Counts of the neurons (time, neuron), carriers first.

    Returns
    -------
    units
        Counts of the recorded units (time, unit), those of carriers first.
    """
    carriers, others = neurons[:, : source.carriers], neurons[:, source.carriers :]
    if source.copies > 1:
        units = rng.binomial(
            carriers[..., None], source.copy_probability, (*carriers.shape, source.copies)
        )
    elif source.parts > 1:
        units = rng.multinomial(carriers, np.full(source.parts, 1 / source.parts))
    else:
        return neurons
    return np.concatenate([units.reshape(len(units), -1), others], axis=1)
