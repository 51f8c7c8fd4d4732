"""Every loss and hand-written gradient against a plain reference, run by run."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from invariance_probe.augmentations.pairing import find_partners
from invariance_probe.encoders.frozen import Frozen
from invariance_probe.encoders.layers import LinearBatchNormReLU
from invariance_probe.encoders.mlp import MLP
from invariance_probe.errors import TrainingError
from invariance_probe.methods.byol import regression_loss
from invariance_probe.methods.linear_ssl import corrupted_moments, fit_directions, pair_moments
from invariance_probe.methods.simclr import nt_xent
from invariance_probe.methods.vicreg import covariance_loss, variance_loss
from invariance_probe.study.encoders import MLPEncoder
from invariance_probe.study.transforms import (
    CutMix,
    GainModulation,
    GaussianNoise,
    SpikeThinning,
    StratifiedDropout,
    UnitDropout,
    UnitPermutation,
)
from invariance_probe.study.views import TimeJitter, Views


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_nt_xent_equals_cross_entropy_over_all_other_views():
    z = torch.randn(3, 10, 4, generator=rng(), dtype=torch.float64)
    for run in range(3):
        unit = functional.normalize(z[run], dim=1)
        logits = unit @ unit.T / 0.3
        logits.fill_diagonal_(-torch.inf)
        expected = functional.cross_entropy(logits, torch.arange(10).roll(5))
        assert nt_xent(z, 0.3)[run].item() == pytest.approx(expected.item(), rel=1e-12)


def test_nt_xent_has_the_gradient_of_its_formula():
    z = torch.randn(2, 8, 3, generator=rng(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: nt_xent(x, 0.2), (z,))


def test_linear_batch_norm_relu_equals_torch_layers_forward_and_backward():
    weight = torch.randn(2, 5, 3, generator=rng(), dtype=torch.float64)
    layer = LinearBatchNormReLU(weight.clone())
    x = torch.randn(2, 20, 5, generator=rng(1), dtype=torch.float64, requires_grad=True)
    layer(x).square().sum().backward()
    for run in range(2):
        xr = x.detach()[run].clone().requires_grad_(True)
        w = weight[run].clone().requires_grad_(True)
        out = functional.relu(functional.batch_norm(xr @ w, None, None, training=True, eps=1e-5))
        out.square().sum().backward()
        assert torch.allclose(x.grad[run], xr.grad) and torch.allclose(
            layer.weight.grad[run], w.grad
        )


def test_a_frozen_network_is_the_network_at_the_statistics_of_its_rows():
    network = MLP(6, (8, 8, 3), [np.random.default_rng(i) for i in range(2)])
    x = torch.randn(2, 40, 6, generator=rng(), dtype=torch.float64)
    frozen = Frozen.freeze(
        network, MLPEncoder(widths=(8, 8, 3)), x, torch.full((2, 40), 1 / 40, dtype=torch.float64)
    )
    assert torch.allclose(frozen(x), network(x))
    assert torch.allclose(
        frozen(x[:, :1]), network(x)[:, :1]
    )  # a row does not depend on the others


def test_vicreg_terms_equal_their_definitions():
    z = torch.randn(1, 30, 4, generator=rng(), dtype=torch.float64) * 0.5
    covariance = np.cov(z[0].numpy().T)
    off = covariance - np.diag(np.diag(covariance))
    assert covariance_loss(z).item() == pytest.approx((off**2).sum() / 4)
    assert variance_loss(z).item() == pytest.approx(
        np.maximum(0, 1 - np.sqrt(np.diag(covariance) + 1e-4)).mean()
    )


def test_byol_regression_is_the_squared_distance_of_unit_vectors():
    p, t = (torch.randn(1, 6, 4, generator=rng(i), dtype=torch.float64) for i in (0, 1))
    distance = (
        (functional.normalize(p, dim=2) - functional.normalize(t, dim=2)).square().sum(2).mean()
    )
    assert regression_loss(p, t).item() == pytest.approx(distance.item())


def sampled_moments(x, transform, arm, steps, split, seed=0):
    """Moments inside a step (shared) or over all pairs, by drawing them."""
    gen = np.random.default_rng(seed)
    across, within = [], []
    firsts, seconds = [], []
    for _ in range(steps):
        half = gen.binomial(x, 0.5) if split else x
        shown = (half, x - half) if split else (x, x)
        doubled = 2.0 if split else 1.0
        pair = []
        mask = None
        for spikes in shown:
            counts = doubled * spikes
            if isinstance(transform, UnitDropout):
                rows = 1 if arm == "shared" else len(x)
                if mask is None or arm == "independent":
                    mask = gen.random((rows, x.shape[1])) >= transform.rate
                pair.append(counts * mask)
            elif isinstance(transform, SpikeThinning):
                pair.append(doubled * gen.binomial(spikes, 1 - transform.rate))
            else:
                pair.append(counts + transform.sigma * gen.standard_normal(x.shape))
        firsts.append(pair[0])
        seconds.append(pair[1])
        a, b = pair[0] - pair[0].mean(0), pair[1] - pair[1].mean(0)
        across.append(a.T @ b / len(x))
        within.append(a.T @ a / len(x))
    if arm == "shared":
        return np.mean(across, 0), np.mean(within, 0)
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    mean = first.mean(0)
    return (first - mean).T @ (second - mean) / len(first), (first - mean).T @ (first - mean) / len(
        first
    )


@pytest.mark.parametrize(
    ("transform", "arm"),
    [
        (UnitDropout(rate=0.4), "independent"),
        (UnitDropout(rate=0.4), "shared"),
        (UnitDropout(rate=0.4), "paired"),
        (SpikeThinning(rate=0.3), "independent"),
        (GaussianNoise(sigma=0.5), "independent"),
    ],
)
@pytest.mark.parametrize("split", [True, False], ids=["halves", "whole counts"])
def test_closed_form_moments_equal_drawn_ones(transform, arm, split):
    gen = np.random.default_rng(1)
    drive = np.exp(0.4 * gen.standard_normal((400, 1)) * [1, 1, -1])
    x = gen.poisson(3 * drive)
    partners = find_partners(np.arange(400), np.zeros(400, dtype=int), TimeJitter(), 0.1)
    clean = pair_moments(x, partners, split)
    moments = corrupted_moments(clean, transform, arm, np.ones(3), split)
    steps = 6000 if arm == "shared" else 400
    across, within = sampled_moments(x, transform, arm, steps, split)
    assert moments.across == pytest.approx(across, abs=0.15)
    assert moments.within == pytest.approx(within, abs=0.15)


def test_linear_ssl_refuses_what_has_no_closed_form():
    gen = np.random.default_rng(1)
    x = gen.poisson(3, (100, 3))
    partners = find_partners(np.arange(100), np.zeros(100, dtype=int), TimeJitter(), 0.1)
    views = Views(transforms=(SpikeThinning(rate=0.3),))
    with pytest.raises(TrainingError, match="closed-form solution with spike_thinning"):
        fit_directions(x, partners, views, "spike_thinning.rate", "shared", x.std(0), 2, 1e-3)


@pytest.mark.parametrize(
    "transform",
    [
        StratifiedDropout(rate=0.3),
        GainModulation(sigma=0.3),
        UnitPermutation(rate=0.3),
        CutMix(fraction=0.3),
    ],
)
def test_linear_ssl_names_a_corruption_without_closed_form_and_passes_one_at_its_identity(
    transform,
):
    x = np.random.default_rng(1).poisson(3, (100, 3))
    moments = pair_moments(
        x, find_partners(np.arange(100), np.zeros(100, dtype=int), TimeJitter(), 0.1), split=True
    )
    with pytest.raises(
        TrainingError, match=f"closed-form solution with {transform.kind}; use unit_dropout"
    ):
        corrupted_moments(moments, transform, "independent", np.ones(3), split=True)
    idle = transform.model_copy(update=transform.identity)
    assert corrupted_moments(moments, idle, "independent", np.ones(3), split=True) is moments
