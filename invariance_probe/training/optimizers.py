"""Update rules over stacked parameters, and the learning rate of each step.

The first axis of every parameter is the run. Rules that measure a tensor, such as its
norm, do so for each run's slice separately, so no run influences another, not even in
the last bit. Weights (names that end in `weight`) decay; scales, shifts and biases do
not, and LARS does not adapt their step length.

References
----------
Loshchilov & Hutter 2019, Decoupled weight decay regularization, arXiv:1711.05101
(AdamW).
You, Gitman & Ginsburg 2017, Large batch training of convolutional networks,
arXiv:1708.03888 (LARS).
Loshchilov & Hutter 2017, SGDR: stochastic gradient descent with warm restarts,
arXiv:1608.03983 (the cosine).
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from invariance_probe.study.training import Optimisation

LANES = 16
"""Number of values that torch's fused AdamW computes together.

It treats the last few values of a tensor differently. If the slice of a run had a
length that is no multiple of this, the run's numbers would depend on its index in the
stack.
"""
TRUST = 1e-3
"""LARS's trust coefficient (eta)."""


def learning_rate(settings: Optimisation, step: int) -> float:
    """Learning rate of one update: linear warm-up, then constant or a cosine.

    The rate rises linearly over the first `warmup` fraction of the steps and reaches
    its full value with the last of these. Then it stays constant, or falls along half a
    cosine that would reach 0 one step after the last.

    Parameters
    ----------
    settings
        Steps, full rate, warm-up and schedule.
    step
        0, 1 ... steps - 1.

    Returns
    -------
    rate
        In [0, `settings.learning_rate`].

    Examples
    --------
    >>> settings = Optimisation(steps=6, learning_rate=1.0, warmup=1 / 3, schedule="cosine")
    >>> [round(learning_rate(settings, step), 3) for step in range(6)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    rising = round(settings.warmup * settings.steps)
    if step < rising:
        return settings.learning_rate * (step + 1) / rising
    if settings.schedule == "constant":
        return settings.learning_rate
    return (
        settings.learning_rate
        * (1 + math.cos(math.pi * (step - rising) / (settings.steps - rising)))
        / 2
    )


class LARS(torch.optim.Optimizer):
    """SGD with momentum and a step length in proportion to the weights' norm.

    The step length is set for each run and tensor, as in Algorithm 1 of the paper:

        ratio = TRUST |weight| / (|gradient| + decay |weight|)
        velocity <- momentum velocity + rate ratio (gradient + decay weight)
        weight <- weight - velocity

    The ratio is 1 if a weight or a gradient is 0, and for groups of parameters with
    `adapted` set to False.

    Parameters
    ----------
    groups
        Parameter groups, each with `params`, `weight_decay` and perhaps `adapted`.
    lr
        Learning rate, positive.
    momentum
        In [0, 1).
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, momentum: float) -> None:
        super().__init__(
            groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "adapted": True}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)

    def _move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Update one parameter by Algorithm 1."""
        ratio = trust_ratio(weight, gradient, group["weight_decay"]) if group["adapted"] else 1.0
        change = group["lr"] * ratio * (gradient + group["weight_decay"] * weight)
        velocity = self.state[weight].get("velocity")
        self.state[weight]["velocity"] = (
            change if velocity is None else velocity.mul_(group["momentum"]).add_(change)
        )
        weight.sub_(self.state[weight]["velocity"])


def trust_ratio(weight: Tensor, gradient: Tensor, decay: float) -> Tensor:
    """LARS's trust ratio, TRUST |weight| / (|gradient| + decay |weight|).

    Parameters
    ----------
    weight, gradient
        (run, ...).
    decay
        Weight decay.

    Returns
    -------
    ratio
        (run, 1, ...); 1 if the weight or the gradient of a run is 0.
    """
    length, steepness = run_norm(weight), run_norm(gradient)
    ratio = TRUST * length / (steepness + decay * length)
    return torch.where((length > 0) & (steepness > 0), ratio, 1.0).view(
        -1, *[1] * (weight.dim() - 1)
    )


def run_norm(x: Tensor) -> Tensor:
    """Euclidean norm of each run's slice.

    Parameters
    ----------
    x
        (run, ...).

    Returns
    -------
    norm
        (run,).
    """
    return x.flatten(1).square().sum(1).sqrt()


def make_optimizer(model: nn.Module, settings: Optimisation) -> torch.optim.Optimizer:
    """Build the declared update rule over all trainable parameters.

    Parameters
    ----------
    model
        Stacked models, whose parameters have the run as first axis.
    settings
        Update rule, learning rate, momentum and weight decay.
    """
    learned = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    decayed = {
        "params": [p for name, p in learned if name.endswith("weight")],
        "weight_decay": settings.weight_decay,
    }
    kept = {
        "params": [p for name, p in learned if not name.endswith("weight")],
        "weight_decay": 0.0,
    }
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            [*_by_lanes(decayed), *_by_lanes(kept)], lr=settings.learning_rate, fused=True
        )
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            [decayed, kept], lr=settings.learning_rate, momentum=settings.momentum
        )
    return LARS([decayed, {**kept, "adapted": False}], settings.learning_rate, settings.momentum)


def _by_lanes(group: dict[str, Any]) -> list[dict[str, Any]]:
    """Split a parameter group by whether torch's fused update may be used.

    It may be used for tensors whose slice per run is a multiple of `LANES` long.
    """
    parts = [
        (fused, [p for p in group["params"] if (p[0].numel() % LANES == 0) == fused])
        for fused in (True, False)
    ]
    return [{**group, "params": some, "fused": fused} for fused, some in parts if some]


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next update.

    Parameters
    ----------
    optimizer
        The update rule.
    rate
        Learning rate, at least 0.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
