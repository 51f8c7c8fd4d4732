"""Every stacked encoder against plain torch layers with the same weights.

Encoders are compared trained and frozen, alone and together.
"""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from invariance_probe.encoders import ENCODERS, build_encoder, frozen
from invariance_probe.encoders.frozen import Frozen
from invariance_probe.encoders.layers import sigmoid
from invariance_probe.study.encoders import (
    ConvolutionEncoder,
    GRUEncoder,
    MLPEncoder,
    TransformerEncoder,
)

BINS, UNITS, ROWS, RUNS = 7, 5, 13, 3
DECLARED = {
    "mlp": MLPEncoder(widths=(9, 4)),
    "temporal_convolution": ConvolutionEncoder(channels=(6, 5), kernel_bins=3, dimensions=4),
    "gru": GRUEncoder(width=5, dimensions=4),
    "transformer": TransformerEncoder(width=6, heads=2, layers=2, dimensions=4),
}
STRIDED = ConvolutionEncoder(channels=(6, 5, 3), kernel_bins=4, stride_bins=2, dimensions=4)
WIDE = [
    MLPEncoder(widths=(20, 16)), ConvolutionEncoder(channels=(20, 16), dimensions=16),
    GRUEncoder(width=20, dimensions=16), TransformerEncoder(width=20, heads=2, dimensions=16),
]  # fmt: skip
NORMALISING = {"mlp", "temporal_convolution"}


def close(a, b):
    assert torch.allclose(a, b, rtol=0, atol=1e-9), float((a - b).abs().max())


def windows(runs=RUNS, rows=ROWS, bins=BINS, dtype=torch.float64, seed=0, units=UNITS):
    return torch.randn(
        runs, rows, bins, units, generator=torch.Generator().manual_seed(seed), dtype=dtype
    )


def built(declared, runs=range(RUNS), bins=BINS, dtype=torch.float64, units=UNITS):
    """Encoders whose parameters are all drawn, so that no scale is 1 and no bias is 0."""
    encoder = build_encoder(
        declared, (bins, units), [np.random.default_rng(run) for run in runs]
    ).to(dtype)
    with torch.no_grad():
        for p in encoder.parameters():
            drawn = [
                np.random.default_rng([run, p.numel() // len(p)]).standard_normal(p.shape[1:])
                for run in runs
            ]
            p += 0.2 * torch.from_numpy(np.stack(drawn)).to(dtype)
    return encoder


def weights(encoder, run):
    return {
        name: p.detach()[run].clone().requires_grad_(True) for name, p in encoder.named_parameters()
    }


def convolution(w, x, declared):
    """`nn.Conv1d`, `nn.BatchNorm1d` in training mode and ReLU, then `nn.Linear`."""
    inputs = x.shape[2]
    x = x.transpose(1, 2)
    for i, channels in enumerate(declared.channels):
        kernel = min(declared.kernel_bins, x.shape[2])
        conv = nn.Conv1d(inputs, channels, kernel, declared.stride_bins, bias=False).double()
        norm = nn.BatchNorm1d(channels).double().train()
        weight = w[f"hidden.{i}.weight"].unflatten(0, (kernel, inputs)).permute(2, 1, 0)
        scaled = {"weight": w[f"hidden.{i}.scale"][0], "bias": w[f"hidden.{i}.shift"][0]}
        x = functional.relu(
            functional_call(norm, scaled, (functional_call(conv, {"weight": weight}, (x,)),))
        )
        inputs = channels
    return x.transpose(1, 2).flatten(1) @ w["last.weight"] + w["last.bias"]


def recurrent(w, x, declared):
    """`nn.GRU`, then a linear map of its last state."""
    layer = nn.GRU(x.shape[2], declared.width, batch_first=True).double()
    own = {
        "weight_ih_l0": w["units.inward_weight"].T,
        "weight_hh_l0": w["units.recurrent_weight"].T,
        "bias_ih_l0": w["units.bias"][0],
        "bias_hh_l0": torch.zeros(3 * declared.width, dtype=x.dtype),
    }
    states, _ = functional_call(layer, own, (x,))
    return states[:, -1] @ w["last.weight"] + w["last.bias"]


def transformer(w, x, declared):
    """`nn.TransformerEncoderLayer`, with the norms first, as a reference.

    The tokens carry position codes by the formula of the paper.
    """
    width = declared.width
    half = (width + 1) // 2
    codes = [[np.sin(t / 10_000 ** (i / half)) for i in range(half)] for t in range(x.shape[1])]
    codes = np.concatenate(
        [
            codes,
            [[np.cos(t / 10_000 ** (i / half)) for i in range(half)] for t in range(x.shape[1])],
        ],
        axis=1,
    )
    x = x @ w["embedded.weight"] + w["embedded.bias"] + torch.from_numpy(codes[:, :width])
    for i in range(declared.layers):
        layer = nn.TransformerEncoderLayer(
            width, declared.heads, 4 * width, 0.0, "relu", batch_first=True, norm_first=True
        )
        own = {
            name.removeprefix(f"blocks.{i}."): value
            for name, value in w.items()
            if name.startswith(f"blocks.{i}.")
        }
        named = {
            "self_attn.in_proj_weight": own["inward.weight"].T,
            "self_attn.in_proj_bias": own["inward.bias"][0],
            "self_attn.out_proj.weight": own["outward.weight"].T,
            "self_attn.out_proj.bias": own["outward.bias"][0],
            "linear1.weight": own["wide.weight"].T,
            "linear1.bias": own["wide.bias"][0],
            "linear2.weight": own["narrow.weight"].T,
            "linear2.bias": own["narrow.bias"][0],
            "norm1.weight": own["scale"][0],
            "norm1.bias": own["shift"][0],
            "norm2.weight": own["wide_scale"][0],
            "norm2.bias": own["wide_shift"][0],
        }
        x = functional_call(layer.double(), named, (x,))
    return x.mean(1) @ w["last.weight"] + w["last.bias"]


REFERENCES = {"temporal_convolution": convolution, "gru": recurrent, "transformer": transformer}


def test_every_declared_encoder_is_tested_here():
    assert DECLARED.keys() == ENCODERS.keys() and REFERENCES.keys() == ENCODERS.keys() - {"mlp"}


@pytest.mark.parametrize("bins", [BINS, 2, 1])
@pytest.mark.parametrize(
    "declared", [*(DECLARED[kind] for kind in REFERENCES), STRIDED], ids=lambda d: d.kind
)
def test_outputs_and_gradients_equal_those_of_torch_layers(declared, bins):
    encoder = built(declared, bins=bins)
    x = windows(bins=bins).requires_grad_(True)
    out = encoder(x)
    assert out.shape == (RUNS, ROWS, declared.dimensions)
    out.sin().sum().backward()
    for run in range(RUNS):
        own, alone = weights(encoder, run), x.detach()[run].clone().requires_grad_(True)
        expected = REFERENCES[declared.kind](own, alone, declared)
        expected.sin().sum().backward()
        close(out[run], expected)
        close(x.grad[run], alone.grad)
        for name, p in encoder.named_parameters():
            close(p.grad[run], own[name].grad)


@pytest.mark.parametrize("declared", [*DECLARED.values(), STRIDED], ids=lambda d: d.kind)
def test_a_frozen_encoder_is_the_training_pass_at_the_statistics_of_its_rows(declared):
    encoder, x = built(declared), windows()
    everything = torch.full((RUNS, ROWS), 1 / ROWS, dtype=torch.float64)
    close(Frozen.freeze(encoder, declared, x, everything)(x), encoder(x))
    part = torch.zeros(RUNS, ROWS, dtype=torch.float64)
    part[:, 2:9] = 1 / 7  # what is tested does not reach the statistics
    elsewhere = x.clone()
    elsewhere[:, 9:] += 100
    frozen_there = Frozen.freeze(encoder, declared, elsewhere, part)
    close(frozen_there(x[:, 2:9]), encoder(x[:, 2:9]))
    assert (declared.kind in NORMALISING) != torch.allclose(frozen_there(x), encoder(x))


@pytest.mark.parametrize("declared", DECLARED.values(), ids=lambda d: d.kind)
def test_rows_of_a_frozen_encoder_do_not_reach_each_other(declared):
    encoder, x = built(declared), windows()
    found = Frozen.freeze(
        encoder, declared, x, torch.full((RUNS, ROWS), 1 / ROWS, dtype=torch.float64)
    )
    other = windows(seed=1)
    other[:, 4] = x[:, 4]
    assert torch.equal(found(other)[:, 4], found(x)[:, 4])
    close(found(x[:, 4:5])[:, 0], found(x)[:, 4])


@pytest.mark.parametrize("bins", [10, 1])
@pytest.mark.parametrize("declared", WIDE, ids=lambda d: d.kind)
def test_single_precision_is_bit_identical_whatever_the_partners(declared, bins):
    """Tested at widths of 8, or of 12 and more.

    MKL's products of 5 to 11 columns do depend on where in memory they start.
    """

    def pass_of(runs):
        encoder = built(declared, runs, bins, torch.float32, units=30)
        x = torch.cat(
            [windows(1, bins=bins, dtype=torch.float32, seed=run, units=30) for run in runs]
        ).requires_grad_(True)
        out = encoder(x)
        out.square().sum().backward()
        clean = Frozen.freeze(
            encoder, declared, x.detach(), torch.full((len(runs), ROWS), 1 / ROWS)
        )(x.detach())
        return [out.detach(), clean, x.grad, *(p.grad for p in encoder.parameters())]

    together, others, alone = pass_of([0, 1, 2, 3, 4]), pass_of([7, 3, 9]), pass_of([3])
    for a, b, c in zip(together, others, alone, strict=True):
        assert torch.equal(a[3], b[1]) and torch.equal(a[3], c[0])


@pytest.mark.parametrize("declared", [*DECLARED.values(), STRIDED], ids=lambda d: d.kind)
def test_stored_arrays_come_back_as_the_same_encoders(declared):
    encoder, x = built(declared), windows()
    found = Frozen.freeze(
        encoder, declared, x, torch.full((RUNS, ROWS), 1 / ROWS, dtype=torch.float64)
    )
    arrays = [found.arrays(run) | {"input_mean": np.zeros(UNITS)} for run in (2, 0)]
    again = Frozen.of(declared, arrays, torch.device("cpu"))
    assert torch.equal(again(x[[2, 0]]), found.chosen([2, 0])(x[[2, 0]]))
    assert again.runs == 2 and again.dtype == torch.float64
    before = found(x)
    with torch.no_grad():
        for p in encoder.parameters():
            p += 1
    assert torch.equal(found(x), before)  # what goes on learning does not reach what is frozen


@pytest.mark.parametrize("declared", DECLARED.values(), ids=lambda d: d.kind)
def test_many_rows_go_through_in_parts_and_come_out_the_same(declared, monkeypatch):
    encoder, x = built(declared), windows()
    found = Frozen.freeze(
        encoder, declared, x, torch.full((RUNS, ROWS), 1 / ROWS, dtype=torch.float64)
    )
    whole = found(x)
    monkeypatch.setattr(frozen, "PASS", x.numel() // 4)
    close(found(x), whole)


@pytest.mark.parametrize("declared", DECLARED.values(), ids=lambda d: d.kind)
def test_a_network_that_goes_on_to_the_target_has_its_outputs(declared):
    assert built(declared.before(2))(windows()).shape == (RUNS, ROWS, 2)


@pytest.mark.parametrize(
    "declared",
    [DECLARED["gru"], DECLARED["transformer"], DECLARED["temporal_convolution"]],
    ids=lambda d: d.kind,
)
def test_the_order_of_bins_matters(declared):
    encoder, x = built(declared), windows()
    assert not torch.allclose(encoder(x), encoder(x.flip(2)), atol=1e-3)


def test_sigmoid_is_that_of_torch_and_does_not_know_its_place():
    x = torch.randn(5, 37, 13, generator=torch.Generator().manual_seed(0)) * 3
    assert torch.allclose(sigmoid(x.double()), x.double().sigmoid(), rtol=0, atol=1e-15)
    assert all(torch.equal(sigmoid(x[i : i + 1]), sigmoid(x)[i : i + 1]) for i in range(5))
