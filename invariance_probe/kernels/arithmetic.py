"""How the products of a training step are computed.

By torch or by the native kernels, and in the tensors' own precision or in bfloat16.
"""

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
        Whether products round their factors to bfloat16. They then sum in single
        precision (native), or in what torch sums in. All else, and what is stored,
        stays single.
    """

    kernels: str = "torch"
    halves: bool = False

    @classmethod
    def of(cls, settings: Optimisation, device: torch.device) -> "Arithmetic":
        """Build what an optimisation asks for.

        Parameters
        ----------
        settings
            Kernels and precision.
        device
            Where the training runs.

        Raises
        ------
        TrainingError
            When native kernels are asked for and cannot compute here.
        """
        if settings.kernels == "native":
            require_native(device)
        return cls(settings.kernels, settings.precision == "bfloat16")

    @property
    def native(self) -> bool:
        """Whether the native kernels compute."""
        return self.kernels == "native"

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Batched matrix product by torch.

        Parameters
        ----------
        a, b
            (run, row, in) and (run, in, out).

        Returns
        -------
        product
            (run, row, out), of the dtype of `a`.
        """
        return torch.bmm(a.bfloat16(), b.bfloat16()).to(a.dtype) if self.halves else torch.bmm(a, b)


PLAIN = Arithmetic()
"""Products by torch in the tensors' own precision."""


def require_native(device: torch.device) -> None:
    """Refuse native kernels where they cannot compute.

    Raises
    ------
    TrainingError
        On devices other than the CPU, and where the kernels cannot be built.
    """
    if device.type != "cpu":
        raise TrainingError(
            f"training.kernels is 'native', but the device is {device.type!r}, and native kernels "
            "are for the CPU; use --device cpu, or training.kernels: torch"
        )
    native()


def storage(precision: str) -> torch.dtype:
    """Floating type that weights and activations are kept in."""
    return torch.float64 if precision == "float64" else torch.float32
