"""Stacked encoders; the first axis of every tensor is the run."""

import numpy as np

from invariance_probe.encoders.base import StackedEncoder
from invariance_probe.encoders.convolution import Convolution
from invariance_probe.encoders.mlp import MLP
from invariance_probe.encoders.recurrent import GRU
from invariance_probe.encoders.transformer import Transformer
from invariance_probe.study.encoders import Encoder

ENCODERS: dict[str, type[StackedEncoder]] = {
    "mlp": MLP,
    "temporal_convolution": Convolution,
    "gru": GRU,
    "transformer": Transformer,
}
"""The stacked implementation of every encoder that a study can declare."""


def build_encoder(
    declared: Encoder, shape: tuple[int, int], generators: list[np.random.Generator]
) -> StackedEncoder:
    """Build stacked encoders of windows with the given bins and units, one a generator."""
    return ENCODERS[declared.kind].of(declared, shape, generators)
