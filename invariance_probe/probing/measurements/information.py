"""Mutual information between two recordings of the same times, by critics.

In: two sets of variables that were sampled together. Out: a lower bound in nats. The
critics are networks that learn on the earlier samples; the bound is read on the later
ones.
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
"""Hidden widths and last width of a critic's networks."""
NORMALISED_BY = 4096
"""Most pairs that normalise a critic when it is frozen."""
HELD_OUT = 0.2
"""Last fraction of the samples, in time, on which a bound is read."""

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""From a step to its pairs: x and y, each (run, batch, width)."""


@dataclass(frozen=True, eq=False)
class InformationEstimate:
    """A lower bound on mutual information, read on held-out batches.

    Attributes
    ----------
    bound
        Which bound it is.
    nats
        Mean over held-out batches (seed,).
    batch_sd
        Standard deviation between batches (seed,); NaN with one batch.
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

    The variables were sampled together. Critics learn on the first four fifths of the
    samples and are read on the last fifth. `infonce` cannot exceed log(batch_size). The
    other bounds can, at the price of variance (McAllester & Stratos 2020,
    arXiv:1811.04251): read them with their spread.

    Parameters
    ----------
    x, y
        (sample, width) each, in the order of time; standardised here by the part that
        critics learn on.
    bound
        One of `BOUNDS`.
    seeds
        How many critics are trained, each with its own start and order.
    seed
        Seed of the whole estimate.
    settings
        Steps (2000 if left out), batch size, learning rate (1e-3) and weight decay (0).

    Raises
    ------
    DataError
        When the bound is unknown, or when the two do not have the same samples, or too
        few for a batch.
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
            f"{len(x)} samples are too few for batches of {settings.batch_size}; "
            f"use at least {least}, or a smaller batch_size"
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
    """Train stacked critics and freeze them.

    Parameters
    ----------
    bound
        One of `BOUNDS`.
    draw
        Gives the pairs of a step; steps beyond the last one normalise the frozen
        critics.
    inputs
        Widths of x and of y.
    settings
        Steps, batch size, learning rate and weight decay.
    generators
        One per critic, for its start.
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
    """Read the bound on successive batches of shuffled held-out pairs.

    All seeds read the same batches.
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
