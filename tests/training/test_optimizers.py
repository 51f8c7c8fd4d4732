"""Update rules against torch and by hand, run by run.

Also tested: the learning rate that every step really used.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn

from invariance_probe.methods.base import Batch, Method
from invariance_probe.study.training import Optimisation
from invariance_probe.training.ensemble import train
from invariance_probe.training.optimizers import LARS, learning_rate, make_optimizer

RULES = ["adamw", "sgd", "lars"]


class Bowl(Method):
    """Each run's weight (37, 13) and shift are drawn to targets of its own."""

    def __init__(self, runs, dtype=torch.float64, shape=(37, 13)):
        super().__init__()
        drawn = [np.random.default_rng(run).standard_normal((3, *shape)) for run in runs]
        self.weight = nn.Parameter(torch.from_numpy(np.stack([d[0] for d in drawn])).to(dtype))
        self.shift = nn.Parameter(torch.from_numpy(np.stack([d[1, :1] for d in drawn])).to(dtype))
        self.aim = torch.from_numpy(np.stack([d[2] for d in drawn])).to(dtype)
        self.seen = []

    def loss(self, batch):
        self.seen.append(self.weight.detach().clone())
        return (
            (self.weight + self.shift - self.aim).square() + 0.1 * self.weight.square().square()
        ).sum((1, 2))


class Slope(Method):
    """A loss whose gradient is 1 everywhere.

    A step of plain SGD is therefore as long as its learning rate.
    """

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 3, 1, dtype=torch.float64))
        self.seen = []

    def loss(self, batch):
        self.seen.append(self.weight.detach().clone())
        return self.weight.sum((1, 2))


def settings(**changes):
    return Optimisation(
        **{"steps": 12, "learning_rate": 1e-2, "weight_decay": 0.1, "momentum": 0.9, **changes}
    )


def trained(method, chosen):
    train(method, lambda step: Batch(torch.empty(0)), chosen)
    return method


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.25])
@pytest.mark.parametrize("rule", ["sgd", "adamw", "lars"])
def test_the_schedule_reaches_every_update(rule, schedule, warmup):
    """Every step is as long as the schedule says.

    The gradient is constant, and there is no momentum, decay or trust ratio.
    """
    chosen = settings(
        optimizer=rule, schedule=schedule, warmup=warmup, weight_decay=0.0, momentum=0.0
    )
    method = trained(Slope(), chosen)
    steps = [
        float((a - b)[0, 0, 0])
        for a, b in zip(method.seen, [*method.seen[1:], method.weight.detach()], strict=True)
    ]
    rising = round(12 * warmup)
    expected = [0.01 * (t + 1) / rising for t in range(rising)]
    left = 12 - rising
    expected += [
        0.01 if schedule == "constant" else 0.01 * math.cos(math.pi * t / left / 2) ** 2
        for t in range(left)
    ]
    if (
        rule == "lars"
    ):  # the weights start at 0, where there is no trust ratio; from then on it is eta |w| / |g|
        lengths = [float(w[0].norm()) for w in method.seen]
        expected = [
            rate * (1e-3 * length / 3**0.5 if length else 1.0)
            for rate, length in zip(expected, lengths, strict=True)
        ]
    assert steps == pytest.approx(expected, rel=1e-6)
    assert len(set(np.round(expected, 12))) > 1 or (schedule, warmup) == ("constant", 0.0)


def test_a_constant_schedule_is_the_learning_rate_itself():
    assert {learning_rate(settings(), step) for step in range(12)} == {1e-2}


def test_a_warmup_of_nearly_all_steps_and_a_single_step_are_schedules_too():
    for chosen in (
        settings(steps=3, warmup=0.99, schedule="cosine"),
        settings(steps=1, schedule="cosine"),
    ):
        assert learning_rate(chosen, chosen.steps - 1) == 1e-2


@pytest.mark.parametrize("rule", RULES)
def test_a_run_moves_alone_and_bit_for_bit_as_it_does_with_partners(rule):
    chosen = settings(
        optimizer=rule,
        schedule="cosine",
        warmup=0.25,
        learning_rate=1e-2 if rule != "lars" else 3.0,
    )
    shape = (
        (37, 16) if rule == "adamw" else (37, 13)
    )  # the last few numbers of a tensor are another code path in torch's fused AdamW
    stacks = [0, 1, 2, 3, 4], [7, 3, 9], [3]
    together, others, alone = (trained(Bowl(runs, torch.float32, shape), chosen) for runs in stacks)
    for name in ("weight", "shift"):
        a, b, c = (getattr(method, name).detach() for method in (together, others, alone))
        assert torch.equal(a[3], b[1]) and torch.equal(a[3], c[0])
    assert not torch.equal(alone.weight.detach(), alone.seen[0])


def test_sgd_is_that_of_torch_with_decay_of_weights_only():
    method, chosen = Bowl([0, 1]), settings(optimizer="sgd", learning_rate=1e-3)
    trained(method, chosen)
    for run in range(2):
        alone = Bowl([run])
        groups = [
            {"params": [alone.weight], "weight_decay": 0.1},
            {"params": [alone.shift], "weight_decay": 0.0},
        ]
        reference = torch.optim.SGD(groups, lr=1e-3, momentum=0.9)
        for _ in range(12):
            reference.zero_grad()
            alone.loss(None).sum().backward()
            reference.step()
        assert torch.allclose(method.weight[run], alone.weight[0], rtol=0, atol=1e-12)
        assert torch.allclose(method.shift[run], alone.shift[0], rtol=0, atol=1e-12)


def test_adam_w_is_what_it_was():
    method, chosen = Bowl([0, 1], torch.float32, (32, 16)), settings()
    trained(method, chosen)
    again = Bowl([0, 1], torch.float32, (32, 16))
    groups = [
        {"params": [again.weight], "weight_decay": 0.1},
        {"params": [again.shift], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, lr=1e-2, fused=True)
    for _ in range(12):
        reference.zero_grad(set_to_none=True)
        again.loss(None).sum().backward()
        reference.step()
    assert torch.equal(method.weight, again.weight) and torch.equal(method.shift, again.shift)


def test_lars_takes_the_step_that_was_worked_by_hand():
    """Two runs with weights (3, 4) and (0, 0).

    |w| = 5 with gradient (0, 10), decay .1, eta .001.
    """
    weight = nn.Parameter(torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64))
    bias = nn.Parameter(torch.tensor([[2.0], [2.0]], dtype=torch.float64))
    groups = [{"params": [weight], "weight_decay": 0.1}, {"params": [bias], "adapted": False}]
    optimizer = LARS(groups, lr=2.0, momentum=0.5)
    weight.grad = torch.tensor([[0.0, 10.0], [0.0, 10.0]], dtype=torch.float64)
    bias.grad = torch.tensor([[0.25], [0.5]], dtype=torch.float64)
    optimizer.step()
    ratio = 1e-3 * 5 / (10 + 0.1 * 5)
    first = 2 * ratio * np.array([0.3, 10.4])  # gradient + decay x weight
    assert weight.detach().numpy() == pytest.approx(
        np.array([[3 - first[0], 4 - first[1]], [0.0, -20.0]]), rel=1e-14
    )
    assert bias.detach().flatten().tolist() == [1.5, 1.0]  # neither trust nor decay
    w = weight.detach().numpy()[0].copy()
    optimizer.step()
    ratio = 1e-3 * np.hypot(*w) / (10 + 0.1 * np.hypot(*w))
    second = 0.5 * first + 2 * ratio * (np.array([0.0, 10.0]) + 0.1 * w)
    assert weight.detach().numpy()[0] == pytest.approx(w - second, rel=1e-14)
    assert bias.detach().flatten().tolist() == [1.5 - 0.25 - 0.5, 1.0 - 0.5 - 1.0]


def test_lars_steps_do_not_depend_on_the_scale_of_a_runs_loss():
    steep, plain = Bowl([0]), Bowl([0])
    for method, factor in ((steep, 1e3), (plain, 1.0)):
        optimizer = make_optimizer(method, settings(optimizer="lars", weight_decay=0.0))
        (factor * method.loss(None)).sum().backward()
        optimizer.step()
    assert torch.allclose(steep.weight, plain.weight, rtol=1e-12)
    assert not torch.allclose(steep.shift, plain.shift)


def test_what_does_not_learn_is_left_alone():
    method = Bowl([0, 1])
    method.shift.requires_grad_(False)
    before = method.shift.clone()
    for rule in RULES:
        trained(method, settings(optimizer=rule))
    assert torch.equal(method.shift, before)
