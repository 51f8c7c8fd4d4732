"""Bounds on mutual information.

They are tested at the best critic, against closed forms, and as estimators on arrays.
"""

import math

import numpy as np
import pytest
import torch

from invariance_probe.errors import DataError
from invariance_probe.methods.mutual_information import (
    BOUNDS,
    bound_of,
    infonce,
    interpolated,
    jensen_shannon,
    nwj,
    tuba,
)
from invariance_probe.probing.measurements.gaussian_information import (
    TRUTHS,
    bound_on_gaussians,
    correlation,
)
from invariance_probe.probing.measurements.information import estimate_information
from invariance_probe.study.training import Optimisation

NATS, WIDTH = 1.0, 2
QUICK = Optimisation(steps=50, batch_size=32, learning_rate=1e-3, weight_decay=0.0)


def best_scores(runs=200, batch=128, seed=0):
    """Log density ratios of correlated Gaussians: the critic that no training can beat."""
    gen = np.random.default_rng(seed)
    rho = float(correlation(NATS, WIDTH))
    x = gen.standard_normal((runs, batch, WIDTH))
    y = rho * x + math.sqrt(1 - rho**2) * gen.standard_normal(x.shape)
    a, b = x[:, :, None], y[:, None, :]
    ratio = -0.5 * math.log(1 - rho**2) - (rho**2 * (a**2 + b**2) - 2 * rho * a * b) / (
        2 * (1 - rho**2)
    )
    return torch.from_numpy(ratio.sum(3))


def test_every_bound_is_the_information_at_its_best_critic():
    ratio = best_scores()
    nothing = torch.zeros(
        ratio.shape[:2], dtype=torch.float64
    )  # the best log baseline of a log density ratio
    found = {
        "infonce": infonce(ratio),
        "nwj": nwj(ratio + 1),
        "dv": bound_of("dv", ratio),
        "js": bound_of("js", ratio),
        "tuba": tuba(ratio, nothing),
        "interpolated": interpolated(ratio, nothing),
    }
    assert found.keys() == set(BOUNDS)
    for name, values in found.items():
        error = float(values.std() / len(values) ** 0.5)
        bias = {"infonce": 0.02}.get(name, 0.005)  # InfoNCE's own at a batch of 128
        assert float(values.mean()) == pytest.approx(NATS, abs=4 * error + bias), name


def test_the_bounds_equal_their_sums_written_out():
    scores = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    baseline = torch.randn(2, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for run in range(2):
        f, a = scores[run].numpy(), baseline[run].numpy()
        off = [(i, j) for i in range(5) for j in range(5) if i != j]
        strangers = np.mean([np.exp(f[i, j]) for i, j in off])
        joint = np.mean(np.diag(f))
        assert infonce(scores)[run].item() == pytest.approx(
            np.mean([f[j, j] - np.log(np.mean(np.exp(f[:, j]))) for j in range(5)])
        )
        assert nwj(scores)[run].item() == pytest.approx(joint - strangers / np.e)
        assert bound_of("dv", scores)[run].item() == pytest.approx(joint - np.log(strangers))
        classified = np.mean(np.log(1 / (1 + np.exp(-np.diag(f))))) - np.mean(
            [np.log1p(np.exp(f[i, j])) for i, j in off]
        )
        assert jensen_shannon(scores)[run].item() == pytest.approx(classified)
        apart = np.mean([np.exp(f[i, j] - a[j]) for i, j in off])
        assert tuba(scores, baseline)[run].item() == pytest.approx(
            1 + np.mean(np.diag(f) - a) - apart
        )
        expected = 1.0
        for j in range(5):
            for out in range(5):
                mean = np.mean([np.exp(f[i, j]) for i in range(5) if i != out])
                mixed = 0.3 * mean + 0.7 * np.exp(a[j])
                expected += (f[j, j] - np.log(mixed)) / 20 if out != j else -mean / mixed / 5
        assert interpolated(scores, baseline, 0.3)[run].item() == pytest.approx(expected)


def test_infonce_never_exceeds_the_logarithm_of_the_batch():
    scores = 1000 * torch.eye(8, dtype=torch.float64).unsqueeze(0)
    assert infonce(scores).item() == pytest.approx(math.log(8))


@pytest.mark.parametrize("bound", BOUNDS)
def test_critics_of_every_bound_train_to_finite_values(bound):
    values = bound_on_gaussians(bound, QUICK)
    assert values.shape[0] == len(TRUTHS) and np.isfinite(values).all()


def test_information_of_arrays_is_found_and_is_nothing_between_strangers():
    gen = np.random.default_rng(3)
    x = gen.standard_normal((6000, 2))
    rho = float(correlation(NATS, 2))
    y = rho * x + math.sqrt(1 - rho**2) * gen.standard_normal(x.shape)
    settings = Optimisation(steps=400, batch_size=64, learning_rate=1e-3, weight_decay=0.0)
    found = estimate_information(x, y, "infonce", seeds=2, settings=settings)
    assert 0.75 < found.nats.mean() < 1.1
    strangers = estimate_information(
        x, gen.standard_normal(x.shape), "infonce", seeds=2, settings=settings
    )
    assert strangers.nats.mean() < 0.05
    again = estimate_information(x, y, "infonce", seeds=2, settings=settings)
    np.testing.assert_array_equal(found.nats, again.nats)


@pytest.mark.parametrize(("x", "y", "bound", "said"), [
    (np.zeros((10, 2)), np.zeros((9, 2)), "nwj", "same number of samples"),
    (np.zeros((10, 2)), np.zeros((10, 2)), "nwj", "use at least 640"),
    (np.zeros((10, 2)), np.zeros((10, 2)), "mine", "unknown bound 'mine'; allowed: infonce"),
])  # fmt: skip
def test_bad_input_gets_one_clear_error(x, y, bound, said):
    with pytest.raises(DataError, match=said):
        estimate_information(x, y, bound)
