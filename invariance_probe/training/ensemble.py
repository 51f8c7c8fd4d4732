"""The one training loop: K stacked models take the same number of steps, and none sees another.

Stopping is fixed and label-free. A run whose loss stops being finite is noted with its step; its numbers stay
in its own slices, so the others go on untouched.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.training import Optimisation

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
    """

    loss: Tensor
    failed_at: Tensor


LANES = 8
"""The fused update computes the last numbers of a tensor apart, so that a run whose slice is no multiple of this would depend on its slot."""


def adam_w(method: Method, settings: Optimisation) -> torch.optim.Optimizer:
    """Return AdamW over all stacked parameters; weights decay, scales, shifts and biases do not."""
    learned = [(name, p) for name, p in method.named_parameters() if p.requires_grad]
    decayed = [p for name, p in learned if name.endswith("weight")]
    kept = [p for name, p in learned if not name.endswith("weight")]
    groups = [
        {"params": some, "weight_decay": decay, "fused": fused}
        for params, decay in ((decayed, settings.weight_decay), (kept, 0.0))
        for fused in (True, False)
        if (some := [p for p in params if (p[0].numel() % LANES == 0) == fused])
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


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
        Steps, learning rate and weight decay.
    on_progress
        Called with the number of model-steps done since the last call.
    """
    optimizer = adam_w(method, settings)
    tail = max(1, settings.steps // 10)
    total, failed_at, reported = None, None, 0
    for step in range(settings.steps):
        loss = method.loss(batch_at(step))
        optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
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
    return Training(total / tail, failed_at.to(torch.int64))
