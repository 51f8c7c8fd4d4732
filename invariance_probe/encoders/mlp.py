"""The stacked multilayer perceptron.

It serves as an encoder, and as the projector and predictor of SSL methods. The first
axis of every tensor is the run (one model).
"""

from itertools import pairwise
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
from invariance_probe.study.encoders import MLPEncoder


class MLP(StackedEncoder):
    """A multilayer perceptron with batch norm.

    Every layer but the last is a linear map with batch norm and ReLU; the last one is
    affine. It maps (run, row, in) to (run, row, widths[-1]). Windows (run, row, time,
    unit) are flattened to rows of time x unit features.

    Parameters
    ----------
    inputs
        Number of input features.
    widths
        Output widths of the successive layers.
    generators
        The generator of each run's initial weights. Weights are drawn in the order of
        the layers.
    """

    def __init__(
        self, inputs: int, widths: tuple[int, ...], generators: list[np.random.Generator]
    ) -> None:
        super().__init__()
        sizes = (inputs, *widths)
        hidden = [initial_weight(generators, a, b) for a, b in pairwise(sizes[:-1])]
        self.hidden = nn.ModuleList(LinearBatchNormReLU(weight) for weight in hidden)
        self.last = StackedLinear(initial_weight(generators, sizes[-2], sizes[-1], gain=1.0))

    @classmethod
    def of(
        cls, declared: MLPEncoder, shape: tuple[int, int], generators: list[np.random.Generator]
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
        return cls(shape[0] * shape[1], declared.widths, generators)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows in training; batch norm uses the batch's own statistics.

        Parameters
        ----------
        x
            Rows (run, row, in) or windows (run, row, time, unit).

        Returns
        -------
        out
            (run, row, widths[-1]).
        """
        x = x.flatten(2)
        for layer in self.hidden:
            x = layer(x)
        return self.last(x)

    def folded(self, x: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Fold batch norm into plain affine maps, with ReLU between them.

        Parameters
        ----------
        x
            Uncorrupted rows (run, row, in) or windows (run, row, time, unit).
        rows
            Weight of each row in the statistics of batch norm (run, 1, row): they sum
            to 1 over the training rows of each run and are 0 for other rows.

        Returns
        -------
        parameters
            Weights and biases of the affine maps.
        """
        x = x.flatten(2)
        named: dict[str, Tensor] = {}
        for i, layer in enumerate(self.hidden):
            assert isinstance(layer, LinearBatchNormReLU)
            weight, bias = layer.folded(x, rows)
            x = torch.baddbmm(bias, x, weight).relu_()
            named |= {f"weight{i}": weight, f"bias{i}": bias}
        last = len(self.hidden)
        return named | {
            f"weight{last}": self.last.weight.detach().clone(),
            f"bias{last}": self.last.bias.detach().clone(),
        }

    @staticmethod
    def encode(declared: MLPEncoder, parameters: Parameters, x: Tensor) -> Tensor:
        """Map rows with frozen affine maps and ReLU between them.

        Parameters
        ----------
        declared
            Not read, because the weights show how many layers there are.
        parameters
            Weights and biases by name. A map without bias (a linear basis) has none.
        x
            Rows (run, row, in) or windows (run, row, time, unit).

        Returns
        -------
        out
            (run, row, dim).
        """
        x = x.flatten(2)
        layers = sum(name.startswith("weight") for name in parameters)
        for i in range(layers):
            weight = parameters[f"weight{i}"]
            bias = parameters.get(f"bias{i}")
            x = torch.bmm(x, weight) if bias is None else shifted_product(bias, x, weight)
            if i < layers - 1:
                x = x.relu_()
        return x
