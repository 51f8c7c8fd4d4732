"""Bounds on mutual information against the truth, on correlated Gaussians from half a nat to ten."""

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import key_tensor, normal, position
from invariance_probe.methods.mutual_information import Bound
from invariance_probe.probing.measurements.information import train_critics
from invariance_probe.randomness import generator, stream_key
from invariance_probe.study.training import Optimisation

TRUTHS = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0)
"""Nats."""
WIDTH = 20
"""Of x and of y; every pair of coordinates is correlated alike, as in Poole et al. 2019, section 3."""
SEEDS = 3
READ = 100
"""Fresh batches that a trained critic is read on."""
SETTINGS = Optimisation(steps=4000, batch_size=128, learning_rate=1e-3, weight_decay=0.0)
FIRST, SECOND = 1, 2


def correlation(nats: float | np.ndarray, width: int = WIDTH) -> np.ndarray:
    """Return the correlation of each pair of coordinates at which Gaussians of a width share that much: -width / 2 log(1 - rho^2)."""
    return np.sqrt(1 - np.exp(-2 * np.asarray(nats) / width))


def bound_on_gaussians(bound: Bound, settings: Optimisation) -> np.ndarray:
    """Return what a bound says (truth, seed, batch) on fresh batches, after training a critic for each truth and seed in one stack."""
    runs = [(truth, seed) for truth in TRUTHS for seed in range(SEEDS)]
    keys = key_tensor(
        [stream_key("simulate", 0, f"{truth:g} nats", seed) for truth, seed in runs],
        torch.device("cpu"),
    )
    rho = (
        torch.from_numpy(correlation(np.array([truth for truth, _ in runs])))
        .to(torch.float32)
        .view(-1, 1, 1)
    )
    rows = torch.arange(settings.batch_size).expand(len(runs), -1)

    def draw(step: int) -> tuple[Tensor, Tensor]:
        x, own = (normal(position(keys, step, side), rows, WIDTH) for side in (FIRST, SECOND))
        return x, rho * x + (1 - rho.square()).sqrt() * own

    generators = [generator("init", 0, f"{truth:g} nats", seed) for truth, seed in runs]
    critics = train_critics(bound, draw, (WIDTH, WIDTH), settings, generators)
    after = 2 * settings.steps + 1000
    read = torch.stack([critics.value(*draw(after + i)) for i in range(READ)], dim=1)
    return read.numpy().reshape(len(TRUTHS), SEEDS, READ)
