"""Stacked encoders: windows in, representations out.

K encoders are computed at once, as one stack: the first axis of every tensor is the run
(one model), and no run influences another. A row is one window of a batch. Methods and
the training loop do not depend on which encoder is used.
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
"""Stacked implementation of each kind of encoder that a study can declare."""


def build_encoder(
    declared: Encoder, shape: tuple[int, int], generators: list[np.random.Generator]
) -> StackedEncoder:
    """Build a stack of encoders, one per random generator.

    Parameters
    ----------
    declared
        The declared architecture.
    shape
        Number of bins and of units of a window.
    generators
        The generator of each run's initial weights.

    Returns
    -------
    encoder
        Maps windows (run, row, time, unit) to representations (run, row, dim).
    """
    return ENCODERS[declared.kind].of(declared, shape, generators)
