"""Check bounds on mutual information against Gaussians of known information.

In: the name of a bound, and the settings with which its critics are trained. Critics
are the networks that score pairs (`information`). Out: values of the bound for
correlated Gaussians x and y whose true mutual information is 0.5 to 10 nats.
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

Each coordinate of x is correlated with its counterpart in y, all equally strongly, as
in Poole et al. 2019, section 3.
"""
SEEDS = 3
"""Number of critics trained for each true value."""
READ = 100
"""Number of fresh batches on which a trained critic's bound is evaluated."""
SETTINGS = Optimisation(steps=4000, batch_size=128, learning_rate=1e-3, weight_decay=0.0)
"""How the critics are trained."""
FIRST, SECOND = 1, 2
"""Streams of random numbers: for x, and for the part of y independent of x."""


def correlation(nats: float | np.ndarray, width: int = WIDTH) -> np.ndarray:
    """Correlation of coordinate pairs that gives a chosen mutual information.

    With correlation rho the information is -width / 2 log(1 - rho^2).

    Parameters
    ----------
    nats
        Mutual information, at least 0.
    width
        Number of coordinates on each side.

    Returns
    -------
    rho in [0, 1), with the shape of `nats`.
    """
    return np.sqrt(1 - np.exp(-2 * np.asarray(nats) / width))


def bound_on_gaussians(bound: Bound, settings: Optimisation) -> np.ndarray:
    """Estimate mutual information by a bound, for each true value and seed.

    One critic is trained for each true value and seed, all together as a stack. Each is
    then evaluated on fresh batches.

    Parameters
    ----------
    bound
        Name of the bound, one of `BOUNDS`.
    settings
        Steps, batch size, learning rate and weight decay.

    Returns
    -------
    Values of the bound in nats (true value, seed, batch).
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
