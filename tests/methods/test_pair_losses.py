"""Losses of methods that learn from pairs, against plain references.

They are compared run by run. Also tested: what the methods hold between steps, and what
they refuse.
"""

import math

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch.nn import functional

from invariance_probe.augmentations.random_bits import key_tensor
from invariance_probe.encoders.layers import softplus
from invariance_probe.errors import TrainingError
from invariance_probe.methods import METHODS
from invariance_probe.methods.barlow_twins import barlow_twins_loss
from invariance_probe.methods.base import Batch, Timeline
from invariance_probe.methods.moco import EMPTY, info_nce
from invariance_probe.methods.moving_average import follow
from invariance_probe.methods.myow import minable, mined_error, picked_at_random, picked_neighbours
from invariance_probe.methods.negatives import admissible
from invariance_probe.methods.simclr import masked_nt_xent, nt_xent
from invariance_probe.methods.simsiam import negative_cosine
from invariance_probe.methods.supcon import supervised_contrast
from invariance_probe.methods.swap_vae import SMALLEST_RATE, divergence_from_normal, poisson_loss
from invariance_probe.methods.y_aware import y_aware_info_nce
from invariance_probe.study.methods import Method, Negatives

ENCODER = {"kind": "mlp", "widths": [8, 6]}
RUNS, PAIRS, UNITS = 3, 20, 5


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def units(z):
    return functional.normalize(z, dim=-1)


def timeline(count=200, length=1, bin_s=0.1, stretch=10):
    starts = torch.arange(count)
    return Timeline(starts, starts // stretch, length, bin_s)


def built(kind, **settings):
    declared = TypeAdapter(Method).validate_python({"kind": kind, "encoder": ENCODER, **settings})
    generators = [np.random.default_rng(i) for i in range(RUNS)]
    return METHODS[kind](declared, (1, UNITS), generators).to(torch.float64)


def batch(step=0, seed=0, **given):
    generator = torch.Generator().manual_seed(100 * seed + step)
    first = torch.stack([torch.randperm(200, generator=generator)[:PAIRS] for _ in range(RUNS)])
    keys = key_tensor([5, 6, 7], torch.device("cpu"))
    views = torch.randn(RUNS, 2 * PAIRS, 1, UNITS, generator=generator, dtype=torch.float64)
    return Batch(views, torch.cat([first, first], dim=1), timeline(), keys, step, **given)


# Negatives


@pytest.mark.parametrize("length", [1, 4])
@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"scope": "trial"},
        {"same_trial": False},
        {"gap_s": 0.25},
        {"gap_s": 0.7, "same_trial": False},
    ],
)
def test_negatives_are_those_that_their_declaration_admits(rule, length):
    declared, line = Negatives(**rule), timeline(60, length)
    generator = torch.Generator().manual_seed(1)
    anchors, candidates = (torch.randint(0, 60, (2, n), generator=generator) for n in (7, 40))
    mask = admissible(declared, line, anchors, candidates)
    assert mask.shape == (2, 7, 40)
    for run in range(2):
        for i, a in enumerate(anchors[run].tolist()):
            for j, c in enumerate(candidates[run].tolist()):
                expected = a != c
                if rule.get("gap_s"):
                    expected &= abs(a - c) * 0.1 >= rule["gap_s"] - 1e-9 and not set(
                        range(a, a + length)
                    ) & set(range(c, c + length))
                if rule.get("scope") == "trial":
                    expected &= a // 10 == c // 10
                if not rule.get("same_trial", True):
                    expected &= a // 10 != c // 10
                assert mask[run, i, j].item() == expected, (a, c)


def test_no_negatives_at_all_are_refused_where_they_are_declared():
    with pytest.raises(ValidationError, match="no negatives are left; use `scope: session`"):
        Negatives(scope="trial", same_trial=False)


def test_masked_nt_xent_equals_cross_entropy_over_what_is_left():
    z = drawn(RUNS, 10, 4)
    mask = torch.rand(RUNS, 10, 10, generator=torch.Generator().manual_seed(2)) < 0.5
    mask[:, 3] = False  # an anchor without negatives
    for run in range(RUNS):
        terms = []
        for i in range(10):
            partner = (i + 5) % 10
            s = [float(units(z[run, i]) @ units(z[run, k])) / 0.3 for k in range(10)]
            against = [s[k] for k in range(10) if k == partner or (k != i and mask[run, i, k])]
            terms.append(math.log(sum(map(math.exp, against))) - s[partner])
        assert terms[3] == pytest.approx(0, abs=1e-12)
        assert masked_nt_xent(z, 0.3, mask)[run].item() == pytest.approx(np.mean(terms), rel=1e-12)


def test_a_mask_that_leaves_everything_gives_nt_xent_and_its_gradient():
    z = drawn(2, 12, 4).requires_grad_(True)
    everything = torch.ones(2, 12, 12, dtype=torch.bool)
    ours, fused = masked_nt_xent(z, 0.2, everything), nt_xent(z, 0.2)
    assert torch.allclose(ours, fused, rtol=1e-12)
    assert torch.allclose(
        *(torch.autograd.grad(loss.sum(), z)[0] for loss in (ours, fused)), rtol=0, atol=1e-12
    )


def test_simclr_leaves_out_negatives_only_where_it_is_told_to():
    plain, far = built("simclr"), built("simclr", negatives={"gap_s": 1.0})
    given = batch()
    z = plain.projector(plain.encoder(given.views))
    assert torch.equal(plain.loss(given), nt_xent(z, 0.2))
    mask = (given.windows.unsqueeze(2) - given.windows.unsqueeze(1)).abs() >= 10
    assert torch.allclose(far.loss(given), masked_nt_xent(z, 0.2, mask), rtol=1e-12)
    assert (far.loss(given) < plain.loss(given)).all()


# MoCo


def test_info_nce_equals_cross_entropy_with_the_positive_first():
    q, k, queue = (
        units(drawn(RUNS, 6, 4)),
        units(drawn(RUNS, 6, 4, seed=1)),
        units(drawn(RUNS, 9, 4, seed=2)),
    )
    allowed = torch.rand(RUNS, 6, 9, generator=torch.Generator().manual_seed(3)) < 0.6
    allowed[:, 0] = False
    for run in range(RUNS):
        terms = []
        for i in range(6):
            logits = (
                torch.cat(
                    [(q[run, i] @ k[run, i]).view(1), (queue[run] @ q[run, i])[allowed[run, i]]]
                )
                / 0.2
            )
            terms.append(
                functional.cross_entropy(
                    logits.unsqueeze(0), torch.zeros(1, dtype=torch.int64)
                ).item()
            )
        assert terms[0] == 0
        assert info_nce(q, k, queue, allowed, 0.2)[run].item() == pytest.approx(
            np.mean(terms), rel=1e-12
        )


def test_moco_contrasts_with_the_keys_of_earlier_batches_and_none_of_its_own_window():
    method, temperature = built("moco", queue=3 * PAIRS // 2), 0.2
    stored = [[] for _ in range(RUNS)]  # newest first: window, key
    for step in range(4):
        given = batch(step)
        loss = method.loss(given)
        queries = units(method.projector(method.encoder(given.views))).detach()
        keys = units(method.keys(given.views)).detach()
        for run in range(RUNS):
            terms = []
            for i in range(2 * PAIRS):
                positive = queries[run, i] @ keys[run, (i + PAIRS) % (2 * PAIRS)]
                against = [
                    queries[run, i] @ key
                    for window, key in stored[run]
                    if window != given.windows[run, i]
                ]
                logits = torch.stack([positive, *against]) / temperature
                terms.append(float(logits.logsumexp(0) - logits[0]))
            assert loss[run].item() == pytest.approx(np.mean(terms), rel=1e-10)
            fresh = list(zip(given.windows[run, PAIRS:].tolist(), keys[run, PAIRS:], strict=True))
            stored[run] = [*fresh, *stored[run]][: 3 * PAIRS // 2]
        if step == 0:
            assert (loss.detach() == 0).all() and (method.queued == EMPTY).all()
        loss.sum().backward()
        with torch.no_grad():
            for p in method.encoder.parameters():
                p.sub_(0.1 * p.grad)
        method.after_update(step + 1, 4)
    assert (method.queued != EMPTY).all()


def test_a_moving_average_follows():
    own, other = [drawn(2, 3), drawn(4)], [drawn(2, 3, seed=1), drawn(4, seed=2)]
    expected = [0.9 * a + 0.1 * b for a, b in zip(own, other, strict=True)]
    follow(own, other, 0.9)
    assert all(torch.allclose(a, b, rtol=1e-14) for a, b in zip(own, expected, strict=True))


# SimSiam, Barlow Twins


def test_simsiam_is_the_mean_negative_cosine_of_both_directions_and_stops_the_gradient():
    p, z = drawn(RUNS, 8, 4).requires_grad_(True), drawn(RUNS, 8, 4, seed=1).requires_grad_(True)
    loss = negative_cosine(p, z)
    for run in range(RUNS):
        one = -(units(p[run, :4]) * units(z[run, 4:])).sum(1).mean()
        two = -(units(p[run, 4:]) * units(z[run, :4])).sum(1).mean()
        assert loss[run].item() == pytest.approx((one / 2 + two / 2).item(), rel=1e-12)
    loss.sum().backward()
    assert z.grad is None and p.grad.abs().sum() > 0


def test_simsiam_predicts_standardised_projections():
    method, given = built("simsiam"), batch()
    z = method.projector(method.encoder(given.views))
    normed = torch.stack(
        [functional.batch_norm(one, None, None, training=True, eps=1e-5) for one in z]
    )
    assert torch.allclose(
        method.loss(given), negative_cosine(method.predictor(normed), normed), rtol=1e-10
    )


def test_barlow_twins_equals_the_sums_over_numpy_correlations():
    first, second = drawn(RUNS, 30, 4), drawn(RUNS, 30, 4, seed=1) + drawn(RUNS, 30, 4)
    for run in range(RUNS):
        a, b = first[run].numpy(), second[run].numpy()
        a, b = ((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) for x in (a, b))
        c = a.T @ b / 30
        assert np.allclose(c, np.corrcoef(first[run].T, second[run].T)[:4, 4:], atol=1e-4)
        expected = sum((1 - c[i, i]) ** 2 for i in range(4))
        expected += 0.7 / 4 * sum(c[i, j] ** 2 for i in range(4) for j in range(4) if i != j)
        assert barlow_twins_loss(first, second, 0.7)[run].item() == pytest.approx(
            expected, rel=1e-10
        )


# Labelled contrasts


def supcon_reference(z, y, temperature):
    z, terms = units(z), []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        total = sum(math.exp(z[i] @ z[a] / temperature) for a in others)
        same = [p for p in others if y[p] == y[i]]
        terms.append(
            -sum(math.log(math.exp(z[i] @ z[p] / temperature) / total) for p in same)
            / max(1, len(same))
        )
    return np.mean(terms)


def test_supervised_contrast_is_l_out():
    z = drawn(RUNS, 12, 4)
    y = torch.randint(0, 3, (RUNS, 12), generator=torch.Generator().manual_seed(1))
    y[0, 0] = 7  # a class of one: nothing to pull
    for run in range(RUNS):
        assert supervised_contrast(z, y, 0.3)[run].item() == pytest.approx(
            supcon_reference(z[run], y[run], 0.3), rel=1e-10
        )


def test_y_aware_contrast_weighs_by_a_gaussian_kernel():
    z, y = drawn(RUNS, 10, 4), drawn(RUNS, 10, 2, seed=1)
    for run in range(RUNS):
        s, terms = units(z[run]) @ units(z[run]).T / 0.3, []
        for i in range(10):
            others = [k for k in range(10) if k != i]
            w = {
                k: math.exp(-float((y[run, i] - y[run, k]).square().sum()) / (2 * 0.5**2))
                for k in others
            }
            total = sum(math.exp(s[i, a]) for a in others)
            terms.append(
                -sum(w[k] / sum(w.values()) * math.log(math.exp(s[i, k]) / total) for k in others)
            )
        assert y_aware_info_nce(z, y, 0.3, 0.5)[run].item() == pytest.approx(
            np.mean(terms), rel=1e-10
        )


def test_y_aware_contrast_of_classes_is_supervised_contrast():
    z = drawn(RUNS, 12, 4)
    y = torch.randint(0, 3, (RUNS, 12), generator=torch.Generator().manual_seed(1))
    assert torch.equal(y_aware_info_nce(z, y, 0.3, 0.5), supervised_contrast(z, y, 0.3))
    one_hot = 50.0 * functional.one_hot(y).to(
        torch.float64
    )  # so far apart that the Gaussian is 1 or 0
    assert torch.allclose(
        y_aware_info_nce(z, one_hot, 0.3, 0.5), supervised_contrast(z, y, 0.3), rtol=1e-12
    )


def test_y_aware_contrast_is_finite_where_no_target_is_near():
    y = 1e4 * torch.arange(10.0, dtype=torch.float64).view(1, 10, 1)
    assert y_aware_info_nce(drawn(1, 10, 4), y, 0.3, 0.1).isfinite().all()


def test_supcon_refuses_a_continuous_target_and_says_what_to_use():
    with pytest.raises(TrainingError, match="y_aware"):
        built("supcon").loss(batch(targets=drawn(RUNS, 2 * PAIRS, 1)))


# Swap-VAE


def test_poisson_loss_and_divergence_equal_torch_distributions():
    rates, counts = (
        drawn(RUNS, 9, 5).exp(),
        torch.poisson(3 * torch.ones(RUNS, 9, 5, dtype=torch.float64)),
    )
    expected = (
        -(torch.distributions.Poisson(rates).log_prob(counts) + torch.lgamma(counts + 1))
        .sum(2)
        .mean(1)
    )
    assert torch.allclose(poisson_loss(rates, counts), expected, rtol=1e-12)
    mean, log_variance = drawn(RUNS, 9, 4), drawn(RUNS, 9, 4, seed=1)
    normal = torch.distributions.Normal
    kl = torch.distributions.kl_divergence(
        normal(mean, (log_variance / 2).exp()), normal(torch.zeros(1), torch.ones(1))
    )
    assert torch.allclose(divergence_from_normal(mean, log_variance), kl.sum(2).mean(1), rtol=1e-12)
    x = 30 * drawn(50)
    assert torch.allclose(softplus(x), functional.softplus(x, threshold=1000), rtol=1e-12)


def test_swap_vae_reconstructs_from_the_content_of_the_other_view():
    method = built("swap_vae", style=1 / 3, style_divergence=0.5, alignment=2.0)
    torch.nn.init.normal_(method.log_variance.weight, generator=torch.Generator().manual_seed(4))
    counts = torch.poisson(
        2 * torch.ones(RUNS, 2 * PAIRS, 1, UNITS), generator=torch.Generator().manual_seed(5)
    ).to(torch.int16)
    given = batch(counts=counts)
    r = method.encoder(given.views)
    noise = method._noise(given, r[..., 4:])
    assert noise.std() == pytest.approx(1, abs=0.1)
    log_variance = method.log_variance(r)
    style = r[..., 4:] + (log_variance / 2).exp() * noise
    c1, c2, s1, s2 = r[:, :PAIRS, :4], r[:, PAIRS:, :4], style[:, :PAIRS], style[:, PAIRS:]
    latents = [torch.cat(parts, dim=2) for parts in ((c2, s1), (c1, s2), (c1, s1), (c2, s2))]
    rates = functional.softplus(method.decoder(torch.cat(latents, dim=1)))
    rates = (rates + SMALLEST_RATE).split(PAIRS, dim=1)
    x = counts.flatten(2).to(torch.float64).split(PAIRS, dim=1)
    loss = method.loss(given)
    for run in range(RUNS):
        error = [
            (lam[run] - y[run] * lam[run].log()).sum(1).mean()
            for lam, y in zip(rates, (*x, *x), strict=True)
        ]
        kl = 0.5 * (r[run, :, 4:] ** 2 + log_variance[run].exp() - log_variance[run] - 1).sum(1)
        apart = 2 - 2 * (units(c1[run]) * units(c2[run])).sum(1).mean()
        expected = (
            0.5 * sum(error) + 0.5 * (kl[:PAIRS].mean() + kl[PAIRS:].mean()) / 2 + 2.0 * apart
        )
        assert loss[run].item() == pytest.approx(expected.item(), rel=1e-10)


def test_swap_vae_refuses_signals_and_a_representation_without_room():
    with pytest.raises(TrainingError, match="continuous signal"):
        built("swap_vae").loss(batch(counts=drawn(RUNS, 2 * PAIRS, 1, UNITS)))
    with pytest.raises(ValidationError, match="without any"):
        built("swap_vae", style=0.05)


# MYOW


def test_windows_are_mined_beyond_the_gap_in_other_stretches_where_there_are_any():
    anchors, pool = torch.tensor([[5, 31]]), torch.arange(60).unsqueeze(0)
    mask = minable(timeline(60), anchors, pool, gap_s=1.0, enough=3)
    for i, a in enumerate((5, 31)):
        assert mask[0, i].tolist() == [abs(a - w) >= 10 and a // 10 != w // 10 for w in range(60)]
    one_stretch = minable(timeline(60, stretch=60), anchors, pool, gap_s=1.0, enough=3)
    for i, a in enumerate((5, 31)):
        assert one_stretch[0, i].tolist() == [abs(a - w) >= 10 for w in range(60)]


def test_one_of_the_nearest_admitted_windows_is_picked_each_as_often():
    anchors, pool = drawn(1, 4, 3), drawn(1, 30, 3, seed=1)
    allowed = torch.rand(1, 4, 30, generator=torch.Generator().manual_seed(1)) < 0.5
    allowed[0, 3], allowed[0, 2] = False, False
    allowed[0, 2, 17] = True
    cosines = (units(anchors) @ units(pool).transpose(1, 2))[0]
    counts = np.zeros((4, 30))
    for number in (np.arange(30) + 0.5) / 30:
        places, found = picked_neighbours(
            anchors, pool, allowed, 3, torch.full((1, 4), number, dtype=torch.float64)
        )
        counts[np.arange(4), places[0].numpy()] += 1
    assert found.tolist() == [[True, True, True, False]]
    for i in (0, 1):
        nearest = sorted(np.flatnonzero(allowed[0, i]), key=lambda w: -cosines[i, w].item())[:3]
        assert (
            counts[i].nonzero()[0].tolist() == sorted(nearest) and (counts[i][nearest] == 10).all()
        )
    assert counts[2, 17] == 30


def test_mined_error_averages_over_anchors_with_a_mined_view():
    p, t = drawn(2, 5, 4), drawn(2, 5, 4, seed=1)
    found = torch.tensor([[True, False, True, True, False], [False] * 5])
    errors = (units(p) - units(t)).square().sum(2)
    assert mined_error(p, t, found).tolist() == pytest.approx(
        [errors[0, [0, 2, 3]].mean().item(), 0.0]
    )


def test_a_random_partner_is_any_admitted_window_each_as_often():
    allowed = torch.tensor([[True, False, True, True], [False, False, False, False]]).expand(
        300, -1, -1
    )
    number = ((torch.arange(300, dtype=torch.float64) + 0.5) / 300).unsqueeze(1).expand(-1, 2)
    places, found = picked_at_random(allowed, number)
    assert torch.bincount(places[:, 0], minlength=4).tolist() == [100, 0, 100, 100]
    assert found[:, 0].all() and not found[:, 1].any()


def test_myow_is_byol_until_mining_begins_and_then_weighs_what_it_mined():
    settings = {
        "projector": [6, 4],
        "predictor": [5],
        "mined_projector": [4, 3],
        "mined_predictor": [4],
        "gap_s": 0.5,
    }
    method = built("myow", mining_from=0.25, mined_weight=0.6, **settings)
    given = batch()
    byol = method.byol.loss(given) / 2
    assert torch.equal(method.loss(given), method.byol.prediction_error(method.byol(given.views)))
    assert torch.allclose(method.loss(given), byol) and method.mined() is None
    weights = []
    for step in range(1, 9):
        method.after_update(step, 8)
        weights.append(method._weight)
    assert weights == pytest.approx([0, 0, 0.3, 0.6, 0.6, 0.6, 0.6, 0.6])
    loss = method.loss(given)
    anchors, others = method.mined()
    assert torch.equal(anchors, given.windows[:, :PAIRS]) and (others >= 0).all()
    assert ((anchors - others).abs() >= 5).all() and (anchors // 10 != others // 10).all()
    z, targets = method.byol.projector(method.encoder(given.views)), method.byol.target(given.views)
    for run in range(RUNS):
        windows = given.windows[run].tolist()
        candidates = [
            [j for j, w in enumerate(windows) if w == other] for other in others[run].tolist()
        ]
        predicted = method.mined_predictor(method.mined_projector(z[:, :PAIRS]))[run]
        projected = method.mined_target(targets)[run]
        cosines = units(predicted) @ units(projected).T
        errors = [
            [2 - 2 * cosines[i, j].item() for j in places] for i, places in enumerate(candidates)
        ]
        low, high = (
            np.mean([choose(e) for e in errors]) for choose in (min, max)
        )  # either view of the mined window
        mined = (loss[run] - 0.4 * byol[run]).item() / 0.6
        assert low - 1e-9 <= mined <= high + 1e-9


# Every method


@pytest.mark.parametrize(
    "kind", ["moco", "simsiam", "barlow_twins", "myow", "swap_vae", "supcon", "y_aware"]
)
def test_a_loss_of_a_run_gives_gradient_to_that_run_alone(kind):
    method = built(kind)
    reads = {
        "counts": torch.ones(RUNS, 2 * PAIRS, 1, UNITS, dtype=torch.int16),
        "targets": torch.arange(2 * PAIRS).expand(RUNS, -1) % 3,
    }
    for step in range(3):  # a queue fills, mining begins
        loss = method.loss(batch(step, **reads))
        method.after_update(step + 1, 3)
    assert loss.shape == (RUNS,)
    loss[1].backward()
    for name, p in method.named_parameters():
        if p.requires_grad and p.grad is not None:
            assert not p.grad[[0, 2]].any(), name
    assert any(p.grad is not None and p.grad[1].any() for p in method.encoder.parameters())
