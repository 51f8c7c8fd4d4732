"""Encoders: networks that turn a window into its representation.

In: a method's `encoder`. Out: a frozen declaration. Every encoder ends in a linear map
to the representation. The networks themselves are in `invariance_probe.encoders`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import Declaration

Width = Annotated[int, Field(ge=1)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1)]


class MLPEncoder(Declaration):
    """Multilayer perceptron.

    Every layer is linear, then batch norm and ReLU, except the last, which is linear
    and gives the representation.
    """

    kind: Literal["mlp"] = "mlp"
    widths: Widths = (64, 64, 32)
    """Widths of the layers; the last is the dimension of the representation."""

    @property
    def dimensions(self) -> int:
        """Number of dimensions of the representation."""
        return self.widths[-1]

    def before(self, outputs: int) -> Self:
        """Return the encoder followed by one more layer, with `outputs` outputs."""
        return self.model_copy(update={"widths": (*self.widths, outputs)})

    def with_dimensions(self, dimensions: int) -> Self:
        """Return the same encoder with a representation of `dimensions` dimensions."""
        return self.model_copy(update={"widths": (*self.widths[:-1], dimensions)})


class _ToDimensions(Declaration):
    """An encoder that ends in a linear map to `dimensions`."""

    dimensions: Width = 32
    """Number of dimensions of the representation."""

    def before(self, outputs: int) -> Self:
        """Return the encoder with `outputs` outputs in place of the representation."""
        return self.model_copy(update={"dimensions": outputs})

    def with_dimensions(self, dimensions: int) -> Self:
        """Return the same encoder with a representation of `dimensions` dimensions."""
        return self.model_copy(update={"dimensions": dimensions})


class ConvolutionEncoder(_ToDimensions):
    """Temporal convolutions over the bins of a window.

    Batch norm and ReLU follow each convolution. A linear map then reads all channels of
    all remaining bins.
    """

    kind: Literal["temporal_convolution"] = "temporal_convolution"
    channels: Widths = (32, 32)
    """Number of channels of each convolution."""
    kernel_bins: Width = 3
    """Width of each kernel in bins; cut to the number of bins that are there."""
    stride_bins: Width = 1
    """Stride of each convolution in bins."""


class GRUEncoder(_ToDimensions):
    """Gated recurrent unit over the bins of a window.

    A linear map reads the last state (Cho et al. 2014, arXiv:1406.1078).
    """

    kind: Literal["gru"] = "gru"
    width: Width = 64
    """Width of the recurrent state."""


class TransformerEncoder(_ToDimensions):
    """Transformer: pre-norm self-attention over the bins of a window.

    A linear map reads the mean token (Vaswani et al. 2017, arXiv:1706.03762).
    """

    kind: Literal["transformer"] = "transformer"
    width: Width = 32
    """Width of the tokens; a multiple of `heads`."""
    heads: Width = 4
    """Number of attention heads."""
    layers: Width = 2
    """Number of layers."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"width is {self.width}, but must be a multiple of heads ({self.heads}), because "
                "all heads share the width evenly"
            )
        return self


Encoder = Annotated[
    MLPEncoder | ConvolutionEncoder | GRUEncoder | TransformerEncoder, Field(discriminator="kind")
]
