"""Stacked temporal convolutions: the bins that a kernel sees are laid side by side, so that a convolution is one product."""

from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from invariance_probe.encoders.base import Parameters, StackedEncoder
from invariance_probe.encoders.layers import (
    LinearBatchNormReLU,
    StackedLinear,
    initial_weight,
    shifted_product,
)
from invariance_probe.study.encoders import ConvolutionEncoder


def taps(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Lay the bins that each place of a kernel sees side by side: (run, row, time, in) -> (run, row, place, kernel in)."""
    return x.unfold(2, kernel, stride).transpose(3, 4).flatten(3)


def extents(declared: ConvolutionEncoder, bins: int) -> list[tuple[int, int]]:
    """Return the kernel and the number of places of every convolution, on windows of that many bins."""
    found = []
    for _ in declared.channels:
        kernel = min(declared.kernel_bins, bins)
        bins = (bins - kernel) // declared.stride_bins + 1
        found.append((kernel, bins))
    return found


class Convolution(StackedEncoder):
    """Convolutions over time, each with batch norm over rows and places and ReLU, then an affine map of all that is left."""

    def __init__(
        self,
        declared: ConvolutionEncoder,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.declared = declared
        bins, inputs = shape
        layers = []
        for channels, (kernel, places) in zip(
            declared.channels, extents(declared, bins), strict=True
        ):
            layers.append(
                LinearBatchNormReLU(initial_weight(generators, kernel * inputs, channels))
            )
            inputs, bins = channels, places
        self.hidden = nn.ModuleList(layers)
        self.last = StackedLinear(
            initial_weight(generators, bins * inputs, declared.dimensions, gain=1.0)
        )

    @classmethod
    def of(
        cls,
        declared: ConvolutionEncoder,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> Self:
        """Build encoders of windows of bins and units."""
        return cls(declared, shape, generators)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows, normalising each channel over the rows and places of the batch."""
        x = windows
        for layer, (kernel, places) in zip(
            self.hidden, extents(self.declared, windows.shape[2]), strict=True
        ):
            seen = taps(x, kernel, self.declared.stride_bins)
            x = layer(seen.flatten(1, 2)).unflatten(1, (-1, places))
        return self.last(x.flatten(2))

    def folded(self, windows: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Return weights and biases of the convolutions and of the last map; every place of a row weighs the same."""
        x = windows
        named: dict[str, Tensor] = {}
        for i, (kernel, places) in enumerate(extents(self.declared, windows.shape[2])):
            layer = self.hidden[i]
            assert isinstance(layer, LinearBatchNormReLU)
            seen = taps(x, kernel, self.declared.stride_bins).flatten(1, 2)
            weight, bias = layer.folded(seen, rows.repeat_interleave(places, dim=2) / places)
            x = torch.baddbmm(bias, seen, weight).relu_().unflatten(1, (-1, places))
            named |= {f"weight{i}": weight, f"bias{i}": bias}
        last = len(self.hidden)
        return named | {
            f"weight{last}": self.last.weight.detach().clone(),
            f"bias{last}": self.last.bias.detach().clone(),
        }

    @staticmethod
    def encode(declared: ConvolutionEncoder, parameters: Parameters, windows: Tensor) -> Tensor:
        """Map windows by folded convolutions."""
        x = windows
        for i, (kernel, places) in enumerate(extents(declared, windows.shape[2])):
            seen = taps(x, kernel, declared.stride_bins).flatten(1, 2)
            x = (
                torch.baddbmm(parameters[f"bias{i}"], seen, parameters[f"weight{i}"])
                .relu_()
                .unflatten(1, (-1, places))
            )
        last = len(declared.channels)
        return shifted_product(parameters[f"bias{last}"], x.flatten(2), parameters[f"weight{last}"])
