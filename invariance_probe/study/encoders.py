"""What makes a representation of a window: stacked networks, each ending in a linear map to the representation."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from invariance_probe.study.declaration import Declaration

Width = Annotated[int, Field(ge=1)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1)]


class MLPEncoder(Declaration):
    """Linear, batch norm, ReLU for every width but the last, which is linear: the representation."""

    kind: Literal["mlp"] = "mlp"
    widths: Widths = (64, 64, 32)

    @property
    def dimensions(self) -> int:
        """Dimensions of the representation."""
        return self.widths[-1]

    def before(self, outputs: int) -> Self:
        """Return the encoder of a network that goes on to that many outputs."""
        return self.model_copy(update={"widths": (*self.widths, outputs)})

    def with_dimensions(self, dimensions: int) -> Self:
        """Return the encoder with a representation of another size."""
        return self.model_copy(update={"widths": (*self.widths[:-1], dimensions)})


class _ToDimensions(Declaration):
    """An encoder that ends in a linear map to `dimensions`."""

    dimensions: Width = 32

    def before(self, outputs: int) -> Self:
        """Return the encoder of a network with that many outputs."""
        return self.model_copy(update={"dimensions": outputs})

    def with_dimensions(self, dimensions: int) -> Self:
        """Return the encoder with a representation of another size."""
        return self.model_copy(update={"dimensions": dimensions})


class ConvolutionEncoder(_ToDimensions):
    """Temporal convolutions over the bins of a window, each with batch norm and ReLU, then a linear map of what is left."""

    kind: Literal["temporal_convolution"] = "temporal_convolution"
    channels: Widths = (32, 32)
    kernel_bins: Width = 3
    """Bins that a convolution sees; where a window has fewer, all of them."""
    stride_bins: Width = 1


class GRUEncoder(_ToDimensions):
    """A gated recurrent unit over the bins of a window (Cho et al. 2014, arXiv:1406.1078); a linear map of its last state."""

    kind: Literal["gru"] = "gru"
    width: Width = 64


class TransformerEncoder(_ToDimensions):
    """Pre-norm self-attention over the bins of a window (Vaswani et al. 2017, arXiv:1706.03762); a linear map of the mean token."""

    kind: Literal["transformer"] = "transformer"
    width: Width = 32
    heads: Width = 4
    layers: Width = 2

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"width {self.width} is not a multiple of heads {self.heads}; use a width that all heads share evenly"
            )
        return self


Encoder = Annotated[
    MLPEncoder | ConvolutionEncoder | GRUEncoder | TransformerEncoder, Field(discriminator="kind")
]
