"""Trained encoders as plain functions of named weights.

These weights are what the store keeps. In: stacked weights and windows. Out:
representations. Nothing here learns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders import ENCODERS
from invariance_probe.encoders.base import Parameters, StackedEncoder
from invariance_probe.study.encoders import Encoder

PASS = 1 << 27
"""Largest number of input values that frozen encoders take in one pass."""


@dataclass(frozen=True, eq=False)
class Frozen:
    """Stacked encoders that no longer learn.

    Attributes
    ----------
    declared
        Their architecture.
    parameters
        Their weights by name, each (run, ...).
    """

    declared: Encoder
    parameters: Parameters

    @classmethod
    @torch.no_grad()
    def freeze(
        cls, encoder: StackedEncoder, declared: Encoder, windows: Tensor, rows: Tensor
    ) -> "Frozen":
        """Freeze encoders at the statistics of clean training rows.

        Parameters
        ----------
        encoder
            The trained encoders.
        declared
            Their architecture.
        windows
            Clean inputs (run, row, time, unit).
        rows
            Weights (run, row), summing to one over the training rows of each run.
        """
        return cls(declared, encoder.folded(windows, rows.unsqueeze(1)))

    @classmethod
    def of(
        cls, declared: Encoder, arrays: Sequence[Mapping[str, np.ndarray]], device: torch.device
    ) -> "Frozen":
        """Stack the weights of several runs, as `arrays` returned them.

        Names that start with `input_` are left out: they hold the standardisation of
        the input, which is no part of the architecture.

        Parameters
        ----------
        declared
            Their common architecture.
        arrays
            Weights by name, one mapping per run.
        device
            Where the weights are put.
        """
        names = [name for name in arrays[0] if not name.startswith("input_")]
        return cls(
            declared,
            {
                name: torch.from_numpy(np.stack([named[name] for named in arrays])).to(device)
                for name in names
            },
        )

    @property
    def runs(self) -> int:
        """Number of encoders."""
        return len(next(iter(self.parameters.values())))

    @property
    def dtype(self) -> torch.dtype:
        """Floating type that the encoders were trained in."""
        return next(iter(self.parameters.values())).dtype

    @torch.no_grad()
    def __call__(self, windows: Tensor) -> Tensor:
        """Map windows to representations; a row does not depend on the others.

        Parameters
        ----------
        windows
            (run, row, time, unit).

        Returns
        -------
        representation
            (run, row, dim).
        """
        encode = ENCODERS[self.declared.kind].encode
        passes = -(-windows.numel() // PASS)
        if passes <= 1:
            return encode(self.declared, self.parameters, windows)
        return torch.cat(
            [encode(self.declared, self.parameters, part) for part in windows.chunk(passes, dim=1)],
            dim=1,
        )

    def of_units(self, units: int, total: int) -> "Frozen":
        """The same encoders on the first `units` inputs alone.

        They equal the encoders of all `total` units where the other units are zero.

        Parameters
        ----------
        units
            Number of units that the new encoders read.
        total
            Number of units that these encoders read.
        """
        name = ENCODERS[self.declared.kind].reads_units
        weight = self.parameters[name].unflatten(1, (-1, total))[:, :, :units].flatten(1, 2)
        return Frozen(self.declared, {**self.parameters, name: weight})

    def chosen(self, runs: list[int]) -> "Frozen":
        """Stack the encoders of the listed runs; a run may be listed repeatedly."""
        return Frozen(self.declared, {name: value[runs] for name, value in self.parameters.items()})

    def where(self, better: Tensor, other: "Frozen") -> "Frozen":
        """Choose between two stacks of encoders, run by run.

        Parameters
        ----------
        better
            Whether a run keeps its encoder of this stack (run,), boolean.
        other
            The stack that serves the other runs.
        """
        mixed = {
            name: torch.where(
                better.view(-1, *[1] * (value.dim() - 1)), value, other.parameters[name]
            )
            for name, value in self.parameters.items()
        }
        return Frozen(self.declared, mixed)

    def arrays(self, run: int) -> dict[str, np.ndarray]:
        """Weights of one encoder by name."""
        return {name: value[run].cpu().numpy() for name, value in self.parameters.items()}
