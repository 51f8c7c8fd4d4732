"""What every stacked encoder offers, in training and once it is frozen.

In training an encoder is a module that maps windows to representations. Once frozen it
is a plain function `encode` of named weights (`folded`), in which a row's result does
not depend on the other rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

Parameters = Mapping[str, Tensor]
"""Weights of stacked frozen encoders by name; each has the run as first axis."""


class StackedEncoder(nn.Module, ABC):
    """K encoders that do not see each other.

    They map windows (run, row, time, unit) to representations (run, row, dim).
    """

    reads_units: ClassVar[str] = "weight0"
    """Name of the folded weight (run, in, out) that reads the input.

    Its inputs are the units, bin after bin where several bins are read at once.
    """

    @classmethod
    @abstractmethod
    def of(
        cls, declared: Any, shape: tuple[int, int], generators: list[np.random.Generator]
    ) -> Self:
        """Build the encoders.

        Parameters
        ----------
        declared
            The declaration in `study/encoders.py`.
        shape
            Bins and units of a window.
        generators
            The `init` stream of every run; weights are drawn in the order of the
            layers.
        """

    @abstractmethod
    def forward(self, windows: Tensor) -> Tensor:
        """Map windows in training; batch norm uses the batch's own statistics.

        Parameters
        ----------
        windows
            (run, row, time, unit).

        Returns
        -------
        representation
            (run, row, dim).
        """

    @abstractmethod
    def folded(self, windows: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Freeze the weights that `encode` needs.

        Batch norm is folded into them, at the statistics of clean training rows.

        Parameters
        ----------
        windows
            Clean inputs (run, row, time, unit).
        rows
            Weights (run, 1, row), summing to one over the training rows of each run and
            zero elsewhere.

        Returns
        -------
        parameters
            Weights by name, each (run, ...).
        """

    @staticmethod
    @abstractmethod
    def encode(declared: Any, parameters: Parameters, windows: Tensor) -> Tensor:
        """Map windows by folded weights; a row does not depend on the others.

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
