"""The one training loop: K stacked models take the same number of steps, and none sees another.

Stopping is fixed and label-free. A run whose loss stops being finite is noted with its step; its numbers stay
in its own slices, so the others go on untouched.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.kernels.arithmetic import Arithmetic
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.training import Optimisation
from invariance_probe.training.optimizers import learning_rate, make_optimizer, set_learning_rate

REPORT_EVERY = 50
"""Steps between two progress reports."""


@dataclass(frozen=True, eq=False)
class Training:
    """What came of a training: the mean loss of each run over the last tenth, and where one failed.

    Attributes
    ----------
    loss
        (run,), float64.
    failed_at
        First step with a non-finite loss (run,), or -1.
    gradient_norm
        Euclidean norm of each run's whole gradient (run,), float64, averaged over `LOOKED_AT` steps of that tenth.
    """

    loss: Tensor
    failed_at: Tensor
    gradient_norm: Tensor


LOOKED_AT = 10
"""At how many steps of the last tenth gradients are measured."""


@torch.no_grad()
def gradient_norms(method: Method) -> Tensor:
    """Return the norm of each run's gradient (run,), over all that is learned."""
    gradients = [p.grad for p in method.parameters() if p.grad is not None]
    return torch.stack([g.flatten(1).to(torch.float64).square().sum(1) for g in gradients]).sum(0).sqrt()


def train(
    method: Method,
    batch_at: Callable[[int], Batch],
    settings: Optimisation,
    on_progress: Callable[[int], None] = lambda steps: None,
) -> Training:
    """Train stacked models in place.

    Parameters
    ----------
    method
        The models and their loss.
    batch_at
        Returns the batch of a step; called with 0, 1, 2 ...
    settings
        Steps, update rule, learning rate and its schedule, and weight decay.
    on_progress
        Called with the number of model-steps done since the last call.
    """
    method.compute_with(Arithmetic.of(settings, next(method.parameters()).device))
    optimizer = make_optimizer(method, settings)
    tail = max(1, settings.steps // 10)
    total, failed_at, reported = None, None, 0
    norms: list[Tensor] = []
    for step in range(settings.steps):
        loss = method.loss(batch_at(step))
        optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        if step >= settings.steps - tail and (settings.steps - 1 - step) % max(1, tail // LOOKED_AT) == 0:
            norms.append(gradient_norms(method))
        set_learning_rate(optimizer, learning_rate(settings, step))
        optimizer.step()
        method.after_update(step + 1, settings.steps)
        loss = loss.detach().to(torch.float64)
        failed_at = torch.full_like(loss, -1) if failed_at is None else failed_at
        failed_at = torch.where((failed_at < 0) & ~loss.isfinite(), float(step), failed_at)
        if step >= settings.steps - tail:
            total = loss if total is None else total + loss
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == settings.steps:
            on_progress((step + 1 - reported) * len(loss))
            reported = step + 1
    assert total is not None and failed_at is not None
    return Training(total / tail, failed_at.to(torch.int64), torch.stack(norms).mean(0))
