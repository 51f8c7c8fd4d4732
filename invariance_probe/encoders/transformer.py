"""Stacked pre-norm transformers.

They serve as an encoder of windows, and as the context of a sequence of latents.
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
"""Width of the feed-forward layer, relative to that of the tokens.

Vaswani et al. 2017, arXiv:1706.03762, section 3.3.
"""


def sinusoids(places: int, width: int, like: Tensor) -> Tensor:
    """Fixed position codes of Vaswani et al. 2017, section 3.5.

    The sines come first and then the cosines.

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
    """Apply self-attention and a feed-forward layer.

    Each comes after a layer norm and is added to its own input.

    Parameters
    ----------
    x
        Tokens (run, row, token, width).
    weights
        Weights of a `Block`, by name.
    heads
        Number of parts that the width is cut into.

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
    return functional.layer_norm(x, x.shape[-1:]) * scale + shift


class Block(nn.Module):
    """One layer of a transformer, for each run.

    It maps tokens (run, row, token, width) to the same shape.

    Parameters
    ----------
    width
        Width of the tokens.
    heads
        Number of attention heads.
    generators
        The `init` stream of every run.
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
        """Let every token of a row read the others.

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

    The representation is an affine map of the mean token.

    Parameters
    ----------
    declared
        The declared architecture.
    shape
        Bins and units of a window.
    generators
        The `init` stream of every run; there is one encoder per generator.
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
        """Build one encoder per generator.

        Parameters
        ----------
        declared
            The declared architecture.
        shape
            Bins and units of a window.
        generators
            The `init` stream of every run; there is one encoder per generator.
        """
        return cls(declared, shape, generators)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows; a layer norm reads one token and no other row.

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
        """Copy the weights as they are, since there is no batch norm to fold.

        Parameters
        ----------
        windows, rows
            Not read.
        """
        return {name: value.detach().clone() for name, value in self.named_parameters()}

    @staticmethod
    def encode(declared: TransformerEncoder, parameters: Parameters, windows: Tensor) -> Tensor:
        """Map windows by the named weights.

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
