"""The one training loop, for K stacked models at once.

The first axis of every tensor is the run (one of the K models). All models take the
same number of steps, and none influences another. The number of steps is fixed
beforehand and depends on no label. If the loss of a run is no longer finite, the step
is recorded. Non-finite values cannot spread to other runs.

In: the models, the batch of each step, and the settings. Out: trained models, and a
`Training` that describes how the training went. Nothing is evaluated here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.kernels.arithmetic import Arithmetic
from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.training import Optimisation
from invariance_probe.training.adversaries import StackedAdversary
from invariance_probe.training.checkpoints import Checkpoint, restore_training, training_state
from invariance_probe.training.optimizers import learning_rate, make_optimizer, set_learning_rate

REPORT_EVERY = 50
"""Number of steps between two progress reports."""


@dataclass(frozen=True, eq=False)
class Training:
    """How the training of K models went: losses, failures and gradient norms.

    Attributes
    ----------
    loss
        Mean loss over the last tenth of the steps (run,), float64.
    failed_at
        First step with a loss that was not finite (run,); -1 if there was none.
    gradient_norm
        Euclidean norm of each run's whole gradient (run,), float64, averaged over about
        `LOOKED_AT` steps of the last tenth.
    """

    loss: Tensor
    failed_at: Tensor
    gradient_norm: Tensor


ADVERSARY = "attack."
"""Prefix of the names of an adversary's tensors in a checkpoint."""
LOOKED_AT = 10
"""Approximate number of the last steps at which gradient norms are measured."""


@dataclass(eq=False)
class _Seen:
    """What the loop accumulates over the steps, all float64.

    Attributes
    ----------
    total
        Sum of the losses over the last tenth of the steps (run,).
    failed_at
        First step with a loss that was not finite (run,); -1 if there was none.
    norms
        Gradient norm of each run at each step at which it was recorded
        (run, recorded step).
    """

    total: Tensor
    failed_at: Tensor
    norms: Tensor

    @classmethod
    def nothing(cls, method: Method) -> "_Seen":
        """The state before the first step: no losses, failures or norms."""
        some = next(method.parameters())
        zeros = torch.zeros(len(some), dtype=torch.float64, device=some.device)
        return cls(zeros, torch.full_like(zeros, -1), zeros.new_zeros(len(some), 0))


@torch.no_grad()
def gradient_norms(method: Method) -> Tensor:
    """Euclidean norm of each run's gradient, over all its parameters.

    Parameters
    ----------
    method
        Models whose gradients were just computed.

    Returns
    -------
    norms
        (run,), float64.
    """
    gradients = [p.grad for p in method.parameters() if p.grad is not None]
    return (
        torch.stack([g.flatten(1).to(torch.float64).square().sum(1) for g in gradients])
        .sum(0)
        .sqrt()
    )


def train(
    method: Method,
    batch_at: Callable[[int], Batch],
    settings: Optimisation,
    on_progress: Callable[[int], None] = lambda steps: None,
    checkpoint: Checkpoint | None = None,
    adversary: StackedAdversary | None = None,
) -> Training:
    """Train stacked models in place.

    Parameters
    ----------
    method
        The models and their loss.
    batch_at
        Returns the batch of a step. It is called with 0, 1, 2 ..., or from the step of
        a checkpoint on.
    settings
        Steps, update rule, learning rate and its schedule, and weight decay.
    on_progress
        Called with the number of model-steps (steps times models) since the last call.
    checkpoint
        Where the state is saved now and then. If it holds the state of an interrupted
        training, that training continues; `method` must then be newly built.
    adversary
        Corrupts the views of each step so that the loss rises. If omitted, views are
        left as they are.

    Returns
    -------
    training
        Losses, failures and gradient norms.

    Raises
    ------
    training.checkpoints.Stopped
        If the process was told to end. The state is saved first.
    """
    method.compute_with(Arithmetic.of(settings, next(method.parameters()).device))
    optimizer = make_optimizer(method, settings)
    tail = max(1, settings.steps // 10)
    seen, begun = _Seen.nothing(method), 0
    if checkpoint is not None and (kept := checkpoint.read()) is not None:
        begun, tensors = kept
        restore_training(method, optimizer, tensors)
        if adversary is not None:
            adversary.set_state(_part_of(tensors, ADVERSARY))
        seen = _Seen(tensors["total"], tensors["failed_at"], tensors["norms"])
    reported = begun
    for step in range(begun, settings.steps):
        loss = (
            method.loss(batch_at(step))
            if adversary is None
            else adversary.loss(method, batch_at(step))
        )
        optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        if (
            step >= settings.steps - tail
            and (settings.steps - 1 - step) % max(1, tail // LOOKED_AT) == 0
        ):
            seen.norms = torch.cat([seen.norms, gradient_norms(method).unsqueeze(1)], dim=1)
        set_learning_rate(optimizer, learning_rate(settings, step))
        optimizer.step()
        method.after_update(step + 1, settings.steps)
        loss = loss.detach().to(torch.float64)
        seen.failed_at = torch.where(
            (seen.failed_at < 0) & ~loss.isfinite(), float(step), seen.failed_at
        )
        if step >= settings.steps - tail:
            seen.total = seen.total + loss
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == settings.steps:
            on_progress((step + 1 - reported) * len(loss))
            reported = step + 1
        if checkpoint is not None and step + 1 < settings.steps:
            checkpoint.offer(
                step + 1,
                lambda: {**training_state(method, optimizer), **vars(seen), **_state_of(adversary)},
            )
    return Training(
        seen.total / tail, seen.failed_at.to(torch.int64), seen.norms.T.contiguous().mean(0)
    )


def _state_of(adversary: StackedAdversary | None) -> dict[str, Tensor]:
    """An adversary's state under prefixed names; empty if there is no adversary."""
    return (
        {}
        if adversary is None
        else {f"{ADVERSARY}{name}": tensor for name, tensor in adversary.state().items()}
    )


def _part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names have a prefix, with the prefix removed."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
