"""Call the functions of the compiled kernels on stacked CPU tensors.

Shapes are not checked here: callers must pass what native.cpp expects.
"""

import ctypes
from functools import lru_cache

import torch
from torch import Tensor

from invariance_probe.errors import TrainingError
from invariance_probe.kernels.build import library

READ = {torch.float32, torch.int64, torch.int16}
"""Types of the tensors whose memory native.cpp reads and writes."""


class Native:
    """The functions of native.cpp.

    Every tensor must be contiguous, on the CPU, and have the run as its first axis. Shapes
    are not checked, because the functions are inner loops.

    Parameters
    ----------
    compiled
        The library that `build.library` loaded.
    """

    def __init__(self, compiled: ctypes.CDLL) -> None:
        self._compiled = compiled
        self.multiplies_halves = bool(compiled.multiplies_halves())
        """Whether the processor has instructions for bfloat16 products.

        If not, they are computed in single precision, with the same rounding but no gain
        in speed.
        """

    def call(self, name: str, *arguments: Tensor | int | float | None) -> None:
        """Call a function of native.cpp by name.

        Parameters
        ----------
        name
            Name of the function.
        *arguments
            Its arguments: tensors are passed as pointers to their memory, numbers as C's
            long and float, and None as the null pointer.
        """
        getattr(self._compiled, name)(*map(_passed, arguments))


def _passed(
    argument: Tensor | int | float | None,
) -> ctypes.c_void_p | ctypes.c_long | ctypes.c_float:
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, Tensor):
        assert argument.is_contiguous() and argument.device.type == "cpu" and argument.dtype in READ
        return ctypes.c_void_p(argument.data_ptr())
    return ctypes.c_float(argument) if isinstance(argument, float) else ctypes.c_long(argument)


@lru_cache(maxsize=1)
def native() -> Native:
    """Load the compiled kernels.

    Raises
    ------
    TrainingError
        If they cannot be built on this machine; the message says why.
    """
    found = library()
    if isinstance(found, str):
        raise TrainingError(
            "training.kernels is 'native', but the kernels cannot be compiled on this machine: "
            f"{found}; install a C++ compiler (GCC or Clang), or use training.kernels: torch"
        )
    return Native(found)
