"""The stacked multilayer perceptron, which encoders, projectors and predictors are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from invariance_probe.encoders.layers import LinearBatchNormReLU, StackedLinear, initial_weight


class MLP(nn.Module):
    """Linear-BatchNorm-ReLU for every width but the last, which is affine: (run, row, in) -> (run, row, widths[-1]).

    Parameters
    ----------
    inputs
        Number of input features.
    widths
        Output widths of the successive layers.
    generators
        The `init` stream of every run; weights are drawn in the order of the layers.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...], generators: list[np.random.Generator]) -> None:
        super().__init__()
        sizes = (inputs, *widths)
        hidden = [initial_weight(generators, a, b) for a, b in pairwise(sizes[:-1])]
        self.hidden = nn.ModuleList(LinearBatchNormReLU(weight) for weight in hidden)
        self.last = StackedLinear(initial_weight(generators, sizes[-2], sizes[-1], gain=1.0))

    def forward(self, x: Tensor) -> Tensor:
        """Map rows, normalising by the batch's own statistics."""
        for layer in self.hidden:
            x = layer(x)
        return self.last(x)

    @torch.no_grad()
    def freeze(self, x: Tensor, rows: Tensor) -> "FrozenMLP":
        """Fold batch norm into the weights, at the statistics of clean training rows.

        Parameters
        ----------
        x
            Clean inputs (run, row, in).
        rows
            Weights (run, row), summing to one over the training rows of each run and zero elsewhere.
        """
        weights, biases = [], []
        for layer in self.hidden:
            assert isinstance(layer, LinearBatchNormReLU)
            weight, bias = layer.folded(x, rows.unsqueeze(1))
            x = torch.baddbmm(bias, x, weight).relu_()
            weights.append(weight)
            biases.append(bias)
        return FrozenMLP((*weights, self.last.weight.detach().clone()), (*biases, self.last.bias.detach().clone()))


@dataclass(frozen=True, eq=False)
class FrozenMLP:
    """A trained network as plain affine maps with ReLU between; what the store keeps.

    Attributes
    ----------
    weights, biases
        (run, in, out) and (run, 1, out) of every layer.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Map rows (run, row, in) to (run, row, out); a row's result does not depend on the others."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.baddbmm(bias, x, weight).relu_()
        return torch.baddbmm(self.biases[-1], x, self.weights[-1])

    @classmethod
    def of(cls, arrays: Sequence[Mapping[str, np.ndarray]], device: torch.device) -> "FrozenMLP":
        """Stack what `arrays` returned for each run; a map without bias (a linear basis) is given none."""
        layers = sum(name.startswith("weight") for name in arrays[0])
        weights = [np.stack([named[f"weight{i}"] for named in arrays]) for i in range(layers)]
        biases = [
            np.stack([named[f"bias{i}"] for named in arrays]) if f"bias{i}" in arrays[0] else np.zeros_like(weight[:, :1])
            for i, weight in enumerate(weights)
        ]
        return cls(*(tuple(torch.from_numpy(values).to(device) for values in maps) for maps in (weights, biases)))

    def chosen(self, runs: list[int]) -> "FrozenMLP":
        """Return the networks of some of the runs, one again as often as it is named."""
        return FrozenMLP(tuple(w[runs] for w in self.weights), tuple(b[runs] for b in self.biases))

    def arrays(self, run: int) -> dict[str, np.ndarray]:
        """Return one run's maps by name."""
        named = {f"weight{i}": w for i, w in enumerate(self.weights)} | {f"bias{i}": b for i, b in enumerate(self.biases)}
        return {name: tensor[run].cpu().numpy() for name, tensor in named.items()}
