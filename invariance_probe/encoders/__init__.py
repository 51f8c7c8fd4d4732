"""Stacked encoders: windows in, representations out.

The first axis of every tensor is the run, and no run sees another. Methods and the
training loop do not depend on which encoder is used.
"""

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
"""Stacked implementation of each encoder that a study can declare, by kind."""


def build_encoder(
    declared: Encoder, shape: tuple[int, int], generators: list[np.random.Generator]
) -> StackedEncoder:
    """Build one encoder per generator, stacked.

    Parameters
    ----------
    declared
        The declared architecture.
    shape
        Bins and units of a window.
    generators
        The `init` stream of every run; there is one encoder per generator.

    Returns
    -------
    encoder
        Maps windows (run, row, time, unit) to representations (run, row, dim).
    """
    return ENCODERS[declared.kind].of(declared, shape, generators)
