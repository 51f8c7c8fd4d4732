"""Trained encoders as plain functions of named weights.

In: stacked weights, as they are stored, and windows. Out: representations. The first
axis of every tensor is the run (one model), and a row is one window. Nothing here
learns.
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
"""Largest number of input values that frozen encoders process at once."""


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
        """Freeze trained encoders, with batch norm at the training statistics.

        Parameters
        ----------
        encoder
            The trained encoders.
        declared
            Their architecture.
        windows
            Uncorrupted inputs (run, row, time, unit).
        rows
            Weight of each row in the statistics of batch norm (run, row): they sum to 1
            over the training rows of each run and are 0 for other rows.
        """
        return cls(declared, encoder.folded(windows, rows.unsqueeze(1)))

    @classmethod
    def of(
        cls, declared: Encoder, arrays: Sequence[Mapping[str, np.ndarray]], device: torch.device
    ) -> "Frozen":
        """Stack the stored weights of several runs.

        Names that start with `input_` are omitted. They hold the standardisation of the
        input, which is not part of the architecture.

        Parameters
        ----------
        declared
            Their common architecture.
        arrays
            Weights by name, one mapping per run, as `Frozen.arrays` returns them.
        device
            Device for the weights.
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
        """Number of encoders in the stack."""
        return len(next(iter(self.parameters.values())))

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type in which the encoders were trained."""
        return next(iter(self.parameters.values())).dtype

    @torch.no_grad()
    def __call__(self, windows: Tensor) -> Tensor:
        """Map windows to representations; rows do not depend on each other.

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
        """Restrict the encoders to the first `units` input units.

        The result is the same as that of the full encoders if all other units are 0.

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
            Whether a run takes its encoder from this stack (run,), boolean.
        other
            The stack from which the other runs take theirs.
        """
        mixed = {
            name: torch.where(
                better.view(-1, *[1] * (value.dim() - 1)), value, other.parameters[name]
            )
            for name, value in self.parameters.items()
        }
        return Frozen(self.declared, mixed)

    def arrays(self, run: int) -> dict[str, np.ndarray]:
        """Weights of one run's encoder, by name."""
        return {name: value[run].cpu().numpy() for name, value in self.parameters.items()}
