"""How the products of a training step are computed: by torch or by the native kernels, in the tensors' own precision or in bfloat16."""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.kernels.library import native
from invariance_probe.study.training import Optimisation


@dataclass(frozen=True)
class Arithmetic:
    """What the layers of a stack compute with.

    Attributes
    ----------
    kernels
        `torch` or `native`.
    halves
        Products round their factors to bfloat16 and sum in single precision (native), or in what torch sums in; all else, and what is
        stored, stays single.
    """

    kernels: str = "torch"
    halves: bool = False

    @classmethod
    def of(cls, settings: Optimisation, device: torch.device) -> "Arithmetic":
        """Return what an optimisation asks for; kernels are for the CPU, elsewhere torch computes."""
        if settings.kernels == "native" and device.type == "cpu":
            native()
            return cls("native", settings.precision == "bfloat16")
        return cls("torch", settings.precision == "bfloat16")

    @property
    def native(self) -> bool:
        """Whether the native kernels compute."""
        return self.kernels == "native"

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the batched matrix product by torch."""
        return torch.bmm(a.bfloat16(), b.bfloat16()).to(a.dtype) if self.halves else torch.bmm(a, b)


PLAIN = Arithmetic()
"""Products by torch in the tensors' own precision."""


def storage(precision: str) -> torch.dtype:
    """Return the floating type that weights and activations are kept in."""
    return torch.float64 if precision == "float64" else torch.float32
