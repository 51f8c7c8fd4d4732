"""Stacked gated recurrent units (GRU).

They serve as an encoder of windows, and as the context network of methods that predict
within sequences of windows. The first axis of every tensor is the run (one model).
"""

from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from invariance_probe.encoders.base import Parameters, StackedEncoder
from invariance_probe.encoders.layers import StackedLinear, initial_weight, shifted_product, sigmoid
from invariance_probe.study.encoders import GRUEncoder


def gru_states(x: Tensor, inward: Tensor, recurrent: Tensor, bias: Tensor) -> Tensor:
    """Compute the states of stacked gated recurrent units at every time.

    The recurrent product is scaled by the reset gate before it enters the candidate
    state (Cho et al. 2014, arXiv:1406.1078, in the form of cuDNN and PyTorch: n =
    tanh(W x + b + r * (U h))).

    Parameters
    ----------
    x
        Inputs (run, row, time, in); the state starts at 0.
    inward, recurrent
        Weights of the inputs (run, in, 3 width) and of the state (run, width, 3 width),
        in the order reset gate, update gate, candidate.
    bias
        (run, 1, 3 width).

    Returns
    -------
    states
        (run, row, time, width).
    """
    runs, rows, bins, _ = x.shape
    width = recurrent.shape[1]
    # Time comes before row, so that the rows of one time lie together in memory.
    by_time = x.transpose(1, 2).flatten(1, 2)
    driven = torch.baddbmm(bias, by_time, inward).unflatten(1, (bins, rows))
    state = x.new_zeros(runs, rows, width)
    states = []
    for here in driven.unbind(1):
        back = torch.bmm(state, recurrent)
        reset, update = sigmoid(here[..., : 2 * width] + back[..., : 2 * width]).chunk(2, dim=2)
        candidate = (here[..., 2 * width :] + reset * back[..., 2 * width :]).tanh()
        state = candidate + update * (state - candidate)
        states.append(state)
    return torch.stack(states, dim=2)


class StackedGRU(nn.Module):
    """Gated recurrent units over time, one network per run.

    They map (run, row, time, in) to (run, row, time, width).

    Parameters
    ----------
    inputs
        Width of the inputs.
    width
        Width of the state.
    generators
        The generator of each run's initial weights.
    """

    def __init__(self, inputs: int, width: int, generators: list[np.random.Generator]) -> None:
        super().__init__()
        self.inward_weight = nn.Parameter(initial_weight(generators, inputs, 3 * width, gain=1.0))
        self.recurrent_weight = nn.Parameter(initial_weight(generators, width, 3 * width, gain=1.0))
        self.bias = nn.Parameter(self.inward_weight.new_zeros(len(generators), 1, 3 * width))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the states at every time.

        Parameters
        ----------
        x
            (run, row, time, in).

        Returns
        -------
        states
            (run, row, time, width).
        """
        return gru_states(x, self.inward_weight, self.recurrent_weight, self.bias)


class GRU(StackedEncoder):
    """A recurrent encoder over the bins of a window.

    The representation is an affine map of the last state.

    Parameters
    ----------
    declared
        The declared architecture.
    shape
        Number of bins and of units of a window.
    generators
        The generator of each run's initial weights.
    """

    reads_units = "units.inward_weight"

    def __init__(
        self, declared: GRUEncoder, shape: tuple[int, int], generators: list[np.random.Generator]
    ) -> None:
        super().__init__()
        self.units = StackedGRU(shape[1], declared.width, generators)
        self.last = StackedLinear(
            initial_weight(generators, declared.width, declared.dimensions, gain=1.0)
        )

    @classmethod
    def of(
        cls, declared: GRUEncoder, shape: tuple[int, int], generators: list[np.random.Generator]
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
        """Map windows to representations; there is no normalisation.

        Parameters
        ----------
        windows
            (run, row, time, unit).

        Returns
        -------
        representation
            (run, row, dim).
        """
        return self.last(self.units(windows)[:, :, -1])

    def folded(self, windows: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Return a copy of the weights, since there is no batch norm to fold.

        Parameters
        ----------
        windows, rows
            Not read.
        """
        return {name: value.detach().clone() for name, value in self.named_parameters()}

    @staticmethod
    def encode(declared: GRUEncoder, parameters: Parameters, windows: Tensor) -> Tensor:
        """Map windows with frozen weights.

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
        names = ("units.inward_weight", "units.recurrent_weight", "units.bias")
        state = gru_states(windows, *(parameters[name] for name in names))[:, :, -1]
        return shifted_product(parameters["last.bias"], state, parameters["last.weight"])
