"""Stacked temporal convolutions, as an encoder of windows.

The first axis of every tensor is the run (one model). A place is one position of the
kernel in time. The bins that the kernel covers at a place are laid side by side, so
that a convolution is one matrix product.
"""

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
    """Lay the bins that a kernel covers side by side, for each place.

    Parameters
    ----------
    x
        (run, row, time, in).
    kernel
        Number of bins that the kernel covers.
    stride
        Number of bins from one place of the kernel to the next.

    Returns
    -------
    seen
        (run, row, place, kernel x in).
    """
    return x.unfold(2, kernel, stride).transpose(3, 4).flatten(3)


def extents(declared: ConvolutionEncoder, bins: int) -> list[tuple[int, int]]:
    """Kernel width and number of places of each convolution.

    If fewer bins are left than a kernel covers, the kernel is shortened to them.

    Parameters
    ----------
    declared
        Channels, kernel and stride of the convolutions.
    bins
        Number of bins of a window.

    Returns
    -------
    extents
        Pairs (kernel, places), one per convolution.
    """
    found = []
    for _ in declared.channels:
        kernel = min(declared.kernel_bins, bins)
        bins = (bins - kernel) // declared.stride_bins + 1
        found.append((kernel, bins))
    return found


class Convolution(StackedEncoder):
    """Convolutions over time with batch norm and ReLU, then an affine map.

    Batch norm is over rows and places. The affine map reads all channels at all
    remaining places.

    Parameters
    ----------
    declared
        The declared architecture.
    shape
        Number of bins and of units of a window.
    generators
        The generator of each run's initial weights.
    """

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
        """Build a stack of encoders, one per random generator.

        Parameters
        ----------
        declared
            The declared architecture.
        shape
            Number of bins and of units of a window.
        generators
            The generator of each run's initial weights.
        """
        return cls(declared, shape, generators)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows; each channel is normalised over rows and places of the batch.

        Parameters
        ----------
        windows
            (run, row, time, unit).

        Returns
        -------
        representation
            (run, row, dim).
        """
        x = windows
        for layer, (kernel, places) in zip(
            self.hidden, extents(self.declared, windows.shape[2]), strict=True
        ):
            seen = taps(x, kernel, self.declared.stride_bins)
            x = layer(seen.flatten(1, 2)).unflatten(1, (-1, places))
        return self.last(x.flatten(2))

    def folded(self, windows: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Fold batch norm into the convolutions.

        All places of a row have the same weight in the statistics.

        Parameters
        ----------
        windows
            Uncorrupted inputs (run, row, time, unit).
        rows
            Weight of each row in the statistics of batch norm (run, 1, row): they sum
            to 1 over the training rows of each run and are 0 for other rows.

        Returns
        -------
        parameters
            Weights and biases of the convolutions and of the last map.
        """
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
        """Map windows with frozen convolutions.

        Parameters
        ----------
        declared
            The declared architecture.
        parameters
            What `folded` returned.
        windows
            (run, row, time, unit).

        Returns
        -------
        representation
            (run, row, dim).
        """
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
