"""Lower bounds on the mutual information of two sets of variables.

In: two sets of variables x and y that were sampled at the same times, for example spike
counts and field potentials. Out: a lower bound on their mutual information in nats.

The bound needs a critic: a network that learns to score whether an x and a y belong to
the same time. Critics are trained on the earlier samples, and the bound is evaluated on
the later ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.errors import DataError
from invariance_probe.methods.base import Batch
from invariance_probe.methods.mutual_information import BOUNDS, Bound, Critics, FrozenCritics
from invariance_probe.randomness import generator
from invariance_probe.study.training import Optimisation
from invariance_probe.training.ensemble import train

WIDTHS = (128, 128, 32)
"""Hidden widths and output width of a critic's networks."""
NORMALISED_BY = 4096
"""Number of pairs (x, y) that give a frozen critic's batch-norm statistics.

More if a single batch is larger.
"""
HELD_OUT = 0.2
"""Fraction of the samples, the last in time, on which a bound is evaluated."""

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""From the number of a step to its batch: x and y, each (run, batch, width)."""


@dataclass(frozen=True, eq=False)
class InformationEstimate:
    """Estimates of a lower bound on mutual information, on held-out batches.

    Attributes
    ----------
    bound
        Name of the bound.
    nats
        Mean of the bound over held-out batches in nats, for each critic (seed,).
    batch_sd
        Its standard deviation between batches in nats (seed,); NaN with one batch.
    """

    bound: Bound
    nats: np.ndarray
    batch_sd: np.ndarray


def estimate_information(
    x: np.ndarray,
    y: np.ndarray,
    bound: Bound = "infonce",
    seeds: int = 5,
    seed: int = 0,
    settings: Optimisation | None = None,
) -> InformationEstimate:
    """Estimate a lower bound on the mutual information of two sets of variables.

    Critics are trained on the first four fifths of the samples, and the bound is
    evaluated on the last fifth. `infonce` cannot exceed log(batch_size). The other
    bounds can, at the price of variance (McAllester & Stratos 2020, arXiv:1811.04251),
    so report them with their standard deviation.

    Parameters
    ----------
    x, y
        Variables (sample, width) that were sampled together, in order of time. They are
        standardised here, by the mean and SD over the samples used for training.
    bound
        Name of the bound, one of `BOUNDS`.
    seeds
        Number of critics, each with its own initial weights and order of samples.
    seed
        Seed of the whole estimate.
    settings
        Steps, batch size, learning rate and weight decay. If omitted: 2000 steps, a
        learning rate of 1e-3 and no weight decay.

    Raises
    ------
    DataError
        When the bound is unknown, when x and y are not two matrices with the same
        number of samples, or when there are too few samples for a batch.
    """
    settings = settings or Optimisation(steps=2000, learning_rate=1e-3, weight_decay=0.0)
    fit = round((1 - HELD_OUT) * len(x))
    if bound not in BOUNDS:
        raise DataError(f"unknown bound {bound!r}; allowed: {', '.join(BOUNDS)}")
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise DataError(
            "x and y must both have shape (sample, width), with the same number of samples; "
            f"got {x.shape} and {y.shape}"
        )
    if len(x) - fit < settings.batch_size:
        least = int(np.ceil(settings.batch_size / HELD_OUT))
        raise DataError(
            f"{len(x)} samples are too few for batches of {settings.batch_size}; use at least "
            f"{least} samples, or a smaller batch_size"
        )
    pairs = [torch.from_numpy(_standardised(values, fit)) for values in (x, y)]
    orders = [generator("order", seed, "", i) for i in range(seeds)]

    def draw(step: int) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(
            np.stack([order.integers(0, fit, settings.batch_size) for order in orders])
        )
        return pairs[0][chosen], pairs[1][chosen]

    widths = (x.shape[1], y.shape[1])
    critics = train_critics(
        bound, draw, widths, settings, [generator("init", seed, "", i) for i in range(seeds)]
    )
    return _read(critics, [values[fit:] for values in pairs], settings.batch_size, seeds)


def train_critics(
    bound: Bound,
    draw: Draw,
    inputs: tuple[int, int],
    settings: Optimisation,
    generators: list[np.random.Generator],
) -> FrozenCritics:
    """Train several critics as one stack, and freeze them.

    Parameters
    ----------
    bound
        Name of the bound, one of `BOUNDS`.
    draw
        Draws the batch of a step. Further batches, after those of the training steps,
        give the statistics of batch normalisation in the frozen critics.
    inputs
        Widths of x and of y.
    settings
        Steps, batch size, learning rate and weight decay.
    generators
        One random generator per critic, for its initial weights.
    """
    critics = Critics(bound, inputs, WIDTHS, generators)
    critics = critics.to(draw(0)[0].dtype)

    def batch_at(step: int) -> Batch:
        x, y = draw(step)
        return Batch(x, targets=y)

    train(critics, batch_at, settings)
    more = [draw(settings.steps + i) for i in range(max(1, NORMALISED_BY // settings.batch_size))]
    return critics.freeze(*(torch.cat(side, dim=1) for side in zip(*more, strict=True)))


def _read(
    critics: FrozenCritics, held: list[Tensor], batch_size: int, seeds: int
) -> InformationEstimate:
    """Evaluate the bound on successive batches of shuffled held-out pairs.

    All critics get the same batches.

    Parameters
    ----------
    critics
        The trained critics.
    held
        Held-out x and y, each (sample, width).
    batch_size
        Pairs per batch.
    seeds
        Number of critics.
    """
    order = torch.from_numpy(generator("probe", 0, "").permutation(len(held[0])))
    batches = [order[i : i + batch_size] for i in range(0, len(order) - batch_size + 1, batch_size)]
    values = torch.stack(
        [critics.value(*(side[rows].expand(seeds, -1, -1) for side in held)) for rows in batches]
    ).numpy()
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(seeds, np.nan)
    return InformationEstimate(critics.bound, values.mean(axis=0), spread)


def _standardised(values: np.ndarray, fit: int) -> np.ndarray:
    part = values[:fit].astype(np.float64)
    spread = part.std(axis=0)
    return ((values - part.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).astype(np.float32)
