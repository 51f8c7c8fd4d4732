"""Bounds on mutual information, against the truth on correlated Gaussians.

In: a bound and training settings. Out: what the bound says where the truth is half a
nat to ten nats.
"""

import numpy as np
import torch
from torch import Tensor

from invariance_probe.augmentations.random_bits import key_tensor, normal, position
from invariance_probe.methods.mutual_information import Bound
from invariance_probe.probing.measurements.information import train_critics
from invariance_probe.randomness import generator, stream_key
from invariance_probe.study.training import Optimisation

TRUTHS = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0)
"""True mutual information (nats)."""
WIDTH = 20
"""Number of coordinates of x and of y.

Every pair of coordinates is correlated alike, as in Poole et al. 2019, section 3.
"""
SEEDS = 3
"""Number of critics per truth."""
READ = 100
"""Number of fresh batches on which a trained critic is read."""
SETTINGS = Optimisation(steps=4000, batch_size=128, learning_rate=1e-3, weight_decay=0.0)
"""How the critics are trained."""
FIRST, SECOND = 1, 2
"""Addresses of the random numbers for x, and for y's own part."""


def correlation(nats: float | np.ndarray, width: int = WIDTH) -> np.ndarray:
    """Correlation of coordinate pairs at which Gaussians share that much.

    The information is -width / 2 log(1 - rho^2).

    Parameters
    ----------
    nats
        Mutual information, at least 0.
    width
        Number of coordinates on each side.

    Returns
    -------
    rho in [0, 1), in the shape of `nats`.
    """
    return np.sqrt(1 - np.exp(-2 * np.asarray(nats) / width))


def bound_on_gaussians(bound: Bound, settings: Optimisation) -> np.ndarray:
    """What a bound says on fresh batches, for every truth and seed.

    One critic is trained for each truth and seed, all in one stack.

    Parameters
    ----------
    bound
        One of `BOUNDS`.
    settings
        Steps, batch size, learning rate and weight decay.

    Returns
    -------
    Nats (truth, seed, batch).
    """
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
