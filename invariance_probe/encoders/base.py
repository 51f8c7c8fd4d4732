"""The interface of every stacked encoder, in training and once it is frozen.

In training, an encoder is a torch module that maps windows to representations. Once
frozen, it is a plain function `encode` of named weights, which `folded` returns. Batch
norm is then part of the weights, so the representation of a row (a window) does not
depend on the other rows. The first axis of every tensor is the run (one model).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

Parameters = Mapping[str, Tensor]
"""Weights of stacked frozen encoders by name; the first axis is the run."""


class StackedEncoder(nn.Module, ABC):
    """K encoders that are computed together without influencing each other.

    They map windows (run, row, time, unit) to representations (run, row, dim).
    """

    reads_units: ClassVar[str] = "weight0"
    """Name of the frozen weight (run, in, out) that reads the input.

    Its inputs are the units. If it reads several bins at once, they are the units of
    the first bin, then those of the second, and so on.
    """

    @classmethod
    @abstractmethod
    def of(
        cls, declared: Any, shape: tuple[int, int], generators: list[np.random.Generator]
    ) -> Self:
        """Build a stack of encoders, one per random generator.

        Parameters
        ----------
        declared
            The architecture, as declared in `study/encoders.py`.
        shape
            Number of bins and of units of a window.
        generators
            The generator of each run's initial weights. Weights are drawn in the order
            of the layers.
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
        """Return the weights that `encode` needs, with batch norm folded in.

        Batch norm is frozen at the statistics of uncorrupted training windows.

        Parameters
        ----------
        windows
            Uncorrupted inputs (run, row, time, unit).
        rows
            Weight of each row in these statistics (run, 1, row): they sum to 1 over the
            training rows of each run and are 0 for other rows.

        Returns
        -------
        parameters
            Weights by name, each (run, ...).
        """

    @staticmethod
    @abstractmethod
    def encode(declared: Any, parameters: Parameters, windows: Tensor) -> Tensor:
        """Map windows with frozen weights; rows do not depend on each other.

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
