"""The native kernels against torch.

Numbers are the same to rounding, draws are the same to the bit, and where the kernels
cannot be built this is said clearly.
"""

import pytest
import torch
from torch.nn import functional

from invariance_probe.augmentations.population import DropUnits
from invariance_probe.augmentations.random_bits import Draws, key_tensor
from invariance_probe.augmentations.splitting import CountHalves
from invariance_probe.augmentations.standardisation import Scaling
from invariance_probe.encoders.layers import EPSILON, LinearBatchNormReLU, StackedLinear
from invariance_probe.errors import TrainingError
from invariance_probe.kernels import build, library
from invariance_probe.kernels.arithmetic import Arithmetic
from invariance_probe.kernels.functions import affine, contrast, normed_relu
from invariance_probe.methods.simclr import nt_xent
from invariance_probe.study.training import Optimisation
from invariance_probe.study.transforms import UnitDropout

pytestmark = pytest.mark.skipif(
    bool(build.why_unavailable()), reason=f"no native kernels here: {build.why_unavailable()}"
)
CPU = torch.device("cpu")
SHAPES = [(3, 64, 30, 16), (2, 50, 63, 50), (1, 7, 5, 3), (2, 128, 60, 80), (2, 65, 16, 130)]
"""Runs, rows, inputs and width.

They are whole vectors of 8 and 16, parts of one, and odd numbers of rows and columns.
"""


def drawn(*shape, scale=1.0, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def gradients(function, inputs, upstream):
    inputs = [x.clone().requires_grad_() for x in inputs]
    out = function(*inputs)
    return out.detach(), torch.autograd.grad(out, inputs, upstream.to(out.dtype))


def near(found, exact, tolerance):
    return float((found - exact).abs().max()) <= tolerance * float(exact.abs().max() + 1e-6)


@pytest.mark.parametrize(("runs", "rows", "inputs", "width"), SHAPES)
def test_linear_batch_norm_relu_and_its_gradients_are_torchs_in_double_precision(
    runs, rows, inputs, width
):
    x, weight = drawn(runs, rows, inputs), drawn(runs, inputs, width, scale=inputs**-0.5, seed=1)
    scale, shift = (
        1 + drawn(runs, 1, width, scale=0.1, seed=2),
        drawn(runs, 1, width, scale=0.1, seed=3),
    )
    upstream = drawn(runs, rows, width, seed=4)

    def exact(x, weight, scale, shift):
        hidden = torch.bmm(x, weight)
        centred = hidden - hidden.mean(1, keepdim=True)
        normed = centred * (centred.square().mean(1, keepdim=True) + EPSILON).rsqrt()
        return functional.relu(normed * scale + shift)

    mine, mine_by = gradients(
        lambda *given: normed_relu(*given, EPSILON, False), [x, weight, scale, shift], upstream
    )
    true, true_by = gradients(exact, [t.double() for t in (x, weight, scale, shift)], upstream)
    assert near(mine, true, 1e-5)
    assert all(near(a, b, 2e-5) for a, b in zip(mine_by, true_by, strict=True))


@pytest.mark.parametrize(("runs", "rows", "inputs", "width"), SHAPES)
@pytest.mark.parametrize("halves", [False, True], ids=["single", "bfloat16"])
def test_affine_maps_and_their_gradients_are_torchs_with_factors_rounded_as_said(
    runs, rows, inputs, width, halves
):
    x, weight, bias = (
        drawn(runs, rows, inputs),
        drawn(runs, inputs, width, seed=1),
        drawn(runs, 1, width, seed=2),
    )
    upstream = drawn(runs, rows, width, seed=3)

    def kept(t):
        return t.bfloat16().double() if halves else t.double()

    out, (by_x, by_weight, by_bias) = gradients(
        lambda *given: affine(*given, halves), [x, weight, bias], upstream
    )
    assert near(out, torch.bmm(kept(x), kept(weight)) + bias.double(), 1e-5)
    assert near(by_x, torch.bmm(kept(upstream), kept(weight).transpose(1, 2)), 1e-5)
    assert near(by_weight, torch.bmm(kept(x).transpose(1, 2), kept(upstream)), 1e-5)
    assert near(by_bias, upstream.double().sum(1, keepdim=True), 1e-5)


@pytest.mark.parametrize("shape", [(3, 64, 16), (2, 50, 30), (1, 6, 3), (2, 130, 32)])
@pytest.mark.parametrize(
    ("halves", "tolerance"), [(False, 1e-5), (True, 2e-2)], ids=["single", "bfloat16"]
)
def test_the_contrast_is_nt_xent_in_double_precision(shape, halves, tolerance):
    embeddings, upstream = drawn(*shape), drawn(shape[0], seed=5)
    arithmetic = Arithmetic("native", halves)
    mine, mine_by = gradients(lambda z: nt_xent(z, 0.2, arithmetic), [embeddings], upstream)
    true, true_by = gradients(lambda z: nt_xent(z, 0.2), [embeddings.double()], upstream)
    assert near(mine, true, tolerance) and near(mine_by[0], true_by[0], tolerance)


@pytest.mark.parametrize("temperature", [0.2, 0.02, 0.01, 0.005])
def test_a_loss_that_is_too_small_for_single_precision_is_not_finite_and_never_wrong(temperature):
    z = torch.eye(8).unsqueeze(0)
    found, exact = (
        float(nt_xent(z, temperature, Arithmetic("native"))),
        float(nt_xent(z.double(), temperature)),
    )
    assert abs(found - exact) < 1e-5 * exact or (found == -torch.inf and temperature <= 0.01)


def test_kernels_read_no_other_types_than_theirs_and_compute_on_no_other_device():
    halves = torch.ones(1, 4, 1, 6, dtype=torch.int16)
    scaling = Scaling(drawn(1, 1, 1, 6).double(), drawn(1, 1, 1, 6, seed=1).abs().double())
    assert torch.equal(scaling.apply(halves, 2.0, native=True), scaling.apply(halves, 2.0))
    layer = StackedLinear(drawn(1, 6, 3).double())
    layer.arithmetic = Arithmetic("native")
    with pytest.raises(AssertionError):
        layer(drawn(1, 4, 6).double())
    with pytest.raises(
        TrainingError,
        match=r"native kernels run only on the CPU, and the device is 'cuda'.*--device cpu",
    ):
        Arithmetic.of(Optimisation(kernels="native"), torch.device("cuda"))


def test_a_run_computes_the_same_bits_whatever_its_slot_and_partners():
    shapes = [(60, 50), (50, 7)]
    for inputs, width in shapes:
        x, weight = drawn(5, 33, inputs), drawn(5, inputs, width, seed=1)
        layers = LinearBatchNormReLU(weight), StackedLinear(weight)
        for layer in layers:
            layer.arithmetic = Arithmetic("native")
            out, (by_x,) = gradients(layer, [x], torch.ones(5, 33, width))
            for slot in range(5):
                alone = type(layer)(weight[slot : slot + 1])
                alone.arithmetic = Arithmetic("native")
                own, (own_by,) = gradients(alone, [x[slot : slot + 1]], torch.ones(1, 33, width))
                assert torch.equal(own[0], out[slot]) and torch.equal(own_by[0], by_x[slot])
    z = functional.normalize(drawn(4, 34, 6), dim=2)
    assert torch.equal(contrast(z, 0.1, False)[2:3], contrast(z[2:3], 0.1, False))


def test_what_is_not_a_number_stays_one_and_in_its_own_run():
    x, weight = drawn(2, 32, 16), drawn(2, 16, 16, seed=1)
    x[1, 3, 2] = torch.nan
    scale, shift = torch.ones(2, 1, 16), torch.zeros(2, 1, 16)
    out = normed_relu(x, weight, scale, shift, EPSILON, False)
    assert out[0].isfinite().all() and out[1].isnan().all()
    losses = contrast(torch.stack([functional.normalize(drawn(32, 16), dim=1), out[1]]), 0.2, False)
    assert losses[0].isfinite() and losses[1].isnan()


@pytest.mark.parametrize(("units", "most"), [(30, 5), (61, 40)], ids=["few spikes", "many spikes"])
def test_draws_of_views_are_the_same_bits_as_torchs(units, most):
    counts = torch.randint(
        0, most, (200, units), generator=torch.Generator().manual_seed(1), dtype=torch.int32
    )
    keys = key_tensor([5, 9, 2**63 + 7], CPU)
    bins = torch.randint(0, 200, (3, 40, 2), generator=torch.Generator().manual_seed(2))
    by_torch, by_kernels = (
        CountHalves.of(counts, native).views(keys, 3, (bins, bins)) for native in (False, True)
    )
    assert all(torch.equal(a, b) for a, b in zip(by_torch, by_kernels, strict=True))
    for draw in ("fixed", "uniform"):
        dropout = DropUnits.of(
            [UnitDropout(rate=rate, rate_draw=draw) for rate in (0.0, 0.4, 0.9)],
            torch.ones(3, units),
        )
        address = Draws(keys, 4, torch.tensor([0, 1, 1]), torch.arange(40).expand(3, -1))
        lost = dropout.apply(by_torch[0], dropout.draw(address, (2, units)))
        assert torch.equal(dropout.lose(by_kernels[0], address), lost)
    scaling = Scaling(drawn(3, 1, 1, units).abs(), drawn(3, 1, 1, units, seed=1).abs())
    assert torch.equal(scaling.apply(lost, 2.0), scaling.apply(lost, 2.0, native=True))


def test_where_there_is_no_compiler_the_error_says_so(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    build.library.cache_clear()
    library.native.cache_clear()
    try:
        assert "no-such-compiler" in build.why_unavailable()
        with pytest.raises(
            TrainingError,
            match=r"kernels cannot be compiled .*no-such-compiler.*training.kernels: torch",
        ):
            library.native()
    finally:
        monkeypatch.undo()
        build.library.cache_clear()


def test_a_compiler_that_fails_is_named_with_its_words(monkeypatch, tmp_path):
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\necho 'cannot compile today' >&2; exit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    build.library.cache_clear()
    try:
        assert "cannot compile today" in build.why_unavailable()
    finally:
        monkeypatch.undo()
        build.library.cache_clear()


def test_it_is_built_once_into_the_cache_and_found_there(monkeypatch, tmp_path):
    monkeypatch.setenv("INVARIANCE_PROBE_CACHE", str(tmp_path))
    build.library.cache_clear()
    try:
        assert build.why_unavailable() == ""
        (made,) = (tmp_path / "native").iterdir()
        written = made.stat().st_mtime_ns
        build.library.cache_clear()
        assert build.why_unavailable() == "" and made.stat().st_mtime_ns == written
    finally:
        monkeypatch.undo()
        build.library.cache_clear()
