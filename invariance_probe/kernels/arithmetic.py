"""Choice of how the matrix products of a training step are computed.

They are computed by torch or by the native kernels, and in the tensors' own precision or
in bfloat16.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from invariance_probe.errors import TrainingError
from invariance_probe.kernels.library import native
from invariance_probe.study.training import Optimisation


@dataclass(frozen=True)
class Arithmetic:
    """How the layers of models that are trained together multiply matrices.

    Attributes
    ----------
    kernels
        `torch` or `native`.
    halves
        Whether the factors of products are rounded to bfloat16. The native kernels then
        add up in single precision, torch in a precision of its own choice. All other
        computations, and all that is stored, keep single precision.
    """

    kernels: str = "torch"
    halves: bool = False

    @classmethod
    def of(cls, settings: Optimisation, device: torch.device) -> "Arithmetic":
        """Choose the arithmetic that the training settings of a study ask for.

        Parameters
        ----------
        settings
            Training settings, with kernels and precision.
        device
            Device on which the models are trained.

        Raises
        ------
        TrainingError
            If native kernels are requested but cannot be used on this device or machine.
        """
        if settings.kernels == "native":
            require_native(device)
        return cls(settings.kernels, settings.precision == "bfloat16")

    @property
    def native(self) -> bool:
        """Whether the native kernels are used."""
        return self.kernels == "native"

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """Multiply the matrices of each run, with torch.

        Parameters
        ----------
        a, b
            Factors (run, row, in) and (run, in, out).

        Returns
        -------
        product
            Products (run, row, out), with the dtype of `a`.
        """
        return torch.bmm(a.bfloat16(), b.bfloat16()).to(a.dtype) if self.halves else torch.bmm(a, b)


PLAIN = Arithmetic()
"""Products by torch in the tensors' own precision."""


def require_native(device: torch.device) -> None:
    """Raise an error if the native kernels cannot be used.

    Raises
    ------
    TrainingError
        If the device is not the CPU, or if the kernels cannot be built on this machine.
    """
    if device.type != "cpu":
        raise TrainingError(
            "training.kernels is 'native', but native kernels run only on the CPU, and the "
            f"device is {device.type!r}; use --device cpu, or training.kernels: torch"
        )
    native()


def storage(precision: str) -> torch.dtype:
    """Return the floating-point type in which weights and activations are stored."""
    return torch.float64 if precision == "float64" else torch.float32
