"""How the products of a training step are computed: by torch or by the native kernels, in the tensors' own precision or in bfloat16."""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.errors import TrainingError
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
        """Return what an optimisation asks for; raises `TrainingError` where native kernels cannot compute."""
        if settings.kernels == "native":
            require_native(device)
        return cls(settings.kernels, settings.precision == "bfloat16")

    @property
    def native(self) -> bool:
        """Whether the native kernels compute."""
        return self.kernels == "native"

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the batched matrix product by torch."""
        return torch.bmm(a.bfloat16(), b.bfloat16()).to(a.dtype) if self.halves else torch.bmm(a, b)


PLAIN = Arithmetic()
"""Products by torch in the tensors' own precision."""


def require_native(device: torch.device) -> None:
    """Raise `TrainingError` where native kernels cannot compute: on other devices than the CPU, and where they cannot be built."""
    if device.type != "cpu":
        raise TrainingError(
            f"training.kernels is 'native', but the device is {device.type!r}, and native kernels "
            "are for the CPU; use --device cpu, or "
            "training.kernels: torch"
        )
    native()


def storage(precision: str) -> torch.dtype:
    """Return the floating type that weights and activations are kept in."""
    return torch.float64 if precision == "float64" else torch.float32
