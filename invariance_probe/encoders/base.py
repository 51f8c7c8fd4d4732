"""What every stacked encoder offers: a training pass, and a plain function of its own weights once it is frozen."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

Parameters = Mapping[str, Tensor]
"""Weights of stacked frozen encoders by name; the first axis of each is the run."""


class StackedEncoder(nn.Module, ABC):
    """K encoders of windows (run, row, time, unit) into representations (run, row, dim) that do not see each other."""

    reads_units: ClassVar[str] = "weight0"
    """The folded weight (run, bins x units, out) that reads the input; rows of one bin lie together."""

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
            The `init` stream of every run; weights are drawn in the order of the layers.
        """

    @abstractmethod
    def forward(self, windows: Tensor) -> Tensor:
        """Map windows, normalising by the batch's own statistics where there is batch norm."""

    @abstractmethod
    def folded(self, windows: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """Return what `encode` needs, batch norm folded in at the statistics of clean training rows.

        Parameters
        ----------
        windows
            Clean inputs (run, row, time, unit).
        rows
            Weights (run, 1, row), summing to one over the training rows of each run and zero elsewhere.
        """

    @staticmethod
    @abstractmethod
    def encode(declared: Any, parameters: Parameters, windows: Tensor) -> Tensor:
        """Map windows by folded weights; a row's result does not depend on the others."""
