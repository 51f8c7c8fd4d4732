"""Stacked transformers with layer norm before each sublayer (pre-norm).

They serve as an encoder of windows, and as the context network of methods that predict
within sequences of windows. The first axis of every tensor is the run (one model). A
token is one bin of a window (or one window of a sequence).
"""

from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from invariance_probe.encoders.base import Parameters, StackedEncoder
from invariance_probe.encoders.layers import StackedLinear, initial_weight, shifted_product
from invariance_probe.study.encoders import TransformerEncoder

EXPANSION = 4
"""Width of the feed-forward layer, divided by that of the tokens.

Vaswani et al. 2017, arXiv:1706.03762, section 3.3.
"""


def sinusoids(places: int, width: int, like: Tensor) -> Tensor:
    """Fixed position codes of Vaswani et al. 2017, section 3.5.

    Unlike there, all sines come first, then all cosines.

    Parameters
    ----------
    places
        Number of positions.
    width
        Width of a code.
    like
        Tensor whose dtype and device the codes get.

    Returns
    -------
    codes
        (place, width).
    """
    half = -(-width // 2)
    rates = 10_000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(places, dtype=torch.float64).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width].to(like)


def attend(x: Tensor, weights: Parameters, heads: int) -> Tensor:
    """Apply self-attention, then a feed-forward layer.

    Each of the two reads its input through a layer norm and is added to it.

    Parameters
    ----------
    x
        Tokens (run, row, token, width).
    weights
        Weights of a `Block`, by name.
    heads
        Number of attention heads, into which the width is divided.

    Returns
    -------
    tokens
        (run, row, token, width).
    """
    tokens = x.shape[2]
    flat = x.flatten(1, 2)
    normed = _normed(flat, weights["scale"], weights["shift"])
    read = torch.baddbmm(weights["inward.bias"], normed, weights["inward.weight"]).unflatten(
        1, (-1, tokens)
    )
    query, key, value = (
        part.unflatten(3, (heads, -1)).transpose(2, 3) for part in read.chunk(3, dim=3)
    )
    attended = (
        functional.scaled_dot_product_attention(query, key, value)
        .transpose(2, 3)
        .flatten(3)
        .flatten(1, 2)
    )
    flat = flat + torch.baddbmm(weights["outward.bias"], attended, weights["outward.weight"])
    normed = _normed(flat, weights["wide_scale"], weights["wide_shift"])
    hidden = torch.baddbmm(weights["wide.bias"], normed, weights["wide.weight"]).relu()
    return (
        flat + torch.baddbmm(weights["narrow.bias"], hidden, weights["narrow.weight"])
    ).unflatten(1, (-1, tokens))


def _normed(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Layer norm with a scale and a shift per run."""
    return functional.layer_norm(x, x.shape[-1:]) * scale + shift


class Block(nn.Module):
    """One layer of a transformer: self-attention and a feed-forward network.

    It maps tokens (run, row, token, width) to the same shape.

    Parameters
    ----------
    width
        Width of the tokens.
    heads
        Number of attention heads.
    generators
        The generator of each run's initial weights.
    """

    def __init__(self, width: int, heads: int, generators: list[np.random.Generator]) -> None:
        super().__init__()
        self.heads = heads
        self.inward = StackedLinear(initial_weight(generators, width, 3 * width, gain=1.0))
        self.outward = StackedLinear(initial_weight(generators, width, width, gain=1.0))
        self.wide = StackedLinear(initial_weight(generators, width, EXPANSION * width))
        self.narrow = StackedLinear(initial_weight(generators, EXPANSION * width, width, gain=1.0))
        ones = self.inward.weight.new_ones(len(generators), 1, width)
        self.scale, self.wide_scale = nn.Parameter(ones), nn.Parameter(ones.clone())
        self.shift, self.wide_shift = (
            nn.Parameter(torch.zeros_like(ones)),
            nn.Parameter(torch.zeros_like(ones)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Let every token of a row attend to all tokens of the row.

        Parameters
        ----------
        x
            (run, row, token, width).

        Returns
        -------
        tokens
            (run, row, token, width).
        """
        return attend(x, dict(self.named_parameters()), self.heads)


class Transformer(StackedEncoder):
    """Self-attention over the bins of a window.

    The representation is an affine map of the mean over tokens.

    Parameters
    ----------
    declared
        The declared architecture.
    shape
        Number of bins and of units of a window.
    generators
        The generator of each run's initial weights.
    """

    reads_units = "embedded.weight"

    def __init__(
        self,
        declared: TransformerEncoder,
        shape: tuple[int, int],
        generators: list[np.random.Generator],
    ) -> None:
        super().__init__()
        self.declared = declared
        self.embedded = StackedLinear(
            initial_weight(generators, shape[1], declared.width, gain=1.0)
        )
        self.blocks = nn.ModuleList(
            Block(declared.width, declared.heads, generators) for _ in range(declared.layers)
        )
        self.last = StackedLinear(
            initial_weight(generators, declared.width, declared.dimensions, gain=1.0)
        )

    @classmethod
    def of(
        cls,
        declared: TransformerEncoder,
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
        """Map windows; layer norm is within a token, so rows are independent.

        Parameters
        ----------
        windows
            (run, row, time, unit).

        Returns
        -------
        representation
            (run, row, dim).
        """
        return self.encode(self.declared, dict(self.named_parameters()), windows)

    def folded(self, windows: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Return a copy of the weights, since there is no batch norm to fold.

        Parameters
        ----------
        windows, rows
            Not read.
        """
        return {name: value.detach().clone() for name, value in self.named_parameters()}

    @staticmethod
    def encode(declared: TransformerEncoder, parameters: Parameters, windows: Tensor) -> Tensor:
        """Map windows with the given weights.

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
        flat = torch.baddbmm(
            parameters["embedded.bias"], windows.flatten(1, 2), parameters["embedded.weight"]
        )
        tokens = flat.unflatten(1, windows.shape[1:3])
        tokens = tokens + sinusoids(tokens.shape[2], tokens.shape[3], tokens)
        for i in range(declared.layers):
            prefix = f"blocks.{i}."
            own = {
                name.removeprefix(prefix): value
                for name, value in parameters.items()
                if name.startswith(prefix)
            }
            tokens = attend(tokens, own, declared.heads)
        return shifted_product(parameters["last.bias"], tokens.mean(2), parameters["last.weight"])
