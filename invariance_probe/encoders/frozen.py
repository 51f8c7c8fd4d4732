"""Trained encoders as plain functions of named weights; what the store keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invariance_probe.encoders import ENCODERS
from invariance_probe.encoders.base import Parameters, StackedEncoder
from invariance_probe.study.encoders import Encoder

PASS = 1 << 27
"""At most this many input numbers go through frozen encoders at once."""


@dataclass(frozen=True, eq=False)
class Frozen:
    """Stacked encoders that no longer learn.

    Attributes
    ----------
    declared
        Their architecture.
    parameters
        Their weights by name, (run, ...).
    """

    declared: Encoder
    parameters: Parameters

    @classmethod
    @torch.no_grad()
    def freeze(
        cls, encoder: StackedEncoder, declared: Encoder, windows: Tensor, rows: Tensor
    ) -> "Frozen":
        """Freeze encoders at the statistics of clean training rows: windows (run, row, time, unit), weights (run, row)."""
        return cls(declared, encoder.folded(windows, rows.unsqueeze(1)))

    @classmethod
    def of(
        cls, declared: Encoder, arrays: Sequence[Mapping[str, np.ndarray]], device: torch.device
    ) -> "Frozen":
        """Stack what `arrays` returned for each run; names that the architecture does not know are left out."""
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
        """How many encoders there are."""
        return len(next(iter(self.parameters.values())))

    @property
    def dtype(self) -> torch.dtype:
        """The floating type that they were trained in."""
        return next(iter(self.parameters.values())).dtype

    @torch.no_grad()
    def __call__(self, windows: Tensor) -> Tensor:
        """Map windows (run, row, time, unit) to representations (run, row, dim); a row's result does not depend on the others."""
        encode = ENCODERS[self.declared.kind].encode
        passes = -(-windows.numel() // PASS)
        if passes <= 1:
            return encode(self.declared, self.parameters, windows)
        return torch.cat(
            [encode(self.declared, self.parameters, part) for part in windows.chunk(passes, dim=1)],
            dim=1,
        )

    def of_units(self, units: int, total: int) -> "Frozen":
        """Return encoders that read only the first `units` of the `total` that these read, as where the others are zero."""
        name = ENCODERS[self.declared.kind].reads_units
        weight = self.parameters[name].unflatten(1, (-1, total))[:, :, :units].flatten(1, 2)
        return Frozen(self.declared, {**self.parameters, name: weight})

    def chosen(self, runs: list[int]) -> "Frozen":
        """Return some of the encoders, one again as often as it is named."""
        return Frozen(self.declared, {name: value[runs] for name, value in self.parameters.items()})

    def where(self, better: Tensor, other: "Frozen") -> "Frozen":
        """Return these encoders where `better` (run,) is true, and the other ones elsewhere."""
        mixed = {
            name: torch.where(
                better.view(-1, *[1] * (value.dim() - 1)), value, other.parameters[name]
            )
            for name, value in self.parameters.items()
        }
        return Frozen(self.declared, mixed)

    def arrays(self, run: int) -> dict[str, np.ndarray]:
        """Return one encoder's weights by name."""
        return {name: value[run].cpu().numpy() for name, value in self.parameters.items()}
